//! The nonces of a server, RFC 9449 section 9.

use std::time::Duration;

use a0_dpop::{Htu, NonceIssuer, ProofError, ProofRules, Target, UnverifiedProof};
use a0_jose::NumericDate;
use a0_testkit::{ProofBuilder, ProofKey};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A multiple of the period, so a period begins here.
const START: i64 = 1_700_000_100;
const PERIOD: i64 = 300;

fn issuer(secret: u8) -> NonceIssuer {
    NonceIssuer::new([secret; 32], Duration::from_secs(PERIOD as u64))
}

fn at(seconds: i64) -> NumericDate {
    NumericDate::from_unix_seconds(seconds)
}

#[test]
fn a_nonce_is_accepted_in_its_period_and_the_adjacent_ones() {
    assert_eq!(START % PERIOD, 0);
    let nonces = issuer(1);
    for (issued, used, accepted) in [
        (START, START, true),
        (START, START + PERIOD - 1, true),
        (START, START + PERIOD, true),
        (START, START + 2 * PERIOD - 1, true),
        (START, START + 2 * PERIOD, false),
        (START + PERIOD - 1, START + 2 * PERIOD - 1, true),
        (START + PERIOD - 1, START + 2 * PERIOD, false),
        (START - 1, START, true),
        (START - 1, START + PERIOD, false),
        (START - PERIOD, START, true),
        (START - PERIOD - 1, START, false),
        (START - 256 * PERIOD, START, false),
        (START - (1 << 16) * PERIOD, START, false),
        (0, START, false),
        // The clock was set back, or the clock of the issuing process is ahead.
        (START, START - 1, true),
        (START, START - PERIOD, true),
        (START, START - PERIOD - 1, false),
        (START + PERIOD, START, true),
        (START + 2 * PERIOD - 1, START, true),
        (START + 2 * PERIOD, START, false),
        (START + 100 * PERIOD, START, false),
    ] {
        let nonce = nonces.issue(at(issued));
        let outcome = nonces.accepts(&nonce, at(used));
        assert_eq!(outcome, accepted, "{issued} {used}");
    }

    // Fractions of a second do not move the boundary of a period.
    let fraction = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap();
        NumericDate::from_json(&value).unwrap()
    };
    let nonce = nonces.issue(at(START - 1));
    assert_eq!(nonces.issue(fraction("1700000099.999")), nonce);
    assert_ne!(nonces.issue(fraction("1700000100.0")), nonce);
    assert!(nonces.accepts(&nonce, fraction("1700000399.999")));
    assert!(!nonces.accepts(&nonce, fraction("1700000400.0")));
}

#[test]
fn a_period_is_at_least_a_second_and_whole() {
    for (period, same, next) in [
        (Duration::ZERO, 0, 1),
        (Duration::from_millis(1), 0, 1),
        (Duration::from_millis(1999), 0, 1),
        (Duration::from_secs(2), 1, 2),
        (Duration::from_millis(2500), 1, 2),
    ] {
        let nonces = NonceIssuer::new([1; 32], period);
        let nonce = nonces.issue(at(START));
        assert_eq!(nonces.issue(at(START + same)), nonce, "{period:?}");
        assert_ne!(nonces.issue(at(START + next)), nonce, "{period:?}");
        assert!(nonces.accepts(&nonce, at(START + next)), "{period:?}");
        assert!(!nonces.accepts(&nonce, at(START + 2 * next)), "{period:?}");
    }
}

#[test]
fn only_its_own_nonces_are_accepted() {
    let nonces = issuer(1);
    let now = at(START);
    let own = nonces.issue(now);
    assert!(nonces.accepts(&own, now));
    let shorter = NonceIssuer::new([1; 32], Duration::from_secs(60));
    for foreign in [
        issuer(2).issue(now),
        issuer(0).issue(now),
        shorter.issue(now),
        String::new(),
        "x".into(),
        "A".repeat(43),
        own.to_lowercase(),
        own.to_uppercase(),
        own[..42].into(),
        format!("{own}="),
        format!("{own}A"),
        format!(" {own}"),
        format!("{own},{own}"),
        "\u{0}".into(),
        "\u{1f511}".repeat(11),
        "a".repeat(200_000),
    ] {
        assert!(!nonces.accepts(&foreign, now), "{foreign}");
    }

    // Another process with the secret and a clone accept them. A secret that differs in one bit
    // does not.
    assert!(issuer(1).accepts(&own, now));
    assert!(nonces.clone().accepts(&own, now));
    for place in [0, 31] {
        let mut secret = [1; 32];
        secret[place] ^= 1;
        let other = NonceIssuer::new(secret, Duration::from_secs(PERIOD as u64));
        assert!(!other.accepts(&own, now), "{place}");
    }
}

