//! RFC 9449 section 11.1: a proof has the same replay key for its whole window.

use std::time::Duration;

use a0_dpop::{
    InMemoryReplayStore, ProofError, ProofRules, ReplayStore as _, Seen, Target, UnverifiedProof,
};
use a0_jose::{NumericDate, base64url_decode, base64url_encode};
use a0_testkit::{ProofBuilder, ProofKey};
use openssl::bn::BigNum;

use super::common::{
    METHOD, NOW, TOKEN, URL, good, now, parse_htu, payload_with, proof_by, target, verified_by,
};

#[test]
fn rfc9449_11_1_a_proof_is_known_again_for_its_whole_window() {
    let store = InMemoryReplayStore::default();
    let seen = |proof: ProofBuilder, now: i64| {
        let proof = proof.mint().unwrap();
        let now = NumericDate::from_unix_seconds(now);
        let unverified = ProofRules::new().validate(&proof, &target(), None, now);
        let verified = unverified.and_then(UnverifiedProof::verify).unwrap();
        store
            .check_and_insert(verified.replay_key(), verified.replay_until(), now)
            .unwrap()
    };
    let one = || good().jti("one");
    assert_eq!(seen(one(), NOW), Seen::First);
    assert_eq!(seen(one(), NOW), Seen::Before);
    assert_eq!(seen(one(), NOW + 300), Seen::Before);
    // Signed again, later, or with another spelling of its URL: the key and the jti are the same.
    let again = one().issued_at(NOW + 1).claim("a", 1);
    assert_eq!(seen(again, NOW + 1), Seen::Before);
    let spelt = one().claim("htu", "HTTPS://api.example:443/v1/./%6frders?x#y");
    assert_eq!(seen(spelt, NOW), Seen::Before);

    assert_eq!(seen(good().jti("two"), NOW), Seen::First);
    // A jti of another key is not used up.
    let other = ProofKey::generate().unwrap();
    assert_eq!(seen(proof_by(&other).jti("one"), NOW), Seen::First);

    // From the future: held to the end of the proof's own window, not of one that begins now.
    let early = || good().jti("early").issued_at(NOW + 30);
    assert_eq!(seen(early(), NOW), Seen::First);
    assert_eq!(seen(early(), NOW + 330), Seen::Before);

    // Another URL makes another proof, RFC 9449 section 11.1.
    let replay_key = |url: &str| {
        let proof = one().claim("htu", url).mint().unwrap();
        let request = Target::new(METHOD, parse_htu(url), TOKEN);
        let unverified = ProofRules::new().validate(&proof, &request, None, now());
        *unverified
            .and_then(UnverifiedProof::verify)
            .unwrap()
            .replay_key()
    };
    assert_eq!(replay_key(URL), replay_key("https://API.example/v1/orders"));
    assert_ne!(replay_key(URL), replay_key("https://api.example/v1/order"));

    for (iat, offset, until) in [
        ("1700000000", 300, 1_700_000_300.0),
        ("1700000030", 300, 1_700_000_330.0),
        ("1700000000.25", 300, 1_700_000_300.25),
        ("1700000000", 0, 1_700_000_000.0),
        ("1700000000", 60, 1_700_000_060.0),
    ] {
        let proof = good().raw_payload(payload_with("", iat)).mint().unwrap();
        let rules = ProofRules::new()
            .iat_offset(Duration::from_secs(offset))
            .iat_leeway(Duration::from_secs(30));
        let verified = verified_by(&rules, &proof).unwrap();
        assert_eq!(verified.replay_until().as_seconds(), until, "{iat}");
    }
}

/// Anybody can turn an ECDSA signature (r, s) into (r, n - s), which verifies too. The store knows
/// a proof by its `jti` and not by its octets.
#[test]
fn the_high_s_twin_of_a_proof_is_the_same_proof() {
    let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let order = BigNum::from_hex_str(order).unwrap();
    let store = InMemoryReplayStore::default();
    let proof = good().mint().unwrap();
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let signature = base64url_decode(signature).unwrap();
    let (r, s) = signature.split_at(32);
    let mut other_s = BigNum::new().unwrap();
    other_s
        .checked_sub(&order, &BigNum::from_slice(s).unwrap())
        .unwrap();
    let twin = [r, &other_s.to_vec_padded(32).unwrap()].concat();
    let twin = format!("{input}.{}", base64url_encode(twin));
    assert_ne!(twin, proof);

    let seen = |proof: &str| {
        let verified = verified_by(&ProofRules::new(), proof).unwrap();
        let key = verified.replay_key();
        store
            .check_and_insert(key, verified.replay_until(), now())
            .unwrap()
    };
    assert_eq!(seen(&proof), Seen::First);
    assert_eq!(seen(&twin), Seen::Before);
    assert_eq!(seen(&proof), Seen::Before);
}

/// A clock that was never set refuses proofs of today, and detects replay all the same.
#[test]
fn a_clock_before_1970_refuses_by_the_same_rules() {
    let store = InMemoryReplayStore::default();
    for now in [-1, -1_000_000_000, i64::MIN] {
        let rules = ProofRules::new();
        let at = NumericDate::from_unix_seconds(now);
        let validate = |iat: i64| {
            let proof = good().jti("j").issued_at(iat).mint().unwrap();
            let unverified = rules.validate(&proof, &target(), None, at);
            unverified.and_then(UnverifiedProof::verify)
        };
        assert_eq!(validate(NOW).unwrap_err(), ProofError::FromTheFuture);
        let late = validate(now.saturating_sub(301));
        assert!(late.is_err() || now == i64::MIN);
        let verified = validate(now).unwrap();
        let seen = [(); 2].map(|()| {
            let until = verified.replay_until();
            store.check_and_insert(verified.replay_key(), until, at)
        });
        // One `jti` for all three times: it is new once.
        let first = if now == -1 { Seen::First } else { Seen::Before };
        assert_eq!(seen, [Ok(first), Ok(Seen::Before)]);
    }
}
