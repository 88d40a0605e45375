//! The cache of tokens on behalf of users, and exchanges that callers share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use a0_testkit::{Endpoint, Fault, Gate, LocalTenant};
use auth0_api::jose::unverified_payload;
use auth0_api::token_exchange::ExchangeError;
use auth0_api::transport::TransportErrorKind;
use auth0_api::{ApiError, Error, ErrorKind, OnBehalfOf};

use super::exchange::{DOWNSTREAM, ID, SECRET, token_requests, world};
use super::{AUDIENCE, Driver, NOW, at, builder};

pub fn on_behalf_of_tokens_are_cached_if_obo_cache_is_set<D: Driver>() {
    for (entries, requests) in [(0, 3), (100, 1)] {
        let world = world::<D>(|builder| builder.obo_cache(entries));
        let subject = world.token().mint().unwrap();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        for _ in 0..3 {
            assert!(world.client.get_token_on_behalf_of(&request).is_ok());
        }
        assert_eq!(token_requests(&world.tenant).len(), requests);
    }

    // Subject token, audience and scope identify an entry.
    let world = world::<D>(|builder| builder.obo_cache(100));
    let users = ["ada", "grace"].map(|user| world.token().subject(user).mint().unwrap());
    for _ in 0..2 {
        for subject in &users {
            for audience in [DOWNSTREAM, "https://other.example/"] {
                for scope in ["", "read:a", "read:a read:b"] {
                    let request = OnBehalfOf::new(subject, audience).scope(scope);
                    let token = world.client.get_token_on_behalf_of(&request).unwrap();
                    let claims = unverified_payload(token.access_token(), 16_384).unwrap();
                    let own = unverified_payload(subject, 16_384).unwrap();
                    assert_eq!(
                        (&claims["sub"], &claims["aud"]),
                        (&own["sub"], &audience.into())
                    );
                    assert_eq!(token.scope(), Some(scope).filter(|scope| !scope.is_empty()));
                }
            }
        }
    }
    assert_eq!(token_requests(&world.tenant).len(), 12);

    // The same characters, divided differently between audience and scope, are another entry.
    let world = self::world::<D>(|builder| builder.obo_cache(100));
    for (audience, scope) in [("https://d/", "read"), ("https://d/read", "")] {
        let request = OnBehalfOf::new(&users[0], audience).scope(scope);
        assert!(world.client.get_token_on_behalf_of(&request).is_ok());
    }
    assert_eq!(token_requests(&world.tenant).len(), 2);
}

