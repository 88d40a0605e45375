//! One proof against one request: the checks of RFC 9449 section 4.3, one test for each, and their
//! order. What a nonce does is in `nonce.rs`.

use std::error::Error;
use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::Duration;

use a0_dpop::{
    Htu, InMemoryReplayStore, MAX_JTI, MAX_VERIFIED_HEADER, NonceIssuer, ProofError, ProofRules,
    ReplayStore, Seen, Target, UnverifiedProof, VerifiedHeader, VerifiedProof, one_proof,
};
use a0_jose::{
    Algorithm, ClaimError, HeaderError, JwkError, NumericDate, ParseError, Part, base64url_decode,
    base64url_encode, sha256_base64url,
};
use a0_testkit::{ProofBuilder, ProofKey, SigningKey};
use serde_json::{Value, json};

const METHOD: &str = "POST";
const URL: &str = "https://api.example/v1/orders";
const NOW: i64 = 1_700_000_000;
/// The base64url of its hash has a `-` and a `_`.
const TOKEN: &str = "an.access.token-2";

/// The client's key.
fn key() -> &'static ProofKey {
    static KEY: OnceLock<ProofKey> = OnceLock::new();
    KEY.get_or_init(|| ProofKey::generate().unwrap())
}

/// A proof that passes.
fn good() -> ProofBuilder {
    by(key())
}

fn by(key: &ProofKey) -> ProofBuilder {
    key.proof(METHOD, URL).for_token(TOKEN).issued_at(NOW)
}

fn of_kind(algorithm: a0_testkit::Algorithm) -> ProofKey {
    let key = match algorithm {
        a0_testkit::Algorithm::Rs256 => SigningKey::cached_rsa("proof").unwrap(),
        other => SigningKey::generate(other).unwrap(),
    };
    ProofKey::new(key, algorithm).unwrap()
}

fn now() -> NumericDate {
    NumericDate::from_unix_seconds(NOW)
}

fn url_of(text: &str) -> Htu {
    Htu::parse(text).unwrap()
}

fn target() -> Target<'static> {
    Target::new(METHOD, url_of(URL), TOKEN)
}

/// With the header of [`good`] known too: what comes of a proof must be the same.
fn verified_by(rules: &ProofRules, proof: &str) -> Result<VerifiedProof, ProofError> {
    let judge = |known| rules.validate_with_header(proof, known, &target(), None, now());
    let judged = judge(None).and_then(UnverifiedProof::verify);
    let known = judge(Some(good_header())).and_then(UnverifiedProof::verify);
    match (&judged, &known) {
        (Ok(judged), Ok(known)) => {
            assert_eq!(known.claims(), judged.claims());
            assert_eq!(known.thumbprint(), judged.thumbprint());
            assert_eq!(known.replay_key(), judged.replay_key());
            assert_eq!(known.replay_until(), judged.replay_until());
        }
        _ => assert_eq!(known.as_ref().err(), judged.as_ref().err()),
    }
    judged
}

fn good_header() -> &'static VerifiedHeader {
    static HEADER: OnceLock<VerifiedHeader> = OnceLock::new();
    HEADER.get_or_init(|| known_header(&ProofRules::new(), good()))
}

fn known_header(rules: &ProofRules, proof: ProofBuilder) -> VerifiedHeader {
    kept_header(rules, proof).unwrap()
}

fn kept_header(rules: &ProofRules, proof: ProofBuilder) -> Option<VerifiedHeader> {
    let proof = proof.mint().unwrap();
    let judged = rules.validate(&proof, &target(), None, now());
    judged
        .and_then(UnverifiedProof::verify_and_keep_header)
        .unwrap()
        .1
}

fn verified(proof: ProofBuilder) -> Result<VerifiedProof, ProofError> {
    verified_by(&ProofRules::new(), &proof.mint().unwrap())
}

/// What every check together says of a proof for [`METHOD`], [`URL`] and [`TOKEN`].
fn outcome(proof: ProofBuilder) -> Result<(), ProofError> {
    verified(proof).map(|_| ())
}

fn outcome_of_text(proof: &str) -> Result<(), ProofError> {
    verified_by(&ProofRules::new(), proof).map(|_| ())
}

fn wrong_type(claim: &'static str) -> Result<(), ProofError> {
    let expected = match claim {
        "iat" => "a number",
        _ => "a string",
    };
    Err(ProofError::ClaimType(ClaimError::new(claim, expected)))
}

/// The public JWK of [`key`] with one member set.
fn jwk_with(name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = key().public_jwk();
    jwk[name] = value.into();
    jwk
}

