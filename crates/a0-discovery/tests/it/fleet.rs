//! Many processes over one store: what they cost the tenant, and what they do if a process dies, the
//! store is away or the store lies.

pub(crate) mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::common::{self, fetches};
use a0_discovery::{CacheAdapter, FetchFailure, Refresh};
use a0_testkit::{Endpoint, Fault, Gate};
use world::{DRIVERS, Driver, Fleet, Process};

const HUNDRED: usize = 100;

fn requests(fleet: &Fleet) -> usize {
    let (metadata, keys) = fetches(&fleet.tenant);
    metadata + keys
}

/// Ten minutes with a request a second to each process.
fn ten_minutes(fleet: &Fleet, count: usize) -> usize {
    let processes = fleet.processes(count);
    for second in 0..=600 {
        fleet.go_to(second);
        for process in &processes {
            process.keys(second).unwrap();
            wait_for_refresh(fleet, process, second);
        }
    }
    requests(fleet)
}

/// Waits for the thread of a background refresh, which stores its documents last.
fn wait_for_refresh(fleet: &Fleet, process: &Process, second: i64) {
    let name = fleet.name("refresh");
    while process.is_fetching(second) || fleet.store.value(&name).is_some() {
        std::thread::yield_now();
    }
}

#[test]
fn a_hundred_processes_cost_the_tenant_what_one_costs() {
    for driver in DRIVERS {
        for refresh in [Refresh::Inline, Refresh::Background] {
            // A `min_ttl` of zero follows the server's `max-age`.
            for (min_ttl, max_age) in [(300, 15), (0, 15), (0, 0)] {
                let fleet = || {
                    let mut fleet = Fleet::new(driver);
                    let max_age = format!("max-age={max_age}");
                    fleet.tenant.cache_control(Some(&max_age));
                    fleet.policy.refresh = refresh;
                    fleet.policy.min_ttl = Duration::from_secs(min_ttl);
                    fleet
                };
                let one = ten_minutes(&fleet(), 1);
                let hundred = ten_minutes(&fleet(), HUNDRED);
                println!("{driver:?} {refresh:?} {min_ttl} {max_age}: {one} and {hundred}");
                let (one, hundred) = (one * 12, hundred * 10);
                assert!(hundred <= one, "{driver:?} {refresh:?} {min_ttl} {max_age}");
            }
        }
    }
}

/// Runs `act` with each process at the same time.
fn at_once(processes: &[Process], act: impl Fn(&Process) + Sync) {
    let start = Barrier::new(processes.len());
    std::thread::scope(|scope| {
        for process in processes {
            scope.spawn(|| {
                start.wait();
                act(process);
            });
        }
    });
}

/// A fleet whose processes may wait as long as the others need.
fn patient_fleet(driver: Driver) -> Fleet {
    let mut fleet = Fleet::new(driver);
    fleet.policy.max_wait = Duration::from_secs(86_400);
    fleet
}

#[test]
fn one_of_a_hundred_processes_fetches_and_the_others_read() {
    for driver in DRIVERS {
        let fleet = patient_fleet(driver);
        let processes = fleet.processes(HUNDRED);
        for (round, second) in [(1, 0), (2, 300), (3, 600)] {
            fleet.go_to(second);
            at_once(&processes, |process| drop(process.keys(second).unwrap()));
            assert_eq!(fetches(&fleet.tenant), (round, round), "{driver:?}");
        }
        assert!(processes.iter().all(|process| process.failures() == 0));
        for kind in ["refresh", "search"] {
            assert_eq!(fleet.store.value(&fleet.name(kind)), None);
        }
    }
}

