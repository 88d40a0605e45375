//! Which keys are usable, which verify what, and what a forged signature looks like.

use super::common::{MAX_SIZE, SigningKey, key_set, parse_set, verifying_key, with};
use a0_jose::{
    Algorithm, Backend, Compact, HeaderRules, Jwk, JwkError, JwkSet, MAX_CANDIDATES, MAX_KEYS,
    SigningError, VerifyError, base64url_encode, has_private_member, json, sha256,
    sha256_base64url,
};
use josekit::jwk::alg::ed::EdCurve;
use serde_json::{Map, Value, json as value};

fn all() -> Vec<Algorithm> {
    Algorithm::all().collect()
}

fn verify(token: &str, keys: &JwkSet) -> Result<(), VerifyError> {
    verify_allowing(token, keys, &all())
}

/// The same, whether or not the token's hash was asked for before.
fn verify_allowing(token: &str, keys: &JwkSet, allowed: &[Algorithm]) -> Result<(), VerifyError> {
    let rules = HeaderRules::new(allowed.iter().copied());
    let mut compact = Compact::parse(token, MAX_SIZE).unwrap();
    let [plain, hashed] = [false, true].map(|hashed| {
        if hashed {
            assert_eq!(compact.sha256(), sha256(token));
        }
        let verifiable = compact.decode().unwrap().validate_header(&rules).unwrap();
        verifiable.verify(keys).map(|_| ())
    });
    assert_eq!(plain, hashed);
    plain
}

fn parse(entries: impl IntoIterator<Item = Map<String, Value>>, allowed: &[Algorithm]) -> JwkSet {
    parse_set(&key_set(entries), allowed).unwrap()
}

/// A key set made without a word on backends is OpenSSL's, whatever features there are; Ed448 always is.
#[test]
fn the_backend_is_the_one_that_was_chosen() {
    for algorithm in all() {
        let jwk = SigningKey::new(algorithm).public_jwk("k");
        let jwk = Jwk::from_object(&jwk).unwrap();
        let key = verifying_key(&jwk, &[algorithm]).unwrap();
        assert_eq!(key.backend(), crate::BACKEND, "{algorithm}");
        let key = a0_jose::VerifyingKey::new(&jwk, &[algorithm]).unwrap();
        assert_eq!(key.backend(), Backend::OpenSsl, "{algorithm}");
    }
    let jwk = josekit::jwk::Jwk::generate_ed_key(josekit::jwk::alg::ed::EdCurve::Ed448).unwrap();
    let key = SigningKey {
        algorithm: Algorithm::EdDsa,
        jwk,
    };
    let jwk = Jwk::from_object(&key.public_jwk("k")).unwrap();
    let key = verifying_key(&jwk, &all()).unwrap();
    assert_eq!(key.backend(), Backend::OpenSsl);
}

