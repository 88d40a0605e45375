//! What an operator is told.

use std::sync::{Arc, Mutex};

use a0_dpop::Seen;
use a0_redis::{RedisBuilder, RedisError, RedisObserver, WhenAway};

use crate::servers::{Server, until};
use crate::stores::{PATIENT, ask, stores};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl RedisObserver for Log {
    fn server_evicts(&self, policy: &'static str) {
        self.0.lock().unwrap().push(format!("evicts: {policy}"));
    }

    fn answered_alone(&self, error: RedisError) {
        self.0.lock().unwrap().push(format!("alone: {error:?}"));
    }
}

struct Panicking;

impl RedisObserver for Panicking {
    fn server_evicts(&self, _: &'static str) {
        panic!("an observer");
    }

    fn answered_alone(&self, _: RedisError) {
        panic!("an observer");
    }
}

#[test]
fn a_server_that_evicts_is_reported_once() {
    let options = ["--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"];
    let Some(server) = Server::start(&options) else {
        return;
    };
    let builder = RedisBuilder::new(server.url()).time_limit(PATIENT);
    for number in 0..stores(&builder, WhenAway::Refuse).len() {
        let log = Log::default();
        let stores = stores(&builder.clone().observer(log.clone()), WhenAway::Refuse);
        let (kind, store) = &stores[number];
        for jti in 0..20 {
            assert_eq!(ask(&**store, format!("{kind} {jti}")), Ok(Seen::First));
        }
        until("it is reported", || !log.lines().is_empty());
        assert_eq!(log.lines(), ["evicts: volatile-ttl"], "{kind}");
        assert_eq!(store.evicting_policy(), Ok(Some("volatile-ttl")), "{kind}");
    }
}

#[test]
fn a_server_that_refuses_instead_is_not_reported() {
    let Some(mut server) = Server::start(&["--maxmemory-policy", "noeviction"]) else {
        return;
    };
    let builder = RedisBuilder::new(server.url()).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        assert_eq!(store.evicting_policy(), Ok(None), "{kind}");
    }
    server.kill();
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        let answer = store.evicting_policy();
        assert_eq!(answer, Err(RedisError::NotConnected), "{kind}");
    }
}

/// A full server drops proofs, which can then be used again: this is why it is reported.
#[test]
fn an_evicting_server_forgets_proofs() {
    let options = ["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random"];
    let Some(server) = Server::start(&options) else {
        return;
    };
    let builder = RedisBuilder::new(server.url()).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        for jti in 0..20_000 {
            assert_eq!(ask(&*store, format!("{kind} {jti}")), Ok(Seen::First));
        }
        let evicted = server.send(&["INFO", "stats"]);
        assert!(!evicted.contains("evicted_keys:0"), "{evicted}");
        assert_eq!(store.evicting_policy(), Ok(Some("allkeys-random")));
    }
}

#[test]
fn answers_without_redis_are_reported_and_a_panic_changes_none() {
    let builder = RedisBuilder::new("redis://127.0.0.1:1").time_limit(PATIENT);
    let log = Log::default();
    for (kind, store) in stores(
        &builder.clone().observer(log.clone()),
        WhenAway::UseThisProcess,
    ) {
        assert_eq!(ask(&*store, "a"), Ok(Seen::First));
        assert_eq!(ask(&*store, "a"), Ok(Seen::Before));
        assert_eq!(log.lines(), ["alone: NotConnected"], "{kind}");
        log.0.lock().unwrap().clear();
    }
    for (kind, store) in stores(&builder.observer(Panicking), WhenAway::UseThisProcess) {
        assert_eq!(ask(&*store, "a"), Ok(Seen::First), "{kind}");
        assert_eq!(store.answered_alone(), 1, "{kind}");
    }
}