pub fn the_least_recently_used_on_behalf_of_token_is_evicted<D: Driver>() {
    let world = world::<D>(|builder| builder.obo_cache(1));
    let users = ["ada", "grace"].map(|user| world.token().subject(user).mint().unwrap());
    for subject in [&users[0], &users[1], &users[0]] {
        let request = OnBehalfOf::new(subject, DOWNSTREAM);
        assert!(world.client.get_token_on_behalf_of(&request).is_ok());
    }
    assert_eq!(token_requests(&world.tenant).len(), 3);

    let world = self::world::<D>(|builder| builder.obo_cache(2));
    let requests_after = |audience: &str| {
        let request = OnBehalfOf::new(&users[0], audience);
        let _ = world.client.get_token_on_behalf_of(&request);
        token_requests(&world.tenant).len()
    };
    for (audience, expected) in [("a", 1), ("b", 2), ("a", 2)] {
        assert_eq!(requests_after(audience), expected);
    }
    // A refusal and a token without a lifetime are not cached and evict nothing.
    let refused = Fault::body(403, "application/json", "{}");
    let no_lifetime = Fault::body(200, "application/json", r#"{"access_token":"a"}"#);
    world
        .tenant
        .misbehave_script(Endpoint::Token, [refused, no_lifetime]);
    for (audience, expected) in [
        ("x", 3),
        ("y", 4),
        // "c" takes the place of "b".
        ("c", 5),
        ("a", 5),
        ("b", 6),
    ] {
        assert_eq!(requests_after(audience), expected, "{audience}");
    }
}

pub fn a_cached_token_is_not_returned_after_it_or_its_subject_token_expires<D: Driver>() {
    let response = |expires_in: &str| {
        let body = format!(r#"{{"access_token":"a"{expires_in}}}"#);
        Fault::body(200, "application/json", body)
    };
    // (lifetime of the subject token, `expires_in` of the response, last second of the cache entry)
    for (subject, exchanged, last) in [
        (3600, r#","expires_in":100"#, Some(89)),
        (50, r#","expires_in":100"#, Some(49)),
        (3600, r#","expires_in":10"#, None),
        (3600, r#","expires_in":0"#, None),
        (3600, "", None),
        (0, r#","expires_in":100"#, None),
    ] {
        let world = world::<D>(|builder| builder.obo_cache(100));
        world.tenant.misbehave(Endpoint::Token, response(exchanged));
        let subject = world.token().expires_in(subject).mint().unwrap();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let requests_after = |seconds| {
            world.advance(seconds);
            assert!(world.client.get_token_on_behalf_of(&request).is_ok());
            token_requests(&world.tenant).len()
        };
        assert_eq!(requests_after(0), 1);
        match last {
            Some(last) => {
                assert_eq!(requests_after(last), 1, "{exchanged}");
                assert_eq!(requests_after(1), 2, "{exchanged}");
            }
            None => assert_eq!(requests_after(0), 2, "{exchanged}"),
        }
    }
    // The lifetime of an opaque subject token is unknown.
    let world = world::<D>(|builder| builder.obo_cache(100));
    for requests in 1..3 {
        let request = OnBehalfOf::new("opaque", DOWNSTREAM);
        assert!(world.client.get_token_on_behalf_of(&request).is_ok());
        assert_eq!(token_requests(&world.tenant).len(), requests);
    }
}

pub fn concurrent_callers_with_the_same_token_share_one_exchange<D: Driver>() {
    for (fault, accepted) in [(Fault::none(), true), (Fault::status(500), false)] {
        let world = world::<D>(|builder| builder.obo_cache(100));
        let gate = Gate::new();
        let subject = world.token().mint().unwrap();
        let held = Fault::hold_then(&gate, fault);
        world.tenant.misbehave_times(Endpoint::Token, 1, held);
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let exchange = || world.client.get_token_on_behalf_of(&request).is_ok();
        let called = Barrier::new(17);
        std::thread::scope(|scope| {
            let first = scope.spawn(exchange);
            assert!(gate.wait_arrived());
            let others: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        called.wait();
                        exchange()
                    })
                })
                .collect();
            called.wait();
            gate.release();
            assert_eq!(first.join().unwrap(), accepted);
            let others = others.into_iter().map(|other| other.join().unwrap());
            let shared = others.filter(|other| *other == accepted).count();
            // Callers that arrived after the failure shared one more exchange.
            let later = usize::from(!accepted && shared < 16);
            assert_eq!(token_requests(&world.tenant).len(), 1 + later);
        });
        // A failure is not cached.
        assert!(exchange());
    }
}

pub fn a_waiter_gives_up_after_max_wait<D: Driver>() {
    for max_wait in [Duration::ZERO, Duration::from_millis(10)] {
        let world = world::<D>(|builder| {
            let builder = builder.obo_cache(10).max_wait(max_wait);
            builder.timeout(Duration::from_secs(3600))
        });
        let gate = Gate::new();
        let held = Fault::hold_then(&gate, Fault::none());
        world.tenant.misbehave_times(Endpoint::Token, 1, held);
        let subject = world.token().mint().unwrap();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let exchange = || world.client.get_token_on_behalf_of(&request);
        let (leader, waiter) = std::thread::scope(|scope| {
            let leader = scope.spawn(exchange);
            assert!(gate.wait_arrived());
            let waiter = exchange();
            gate.release();
            (leader.join().unwrap(), waiter)
        });
        let error = waiter.unwrap_err();
        assert_eq!(error.error_code(), "timeout_error");
        assert_eq!(error.status_code(), 504);
        let timeout = TransportErrorKind::Timeout.into();
        let expected = ApiError::Exchange(ExchangeError::Transport(timeout));
        assert_eq!(*error.kind(), ErrorKind::Api(expected));
        assert!(causes(&error).contains("longer than max_wait"));
        assert!(!format!("{error:?} {}", causes(&error)).contains(&subject));
        // The exchange goes on, and its token is cached.
        let cached = exchange().unwrap();
        assert_eq!(cached.access_token(), leader.unwrap().access_token());
        assert_eq!(token_requests(&world.tenant).len(), 1);
    }
}

pub fn a_waiter_takes_over_if_the_exchange_panics<D: Driver>() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(at(NOW));
    tenant.register_client(ID, SECRET);
    let exchanges = AtomicUsize::new(0);
    let http = {
        let tenant = tenant.clone();
        move |request: http::Request<Vec<u8>>| {
            if request.uri().path() == "/oauth/token" {
                let first = exchanges.fetch_add(1, Ordering::SeqCst) == 0;
                assert!(!first, "the first exchange panics");
            }
            tenant.handle(request)
        }
    };
    let builder = builder::<D>(&tenant).client_id(ID).client_secret(SECRET);
    let client = D::build(D::http_client(builder.obo_cache(10), http)).unwrap();
    let subject = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let start = Barrier::new(16);
    let outcomes: Vec<Option<bool>> = std::thread::scope(|scope| {
        let exchange = || {
            start.wait();
            let request = OnBehalfOf::new(&subject, DOWNSTREAM);
            let call = AssertUnwindSafe(|| client.get_token_on_behalf_of(&request).is_ok());
            catch_unwind(call).ok()
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(exchange)).collect();
        let threads = threads.into_iter();
        threads.map(|thread| thread.join().unwrap()).collect()
    });
    let count = |expected| outcomes.iter().filter(|it| **it == expected).count();
    assert_eq!((count(None), count(Some(true))), (1, 15));
    assert_eq!(token_requests(&tenant).len(), 1);
}

pub fn waiters_give_up_after_two_exchanges_panic<D: Driver>() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(at(NOW));
    tenant.register_client(ID, SECRET);
    let exchanges = Arc::new(AtomicUsize::new(0));
    let http = {
        let (tenant, exchanges) = (tenant.clone(), Arc::clone(&exchanges));
        move |request: http::Request<Vec<u8>>| {
            if request.uri().path() == "/oauth/token" {
                exchanges.fetch_add(1, Ordering::SeqCst);
                panic!("every exchange panics");
            }
            tenant.handle(request)
        }
    };
    let builder = builder::<D>(&tenant).client_id(ID).client_secret(SECRET);
    let client = D::build(D::http_client(builder.obo_cache(10), http)).unwrap();
    let subject = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let start = Barrier::new(16);
    let exchange = || {
        start.wait();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let call = AssertUnwindSafe(|| client.get_token_on_behalf_of(&request).unwrap_err());
        catch_unwind(call).ok()
    };
    let outcomes: Vec<Option<Error>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(exchange)).collect();
        let threads = threads.into_iter();
        threads.map(|thread| thread.join().unwrap()).collect()
    });
    // Each call that panicked made one exchange. The other calls waited for two exchanges.
    let panics = outcomes.iter().filter(|outcome| outcome.is_none()).count();
    assert_eq!(exchanges.load(Ordering::SeqCst), panics);
    for error in outcomes.into_iter().flatten() {
        assert_eq!(error.error_code(), "network_error");
        assert_eq!(error.status_code(), 502);
        assert!(causes(&error).contains("were abandoned"));
    }
}

