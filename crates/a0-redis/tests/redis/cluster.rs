//! Three primaries and their replicas.

use std::time::SystemTime;

use a0_discovery::contract_tests;
use a0_dpop::Seen;
use a0_dpop::contract_tests::{Time, check};
use a0_redis::{RedisBuilder, RedisError, WhenAway};

use crate::cache::caches;
use crate::servers::{Cluster, Server, exchange, until};
use crate::stores::{PATIENT, ask, name, stores, stores_apart};

/// One cluster, because it takes seconds to start. The last scenario takes servers away.
#[test]
fn a_cluster_of_three_primaries_with_replicas() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    stores_keep_the_contract(&cluster);
    caches_keep_the_contract(&cluster);
    one_node_is_enough_to_find_the_others(&cluster);
    the_url_of_one_server_is_not_enough(&cluster);
    a_slot_that_moves_loses_no_proof(&cluster);
    a_replica_takes_over(&mut cluster);
}

fn stores_keep_the_contract(cluster: &Cluster) {
    let builder = RedisBuilder::cluster(cluster.urls()).time_limit(PATIENT);
    for (kind, store) in stores_apart(&builder, WhenAway::Refuse) {
        check(&*store, Time::Own(SystemTime::now().into())).unwrap();
        assert_eq!(store.evicting_policy(), Ok(None), "{kind}");
        // Keys are on all primaries, and each primary got its own.
        for node in &cluster.nodes[..3] {
            assert!(!node.send(&["DBSIZE"]).starts_with(":0"), "{kind}");
        }
    }
}

fn caches_keep_the_contract(cluster: &Cluster) {
    for (_, cache) in caches(&RedisBuilder::cluster(cluster.urls()).time_limit(PATIENT)) {
        contract_tests::check(&*cache, None).unwrap();
    }
}

/// One node that can be reached is enough to find the others, also if the first hangs.
fn one_node_is_enough_to_find_the_others(cluster: &Cluster) {
    let away = "redis://127.0.0.1:1".to_owned();
    let builder = RedisBuilder::cluster([away, cluster.nodes[4].url()]).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        for number in 0..100 {
            let jti = format!("{kind} {number}");
            assert_eq!(ask(&*store, &jti), Ok(Seen::First), "{kind}");
            assert_eq!(ask(&*store, &jti), Ok(Seen::Before), "{kind}");
        }
    }
}

/// While a slot moves, `ASK` sends the calls to its next primary, and afterwards `MOVED`.
fn a_slot_that_moves_loses_no_proof(cluster: &Cluster) {
    let id = |node: &Server| {
        let id = node.send(&["CLUSTER", "MYID"]);
        id.lines().nth(1).unwrap().to_owned()
    };
    let builder = RedisBuilder::cluster(cluster.urls()).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        let jti = format!("moves {kind}");
        let (slot, from) = cluster.place(&name(&jti));
        let (old, new) = (&cluster.nodes[from], &cluster.nodes[(from + 1) % 3]);
        // The store learns the slots.
        assert_eq!(ask(&*store, format!("first {kind}")), Ok(Seen::First));

        let set = |node: &Server, what: &[&str]| {
            let mut command = vec!["CLUSTER", "SETSLOT", &slot];
            command.extend(what);
            let answer = node.send(&command);
            assert!(answer.starts_with("+OK"), "{answer}");
        };
        set(new, &["IMPORTING", &id(old)]);
        set(old, &["MIGRATING", &id(new)]);
        assert_eq!(ask(&*store, &jti), Ok(Seen::First), "{kind}");
        assert_eq!(ask(&*store, &jti), Ok(Seen::Before), "{kind}");
        assert!(
            old.send(&["CLUSTER", "COUNTKEYSINSLOT", &slot])
                .starts_with(":0")
        );
        let id = id(new);
        for node in [new, old] {
            set(node, &["NODE", &id]);
        }
        assert_eq!(ask(&*store, &jti), Ok(Seen::Before), "{kind}");
        assert!(
            new.send(&["CLUSTER", "COUNTKEYSINSLOT", &slot])
                .starts_with(":1")
        );
    }
}

/// A server of a cluster, without the option that says so.
fn the_url_of_one_server_is_not_enough(cluster: &Cluster) {
    let (_, holder) = cluster.place(&name("a"));
    let other = &cluster.nodes[(holder + 1) % 3];
    let builder = RedisBuilder::new(other.url()).time_limit(PATIENT);
    for (kind, store) in stores(&builder, WhenAway::Refuse) {
        assert_eq!(ask(&*store, "a"), Err(RedisError::Cluster), "{kind}");
    }
}

fn a_replica_takes_over(cluster: &mut Cluster) {
    let builder = RedisBuilder::cluster(cluster.urls()).time_limit(PATIENT);
    let jti_at = |cluster: &Cluster, number: usize| {
        let is_there = |jti: &u32| cluster.place(&name(jti)).1 == number;
        (1000..2000).find(is_there).unwrap()
    };
    for (number, (kind, store)) in stores(&builder, WhenAway::Refuse).iter().enumerate() {
        let (lost, other) = (jti_at(cluster, number), jti_at(cluster, 2));
        assert_eq!(ask(&**store, lost), Ok(Seen::First), "{kind}");
        until("the replica has it", || {
            let exists = ["EXISTS", &name(lost)];
            let port = cluster.nodes[number + 3].port;
            let answer = exchange(port, &[&["READONLY"], &exists]).unwrap();
            answer.ends_with(":1\r\n")
        });

        cluster.nodes[number].kill();
        let answer = ask(&**store, lost);
        let is_away = matches!(answer, Err(RedisError::NotConnected | RedisError::Closed));
        assert!(is_away, "{kind}: {answer:?}");
        // The others serve their slots.
        assert!(ask(&**store, other).is_ok(), "{kind}");

        let takeover = ["CLUSTER", "FAILOVER", "TAKEOVER"];
        cluster.nodes[number + 3].send(&takeover);
        until("the store finds the replica", || {
            ask(&**store, lost).is_ok()
        });
        assert_eq!(ask(&**store, lost), Ok(Seen::Before), "{kind}");
    }
}
