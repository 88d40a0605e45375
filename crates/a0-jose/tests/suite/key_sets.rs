//! JWK Sets: which entries are usable, and which are tried.

use a0_jose::{
    Algorithm, JwkError, MAX_CANDIDATES, MAX_KEYS, VerifyError, base64url_decode, base64url_encode,
};
use serde_json::{Map, Value, json as value};

use super::common::{SigningKey, all, parse, parse_set, verify, verify_allowing, with};

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
    // The public part of a private key in a set verifies.
    let private: Value = serde_json::from_str(&key.jwk.to_string()).unwrap();
    entries.push(Value::Object(with(
        private.as_object().unwrap().clone(),
        "kid",
        "private".into(),
    )));

    let text = value!({ "keys": entries, "other": 1 }).to_string();
    // Entries that the strict JSON parser refuses, before all others.
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
fn a_set_is_read_up_to_a_limit() {
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
fn rfc7517_4_a_null_member_of_an_issuers_key_counts_as_absent() {
    let key = SigningKey::new(Algorithm::Rs256);
    let token = key.sign(&key.header(), "{}");
    let nulls = |names: &[&str]| {
        let key = key.public_jwk("k");
        names
            .iter()
            .fold(key, |key, name| with(key, name, Value::Null))
    };
    let entry = |key: Map<String, Value>| parse([key], &[Algorithm::Rs256]);
    for names in [
        &["use"][..],
        &["alg"],
        &["key_ops"],
        &["use", "alg", "key_ops", "x5c", "x5t"],
    ] {
        assert_eq!(verify(&token, &entry(nulls(names))), Ok(()), "{names:?}");
    }
    // A null beside another member leaves that member its meaning.
    for (null, name, other) in [
        ("use", "alg", value!("PS256")),
        ("alg", "use", value!("enc")),
        ("use", "key_ops", value!(["sign"])),
        ("key_ops", "use", value!("enc")),
        // An empty list says that the key is for no operation.
        ("use", "key_ops", value!([])),
    ] {
        let keys = entry(with(nulls(&[null]), name, other));
        assert!(keys.is_empty(), "{null} {name}");
    }
    let keys = entry(with(key.public_jwk("k"), "kid", Value::Null));
    assert_eq!(keys.skipped(), [(0, JwkError::MissingKeyId)]);
    for name in ["kty", "n", "e"] {
        let keys = entry(with(key.public_jwk("k"), name, Value::Null));
        assert_eq!(keys.skipped(), [(0, JwkError::Member(name))]);
    }
}

/// Java's `BigInteger` writes them, for example.
#[test]
fn rfc7518_6_3_1_leading_zeros_of_an_issuers_rsa_key_do_not_count() {
    let key = SigningKey::new(Algorithm::Rs256);
    let token = key.sign(&key.header(), "{}");
    let zeros = |key: Map<String, Value>, name: &str, count: usize| {
        let octets = base64url_decode(key[name].as_str().unwrap()).unwrap();
        let longer = base64url_encode([&vec![0; count][..], &octets].concat());
        with(key, name, longer.into())
    };
    for count in [1, 2, 3, 300] {
        for names in [&["n"][..], &["e"], &["n", "e"]] {
            let jwk = names
                .iter()
                .fold(key.public_jwk("k"), |jwk, name| zeros(jwk, name, count));
            let keys = parse([jwk], &[Algorithm::Rs256]);
            assert_eq!(verify(&token, &keys), Ok(()), "{count} {names:?}");
        }
    }
    // The limits are of the number, not of its text.
    for (name, octets, error) in [
        (
            "n",
            [&[0; 129][..], &[0xff; 128]].concat(),
            JwkError::ModulusSize,
        ),
        (
            "n",
            [&[0; 9][..], &[0xff; 1025]].concat(),
            JwkError::ModulusSize,
        ),
        ("n", vec![0; 256], JwkError::Member("n")),
        ("e", vec![0, 0, 1], JwkError::Exponent),
        ("e", vec![0; 3], JwkError::Member("e")),
        ("e", vec![], JwkError::Member("e")),
    ] {
        let jwk = with(key.public_jwk("k"), name, base64url_encode(octets).into());
        let keys = parse([jwk], &[Algorithm::Rs256]);
        assert_eq!(keys.skipped(), [(0, error)], "{name}");
    }
}

/// The key of a `kid` may be for another algorithm than the token's.
#[test]
fn a_key_for_another_algorithm_is_told_from_an_unknown_one() {
    let rsa = SigningKey::new(Algorithm::Rs256);
    let allowed = [Algorithm::Rs256, Algorithm::Rs384, Algorithm::Ps256];
    let keys = parse([rsa.public_jwk("k")], &allowed);
    for algorithm in allowed {
        let token = |kid: &str| {
            let header = value!({"alg": algorithm.name(), "kid": kid}).to_string();
            SigningKey {
                algorithm,
                jwk: rsa.jwk.clone(),
            }
            .sign(&header, "{}")
        };
        let outcome =
            verify_allowing(&token("k"), &keys, &allowed).map_err(|error| error.to_string());
        let expected = match algorithm {
            Algorithm::Rs256 => Ok(()),
            _ => Err(
                "No matching key found in JWKS: the key with this 'kid' is for RS256".to_owned(),
            ),
        };
        assert_eq!(outcome, expected, "{algorithm}");
        let outcome = verify_allowing(&token("other"), &keys, &allowed);
        assert_eq!(outcome, Err(VerifyError::NoMatchingKey), "{algorithm}");
        let is_for_it = algorithm == Algorithm::Rs256;
        assert_eq!(keys.contains("k", algorithm), is_for_it, "{algorithm}");
        assert!(keys.contains_key_id("k") && !keys.contains_key_id("other"));
    }
}

/// An operator reads why the key with the very `kid` of a token was left out. The client does not.
#[test]
fn a_skipped_key_is_told_from_an_unknown_one() {
    let key = SigningKey::new(Algorithm::Rs256);
    let jwk = |kid: &str| key.public_jwk(kid);
    let short = base64url_encode([0xff; 128]);
    let long = "l".repeat(256);
    let too_long = "l".repeat(257);
    let entries = [
        with(jwk("short"), "n", short.clone().into()),
        with(jwk("enc"), "use", "enc".into()),
        with(jwk("alg"), "alg", "ES256".into()),
        with(jwk("two"), "alg", "none".into()),
        with(jwk("two"), "n", short.clone().into()),
        with(jwk("beside"), "n", short.into()),
        with(jwk("beside"), "alg", "PS256".into()),
        with(jwk("good"), "use", "enc".into()),
        jwk("good"),
        with(jwk(&long), "use", "enc".into()),
        with(jwk(&too_long), "use", "enc".into()),
        with(jwk("null"), "kid", Value::Null),
        with(jwk("gone"), "kty", "oct".into()),
    ];
    let allowed = [Algorithm::Rs256, Algorithm::Ps256];
    let keys = parse(entries, &allowed);
    for (kid, reason) in [
        ("short", Some(JwkError::ModulusSize)),
        ("enc", Some(JwkError::NotForSignatures)),
        ("alg", Some(JwkError::Algorithm)),
        ("two", Some(JwkError::Algorithm)),
        ("gone", Some(JwkError::KeyType)),
        (&long, Some(JwkError::NotForSignatures)),
        (&too_long, None),
        ("null", None),
        ("unknown", None),
        ("", None),
    ] {
        let token = key.sign(&value!({"alg": "RS256", "kid": kid}).to_string(), "{}");
        let error = verify_allowing(&token, &keys, &allowed).unwrap_err();
        assert_eq!(error.to_string(), "No matching key found in JWKS", "{kid}");
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let expected = reason.map(|reason| {
            format!("the key with the token's 'kid' was left out of the key set: {reason}")
        });
        assert_eq!(source, expected, "{kid}");
        match (error, reason) {
            (VerifyError::UnusableKey(unusable), Some(reason)) => {
                assert_eq!(unusable.reason, reason, "{kid}");
            }
            (error, _) => assert_eq!(error, VerifyError::NoMatchingKey, "{kid}"),
        }
    }
    // A usable key of the same `kid` says more.
    for (kid, expected) in [
        ("good", Ok(())),
        (
            "beside",
            Err(VerifyError::KeyForOtherAlgorithm(Algorithm::Ps256)),
        ),
    ] {
        let token = key.sign(&value!({"alg": "RS256", "kid": kid}).to_string(), "{}");
        assert_eq!(verify_allowing(&token, &keys, &allowed), expected, "{kid}");
    }
}

/// No part of a `kid`, which the sender of a token writes, is in the error.
#[test]
fn a_refusal_for_a_skipped_key_shows_no_key_id() {
    let key = SigningKey::new(Algorithm::Rs256);
    let kid = "canary-kid";
    let keys = parse(
        [with(key.public_jwk(kid), "use", "enc".into())],
        &[Algorithm::Rs256],
    );
    let token = key.sign(&value!({"alg": "RS256", "kid": kid}).to_string(), "{}");
    let error = verify(&token, &keys).unwrap_err();
    let mut texts = format!("{error:?} {error}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        texts += &format!(" {cause:?} {cause}");
        source = cause.source();
    }
    assert!(texts.contains("left out"), "{texts}");
    assert!(!texts.contains("canary"), "{texts}");
}
