//! Servers that are away, slow, full, or do not know us.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use a0_discovery::CacheAdapter;
use a0_dpop::Seen;
use a0_redis::{RedisBuilder, RedisError, WhenAway};

use crate::cache::caches;
use crate::proxy::Proxy;
use crate::servers::{Server, until};
use crate::stores::{PATIENT, Store, ask, stores};

#[test]
fn a_server_that_is_away_is_an_error_or_this_process() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    let builder = RedisBuilder::new(server.url()).time_limit(PATIENT);
    let refusing = stores(&builder, WhenAway::Refuse);
    let alone = stores(&builder, WhenAway::UseThisProcess);
    for ((kind, refusing), (_, alone)) in refusing.iter().zip(&alone) {
        server.send(&["FLUSHALL"]);
        assert_eq!(ask(&**refusing, "a"), Ok(Seen::First));
        assert_eq!(ask(&**alone, "b"), Ok(Seen::First));

        server.kill();
        for _ in 0..3 {
            let answer = ask(&**refusing, "a");
            assert_eq!(answer, Err(RedisError::NotConnected), "{kind}");
        }
        // What this process saw, with Redis or without it, is not accepted again.
        assert_eq!(ask(&**alone, "b"), Ok(Seen::Before));
        assert_eq!(ask(&**alone, "c"), Ok(Seen::First));
        assert_eq!(ask(&**alone, "c"), Ok(Seen::Before));
        assert_eq!(alone.answered_alone(), 1);

        server.restart();
        // Connections that the old server closed cost no request.
        assert_eq!(ask(&**refusing, "d"), Ok(Seen::First), "{kind}");
        assert_eq!(ask(&**refusing, "d"), Ok(Seen::Before));
        assert_eq!(ask(&**alone, "c"), Ok(Seen::Before));
        assert_eq!(ask(&**alone, "e"), Ok(Seen::First));
        assert_eq!(ask(&**refusing, "e"), Ok(Seen::Before));
    }
}

/// Callers go on while the server is killed and comes back. No proof is accepted twice: the server
/// hands each command to the system before it answers, and only the server is killed.
#[test]
fn a_restart_under_load_accepts_no_proof_twice() {
    const PROOFS: usize = 3000;
    let options = ["--appendonly", "yes", "--appendfsync", "no"];
    let Some(mut server) = Server::start(&options) else {
        return;
    };
    let builder = RedisBuilder::new(server.url()).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        let accepted: Vec<AtomicUsize> = (0..PROOFS).map(|_| AtomicUsize::new(0)).collect();
        let (asked, is_back) = (AtomicUsize::new(0), AtomicBool::new(false));
        let failed = AtomicUsize::new(0);
        let ask_all = || {
            for (number, accepted) in accepted.iter().enumerate() {
                let jti = format!("{kind} {number}");
                match ask(&*store, jti) {
                    Ok(Seen::First) => _ = accepted.fetch_add(1, Ordering::SeqCst),
                    Ok(Seen::Before) => {}
                    Err(_) => _ = failed.fetch_add(1, Ordering::SeqCst),
                }
                asked.fetch_add(1, Ordering::SeqCst);
                // The middle of the load is an outage.
                if number == PROOFS / 2 {
                    until("the server is back", || is_back.load(Ordering::SeqCst));
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(ask_all);
            }
            until("there is load", || {
                asked.load(Ordering::SeqCst) > PROOFS / 4
            });
            server.kill();
            until("calls fail", || failed.load(Ordering::SeqCst) > 0);
            server.restart();
            is_back.store(true, Ordering::SeqCst);
        });
        for accepted in &accepted {
            assert!(accepted.load(Ordering::SeqCst) <= 1, "{kind}");
        }
        let last = format!("{kind} last");
        assert_eq!(ask(&*store, &last), Ok(Seen::First), "{kind}");
        assert_eq!(ask(&*store, &last), Ok(Seen::Before), "{kind}");
    }
}

