//! What is fetched when, over simulated time. Refreshes run on the caller's own thread.

mod common;

use std::time::{Duration, UNIX_EPOCH};

use a0_discovery::{
    CachePolicy, FetchFailure, Freshness, IssuerKeys, KeyCache, Refresh, Unavailable,
    normalize_domain,
};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, Gate, LocalTenant};
use common::{START, at, fetches, policy, rules};
use proptest::prelude::*;
use std::sync::Arc;

type Keys = Result<Arc<IssuerKeys>, Unavailable>;

/// A tenant, a cache, and the time.
struct World {
    tenant: LocalTenant,
    cache: KeyCache,
    policy: CachePolicy,
}

impl World {
    fn new() -> Self {
        World::with(|_| {})
    }

    fn with(options: impl FnOnce(&mut CachePolicy)) -> Self {
        let mut policy = policy();
        options(&mut policy);
        let tenant = LocalTenant::new("a.example").unwrap();
        let clock = tenant.clone();
        let cache = KeyCache::builder(rules(), Arc::new(tenant.client()))
            .policy(policy)
            .clock(move || clock.now())
            .build();
        World {
            tenant,
            cache,
            policy,
        }
    }

    fn go_to(&self, seconds: i64) {
        let now = u64::try_from(START + seconds).unwrap();
        self.tenant.set_now(UNIX_EPOCH + Duration::from_secs(now));
    }

    fn keys(&self, seconds: i64) -> Keys {
        self.go_to(seconds);
        self.cache.keys(&self.issuer(), at(seconds))
    }

    fn keys_with(&self, key_id: &str, seconds: i64) -> Keys {
        self.go_to(seconds);
        self.cache
            .keys_with(&self.issuer(), key_id, Algorithm::Rs256, at(seconds))
    }

    fn reload(&self, seconds: i64) -> Keys {
        self.go_to(seconds);
        self.cache.reload(&self.issuer(), at(seconds))
    }

    fn issuer(&self) -> a0_discovery::Issuer {
        normalize_domain(self.tenant.domain()).unwrap()
    }

    fn fetches(&self) -> (usize, usize) {
        fetches(&self.tenant)
    }

    fn requests(&self) -> usize {
        self.tenant.requests().len()
    }

    fn goes_down(&self) {
        for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
            self.tenant.misbehave(endpoint, Fault::status(500));
        }
    }

    fn comes_back(&self) {
        for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
            self.tenant.recover(endpoint);
        }
    }

    /// The seconds of `range` at which a call made a request.
    fn request_times(&self, range: std::ops::Range<i64>) -> Vec<i64> {
        let mut times = Vec::new();
        for second in range {
            let before = self.requests();
            let outcome = self.keys(second);
            let is_served = self.cache.status(at(second)).remove(0).freshness != Freshness::Absent;
            assert_eq!(outcome.is_ok(), is_served, "{second}");
            if self.requests() > before {
                times.push(second);
            }
        }
        times
    }
}

