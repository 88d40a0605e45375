//! RFC 9449 section 4.3, checks 1 and 2: the fields, the serialization and the size of a proof.

use a0_dpop::{ProofError, ProofRules, one_proof};
use a0_jose::{ParseError, Part, base64url_decode, base64url_encode};

use super::common::{URL, good, key, outcome, outcome_of_text, payload_with, verified_by};

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
        // Not empty, so it is taken as a proof. Check 2 refuses it.
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
    // The signature is decoded with the rest, and it ends the proof. 64 octets leave spare bits.
    let (start, last) = signature.split_at(signature.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    for wrong in [
        format!("{signature}="),
        format!("{signature} "),
        format!("{signature};"),
        format!("{signature}\n"),
        format!("{start}{next}"),
        format!("{start}+"),
        start.into(),
    ] {
        let error = outcome_of_text(&format!("{input}.{wrong}")).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let expected = "Failed to parse token: the signature is not base64url";
        assert_eq!(cause.as_deref(), Some(expected), "{wrong}");
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

/// Returns another text that a lax decoder decodes to the same octets.
fn flip_spare_bits(segment: &str) -> String {
    let octets = base64url_decode(segment).unwrap();
    // White space is appended to the JSON text, so that its base64url form has spare bits.
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
fn a_larger_proof_is_refused_before_it_is_read() {
    let proof = good().mint().unwrap();
    let limited = |bytes| verified_by(&ProofRules::new().max_size(bytes), &proof).map(|_| ());
    assert_eq!(limited(proof.len()), Ok(()));
    let too_large = |error: Result<(), ProofError>| {
        matches!(error, Err(ProofError::Parse(ParseError::TooLarge { .. })))
    };
    assert!(too_large(limited(proof.len() - 1)));
    assert!(too_large(limited(0)));

    // The default is 16 KiB.
    let filled = |bytes: usize| ".".repeat(bytes);
    let segments = Err(ProofError::Parse(ParseError::SegmentCount));
    assert_eq!(outcome_of_text(&filled(16 * 1024)), segments);
    assert!(too_large(outcome_of_text(&filled(16 * 1024 + 1))));
    assert!(too_large(outcome_of_text(&filled(100_000))));
    assert!(too_large(outcome(good().claim("a", "a".repeat(200_000)))));
}

#[test]
fn hostile_sizes_take_bounded_time() {
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
