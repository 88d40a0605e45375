//! Detection of replayed DPoP proofs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use a0_testkit::ProofKey;
use auth0_api::jose::NumericDate;
use auth0_api::proof::{InMemoryReplayStore, ReplayKey, ReplayStore, ReplayStoreError, Seen};
use auth0_api::{Builder, DpopProof};

use super::dpop::{Bound, METHOD, URL, described};
use super::{Driver, NOW, World, at, builder};

pub fn rfc9449_11_1_a_proof_is_accepted_once<D: Driver>() {
    let bound = Bound::<D>::new();
    let proof = bound.proof().mint().unwrap();
    let token = bound.send(&proof).unwrap();
    assert_eq!(token.subject().unwrap(), Some("auth0|user"));
    let error = bound.send(&proof).unwrap_err();
    assert_eq!(error.status_code(), 401);
    assert_eq!(error.error_code(), "invalid_dpop_proof");
    assert_eq!(error.error_description(), "DPoP Proof has been used before");

    // A proof with the same `jti`, signed again and with another spelling of the URL, is a replay.
    let send = |jti: &str, url: &str| {
        let proof = bound.key.proof(METHOD, url).for_token(&bound.token);
        let proof = proof.issued_at(NOW).jti(jti).mint().unwrap();
        described(bound.send(&proof))
    };
    let replayed = Err("DPoP Proof has been used before".to_owned());
    assert_eq!(send("one", URL), Ok(()));
    assert_eq!(send("one", URL), replayed);
    assert_eq!(
        send("one", "HTTPS://API.example:443/v1/%6frders?x#y"),
        replayed
    );
    assert_eq!(send("two", URL), Ok(()));

    // The same `jti` with the key of another client is not a replay.
    let other = ProofKey::generate().unwrap();
    let token = bound.world.token().bound_to(&other).mint().unwrap();
    let proof = other.proof(METHOD, URL).for_token(&token).issued_at(NOW);
    let proof = proof.jti("one").mint().unwrap();
    let request = bound.request(&token, &proof);
    assert!(bound.world.client.verify_request(request).is_ok());

    // A proof from the future is a replay until its window ends.
    let bound = Bound::<D>::new();
    let early = bound.proof().issued_at(NOW + 30).mint().unwrap();
    assert!(bound.send(&early).is_ok());
    bound.world.advance(330);
    assert_eq!(described(bound.send(&early)), replayed);
    bound.world.advance(1);
    assert_eq!(
        described(bound.send(&early)),
        Err("DPoP Proof iat is too old".into())
    );
}

pub fn clients_share_only_a_replay_store_that_is_given_to_both<D: Driver>() {
    let replayed = Err("DPoP Proof has been used before".to_owned());
    let bound = Bound::<D>::new();
    let options = builder::<D>(&bound.world.tenant);
    let proof = bound.proof().mint().unwrap();
    for _ in 0..2 {
        let client = D::build(options.clone()).unwrap();
        assert!(
            client
                .verify_request(bound.request(&bound.token, &proof))
                .is_ok()
        );
    }

    let store = Arc::new(InMemoryReplayStore::default());
    let sharing = || D::build(D::replay_store(options.clone(), Arc::clone(&store))).unwrap();
    let (first, second) = (sharing(), sharing());
    let request = || bound.request(&bound.token, &proof);
    assert!(first.verify_request(request()).is_ok());
    assert_eq!(described(second.verify_request(request())), replayed);
}

pub fn without_replay_protection_a_proof_is_accepted_again<D: Driver>() {
    let bound = Bound::<D>::with(Builder::without_replay_protection);
    let proof = bound.proof().mint().unwrap();
    assert!(bound.send(&proof).is_ok());
    assert!(bound.send(&proof).is_ok());
}

struct FailingStore;

impl ReplayStore for FailingStore {
    fn check_and_insert(
        &self,
        _: &ReplayKey,
        _: NumericDate,
        _: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        Err(ReplayStoreError::new("canary"))
    }
}

/// A store that is set after replay protection was turned off is asked.
pub fn the_last_call_decides_about_replay_protection<D: Driver>() {
    let store = || Arc::new(InMemoryReplayStore::default());
    for (is_on, bound) in [
        (
            true,
            Bound::<D>::with(|builder| {
                D::replay_store(builder.without_replay_protection(), store())
            }),
        ),
        (
            false,
            Bound::<D>::with(|builder| {
                D::replay_store(builder, store()).without_replay_protection()
            }),
        ),
    ] {
        let proof = bound.proof().mint().unwrap();
        assert!(bound.send(&proof).is_ok());
        assert_eq!(bound.send(&proof).is_err(), is_on);
    }
}