#[test]
fn another_secret_is_accepted_during_a_change() {
    let period = Duration::from_secs(PERIOD as u64);
    let now = at(START);
    let both = issuer(2).also_accept([1; 32]);
    let three = issuer(3).also_accept([1; 32]).also_accept([2; 32]);
    for (nonces, secrets) in [
        (&issuer(2), &[2][..]),
        (&both, &[1, 2]),
        (&three, &[1, 2, 3]),
    ] {
        for secret in 0..=4 {
            for (issued, in_time) in [
                (START, true),
                (START - PERIOD, true),
                (START + PERIOD, true),
                (START - 2 * PERIOD, false),
                (START + 2 * PERIOD, false),
            ] {
                let nonce = issuer(secret).issue(at(issued));
                let expected = in_time && secrets.contains(&secret);
                assert_eq!(nonces.accepts(&nonce, now), expected, "{secret} {issued}");
            }
            // A secret is accepted with the period of the issuer.
            let shorter = NonceIssuer::new([secret; 32], period / 2).issue(now);
            assert!(!nonces.accepts(&shorter, now), "{secret}");
        }
        assert!(!nonces.accepts("", now));
    }
    // Only nonces of the first secret are issued.
    assert_eq!(both.issue(now), issuer(2).issue(now));
    assert_eq!(three.issue(now), issuer(3).issue(now));
}

#[test]
fn every_clock_value_issues_and_accepts_without_panic() {
    let extremes = ["1e300", "-1e300", "1e-300", "-0.5"]
        .map(|text| NumericDate::from_json(&serde_json::from_str(text).unwrap()).unwrap());
    let edges = [i64::MIN, i64::MIN + 1, -PERIOD, -1, 0, 1, i64::MAX].map(at);
    for period in [0, 1, 300, i64::MAX as u64, u64::MAX] {
        let nonces = NonceIssuer::new([1; 32], Duration::from_secs(period));
        for now in extremes.into_iter().chain(edges) {
            let nonce = nonces.issue(now);
            assert!(nonces.accepts(&nonce, now), "{period} {now:?}");
        }
    }

    // Periods before 1970 have the same length, and none is counted twice.
    let nonces = issuer(1);
    for (issued, used, accepted) in [
        (-1, -1, true),
        (-PERIOD, -1, true),
        (-1, 0, true),
        (-1, PERIOD - 1, true),
        (-1, PERIOD, false),
        (-PERIOD - 1, -1, true),
        (-PERIOD - 1, 0, false),
        (0, -1, true),
        (0, -PERIOD - 1, false),
        (PERIOD - 1, -PERIOD, true),
    ] {
        let nonce = nonces.issue(at(issued));
        assert_eq!(
            nonces.accepts(&nonce, at(used)),
            accepted,
            "{issued} {used}"
        );
    }
    assert_ne!(nonces.issue(at(-1)), nonces.issue(at(0)));
}