pub fn callers_do_not_join_an_overdue_exchange<D: Driver>() {
    let body = r#"{"access_token":"late","expires_in":3600}"#;
    let late_response = Fault::body(200, "application/json", body);
    // (timeout, last second at which callers join the exchange)
    for (timeout, last) in [(None, 95), (Some(Duration::from_secs(2)), 71)] {
        let world = world::<D>(|builder| {
            let builder = builder.obo_cache(10).max_wait(Duration::ZERO);
            match timeout {
                Some(timeout) => builder.timeout(timeout),
                None => builder,
            }
        });
        let gate = Gate::new();
        let held = Fault::hold_then(&gate, late_response.clone());
        world.tenant.misbehave_times(Endpoint::Token, 1, held);
        let subject = world.token().expires_in(3600).mint().unwrap();
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        let exchange = || world.client.get_token_on_behalf_of(&request);
        let (joined, newer, late) = std::thread::scope(|scope| {
            let leader = scope.spawn(exchange);
            assert!(gate.wait_arrived());
            world.advance(last);
            let joined = exchange();
            world.advance(1);
            let newer = exchange();
            gate.release();
            (joined, newer, leader.join().unwrap())
        });
        assert_eq!(joined.unwrap_err().error_code(), "timeout_error");
        // The first caller gets the late token, which does not replace the newer one.
        assert_eq!(late.unwrap().access_token(), "late");
        let cached = exchange().unwrap();
        assert_eq!(cached.access_token(), newer.unwrap().access_token());
        assert_eq!(token_requests(&world.tenant).len(), 2);
    }
}

/// The sources of an error as text.
fn causes(error: &Error) -> String {
    let first = std::error::Error::source(error);
    let causes = std::iter::successors(first, |cause| cause.source());
    causes.map(|cause| format!("{cause}: ")).collect()
}
