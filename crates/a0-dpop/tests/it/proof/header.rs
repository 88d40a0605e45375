//! RFC 9449 section 4.3, checks 3 to 5 and 7: `typ`, `alg` and `jwk`.

use a0_dpop::{ProofError, ProofRules};
use a0_jose::{Algorithm, HeaderError, JwkError, base64url_encode};
use a0_testkit::{ProofKey, SigningKey};
use serde_json::{Value, json};

use super::common::{
    coordinate, good, jwk_with, jwk_without, key, key_for, now, outcome, proof_by, target,
    verified_by,
};

#[test]
fn rfc9449_4_3_3_the_key_is_one_public_key_of_the_algorithm() {
    let invalid = |error| Err(ProofError::Jwk(error));
    let missing = || Err(ProofError::MissingJwk);
    let curve = || Err(ProofError::Curve("P-256"));
    let kind = || Err(ProofError::KeyType);
    let public = |algorithm| key_for(algorithm).public_jwk();
    let length = |octets: Vec<u8>| base64url_encode(octets);
    let (x, y) = (coordinate("x"), coordinate("y"));
    let longer = [&[0][..], &x].concat();
    use a0_testkit::Algorithm::{EdDsa, Es384, Rs256};
    for (jwk, expected) in [
        (key().public_jwk(), Ok(())),
        (jwk_with("kid", "a"), Ok(())),
        (jwk_with("use", "sig"), Ok(())),
        (jwk_with("key_ops", json!(["verify"])), Ok(())),
        // WebCrypto exports this for the public half of a pair that only signs.
        (jwk_with("key_ops", json!([])), Ok(())),
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
        (
            jwk_with("use", Value::Null),
            invalid(JwkError::NotForSignatures),
        ),
        (
            jwk_with("key_ops", Value::Null),
            invalid(JwkError::NotForSignatures),
        ),
        (jwk_with("key_ops", ""), invalid(JwkError::NotForSignatures)),
        (
            jwk_with("key_ops", json!({})),
            invalid(JwkError::NotForSignatures),
        ),
    ] {
        // The key is checked before the signature, and so before anything is fetched.
        let unsigned = good().header("jwk", jwk.clone()).unsigned().mint().unwrap();
        let unverified = ProofRules::new().validate(&unsigned, &target(), None, now());
        assert_eq!(unverified.map(|_| ()), expected, "{jwk}");
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
        // RFC 7515 section 4.1.9: a media type ignores case, and `application/` is optional.
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
    use a0_testkit::Algorithm as KeyAlgorithm;
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

    // HMAC, with a secret in the header and with a public key as the secret.
    let secret = SigningKey::secret(key().public_jwk().to_string()).unwrap();
    let secret = ProofKey::new(secret, KeyAlgorithm::Hs256).unwrap();
    assert_eq!(outcome(proof_by(&secret)), refused);
    assert_eq!(
        outcome(proof_by(&secret).header("jwk", key().public_jwk())),
        refused
    );

    // Valid proofs, with and without their algorithm allowed.
    for (key_algorithm, algorithm) in [
        (KeyAlgorithm::Rs256, Algorithm::Rs256),
        (KeyAlgorithm::Ps256, Algorithm::Ps256),
        (KeyAlgorithm::Es256, Algorithm::Es256),
        (KeyAlgorithm::Es384, Algorithm::Es384),
        (KeyAlgorithm::Es512, Algorithm::Es512),
        (KeyAlgorithm::EdDsa, Algorithm::EdDsa),
    ] {
        let key = key_for(key_algorithm);
        let proof = proof_by(&key).mint().unwrap();
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

/// `dpop` and `oauth4webapi`, for example, write `Ed25519`.
#[test]
fn rfc9864_2_2_a_proof_names_its_edwards_algorithm_with_or_without_the_curve() {
    let key = key_for(a0_testkit::Algorithm::EdDsa);
    let [eddsa, ed25519, ed448] =
        ["EdDSA", "Ed25519", "Ed448"].map(|name| name.parse::<Algorithm>().expect(name));
    for named in [eddsa, ed25519, ed448] {
        for allowed in [eddsa, ed25519, ed448] {
            let rules = ProofRules::new().algorithms([allowed]);
            let proof = proof_by(&key).header("alg", named.name()).mint().unwrap();
            let expected = match (named == allowed, named == ed448) {
                (false, _) => Err(ProofError::Algorithm),
                (true, true) => Err(ProofError::Jwk(JwkError::Algorithm)),
                (true, false) => Ok(()),
            };
            assert_eq!(verified_by(&rules, &proof).map(|_| ()), expected, "{named}");
        }
        // Both names of one key, with their header known and not.
        let rules = ProofRules::new().algorithms([ed25519, eddsa]);
        let proof = || proof_by(&key).header("alg", named.name());
        let outcome = verified_by(&rules, &proof().mint().unwrap());
        assert_eq!(outcome.is_ok(), named != ed448, "{named}");
        if named != ed448 {
            let header = super::common::verified_header(&rules, proof());
            let later = proof().jti("later").mint().unwrap();
            let header = Some(&header);
            let unverified = rules.validate_with_header(&later, header, &target(), None, now());
            assert!(unverified.unwrap().verify().is_ok(), "{named}");
        }
        // A key that names its algorithm is for that name only.
        for declared in [eddsa, ed25519, ed448] {
            let mut jwk = key.public_jwk();
            jwk["alg"] = declared.name().into();
            let proof = proof().header("jwk", jwk).mint().unwrap();
            let outcome = verified_by(&rules, &proof).is_ok();
            let expected = named == declared && named != ed448;
            assert_eq!(outcome, expected, "{named} {declared}");
        }
    }
}

#[test]
fn each_algorithm_accepts_only_its_own_keys() {
    use a0_testkit::Algorithm as KeyAlgorithm;
    let rules = ProofRules::new().algorithms(Algorithm::all());
    let jwk = |key_algorithm| key_for(key_algorithm).public_jwk();
    let invalid = ProofError::Jwk(JwkError::Algorithm);
    for (key_algorithm, jwk, error) in [
        (
            KeyAlgorithm::Es256,
            jwk(KeyAlgorithm::Rs256),
            ProofError::KeyType,
        ),
        (
            KeyAlgorithm::Es256,
            jwk(KeyAlgorithm::EdDsa),
            ProofError::KeyType,
        ),
        (
            KeyAlgorithm::Es256,
            jwk(KeyAlgorithm::Es384),
            ProofError::Curve("P-256"),
        ),
        (
            KeyAlgorithm::Es384,
            jwk(KeyAlgorithm::Es256),
            ProofError::Curve("P-384"),
        ),
        (
            KeyAlgorithm::Es512,
            jwk(KeyAlgorithm::Es384),
            ProofError::Curve("P-521"),
        ),
        (
            KeyAlgorithm::Rs256,
            jwk(KeyAlgorithm::Es256),
            invalid.clone(),
        ),
        (
            KeyAlgorithm::EdDsa,
            jwk(KeyAlgorithm::Es256),
            invalid.clone(),
        ),
        (KeyAlgorithm::EdDsa, jwk(KeyAlgorithm::Rs256), invalid),
    ] {
        let proof = proof_by(&key_for(key_algorithm))
            .header("jwk", jwk)
            .mint()
            .unwrap();
        assert_eq!(
            verified_by(&rules, &proof).map(|_| ()),
            Err(error),
            "{key_algorithm}"
        );
    }
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
        // Also if the key has other faults.
        let proof = good().header("jwk", json!({ name: null }));
        assert_eq!(outcome(proof), Err(ProofError::PrivateKey), "{name}");
    }
}

#[test]
fn unsupported_extensions_are_refused() {
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