#[test]
fn a_flood_of_unknown_key_ids_makes_one_request() {
    for driver in DRIVERS {
        for is_at_once in [false, true] {
            let fleet = patient_fleet(driver);
            let processes = fleet.processes(HUNDRED);
            processes
                .iter()
                .for_each(|process| drop(process.keys(0).unwrap()));
            let before = requests(&fleet);
            let flood = |process: &Process| {
                for forged in 0..10 {
                    assert!(!process.has(&format!("forged {forged}"), 10));
                }
            };
            fleet.go_to(10);
            match is_at_once {
                true => at_once(&processes, flood),
                false => processes.iter().for_each(flood),
            }
            assert_eq!(requests(&fleet), before + 1, "{driver:?} {is_at_once}");
            // In each further cool-down there is one more.
            for (second, more) in [(39, 1), (40, 2), (69, 2), (71, 3)] {
                fleet.go_to(second);
                for process in &processes {
                    assert!(!process.has("forged", second));
                }
                assert_eq!(requests(&fleet), before + more, "{driver:?} {second}");
            }
            // Nor is the store flooded. The process that searches calls it eight times: four reads,
            // claim, read and write of the keys, cool-down. The others make six calls: four reads,
            // claim, look at the claim.
            fleet.go_to(105);
            fleet.store.calls.store(0, Ordering::SeqCst);
            for process in &processes {
                assert!(!process.has("forged", 105));
            }
            let calls = fleet.store.calls.swap(0, Ordering::SeqCst);
            assert_eq!(calls, 8 + 99 * 6, "{driver:?}");
            for forged in 0..1000 {
                assert!(!processes[1].has(&format!("forged {forged}"), 105));
            }
            assert_eq!(fleet.store.calls.load(Ordering::SeqCst), 0, "{driver:?}");
        }
    }
}

#[test]
fn a_rotation_is_seen_by_all_with_one_request() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let processes = fleet.processes(HUNDRED);
        processes
            .iter()
            .for_each(|process| drop(process.keys(0).unwrap()));
        fleet.tenant.replace_keys().unwrap();
        let new = fleet.tenant.kid();
        fleet.go_to(100);
        assert!(processes.iter().all(|process| process.has(&new, 100)));
        assert_eq!(fetches(&fleet.tenant), (1, 2), "{driver:?}");
        // Without a token of the new key, the next refresh brings it to all.
        fleet.tenant.replace_keys().unwrap();
        let newer = fleet.tenant.kid();
        fleet.go_to(400);
        for process in &processes {
            let keys = process.keys(400).unwrap();
            assert!(keys.keys().key_ids().any(|kid| kid == newer));
        }
        assert_eq!(fetches(&fleet.tenant), (2, 3), "{driver:?}");
    }
}

/// The cool-down of the fleet keeps nobody from keys that another process has fetched since.
#[test]
fn a_cool_down_hides_no_key_that_another_process_has_fetched() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let [first, second, third] = [(); 3].map(|()| fleet.process());
        for process in [&first, &second, &third] {
            process.keys(0).unwrap();
        }
        assert!(!first.has("forged", 1));
        assert!(!second.has("forged", 2));
        fleet.tenant.replace_keys().unwrap();
        let new = fleet.tenant.kid();
        let before = requests(&fleet);
        // The cool-down forbids a request, and the store lacks the key.
        assert!(!second.has(&new, 5));
        first.reload(6).unwrap();
        for process in [&first, &second, &third] {
            assert!(process.has(&new, 7), "{driver:?}");
        }
        assert_eq!(requests(&fleet), before + 2);
    }
}

/// A reason why the other processes do not get the keys of a search.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// The store does not take them.
    Write,
    /// The store drops them.
    Eviction,
    /// Somebody puts the entry before them back.
    OldEntry,
    /// The store has the old keys with a later date, of a process whose clock is ahead.
    LaterDate,
}

