//! When keys are fetched and served, over simulated time. Refreshes run on the caller's thread.

mod world;

use std::sync::Arc;
use std::time::Duration;

use crate::common::at;
use a0_discovery::{CachePolicy, FetchFailure, Freshness, Refresh};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, Gate};
use proptest::prelude::*;
use world::World;

#[test]
fn each_document_is_fetched_again_after_its_ttl() {
    let world = World::new();
    let ages = [
        (Endpoint::Discovery, "max-age=600"),
        (Endpoint::Jwks, "max-age=400"),
    ];
    for (endpoint, value) in ages {
        let headers = Fault::headers([("cache-control", value)]);
        world.tenant.misbehave(endpoint, headers);
    }
    for (second, expected) in [
        (0, (1, 1)),
        (399, (1, 1)),
        (400, (1, 2)),
        (599, (1, 2)),
        // New metadata may point to other keys, so the keys are fetched with it.
        (600, (2, 3)),
        (999, (2, 3)),
        (1000, (2, 4)),
    ] {
        assert!(world.keys(second).is_ok());
        assert_eq!(world.fetches(), expected, "{second}");
    }
}

#[test]
fn refreshes_are_fifteen_seconds_apart_whatever_the_server_says() {
    let world = World::with(|policy| policy.min_ttl = Duration::ZERO);
    world.tenant.cache_control(Some("max-age=0"));
    assert_eq!(world.request_times(0..61), [0, 15, 30, 45, 60]);
}

#[test]
fn a_ttl_of_zero_fetches_for_every_call() {
    let world = World::with(|policy| policy.ttl = Duration::ZERO);
    for call in 1..=3 {
        assert!(world.keys(0).is_ok());
        assert_eq!(world.fetches(), (call, call));
    }
}

/// A tenant is down for longer than its keys may be served, and then recovers.
#[test]
fn the_last_good_keys_outlive_an_outage() {
    let world = World::new();
    world.tenant.cache_control(Some("max-age=15"));
    assert!(world.keys(0).is_ok());
    world.take_down();
    // For half an hour requests follow the back-off and no caller is refused.
    let mut expected = vec![300, 315, 330, 345, 360, 376, 408];
    expected.extend((468..1800).step_by(60));
    assert_eq!(world.request_times(1..1800), expected);

    let status = || world.cache.status(at(3599)).remove(0);
    assert!(world.keys(3599).is_ok());
    assert_eq!(status().freshness, Freshness::Stale);
    let error = world.keys(3600).unwrap_err();
    assert_eq!(*error.error.failure(), FetchFailure::Status(500));
    assert!(Duration::ZERO < error.retry_in && error.retry_in <= Duration::from_secs(60));

    world.recover();
    assert_eq!(world.request_times(3601..3700).len(), 1);
    let status = world.cache.status(at(3700)).remove(0);
    assert_eq!((status.freshness, status.failures), (Freshness::Fresh, 0));
    assert!(status.last_failure.is_some());
}

