//! A client's key, its proofs, and the request that they match.

use std::sync::OnceLock;
use std::time::Duration;

use a0_dpop::{
    Htu, NonceIssuer, ProofError, ProofRules, Target, UnverifiedProof, VerifiedHeader,
    VerifiedProof,
};
use a0_jose::{ClaimError, NumericDate, base64url_decode, sha256_base64url};
use a0_testkit::{ProofBuilder, ProofKey, SigningKey};
use serde_json::Value;

pub(crate) const METHOD: &str = "POST";
pub(crate) const URL: &str = "https://api.example/v1/orders";
pub(crate) const NOW: i64 = 1_700_000_000;
/// The base64url of its hash contains `-` and `_`.
pub(crate) const TOKEN: &str = "an.access.token-2";

/// The client's key.
pub(crate) fn key() -> &'static ProofKey {
    static KEY: OnceLock<ProofKey> = OnceLock::new();
    KEY.get_or_init(|| ProofKey::generate().unwrap())
}

/// A proof that passes.
pub(crate) fn good() -> ProofBuilder {
    proof_by(key())
}

pub(crate) fn proof_by(key: &ProofKey) -> ProofBuilder {
    key.proof(METHOD, URL).for_token(TOKEN).issued_at(NOW)
}

pub(crate) fn key_for(algorithm: a0_testkit::Algorithm) -> ProofKey {
    let key = match algorithm {
        a0_testkit::Algorithm::Rs256 => SigningKey::cached_rsa("proof").unwrap(),
        other => SigningKey::generate(other).unwrap(),
    };
    ProofKey::new(key, algorithm).unwrap()
}

pub(crate) fn now() -> NumericDate {
    NumericDate::from_unix_seconds(NOW)
}

pub(crate) fn parse_htu(text: &str) -> Htu {
    Htu::parse(text).unwrap()
}

pub(crate) fn target() -> Target<'static> {
    Target::new(METHOD, parse_htu(URL), TOKEN)
}

/// Verifies a proof with and without the verified header of [`good`]. Both must have the same
/// outcome.
pub(crate) fn verified_by(rules: &ProofRules, proof: &str) -> Result<VerifiedProof, ProofError> {
    let validate = |header| rules.validate_with_header(proof, header, &target(), None, now());
    let without = validate(None).and_then(UnverifiedProof::verify);
    let with_header = validate(Some(good_header())).and_then(UnverifiedProof::verify);
    match (&without, &with_header) {
        (Ok(without), Ok(with_header)) => {
            assert_eq!(with_header.claims(), without.claims());
            assert_eq!(with_header.thumbprint(), without.thumbprint());
            assert_eq!(with_header.replay_key(), without.replay_key());
            assert_eq!(with_header.replay_until(), without.replay_until());
        }
        _ => assert_eq!(with_header.as_ref().err(), without.as_ref().err()),
    }
    without
}

pub(crate) fn good_header() -> &'static VerifiedHeader {
    static HEADER: OnceLock<VerifiedHeader> = OnceLock::new();
    HEADER.get_or_init(|| verified_header(&ProofRules::new(), good()))
}

pub(crate) fn verified_header(rules: &ProofRules, proof: ProofBuilder) -> VerifiedHeader {
    keep_header(rules, proof).unwrap()
}

pub(crate) fn keep_header(rules: &ProofRules, proof: ProofBuilder) -> Option<VerifiedHeader> {
    let proof = proof.mint().unwrap();
    let unverified = rules.validate(&proof, &target(), None, now());
    unverified
        .and_then(UnverifiedProof::verify_and_keep_header)
        .unwrap()
        .1
}

pub(crate) fn verified(proof: ProofBuilder) -> Result<VerifiedProof, ProofError> {
    verified_by(&ProofRules::new(), &proof.mint().unwrap())
}

/// The outcome of every check of a proof for [`METHOD`], [`URL`] and [`TOKEN`].
pub(crate) fn outcome(proof: ProofBuilder) -> Result<(), ProofError> {
    verified(proof).map(|_| ())
}

pub(crate) fn outcome_of_text(proof: &str) -> Result<(), ProofError> {
    verified_by(&ProofRules::new(), proof).map(|_| ())
}

pub(crate) fn wrong_type(claim: &'static str) -> Result<(), ProofError> {
    let expected = match claim {
        "iat" => "a number",
        _ => "a string",
    };
    Err(ProofError::ClaimType(ClaimError::new(claim, expected)))
}

/// The public JWK of [`key`] with one member set.
pub(crate) fn jwk_with(name: &str, value: impl Into<Value>) -> Value {
    let mut jwk = key().public_jwk();
    jwk[name] = value.into();
    jwk
}

/// The public JWK of [`key`] without one member.
pub(crate) fn jwk_without(name: &str) -> Value {
    let mut jwk = key().public_jwk();
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

pub(crate) fn coordinate(name: &str) -> Vec<u8> {
    base64url_decode(key().public_jwk()[name].as_str().unwrap()).unwrap()
}

/// A payload as text, so that numbers keep their spelling, with one more member.
pub(crate) fn payload_with(member: &str, iat: &str) -> String {
    let ath = sha256_base64url(TOKEN);
    format!(
        r#"{{"jti":"j","htm":"{METHOD}","htu":"{URL}","ath":"{ath}","iat":{iat}{}{member}}}"#,
        if member.is_empty() { "" } else { "," },
    )
}

pub(crate) fn nonces() -> NonceIssuer {
    NonceIssuer::new([5; 32], Duration::from_secs(60))
}
