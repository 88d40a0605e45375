//! The replay store against real servers.

mod common;

use std::error::Error;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use a0_dpop::contract_tests::{Time, check};
use a0_dpop::{Htu, ReplayKey, ReplayStore, Seen};
use a0_jose::{NumericDate, base64url_encode};
use a0_redis::{InvalidOption, RedisBuilder, RedisError, RedisReplayStore, WhenAway};
use common::Server;

fn key(jti: impl ToString) -> ReplayKey {
    let thumbprint = base64url_encode([1; 32]).parse().unwrap();
    let url = Htu::parse("https://api.example.com/orders").unwrap();
    ReplayKey::new(&thumbprint, &url, &jti.to_string())
}

fn name(jti: impl ToString) -> String {
    format!("a0:replay:{}", base64url_encode(key(jti).as_bytes()))
}

fn ask(store: &RedisReplayStore, jti: impl ToString) -> Result<Seen, RedisError> {
    let now = NumericDate::from(SystemTime::now());
    let answer = store.check_and_insert(&key(jti), now.plus(Duration::from_secs(300)), now);
    answer.map_err(|error| *error.source().unwrap().downcast_ref().unwrap())
}

fn refusing(server: &Server) -> RedisReplayStore {
    // The tests share two cores with each other.
    RedisBuilder::new(server.url())
        .time_limit(Duration::from_secs(10))
        .replay_store(WhenAway::Refuse)
        .unwrap()
}

#[test]
fn the_store_keeps_the_contract() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    for (prefix, when_away) in [("1:", WhenAway::Refuse), ("2:", WhenAway::UseThisProcess)] {
        let store = RedisBuilder::new(server.url())
            .prefix(prefix)
            .time_limit(Duration::from_secs(10))
            .replay_store(when_away)
            .unwrap();
        check(&store, Time::Own(SystemTime::now().into())).unwrap();
        assert_eq!(store.answered_alone(), 0);
    }
}

/// The window, rounded up and at least one second, one second more, and the clocks' difference.
#[test]
fn a_proof_is_held_longer_than_its_window() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = RedisBuilder::new(server.url())
        .time_limit(Duration::from_secs(10))
        .clock_difference(Duration::from_secs(5))
        .replay_store(WhenAway::Refuse)
        .unwrap();
    let now = NumericDate::from_unix_seconds(1_900_000_000);
    for (milliseconds, expected) in [(0, 7), (300, 7), (1000, 7), (1001, 8), (300_000, 306)] {
        let began = Instant::now();
        let end = now.plus(Duration::from_millis(milliseconds));
        assert_eq!(
            store
                .check_and_insert(&key(milliseconds), end, now)
                .unwrap(),
            Seen::First
        );
        let left = server.send(&["PTTL", &name(milliseconds)]);
        let left: u64 = left.trim_start_matches(':').trim().parse().unwrap();
        // Milliseconds that may have passed since the server took the key.
        let passed = began.elapsed().as_millis() as u64 + 1;
        let expected = expected * 1000;
        assert!(
            left <= expected && left + passed >= expected,
            "{milliseconds}: {left}"
        );
    }
}

/// Two stores, as in two processes, with eight threads each: each proof is sent to both.
#[test]
fn ten_thousand_proofs_are_accepted_once_by_two_stores() {
    const PROOFS: usize = 10_000;
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let stores = [refusing(&server), refusing(&server)];
    let firsts: Vec<AtomicUsize> = (0..PROOFS).map(|_| AtomicUsize::new(0)).collect();
    let answers = AtomicUsize::new(0);
    thread::scope(|scope| {
        for store in &stores {
            let next = std::sync::Arc::new(AtomicUsize::new(0));
            for _ in 0..8 {
                let next = std::sync::Arc::clone(&next);
                let (firsts, answers) = (&firsts, &answers);
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        let Some(first) = firsts.get(number) else {
                            return;
                        };
                        let seen = ask(store, number).unwrap();
                        first.fetch_add(usize::from(seen == Seen::First), Ordering::SeqCst);
                        answers.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        }
    });
    assert_eq!(answers.into_inner(), 2 * PROOFS);
    assert!(firsts.iter().all(|count| count.load(Ordering::SeqCst) == 1));
}

#[test]
fn a_server_that_is_away_is_an_error_or_this_process() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let refusing = refusing(&server);
    let alone = RedisBuilder::new(server.url())
        .time_limit(Duration::from_secs(10))
        .replay_store(WhenAway::UseThisProcess)
        .unwrap();
    assert_eq!(ask(&refusing, "a"), Ok(Seen::First));
    assert_eq!(ask(&alone, "b"), Ok(Seen::First));

    server.kill();
    for _ in 0..3 {
        assert!(matches!(ask(&refusing, "a"), Err(RedisError::NotConnected)));
    }
    // What this process saw, with Redis or without it, is not accepted again.
    assert_eq!(ask(&alone, "b"), Ok(Seen::Before));
    assert_eq!(ask(&alone, "c"), Ok(Seen::First));
    assert_eq!(ask(&alone, "c"), Ok(Seen::Before));
    assert_eq!(alone.answered_alone(), 1);

    server.restart();
    // Connections that the old server closed cost no request.
    assert_eq!(ask(&refusing, "d"), Ok(Seen::First));
    assert_eq!(ask(&refusing, "d"), Ok(Seen::Before));
    assert_eq!(ask(&alone, "c"), Ok(Seen::Before));
    assert_eq!(ask(&alone, "e"), Ok(Seen::First));
    assert_eq!(ask(&refusing, "e"), Ok(Seen::Before));
}

