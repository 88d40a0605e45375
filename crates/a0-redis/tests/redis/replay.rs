//! The replay store against one server.

use std::time::{Duration, Instant, SystemTime};

use a0_dpop::contract_tests::{Time, check};
use a0_dpop::{ReplayStore, Seen};
use a0_jose::NumericDate;
use a0_redis::{InvalidOption, RedisBuilder, WhenAway};
use a0_testkit::CertificateAuthority;

use crate::servers::Server;
use crate::stores::{PATIENT, ask, key, name, stores, stores_apart};

#[test]
fn the_stores_keep_the_contract() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    for when_away in [WhenAway::Refuse, WhenAway::UseThisProcess] {
        let builder = RedisBuilder::new(server.url()).time_limit(PATIENT);
        for (kind, store) in stores_apart(&builder, when_away) {
            check(&*store, Time::Own(SystemTime::now().into())).unwrap();
            assert_eq!(store.answered_alone(), 0, "{kind}");
        }
    }
}

/// The window, rounded up and at least one second, one second more, and the clocks' difference.
#[test]
fn a_proof_is_held_longer_than_its_window() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let builder = RedisBuilder::new(server.url())
        .time_limit(PATIENT)
        .clock_difference(Duration::from_secs(5));
    let now = NumericDate::from_unix_seconds(1_900_000_000);
    let cases = [(0, 7), (300, 7), (1000, 7), (1001, 8), (300_000, 306)];
    for ((kind, store), (milliseconds, expected)) in
        with_each(stores(&builder, WhenAway::Refuse), cases)
    {
        let jti = format!("{kind} {milliseconds}");
        let began = Instant::now();
        let end = now.plus(Duration::from_millis(milliseconds));
        assert_eq!(
            store.check_and_insert(&key(&jti), end, now).unwrap(),
            Seen::First
        );
        let left = server.send(&["PTTL", &name(&jti)]);
        let left: u64 = left.trim_start_matches(':').trim().parse().unwrap();
        // Milliseconds that may have passed since the server took the key.
        let passed = began.elapsed().as_millis() as u64 + 1;
        let expected = expected * 1000;
        assert!(
            left <= expected && left + passed >= expected,
            "{jti}: {left}"
        );
    }
}

fn with_each<A: Clone, B: Copy>(
    left: Vec<A>,
    right: impl IntoIterator<Item = B> + Clone,
) -> Vec<(A, B)> {
    let pairs = |left: A| {
        right
            .clone()
            .into_iter()
            .map(move |right| (left.clone(), right))
    };
    left.into_iter().flat_map(pairs).collect()
}

#[test]
fn a_foreign_value_under_our_key_counts_as_seen() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    server.send(&["RPUSH", &name("a list"), "1"]);
    server.send(&["SET", &name("garbage"), "\0\r\n"]);
    let builder = RedisBuilder::new(server.url()).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        assert_eq!(ask(&*store, "a list"), Ok(Seen::Before), "{kind}");
        assert_eq!(ask(&*store, "garbage"), Ok(Seen::Before), "{kind}");
    }
}

/// A limit that no clock can add is the longest one, and not an outage.
#[test]
fn a_time_limit_has_a_limit() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let builder = RedisBuilder::new(server.url()).time_limit(Duration::MAX);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        assert_eq!(ask(&*store, kind), Ok(Seen::First), "{kind}");
    }
}

#[test]
fn invalid_options_are_refused() {
    let url = "redis://127.0.0.1:1";
    let builder = || RedisBuilder::new(url);
    let authority = CertificateAuthority::generate().unwrap();
    let certificate = authority.loopback_server().unwrap();
    let key = certificate.key_pem();
    let secure = || RedisBuilder::new("rediss://127.0.0.1:1");
    let nodes = |urls: &[&str]| RedisBuilder::cluster(urls.iter().copied());
    for (builder, expected) in [
        (RedisBuilder::new("http://canary@a"), InvalidOption::Url),
        (RedisBuilder::new(""), InvalidOption::Url),
        (
            RedisBuilder::new("rediss://:canary@127.0.0.1/#insecure"),
            InvalidOption::Url,
        ),
        (nodes(&[]), InvalidOption::Nodes),
        (nodes(&[url, "rediss://127.0.0.1:2"]), InvalidOption::Nodes),
        (
            nodes(&[url, "redis://:canary@127.0.0.1:2"]),
            InvalidOption::Nodes,
        ),
        (nodes(&["redis://127.0.0.1:1/1"]), InvalidOption::Nodes),
        (nodes(&["canary"]), InvalidOption::Url),
        (
            RedisBuilder::sentinel([] as [&str; 0], "a"),
            InvalidOption::Nodes,
        ),
        (builder().prefix("{a}"), InvalidOption::Prefix),
        (
            builder().time_limit(Duration::ZERO),
            InvalidOption::TimeLimit,
        ),
        (
            builder().root_certificates_pem("canary"),
            InvalidOption::Certificates,
        ),
        (
            secure().root_certificates_pem("-----BEGIN CERTIFICATE-----\ncanary\n"),
            InvalidOption::Certificates,
        ),
        (
            secure().root_certificates_pem("canary"),
            InvalidOption::Certificates,
        ),
        (
            secure().client_certificate_pem("canary", key),
            InvalidOption::Certificates,
        ),
        (
            secure().client_certificate_pem("", "canary"),
            InvalidOption::Certificates,
        ),
    ] {
        let shown = format!("{builder:?}");
        let error = builder.clone().replay_store(WhenAway::Refuse).unwrap_err();
        assert_eq!(error, expected);
        assert_eq!(builder.cache().unwrap_err(), expected);
        assert!(!format!("{error} {error:?} {shown}").contains("canary"));
    }
}
