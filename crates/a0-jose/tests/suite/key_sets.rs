//! JWK Sets: which entries are usable, and which are tried.

use a0_jose::{Algorithm, JwkError, MAX_CANDIDATES, MAX_KEYS, VerifyError};
use serde_json::{Value, json as value};

use super::common::{SigningKey, all, parse, parse_set, verify, with};

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