#[test]
fn rfc9449_8_1_a_nonce_is_of_the_characters_that_a_field_may_hold() {
    let nonces = issuer(1);
    for now in [i64::MIN, -1, 0, START, i64::MAX] {
        let nonce = nonces.issue(at(now));
        assert!(!nonce.is_empty());
        // NQCHAR, RFC 6749 appendix A.
        let allowed = |octet: u8| matches!(octet, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(nonce.bytes().all(allowed), "{nonce}");
        // A whole SHA-256, which cannot be guessed.
        assert_eq!(nonce.len(), 43);
    }
}

/// Processes with two versions of this crate share a secret during a rollout.
#[test]
fn the_octets_of_a_nonce_are_stable() {
    assert_eq!(
        issuer(1).issue(at(START)),
        "j4kVHLu11kRf4ifiULssS7gkr4HV37_KvISFyGpYVKI"
    );
}

#[test]
fn debug_shows_no_secret_and_no_nonce() {
    let nonces = issuer(0xab).also_accept([0xcd; 32]);
    let shown = format!("{nonces:?} {nonces:#?}");
    assert!(shown.contains("300"), "{shown}");
    let nonce = nonces.issue(at(START));
    for secret in ["171", "ab", "AB", "205", "cd", "CD", "Hmac", &nonce] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

const URL: &str = "https://api.example/orders";
const TOKEN: &str = "an.access.token";

#[test]
fn rfc9449_4_3_10_and_9_a_proof_has_a_current_nonce_where_one_is_asked_for() {
    let nonces = issuer(1);
    let key = ProofKey::generate().unwrap();
    let proof = || {
        let proof = key.proof("GET", URL).for_token(TOKEN);
        proof.issued_at(START)
    };
    let request = Target::new("GET", Htu::parse(URL).unwrap(), TOKEN);
    let first = proof().mint().unwrap();
    let first = ProofRules::new().validate(&first, &request, None, at(START));
    let (_, header) = first.unwrap().verify_and_keep_header().unwrap();
    let outcome = |proof: ProofBuilder, nonces: Option<&NonceIssuer>| {
        let proof = proof.mint().unwrap();
        let validate = |header| {
            let unverified =
                ProofRules::new().validate_with_header(&proof, header, &request, nonces, at(START));
            unverified.and_then(UnverifiedProof::verify).map(|_| ())
        };
        let outcome = validate(None);
        assert_eq!(validate(header.as_ref()), outcome, "with a verified header");
        outcome
    };
    let issued = |seconds| nonces.issue(at(seconds));
    let current = issued(START);
    let refused = || Err(ProofError::Nonce);
    for (nonce, expected) in [
        (json!(current), Ok(())),
        (json!(issued(START - 1)), Ok(())),
        (json!(issued(START - PERIOD - 1)), refused()),
        (json!(issued(START + PERIOD)), Ok(())),
        (json!(issued(START + 2 * PERIOD)), refused()),
        (json!(issuer(2).issue(at(START))), refused()),
        (json!(""), refused()),
        (json!("x"), refused()),
        (json!(format!("{current} ")), refused()),
        (json!([current]), refused()),
        (json!({ "nonce": current }), refused()),
        (json!(7), refused()),
        (json!(true), refused()),
        (Value::Null, refused()),
    ] {
        let with = proof().claim("nonce", nonce.clone());
        assert_eq!(outcome(with.clone(), Some(&nonces)), expected, "{nonce}");
        assert_eq!(outcome(with, None), Ok(()), "{nonce}, unasked");
    }
    assert_eq!(outcome(proof(), Some(&nonces)), refused());
    let elsewhere = proof().header("nonce", current.as_str());
    assert_eq!(outcome(elsewhere, Some(&nonces)), refused());
    let other_case = proof().claim("Nonce", current.as_str());
    assert_eq!(outcome(other_case, Some(&nonces)), refused());

    // A nonce replaces no other check, neither of the age nor of the signature.
    let old = proof().issued_at(START - 301).nonce(&current);
    assert_eq!(outcome(old, Some(&nonces)), Err(ProofError::TooOld));
    let unsigned = proof().nonce(&current).unsigned();
    assert_eq!(outcome(unsigned, Some(&nonces)), Err(ProofError::Signature));
}

proptest! {
    #[test]
    fn whatever_the_clock_a_nonce_lives_for_one_to_two_periods(
        issued in any::<i64>(),
        later in 0..4_000_i64,
        period in 1..1_000_i64,
        text in any::<String>(),
    ) {
        let nonces = NonceIssuer::new([1; 32], Duration::from_secs(period as u64));
        prop_assert!(!nonces.accepts(&text, at(issued)));
        // Within the integers that an `f64` represents exactly.
        let issued = issued % (1 << 50);
        let nonce = nonces.issue(at(issued));
        let accepted = nonces.accepts(&nonce, at(issued + later));
        if later <= period {
            prop_assert!(accepted);
        }
        if later >= 2 * period {
            prop_assert!(!accepted);
        }
        prop_assert!(nonces.accepts(&nonce, at(issued - period)));
        prop_assert!(!nonces.accepts(&nonce, at(issued - 2 * period)));
    }
}