/// A cool-down must not make good tokens invalid: the others ask the issuer, each once.
#[test]
fn a_cool_down_hides_no_key_that_the_store_has_lost() {
    for driver in DRIVERS {
        for loss in [Loss::Write, Loss::Eviction, Loss::OldEntry, Loss::LaterDate] {
            let fleet = Fleet::new(driver);
            let [searcher, other, ahead] = [(); 3].map(|()| fleet.process());
            searcher.keys(0).unwrap();
            other.keys(0).unwrap();
            let jwks = fleet.name("jwks");
            let old = fleet.store.value(&jwks).unwrap();
            if matches!(loss, Loss::LaterDate) {
                ahead.reload(40).unwrap();
            }
            fleet.tenant.replace_keys().unwrap();
            let new = fleet.tenant.kid();
            if matches!(loss, Loss::Write) {
                *fleet.store.takes_no.lock().unwrap() = Some("jwks");
            }
            assert!(searcher.has(&new, 1));
            // Without its keys in the store, a search is no cool-down of the fleet.
            let is_stored = matches!(loss, Loss::Eviction | Loss::OldEntry);
            let search = fleet.store.value(&fleet.name("search"));
            assert_eq!(search.is_some(), is_stored, "{driver:?} {loss:?}");
            match loss {
                Loss::Eviction => CacheAdapter::delete(&*fleet.store, &jwks).unwrap(),
                Loss::OldEntry => fleet.store.plant(&jwks, &old),
                Loss::Write | Loss::LaterDate => {}
            }
            let before = requests(&fleet);
            assert!(other.has(&new, 2), "{driver:?} {loss:?}");
            for forged in 0..10 {
                assert!(!other.has(&format!("forged {forged}"), 3));
            }
            assert!(other.has(&new, 4), "{driver:?} {loss:?}");
            assert_eq!(requests(&fleet), before + 1, "{driver:?} {loss:?}");
        }
    }
}

/// A process asks the issuer after it has read old keys with a later date. They never replace the answer: not
/// for a forged `kid`, not for that of the old key, and not when their date has come.
#[test]
fn what_was_read_before_the_issuer_answered_does_not_replace_the_answer() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let [ahead, process] = [(); 2].map(|()| fleet.process());
        process.keys(0).unwrap();
        ahead.reload(40).unwrap();
        let old = fleet.tenant.kid();
        fleet.tenant.replace_keys().unwrap();
        let new = fleet.tenant.kid();
        fleet.go_to(20);
        assert!(process.has(&new, 20), "{driver:?}");
        for (second, other) in [
            (21, "forged"),
            (22, old.as_str()),
            (41, "forged"),
            (42, &old),
        ] {
            fleet.go_to(second);
            assert!(!process.has(other, second), "{driver:?} {second}");
            assert!(process.has(&new, second), "{driver:?} {second}");
        }
    }
}

/// A forged `kid` may be the first to read the store in a second. The key that another process has stored
/// reaches all the same.
#[test]
fn a_forged_key_id_does_not_keep_a_new_key_away() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let [ahead, process] = [(); 2].map(|()| fleet.process());
        ahead.keys(0).unwrap();
        process.keys(0).unwrap();
        assert!(!process.has("forged", 0));
        let new = fleet.tenant.rotate_keys().unwrap();
        fleet.go_to(1);
        assert!(ahead.has(&new, 46));
        fleet.go_to(3);
        assert!(!process.has("forged", 3));
        assert!(process.has(&new, 3), "{driver:?}");
    }
}

/// While the store is away, the cool-down of each process holds.
#[test]
fn a_store_that_is_away_does_not_end_a_cool_down() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let process = fleet.process();
        process.keys(0).unwrap();
        *fleet.store.is_away.lock().unwrap() = true;
        assert!(!process.has("forged", 1));
        let before = requests(&fleet);
        for second in 2..10 {
            fleet.go_to(second);
            assert!(!process.has("forged", second));
        }
        assert_eq!(requests(&fleet), before, "{driver:?}");
    }
}

