//! RFC 9449 section 11.1: a proof has the same replay key for its whole window.

use std::time::Duration;

use a0_dpop::{InMemoryReplayStore, ProofRules, ReplayStore as _, Seen, Target, UnverifiedProof};
use a0_jose::NumericDate;
use a0_testkit::{ProofBuilder, ProofKey};

use crate::common::{
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