#[test]
fn every_algorithm_verifies_its_own_signature_and_no_flipped_bit() {
    for algorithm in all() {
        let key = SigningKey::new(algorithm);
        let jwk = with(key.public_jwk("k"), "alg", algorithm.name().into());
        let keys = parse([jwk], &all());
        let token = key.sign(&key.header(), r#"{"sub":"x"}"#);
        assert_eq!(verify(&token, &keys), Ok(()), "{algorithm}");
        // Twice more: contexts are reused, also after a bad signature.
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = a0_jose::base64url_decode(signature).unwrap();
        for position in 0..signature.len() {
            let mut flipped = signature.clone();
            flipped[position] ^= 1;
            let forged = format!("{input}.{}", base64url_encode(flipped));
            assert_eq!(
                verify(&forged, &keys),
                Err(VerifyError::InvalidSignature),
                "{algorithm}, octet {position}"
            );
        }
        assert_eq!(verify(&token, &keys), Ok(()), "{algorithm}");
    }
}

#[test]
fn a_changed_octet_of_the_signed_text_never_passes() {
    let key = SigningKey::new(Algorithm::Es256);
    let keys = parse([key.public_jwk("k")], &[Algorithm::Es256]);
    let token = key.sign(&key.header(), r#"{"sub":"x"}"#);
    for position in 0..token.rfind('.').unwrap() {
        for replacement in ["A", "Q", "_"] {
            let mut altered = token.clone();
            altered.replace_range(position..=position, replacement);
            if altered == token {
                continue;
            }
            let outcome = Compact::parse(&altered, MAX_SIZE)
                .ok()
                .and_then(|compact| compact.decode().ok())
                .and_then(|token| token.validate_header(&HeaderRules::new(all())).ok())
                .and_then(|mut token| {
                    assert_eq!(token.sha256(), sha256(&altered));
                    token.verify(&keys).ok()
                });
            assert!(outcome.is_none(), "{position} {replacement}");
        }
    }
}

#[test]
fn rfc8725_3_1_one_key_serves_one_algorithm() {
    let rsa = SigningKey::new(Algorithm::Rs256);
    let signed = |algorithm: Algorithm| {
        let input = format!(
            "{}.e30",
            base64url_encode(format!(r#"{{"alg":"{algorithm}","kid":"k"}}"#))
        );
        let signature = base64url_encode(rsa.signature_by(algorithm, &input));
        format!("{input}.{signature}")
    };
    let two = [Algorithm::Ps256, Algorithm::Rs256];
    // (the key's alg, what is allowed, the token's alg, accepted)
    for (alg, allowed, algorithm, accepted) in [
        (Some("RS256"), &all()[..], Algorithm::Rs256, true),
        (Some("RS256"), &all(), Algorithm::Rs384, false),
        (Some("RS256"), &all(), Algorithm::Rs512, false),
        (Some("RS256"), &all(), Algorithm::Ps256, false),
        (Some("PS256"), &all(), Algorithm::Ps256, true),
        // Without `alg` the order of the allow-list decides, and the header does not.
        (None, &all(), Algorithm::Rs256, true),
        (None, &all(), Algorithm::Ps256, false),
        (None, &two, Algorithm::Ps256, true),
        (None, &two, Algorithm::Rs256, false),
    ] {
        let jwk = match alg {
            Some(alg) => with(rsa.public_jwk("k"), "alg", alg.into()),
            None => rsa.public_jwk("k"),
        };
        let keys = parse([jwk], allowed);
        let expected = match accepted {
            true => Ok(()),
            false => Err(VerifyError::NoMatchingKey),
        };
        let outcome = verify_allowing(&signed(algorithm), &keys, allowed);
        assert_eq!(outcome, expected, "{alg:?} {algorithm}");
    }
}

#[test]
fn rfc7515_4_1_2_to_8_the_header_never_brings_its_own_key() {
    let tenant = SigningKey::new(Algorithm::Es256);
    let attacker = SigningKey::new(Algorithm::Es256);
    let keys = parse([tenant.public_jwk("k")], &[Algorithm::Es256]);
    let header = value!({
        "alg": "ES256", "kid": "k", "jwk": attacker.public_jwk("k"),
        "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5u", "x5c": ["AAAA"],
    });
    let token = attacker.sign(&header.to_string(), "{}");
    assert_eq!(verify(&token, &keys), Err(VerifyError::InvalidSignature));
}

/// Numbers with leading zeros, and those whose first bit is set, are what other encodings write in
/// another way. Of 2 000 signatures each curve has some of either.
#[test]
fn an_ecdsa_signature_verifies_whatever_its_first_octets() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let key = SigningKey::new(algorithm);
        let keys = parse([key.public_jwk("k")], &[algorithm]);
        let verifying = keys.candidates("k", algorithm).next().unwrap();
        let header = base64url_encode(key.header());
        let (mut with_zeros, mut with_first_bit) = (0, 0);
        for number in 0..2_000 {
            let input = format!("{header}.{}", base64url_encode(number.to_string()));
            let signature = key.signature(&input);
            let first = [signature[0], signature[signature.len() / 2]];
            with_zeros += usize::from(first.contains(&0));
            // P-521 has seven bits in front that are always zero.
            let is_set = |octet: &u8| {
                *octet
                    >= if algorithm == Algorithm::Es512 {
                        1
                    } else {
                        0x80
                    }
            };
            with_first_bit += usize::from(first.iter().any(is_set));
            let token = format!("{input}.{}", base64url_encode(&signature));
            let compact = Compact::parse(&token, MAX_SIZE).unwrap();
            assert!(verifying.verify(&compact).is_ok(), "{algorithm} {token}");
            if with_zeros > 0 && with_first_bit > 0 {
                break;
            }
        }
        assert!(with_zeros > 0 && with_first_bit > 0, "{algorithm}");
    }
}

#[test]
fn rfc7518_3_4_an_ecdsa_signature_is_r_and_s_of_full_length() {
    let key = SigningKey::new(Algorithm::Es256);
    let keys = parse([key.public_jwk("k")], &[Algorithm::Es256]);
    let input = format!("{}.e30", base64url_encode(key.header()));
    let good = key.signature(&input);
    // The order of P-256.
    let order = [
        &[0xff; 4][..],
        &[0; 4],
        &[0xff; 8],
        b"\xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51",
    ]
    .concat();
    let (r, s) = good.split_at(32);
    let integers = [integer(r), integer(s)].concat();
    let der = [&[0x30, integers.len() as u8], &integers[..]].concat();
    let with_s = |s: &[u8]| [r, s].concat();
    for (what, signature, accepted) in [
        ("as made", good.clone(), true),
        ("DER", der, false),
        ("63 octets", good[..63].to_vec(), false),
        ("65 octets", [&good[..], &[0]].concat(), false),
        ("65 octets, leading zero", [&[0], &good[..]].concat(), false),
        ("r, zero, s", [r, &[0], s].concat(), false),
        ("r, s, zero", [r, s, &[0]].concat(), false),
        ("96 octets", [&good[..], &[0; 32]].concat(), false),
        ("none", vec![], false),
        ("r = s = 0", vec![0; 64], false),
        ("s = 0", with_s(&[0; 32]), false),
        ("r = 0", [&[0; 32], s].concat(), false),
        ("r = s = n", [&order[..], &order].concat(), false),
        ("s = n", with_s(&order), false),
        (
            "r = s = 1",
            [&[0; 31][..], &[1], &[0; 31], &[1]].concat(),
            false,
        ),
        ("r = s = 2^256 - 1", vec![0xff; 64], false),
        ("8193 bits", vec![1; 1025], false),
        ("200 kB, cut", vec![1; 12_000], false),
    ] {
        let token = format!("{input}.{}", base64url_encode(signature));
        let compact = Compact::parse(&token, 300_000).unwrap();
        let key = keys.candidates("k", Algorithm::Es256).next().unwrap();
        assert_eq!(key.verify(&compact).is_ok(), accepted, "{what}");
    }
}

/// An ASN.1 INTEGER.
fn integer(number: &[u8]) -> Vec<u8> {
    let sign = if number[0] & 0x80 == 0 { &[][..] } else { &[0] };
    [&[2, (number.len() + sign.len()) as u8], sign, number].concat()
}

#[test]
fn rfc7518_6_3_1_and_3_3_an_rsa_key_is_of_sane_size() {
    let modulus = |bits: usize| {
        let mut octets = vec![0xff; bits.div_ceil(8)];
        if !bits.is_multiple_of(8) {
            octets[0] = (1 << (bits % 8)) - 1;
        }
        base64url_encode(octets)
    };
    let exponent = |octets: &[u8]| base64url_encode(octets);
    let usual = exponent(&[1, 0, 1]);
    for (n, e, expected) in [
        (modulus(2048), usual.clone(), Ok(())),
        (modulus(8192), usual.clone(), Ok(())),
        (modulus(1024), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(2047), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(2041), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(8193), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(16384), usual.clone(), Err(JwkError::ModulusSize)),
        (modulus(2048), exponent(&[3]), Ok(())),
        (
            modulus(2048),
            exponent(&[1, 0xff, 0xff, 0xff, 0xff]),
            Ok(()),
        ),
        (modulus(2048), exponent(&[1]), Err(JwkError::Exponent)),
        (modulus(2048), exponent(&[2]), Err(JwkError::Exponent)),
        (modulus(2048), exponent(&[1, 0, 0]), Err(JwkError::Exponent)),
        (
            modulus(2048),
            exponent(&[2, 0, 0, 0, 1]),
            Err(JwkError::Exponent),
        ),
        (modulus(2048), exponent(&[0xff; 8]), Err(JwkError::Exponent)),
        (
            modulus(2048),
            exponent(&[0xff; 384]),
            Err(JwkError::Exponent),
        ),
        (modulus(2048), exponent(&[0]), Err(JwkError::Member("e"))),
        (
            modulus(2048),
            exponent(&[0, 1, 0, 1]),
            Err(JwkError::Member("e")),
        ),
        (modulus(2048), exponent(&[]), Err(JwkError::Member("e"))),
        ("".into(), usual.clone(), Err(JwkError::Member("n"))),
        (
            format!("AA{}", modulus(2048)),
            usual.clone(),
            Err(JwkError::Member("n")),
        ),
        (
            format!("{}=", modulus(2048)),
            usual,
            Err(JwkError::Member("n")),
        ),
    ] {
        let jwk = value!({"kty": "RSA", "n": n, "e": e});
        let outcome = Jwk::from_object(jwk.as_object().unwrap()).map(|_| ());
        assert_eq!(outcome, expected, "{} {e}", n.len());
    }
}

#[test]
fn rfc7518_6_2_1_an_ec_key_is_a_point_of_its_curve_in_full_length() {
    let key = SigningKey::new(Algorithm::Es256).public_jwk("k");
    let octets = |name: &str| a0_jose::base64url_decode(key[name].as_str().unwrap()).unwrap();
    let (x, y) = (octets("x"), octets("y"));
    let point = [&x[..], &y].concat();
    let off_curve = {
        let mut y = y.clone();
        y[31] ^= 1;
        y
    };
    for (what, x, y, expected) in [
        ("as made", &x[..], &y[..], Ok(())),
        (
            "31 + 33",
            &point[..31],
            &point[31..],
            Err(JwkError::CoordinateLength),
        ),
        ("64 + 0", &point[..], &[], Err(JwkError::CoordinateLength)),
        ("off the curve", &x, &off_curve, Err(JwkError::InvalidKey)),
        ("zero", &[0; 32], &[0; 32], Err(JwkError::InvalidKey)),
        (
            "beyond the field",
            &[0xff; 32],
            &y,
            Err(JwkError::InvalidKey),
        ),
    ] {
        let jwk = with(key.clone(), "x", base64url_encode(x).into());
        let jwk = with(jwk, "y", base64url_encode(y).into());
        let outcome = Jwk::from_object(&jwk)
            .and_then(|jwk| verifying_key(&jwk, &all()))
            .map(|_| ());
        assert_eq!(outcome, expected, "{what}");
    }
    for (curve, expected) in [
        ("P-384", JwkError::CoordinateLength),
        ("secp256k1", JwkError::Curve),
        ("p-256", JwkError::Curve),
        ("Ed25519", JwkError::Curve),
    ] {
        let jwk = with(key.clone(), "crv", curve.into());
        assert_eq!(Jwk::from_object(&jwk).unwrap_err(), expected, "{curve}");
    }
}

#[test]
fn rfc7517_5_a_bad_entry_is_skipped_and_spoils_no_other() {
    let key = SigningKey::new(Algorithm::Rs256);
    let good = with(key.public_jwk("good"), "alg", "RS256".into());
    let entry = |name: &str, value: Value| Value::Object(with(good.clone(), name, value));
    let without = |name: &str| {
        let mut jwk = good.clone();
        jwk.remove(name);
        Value::Object(jwk)
    };
    let cases = [
        (Value::Null, JwkError::NotAnObject),
        (value!(7), JwkError::NotAnObject),
        (value!([]), JwkError::NotAnObject),
        (value!({}), JwkError::Member("kty")),
        (without("kty"), JwkError::Member("kty")),
        (without("n"), JwkError::Member("n")),
        (without("kid"), JwkError::MissingKeyId),
        (entry("kid", value!(7)), JwkError::MissingKeyId),
        (entry("kid", Value::Null), JwkError::MissingKeyId),
        (entry("kty", value!("rsa")), JwkError::KeyType),
        (entry("kty", value!("oct")), JwkError::KeyType),
        (entry("use", value!("enc")), JwkError::NotForSignatures),
        (entry("use", value!(1)), JwkError::NotForSignatures),
        (entry("use", Value::Null), JwkError::NotForSignatures),
        (
            entry("key_ops", value!(["sign"])),
            JwkError::NotForSignatures,
        ),
        (
            entry("key_ops", value!("verify")),
            JwkError::NotForSignatures,
        ),
        (entry("key_ops", value!([])), JwkError::NotForSignatures),
        (entry("alg", value!("HS256")), JwkError::Algorithm),
        (entry("alg", value!("none")), JwkError::Algorithm),
        (entry("alg", value!("ES256")), JwkError::Algorithm),
        (entry("alg", value!("RSA-OAEP")), JwkError::Algorithm),
        (entry("alg", value!(256)), JwkError::Algorithm),
        (entry("alg", value!("RS384")), JwkError::Algorithm),
    ];
    let mut entries: Vec<Value> = cases.iter().map(|(entry, _)| entry.clone()).collect();
    entries.push(entry("x5t", value!("padded==")));
    entries.push(entry("kid", value!("ops")));
    entries.last_mut().unwrap()["key_ops"] = value!(["verify", "x"]);
    // A key set that holds a private key verifies with its public part.
    let private: Value = serde_json::from_str(&key.jwk.to_string()).unwrap();
    entries.push(Value::Object(with(
        private.as_object().unwrap().clone(),
        "kid",
        "private".into(),
    )));

    let text = value!({ "keys": entries, "other": 1 }).to_string();
    // Entries that are not even acceptable JSON, in front of all others.
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(500), "]".repeat(500));
    let odd = [
        r#"{"kty":"RSA","kid":"a","kid":"b"}"#,
        r#"{"kty":"RSA","x":{"a":1,"a":1}}"#,
        r#"{"kty":"RSA","n":1e400}"#,
        r#"{"kty":"RSA","n":"\ud800"}"#,
        &deep,
    ];
    let text = text.replacen("[", &format!("[{},", odd.join(",")), 1);
    let keys = parse_set(text.as_bytes(), &[Algorithm::Rs256, Algorithm::Es256]).unwrap();

    let skipped: Vec<JwkError> = keys.skipped().iter().map(|(_, error)| *error).collect();
    let mut expected = vec![JwkError::NotAnObject; odd.len()];
    expected.extend(cases.iter().map(|(_, error)| *error));
    assert_eq!(skipped, expected);
    let ids: Vec<&str> = keys.key_ids().collect();
    assert_eq!(ids, ["good", "ops", "private"]);
    assert!(!format!("{keys:?}").contains("\"d\""));
    for kid in ids {
        let token = key.sign(&format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#), "{}");
        assert_eq!(verify(&token, &keys), Ok(()), "{kid}");
    }
}

#[test]
fn rfc7517_5_a_document_without_keys_is_no_set() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        "<html></html>",
        r#"{"keys":[]}x"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[],"\u006beys":[]}"#,
        r#"[[]]"#,
        r#"{"keys":[{"kty":}]}"#,
    ] {
        assert!(parse_set(text.as_bytes(), &all()).is_err(), "{text}");
    }
    assert!(parse_set(br#"{"keys":[]}"#, &all()).unwrap().is_empty());
}

#[test]
fn rfc7517_4_5_several_keys_of_one_kid_are_all_tried_up_to_a_bound() {
    let signer = SigningKey::new(Algorithm::Es256);
    let token = signer.sign(&signer.header(), "{}");
    let strangers = |count| (0..count).map(|_| SigningKey::new(Algorithm::Es256).public_jwk("k"));
    let rsa = SigningKey::new(Algorithm::Rs256).public_jwk("k");
    let set_with = |before: usize| {
        let entries = [rsa.clone()]
            .into_iter()
            .chain(strangers(before))
            .chain([signer.public_jwk("k")]);
        parse(entries, &all())
    };
    assert_eq!(verify(&token, &set_with(0)), Ok(()));
    assert_eq!(verify(&token, &set_with(MAX_CANDIDATES - 1)), Ok(()));
    assert_eq!(
        verify(&token, &set_with(MAX_CANDIDATES)),
        Err(VerifyError::InvalidSignature)
    );
}

#[test]
fn a_set_is_looked_at_up_to_a_bound() {
    let key = SigningKey::new(Algorithm::EdDsa);
    let entries = (0..MAX_KEYS + 5).map(|number| key.public_jwk(&number.to_string()));
    let keys = parse(entries, &[Algorithm::EdDsa]);
    assert_eq!(keys.key_ids().count(), MAX_KEYS);
    assert_eq!(keys.skipped(), [(MAX_KEYS, JwkError::TooMany)]);

    let text = format!("{{\"keys\":[{}7]}}", "0,".repeat(100_000));
    let keys = parse_set(text.as_bytes(), &[Algorithm::EdDsa]).unwrap();
    assert_eq!(keys.skipped().len(), MAX_KEYS + 1);
}

#[test]
fn rfc9449_4_3_7_private_members_are_seen_empty_or_null_too() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        for value in [value!("x"), value!(""), Value::Null] {
            let jwk = with(Map::new(), name, value);
            assert!(has_private_member(jwk.keys()), "{name}");
        }
    }
    let public = SigningKey::new(Algorithm::Es256).public_jwk("k");
    assert!(!has_private_member(public.keys()));
}