/// A clock was ahead when old keys were fetched, so their date does not say that they are newer than
/// a search.
#[test]
fn old_keys_with_a_date_in_the_future_do_not_make_a_cool_down_hide_a_key() {
    for driver in DRIVERS {
        // (the date of the old keys, whether the process has read them from the store)
        for (date, from_store) in [(40, true), (40, false), (100_000, false)] {
            let mut fleet = Fleet::new(driver);
            fleet.policy.refresh = Refresh::Background;
            let [searcher, ahead, reader] = [(); 3].map(|()| fleet.process());
            searcher.keys(0).unwrap();
            let own = ahead.reload(date).unwrap();
            let (process, old) = match from_store {
                true => (&reader, reader.keys(0).unwrap()),
                false => (&ahead, own),
            };
            assert_eq!(old.requested_at(), common::at(date), "{driver:?} {date}");
            CacheAdapter::delete(&*fleet.store, &fleet.name("jwks")).unwrap();
            fleet.tenant.replace_keys().unwrap();
            let new = fleet.tenant.kid();
            assert!(searcher.has(&new, 1));
            assert!(fleet.store.value(&fleet.name("search")).is_some());
            let before = requests(&fleet);
            assert!(process.has(&new, 2), "{driver:?} {date} {from_store}");
            for forged in 0..10 {
                assert!(!process.has(&format!("forged {forged}"), 3));
            }
            assert_eq!(requests(&fleet), before + 1, "{driver:?} {date}");
            assert!(process.has(&new, 4), "{driver:?} {date} {from_store}");
        }
    }
}

/// The keys of a search have its date, so they are its keys for a process whose clock is behind too. A flood
/// makes one request in each cool-down of the searcher, and none of the others.
#[test]
fn the_keys_of_a_search_with_a_date_in_the_future_are_its_keys() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let ahead = fleet.process();
        let others = fleet.processes(10);
        ahead.keys(0).unwrap();
        others.iter().for_each(|other| drop(other.keys(0).unwrap()));
        let none_has = |key_id: &str, second| others.iter().all(|other| !other.has(key_id, second));
        assert!(none_has("forged", 0));
        let new = fleet.tenant.rotate_keys().unwrap();
        fleet.go_to(1);
        assert!(ahead.has(&new, 46));
        let before = requests(&fleet);
        fleet.go_to(2);
        assert!(none_has("forged", 2));
        fleet.go_to(3);
        let all_have = |second| others.iter().all(|other| other.has(&new, second));
        assert!(all_have(3), "{driver:?}");
        fleet.go_to(30);
        assert!(none_has("forged", 30));
        assert!(all_have(31), "{driver:?}");
        assert_eq!(requests(&fleet), before, "{driver:?}");
    }
}

/// The store takes the keys, but the search has been overtaken by a later round of its process.
#[test]
fn a_search_that_was_overtaken_is_no_cool_down_of_the_fleet() {
    let fleet = Fleet::new(Driver::Blocking);
    let [searcher, other] = [(); 2].map(|()| fleet.process());
    searcher.keys(0).unwrap();
    other.keys(0).unwrap();
    let gate = Gate::new();
    let fault = Fault::hold_at(&gate);
    fleet.tenant.misbehave_times(Endpoint::Jwks, 1, fault);
    std::thread::scope(|scope| {
        let late = scope.spawn(|| searcher.keys_with("forged", 1).is_ok());
        assert!(gate.wait_arrived());
        // The search is overdue.
        fleet.go_to(200);
        searcher.reload(200).unwrap();
        gate.release();
        assert!(late.join().unwrap());
    });
    assert_eq!(fleet.store.value(&fleet.name("search")), None);
}

/// Dates with fractions of a second are the same for all processes.
#[test]
fn dates_in_the_store_are_exact() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let writer = fleet.process();
        for number in 0..200_u32 {
            let fraction = Duration::from_nanos(u64::from(number) * 123_456_789);
            let now = common::at(100 * i64::from(number)).plus(fraction);
            fleet.go_to(100 * i64::from(number));
            writer.reload_at(now).unwrap();
            let reader = fleet.process();
            let read = reader.keys_at(now).unwrap();
            assert_eq!(read.requested_at(), now, "{driver:?} {number}");
            // The search has the date of its keys, so nobody else searches.
            let later = now.plus(Duration::from_millis(10_001));
            assert!(writer.keys_with_at("forged", later).is_ok());
            let before = requests(&fleet);
            assert!(reader.keys_with_at("forged", later).is_ok());
            assert_eq!(requests(&fleet), before, "{driver:?} {number}");
            // A process does not call its own documents older than they are.
            CacheAdapter::delete(&*fleet.store, &fleet.name("search")).unwrap();
        }
        assert_eq!(fleet.take_refused(), [""; 0], "{driver:?}");
    }
}