#[test]
fn requests_of_a_failing_issuer_follow_the_back_off() {
    let world = World::new();
    world.take_down();
    assert_eq!(
        world.request_times(0..200),
        [0, 1, 3, 7, 15, 31, 63, 123, 183]
    );
    assert!(world.cache.status(at(199)).remove(0).failures > 0);

    // (status, Retry-After, the second of the next request). While nothing can be served, a
    // recovered tenant must be noticed soon.
    for (status, field, next) in [
        (429, "29", 29),
        (503, "29", 29),
        (429, "90", 30),
        (503, "90", 30),
        (429, "0", 1),
        (429, "100000", 30),
        (429, "99999999999999999999", 1),
        (429, "Fri, 31 Dec 1999 23:59:59 GMT", 1),
        (429, "-1", 1),
        // Dates count from the request, which is sent at 22:13:20.
        (429, "Tue, 14 Nov 2023 22:13:49 GMT", 29),
        (503, "Tue, 14 Nov 2023 22:13:49 GMT", 29),
        (503, "Tuesday, 14-Nov-23 22:13:49 GMT", 29),
        (503, "Tue Nov 14 22:13:49 2023", 29),
        (503, "Tue, 14 Nov 2023 23:13:20 GMT", 30),
        (503, "Tue, 14 Nov 2023 22:13:20 GMT", 1),
        (503, "Tue, 14 Nov 2023 22:13:49", 1),
        (503, "Tue, 32 Nov 2023 22:13:49 GMT", 1),
        (500, "Tue, 14 Nov 2023 22:13:49 GMT", 1),
        (500, "90", 1),
    ] {
        let world = World::new();
        let fault = Fault::status(status).with_header("retry-after", field);
        world.tenant.misbehave(Endpoint::Discovery, fault);
        assert_eq!(
            world.request_times(0..next + 1),
            [0, next],
            "{status} {field}"
        );
    }
}

/// While keys can be served, waiting as long as the tenant asks harms no caller.
#[test]
fn retry_after_is_honoured_for_longer_while_keys_can_be_served() {
    for (seconds, next) in [(90, 390), (299, 599), (300, 600), (100_000, 600)] {
        let world = World::new();
        assert!(world.keys(0).is_ok());
        let fault = Fault::retry_after(429, seconds);
        world.tenant.misbehave_times(Endpoint::Discovery, 1, fault);
        assert_eq!(world.request_times(1..next + 1), [300, next], "{seconds}");
    }
    // Once they may not be served, the limit is 30 seconds.
    let world = World::with(|policy| policy.max_stale = Duration::from_secs(600));
    assert!(world.keys(0).is_ok());
    world
        .tenant
        .misbehave(Endpoint::Discovery, Fault::retry_after(429, 300));
    assert_eq!(world.request_times(500..631), [500, 600, 630]);
}

#[test]
fn callers_get_the_last_failure_during_a_back_off() {
    let world = World::new();
    let fault = Fault::retry_after(503, 20);
    world.tenant.misbehave(Endpoint::Discovery, fault);
    for (second, retry_in) in [(0, 20), (1, 19), (19, 1), (20, 20)] {
        let error = world.keys(second).unwrap_err();
        assert_eq!(error.retry_in, Duration::from_secs(retry_in), "{second}");
        assert_eq!(*error.error.failure(), FetchFailure::Status(503));
    }
}

/// Beyond twice the TTL a caller waits for newer keys, unless the issuer is failing.
#[test]
fn keys_older_than_twice_the_ttl_are_fetched_before_they_are_served() {
    for (second, replaced) in [(1199, false), (1200, true)] {
        let world = World::with(|policy| policy.refresh = Refresh::Background);
        let gate = Gate::new();
        let old = world.keys(0).unwrap();
        let held = match replaced {
            true => Fault::none(),
            false => Fault::hold_at(&gate),
        };
        world.tenant.misbehave(Endpoint::Discovery, held);
        let served = world.keys(second).unwrap();
        assert_eq!(!Arc::ptr_eq(&old, &served), replaced, "{second}");
    }
    let world = World::new();
    let old = world.keys(0).unwrap();
    world.take_down();
    assert!(Arc::ptr_eq(&old, &world.keys(1200).unwrap()));
    assert_eq!(world.requests(), 3);
}

/// After a pause the issuer may have recovered and removed a key, so it is asked before old keys
/// are served.
#[test]
fn a_failure_before_a_pause_does_not_prevent_a_fetch() {
    let world = World::new();
    let old = world.tenant.kid();
    assert!(world.keys(0).is_ok());
    world
        .tenant
        .misbehave_times(Endpoint::Discovery, 1, Fault::status(500));
    assert!(world.keys(300).is_ok());
    world.tenant.replace_keys().unwrap();
    let keys = world.keys(3500).unwrap();
    assert!(!keys.keys().contains(&old, Algorithm::Rs256));
}