#[test]
fn rfc7638_3_2_only_the_required_members_are_hashed() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es384, Algorithm::EdDsa] {
        let key = SigningKey::new(algorithm).public_jwk("k");
        let thumbprint = |jwk: &Map<String, Value>| Jwk::from_object(jwk).unwrap().thumbprint();
        let plain = thumbprint(&key);
        for (name, value) in [
            ("kid", value!("other")),
            ("alg", value!("RSA-OAEP")),
            ("use", value!("enc")),
            ("x5t", value!(1)),
        ] {
            assert_eq!(thumbprint(&with(key.clone(), name, value)), plain, "{name}");
        }
        let other = json::parse_object(
            br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        );
        assert_ne!(thumbprint(&other.unwrap()), plain);
    }
}

/// A key of each kind, in public, and the members that RFC 7638 asks for, in its order.
fn keys_of_every_kind() -> Vec<(Map<String, Value>, &'static [&'static str])> {
    let made = |algorithm, jwk| SigningKey { algorithm, jwk }.public_jwk("k");
    let edwards = |curve| josekit::jwk::Jwk::generate_ed_key(curve).unwrap();
    let rsa = SigningKey::new(Algorithm::Rs256).public_jwk("k");
    let ec = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512];
    let ec = ec.map(|algorithm| SigningKey::new(algorithm).public_jwk("k"));
    let okp = [
        made(Algorithm::EdDsa, edwards(EdCurve::Ed25519)),
        made(Algorithm::EdDsa, edwards(EdCurve::Ed448)),
    ];
    let rsa = [with(rsa.clone(), "e", value!("Aw")), rsa];
    let ec = ec.map(|key| (key, &["crv", "kty", "x", "y"][..]));
    let okp = okp.map(|key| (key, &["crv", "kty", "x"][..]));
    let rsa = rsa.map(|key| (key, &["e", "kty", "n"][..]));
    ec.into_iter().chain(okp).chain(rsa).collect()
}