/// The clock of a process that searches may be ahead of the others'.
#[test]
fn a_clock_that_is_ahead_prolongs_no_cool_down() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let [ahead, other] = [(); 2].map(|()| fleet.process());
        ahead.keys(0).unwrap();
        other.keys(0).unwrap();
        assert!(!ahead.has("forged", 20));
        assert!(!other.has("forged", 0));
        fleet.tenant.replace_keys().unwrap();
        let new = fleet.tenant.kid();
        fleet.go_to(31);
        assert!(other.has(&new, 31), "{driver:?}");
    }
}

/// A process that learns of a cool-down from others counts it from its beginning.
#[test]
fn the_cool_down_of_a_fleet_ends_for_all_at_the_same_time() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let [first, second] = [(); 2].map(|()| fleet.process());
        first.keys(0).unwrap();
        second.keys(0).unwrap();
        assert!(!first.has("forged", 0));
        fleet.go_to(29);
        assert!(!second.has("forged", 29));
        fleet.tenant.replace_keys().unwrap();
        fleet.go_to(31);
        assert!(second.has(&fleet.tenant.kid(), 31), "{driver:?}");
    }
}

/// Tokens of a new key must not be called invalid because another process failed to fetch it.
#[test]
fn a_failed_search_is_not_a_cool_down_of_the_fleet() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let [first, second] = [(); 2].map(|()| fleet.process());
        first.keys(0).unwrap();
        second.keys(0).unwrap();
        fleet.tenant.replace_keys().unwrap();
        let new = fleet.tenant.kid();
        fleet.tenant.misbehave(Endpoint::Jwks, Fault::status(500));
        for process in [&first, &second] {
            let error = process.keys_with(&new, 1).unwrap_err();
            assert_eq!(*error.error.failure(), FetchFailure::Status(500));
        }
        fleet.tenant.recover(Endpoint::Jwks);
        let third = fleet.process();
        fleet.go_to(4);
        assert!(third.has(&new, 4), "{driver:?}");
        assert_eq!(fleet.waited(), Duration::ZERO);
    }
}

#[test]
fn a_holder_that_dies_delays_the_others_for_half_of_max_wait() {
    for driver in DRIVERS {
        for is_search in [false, true] {
            let fleet = Fleet::new(driver);
            let processes = fleet.processes(10);
            let mut now = 0;
            if is_search {
                processes
                    .iter()
                    .for_each(|process| drop(process.keys(0).unwrap()));
                fleet.tenant.replace_keys().unwrap();
                now = 1;
            }
            let kid = fleet.tenant.kid();
            let before = fetches(&fleet.tenant);
            let dying = fleet.process_with(|_| panic!("the process dies"));
            let dies = catch_unwind(AssertUnwindSafe(|| dying.keys_with(&kid, now)));
            assert!(dies.is_err());
            assert!(processes.iter().all(|process| process.has(&kid, now)));
            let (metadata, keys) = fetches(&fleet.tenant);
            assert_eq!(keys, before.1 + 1, "{driver:?} {is_search}");
            assert_eq!(metadata, before.0 + usize::from(!is_search));
            assert_eq!(fleet.waited(), fleet.policy.max_wait / 2, "{driver:?}");
            let longest = fleet.longest_wait.load(Ordering::SeqCst);
            assert_eq!(longest, if is_search { 200 } else { 500 }, "{driver:?}");
        }
    }
}