#[test]
fn with_a_ttl_of_zero_only_the_back_off_prevents_a_fetch() {
    let world = World::with(|policy| policy.ttl = Duration::ZERO);
    assert!(world.keys(0).is_ok());
    world
        .tenant
        .misbehave_times(Endpoint::Discovery, 1, Fault::status(500));
    for (second, expected) in [(1, (2, 1)), (1, (2, 1)), (2, (3, 2)), (3, (4, 3))] {
        assert!(world.keys(second).is_ok());
        assert_eq!(world.fetches(), expected, "{second}");
    }
}

/// An unknown `kid` fetches the keys alone, so a rotation is found without the metadata.
#[test]
fn a_rotation_is_found_while_the_metadata_is_unavailable() {
    let world = World::new();
    assert!(world.keys(0).is_ok());
    world
        .tenant
        .misbehave(Endpoint::Discovery, Fault::status(500));
    assert!(world.keys(300).is_ok());
    world.tenant.replace_keys().unwrap();
    let kid = world.tenant.kid();
    let keys = world.keys_with(&kid, 302).unwrap();
    assert!(keys.keys().contains(&kid, Algorithm::Rs256));
    assert_eq!(world.fetches(), (2, 2));
}

#[test]
fn an_unknown_key_id_does_not_bypass_the_back_off() {
    let world = World::new();
    assert!(world.keys(0).is_ok());
    world
        .tenant
        .misbehave(Endpoint::Discovery, Fault::retry_after(503, 40));
    assert!(world.keys(300).is_ok());
    for (second, retry_in) in [(301, 39), (339, 1)] {
        let error = world.keys_with("nobody's", second).unwrap_err();
        assert_eq!(error.retry_in, Duration::from_secs(retry_in));
    }
    assert_eq!(world.fetches(), (2, 1));
    world.recover();
    assert!(world.keys_with("nobody's", 340).is_ok());
    assert_eq!(world.fetches(), (3, 2));
}

#[test]
fn keys_are_not_served_beyond_max_stale() {
    // (max_stale, the last second at which keys are served while the tenant is down)
    for (max_stale, last) in [(0, 599), (600, 599), (601, 600), (3600, 3599)] {
        let world = World::with(|policy| policy.max_stale = Duration::from_secs(max_stale));
        world.tenant.cache_control(None);
        assert!(world.keys(0).is_ok());
        world.take_down();
        assert!(world.keys(last).is_ok(), "{max_stale}");
        assert!(world.keys(last + 1).is_err(), "{max_stale}");
    }
}

#[test]
fn keys_have_an_unknown_age_after_the_clock_was_set_back() {
    let world = World::new();
    assert!(world.keys(0).is_ok());
    for (second, expected) in [(-60, (1, 1)), (-61, (2, 2))] {
        assert!(world.keys(second).is_ok());
        assert_eq!(world.fetches(), expected, "{second}");
    }
}

/// Keys are served for `max_stale` after the clock was set back during an outage, but only once.
#[test]
fn keys_of_an_unknown_age_are_served_once_for_max_stale() {
    for (calls, is_served) in [
        (&[-200, 3399][..], true),
        (&[-200, 3400], false),
        // A further set-back does not extend this time.
        (&[-200, -1000], false),
        (&[-200, 3000, -200], false),
        (&[-200, 3000, -200, 0], false),
        // A small set-back does not extend it.
        (&[-200, 3000, 2950, 3399], true),
        (&[-200, 3000, 2950, 3400], false),
        // Several small set-backs do not extend it, nor does one from a later time.
        (&[-200, 3000, 2950, 2900], false),
        (&[3000, 1000, 3599], true),
        (&[3000, 1000, 3600], false),
        // Time that passes twice does not extend it.
        (&[-200, 100, 3399], true),
        (&[-200, 100, 3400], false),
    ] {
        let world = World::new();
        assert!(world.keys(0).is_ok());
        world.take_down();
        let served: Vec<bool> = calls.iter().map(|at| world.keys(*at).is_ok()).collect();
        assert_eq!(served.last(), Some(&is_served), "{calls:?}");
        // After a successful fetch the age is known again.
        world.recover();
        let last = calls.last().unwrap() + 60;
        assert!(world.keys(last).is_ok(), "{calls:?}");
        world.take_down();
        assert!(world.keys(last + 3599).is_ok(), "{calls:?}");
    }
}

