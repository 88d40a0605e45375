//! Reuse of a header that was verified before.

use a0_dpop::{MAX_VERIFIED_HEADER, ProofError, ProofRules, UnverifiedProof};
use a0_jose::{Algorithm, HeaderError, ParseError, Part};
use a0_testkit::{ProofBuilder, ProofKey};
use serde_json::json;

use super::common::{
    good, good_header, keep_header, key, key_for, now, outcome_of_text, proof_by, target,
    verified_header,
};

/// Each case runs with and without the verified header of a valid proof: see [`outcome_of_text`].
#[test]
fn a_verified_header_does_not_change_the_outcome() {
    let segments = |proof: ProofBuilder| proof.mint().unwrap();
    let first = segments(good().jti("first"));
    let second = segments(good().jti("second"));
    let stranger = ProofKey::generate().unwrap();
    let joined = |header: &str, rest: &str| {
        let header = header.split('.').next().unwrap();
        let rest = rest.split_once('.').unwrap().1;
        format!("{header}.{rest}")
    };
    let forged = |proof: &str| {
        let (signed, signature) = proof.rsplit_once('.').unwrap();
        format!("{signed}.{}", "A".repeat(signature.len()))
    };
    let strangers = segments(proof_by(&stranger));
    for (proof, expected) in [
        (second.clone(), Ok(())),
        // The key of the verified header did not sign these.
        (joined(&first, &strangers), Err(ProofError::Signature)),
        (forged(&second), Err(ProofError::Signature)),
        // The whole header must be the same text. Equal members are not enough.
        (segments(good().header("kid", json!("one"))), Ok(())),
        (
            segments(good().header("crit", json!([]))),
            Err(ProofError::Header(HeaderError::Critical)),
        ),
        (strangers, Ok(())),
        (
            format!("={second}"),
            Err(ProofError::Parse(ParseError::Encoding(Part::Header))),
        ),
        (
            segments(good().claim("htm", json!("GET"))),
            Err(ProofError::Method),
        ),
    ] {
        assert_eq!(outcome_of_text(&proof), expected, "{proof}");
    }
    let thumbprint = |proof: &str, header| {
        let unverified =
            ProofRules::new().validate_with_header(proof, header, &target(), None, now());
        unverified.unwrap().thumbprint().to_string()
    };
    let header = Some(good_header());
    assert_eq!(thumbprint(&second, header), key().thumbprint());
    let strangers = segments(proof_by(&stranger));
    assert_eq!(thumbprint(&strangers, header), stranger.thumbprint());
}

/// The rules may be different from those that accepted the header.
#[test]
fn a_verified_header_needs_an_algorithm_that_is_still_allowed() {
    let es384 = key_for(a0_testkit::Algorithm::Es384);
    let generous = ProofRules::new().algorithms([Algorithm::Es256, Algorithm::Es384]);
    let header = verified_header(&generous, proof_by(&es384));
    let proof = proof_by(&es384).mint().unwrap();
    let validate = |rules: &ProofRules| {
        let unverified = rules.validate_with_header(&proof, Some(&header), &target(), None, now());
        unverified.and_then(UnverifiedProof::verify).map(|_| ())
    };
    assert_eq!(validate(&generous), Ok(()));
    assert_eq!(validate(&ProofRules::new()), Err(ProofError::Algorithm));
}

/// A client cannot make a server keep long headers.
#[test]
fn a_long_header_is_not_returned() {
    let kept = |padding: usize| {
        let proof = good().header("kid", "k".repeat(padding));
        let header = proof.clone().mint().unwrap();
        let header = header.split('.').next().unwrap().len();
        (header, keep_header(&ProofRules::new(), proof).is_some())
    };
    let (length, _) = kept(0);
    // Three octets become four letters.
    let most = (MAX_VERIFIED_HEADER - length) / 4 * 3;
    let mut seen = [0, 0];
    for padding in most - 8..most + 8 {
        let (length, is_kept) = kept(padding);
        assert_eq!(is_kept, length <= MAX_VERIFIED_HEADER, "{length}");
        seen[usize::from(is_kept)] += 1;
    }
    assert!(seen.iter().all(|times| *times > 0), "{seen:?}");
}