#[test]
fn rfc7638_3_a_key_of_every_kind_has_the_thumbprint_of_its_members_however_they_are_written() {
    for (key, required) in keys_of_every_kind() {
        let members = required
            .iter()
            .map(|name| format!("\"{name}\":{}", key[*name]));
        let members: Vec<String> = members.collect();
        let expected = sha256_base64url(format!("{{{}}}", members.join(",")));
        let thumbprint = Jwk::from_object(&key).unwrap().thumbprint();
        assert_eq!(thumbprint.to_string(), expected, "{key:?}");

        let escaped = required.iter().map(|name| {
            let text = key[*name].as_str().unwrap();
            let escaped = text.bytes().map(|octet| format!("\\u{octet:04x}"));
            format!("\"{name}\":\"{}\"", escaped.collect::<String>())
        });
        let escaped: Vec<String> = escaped.collect();
        let payload = base64url_encode(format!("{{\"jwk\":{{{}}}}}", escaped.join(",")));
        let token = format!("e30.{payload}.");
        let claims = Compact::parse(&token, MAX_SIZE).unwrap();
        let claims = claims.decode_payload().unwrap();
        let key = claims.members().get("jwk").and_then(json::Node::as_object);
        let thumbprint = Jwk::from_members(key.unwrap()).unwrap().thumbprint();
        assert_eq!(thumbprint.to_string(), expected);
    }
}