/// A server that accepts connections and never answers.
#[test]
fn the_time_limit_holds_for_a_hundred_callers() {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", hanging.local_addr().unwrap());
    for (kind, store) in stores(&RedisBuilder::new(url), WhenAway::Refuse) {
        a_hundred_callers_are_answered(|number| {
            assert_eq!(ask(&*store, number), Err(RedisError::NotInTime), "{kind}");
        });
    }
}

/// A server that answers each command later than the limit.
#[test]
fn a_slow_server_delays_a_hundred_callers_by_the_limit_alone() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let proxy = Proxy::start(server.port);
    let builder = RedisBuilder::new(proxy.url());
    let patient = RedisBuilder::new(proxy.url()).time_limit(PATIENT);
    let refusing = stores(&builder, WhenAway::Refuse);
    let alone = stores(&builder, WhenAway::UseThisProcess);
    let patient = stores(&patient, WhenAway::Refuse);
    for number in 0..refusing.len() {
        let ((kind, refusing), (_, alone)) = (&refusing[number], &alone[number]);
        assert_eq!(
            ask(&*patient[number].1, format!("before {kind}")),
            Ok(Seen::First)
        );
        proxy.delay(Some(Duration::from_secs(2)));
        a_hundred_callers_are_answered(|number| {
            let jti = format!("{kind} {number}");
            assert_eq!(ask(&**refusing, &jti), Err(RedisError::NotInTime), "{kind}");
        });
        a_hundred_callers_are_answered(|number| {
            let jti = format!("{kind} alone {number}");
            assert_eq!(ask(&**alone, &jti), Ok(Seen::First), "{kind}");
        });
        assert_eq!(alone.answered_alone(), 100, "{kind}");
        proxy.delay(None);
        // Late answers to others are not taken for this one's.
        let after = format!("after {kind}");
        until("the store recovers", || ask(&**refusing, &after).is_ok());
        assert_eq!(ask(&**refusing, &after), Ok(Seen::Before), "{kind}");
    }
}

/// A server or a network that is gone without a word, and back for new connections.
#[test]
fn a_connection_that_died_silently_is_replaced() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let proxy = Proxy::start(server.port);
    let builder = RedisBuilder::new(proxy.url()).time_limit(Duration::from_secs(1));
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        until("there is a connection", || ask(&*store, kind).is_ok());
        proxy.silence();
        let answer = ask(&*store, format!("lost {kind}"));
        assert_eq!(answer, Err(RedisError::NotInTime), "{kind}");
        let mut number = 0;
        until("there is a new connection", || {
            number += 1;
            ask(&*store, format!("{number} {kind}")).is_ok()
        });
    }
}

/// A name that leads to the new primary after a failover, while the connections to the old one stay
/// open: its idle connections are dropped, and the call succeeds on a new one.
#[test]
fn a_demoted_primary_is_left() {
    let (Some(old), Some(new)) = (Server::start(&[]), Server::start(&[])) else {
        return;
    };
    let proxy = Proxy::start(old.port);
    let builder = RedisBuilder::new(proxy.url()).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        proxy.redirect(old.port);
        assert!(old.send(&["REPLICAOF", "NO", "ONE"]).starts_with("+OK"));
        use_connections(&*store, &proxy, kind);
        assert!(new.send(&["REPLICAOF", "NO", "ONE"]).starts_with("+OK"));
        proxy.redirect(new.port);
        let port = new.port.to_string();
        let answer = old.send(&["REPLICAOF", "127.0.0.1", &port]);
        assert!(answer.starts_with("+OK"), "{answer}");
        for number in 0..3 {
            let jti = format!("{kind} {number}");
            assert_eq!(ask(&*store, &jti), Ok(Seen::First), "{jti}");
            let key = crate::stores::name(&jti);
            assert!(new.send(&["EXISTS", &key]).starts_with(":1"), "{jti}");
        }
    }
    // A server that stays read-only is an error, without end and without a flood of connections.
    proxy.redirect(old.port);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        for _ in 0..3 {
            assert_eq!(ask(&*store, kind), Err(RedisError::Refused), "{kind}");
        }
    }
}

