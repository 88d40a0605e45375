//! Tokens and proofs. OpenSSL and josekit verify their signatures with keys read from JWK and PEM.

use crate::common;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::{Parts, parts};
use a0_testkit::{Algorithm, EncryptionKey, Error, LocalTenant, ProofKey, SigningKey, thumbprint};
use openssl::bn::BigNum;
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Padding;
use openssl::sign::{RsaPssSaltlen, Verifier};
use serde_json::{Value, json};

fn digest(algorithm: Algorithm) -> MessageDigest {
    match &algorithm.name()[2..] {
        "256" => MessageDigest::sha256(),
        "384" => MessageDigest::sha384(),
        _ => MessageDigest::sha512(),
    }
}

fn openssl_accepts(algorithm: Algorithm, key: &SigningKey, jws: &Parts) -> bool {
    let name = algorithm.name();
    if name.starts_with("HS") {
        let secret = common::decode(key.public_jwk()["k"].as_str().unwrap());
        let secret = PKey::hmac(&secret).unwrap();
        let mut signer = openssl::sign::Signer::new(digest(algorithm), &secret).unwrap();
        return signer.sign_oneshot_to_vec(&jws.message).unwrap() == jws.signature;
    }
    let public = PKey::public_key_from_pem(&key.public_pem().unwrap()).unwrap();
    if name.starts_with("ES") {
        let (r, s) = jws.signature.split_at(jws.signature.len() / 2);
        let (r, s) = (
            BigNum::from_slice(r).unwrap(),
            BigNum::from_slice(s).unwrap(),
        );
        let hash = openssl::hash::hash(digest(algorithm), &jws.message).unwrap();
        let signature = EcdsaSig::from_private_components(r, s).unwrap();
        return signature.verify(&hash, &public.ec_key().unwrap()).unwrap();
    }
    if name == "EdDSA" {
        let mut verifier = Verifier::new_without_digest(&public).unwrap();
        return verifier
            .verify_oneshot(&jws.signature, &jws.message)
            .unwrap();
    }
    let mut verifier = Verifier::new(digest(algorithm), &public).unwrap();
    if name.starts_with("PS") {
        verifier.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
        verifier.set_rsa_mgf1_md(digest(algorithm)).unwrap();
        verifier
            .set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)
            .unwrap();
    }
    verifier
        .verify_oneshot(&jws.signature, &jws.message)
        .unwrap()
}