/// A thumbprint is of the text of a key's numbers, so each number has one text.
#[test]
fn rfc7515_2_a_number_of_a_key_has_one_text() {
    for (key, required) in keys_of_every_kind() {
        for name in required.iter().filter(|name| name.len() == 1) {
            let text = key[*name].as_str().unwrap();
            let (start, last) = text.split_at(text.len() - 1);
            // The next letter differs in bits that no octet has, unless all bits of a letter count.
            let next = char::from(last.as_bytes()[0] + 1);
            let spare = (text.len() % 4 != 0).then(|| format!("{start}{next}"));
            let others = [format!("{text}="), format!("{text}\n"), format!(" {text}")];
            for other in others.into_iter().chain(spare) {
                let key = with(key.clone(), name, other.clone().into());
                let error = Jwk::from_object(&key).unwrap_err();
                assert_eq!(error, JwkError::Member(name), "{other}");
            }
        }
    }
}

#[test]
fn rfc8037_3_1_eddsa_is_over_either_edwards_curve() {
    use josekit::jwk::Jwk as PrivateJwk;

    for curve in [EdCurve::Ed25519, EdCurve::Ed448] {
        let key = SigningKey {
            algorithm: Algorithm::EdDsa,
            jwk: PrivateJwk::generate_ed_key(curve).unwrap(),
        };
        let keys = parse([key.public_jwk("k")], &[Algorithm::EdDsa]);
        let token = key.sign(&key.header(), "{}");
        assert_eq!(verify(&token, &keys), Ok(()), "{curve:?}");

        let (input, signature) = token.rsplit_once('.').unwrap();
        let good = a0_jose::base64url_decode(signature).unwrap();
        for forged in [
            good[..good.len() - 1].to_vec(),
            [&good[..], &[0]].concat(),
            vec![0; good.len()],
            vec![0xff; good.len()],
        ] {
            let token = format!("{input}.{}", base64url_encode(forged));
            assert_eq!(verify(&token, &keys), Err(VerifyError::InvalidSignature));
        }
        let short = with(key.public_jwk("k"), "x", base64url_encode([1; 31]).into());
        assert_eq!(
            Jwk::from_object(&short).unwrap_err(),
            JwkError::CoordinateLength
        );
    }
}

