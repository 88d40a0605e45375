//! Tokens and keys of other implementations. How each file was made is said in the script beside it.

use a0_jose::jwe::{DecryptionKey, DecryptionKeys, JweError};
use a0_jose::{Algorithm, Compact, HeaderRules, JwkSet};
use openssl::encrypt::Decrypter;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Padding;
use serde_json::{Value, json};

use super::sealed::*;

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

fn round_trip(fixture: &str) {
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let signing = json!({"keys": [fixture["signing_jwk"]]}).to_string();
    let signing = JwkSet::parse(signing.as_bytes(), &[Algorithm::Es256]).unwrap();
    for entry in fixture["entries"].as_array().unwrap() {
        let (pem, jwk) = (text(entry, "pem"), entry["jwk"].to_string());
        for key in [
            DecryptionKey::from_pem(pem.as_bytes()).unwrap(),
            DecryptionKey::from_jwk(jwk.as_bytes()).unwrap(),
        ] {
            let keys = DecryptionKeys::new([key]).unwrap();
            let token = decrypt_with(text(entry, "token"), &keys).unwrap();
            assert_eq!(token, text(&fixture, "signed"));
            let token = Compact::parse(&token, MAX_SIZE).unwrap().decode().unwrap();
            let rules = HeaderRules::new([Algorithm::Es256]);
            let token = token
                .validate_header(&rules)
                .unwrap()
                .verify(&signing)
                .unwrap();
            assert_eq!(token.claims().subject(), Ok(Some("auth0|ada")));
        }
        assert!(
            decrypt(text(entry, "token")).is_err(),
            "with the key of another"
        );
    }
}

#[test]
fn tokens_of_jose_are_decrypted() {
    round_trip(include_str!("fixtures/jose.json"));
}

#[test]
fn tokens_of_jwcrypto_are_decrypted() {
    round_trip(include_str!("fixtures/jwcrypto.json"));
}

/// The tests for RSA-OAEP-256 of Project Wycheproof (C2SP/wycheproof, Apache License 2.0),
/// `json_web_encryption_test.json`. Their content is the text `foo`, so each token as it stands is
/// refused.
#[test]
fn the_tokens_of_wycheproof_are_refused_and_its_encrypted_keys_are_decrypted() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/wycheproof.json")).unwrap();
    let key = DecryptionKey::from_jwk(fixture["private"].to_string().as_bytes()).unwrap();
    let keys = DecryptionKeys::new([key.clone()]).unwrap();
    let private = private_key(&fixture["private"]);
    let tests = fixture["tests"].as_array().unwrap();
    assert_eq!(tests.len(), 19);
    let mut content_keys = 0;
    for test in tests {
        let (token, what) = (text(test, "jwe"), text(test, "comment"));
        let expected = match what {
            "acceptsA256GCM" => JweError::ContentType,
            _ if what.starts_with("accepts") => JweError::ContentEncryption,
            _ => JweError::Algorithm,
        };
        assert_eq!(decrypt_with(token, &keys), Err(expected), "{what}");
        let encrypted_key = token.split('.').nth(1).unwrap();
        let encrypted_key = a0_jose::base64url_decode(encrypted_key).unwrap();
        // The same encrypted key, in a token of this project's kind.
        let mut decrypter = Decrypter::new(&private).unwrap();
        decrypter.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
        decrypter.set_rsa_oaep_md(MessageDigest::sha256()).unwrap();
        decrypter.set_rsa_mgf1_md(MessageDigest::sha256()).unwrap();
        let mut content_key = vec![0; 256];
        let content_key = decrypter
            .decrypt(&encrypted_key, &mut content_key)
            .map(|length| {
                content_key.truncate(length);
                content_key
            });
        let is_good = content_key.as_ref().is_ok_and(|key| key.len() == 32);
        content_keys += usize::from(is_good);
        let sealer = Sealer {
            header: header_without("kid").to_string(),
            content_key: content_key.unwrap_or_default(),
            ..Sealer::default()
        };
        let outcome = decrypt_with(&sealer.seal_around(encrypted_key).compact(), &keys);
        match is_good {
            true => assert_eq!(outcome.as_deref(), Ok(SIGNED), "{what}"),
            false => assert_eq!(outcome, Err(JweError::Decryption), "{what}"),
        }
    }
    // A256GCM and A128CBC-HS256 have content keys of 32 octets.
    assert_eq!(content_keys, 2);
}

fn private_key(jwk: &Value) -> PKey<openssl::pkey::Private> {
    let number = |name: &str| {
        let octets = a0_jose::base64url_decode(text(jwk, name)).unwrap();
        openssl::bn::BigNum::from_slice(&octets).unwrap()
    };
    let key = openssl::rsa::Rsa::from_private_components(
        number("n"),
        number("e"),
        number("d"),
        number("p"),
        number("q"),
        number("dp"),
        number("dq"),
        number("qi"),
    );
    PKey::from_rsa(key.unwrap()).unwrap()
}