fn josekit_accepts(algorithm: Algorithm, key: &SigningKey, jws: &Parts) -> bool {
    use josekit::jws::*;
    let jwk = josekit::jwk::Jwk::from_map(key.public_jwk().as_object().unwrap().clone()).unwrap();
    let verifier: Box<dyn JwsVerifier> = match algorithm {
        Algorithm::Hs256 => Box::new(HS256.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Hs384 => Box::new(HS384.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Hs512 => Box::new(HS512.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Rs384 => Box::new(RS384.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Rs512 => Box::new(RS512.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Ps256 => Box::new(PS256.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Ps384 => Box::new(PS384.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Ps512 => Box::new(PS512.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Es384 => Box::new(ES384.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::Es512 => Box::new(ES512.verifier_from_jwk(&jwk).unwrap()),
        Algorithm::EdDsa => Box::new(EdDSA.verifier_from_jwk(&jwk).unwrap()),
        other => panic!("no verifier for {other}"),
    };
    verifier.verify(&jws.message, &jws.signature).is_ok()
}

fn key_for(algorithm: Algorithm) -> SigningKey {
    match algorithm.name().get(..2) {
        Some("RS" | "PS") => SigningKey::cached_rsa("minting").unwrap(),
        _ => SigningKey::generate(algorithm).unwrap(),
    }
}

#[test]
fn every_algorithm_is_accepted_by_others() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    for algorithm in Algorithm::ALL {
        if algorithm == Algorithm::None {
            continue;
        }
        let key = key_for(algorithm);
        let token = tenant.access_token().algorithm(algorithm).signed_with(&key);
        let token = token.mint().unwrap();
        let mut token = parts(&token);
        assert_eq!(token.header["alg"], algorithm.name());
        assert!(openssl_accepts(algorithm, &key, &token), "{algorithm}");
        assert!(josekit_accepts(algorithm, &key, &token), "{algorithm}");
        token.message[3] ^= 1;
        assert!(!openssl_accepts(algorithm, &key, &token), "{algorithm}");
        assert!(!josekit_accepts(algorithm, &key, &token), "{algorithm}");
    }
}

#[test]
fn the_tenants_own_keys_sign() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    for algorithm in [Algorithm::Rs256, Algorithm::Rs512, Algorithm::Ps256] {
        let token = tenant.access_token().algorithm(algorithm).mint().unwrap();
        let token = parts(&token);
        assert_eq!(token.header["kid"], tenant.kid());
        assert!(openssl_accepts(algorithm, &tenant.signing_key(), &token));
    }

    let es256 = tenant.access_token().algorithm(Algorithm::Es256);
    assert!(matches!(
        es256.clone().mint(),
        Err(Error::NoKey(Algorithm::Es256))
    ));
    let kid = tenant.publish_es256().unwrap();
    let token = parts(&es256.mint().unwrap());
    assert_eq!(token.header["kid"], kid);
    assert_eq!(token.signature.len(), 64);
    let entry = tenant.jwks()["keys"][1].clone();
    assert_eq!(
        (&entry["alg"], &entry["use"]),
        (&json!("ES256"), &json!("sig"))
    );
    let jwk = josekit::jwk::Jwk::from_map(entry.as_object().unwrap().clone()).unwrap();
    let verifier = josekit::jws::ES256.verifier_from_jwk(&jwk).unwrap();
    josekit::jws::JwsVerifier::verify(&verifier, &token.message, &token.signature).unwrap();
}

#[test]
fn keys_that_do_not_fit_are_refused() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let p256 = SigningKey::generate(Algorithm::Es256).unwrap();
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Hs256,
        Algorithm::Es384,
        Algorithm::EdDsa,
    ] {
        let token = tenant
            .access_token()
            .algorithm(algorithm)
            .signed_with(&p256);
        assert!(matches!(token.mint(), Err(Error::KeyMismatch(found)) if found == algorithm));
    }
    assert!(matches!(
        SigningKey::generate(Algorithm::None),
        Err(Error::NoKey(_))
    ));
    assert!(SigningKey::secret(b"short").unwrap().public_pem().is_err());
}

#[test]
fn the_clock_of_a_tenant_follows_it() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let clock = tenant.clock();
    for seconds in [1_700_000_000, 1_700_000_060] {
        let now = UNIX_EPOCH + Duration::from_secs(seconds);
        tenant.set_now(now);
        assert_eq!(clock(), now);
    }
    tenant.use_system_clock();
    let before = SystemTime::now();
    assert!(clock() >= before);
}

#[test]
fn defaults_and_edits_of_a_token() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let token = parts(&tenant.access_token().mint().unwrap());
    let expected = json!({
        "iss": "https://tenant.example/", "sub": "auth0|user", "aud": "https://api.example/",
        "iat": 1_700_000_000, "exp": 1_700_003_600, "scope": "read:things",
        "azp": "local-client", "jti": token.payload["jti"],
    });
    assert_eq!(token.payload, expected);
    assert_eq!(
        token.header,
        json!({ "alg": "RS256", "typ": "JWT", "kid": tenant.kid() })
    );

    let builder = tenant.access_token();
    let cases: [(&str, a0_testkit::AccessTokenBuilder, Value); 8] = [
        (
            "/aud",
            builder.clone().audiences(["a", "b"]),
            json!(["a", "b"]),
        ),
        ("/sub", builder.clone().subject("x"), json!("x")),
        (
            "/exp",
            builder.clone().issued_at(100).expires_in(-1),
            json!(99),
        ),
        ("/exp", builder.clone().issued_at(i64::MAX), json!(i64::MAX)),
        (
            "/exp",
            builder.clone().claim("exp", 1.5).expires_in(9),
            json!(1.5),
        ),
        ("/exp", builder.clone().without_claim("exp"), Value::Null),
        (
            "/act/sub",
            builder.clone().claim("act", json!({ "sub": "s" })),
            json!("s"),
        ),
        ("/scope", builder.clone().scope("a b"), json!("a b")),
    ];
    for (pointer, builder, expected) in cases {
        let token = parts(&builder.mint().unwrap());
        let found = token.payload.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{pointer}");
    }

    let header = builder
        .header("crit", json!([]))
        .without_header("typ")
        .kid("k");
    let header = parts(&header.algorithm(Algorithm::None).mint().unwrap()).header;
    assert_eq!(header, json!({ "alg": "none", "kid": "k", "crit": [] }));
}

#[test]
fn raw_parts_are_signed_as_they_are() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let twice = r#"{"iss":"a","iss":"b"}"#;
    let token = tenant
        .access_token()
        .raw_payload(twice)
        .raw_header("{")
        .mint()
        .unwrap();
    let segments: Vec<&str> = token.split('.').collect();
    assert_eq!(common::decode(segments[0]), b"{");
    assert_eq!(common::decode(segments[1]), twice.as_bytes());
    let jws = Parts {
        header: Value::Null,
        payload: Value::Null,
        message: format!("{}.{}", segments[0], segments[1]).into_bytes(),
        signature: common::decode(segments[2]),
    };
    assert!(openssl_accepts(
        Algorithm::Rs256,
        &tenant.signing_key(),
        &jws
    ));

    let unsigned = tenant.access_token().unsigned().mint().unwrap();
    assert!(unsigned.ends_with('.'));
    let own = tenant
        .access_token()
        .with_signature([0; 64])
        .mint()
        .unwrap();
    assert_eq!(parts(&own).signature, [0; 64]);
}

#[test]
fn proofs() {
    let key = ProofKey::generate().unwrap();
    let url = "https://api.example/things?x=1";
    let proof = key
        .proof("POST", url)
        .for_token("abc")
        .nonce("n")
        .at(UNIX_EPOCH);
    let proof = parts(&proof.mint().unwrap());
    assert_eq!(proof.header["typ"], "dpop+jwt");
    assert_eq!(proof.header["alg"], "ES256");
    assert_eq!(proof.header["jwk"], key.public_jwk());
    assert!(proof.header["jwk"].get("d").is_none());
    let expected = json!({
        "htm": "POST", "htu": url, "iat": 0, "nonce": "n", "jti": proof.payload["jti"],
        // SHA-256 of "abc", FIPS 180-4.
        "ath": "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0",
    });
    assert_eq!(proof.payload, expected);

    let other = parts(&key.proof("POST", url).mint().unwrap());
    assert_ne!(other.payload["jti"], proof.payload["jti"]);

    let rsa = SigningKey::cached_rsa("minting").unwrap();
    let rsa = ProofKey::new(rsa, Algorithm::Rs256).unwrap();
    assert_eq!(
        parts(&rsa.proof("GET", url).mint().unwrap()).header["jwk"]["kty"],
        "RSA"
    );

    let tenant = LocalTenant::new("tenant.example").unwrap();
    let bound = parts(&tenant.access_token().bound_to(&key).mint().unwrap());
    assert_eq!(
        bound.payload["cnf"],
        json!({ "jkt": thumbprint(&key.public_jwk()).unwrap() })
    );
}

/// The examples of RFC 9449 section 6.1, RFC 7638 section 3.1 and RFC 8037 appendix A.3.
#[test]
fn thumbprints_of_the_standards() {
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tS\
             oc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65Y\
             GjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrd\
             kt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnq\
             DKgw";
    let cases = [
        (
            json!({ "kty": "EC", "crv": "P-256",
                    "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
                    "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA" }),
            "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
        ),
        (
            json!({ "kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" }),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        ),
        (
            json!({ "kty": "OKP", "crv": "Ed25519",
                    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        ),
    ];
    for (jwk, expected) in cases {
        assert_eq!(thumbprint(&jwk).unwrap(), expected);
    }
    for jwk in [
        json!({}),
        json!(1),
        json!({ "kty": "EC", "crv": "P-256", "x": 1, "y": "" }),
    ] {
        assert!(matches!(thumbprint(&jwk), Err(Error::Jwk(_))));
    }
}

#[test]
fn debug_shows_no_key() {
    let secret = SigningKey::secret("correct horse").unwrap();
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.register_client("id", "s3cret");
    let proof_key = ProofKey::generate().unwrap();
    let shown = format!(
        "{secret:?} {tenant:?} {proof_key:?} {:?} {:?}",
        tenant.access_token().signed_with(&secret),
        proof_key.proof("GET", "https://api.example/"),
    );
    let k = secret.public_jwk()["k"].as_str().unwrap().to_owned();
    for hidden in ["s3cret", "correct horse", &k] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[test]
fn keys_are_cached_by_slot_and_read_from_pem() {
    let one = SigningKey::cached_rsa("one").unwrap();
    assert_eq!(one.kid(), SigningKey::cached_rsa("one").unwrap().kid());
    assert_ne!(one.kid(), SigningKey::cached_rsa("two").unwrap().kid());

    let pem = openssl::rsa::Rsa::generate(2048)
        .unwrap()
        .private_key_to_pem()
        .unwrap();
    assert_eq!(
        SigningKey::from_pem(&pem).unwrap().public_jwk()["e"],
        "AQAB"
    );
    let k1 = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::SECP256K1).unwrap();
    let k1 = openssl::ec::EcKey::generate(&k1)
        .unwrap()
        .private_key_to_pem()
        .unwrap();
    assert!(matches!(
        SigningKey::from_pem(&k1),
        Err(Error::UnsupportedKey)
    ));
}

#[test]
fn josekit_decrypts_an_encrypted_token() {
    use josekit::jwe::{RSA_OAEP_256, RSA_OAEP_384, RSA_OAEP_512, deserialize_compact};
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let key = EncryptionKey::cached("encryption").unwrap().kid("k");
    let pem = key.private_pem().unwrap();
    for algorithm in [RSA_OAEP_256, RSA_OAEP_384, RSA_OAEP_512] {
        let key = key.clone().header("alg", algorithm.to_string());
        let token = tenant.access_token().subject("auth0|ada");
        let token = token.encrypted_for(&key).mint().unwrap();
        let mut decrypter = algorithm.decrypter_from_pem(&pem).unwrap();
        decrypter.set_key_id("k");
        let (content, header) = deserialize_compact(&token, &decrypter).unwrap();
        assert_eq!(header.content_encryption(), Some("A256GCM"));
        assert_eq!(header.content_type(), Some("JWT"));
        let signed = parts(&String::from_utf8(content).unwrap());
        assert_eq!(signed.payload["sub"], "auth0|ada");
    }
    assert_eq!(format!("{key:?}"), "EncryptionKey { .. }");
}

#[test]
fn agents_anonymous_sessions_and_details_have_the_claims_of_auth0() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let claims = |token: a0_testkit::AccessTokenBuilder| parts(&token.mint().unwrap()).payload;
    let session = claims(tenant.access_token().anonymous("7b0c"));
    assert_eq!(session["sub"], "anon@7b0c");
    let agent = claims(tenant.access_token().agent("agent-1"));
    assert_eq!(
        (&agent["sub"], &agent["sub_profile"]),
        (&json!("agent-1"), &json!("ai_agent"))
    );
    let delegated = claims(tenant.access_token().acted_by("agent-1", "app"));
    assert_eq!(delegated["sub"], "auth0|user");
    assert_eq!(delegated["azp"], "app");
    let act = json!({
        "sub": "agent-1",
        "client_id": "app",
        "sub_profile": "ai_agent",
        "client_profile": "service ai_agent",
    });
    assert_eq!(delegated["act"], act);
    let details = [
        json!({"type": "payment", "amount": 1}),
        json!({"type": "files"}),
    ];
    let detailed = claims(tenant.access_token().authorization_details(details.clone()));
    assert_eq!(detailed["authorization_details"], json!(details));
}