/// No configuration may keep a removed key alive for longer than a day.
#[test]
fn options_are_clamped_to_their_bounds() {
    const DAY: i64 = 24 * 60 * 60;
    let years = Duration::from_secs(1_000_000_000_000_000);
    for options in [
        (|policy, years| (policy.ttl, policy.max_stale) = (years, years))
            as fn(&mut CachePolicy, _),
        |policy, years| policy.max_stale = years,
    ] {
        let world = World::with(|policy| options(policy, years));
        world.tenant.cache_control(None);
        assert!(world.keys(0).is_ok());
        world.take_down();
        assert!(world.keys(DAY - 1).is_ok());
        assert!(world.keys(DAY).is_err());
    }
    // Fresh keys may be served even if `max_stale` is shorter.
    let world = World::with(|policy| policy.max_stale = Duration::from_secs(1));
    world.tenant.cache_control(None);
    assert!(world.keys(0).is_ok());
    world.take_down();
    assert!(world.keys(599).is_ok());
    assert!(world.keys(600).is_err());
}

/// Unknown `kid`s fetch the keys alone. The metadata must still be refreshed in time.
#[test]
fn searches_do_not_delay_the_refresh() {
    let world = World::with(|policy| policy.kid_cooldown = Duration::from_secs(1));
    let mut refreshed = Vec::new();
    for second in 0..1000 {
        let before = world.fetches().0;
        assert!(world.keys(second).is_ok());
        assert!(world.keys_with("nobody's", second).is_ok());
        if world.fetches().0 > before {
            refreshed.push(second);
        }
    }
    assert_eq!(refreshed, [0, 300, 600, 900]);
}

#[test]
fn unknown_key_ids_make_one_request_per_cool_down() {
    let world = World::new();
    // A call that has just fetched the keys does not fetch them again.
    assert!(world.keys_with("nobody's", 0).is_ok());
    assert_eq!(world.fetches(), (1, 1));
    // The first call did not start the cool-down.
    for number in 0..10_000 {
        let keys = world
            .keys_with(&format!("{number}"), 1 + number / 400)
            .unwrap();
        assert!(!keys.keys().contains(&format!("{number}"), Algorithm::Rs256));
    }
    assert_eq!(world.fetches(), (1, 2));
    assert!(world.keys_with("nobody's", 30).is_ok());
    assert_eq!(world.fetches(), (1, 2));
    assert!(world.keys_with("nobody's", 31).is_ok());
    assert_eq!(world.fetches(), (1, 3));

    // With a TTL of zero, the call has fetched the keys already.
    let world = World::with(|policy| policy.ttl = Duration::ZERO);
    assert!(world.keys_with("nobody's", 0).is_ok());
    assert_eq!(world.fetches(), (1, 1));
}