pub fn a_failing_replay_store_is_an_outage_unless_replay_fail_open_is_set<D: Driver>() {
    let bound = Bound::<D>::with(|builder| D::replay_store(builder, FailingStore));
    let error = bound.send(&bound.proof().mint().unwrap()).unwrap_err();
    assert_eq!(error.status_code(), 503);
    assert_eq!(error.error_code(), "temporarily_unavailable");
    assert!(error.challenges().is_empty());
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "canary"
    );
    assert_eq!(error.headers()["retry-after"], "1");
    let counts = bound.world.client.counts();
    let failures = (counts.replay_store_failures, counts.proofs_not_recorded);
    assert_eq!(failures, (1, 0));

    let bound =
        Bound::<D>::with(|builder| D::replay_store(builder, FailingStore).replay_fail_open());
    assert!(bound.send(&bound.proof().mint().unwrap()).is_ok());
    let counts = bound.world.client.counts();
    let failures = (counts.replay_store_failures, counts.proofs_not_recorded);
    assert_eq!(failures, (1, 1));
}

/// A store with its own clock that drops a key exactly when the key expires.
struct PunctualStore {
    tenant: a0_testkit::LocalTenant,
    entries: Mutex<Vec<(ReplayKey, NumericDate)>>,
    checks: AtomicU64,
}

impl ReplayStore for PunctualStore {
    fn check_and_insert(
        &self,
        key: &ReplayKey,
        expires_at: NumericDate,
        _: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        self.checks.fetch_add(1, Ordering::SeqCst);
        let now = NumericDate::from(self.tenant.now());
        let mut entries = self.entries.lock().unwrap();
        entries.retain(|(_, expires_at)| now < *expires_at);
        if entries.iter().any(|(other, _)| other == key) {
            return Ok(Seen::Before);
        }
        entries.push((*key, expires_at));
        Ok(Seen::First)
    }
}

/// The window of a proof is inclusive, and time passes between its validation and the replay check.
pub fn a_proof_is_remembered_for_longer_than_it_is_accepted<D: Driver>() {
    let tenant = a0_testkit::LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(at(NOW));
    let exchange_seconds = Arc::new(AtomicU64::new(0));
    let (seconds, server) = (Arc::clone(&exchange_seconds), tenant.clone());
    let store = Arc::new(PunctualStore {
        tenant: tenant.clone(),
        entries: Mutex::default(),
        checks: AtomicU64::new(0),
    });
    let http = move |request: http::Request<Vec<u8>>| {
        let response = server.handle(request);
        let duration = Duration::from_secs(seconds.load(Ordering::SeqCst));
        server.set_now(server.now() + duration);
        response
    };
    let options = builder::<D>(&tenant).cache_ttl(Duration::ZERO);
    let options = D::http_client(D::replay_store(options, Arc::clone(&store)), http);
    let client = D::build(options).unwrap();
    let world = World { tenant, client };
    let key = ProofKey::generate().unwrap();
    let token = world
        .token()
        .expires_in(3600)
        .bound_to(&key)
        .mint()
        .unwrap();
    let bound = Bound { world, key, token };
    let replayed = Err("DPoP Proof has been used before".to_owned());
    let too_old = Err("DPoP Proof iat is too old".to_owned());
    // The second request arrives `age` seconds after the `iat` of its proof. Then two exchanges of
    // `exchange` seconds each fetch the keys.
    for (exchange, age, expected, checks) in [
        (0, 300, &replayed, 2),
        (29, 300, &replayed, 2),
        // The store may have dropped the proof by now, so the client refuses it without a replay check.
        (30, 300, &too_old, 1),
        (60, 240, &too_old, 1),
    ] {
        let before = store.checks.load(Ordering::SeqCst);
        bound.world.tenant.set_now(at(NOW));
        exchange_seconds.store(0, Ordering::SeqCst);
        let proof = bound.proof().mint().unwrap();
        assert_eq!(described(bound.send(&proof)), Ok(()));
        bound.world.advance(age);
        exchange_seconds.store(exchange, Ordering::SeqCst);
        assert_eq!(described(bound.send(&proof)), *expected, "{exchange} {age}");
        assert_eq!(store.checks.load(Ordering::SeqCst) - before, checks);
    }

    // An unused proof may wait longer for the keys. It is recorded then.
    bound.world.tenant.set_now(at(NOW));
    exchange_seconds.store(150, Ordering::SeqCst);
    let proof = bound.proof().mint().unwrap();
    assert_eq!(described(bound.send(&proof)), Ok(()));
    bound.world.tenant.set_now(at(NOW));
    exchange_seconds.store(0, Ordering::SeqCst);
    assert_eq!(described(bound.send(&proof)), replayed);

    // The same without a fetch: this clock moves ahead each time it is read.
    let reads = AtomicU64::new(0);
    let jumping = builder::<D>(&bound.world.tenant).clock(move || {
        at(NOW) + Duration::from_secs(360) * reads.fetch_add(1, Ordering::SeqCst) as u32
    });
    let jumping = D::replay_store(jumping, Arc::clone(&store));
    let jumping = D::build(jumping).unwrap();
    let proof = bound.proof().mint().unwrap();
    let request = DpopProof::new(&bound.token, &proof, METHOD, URL);
    assert_eq!(described(jumping.verify_dpop_proof(&request)), too_old);
}
