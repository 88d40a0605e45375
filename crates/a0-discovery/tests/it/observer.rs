//! An observer sees every refresh of keys begin and end: of a caller, in the background, async.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::common::{self, at, policy, rules, unauthenticated};
use a0_discovery::{
    CachePolicy, InMemoryCache, Issuer, KeyCache, RefreshEnd, RefreshObserver, RefreshSpan,
    normalize_domain,
};
use a0_testkit::{Endpoint, Fault, LocalTenant};

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Recorder(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Recorder {
    fn push(&self, line: String) {
        self.0.0.lock().unwrap().push(line);
        self.0.1.notify_all();
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.0.lock().unwrap())
    }

    /// Waits for the end of a refresh in the background.
    fn take_after(&self, lines: usize) -> Vec<String> {
        let seen = self.0.0.lock().unwrap();
        let limit = Duration::from_secs(60);
        let is_early = |seen: &mut Vec<String>| seen.len() < lines;
        let (mut seen, _) = self.0.1.wait_timeout_while(seen, limit, is_early).unwrap();
        std::mem::take(&mut seen)
    }
}

struct Span(Recorder);

impl RefreshObserver for Recorder {
    fn begin(&self, issuer: &Issuer) -> Box<dyn RefreshSpan> {
        self.push(format!("begin {}", issuer.as_str()));
        Box::new(Span(self.clone()))
    }
}

impl RefreshSpan for Span {
    fn enter(&mut self) {
        self.0.push("enter".to_owned());
    }

    fn exit(&mut self) {
        self.0.push("exit".to_owned());
    }

    fn end(self: Box<Self>, end: &RefreshEnd) {
        let failed = end.error.is_some();
        let age = end.keys_age.map(|age| age.as_secs());
        self.0.push(format!(
            "end failed={failed} asked={} age={age:?}",
            end.asked_issuer
        ));
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.0.push("drop".to_owned());
    }
}

fn cache(tenant: &LocalTenant, policy: CachePolicy, seen: &Recorder) -> KeyCache {
    let clock = tenant.clone();
    KeyCache::builder(rules(), Arc::new(tenant.client()))
        .policy(policy)
        .clock(move || clock.now())
        .observer(seen.clone())
        .build()
}

fn tenant() -> LocalTenant {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    set(&tenant, 0);
    tenant
}

fn set(tenant: &LocalTenant, seconds: i64) {
    let now = Duration::from_secs((common::START + seconds).unsigned_abs());
    tenant.set_now(std::time::UNIX_EPOCH + now);
}

fn issuer() -> Issuer {
    normalize_domain("tenant.example").unwrap()
}

