//! A primary that a Sentinel watches.

use std::net::TcpListener;
use std::time::SystemTime;

use a0_dpop::Seen;
use a0_dpop::contract_tests::{Time, check};
use a0_redis::{RedisBuilder, RedisError, WhenAway};

use crate::servers::{Watched, until};
use crate::stores::{PATIENT, ask, stores, stores_apart};

const PASSWORD: &str = "canary-of-the-servers";

#[test]
fn the_store_follows_the_primary() {
    let Some(mut watched) = Watched::start(PASSWORD) else {
        return;
    };
    // One that is away, and one that never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let sentinels = [
        "redis://127.0.0.1:1".to_owned(),
        format!("redis://{}", hanging.local_addr().unwrap()),
        watched.sentinel.url(),
    ];
    let builder = RedisBuilder::sentinel(sentinels, "main")
        .credentials("default", PASSWORD)
        .time_limit(PATIENT);
    let stores = stores(&builder, WhenAway::Refuse);
    for (_, store) in stores_apart(&builder, WhenAway::Refuse) {
        check(&*store, Time::Own(SystemTime::now().into())).unwrap();
    }
    for (kind, store) in &stores {
        assert_eq!(
            ask(&**store, format!("a {kind}")),
            Ok(Seen::First),
            "{kind}"
        );
    }
    assert_eq!(ask(&*stores[0].1, "replicated"), Ok(Seen::First));
    watched.until_replicated();

    watched.primary.kill();
    for (kind, store) in &stores {
        let answer = ask(&**store, "replicated");
        assert!(
            matches!(answer, Err(RedisError::NotConnected | RedisError::Closed)),
            "{kind}: {answer:?}"
        );
    }
    for (kind, store) in &stores {
        until("the store finds the new primary", || {
            ask(&**store, format!("b {kind}")).is_ok()
        });
        // What the replica had is not forgotten.
        assert_eq!(ask(&**store, "replicated"), Ok(Seen::Before), "{kind}");
    }
}

#[test]
fn an_unknown_name_is_an_error() {
    let Some(watched) = Watched::start(PASSWORD) else {
        return;
    };
    let builder = RedisBuilder::sentinel([watched.sentinel.url()], "other")
        .credentials("default", PASSWORD)
        .time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        assert_eq!(ask(&*store, "a"), Err(RedisError::Refused), "{kind}");
    }
    let builder = RedisBuilder::sentinel([watched.sentinel.url()], "main").time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        assert_eq!(ask(&*store, "a"), Err(RedisError::Authentication), "{kind}");
    }
}

/// The command that docs/scaling.md names is enough.
#[test]
fn a_user_of_the_sentinels_needs_one_command() {
    let Some(watched) = Watched::start(PASSWORD) else {
        return;
    };
    let user = ["ACL", "SETUSER", "api", "on", ">canary", "-@all"];
    let commands = ["+sentinel|get-master-addr-by-name"];
    let answer = watched.sentinel.send(&[&user[..], &commands].concat());
    assert!(answer.starts_with("+OK"), "{answer}");
    let url = format!("redis://api:canary@127.0.0.1:{}", watched.sentinel.port);
    let builder = RedisBuilder::sentinel([url], "main")
        .credentials("default", PASSWORD)
        .time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        assert_eq!(ask(&*store, kind), Ok(Seen::First), "{kind}");
    }
}