#[test]
fn a_new_key_is_found_at_once_and_an_old_one_is_gone() {
    let world = World::new();
    let old = world.tenant.kid();
    assert!(world.keys(0).is_ok());
    world.tenant.replace_keys().unwrap();
    let new = world.tenant.kid();
    // The rotation goes unnoticed until a token names the new key.
    assert!(
        world
            .keys_with(&old, 1)
            .unwrap()
            .keys()
            .contains(&old, Algorithm::Rs256)
    );
    assert_eq!(world.fetches(), (1, 1));
    for _ in 0..3 {
        let keys = world.keys_with(&new, 2).unwrap();
        assert!(keys.keys().contains(&new, Algorithm::Rs256));
        assert!(!keys.keys().contains(&old, Algorithm::Rs256));
        assert_eq!(world.fetches(), (1, 2));
    }
    // A key with the same `kid` for another algorithm does not count.
    let issuer = world.issuer();
    let keys = world
        .cache
        .keys_with(&issuer, &new, Algorithm::Es256, at(40))
        .unwrap();
    assert!(!keys.keys().contains(&new, Algorithm::Es256));
    assert_eq!(world.fetches(), (1, 3));
}

/// An issuer may mend a key and keep its `kid`. Tokens that name it are refused until the next search,
/// not until the next refresh.
#[test]
fn a_mended_key_of_the_same_key_id_is_found_after_the_cool_down() {
    let world = World::new();
    let kid = world.tenant.kid();
    let mut bad = world.tenant.jwks();
    let mut other = bad["keys"][0].clone();
    other["kid"] = "other".into();
    bad["keys"][0]["use"] = "enc".into();
    bad["keys"].as_array_mut().unwrap().push(other);
    world.tenant.set_jwks_body(Some(bad.to_string().as_bytes()));
    let is_there = |second| {
        let keys = world.keys_with(&kid, second).unwrap();
        keys.keys().contains(&kid, Algorithm::Rs256)
    };
    assert!(!is_there(0));
    assert!(!is_there(1), "a search: the key may have been mended since");
    assert_eq!(world.fetches(), (1, 2));
    world.tenant.set_jwks_body(None);
    assert!((2..31).all(|second| !is_there(second)));
    assert_eq!(world.fetches(), (1, 2));
    assert!(is_there(31));
    assert_eq!(world.fetches(), (1, 3));
}

/// While the issuer fails, it is unknown whether it has the key.
#[test]
fn an_unknown_key_id_is_an_error_while_the_issuer_fails() {
    let world = World::new();
    let known = world.tenant.kid();
    assert!(world.keys(0).is_ok());
    world.take_down();
    for (second, retry_in) in [(1, 30), (2, 29), (30, 1), (31, 30)] {
        let error = world.keys_with("nobody's", second).unwrap_err();
        assert_eq!(error.retry_in, Duration::from_secs(retry_in), "{second}");
        assert!(world.keys_with(&known, second).is_ok());
    }
    assert_eq!(world.fetches(), (1, 3));
    world.recover();
    assert!(world.keys_with("nobody's", 60).is_err(), "in the cool-down");
    assert!(world.keys_with("nobody's", 61).is_ok());
    assert!(world.keys_with("nobody's", 62).is_ok());
    assert_eq!(world.fetches(), (1, 4));
}

#[test]
fn a_reload_always_fetches_from_the_issuer() {
    let world = World::new();
    let old = world.tenant.kid();
    assert!(world.reload(0).is_ok());
    world.tenant.replace_keys().unwrap();
    let keys = world.reload(0).unwrap();
    assert_eq!(world.fetches(), (2, 2));
    assert!(!keys.keys().contains(&old, Algorithm::Rs256));
    // A reload has no cool-down and no back-off, and a failed one keeps the keys in memory.
    world.take_down();
    for expected in [3, 4] {
        assert!(world.reload(1).is_err());
        assert_eq!(world.fetches(), (expected, 2));
    }
    assert!(world.keys(1).is_ok());
    assert_eq!(world.fetches(), (4, 2));
}