fn refresh(end: &str) -> Vec<String> {
    [
        "begin https://tenant.example/",
        "enter",
        "exit",
        end,
        "drop",
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn a_refresh_by_a_caller_begins_and_ends() {
    let (tenant, seen) = (tenant(), Recorder::default());
    let cache = cache(&tenant, policy(), &seen);
    cache.keys(&issuer(), at(0)).unwrap();
    assert_eq!(
        seen.take(),
        refresh("end failed=false asked=true age=Some(0)")
    );
    // Keys in memory and metadata alone are no refresh of keys.
    cache.keys(&issuer(), at(1)).unwrap();
    cache.token_endpoint(&issuer(), at(1)).unwrap();
    assert_eq!(seen.take(), [""; 0]);
    tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    cache.reload(&issuer(), at(2)).unwrap_err();
    assert_eq!(seen.take(), refresh("end failed=true asked=true age=None"));
}

#[test]
fn metadata_alone_is_not_reported() {
    let (tenant, seen) = (tenant(), Recorder::default());
    let cache = cache(&tenant, policy(), &seen);
    cache.token_endpoint(&issuer(), at(0)).unwrap();
    assert_eq!(tenant.request_count(Endpoint::Discovery), 1);
    assert_eq!(seen.take(), [""; 0]);
}

#[test]
fn a_refresh_in_the_background_begins_and_ends() {
    let (tenant, seen) = (tenant(), Recorder::default());
    let cache = cache(&tenant, CachePolicy::default(), &seen);
    cache.keys(&issuer(), at(0)).unwrap();
    seen.take();
    set(&tenant, 700);
    cache.keys(&issuer(), at(700)).unwrap();
    let lines = seen.take_after(5);
    assert_eq!(lines, refresh("end failed=false asked=true age=Some(0)"));
}

#[test]
fn keys_of_the_second_level_are_as_old_as_their_request() {
    let tenant = tenant();
    let shared = Arc::new(InMemoryCache::new(10));
    let build = |seen: &Recorder| {
        let clock = tenant.clone();
        KeyCache::builder(rules(), Arc::new(tenant.client()))
            .policy(policy())
            .clock(move || clock.now())
            .adapter(Arc::clone(&shared), unauthenticated())
            .observer(seen.clone())
            .build()
    };
    build(&Recorder::default()).keys(&issuer(), at(0)).unwrap();
    let seen = Recorder::default();
    set(&tenant, 9);
    build(&seen).keys(&issuer(), at(9)).unwrap();
    assert_eq!(
        seen.take(),
        refresh("end failed=false asked=false age=Some(9)")
    );
}

#[test]
fn an_abandoned_refresh_has_no_end() {
    let seen = Recorder::default();
    let client = |_: http::Request<Vec<u8>>| -> std::io::Result<http::Response<Vec<u8>>> {
        panic!("a bug in the HTTP client")
    };
    let cache = KeyCache::builder(rules(), Arc::new(client));
    let cache = cache.policy(policy()).observer(seen.clone()).build();
    let keys = || cache.keys(&issuer(), at(0));
    assert!(catch_unwind(AssertUnwindSafe(keys)).is_err());
    let lines = ["begin https://tenant.example/", "enter", "exit", "drop"];
    assert_eq!(seen.take(), lines);
}

#[cfg(feature = "async")]
#[test]
fn an_async_refresh_is_entered_whenever_it_is_polled() {
    use std::task::{Context, Poll, Waker};

    let (tenant, seen) = (tenant(), Recorder::default());
    let handle = Arc::new(tenant.client());
    // Each exchange is pending once.
    let client = move |request: http::Request<Vec<u8>>| {
        let handle = Arc::clone(&handle);
        let mut is_polled = false;
        let mut request = Some(request);
        std::future::poll_fn(move |_| match std::mem::replace(&mut is_polled, true) {
            false => Poll::Pending,
            true => Poll::Ready(handle(request.take().unwrap_or_default())),
        })
    };
    let build = || {
        let clock = tenant.clone();
        let client = Arc::new(client.clone());
        a0_discovery::asynchronous::KeyCache::builder(rules(), client)
            .clock(move || clock.now())
            .observer(seen.clone())
            .build_async(Some)
    };
    let (cache, issuer) = (build(), issuer());
    let mut context = Context::from_waker(Waker::noop());
    let mut keys = Box::pin(cache.keys(&issuer, at(0)));
    let mut polls = 0;
    while keys.as_mut().poll(&mut context).is_pending() {
        polls += 1;
    }
    assert_eq!(polls, 2);
    let mut expected = vec!["begin https://tenant.example/"];
    expected.extend(["enter", "exit"].repeat(3));
    expected.extend(["end failed=false asked=true age=Some(0)", "drop"]);
    assert_eq!(seen.take(), expected);

    // A future that is dropped.
    let cache = build();
    let mut keys = Box::pin(cache.keys(&issuer, at(0)));
    assert!(keys.as_mut().poll(&mut context).is_pending());
    drop(keys);
    let lines = ["begin https://tenant.example/", "enter", "exit", "drop"];
    assert_eq!(seen.take(), lines);
}