#[test]
fn without_the_store_each_process_fetches_for_itself() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let processes = fleet.processes(3);
        *fleet.store.is_away.lock().unwrap() = true;
        for process in &processes {
            process.keys(0).unwrap();
            // One read before the fetch, and one for each document after it.
            assert_eq!(process.failures(), 3, "{driver:?}");
            assert!(!process.has("forged", 1));
            assert_eq!(process.failures(), 5, "{driver:?}");
        }
        assert_eq!(fetches(&fleet.tenant), (3, 6), "{driver:?}");
        assert_eq!(fleet.waited(), Duration::ZERO);
        // It comes back.
        *fleet.store.is_away.lock().unwrap() = false;
        fleet.go_to(300);
        processes
            .iter()
            .for_each(|process| drop(process.keys(300).unwrap()));
        assert_eq!(fetches(&fleet.tenant), (4, 7), "{driver:?}");
    }
}

/// Between the comparison and the write of a process, another one stores its documents.
#[test]
fn an_older_document_does_not_replace_a_newer_one_at_the_last_moment() {
    for driver in DRIVERS {
        // (the second of its own documents, that of the other's)
        for (own, others) in [(10, 20), (30, 20), (20, 20)] {
            let fleet = Fleet::new(driver);
            let [process, other] = [(); 2].map(|()| fleet.process());
            process.keys(0).unwrap();
            let hook = move || drop(other.reload(others).unwrap());
            *fleet.store.before_swap.lock().unwrap() = Some(Box::new(hook));
            process.reload(own).unwrap();
            for kind in ["metadata", "jwks"] {
                let stored = fleet.store.value(&fleet.name(kind)).unwrap();
                let date = common::START + own.max(others);
                let date = format!("\"requested_at\":\"{date}\"");
                assert!(stored.contains(&date), "{driver:?} {own} {others} {kind}");
            }
        }
    }
}

/// A genuine cool-down cannot be used a second time.
#[test]
fn a_replayed_cool_down_is_over() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let process = fleet.process();
        process.keys(0).unwrap();
        assert!(!process.has("forged", 1));
        let name = fleet.name("search");
        let genuine = fleet.store.value(&name).unwrap();
        fleet.go_to(100);
        fleet.store.plant(&name, &genuine);
        // Nor can it be moved to the other claim.
        fleet.store.plant(&fleet.name("refresh"), &genuine);
        fleet.tenant.replace_keys().unwrap();
        assert!(process.has(&fleet.tenant.kid(), 100), "{driver:?}");
        fleet.go_to(400);
        process.keys(400).unwrap();
        assert_eq!(fleet.waited(), Duration::ZERO);
    }
}

/// A background refresh leaves the fetch to the process that holds the claim, so nobody waits for
/// it: neither its own caller, if that carries it out, nor one that looks for another key.
#[test]
fn a_refresh_that_finds_a_claim_delays_no_caller() {
    for driver in DRIVERS {
        let mut fleet = Fleet::new(driver);
        fleet.policy.refresh = Refresh::Background;
        let [process, other] = [(); 2].map(|()| fleet.process());
        process.keys(0).unwrap();
        fleet.go_to(301);
        let claim = fleet.name("refresh");
        fleet.store.plant(&claim, "held:somebody");
        let served = process.keys(301).unwrap();
        assert_eq!(served.requested_at(), common::at(0), "stale keys, at once");
        while process.is_fetching(301) {
            std::thread::yield_now();
        }
        fleet.tenant.replace_keys().unwrap();
        assert!(process.has(&fleet.tenant.kid(), 301), "{driver:?}");
        assert_eq!(fleet.waited(), Duration::ZERO, "{driver:?}");
        // A second later it looks again.
        CacheAdapter::delete(&*fleet.store, &claim).unwrap();
        other.reload(302).unwrap();
        fleet.go_to(302);
        process.keys(302).unwrap();
        wait_for_refresh(&fleet, &process, 302);
        let keys = process.keys(302).unwrap();
        assert_eq!(keys.requested_at(), common::at(302), "{driver:?}");
    }
}