#[test]
fn the_status_shows_the_state_of_an_issuer() {
    let world = World::new();
    assert_eq!(world.cache.status(at(0)), []);
    world.take_down();
    assert!(world.keys(0).is_err());
    let status = world.cache.status(at(0)).remove(0);
    assert_eq!(status.issuer, world.issuer());
    assert_eq!(status.freshness, Freshness::Absent);
    assert_eq!((status.last_success, status.age), (None, None));
    assert_eq!((status.failures, status.fetching), (1, false));
    assert_eq!(status.last_failure.unwrap().0, at(0));
    assert_eq!(status.retry_in, Duration::from_secs(1));

    world.recover();
    assert!(world.keys(1).is_ok());
    assert!(world.keys_with("nobody's", 2).is_ok());
    let status = |second| world.cache.status(at(second)).remove(0);
    assert_eq!(status(12).key_ids, [world.tenant.kid()]);
    assert_eq!(status(12).last_success, Some(at(1)));
    assert_eq!(status(12).age, Some(Duration::from_secs(11)));
    assert_eq!(status(12).retry_in, Duration::ZERO);
    assert_eq!(status(12).kid_cooldown_left, Duration::from_secs(20));
    let freshness = [300, 301, 3600, 3601].map(|second| status(second).freshness);
    use Freshness::*;
    assert_eq!(freshness, [Fresh, Stale, Stale, Absent]);
}

#[derive(Debug, Clone)]
enum Event {
    Wait(u16),
    Down,
    Up,
    Rotate,
    Keys,
    KnownKid,
    UnknownKid,
    Reload,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..400_u16).prop_map(Event::Wait),
        2 => Just(Event::Down),
        3 => Just(Event::Up),
        1 => Just(Event::Rotate),
        6 => Just(Event::Keys),
        3 => Just(Event::KnownKid),
        3 => Just(Event::UnknownKid),
        1 => Just(Event::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn keys_are_never_too_old_and_never_fetched_too_often(
        events in proptest::collection::vec(event(), 1..120),
        ttl in prop_oneof![Just(0_u64), Just(60), Just(600)],
        max_stale in prop_oneof![Just(0_u64), Just(900), Just(3600)],
    ) {
        let world = World::with(|policy| {
            policy.ttl = Duration::from_secs(ttl);
            policy.max_stale = Duration::from_secs(max_stale);
        });
        let publish = |rotations: u32| {
            let mut jwks = world.tenant.jwks();
            jwks["keys"][0]["kid"] = format!("{rotations}").into();
            world.tenant.set_jwks_body(Some(jwks.to_string().as_bytes()));
        };
        let (mut now, mut up, mut rotations) = (0_i64, true, 0_u32);
        let mut unknown_kid_requests: Vec<i64> = Vec::new();
        publish(rotations);
        for event in events {
            let before = world.requests();
            let served = match event {
                Event::Wait(seconds) => { now += i64::from(seconds); continue }
                Event::Down => { world.take_down(); up = false; continue }
                Event::Up => { world.recover(); up = true; continue }
                Event::Rotate => {
                    rotations += 1;
                    publish(rotations);
                    continue
                }
                Event::Keys => world.keys(now),
                Event::KnownKid => world.keys_with(&format!("{rotations}"), now),
                Event::Reload => world.reload(now),
                Event::UnknownKid => {
                    let warm = world.keys(now).is_ok();
                    let before = world.requests();
                    let served = world.keys_with("nobody's", now);
                    if warm && ttl > 0 && world.requests() > before {
                        unknown_kid_requests.push(now);
                    }
                    served
                }
            };
            if let Ok(keys) = &served {
                let age = at(now).as_seconds() - keys.requested_at().as_seconds();
                prop_assert!(age < world.policy.max_stale.max(world.policy.ttl).as_secs_f64().max(1.0));
            }
            if matches!(event, Event::Keys | Event::Reload) && up {
                prop_assert!(world.requests() - before <= 2);
            }
            if matches!(event, Event::Reload) {
                prop_assert_eq!(served.is_ok(), up);
            }
        }
        for pair in unknown_kid_requests.windows(2) {
            prop_assert!(pair[1] - pair[0] >= 30, "{:?}", unknown_kid_requests);
        }
    }
}