#[test]
fn rfc8032_a_point_of_small_order_or_of_two_spellings_is_no_key() {
    let sign = |mut key: Vec<u8>| {
        *key.last_mut().unwrap() |= 0x80;
        key
    };
    let number = |length: usize, low: u8, rest: u8, high: u8| {
        let mut key = vec![rest; length];
        key[0] = low;
        key[length - 1] = high;
        key
    };
    let order_8 = "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU";
    let p448 = |low: u8| {
        let mut key = number(57, low, 0xff, 0);
        key[28] = 0xfe;
        key
    };
    for (curve, key) in [
        ("Ed25519", number(32, 0, 0, 0)),
        ("Ed25519", number(32, 1, 0, 0)),
        ("Ed25519", number(32, 0xec, 0xff, 0x7f)),
        ("Ed25519", number(32, 0xed, 0xff, 0x7f)),
        ("Ed25519", number(32, 0xee, 0xff, 0x7f)),
        ("Ed25519", number(32, 0xff, 0xff, 0x7f)),
        ("Ed25519", a0_jose::base64url_decode(order_8).unwrap()),
        ("Ed448", number(57, 0, 0, 0)),
        ("Ed448", number(57, 1, 0, 0)),
        ("Ed448", p448(0xfe)),
        ("Ed448", p448(0xff)),
        ("Ed448", number(57, 0xff, 0xff, 0)),
        ("Ed448", number(57, 9, 9, 1)),
    ] {
        for key in [key.clone(), sign(key)] {
            let jwk = value!({"kty": "OKP", "crv": curve, "x": base64url_encode(&key)});
            let outcome = Jwk::from_object(jwk.as_object().unwrap()).map(|_| ());
            assert_eq!(outcome, Err(JwkError::InvalidKey), "{curve} {key:?}");
        }
    }
}

#[test]
fn rfc7518_3_5_the_salt_of_pss_is_as_long_as_the_hash() {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::rsa::Padding;
    use openssl::sign::{RsaPssSaltlen, Signer};

    let key = SigningKey::new(Algorithm::Ps256);
    let keys = parse([key.public_jwk("k")], &[Algorithm::Ps256]);
    let pair = josekit::jwk::alg::rsa::RsaKeyPair::from_jwk(&key.jwk).unwrap();
    let private =
        PKey::private_key_from_der(&josekit::jwk::KeyPair::to_der_private_key(&pair)).unwrap();
    let input = format!("{}.e30", base64url_encode(key.header()));
    for (length, accepted) in [
        (32, true),
        (0, false),
        (20, false),
        (31, false),
        (33, false),
    ] {
        let mut signer = Signer::new(MessageDigest::sha256(), &private).unwrap();
        signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        signer
            .set_rsa_pss_saltlen(RsaPssSaltlen::custom(length))
            .unwrap();
        let signature = signer.sign_oneshot_to_vec(input.as_bytes()).unwrap();
        let token = format!("{input}.{}", base64url_encode(signature));
        assert_eq!(verify(&token, &keys).is_ok(), accepted, "{length}");
    }
}