/// Many idle connections to a server that is gone without a word cost one call, or two if one of them
/// was still being opened.
#[test]
fn dead_connections_are_dropped_together() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let proxy = Proxy::start(server.port);
    let builder = RedisBuilder::new(proxy.url()).time_limit(Duration::from_secs(1));
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        use_connections(&*store, &proxy, kind);
        proxy.silence();
        let mut lost = 0;
        loop {
            match ask(&*store, format!("{lost} {kind}")) {
                Err(RedisError::NotInTime) => lost += 1,
                answer => break assert_eq!(answer, Ok(Seen::First), "{kind}"),
            }
        }
        assert!((1..=2).contains(&lost), "{kind}: {lost}");
    }
}

/// Lets a blocking store open eight connections, and an async one its own.
fn use_connections(store: &dyn Store, proxy: &Proxy, kind: &str) {
    let needed = if kind == "blocking" { 8 } else { 1 };
    let before = proxy.connections();
    proxy.delay(Some(PATIENT));
    thread::scope(|scope| {
        for number in 0..needed {
            scope.spawn(move || assert!(ask(store, format!("{kind} use {number}")).is_ok()));
        }
        until("there are connections", || {
            proxy.connections() >= before + needed
        });
        proxy.delay(None);
    });
    // Attempts whose calls others served come to their ends meanwhile.
    for number in 0..100 {
        assert!(ask(store, format!("{kind} more {number}")).is_ok());
    }
}

/// The time of a call that goes into connecting does not tell against the connection.
#[cfg(feature = "async")]
#[test]
fn a_connection_that_was_slow_to_open_is_kept() {
    const DELAY: Duration = Duration::from_millis(800);
    let Some(server) = Server::start(&["--requirepass", "password"]) else {
        return;
    };
    let proxy = Proxy::start(server.port);
    proxy.delay(Some(DELAY));
    let builder = RedisBuilder::new(proxy.url()).credentials("default", "password");
    let store = builder.time_limit(DELAY * 3 / 2);
    let store = store.async_replay_store(WhenAway::Refuse).unwrap();
    let store = crate::stores::tokio::OnTokio(store);
    // The login takes one delay, and the command another.
    assert_eq!(ask(&store, "a"), Err(RedisError::NotInTime));
    assert_eq!(ask(&store, "b"), Ok(Seen::First));
}

/// A server that takes no more connections, while those that it took work.
#[test]
fn a_failed_attempt_to_connect_fails_no_call_that_can_wait() {
    let options = ["--requirepass", "password", "--maxclients", "4"];
    let Some(server) = Server::start(&options) else {
        return;
    };
    let builder = RedisBuilder::new(server.url()).credentials("default", "password");
    let store = builder.time_limit(PATIENT).cache().unwrap();
    let minute = Duration::from_secs(60);
    until("one connection is open", || {
        store.set("a", "1", minute).is_ok()
    });
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    store.set("a", "1", minute).unwrap();
                }
            });
        }
    });
}