/// A background refresh takes no claim from its holder. If the claim is free again when it looks, it does
/// not wait either, and uses the documents that the holder has stored.
#[test]
fn a_refresh_leaves_the_fetch_to_the_holder_of_the_claim() {
    for driver in DRIVERS {
        for max_wait in [Duration::from_secs(10), Duration::ZERO] {
            for is_free_again in [false, true] {
                let mut fleet = Fleet::new(driver);
                fleet.policy.refresh = Refresh::Background;
                fleet.policy.max_wait = max_wait;
                let [process, holder] = [(); 2].map(|()| fleet.process());
                process.keys(0).unwrap();
                fleet.go_to(301);
                let claim = fleet.name("refresh");
                fleet.store.plant(&claim, "held:somebody");
                let before = requests(&fleet);
                if is_free_again {
                    // The holder finishes after the process has failed to claim.
                    let (store, claim) = (Arc::clone(&fleet.store), claim.clone());
                    let finishes = move || {
                        holder.reload(301).unwrap();
                        CacheAdapter::delete(&store.values, &claim).unwrap();
                    };
                    let store = Arc::clone(&fleet.store);
                    let claims = move || {
                        *store.before_read.lock().unwrap() = Some(Box::new(finishes));
                    };
                    *fleet.store.before_claim.lock().unwrap() = Some(Box::new(claims));
                }
                fleet.store.calls.store(0, Ordering::SeqCst);
                process.keys(301).unwrap();
                while process.is_fetching(301) {
                    std::thread::yield_now();
                }
                let case = format!("{driver:?} {max_wait:?} {is_free_again}");
                assert_eq!(fleet.waited(), Duration::ZERO, "{case}");
                let served = process.keys(301).unwrap().requested_at();
                if is_free_again {
                    assert_eq!(served, common::at(301), "{case}");
                    assert_eq!(requests(&fleet), before + 2, "{case}");
                } else {
                    assert_eq!(served, common::at(0), "{case}");
                    assert_eq!(requests(&fleet), before, "{case}");
                    // Two reads, the claim, and a look at it.
                    assert_eq!(fleet.store.calls.load(Ordering::SeqCst), 4, "{case}");
                    let held = fleet.store.value(&claim);
                    assert_eq!(held.as_deref(), Some("held:somebody"), "{case}");
                }
            }
        }
    }
}

/// A hundred processes wait for one that died. One takes its claim over, and the others wait for that
/// one.
#[test]
fn those_who_waited_for_a_dead_process_do_not_all_fetch() {
    const DEAD: &str = "held:dead";
    for driver in DRIVERS {
        for kind in ["refresh", "search"] {
            let fleet = Fleet::new(driver);
            let claim = fleet.name(kind);
            let store = Arc::clone(&fleet.store);
            let name = claim.clone();
            // The waiting processes go on when the new holder has finished.
            *fleet.waits_until.lock().unwrap() = Some(Arc::new(move || {
                store
                    .value(&name)
                    .is_none_or(|value| !value.starts_with("held:") || value == DEAD)
            }));
            let processes = fleet.processes(HUNDRED);
            if kind == "search" {
                let warm = |process: &Process| drop(process.keys(0).unwrap());
                processes.iter().for_each(warm);
                fleet.tenant.replace_keys().unwrap();
            }
            let (kid, before) = (fleet.tenant.kid(), fetches(&fleet.tenant).1);
            fleet.store.plant(&claim, DEAD);
            // All of them see the claim of the dead one before the first takes it.
            let all = Barrier::new(HUNDRED);
            *fleet.store.before_each_swap.lock().unwrap() =
                Some(Arc::new(move |expected: &str| {
                    if expected == DEAD {
                        all.wait();
                    }
                }));
            at_once(&processes, |process| assert!(process.has(&kid, 1)));
            let fetched = fetches(&fleet.tenant).1 - before;
            assert_eq!(fetched, 1, "{driver:?} {kind}");
        }
    }
}