/// ... with one member left out.
fn jwk_without(name: &str) -> Value {
    let mut jwk = key().public_jwk();
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

fn coordinate(name: &str) -> Vec<u8> {
    base64url_decode(key().public_jwk()[name].as_str().unwrap()).unwrap()
}

#[test]
fn rfc9449_4_3_1_several_fields_or_a_list_are_refused() {
    let several = || Err(ProofError::Multiple);
    for (fields, expected) in [
        (&[][..], Ok(None)),
        (&[""], Ok(None)),
        (&["a.b.c"], Ok(Some("a.b.c"))),
        (&["a.b.c", "d.e.f"], several()),
        (&["a.b.c", "a.b.c"], several()),
        (&["a.b.c", ""], several()),
        (&["", "a.b.c"], several()),
        (&["", ""], several()),
        (&["a.b.c", "d.e.f", "g.h.i"], several()),
        (&["a.b.c,d.e.f"], several()),
        (&["a.b.c, a.b.c"], several()),
        (&["a.b.c,"], several()),
        (&[",a.b.c"], several()),
        (&[","], several()),
        // Not empty, so a proof; no JWT, as check 2 says.
        (&[" "], Ok(Some(" "))),
        (&["\"a.b.c\""], Ok(Some("\"a.b.c\""))),
    ] {
        assert_eq!(one_proof(fields.iter().copied()), expected, "{fields:?}");
    }
    let owned = vec!["a.b.c".to_owned()];
    assert_eq!(one_proof(owned), Ok(Some("a.b.c".to_owned())));
}

#[test]
fn rfc9449_4_3_2_a_proof_is_one_well_formed_jwt() {
    let proof = good().mint().unwrap();
    assert_eq!(outcome_of_text(&proof), Ok(()));
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let (header, payload) = input.split_once('.').unwrap();
    let spare_bits = format!("{}.{payload}.{signature}", flip_spare_bits(header));

    use ParseError::{DuplicateMember, Encoding, NotAnObject, SegmentCount};
    use Part::{Header, Payload};
    for (text, error) in [
        (String::new(), SegmentCount),
        (" ".into(), SegmentCount),
        ("opaque".into(), SegmentCount),
        (input.into(), SegmentCount),
        // RFC 7516 section 7.1: a JWE has five parts.
        (format!("{header}.AA.AA.AA.AA"), SegmentCount),
        (format!("{proof}.{proof}"), SegmentCount),
        (format!("{proof},{proof}"), SegmentCount),
        (".".repeat(10_000), SegmentCount),
        (
            format!(
                r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#
            ),
            SegmentCount,
        ),
        ("..".into(), NotAnObject(Header)),
        (format!(" {proof}"), Encoding(Header)),
        (format!("\"{proof}\""), Encoding(Header)),
        (format!("\u{feff}{proof}"), Encoding(Header)),
        (format!("{header}=.{payload}.{signature}"), Encoding(Header)),
        (spare_bits, Encoding(Header)),
        (format!("{header}..{signature}"), NotAnObject(Payload)),
        (
            format!("{header}.{payload}\n.{signature}"),
            Encoding(Payload),
        ),
    ] {
        assert_eq!(outcome_of_text(&text), Err(ProofError::Parse(error)));
    }

    let jwk = key().public_jwk();
    let [x, y] = ["x", "y"].map(|name| jwk[name].as_str().unwrap());
    let header = |jwk: String| format!(r#"{{"typ":"dpop+jwt","alg":"ES256",{jwk}}}"#);
    let whole = format!(r#""jwk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}"#);
    for (raw, expected) in [
        (header(whole.clone()), Ok(())),
        (header(format!("{whole},{whole}")), Err(())),
        (header(format!(r#"{whole},"alg":"ES256""#)), Err(())),
        (header(format!(r#"{whole},"typ":"dpop+jwt""#)), Err(())),
        (header(format!(r#"{whole},"\u006awk":1"#)), Err(())),
        (header(whole.replace(r#""x""#, r#""x":"AA","x""#)), Err(())),
        (
            header(whole.replace(r#""y""#, r#""y":"AA","\u0079""#)),
            Err(()),
        ),
    ] {
        let expected = expected.map_err(|()| ProofError::Parse(DuplicateMember(Header)));
        assert_eq!(outcome(good().raw_header(&raw)), expected, "{raw}");
    }
    for (raw, error) in [
        (payload_with("\"jti\":\"k\"", "1"), DuplicateMember(Payload)),
        (
            payload_with("\"a\":{\"b\":1,\"b\":1}", "1"),
            DuplicateMember(Payload),
        ),
        ("[]".into(), NotAnObject(Payload)),
        ("null".into(), NotAnObject(Payload)),
        ("{} {}".into(), NotAnObject(Payload)),
        (payload_with("\"a\":1e999", "1"), NotAnObject(Payload)),
    ] {
        let expected = Err(ProofError::Parse(error));
        assert_eq!(outcome(good().raw_payload(&raw)), expected, "{raw}");
    }
}

/// A payload as text, so that what it says of a number is not rewritten, with one member more.
fn payload_with(member: &str, iat: &str) -> String {
    let ath = sha256_base64url(TOKEN);
    format!(
        r#"{{"jti":"j","htm":"{METHOD}","htu":"{URL}","ath":"{ath}","iat":{iat}{}{member}}}"#,
        if member.is_empty() { "" } else { "," },
    )
}

/// Another text that a lax decoder reads as the same octets.
fn flip_spare_bits(segment: &str) -> String {
    let octets = base64url_decode(segment).unwrap();
    // Padded with white space by hand, a JSON text may be of any length modulo three.
    let mut octets = octets;
    while octets.len() % 3 != 1 {
        octets.push(b' ');
    }
    let mut text = base64url_encode(&octets);
    let last = text.pop().unwrap();
    text.push(char::from(last as u8 + 1));
    assert_eq!(base64url_decode(&text), None);
    text
}

#[test]
fn a_larger_proof_is_refused_before_it_is_looked_at() {
    let proof = good().mint().unwrap();
    let limited = |bytes| verified_by(&ProofRules::new().max_size(bytes), &proof).map(|_| ());
    assert_eq!(limited(proof.len()), Ok(()));
    let too_large = |error: Result<(), ProofError>| {
        matches!(error, Err(ProofError::Parse(ParseError::TooLarge { .. })))
    };
    assert!(too_large(limited(proof.len() - 1)));
    assert!(too_large(limited(0)));

    // By default 16 KiB.
    let filled = |bytes: usize| ".".repeat(bytes);
    let segments = Err(ProofError::Parse(ParseError::SegmentCount));
    assert_eq!(outcome_of_text(&filled(16 * 1024)), segments);
    assert!(too_large(outcome_of_text(&filled(16 * 1024 + 1))));
    assert!(too_large(outcome_of_text(&filled(100_000))));
    assert!(too_large(outcome(good().claim("a", "a".repeat(200_000)))));
}

#[test]
fn rfc9449_4_3_3_every_member_is_there_in_its_type() {
    for (name, error) in [
        ("typ", ProofError::Type),
        ("alg", ProofError::Algorithm),
        ("jwk", ProofError::MissingJwk),
    ] {
        assert_eq!(
            outcome(good().without_header(name)),
            Err(error.clone()),
            "{name}"
        );
        for value in [
            Value::Null,
            json!(1),
            json!(true),
            json!([]),
            json!(["ES256"]),
        ] {
            let changed = outcome(good().header(name, value.clone()));
            assert_eq!(changed, Err(error.clone()), "{name} {value}");
        }
    }
    for name in ["iat", "ath", "htm", "htu", "jti"] {
        let missing = Err(ProofError::MissingClaim(name));
        assert_eq!(outcome(good().without_claim(name)), missing);
        for value in [
            Value::Null,
            json!(true),
            json!([]),
            json!([METHOD]),
            json!({}),
        ] {
            let changed = outcome(good().claim(name, value.clone()));
            assert_eq!(changed, wrong_type(name), "{name} {value}");
        }
        let other_scalar = match name {
            "iat" => json!("1700000000"),
            _ => json!(1_700_000_000),
        };
        assert_eq!(outcome(good().claim(name, other_scalar)), wrong_type(name));
    }
    assert_eq!(outcome(good()), Ok(()));
}

#[test]
fn rfc9449_4_3_3_the_key_is_one_public_key_of_the_algorithm() {
    let invalid = |error| Err(ProofError::Jwk(error));
    let missing = || Err(ProofError::MissingJwk);
    let curve = || Err(ProofError::Curve("P-256"));
    let kind = || Err(ProofError::KeyType);
    let public = |algorithm| of_kind(algorithm).public_jwk();
    let length = |octets: Vec<u8>| base64url_encode(octets);
    let (x, y) = (coordinate("x"), coordinate("y"));
    let longer = [&[0][..], &x].concat();
    use a0_testkit::Algorithm::{EdDsa, Es384, Rs256};
    for (jwk, expected) in [
        (key().public_jwk(), Ok(())),
        (jwk_with("kid", "a"), Ok(())),
        (jwk_with("use", "sig"), Ok(())),
        (jwk_with("key_ops", json!(["verify"])), Ok(())),
        (jwk_with("alg", "ES256"), Ok(())),
        (jwk_with("unknown", json!({"a": [1]})), Ok(())),
        (json!(key().public_jwk().to_string()), missing()),
        (json!([key().public_jwk()]), missing()),
        (json!({}), kind()),
        (jwk_without("kty"), kind()),
        (jwk_with("kty", Value::Null), kind()),
        (jwk_with("kty", "ec"), kind()),
        (public(Rs256), kind()),
        (public(EdDsa), kind()),
        (json!({"kty": "oct"}), kind()),
        (jwk_without("crv"), curve()),
        (jwk_with("crv", "p-256"), curve()),
        (jwk_with("crv", "secp256k1"), curve()),
        (public(Es384), curve()),
        (jwk_without("x"), invalid(JwkError::Member("x"))),
        (jwk_without("y"), invalid(JwkError::Member("y"))),
        (jwk_with("x", 7), invalid(JwkError::Member("x"))),
        (
            jwk_with("y", format!("{}=", length(y.clone()))),
            invalid(JwkError::Member("y")),
        ),
        (jwk_with("x", ""), invalid(JwkError::CoordinateLength)),
        (
            jwk_with("x", length(x[..31].to_vec())),
            invalid(JwkError::CoordinateLength),
        ),
        (
            jwk_with("x", length(longer)),
            invalid(JwkError::CoordinateLength),
        ),
        (
            jwk_with("y", length([&y[..], &[0]].concat())),
            invalid(JwkError::CoordinateLength),
        ),
        (
            jwk_with("y", length(x.clone())),
            invalid(JwkError::InvalidKey),
        ),
        (
            jwk_with("y", length(vec![0; 32])),
            invalid(JwkError::InvalidKey),
        ),
        (
            jwk_with("x", length(vec![0xff; 32])),
            invalid(JwkError::InvalidKey),
        ),
        (jwk_with("use", "enc"), invalid(JwkError::NotForSignatures)),
        (
            jwk_with("key_ops", json!(["sign"])),
            invalid(JwkError::NotForSignatures),
        ),
        (jwk_with("alg", "RS256"), invalid(JwkError::Algorithm)),
        (jwk_with("alg", "ECDH-ES"), invalid(JwkError::Algorithm)),
        (jwk_with("alg", Value::Null), invalid(JwkError::Algorithm)),
    ] {
        // Known before the signature is looked at, and so before anything is fetched for it.
        let unsigned = good().header("jwk", jwk.clone()).unsigned().mint().unwrap();
        let judged = ProofRules::new().validate(&unsigned, &target(), None, now());
        assert_eq!(judged.map(|_| ()), expected, "{jwk}");
        assert_eq!(
            outcome(good().header("jwk", jwk.clone())),
            expected,
            "{jwk}"
        );
    }
}

#[test]
fn rfc9449_4_3_4_typ_is_dpop_jwt() {
    let refused = || Err(ProofError::Type);
    for (typ, expected) in [
        (json!("dpop+jwt"), Ok(())),
        // RFC 7515 section 4.1.9: a media type, so without case, and `application/` is optional.
        (json!("DPOP+JWT"), Ok(())),
        (json!("application/dpop+jwt"), Ok(())),
        (json!("Application/DPoP+JWT"), Ok(())),
        (json!("JWT"), refused()),
        (json!("at+jwt"), refused()),
        (json!("dpop"), refused()),
        (json!("dpop+jwt+wrongyousee"), refused()),
        (json!("dpop+jwt "), refused()),
        (json!("text/dpop+jwt"), refused()),
        (json!("application/application/dpop+jwt"), refused()),
        (json!(""), refused()),
        (json!(["dpop+jwt"]), refused()),
        (Value::Null, refused()),
    ] {
        assert_eq!(
            outcome(good().header("typ", typ.clone())),
            expected,
            "{typ}"
        );
    }
    assert_eq!(outcome(good().without_header("typ")), refused());
}

#[test]
fn rfc9449_4_3_5_alg_is_asymmetric_and_allowed() {
    use a0_testkit::Algorithm as Made;
    let refused = Err(ProofError::Algorithm);
    for alg in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!(""),
        json!("es256"),
        json!("ES256 "),
        json!("ES256K"),
        json!("HS256"),
        json!(["ES256"]),
    ] {
        let proof = good().header("alg", alg.clone());
        assert_eq!(outcome(proof.clone()), refused, "{alg}");
        assert_eq!(outcome(proof.unsigned()), refused, "{alg}, unsigned");
    }
    let renamed = good().without_header("alg").header("alg2", "ES256");
    assert_eq!(outcome(renamed), refused);

    // A secret in the header, and a public key as a secret.
    let secret = SigningKey::secret(key().public_jwk().to_string()).unwrap();
    let secret = ProofKey::new(secret, Made::Hs256).unwrap();
    assert_eq!(outcome(by(&secret)), refused);
    assert_eq!(
        outcome(by(&secret).header("jwk", key().public_jwk())),
        refused
    );

    // Good proofs, by algorithms that were not allowed and then are.
    for (made, algorithm) in [
        (Made::Rs256, Algorithm::Rs256),
        (Made::Ps256, Algorithm::Ps256),
        (Made::Es256, Algorithm::Es256),
        (Made::Es384, Algorithm::Es384),
        (Made::Es512, Algorithm::Es512),
        (Made::EdDsa, Algorithm::EdDsa),
    ] {
        let key = of_kind(made);
        let proof = by(&key).mint().unwrap();
        let others = Algorithm::all().filter(|other| *other != algorithm);
        for (rules, expected) in [
            (ProofRules::new().algorithms([]), refused.clone()),
            (ProofRules::new().algorithms(others), refused.clone()),
            (ProofRules::new().algorithms([algorithm]), Ok(())),
            (ProofRules::new().algorithms(Algorithm::all()), Ok(())),
        ] {
            let outcome = verified_by(&rules, &proof).map(|_| ());
            assert_eq!(outcome, expected, "{algorithm}");
        }
    }
    let twice = [Algorithm::Es384, Algorithm::Es256, Algorithm::Es384];
    assert_eq!(
        ProofRules::new().algorithms(twice).allowed_algorithms(),
        [Algorithm::Es384, Algorithm::Es256]
    );
    assert_eq!(ProofRules::new().allowed_algorithms(), [Algorithm::Es256]);
    assert_eq!(
        ProofRules::default().allowed_algorithms(),
        [Algorithm::Es256]
    );
}

#[test]
fn with_several_algorithms_each_has_keys_of_its_own() {
    use a0_testkit::Algorithm as Made;
    let rules = ProofRules::new().algorithms(Algorithm::all());
    let jwk = |made| of_kind(made).public_jwk();
    let invalid = ProofError::Jwk(JwkError::Algorithm);
    for (made, jwk, error) in [
        (Made::Es256, jwk(Made::Rs256), ProofError::KeyType),
        (Made::Es256, jwk(Made::EdDsa), ProofError::KeyType),
        (Made::Es256, jwk(Made::Es384), ProofError::Curve("P-256")),
        (Made::Es384, jwk(Made::Es256), ProofError::Curve("P-384")),
        (Made::Es512, jwk(Made::Es384), ProofError::Curve("P-521")),
        (Made::Rs256, jwk(Made::Es256), invalid.clone()),
        (Made::EdDsa, jwk(Made::Es256), invalid.clone()),
        (Made::EdDsa, jwk(Made::Rs256), invalid),
    ] {
        let proof = by(&of_kind(made)).header("jwk", jwk).mint().unwrap();
        assert_eq!(
            verified_by(&rules, &proof).map(|_| ()),
            Err(error),
            "{made}"
        );
    }
}

#[test]
fn rfc9449_4_3_6_the_key_in_the_header_made_the_signature() {
    let refused = Err(ProofError::Signature);
    let proof = good().mint().unwrap();
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let signature = base64url_decode(signature).unwrap();
    for bit in [0, 7, 8, 255, 256, 511] {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let altered = format!("{input}.{}", base64url_encode(flipped));
        assert_eq!(outcome_of_text(&altered), refused, "bit {bit}");
    }
    for (what, signature) in [
        ("empty", Vec::new()),
        ("short", signature[..63].to_vec()),
        ("long", [&signature[..], &[0]].concat()),
        ("DER", der(&signature)),
        ("zero", vec![0; 64]),
        ("one", vec![1; 64]),
        ("huge", vec![0xff; 200]),
    ] {
        let altered = format!("{input}.{}", base64url_encode(signature));
        assert_eq!(outcome_of_text(&altered), refused, "{what}");
    }
    assert_eq!(outcome_of_text(&format!("{proof}=")), refused);

    // What was signed, and not what it looks like.
    let other = good().jti("another").mint().unwrap();
    let payload = other.split('.').nth(1).unwrap();
    let (header, _) = input.split_once('.').unwrap();
    let signature = base64url_encode(signature);
    assert_eq!(
        outcome_of_text(&format!("{header}.{payload}.{signature}")),
        refused
    );

    // By another key than the one that the header shows.
    let thief = ProofKey::generate().unwrap();
    let shown = by(&thief).header("jwk", key().public_jwk());
    assert_eq!(outcome(shown), refused);
    assert_eq!(outcome(good().header("jwk", thief.public_jwk())), refused);
}

/// The other form of an ECDSA signature, RFC 3279 section 2.2.3.
fn der(raw: &[u8]) -> Vec<u8> {
    let integers: Vec<u8> = raw
        .chunks(32)
        .flat_map(|number| [&[2, 33, 0], number].concat())
        .collect();
    [&[0x30, 70][..], &integers].concat()
}

#[test]
fn rfc9449_4_3_7_the_key_in_the_header_is_public_only() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [
            json!("AAAA"),
            json!(""),
            Value::Null,
            json!([]),
            json!({}),
            json!(0),
        ] {
            let proof = good().header("jwk", jwk_with(name, value.clone()));
            assert_eq!(
                outcome(proof),
                Err(ProofError::PrivateKey),
                "{name} {value}"
            );
        }
        // Whatever else is wrong with the key.
        let proof = good().header("jwk", json!({ name: null }));
        assert_eq!(outcome(proof), Err(ProofError::PrivateKey), "{name}");
    }
}

#[test]
fn rfc9449_4_3_8_htm_is_the_method_exactly() {
    let outcome = |htm: Value, method: &str| {
        let proof = good().claim("htm", htm).mint().unwrap();
        let request = Target::new(method, url_of(URL), TOKEN);
        let judged = ProofRules::new().validate(&proof, &request, None, now());
        judged.and_then(UnverifiedProof::verify).map(|_| ())
    };
    let refused = || Err(ProofError::Method);
    for (htm, method, expected) in [
        ("POST", "POST", Ok(())),
        ("PROPFIND", "PROPFIND", Ok(())),
        ("post", "post", Ok(())),
        ("post", "POST", refused()),
        ("POST", "post", refused()),
        ("Post", "POST", refused()),
        ("GET", "POST", refused()),
        ("PUT", "POST", refused()),
        ("HEAD", "GET", refused()),
        ("", "POST", refused()),
        ("POST", "", refused()),
        (" POST", "POST", refused()),
        ("POST ", "POST", refused()),
        ("POST\u{0}", "POST", refused()),
        ("POSTS", "POST", refused()),
        ("*", "POST", refused()),
    ] {
        assert_eq!(outcome(htm.into(), method), expected, "{htm:?} {method:?}");
    }
    for htm in [json!(["POST"]), json!(0), Value::Null] {
        assert_eq!(outcome(htm.clone(), METHOD), wrong_type("htm"), "{htm}");
    }
}

#[test]
fn rfc9449_4_3_9_htu_is_the_url_without_query_and_fragment() {
    let outcome = |htu: Value, url: &str| {
        let proof = good().claim("htu", htu).mint().unwrap();
        let request = Target::new(METHOD, url_of(url), TOKEN);
        let judged = ProofRules::new().validate(&proof, &request, None, now());
        judged.and_then(UnverifiedProof::verify).map(|_| ())
    };
    let refused = || Err(ProofError::Url);
    for (htu, url, expected) in [
        (URL, URL, Ok(())),
        ("https://api.example/v1/orders?a=b", URL, Ok(())),
        ("https://api.example/v1/orders#a", URL, Ok(())),
        ("https://api.example/v1/orders?a=b#c", URL, Ok(())),
        (URL, "https://api.example/v1/orders?page=2", Ok(())),
        (URL, "https://api.example/v1/orders?page=2#a", Ok(())),
        (
            "https://api.example/v1/orders?page=1",
            "https://api.example/v1/orders?page=2",
            Ok(()),
        ),
        ("HTTPS://API.Example/v1/orders", URL, Ok(())),
        (URL, "HTTPS://API.Example/v1/orders", Ok(())),
        ("https://api.example:443/v1/orders", URL, Ok(())),
        (URL, "https://api.example:443/v1/orders", Ok(())),
        ("https://api.example/v1/%6frders", URL, Ok(())),
        ("https://api.example/v1/x/%2e%2E/./orders", URL, Ok(())),
        ("https://api.example", "https://api.example/", Ok(())),
        ("https://api.example/v1/Orders", URL, refused()),
        ("https://api.example/v1/orders/", URL, refused()),
        ("https://api.example/v1/orders/1", URL, refused()),
        ("https://api.example/v1", URL, refused()),
        ("https://api.example/", URL, refused()),
        ("https://api.example/v1%2Forders", URL, refused()),
        ("http://api.example/v1/orders", URL, refused()),
        ("https://api.example:8443/v1/orders", URL, refused()),
        ("https://api.example:80/v1/orders", URL, refused()),
        ("https://evil.example/v1/orders", URL, refused()),
        ("https://api.example./v1/orders", URL, refused()),
        ("https://api.example.evil.example/v1/orders", URL, refused()),
        ("https://api.example@evil.example/v1/orders", URL, refused()),
        ("https://joe@api.example/v1/orders", URL, refused()),
        ("https://@api.example/v1/orders", URL, refused()),
        ("/v1/orders", URL, refused()),
        ("//api.example/v1/orders", URL, refused()),
        ("api.example/v1/orders", URL, refused()),
        ("", URL, refused()),
        (" https://api.example/v1/orders", URL, refused()),
        ("https://api.example/v1/orders ", URL, refused()),
        ("https:\\\\api.example\\v1\\orders", URL, refused()),
        ("urn:example", URL, refused()),
    ] {
        assert_eq!(outcome(htu.into(), url), expected, "{htu:?} {url:?}");
    }
    for htu in [json!([URL]), json!(1), Value::Null, json!({"url": URL})] {
        assert_eq!(outcome(htu.clone(), URL), wrong_type("htu"), "{htu}");
    }
}

#[test]
fn rfc9449_4_3_11_iat_lies_in_the_window() {
    let outcome = |iat: &str| outcome(good().raw_payload(payload_with("", iat)));
    let old = || Err(ProofError::TooOld);
    let early = || Err(ProofError::FromTheFuture);
    for (iat, expected) in [
        ("1700000000", Ok(())),
        ("1699999990", Ok(())),
        ("1700000010", Ok(())),
        ("1699999700", Ok(())),
        ("1699999699.999999", old()),
        ("1699999699", old()),
        ("1700000030", Ok(())),
        ("1700000030.000001", early()),
        ("1700000031", early()),
        ("1700000000.123456", Ok(())),
        ("1.7e9", Ok(())),
        ("17E+8", Ok(())),
        ("1.6999997e9", Ok(())),
        ("1.70000003e9", Ok(())),
        ("1.6999996e9", old()),
        ("1.70000004e9", early()),
        // An hour, as a clock without its zone would have it; milliseconds.
        ("1699996400", old()),
        ("1700003600", early()),
        ("1700000000000", early()),
        ("0", old()),
        ("-0.0", old()),
        ("-1700000000", old()),
        ("-9223372036854775808", old()),
        ("9223372036854775807", early()),
        ("9223372036854775808", early()),
        ("18446744073709551615", early()),
        ("18446744073709551616", early()),
        ("1e300", early()),
        ("-1e300", old()),
        ("1e-300", old()),
        (r#""1700000000""#, wrong_type("iat")),
        (r#""""#, wrong_type("iat")),
        ("null", wrong_type("iat")),
        ("true", wrong_type("iat")),
        ("[1700000000]", wrong_type("iat")),
        ("{}", wrong_type("iat")),
        (
            r#"{"$serde_json::private::Number":"1700000000"}"#,
            wrong_type("iat"),
        ),
        (
            r#"{"\u0024serde_json::private::Number":"1700000000"}"#,
            wrong_type("iat"),
        ),
        (
            "1e999",
            Err(ProofError::Parse(ParseError::NotAnObject(Part::Payload))),
        ),
    ] {
        assert_eq!(outcome(iat), expected, "{iat}");
    }
}

#[test]
fn the_window_is_the_one_that_was_configured() {
    let of = |offset, leeway| {
        let rules = ProofRules::new().iat_offset(offset).iat_leeway(leeway);
        rules.window()
    };
    assert_eq!(ProofRules::new().window(), Duration::from_secs(330));
    assert_eq!(of(Duration::MAX, Duration::MAX), Duration::MAX);
    let second = Duration::from_secs(1);
    let zero = Duration::ZERO;
    let old = || Err(ProofError::TooOld);
    let early = || Err(ProofError::FromTheFuture);
    for (offset, leeway, now, iat, expected) in [
        (zero, zero, NOW, NOW, Ok(())),
        (zero, zero, NOW, NOW - 1, old()),
        (zero, zero, NOW, NOW + 1, early()),
        (second, zero, NOW, NOW - 1, Ok(())),
        (second, zero, NOW, NOW - 2, old()),
        (zero, second, NOW, NOW + 1, Ok(())),
        (zero, second, NOW, NOW + 2, early()),
        (Duration::MAX, zero, NOW, i64::MIN, Ok(())),
        (zero, Duration::MAX, NOW, i64::MAX, Ok(())),
        // Clocks that are wrong, by as much as they can be.
        (second, second, 0, 0, Ok(())),
        (second, second, -100, -101, Ok(())),
        (second, second, -100, -102, old()),
        (second, second, i64::MAX, NOW, old()),
        (second, second, i64::MIN, NOW, early()),
        (second, second, i64::MIN, i64::MIN, Ok(())),
        (Duration::MAX, Duration::MAX, i64::MAX, i64::MIN, Ok(())),
    ] {
        let rules = ProofRules::new().iat_offset(offset).iat_leeway(leeway);
        let proof = good().issued_at(iat).mint().unwrap();
        let now = NumericDate::from_unix_seconds(now);
        let outcome = rules.validate(&proof, &target(), None, now).map(|_| ());
        assert_eq!(outcome, expected, "{offset:?} {leeway:?} {now:?} {iat}");
    }
}

#[test]
fn rfc9449_4_3_12_ath_is_the_hash_of_the_token() {
    let ath = sha256_base64url(TOKEN);
    assert!(ath.contains('-') && ath.contains('_'));
    let octets = base64url_decode(&ath).unwrap();
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let refused = || Err(ProofError::AccessToken);
    let swapped: String = ath
        .chars()
        .map(|letter| match letter.is_ascii_lowercase() {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        })
        .collect();
    for (value, expected) in [
        (ath.clone(), Ok(())),
        (sha256_base64url("another.access.token"), refused()),
        (sha256_base64url(""), refused()),
        (sha256_base64url(format!("DPoP {TOKEN}")), refused()),
        (sha256_base64url(format!("{TOKEN} ")), refused()),
        (sha256_base64url(TOKEN.to_uppercase()), refused()),
        (TOKEN.to_owned(), refused()),
        (format!("{ath}="), refused()),
        (format!(" {ath}"), refused()),
        (hex.to_uppercase(), refused()),
        (hex, refused()),
        (ath.replace('-', "+").replace('_', "/"), refused()),
        (ath.to_lowercase(), refused()),
        (swapped, refused()),
        (ath[..42].to_owned(), refused()),
        (format!("{ath}A"), refused()),
        (String::new(), refused()),
    ] {
        assert_eq!(
            outcome(good().claim("ath", value.as_str())),
            expected,
            "{value}"
        );
    }
    assert_eq!(
        outcome(good().without_claim("ath")),
        Err(ProofError::MissingClaim("ath"))
    );
    for value in [Value::Null, json!([ath]), json!(1)] {
        assert_eq!(outcome(good().claim("ath", value)), wrong_type("ath"));
    }
}

/// The other half of check 12, the comparison with the token's `cnf.jkt`, is the caller's; this is
/// what the caller compares.
#[test]
fn rfc9449_4_3_12_and_6_the_thumbprint_is_that_of_the_key_in_the_proof() {
    let decorated = jwk_with("kid", "x");
    for (key, proof) in [
        (key(), good()),
        (key(), good().header("jwk", decorated).header("kid", "y")),
        (key(), good().claim("cnf", json!({"jkt": "x"}))),
    ] {
        let proof = proof.mint().unwrap();
        let judged = ProofRules::new()
            .validate(&proof, &target(), None, now())
            .unwrap();
        assert_eq!(judged.thumbprint().to_string(), key.thumbprint());
        let verified = judged.verify().unwrap();
        assert_eq!(verified.thumbprint().to_string(), key.thumbprint());
    }
    let other = ProofKey::generate().unwrap();
    let verified = verified(by(&other)).unwrap();
    assert_eq!(verified.thumbprint().to_string(), other.thumbprint());
    assert_ne!(verified.thumbprint().to_string(), key().thumbprint());
}

#[test]
fn rfc9449_11_1_jti_is_not_blank_and_bounded() {
    let blank = || Err(ProofError::BlankJti);
    let long = || Err(ProofError::LongJti);
    for (jti, expected) in [
        (json!("j"), Ok(())),
        (json!(" j\t"), Ok(())),
        (json!("\u{43a}\u{43b}\u{44e}\u{447} \u{1f511}"), Ok(())),
        (json!("\u{0}"), Ok(())),
        (json!("a".repeat(256)), Ok(())),
        (json!("\u{e9}".repeat(128)), Ok(())),
        (json!("\u{1f511}".repeat(64)), Ok(())),
        (json!(""), blank()),
        (json!(" "), blank()),
        (json!(" \t"), blank()),
        (json!("\r\n"), blank()),
        (json!("\u{1c}"), blank()),
        (json!("\u{1d}\u{1e}\u{1f}\u{b}\u{c}"), blank()),
        (json!("\u{85}\u{a0}\u{2003}\u{3000}"), blank()),
        (json!(" ".repeat(257)), blank()),
        (json!("a".repeat(257)), long()),
        (json!(format!("{}\u{e9}", "a".repeat(255))), long()),
        (json!("\u{e9}".repeat(129)), long()),
        (json!(7), wrong_type("jti")),
        (Value::Null, wrong_type("jti")),
        (json!(["j"]), wrong_type("jti")),
        (json!({}), wrong_type("jti")),
    ] {
        assert_eq!(outcome(good().claim("jti", jti.clone())), expected, "{jti}");
    }
    assert_eq!(MAX_JTI, 256);
    assert_eq!(
        outcome(good().without_claim("jti")),
        Err(ProofError::MissingClaim("jti"))
    );
}

#[test]
fn rfc9449_11_1_a_proof_is_known_again_for_its_whole_window() {
    let store = InMemoryReplayStore::default();
    let seen = |proof: ProofBuilder, now: i64| {
        let proof = proof.mint().unwrap();
        let now = NumericDate::from_unix_seconds(now);
        let judged = ProofRules::new().validate(&proof, &target(), None, now);
        let verified = judged.and_then(UnverifiedProof::verify).unwrap();
        store
            .check_and_insert(verified.replay_key(), verified.replay_until(), now)
            .unwrap()
    };
    let one = || good().jti("one");
    assert_eq!(seen(one(), NOW), Seen::First);
    assert_eq!(seen(one(), NOW), Seen::Before);
    assert_eq!(seen(one(), NOW + 300), Seen::Before);
    // Signed anew, later, with its URL spelt otherwise: still the same jti of the same key.
    let again = one().issued_at(NOW + 1).claim("a", 1);
    assert_eq!(seen(again, NOW + 1), Seen::Before);
    let spelt = one().claim("htu", "HTTPS://api.example:443/v1/./%6frders?x#y");
    assert_eq!(seen(spelt, NOW), Seen::Before);

    assert_eq!(seen(good().jti("two"), NOW), Seen::First);
    // Nobody uses up the jti of another.
    let other = ProofKey::generate().unwrap();
    assert_eq!(seen(by(&other).jti("one"), NOW), Seen::First);

    // From the future: held to the end of its own window, and not of one that begins now.
    let early = || good().jti("early").issued_at(NOW + 30);
    assert_eq!(seen(early(), NOW), Seen::First);
    assert_eq!(seen(early(), NOW + 330), Seen::Before);

    // Another URL is another proof, RFC 9449 section 11.1.
    let of = |url: &str| {
        let proof = one().claim("htu", url).mint().unwrap();
        let request = Target::new(METHOD, url_of(url), TOKEN);
        let judged = ProofRules::new().validate(&proof, &request, None, now());
        *judged
            .and_then(UnverifiedProof::verify)
            .unwrap()
            .replay_key()
    };
    assert_eq!(of(URL), of("https://API.example/v1/orders"));
    assert_ne!(of(URL), of("https://api.example/v1/order"));

    for (iat, offset, until) in [
        ("1700000000", 300, 1_700_000_300.0),
        ("1700000030", 300, 1_700_000_330.0),
        ("1700000000.25", 300, 1_700_000_300.25),
        ("1700000000", 0, 1_700_000_000.0),
        ("1700000000", 60, 1_700_000_060.0),
    ] {
        let proof = good().raw_payload(payload_with("", iat)).mint().unwrap();
        let rules = ProofRules::new()
            .iat_offset(Duration::from_secs(offset))
            .iat_leeway(Duration::from_secs(30));
        let verified = verified_by(&rules, &proof).unwrap();
        assert_eq!(verified.replay_until().as_seconds(), until, "{iat}");
    }
}

#[test]
fn rfc9449_4_2_further_members_are_ignored() {
    for proof in [
        good().header("kid", "a").header("x", json!({"y": [1]})),
        good().header("jku", "https://evil.example/jwks.json"),
        good()
            .header("x5u", "https://evil.example/")
            .header("x5c", json!(["AA"])),
        good().claim("iss", "x").claim("a", json!({"b": [null]})),
        good().claim("nonce", "unasked"),
        good().claim("nonce", 7),
        // The times of other JWTs mean nothing here: a proof has `iat`.
        good().claim("nbf", NOW).claim("exp", NOW + 300),
        good().claim("exp", 1),
        good().claim("exp", "x").claim("nbf", Value::Null),
        good().claim("nbf", 9_999_999_999_u64),
    ] {
        assert_eq!(outcome(proof.clone()), Ok(()), "{proof:?}");
    }
    let verified = verified(good().claim("a", json!({"b": 1}))).unwrap();
    assert_eq!(verified.claims().get("a"), Some(&json!({"b": 1})));
    assert_eq!(verified.claims().string("htu"), Ok(Some(URL)));
}

#[test]
fn extensions_that_nobody_understands_are_refused() {
    let refused = |error| Err(ProofError::Header(error));
    for (name, value, error) in [
        ("crit", json!(["x"]), HeaderError::Critical),
        ("crit", json!([]), HeaderError::Critical),
        ("crit", Value::Null, HeaderError::Critical),
        ("b64", json!(false), HeaderError::UnencodedPayload),
        ("b64", json!(true), HeaderError::UnencodedPayload),
        ("cty", json!("JWT"), HeaderError::NestedToken),
        ("cty", json!("application/jwt"), HeaderError::NestedToken),
    ] {
        let proof = good().header(name, value.clone());
        assert_eq!(outcome(proof), refused(error), "{name} {value}");
    }
    assert_eq!(outcome(good().header("cty", "json")), Ok(()));
}

/// A proof with every fault, mended one after the other.
#[test]
fn the_first_fault_in_order_is_the_one_reported() {
    type Mend = fn(ProofBuilder) -> ProofBuilder;
    let type_error = |claim| wrong_type(claim).unwrap_err();
    let mends: [(ProofError, &str, Mend); 33] = [
        (
            ProofError::Type,
            "Unexpected JWT 'typ' header parameter value",
            |proof| proof.header("typ", "dpop+jwt"),
        ),
        (
            ProofError::Algorithm,
            "Unsupported algorithm in DPoP proof",
            |proof| proof.header("alg", "ES256"),
        ),
        (
            ProofError::Header(HeaderError::Critical),
            "Unsupported header parameter in DPoP proof",
            |proof| proof.without_header("crit"),
        ),
        (
            ProofError::Header(HeaderError::UnencodedPayload),
            "Unsupported header parameter in DPoP proof",
            |proof| proof.without_header("b64"),
        ),
        (
            ProofError::Header(HeaderError::NestedToken),
            "Unsupported header parameter in DPoP proof",
            |proof| proof.without_header("cty"),
        ),
        (
            ProofError::MissingJwk,
            "Missing or invalid jwk in header",
            |proof| proof.header("jwk", json!({"d": null})),
        ),
        (
            ProofError::PrivateKey,
            "Private key material found in jwk header",
            |proof| proof.header("jwk", json!({"kty": "RSA"})),
        ),
        (
            ProofError::KeyType,
            "Only EC keys are supported for DPoP",
            |proof| proof.header("jwk", json!({"kty": "EC", "crv": "P-384"})),
        ),
        (
            ProofError::Curve("P-256"),
            "Only P-256 curve is supported",
            |proof| proof.header("jwk", json!({"kty": "EC", "crv": "P-256"})),
        ),
        (
            ProofError::Jwk(JwkError::Member("x")),
            "Missing or invalid jwk in header",
            |proof| proof.header("jwk", jwk_with("x", base64url_encode([0xff; 32]))),
        ),
        (
            ProofError::MissingClaim("iat"),
            "Missing required claim: iat",
            |proof| proof.claim("iat", "x"),
        ),
        (
            ProofError::MissingClaim("ath"),
            "Missing required claim: ath",
            |proof| proof.claim("ath", 1),
        ),
        (
            ProofError::MissingClaim("htm"),
            "Missing required claim: htm",
            |proof| proof.claim("htm", 1),
        ),
        (
            ProofError::MissingClaim("htu"),
            "Missing required claim: htu",
            |proof| proof.claim("htu", 1),
        ),
        (
            ProofError::MissingClaim("jti"),
            "Missing required claim: jti",
            |proof| proof.claim("jti", 1),
        ),
        (
            type_error("iat"),
            "Invalid iat claim (must be integer or float)",
            |proof| proof.claim("iat", 0),
        ),
        (
            type_error("ath"),
            "Invalid 'ath' claim: not a string",
            |proof| proof.claim("ath", ""),
        ),
        (
            type_error("htm"),
            "Invalid 'htm' claim: not a string",
            |proof| proof.claim("htm", ""),
        ),
        (
            type_error("htu"),
            "Invalid 'htu' claim: not a string",
            |proof| proof.claim("htu", ""),
        ),
        (type_error("jti"), "jti claim must be a string", |proof| {
            proof.claim("jti", "")
        }),
        (
            ProofError::BlankJti,
            "jti claim must not be empty",
            |proof| proof.claim("jti", "a".repeat(257)),
        ),
        (
            ProofError::LongJti,
            "jti claim must not be longer than 256 bytes",
            |proof| proof.claim("jti", "j"),
        ),
        (ProofError::TooOld, "DPoP Proof iat is too old", |proof| {
            proof.claim("iat", NOW + 31)
        }),
        (
            ProofError::FromTheFuture,
            "DPoP Proof iat is from the future",
            |proof| proof.claim("iat", NOW),
        ),
        (ProofError::Method, "DPoP Proof htm mismatch", |proof| {
            proof.claim("htm", METHOD)
        }),
        (ProofError::Url, "DPoP Proof htu mismatch", |proof| {
            proof.claim("htu", "https://api.example/")
        }),
        (ProofError::Url, "DPoP Proof htu mismatch", |proof| {
            proof.claim("htu", URL)
        }),
        (
            ProofError::AccessToken,
            "DPoP Proof ath mismatch",
            |proof| proof.for_token(TOKEN),
        ),
        (
            ProofError::Nonce,
            "DPoP proof requires a current nonce",
            |proof| proof.claim("nonce", "x"),
        ),
        (
            ProofError::Nonce,
            "DPoP proof requires a current nonce",
            |proof| proof.nonce(&nonces().issue(now())),
        ),
        (
            ProofError::Jwk(JwkError::InvalidKey),
            "Missing or invalid jwk in header",
            |proof| proof.header("jwk", jwk_with("use", "enc")),
        ),
        (
            ProofError::Jwk(JwkError::NotForSignatures),
            "Missing or invalid jwk in header",
            |proof| proof.header("jwk", ProofKey::generate().unwrap().public_jwk()),
        ),
        (
            ProofError::Signature,
            "JWT signature verification failed",
            |proof| proof.header("jwk", key().public_jwk()),
        ),
    ];
    let mut proof = ["iat", "ath", "htm", "htu", "jti"]
        .iter()
        .fold(good(), |proof, name| proof.without_claim(name))
        .header("typ", "JWT")
        .header("alg", "none")
        .header("crit", json!(["x"]))
        .header("b64", false)
        .header("cty", "JWT")
        .without_header("jwk");
    let outcome = |proof: &str| {
        ProofRules::new()
            .validate(proof, &target(), Some(&nonces()), now())
            .and_then(UnverifiedProof::verify)
            .map(|_| ())
    };
    let no_jwt = outcome(&format!("{}.", proof.clone().mint().unwrap()));
    assert_eq!(no_jwt, Err(ProofError::Parse(ParseError::SegmentCount)));
    for (error, text, mend) in mends {
        assert_eq!(error.to_string(), text);
        assert_eq!(outcome(&proof.clone().mint().unwrap()), Err(error));
        proof = mend(proof);
    }
    assert_eq!(outcome(&proof.mint().unwrap()), Ok(()));

    for (error, text) in [
        (ProofError::Multiple, "Multiple DPoP proofs are not allowed"),
        (
            ProofError::Parse(ParseError::SegmentCount),
            "Failed to verify DPoP proof",
        ),
        (
            ProofError::Key,
            "DPoP Proof key does not match the expected key",
        ),
        (ProofError::Replayed, "DPoP Proof has been used before"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

fn nonces() -> NonceIssuer {
    NonceIssuer::new([5; 32], Duration::from_secs(60))
}

#[test]
fn causes_are_sources() {
    let error = outcome_of_text("x").unwrap_err();
    let source = error.source().unwrap();
    assert_eq!(source.downcast_ref(), Some(&ParseError::SegmentCount));
    let error = outcome(good().header("crit", 1)).unwrap_err();
    let source = error.source().unwrap();
    assert_eq!(source.downcast_ref(), Some(&HeaderError::Critical));
    let error = outcome(good().header("jwk", jwk_without("y"))).unwrap_err();
    let source = error.source().unwrap();
    assert_eq!(source.downcast_ref(), Some(&JwkError::Member("y")));
    let error = outcome(good().claim("jti", 1)).unwrap_err();
    let source = error.source().unwrap();
    let expected = ClaimError::new("jti", "a string");
    assert_eq!(source.downcast_ref(), Some(&expected));
    assert!(ProofError::Signature.source().is_none());
}

/// Method, URL, `iat`, outcome, proof.
type Printed = (
    &'static str,
    &'static str,
    i64,
    Result<(), ProofError>,
    &'static str,
);

/// The proofs that RFC 9449 prints, at the times that they say: of sections 4.1, 5 and 7.1.
const PRINTED: [Printed; 3] = [
    (
        "POST",
        "https://server.example.com/token",
        1_562_262_616,
        Err(ProofError::MissingClaim("ath")),
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
    ),
    (
        "POST",
        "https://server.example.com/token",
        1_562_265_296,
        Err(ProofError::MissingClaim("ath")),
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SYmGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRroapUA",
    ),
    (
        "GET",
        "https://resource.example.org/protectedresource",
        1_562_262_618,
        Ok(()),
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
    ),
];

#[test]
fn rfc9449_7_1_the_printed_proof_passes_and_those_for_a_token_endpoint_do_not() {
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let rules = ProofRules::new();
    for (method, url, iat, expected, proof) in PRINTED {
        let outcome = |method, url, token, now| {
            let now = NumericDate::from_unix_seconds(now);
            let request = Target::new(method, url_of(url), token);
            let judged = rules.validate(proof, &request, None, now);
            judged.and_then(UnverifiedProof::verify)
        };
        let verified = outcome(method, url, token, iat);
        if let Ok(verified) = &verified {
            // RFC 9449 section 6.1.
            let printed = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
            assert_eq!(verified.thumbprint().to_string(), printed);
            for (method, url, token, now, error) in [
                ("POST", url, token, iat, ProofError::Method),
                (
                    method,
                    "https://resource.example.org/",
                    token,
                    iat,
                    ProofError::Url,
                ),
                (method, url, "another", iat, ProofError::AccessToken),
                (method, url, token, iat + 301, ProofError::TooOld),
                (method, url, token, iat - 31, ProofError::FromTheFuture),
            ] {
                assert_eq!(outcome(method, url, token, now).map(|_| ()), Err(error));
            }
        }
        assert_eq!(verified.map(|_| ()), expected, "{iat}");
    }
}

#[test]
fn hostile_sizes_come_to_an_end() {
    let rules = ProofRules::new().max_size(usize::MAX);
    let long = "a".repeat(200_000);
    let dots = |segment: &str| format!("https://api.example/{}v1/orders", segment.repeat(20_000));
    for (name, value, expected) in [
        ("jti", long.clone(), Err(ProofError::LongJti)),
        ("jti", " ".repeat(200_000), Err(ProofError::BlankJti)),
        ("htm", long.clone(), Err(ProofError::Method)),
        ("htu", long.clone(), Err(ProofError::Url)),
        ("htu", format!("{URL}/{long}"), Err(ProofError::Url)),
        ("htu", format!("{URL}?{long}"), Ok(())),
        ("htu", dots("../"), Ok(())),
        ("htu", dots("./"), Ok(())),
        ("htu", dots("a/../"), Ok(())),
        ("htu", dots("%2e%2E/"), Ok(())),
        ("htu", dots("a/"), Err(ProofError::Url)),
        ("ath", long.clone(), Err(ProofError::AccessToken)),
        ("any", long.clone(), Ok(())),
    ] {
        let proof = good().claim(name, value).mint().unwrap();
        assert_eq!(verified_by(&rules, &proof).map(|_| ()), expected, "{name}");
    }
    let proof = good().header("alg", long.as_str()).mint().unwrap();
    let outcome = verified_by(&rules, &proof).map(|_| ());
    assert_eq!(outcome, Err(ProofError::Algorithm));
    let proof = good().with_signature(&long).mint().unwrap();
    let outcome = verified_by(&rules, &proof).map(|_| ());
    assert_eq!(outcome, Err(ProofError::Signature));
    for text in [".".repeat(100_000), "a.".repeat(100_000), long] {
        let outcome = verified_by(&rules, &text).map(|_| ());
        assert_eq!(outcome, Err(ProofError::Parse(ParseError::SegmentCount)));
    }
}

/// Every type and every error, of proofs that say `canary` wherever a proof can say something.
#[test]
fn what_is_shown_holds_nothing_of_proof_or_token() {
    let token = "canary.access.token";
    let url = "https://canary.example/canary";
    let proof = |method: &str| {
        key()
            .proof(method, url)
            .for_token(token)
            .issued_at(NOW)
            .jti("canary")
            .nonce("canary")
            .claim("canary", "canary")
            .header("canary", "canary")
            .header("kid", "canary")
            .header("jwk", jwk_with("kid", "canary"))
    };
    let good = || proof("GET");
    let request = Target::new("GET", url_of(url), token);
    let mut shown = vec![format!("{request:?}"), format!("{:?}", ProofRules::new())];
    let mut secrets = vec!["canary".to_owned(), sha256_base64url(token)];
    for name in ["x", "y"] {
        secrets.push(key().public_jwk()[name].as_str().unwrap().to_owned());
    }
    let nonces = nonces();
    for (proof, nonces) in [
        (good(), None),
        (good(), Some(&nonces)),
        (good().header("typ", "canary"), None),
        (good().header("alg", "canary"), None),
        (good().header("alg", "HS256"), None),
        (good().header("crit", json!(["canary"])), None),
        (good().header("cty", json!(["canary"])), None),
        (good().header("jwk", "canary"), None),
        (good().header("jwk", json!({"d": "canary"})), None),
        (good().header("jwk", jwk_with("kty", "canary")), None),
        (good().header("jwk", jwk_with("crv", "canary")), None),
        (good().header("jwk", jwk_with("x", "canary")), None),
        (good().header("jwk", jwk_with("y", "canary==")), None),
        (good().header("jwk", jwk_with("use", "canary")), None),
        (good().header("jwk", jwk_with("alg", "canary")), None),
        (good().without_claim("jti"), None),
        (good().claim("jti", json!(["canary"])), None),
        (good().claim("jti", "canary".repeat(100)), None),
        (good().claim("iat", "canary"), None),
        (good().claim("iat", 0), None),
        (good().claim("iat", i64::MAX), None),
        (proof("CANARY"), None),
        (good().claim("htm", "canary"), None),
        (good().claim("htu", "canary"), None),
        (good().claim("htu", "https://canary.example/"), None),
        (good().claim("ath", "canary"), None),
        (good().with_signature("canary"), None),
        (good().raw_header("{\"canary\":1,\"canary\":1}"), None),
        (good().raw_payload("canary"), None),
    ] {
        let proof = proof.mint().unwrap();
        secrets.extend(proof.split('.').map(str::to_owned));
        let judged = ProofRules::new().validate(&proof, &request, nonces, now());
        shown.push(format!("{judged:?}"));
        let verified = judged.and_then(UnverifiedProof::verify);
        shown.push(format!("{verified:#?}"));
        match verified {
            Ok(verified) => {
                show(&mut shown, verified.replay_key());
                show(&mut shown, &verified.replay_until());
            }
            Err(error) => {
                show(&mut shown, &error);
                let mut cause: Option<&dyn Error> = Some(&error);
                while let Some(error) = cause {
                    shown.push(error.to_string());
                    shown.push(format!("{error:?}"));
                    cause = error.source();
                }
            }
        }
    }
    let several = one_proof(["canary,canary"]).unwrap_err();
    show(&mut shown, &several);
    let too_large = ProofRules::new().max_size(1);
    show(
        &mut shown,
        &too_large.validate("canary", &request, None, now()),
    );

    secrets.retain(|secret| secret.len() > 3);
    for text in &shown {
        let lower = text.to_lowercase();
        for secret in &secrets {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(!lower.contains("canary"), "{text}");
    }
    // Not because nothing was shown.
    assert!(shown.iter().any(|text| text.contains("VerifiedProof")));
    assert!(shown.iter().any(|text| text.contains("UnverifiedProof")));
    assert!(shown[0].contains("GET"));
}

fn show(shown: &mut Vec<String>, value: &impl Debug) {
    shown.push(format!("{value:?}"));
}

/// Each case once with the known header of a good proof, and once without any.
#[test]
fn a_known_header_changes_nothing() {
    let segments = |proof: ProofBuilder| proof.mint().unwrap();
    let first = segments(good().jti("first"));
    let second = segments(good().jti("second"));
    let stranger = ProofKey::generate().unwrap();
    let joined = |header: &str, rest: &str| {
        let header = header.split('.').next().unwrap();
        let rest = rest.split_once('.').unwrap().1;
        format!("{header}.{rest}")
    };
    let forged = |proof: &str| {
        let (signed, signature) = proof.rsplit_once('.').unwrap();
        format!("{signed}.{}", "A".repeat(signature.len()))
    };
    let strangers = segments(by(&stranger));
    for (proof, expected) in [
        (second.clone(), Ok(())),
        // The key of the known header did not sign these.
        (joined(&first, &strangers), Err(ProofError::Signature)),
        (forged(&second), Err(ProofError::Signature)),
        // Known is the whole header, not a part of it, nor what it stands for.
        (segments(good().header("kid", json!("one"))), Ok(())),
        (
            segments(good().header("crit", json!([]))),
            Err(ProofError::Header(HeaderError::Critical)),
        ),
        (strangers, Ok(())),
        (
            format!("={second}"),
            Err(ProofError::Parse(ParseError::Encoding(Part::Header))),
        ),
        (
            segments(good().claim("htm", json!("GET"))),
            Err(ProofError::Method),
        ),
    ] {
        assert_eq!(outcome_of_text(&proof), expected, "{proof}");
    }
    let thumbprint = |proof: &str, known| {
        let judged = ProofRules::new().validate_with_header(proof, known, &target(), None, now());
        judged.unwrap().thumbprint().to_string()
    };
    let known = Some(good_header());
    assert_eq!(thumbprint(&second, known), key().thumbprint());
    let strangers = segments(by(&stranger));
    assert_eq!(thumbprint(&strangers, known), stranger.thumbprint());
}

/// Rules may be others than those that judged the header.
#[test]
fn a_known_header_is_of_an_algorithm_that_is_allowed_now() {
    let es384 = of_kind(a0_testkit::Algorithm::Es384);
    let generous = ProofRules::new().algorithms([Algorithm::Es256, Algorithm::Es384]);
    let known = known_header(&generous, by(&es384));
    let proof = by(&es384).mint().unwrap();
    let judge = |rules: &ProofRules| {
        let judged = rules.validate_with_header(&proof, Some(&known), &target(), None, now());
        judged.and_then(UnverifiedProof::verify).map(|_| ())
    };
    assert_eq!(judge(&generous), Ok(()));
    assert_eq!(judge(&ProofRules::new()), Err(ProofError::Algorithm));
}

/// Whoever remembers headers is not made to remember long ones.
#[test]
fn a_long_header_is_not_kept() {
    let kept = |padding: usize| {
        let proof = good().header("kid", "k".repeat(padding));
        let header = proof.clone().mint().unwrap();
        let header = header.split('.').next().unwrap().len();
        (header, kept_header(&ProofRules::new(), proof).is_some())
    };
    let (length, _) = kept(0);
    // Three octets take four characters.
    let most = (MAX_VERIFIED_HEADER - length) / 4 * 3;
    let mut seen = [0, 0];
    for padding in most - 8..most + 8 {
        let (length, is_kept) = kept(padding);
        assert_eq!(is_kept, length <= MAX_VERIFIED_HEADER, "{length}");
        seen[usize::from(is_kept)] += 1;
    }
    assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
}