/// RFC 8017 sections 8.1.2 and 8.2.2, step 1. Shorter by its leading zero, it would be a second text of
/// one signature.
#[test]
fn rfc8017_8_1_2_an_rsa_signature_has_the_length_of_its_key() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let key = SigningKey::new(algorithm);
        let keys = parse([key.public_jwk("k")], &[algorithm]);
        let begins_with_zero = |number: u32| {
            let payload = base64url_encode(format!(r#"{{"n":{number}}}"#));
            let input = format!("{}.{payload}", base64url_encode(key.header()));
            let signature = key.signature(&input);
            (signature[0] == 0).then_some((input, signature))
        };
        let (input, signature) = (0..).find_map(begins_with_zero).unwrap();
        let longer = [&[0][..], &signature].concat();
        for (octets, expected) in [
            (&signature[..], Ok(())),
            (&signature[1..], Err(VerifyError::InvalidSignature)),
            (&longer, Err(VerifyError::InvalidSignature)),
            (&[], Err(VerifyError::InvalidSignature)),
        ] {
            let token = format!("{input}.{}", base64url_encode(octets));
            assert_eq!(
                verify(&token, &keys),
                expected,
                "{algorithm} {}",
                octets.len()
            );
        }
    }
}

#[test]
fn longer_rsa_keys_verify() {
    for bits in [3072, 4096] {
        let key = SigningKey {
            algorithm: Algorithm::Rs256,
            jwk: josekit::jwk::Jwk::generate_rsa_key(bits).unwrap(),
        };
        let keys = parse([key.public_jwk("k")], &[Algorithm::Rs256]);
        assert_eq!(
            verify(&key.sign(&key.header(), "{}"), &keys),
            Ok(()),
            "{bits}"
        );
    }
}