#[test]
fn each_document_is_fetched_again_when_its_time_to_live_is_over() {
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
        // Metadata may point to other keys: they are fetched with it.
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
fn a_time_to_live_of_zero_fetches_for_every_call() {
    let world = World::with(|policy| policy.ttl = Duration::ZERO);
    for call in 1..=3 {
        assert!(world.keys(0).is_ok());
        assert_eq!(world.fetches(), (call, call));
    }
}

/// A tenant is out for longer than its keys may be served, and comes back.
#[test]
fn an_outage_is_outlived_on_the_last_good_keys() {
    let world = World::new();
    world.tenant.cache_control(Some("max-age=15"));
    assert!(world.keys(0).is_ok());
    world.goes_down();
    // Half an hour, in which requests follow the back-off and nobody is refused.
    let mut expected = vec![300, 315, 330, 345, 360, 376, 408];
    expected.extend((468..1800).step_by(60));
    assert_eq!(world.request_times(1..1800), expected);

    let status = || world.cache.status(at(3599)).remove(0);
    assert!(world.keys(3599).is_ok());
    assert_eq!(status().freshness, Freshness::Stale);
    let error = world.keys(3600).unwrap_err();
    assert_eq!(error.error.failure, FetchFailure::Status(500));
    assert!(Duration::ZERO < error.retry_in && error.retry_in <= Duration::from_secs(60));

    world.comes_back();
    assert_eq!(world.request_times(3601..3700).len(), 1);
    let status = world.cache.status(at(3700)).remove(0);
    assert_eq!((status.freshness, status.failures), (Freshness::Fresh, 0));
    assert!(status.last_failure.is_some());
}

#[test]
fn requests_of_a_failing_issuer_follow_the_back_off() {
    let world = World::new();
    world.goes_down();
    assert_eq!(
        world.request_times(0..200),
        [0, 1, 3, 7, 15, 31, 63, 123, 183]
    );
    assert!(world.cache.status(at(199)).remove(0).failures > 0);

    // (status, Retry-After, when the next request is made). While nothing can be served, a tenant that
    // is back must not be left alone for minutes.
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

/// While keys serve, nobody is harmed by waiting as long as the tenant asks.
#[test]
fn a_busy_issuer_whose_keys_serve_is_left_alone_for_as_long_as_it_asks() {
    for (seconds, next) in [(90, 390), (299, 599), (300, 600), (100_000, 600)] {
        let world = World::new();
        assert!(world.keys(0).is_ok());
        let fault = Fault::retry_after(429, seconds);
        world.tenant.misbehave_times(Endpoint::Discovery, 1, fault);
        assert_eq!(world.request_times(1..next + 1), [300, next], "{seconds}");
    }
    // Once they serve no longer, 30 seconds are enough.
    let world = World::with(|policy| policy.max_stale = Duration::from_secs(600));
    assert!(world.keys(0).is_ok());
    world
        .tenant
        .misbehave(Endpoint::Discovery, Fault::retry_after(429, 300));
    assert_eq!(world.request_times(500..631), [500, 600, 630]);
}

#[test]
fn the_failure_of_a_caller_is_told_until_another_may_try() {
    let world = World::new();
    let fault = Fault::retry_after(503, 20);
    world.tenant.misbehave(Endpoint::Discovery, fault);
    for (second, retry_in) in [(0, 20), (1, 19), (19, 1), (20, 20)] {
        let error = world.keys(second).unwrap_err();
        assert_eq!(error.retry_in, Duration::from_secs(retry_in), "{second}");
        assert_eq!(error.error.failure, FetchFailure::Status(503));
    }
}

/// Beyond twice the time to live somebody waits for newer keys; once the issuer is known to fail,
/// nobody does.
#[test]
fn keys_that_were_not_asked_for_long_are_fetched_before_they_are_served() {
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
    world.goes_down();
    assert!(Arc::ptr_eq(&old, &world.keys(1200).unwrap()));
    assert_eq!(world.requests(), 3);
}

/// A failure from before a pause is no reason to serve old keys: the issuer may be well, and have
/// removed one of them.
#[test]
fn after_a_failure_and_a_pause_the_issuer_is_asked_first() {
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
fn without_a_time_to_live_only_the_back_off_spares_a_fetch() {
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

/// The keys alone are fetched for an unknown `kid`: an issuer whose metadata cannot be had can still
/// rotate.
#[test]
fn a_rotation_is_found_although_the_metadata_is_out() {
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
fn an_unknown_key_id_does_not_break_the_back_off() {
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
    world.comes_back();
    assert!(world.keys_with("nobody's", 340).is_ok());
    assert_eq!(world.fetches(), (3, 2));
}

#[test]
fn keys_are_served_no_longer_than_they_may_be() {
    // (max_stale, last second at which they are served, while the tenant is out)
    for (max_stale, last) in [(0, 599), (600, 599), (601, 600), (3600, 3599)] {
        let world = World::with(|policy| policy.max_stale = Duration::from_secs(max_stale));
        world.tenant.cache_control(None);
        assert!(world.keys(0).is_ok());
        world.goes_down();
        assert!(world.keys(last).is_ok(), "{max_stale}");
        assert!(world.keys(last + 1).is_err(), "{max_stale}");
    }
}

#[test]
fn a_clock_that_is_set_back_leaves_keys_of_an_unknown_age() {
    let world = World::new();
    assert!(world.keys(0).is_ok());
    for (second, expected) in [(-60, (1, 1)), (-61, (2, 2))] {
        assert!(world.keys(second).is_ok());
        assert_eq!(world.fetches(), expected, "{second}");
    }
}

/// Good keys outlive a clock that is set back while the tenant is away, for `max_stale` and once.
#[test]
fn keys_of_an_unknown_age_serve_once_for_as_long_as_stale_ones() {
    for (looks, is_served) in [
        (&[-200, 3399][..], true),
        (&[-200, 3400], false),
        // A further set-back does not extend it.
        (&[-200, -1000], false),
        (&[-200, 3000, -200], false),
        (&[-200, 3000, -200, 0], false),
        // Nor does a small one.
        (&[-200, 3000, 2950, 3399], true),
        (&[-200, 3000, 2950, 3400], false),
        // Nor does one in small steps, nor one from a later time.
        (&[-200, 3000, 2950, 2900], false),
        (&[3000, 1000, 3599], true),
        (&[3000, 1000, 3600], false),
        // Nor does time that the clock has seen twice.
        (&[-200, 100, 3399], true),
        (&[-200, 100, 3400], false),
    ] {
        let world = World::new();
        assert!(world.keys(0).is_ok());
        world.goes_down();
        let served: Vec<bool> = looks.iter().map(|at| world.keys(*at).is_ok()).collect();
        assert_eq!(served.last(), Some(&is_served), "{looks:?}");
        // A fetch settles it.
        world.comes_back();
        let last = looks.last().unwrap() + 60;
        assert!(world.keys(last).is_ok(), "{looks:?}");
        world.goes_down();
        assert!(world.keys(last + 3599).is_ok(), "{looks:?}");
    }
}

/// A key that the issuer removed must not live for as long as somebody may configure.
#[test]
fn options_beyond_their_bounds_count_as_the_bound() {
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
        world.goes_down();
        assert!(world.keys(DAY - 1).is_ok());
        assert!(world.keys(DAY).is_err());
    }
    // Keys that are fresh may be served.
    let world = World::with(|policy| policy.max_stale = Duration::from_secs(1));
    world.tenant.cache_control(None);
    assert!(world.keys(0).is_ok());
    world.goes_down();
    assert!(world.keys(599).is_ok());
    assert!(world.keys(600).is_err());
}

/// Unknown `kid`s fetch the keys alone; the metadata must not grow old because of them.
#[test]
fn searches_do_not_hold_up_the_refresh() {
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
fn unknown_key_ids_make_one_request_in_a_cool_down() {
    let world = World::new();
    // The keys that this very call fetched are not fetched again.
    assert!(world.keys_with("nobody's", 0).is_ok());
    assert_eq!(world.fetches(), (1, 1));
    // Nor has the cool-down begun.
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

    // Where keys are not kept, the call has fetched them already.
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
    // Nobody notices until a token names the new key.
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
    // A key of this name for another algorithm is not the one.
    let issuer = world.issuer();
    let keys = world
        .cache
        .keys_with(&issuer, &new, Algorithm::Es256, at(40))
        .unwrap();
    assert!(!keys.keys().contains(&new, Algorithm::Es256));
    assert_eq!(world.fetches(), (1, 3));
}

/// While it fails, nobody can tell whether the issuer has such a key: no verdict.
#[test]
fn an_unknown_key_id_of_a_failing_issuer_is_an_outage() {
    let world = World::new();
    let known = world.tenant.kid();
    assert!(world.keys(0).is_ok());
    world.goes_down();
    for (second, retry_in) in [(1, 30), (2, 29), (30, 1), (31, 30)] {
        let error = world.keys_with("nobody's", second).unwrap_err();
        assert_eq!(error.retry_in, Duration::from_secs(retry_in), "{second}");
        assert!(world.keys_with(&known, second).is_ok());
    }
    assert_eq!(world.fetches(), (1, 3));
    world.comes_back();
    assert!(world.keys_with("nobody's", 60).is_err(), "in the cool-down");
    assert!(world.keys_with("nobody's", 61).is_ok());
    assert!(world.keys_with("nobody's", 62).is_ok());
    assert_eq!(world.fetches(), (1, 4));
}

#[test]
fn a_reload_asks_the_issuer_whatever_there_is() {
    let world = World::new();
    let old = world.tenant.kid();
    assert!(world.reload(0).is_ok());
    world.tenant.replace_keys().unwrap();
    let keys = world.reload(0).unwrap();
    assert_eq!(world.fetches(), (2, 2));
    assert!(!keys.keys().contains(&old, Algorithm::Rs256));
    // It has no cool-down and no back-off, and its failure takes nothing away.
    world.goes_down();
    for expected in [3, 4] {
        assert!(world.reload(1).is_err());
        assert_eq!(world.fetches(), (expected, 2));
    }
    assert!(world.keys(1).is_ok());
    assert_eq!(world.fetches(), (4, 2));
}

#[test]
fn the_status_tells_what_is_known() {
    let world = World::new();
    assert_eq!(world.cache.status(at(0)), []);
    world.goes_down();
    assert!(world.keys(0).is_err());
    let status = world.cache.status(at(0)).remove(0);
    assert_eq!(status.issuer, world.issuer());
    assert_eq!(status.freshness, Freshness::Absent);
    assert_eq!((status.last_success, status.age), (None, None));
    assert_eq!((status.failures, status.fetching), (1, false));
    assert_eq!(status.last_failure.unwrap().0, at(0));
    assert_eq!(status.retry_in, Duration::from_secs(1));

    world.comes_back();
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
    fn whatever_happens_keys_are_neither_too_old_nor_asked_for_too_often(
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
                Event::Down => { world.goes_down(); up = false; continue }
                Event::Up => { world.comes_back(); up = true; continue }
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