/// A server that accepts connections and never answers.
#[test]
fn the_time_limit_holds_for_a_hundred_callers() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", hanging.local_addr().unwrap());
    let store = RedisBuilder::new(url)
        .replay_store(WhenAway::Refuse)
        .unwrap();
    thread::scope(|scope| {
        for number in 0..100 {
            let store = &store;
            scope.spawn(move || {
                let began = Instant::now();
                assert_eq!(ask(store, number), Err(RedisError::NotInTime));
                // 250 ms, and the scheduler of a busy machine.
                assert!(
                    began.elapsed() < Duration::from_secs(2),
                    "{:?}",
                    began.elapsed()
                );
            });
        }
    });
}

/// The late answer of one command must not become that of the next.
#[test]
fn a_late_answer_is_nobodys() {
    let Some(server) = Server::start(&["--enable-debug-command", "yes"]) else {
        return;
    };
    let store = RedisBuilder::new(server.url())
        .time_limit(Duration::from_millis(250))
        .replay_store(WhenAway::Refuse)
        .unwrap();
    let patient = refusing(&server);
    assert_eq!(ask(&patient, "seen"), Ok(Seen::First));
    while ask(&store, "a connection") != Ok(Seen::Before) {}
    thread::scope(|scope| {
        scope.spawn(|| server.send(&["DEBUG", "SLEEP", "1"]));
        let mut number = 0;
        // Its answer, `First`, comes while nobody waits for it.
        while ask(&store, format!("late {number}")) != Err(RedisError::NotInTime) {
            number += 1;
        }
    });
    for _ in 0..20 {
        assert_ne!(ask(&store, "seen"), Ok(Seen::First));
    }
}

#[test]
fn a_foreign_value_under_our_key_counts_as_seen() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = refusing(&server);
    server.send(&["RPUSH", &name("a list"), "1"]);
    server.send(&["SET", &name("garbage"), "\0\r\n"]);
    assert_eq!(ask(&store, "a list"), Ok(Seen::Before));
    assert_eq!(ask(&store, "garbage"), Ok(Seen::Before));
}

#[test]
fn a_full_server_without_eviction_is_an_error() {
    let options = ["--maxmemory", "1", "--maxmemory-policy", "noeviction"];
    let Some(server) = Server::start(&options) else {
        return;
    };
    let store = refusing(&server);
    for _ in 0..3 {
        assert_eq!(ask(&store, "a"), Err(RedisError::Refused));
    }
}

#[test]
fn wrong_credentials_are_an_error_without_them() {
    let Some(server) = Server::start(&["--requirepass", "canary-right"]) else {
        return;
    };
    for credentials in ["", ":canary-wrong@", "nobody:canary-right@"] {
        let url = format!("redis://{credentials}127.0.0.1:{}", server.port);
        let builder = RedisBuilder::new(url).time_limit(Duration::from_secs(10));
        let store = builder.clone().replay_store(WhenAway::Refuse).unwrap();
        let error = ask(&store, "a").unwrap_err();
        assert_eq!(error, RedisError::Authentication, "{credentials}");
        let shown = format!("{builder:?} {store:?} {error:?} {error}");
        assert!(!shown.contains("canary"), "{shown}");
    }
    let url = format!("redis://:canary-right@127.0.0.1:{}", server.port);
    let builder = RedisBuilder::new(url).time_limit(Duration::from_secs(10));
    assert_eq!(
        ask(&builder.replay_store(WhenAway::Refuse).unwrap(), "a"),
        Ok(Seen::First)
    );
}

#[test]
fn invalid_options_are_refused() {
    let url = "redis://127.0.0.1:1";
    let builder = || RedisBuilder::new(url);
    for (builder, expected) in [
        (RedisBuilder::new("http://canary@a"), InvalidOption::Url),
        (RedisBuilder::new(""), InvalidOption::Url),
        (builder().prefix("{a}"), InvalidOption::Prefix),
        (
            builder().time_limit(Duration::ZERO),
            InvalidOption::TimeLimit,
        ),
    ] {
        let error = builder.replay_store(WhenAway::Refuse).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("canary"));
    }
}
