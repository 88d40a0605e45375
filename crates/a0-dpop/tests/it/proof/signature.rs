//! RFC 9449 section 4.3, checks 6 and 12: the key of a proof.

use a0_dpop::{ProofError, ProofRules};
use a0_jose::{base64url_decode, base64url_encode};
use a0_testkit::ProofKey;
use serde_json::json;

use super::common::{
    good, jwk_with, key, now, outcome, outcome_of_text, proof_by, target, verified,
};

#[test]
fn rfc9449_4_3_6_the_key_in_the_header_made_the_signature() {
    let refused = Err(ProofError::Signature);
    let proof = good().mint().unwrap();
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let signature = base64url_decode(signature).unwrap();
    for bit in [0, 7, 8, 255, 256, 511] {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let altered = format!("{input}.{}", base64url_encode(flipped));
        assert_eq!(outcome_of_text(&altered), refused, "bit {bit}");
    }
    for (what, signature) in [
        ("empty", Vec::new()),
        ("short", signature[..63].to_vec()),
        ("long", [&signature[..], &[0]].concat()),
        ("DER", der(&signature)),
        ("zero", vec![0; 64]),
        ("one", vec![1; 64]),
        ("huge", vec![0xff; 200]),
    ] {
        let altered = format!("{input}.{}", base64url_encode(signature));
        assert_eq!(outcome_of_text(&altered), refused, "{what}");
    }
    // A signature of another payload.
    let other = good().jti("another").mint().unwrap();
    let payload = other.split('.').nth(1).unwrap();
    let (header, _) = input.split_once('.').unwrap();
    let signature = base64url_encode(signature);
    assert_eq!(
        outcome_of_text(&format!("{header}.{payload}.{signature}")),
        refused
    );

    // A signature by another key than the one in the header.
    let thief = ProofKey::generate().unwrap();
    let shown = proof_by(&thief).header("jwk", key().public_jwk());
    assert_eq!(outcome(shown), refused);
    assert_eq!(outcome(good().header("jwk", thief.public_jwk())), refused);
}

/// The DER form of an ECDSA signature, RFC 3279 section 2.2.3.
fn der(raw: &[u8]) -> Vec<u8> {
    let integers: Vec<u8> = raw
        .chunks(32)
        .flat_map(|number| [&[2, 33, 0], number].concat())
        .collect();
    [&[0x30, 70][..], &integers].concat()
}

/// For check 12, the caller compares this thumbprint with the token's `cnf.jkt`.
#[test]
fn rfc9449_4_3_12_and_6_the_thumbprint_is_that_of_the_key_in_the_proof() {
    let decorated = jwk_with("kid", "x");
    for (key, proof) in [
        (key(), good()),
        (key(), good().header("jwk", decorated).header("kid", "y")),
        (key(), good().claim("cnf", json!({"jkt": "x"}))),
    ] {
        let proof = proof.mint().unwrap();
        let unverified = ProofRules::new()
            .validate(&proof, &target(), None, now())
            .unwrap();
        assert_eq!(unverified.thumbprint().to_string(), key.thumbprint());
        let verified = unverified.verify().unwrap();
        assert_eq!(verified.thumbprint().to_string(), key.thumbprint());
    }
    let other = ProofKey::generate().unwrap();
    let verified = verified(proof_by(&other)).unwrap();
    assert_eq!(verified.thumbprint().to_string(), other.thumbprint());
    assert_ne!(verified.thumbprint().to_string(), key().thumbprint());
}
