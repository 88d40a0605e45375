//! `Debug` output and errors do not disclose proofs and tokens.

use std::error::Error;
use std::fmt::Debug;

use a0_dpop::{ProofRules, Target, UnverifiedProof, one_proof};
use a0_jose::sha256_base64url;
use serde_json::json;

use super::common::{NOW, jwk_with, key, nonces, now, parse_htu};

/// Shows every type and every error for proofs with `canary` in every possible place.
#[test]
fn debug_and_errors_hold_no_part_of_proof_or_token() {
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
    let request = Target::new("GET", parse_htu(url), token);
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
        let unverified = ProofRules::new().validate(&proof, &request, nonces, now());
        shown.push(format!("{unverified:?}"));
        let verified = unverified.and_then(UnverifiedProof::verify);
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
    // The types were shown.
    assert!(shown.iter().any(|text| text.contains("VerifiedProof")));
    assert!(shown.iter().any(|text| text.contains("UnverifiedProof")));
    assert!(shown[0].contains("GET"));
}

fn show(shown: &mut Vec<String>, value: &impl Debug) {
    shown.push(format!("{value:?}"));
}
