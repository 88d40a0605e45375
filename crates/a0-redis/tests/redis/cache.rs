//! The cache adapter.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use a0_discovery::CacheAdapter;
use a0_discovery::contract_tests::check;
use a0_dpop::Seen;
use a0_redis::{RedisBuilder, RedisError, WhenAway};

use crate::servers::Server;
#[cfg(feature = "async")]
use crate::stores::tokio::OnTokio;
use crate::stores::{PATIENT, ask};

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn caches(builder: &RedisBuilder) -> Vec<(&'static str, Arc<dyn CacheAdapter>)> {
    let blocking = builder.clone().cache().unwrap();
    vec![
        ("blocking", Arc::new(blocking)),
        #[cfg(feature = "async")]
        (
            "async",
            Arc::new(OnTokio(builder.clone().async_cache().unwrap())),
        ),
    ]
}

#[test]
fn the_caches_keep_the_contract() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    for (kind, cache) in caches(&RedisBuilder::new(server.url()).time_limit(PATIENT)) {
        assert!(cache.has_leases(), "{kind}");
        check(&*cache, None).unwrap();
    }
}

/// Values live as long as they are told to, by the clock of the server.
#[test]
fn every_value_has_its_time_to_live() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    for (kind, cache) in caches(&RedisBuilder::new(server.url()).time_limit(PATIENT)) {
        cache.clear().unwrap();
        cache.set("set", "1", MINUTE).unwrap();
        assert!(cache.set_if_absent("absent", "1", MINUTE).unwrap());
        cache.set("equal", "1", Duration::from_secs(5)).unwrap();
        assert!(cache.set_if_equal("equal", "1", "2", MINUTE).unwrap());
        for key in ["set", "absent", "equal"] {
            let left = server.send(&["PTTL", &format!("a0:cache:{key}")]);
            let left: u64 = left.trim().trim_start_matches(':').parse().unwrap();
            assert!((30_000..=60_000).contains(&left), "{kind} {key}: {left}");
        }
        cache.set("short", "1", Duration::ZERO).unwrap();
        crate::servers::until("it expires", || cache.get("short").unwrap().is_none());
    }
}

/// `clear` removes what has this prefix, whatever characters it has, and nothing else.
#[test]
fn clear_removes_the_own_keys_alone() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let own = RedisBuilder::new(server.url())
        .prefix("a*[b]?:")
        .time_limit(PATIENT);
    let other = RedisBuilder::new(server.url())
        .prefix("aXb?:")
        .time_limit(PATIENT);
    let replay = own.clone().replay_store(WhenAway::Refuse).unwrap();
    assert_eq!(ask(&replay, "a"), Ok(Seen::First));
    for ((kind, own), (_, other)) in caches(&own).into_iter().zip(caches(&other)) {
        other.set("kept", "1", MINUTE).unwrap();
        // More than one step of a sweep.
        for number in 0..2500 {
            own.set(&number.to_string(), "1", MINUTE).unwrap();
        }
        own.clear().unwrap();
        assert_eq!(own.get("0").unwrap(), None, "{kind}");
        assert_eq!(other.get("kept").unwrap().as_deref(), Some("1"), "{kind}");
        assert!(server.send(&["DBSIZE"]).starts_with(":2"), "{kind}");
    }
    assert_eq!(ask(&replay, "a"), Ok(Seen::Before));
}

#[test]
fn foreign_values_are_errors_that_a_new_value_replaces() {
    let Some(mut server) = Server::start(&[]) else {
        return;
    };
    for (kind, cache) in caches(&RedisBuilder::new(server.url()).time_limit(PATIENT)) {
        server.send(&["RPUSH", "a0:cache:list", "1"]);
        let script = "return redis.call('SET', KEYS[1], '\\255\\254')";
        server.send(&["EVAL", script, "1", "a0:cache:octets"]);
        for (key, expected) in [
            ("list", RedisError::Refused),
            ("octets", RedisError::UnexpectedAnswer),
        ] {
            let error = cache.get(key).unwrap_err();
            assert_eq!(
                error.source().unwrap().downcast_ref(),
                Some(&expected),
                "{kind}"
            );
            assert!(!cache.set_if_absent(key, "1", MINUTE).unwrap(), "{kind}");
            cache.set(key, "2", MINUTE).unwrap();
            assert_eq!(cache.get(key).unwrap().as_deref(), Some("2"), "{kind}");
        }
        assert!(cache.delete("list").is_ok() && cache.delete("list").is_ok());

        server.kill();
        let error = cache.get("list").unwrap_err();
        let expected = RedisError::NotConnected;
        assert_eq!(
            error.source().unwrap().downcast_ref(),
            Some(&expected),
            "{kind}"
        );
        assert!(cache.clear().is_err());
        server.restart();
        assert_eq!(cache.get("list").unwrap(), None, "{kind}");
    }
}