fn a_hundred_callers_are_answered(ask: impl Fn(usize) + Sync) {
    thread::scope(|scope| {
        for number in 0..100 {
            let ask = &ask;
            scope.spawn(move || {
                let began = Instant::now();
                ask(number);
                // 250 ms, and the scheduler of a busy machine; not the delay times the callers.
                let taken = began.elapsed();
                assert!(taken < Duration::from_millis(1900), "{taken:?}");
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
    let builder = RedisBuilder::new(server.url());
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        let seen = format!("seen {kind}");
        until("the key is there", || {
            ask(&*store, &seen) == Ok(Seen::Before)
        });
        thread::scope(|scope| {
            scope.spawn(|| server.send(&["DEBUG", "SLEEP", "1"]));
            let mut number = 0;
            // Its answer, `First`, comes while nobody waits for it.
            while ask(&*store, format!("late {kind} {number}")) != Err(RedisError::NotInTime) {
                number += 1;
            }
        });
        for _ in 0..20 {
            assert_ne!(ask(&*store, &seen), Ok(Seen::First));
        }
    }
}

#[test]
fn a_full_server_without_eviction_is_an_error() {
    let options = ["--maxmemory", "1", "--maxmemory-policy", "noeviction"];
    let Some(server) = Server::start(&options) else {
        return;
    };
    let builder = RedisBuilder::new(server.url()).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        for _ in 0..3 {
            assert_eq!(ask(&*store, "a"), Err(RedisError::Refused), "{kind}");
        }
    }
    for (kind, store) in stores(&builder, WhenAway::UseThisProcess) {
        assert_eq!(ask(&*store, "a"), Ok(Seen::First), "{kind}");
        assert_eq!(ask(&*store, "a"), Ok(Seen::Before), "{kind}");
        assert_eq!(store.answered_alone(), 1, "{kind}");
    }
}

/// The commands that docs/scaling.md names are enough.
#[test]
fn a_user_needs_few_commands() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let user = [
        "ACL",
        "SETUSER",
        "api",
        "on",
        ">password",
        "~orders:*",
        "-@all",
    ];
    let commands = ["+set", "+get", "+del", "+scan", "+eval", "+info"];
    let answer = server.send(&[&user[..], &commands].concat());
    assert!(answer.starts_with("+OK"), "{answer}");
    let builder = RedisBuilder::new(server.url())
        .credentials("api", "password")
        .prefix("orders:")
        .time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        assert_eq!(ask(&*store, kind), Ok(Seen::First), "{kind}");
        assert_eq!(store.evicting_policy(), Ok(None), "{kind}");
    }
    for (kind, cache) in caches(&builder) {
        let minute = Duration::from_secs(60);
        cache.set("a", "1", minute).unwrap();
        assert!(cache.set_if_equal("a", "1", "2", minute).unwrap(), "{kind}");
        assert!(cache.delete_if_equal("a", "2").unwrap(), "{kind}");
        assert_eq!(cache.get("a").unwrap(), None, "{kind}");
        cache.clear().unwrap();
    }
    // Keys of others are not for this user.
    for (kind, store) in stores(&builder.prefix("other:"), WhenAway::Refuse) {
        assert_eq!(ask(&*store, kind), Err(RedisError::Refused), "{kind}");
    }
}

#[test]
fn wrong_credentials_are_an_error_without_them() {
    let Some(server) = Server::start(&["--requirepass", "canary-right"]) else {
        return;
    };
    for credentials in ["", ":canary-wrong@", "nobody:canary-right@"] {
        let url = format!("redis://{credentials}127.0.0.1:{}", server.port);
        let builder = RedisBuilder::new(url).time_limit(PATIENT);
        for (kind, store) in stores(&builder, WhenAway::Refuse) {
            let error = ask(&*store, "a").unwrap_err();
            assert_eq!(error, RedisError::Authentication, "{kind} {credentials}");
            let shown = format!("{builder:?} {error:?} {error}");
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
    let url = format!("redis://:canary-right@127.0.0.1:{}", server.port);
    let right = [
        RedisBuilder::new(url),
        RedisBuilder::new(server.url()).credentials("default", "canary-right"),
    ];
    for (number, builder) in right.into_iter().enumerate() {
        for (kind, store) in stores(&builder.time_limit(PATIENT), WhenAway::Refuse) {
            let jti = format!("{kind} {number}");
            assert_eq!(ask(&*store, jti), Ok(Seen::First), "{kind}");
        }
    }
}