#[test]
fn a_chosen_key_serves_its_own_algorithm_only() {
    let key = SigningKey::new(Algorithm::Es256);
    let keys = parse([key.public_jwk("k")], &all());
    let chosen = keys.candidates("k", Algorithm::Es256).next().unwrap();
    for (alg, expected) in [
        ("ES256", Ok(())),
        ("ES384", Err(VerifyError::NoMatchingKey)),
        ("RS256", Err(VerifyError::NoMatchingKey)),
    ] {
        let token = key.sign(&format!(r#"{{"alg":"{alg}"}}"#), "{}");
        let verifiable = Compact::parse(&token, MAX_SIZE)
            .unwrap()
            .decode()
            .unwrap()
            .validate_header(&HeaderRules::new(all()))
            .unwrap();
        assert_eq!(
            verifiable.verify_with(chosen).map(|_| ()),
            expected,
            "{alg}"
        );
    }
}

/// OpenSSL's queue of errors belongs to the thread, and so to everything else that runs on it.
#[test]
fn a_refused_signature_leaves_no_error_for_others_to_find() {
    let queue = || openssl::error::ErrorStack::get().errors().len();
    for algorithm in all() {
        let key = SigningKey::new(algorithm);
        let jwk = with(key.public_jwk("k"), "alg", algorithm.name().into());
        let keys = parse([jwk], &all());
        let input = format!("{}.e30", base64url_encode(key.header()));
        let length = key.signature(&input).len();
        queue();
        for signature in [
            vec![],
            vec![0],
            vec![0; length],
            vec![1; length],
            vec![0xff; length],
            vec![0; length + 1],
        ] {
            let token = format!("{input}.{}", base64url_encode(signature));
            assert!(verify(&token, &keys).is_err());
            assert_eq!(queue(), 0, "{algorithm}");
        }
    }
    let off_curve = value!({
        "kty": "EC", "crv": "P-256",
        "x": base64url_encode([1; 32]), "y": base64url_encode([1; 32]),
    });
    let jwk = Jwk::from_object(off_curve.as_object().unwrap()).unwrap();
    assert!(verifying_key(&jwk, &all()).is_err());
    assert_eq!(queue(), 0);
}

/// In PEM.
#[test]
fn a_private_key_is_one_for_its_algorithm_of_sane_size_and_not_encrypted() {
    use openssl::bn::{BigNum, BigNumContext, BigNumRef};
    use openssl::ec::{EcGroup, EcKey};
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;

    let rsa = |bits| PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
    let ec = |curve| {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    };
    let pem = |key: &PKey<Private>| key.private_key_to_pem_pkcs8().unwrap();
    let (p256, rsa_2048) = (ec(Nid::X9_62_PRIME256V1), rsa(2048));
    // The numbers of one key, with another exponent or the factors of another key.
    let mixed = |exponent: &BigNumRef, factors: &Rsa<Private>| {
        let key = rsa_2048.rsa().unwrap();
        let own = |number: &BigNumRef| number.to_owned().unwrap();
        let (n, e, d) = (own(key.n()), own(exponent), own(key.d()));
        let (p, q) = (own(factors.p().unwrap()), own(factors.q().unwrap()));
        let (dp, dq) = (own(key.dmp1().unwrap()), own(key.dmq1().unwrap()));
        let qi = own(key.iqmp().unwrap());
        PKey::from_rsa(Rsa::from_private_components(n, e, d, p, q, dp, dq, qi).unwrap()).unwrap()
    };
    let own = rsa_2048.rsa().unwrap();
    let wrong_parts = mixed(own.e(), &Rsa::generate(2048).unwrap());
    let wrong_exponent = mixed(&BigNum::from_u32(3).unwrap(), &own);
    // Whole keys, made of primes that are known. Testing 2^9689 - 1 for one takes half a minute.
    let mersenne = |p: u32, q: u32| {
        let context = &mut BigNumContext::new().unwrap();
        let one = BigNum::from_u32(1).unwrap();
        let new = || BigNum::new().unwrap();
        let less_one = |number: &BigNum| number - &one;
        let prime = |exponent| {
            let mut power = new();
            power.lshift(&one, exponent).unwrap();
            less_one(&power)
        };
        let (p, q) = (prime(p as i32), prime(q as i32));
        let (e, n) = (BigNum::from_u32(65537).unwrap(), &p * &q);
        let (mut d, mut qi) = (new(), new());
        let order = &less_one(&p) * &less_one(&q);
        d.mod_inverse(&e, &order, context).unwrap();
        qi.mod_inverse(&q, &p, context).unwrap();
        let (dp, dq) = (&d % &less_one(&p), &d % &less_one(&q));
        PKey::from_rsa(Rsa::from_private_components(n, e, d, p, q, dp, dq, qi).unwrap()).unwrap()
    };
    let cipher = Cipher::aes_128_cbc();
    let encrypted = p256
        .private_key_to_pem_pkcs8_passphrase(cipher, b"")
        .unwrap();
    let encrypted_traditional = p256
        .ec_key()
        .unwrap()
        .private_key_to_pem_passphrase(cipher, b"")
        .unwrap();
    let behind = |length: usize| [vec![b'\n'; length], pem(&p256)].concat();
    let other_point = {
        let (key, other) = (p256.ec_key().unwrap(), ec(Nid::X9_62_PRIME256V1));
        let other = other.ec_key().unwrap();
        let key =
            EcKey::from_private_components(key.group(), key.private_key(), other.public_key());
        PKey::from_ec_key(key.unwrap()).unwrap()
    };
    let traditional = p256.ec_key().unwrap().private_key_to_pem().unwrap();
    let parameters =
        b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let behind_parameters = [&parameters[..], &traditional].concat();
    let ed25519 = PKey::generate_ed25519().unwrap();
    let (unusable, unsupported) = (Err(SigningError::Unusable), Err(SigningError::Unsupported));
    for (algorithm, pem, expected) in [
        (Algorithm::Es256, pem(&p256), Ok(())),
        (Algorithm::Es256, traditional, Ok(())),
        (Algorithm::Es256, behind_parameters, Ok(())),
        (Algorithm::Es256, pem(&ec(Nid::SECP384R1)), unusable),
        (Algorithm::Es256, pem(&ec(Nid::SECP256K1)), unusable),
        (Algorithm::Es256, pem(&rsa_2048), unusable),
        (Algorithm::Es256, pem(&other_point), unusable),
        (Algorithm::Es256, pem(&ed25519), unusable),
        // With the empty passphrase, which OpenSSL tries where there is none to give.
        (Algorithm::Es256, encrypted, unusable),
        (Algorithm::Es256, encrypted_traditional, unusable),
        (
            Algorithm::Es256,
            behind(8 * 1024 - pem(&p256).len()),
            Ok(()),
        ),
        (
            Algorithm::Es256,
            behind(8 * 1024 + 1 - pem(&p256).len()),
            unusable,
        ),
        (
            Algorithm::Es256,
            p256.public_key_to_pem().unwrap(),
            unusable,
        ),
        (Algorithm::Rs256, pem(&rsa_2048), Ok(())),
        (Algorithm::Ps256, pem(&rsa_2048), Ok(())),
        (Algorithm::Rs256, pem(&rsa(1024)), unusable),
        (Algorithm::Ps256, pem(&rsa(2047)), unusable),
        (Algorithm::Rs256, pem(&p256), unusable),
        (Algorithm::Rs256, pem(&wrong_parts), unusable),
        (Algorithm::Rs256, pem(&mersenne(1279, 2203)), Ok(())),
        (Algorithm::Rs256, pem(&mersenne(3217, 4423)), Ok(())),
        (Algorithm::Rs256, pem(&mersenne(4253, 4423)), unusable),
        (Algorithm::Rs256, pem(&mersenne(127, 9689)), unusable),
        (Algorithm::Rs256, pem(&wrong_exponent), unusable),
        (Algorithm::Rs512, pem(&rsa_2048), unsupported),
        (Algorithm::Es384, pem(&ec(Nid::SECP384R1)), unsupported),
        (Algorithm::Es256, Vec::new(), unusable),
    ] {
        let outcome = a0_jose::SigningKey::from_pem(algorithm, &pem).map(|_| ());
        assert_eq!(outcome, expected, "{algorithm}");
        let queue = openssl::error::ErrorStack::get();
        assert!(queue.errors().is_empty(), "{algorithm}: {queue}");
    }
}

#[test]
fn a_thumbprint_has_one_text_of_thirty_two_octets() {
    let text = |length: usize| base64url_encode(vec![7; length]);
    assert!(text(32).parse::<a0_jose::Thumbprint>().is_ok());
    for wrong in [
        text(31),
        text(33),
        text(34),
        text(64),
        text(0),
        format!("{}=", text(32)),
    ] {
        assert!(wrong.parse::<a0_jose::Thumbprint>().is_err(), "{wrong}");
    }
    let spare = text(32).replace(char::is_alphanumeric, "_");
    assert!(spare.parse::<a0_jose::Thumbprint>().is_err(), "spare bits");
}
