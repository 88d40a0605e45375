//! The order of the checks, and the errors' texts and causes.

use std::error::Error;

use a0_dpop::{ProofError, ProofRules, UnverifiedProof};
use a0_jose::{ClaimError, HeaderError, JwkError, ParseError, base64url_encode};
use a0_testkit::{ProofBuilder, ProofKey};
use serde_json::json;

use super::common::{
    METHOD, NOW, TOKEN, URL, good, jwk_with, jwk_without, key, nonces, now, outcome,
    outcome_of_text, target, wrong_type,
};

/// A proof starts with every fault. They are fixed one by one, in the order of the checks.
#[test]
fn the_first_fault_in_order_is_reported() {
    type Fix = fn(ProofBuilder) -> ProofBuilder;
    let type_error = |claim| wrong_type(claim).unwrap_err();
    let fixes: [(ProofError, &str, Fix); 33] = [
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
    for (error, text, fix) in fixes {
        assert_eq!(error.to_string(), text);
        assert_eq!(outcome(&proof.clone().mint().unwrap()), Err(error));
        proof = fix(proof);
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

#[test]
fn errors_have_their_cause_as_source() {
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
