//! A fleet with entry keys, and an attacker who can write to its store: the attacker can only make the
//! fleet fetch.

use std::sync::OnceLock;

use crate::common::{self, START, fetches};
use crate::fleet::world::{DRIVERS, Driver, Fleet};
use a0_discovery::{CacheAdapter, EntryAuthentication, EntryKeys, Origin, normalize_domain};
use a0_testkit::LocalNetwork;
use proptest::prelude::*;
use serde_json::{Value, json};

fn keys(secret: u8) -> EntryKeys {
    EntryKeys::new([secret; 32]).unwrap()
}

/// The entries of a fleet whose documents were requested at this second.
fn texts(fleet: &Fleet, second: i64) -> [String; 2] {
    fleet.go_to(second);
    CacheAdapter::clear(&*fleet.store).unwrap();
    fleet.process().reload(second).unwrap();
    ["metadata", "jwks"].map(|kind| fleet.store.value(&fleet.name(kind)).unwrap())
}

/// Edits the payload of an entry and keeps its identifier and its MAC.
fn edit(entry: &str, edit: impl FnOnce(&mut Value)) -> String {
    let mut parts = entry.splitn(3, '.');
    let (id, mac) = (parts.next().unwrap(), parts.next().unwrap());
    let mut payload = serde_json::from_str(parts.next().unwrap()).unwrap();
    edit(&mut payload);
    format!("{id}.{mac}.{payload}")
}

/// Edits the document in an entry.
fn edit_body(entry: &str, member: &str, value: Value) -> String {
    edit(entry, |payload| {
        let body = payload["body"].as_str().unwrap();
        let mut body: Value = serde_json::from_str(body).unwrap();
        body[member] = value;
        payload["body"] = body.to_string().into();
    })
}

/// The parts of an entry, in this order.
fn join(entry: &str, order: [usize; 3]) -> String {
    let parts: Vec<&str> = entry.splitn(3, '.').collect();
    order.map(|index| parts[index]).join(".")
}

/// The second at which the victim reads.
const NOW: i64 = 4000;

/// Hostile entries by what they are, for the entry of the keys or of the metadata, with the reason
/// why they are refused.
fn hostile() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let network = LocalNetwork::new();
    let [fleet, other] = ["a.example", "b.example"].map(|domain| {
        let mut fleet = Fleet::new(Driver::Blocking);
        fleet.tenant = network.tenant(domain).unwrap();
        fleet
    });
    let [metadata, jwks] = texts(&fleet, NOW);
    let [other_metadata, other_jwks] = texts(&other, NOW);
    // Keys of somebody else for the same issuer name.
    let mut attacker = Fleet::new(Driver::Blocking);
    attacker.authentication = keys(9).into();
    attacker.tenant.replace_keys().unwrap();
    let [attacker_metadata, attacker_jwks] = texts(&attacker, NOW);
    let [old_metadata, old_jwks] = texts(&fleet, NOW - 3600);
    let [future_metadata, future_jwks] = texts(&fleet, NOW + 61);
    let part = |entry: &str, index| entry.splitn(3, '.').nth(index).unwrap().to_owned();
    let [id, mac, plain] = [0, 1, 2].map(|index| part(&jwks, index));
    let (attacker_id, planted) = (part(&attacker_jwks, 0), part(&attacker_jwks, 2));
    let other_keys = json!([{ "kty": "oct", "k": "AAAA", "kid": "planted" }]);
    let none = "not_authentic";
    vec![
        ("empty", "jwks", String::new(), none),
        ("null", "jwks", "null".into(), none),
        ("an object", "jwks", "{}".into(), none),
        ("NUL", "jwks", "\0".into(), none),
        ("dots", "jwks", "..".into(), none),
        ("many dots", "jwks", ".".repeat(10_000), none),
        ("no payload", "jwks", format!("{id}.{mac}"), none),
        ("an empty payload", "jwks", format!("{id}.{mac}."), none),
        ("no MAC", "jwks", format!("{id}..{plain}"), none),
        ("no identifier", "jwks", format!(".{mac}.{plain}"), none),
        (
            "another identifier",
            "jwks",
            format!("{attacker_id}.{mac}.{plain}"),
            none,
        ),
        (
            "an identifier in lower case",
            "jwks",
            format!("{}.{mac}.{plain}", id.to_lowercase()),
            none,
        ),
        ("a shorter identifier", "jwks", jwks[1..].to_owned(), none),
        (
            "a shorter MAC",
            "jwks",
            format!("{id}.{}.{plain}", &mac[..42]),
            none,
        ),
        (
            "a MAC of one letter",
            "jwks",
            format!("{id}.{}.{plain}", &mac[..1]),
            none,
        ),
        ("a longer MAC", "jwks", format!("{id}.{mac}A.{plain}"), none),
        ("a padded MAC", "jwks", format!("{id}.{mac}=.{plain}"), none),
        (
            "a MAC in lower case",
            "jwks",
            format!("{id}.{}.{plain}", mac.to_lowercase()),
            none,
        ),
        (
            "a MAC of zeros",
            "jwks",
            format!("{id}.{}.{plain}", "A".repeat(43)),
            none,
        ),
        (
            "the MAC of the metadata",
            "jwks",
            {
                let mac = metadata.split('.').nth(1).unwrap();
                format!("{id}.{mac}.{plain}")
            },
            none,
        ),
        ("plain keys", "jwks", plain.clone(), none),
        ("plain keys of the attacker", "jwks", planted.clone(), none),
        (
            "keys of the attacker with a genuine MAC",
            "jwks",
            format!("{id}.{mac}.{planted}"),
            none,
        ),
        ("keys that the attacker sealed", "jwks", attacker_jwks, none),
        (
            "metadata that the attacker sealed",
            "metadata",
            attacker_metadata,
            none,
        ),
        (
            "the metadata in the place of the keys",
            "jwks",
            metadata.clone(),
            none,
        ),
        (
            "the keys in the place of the metadata",
            "metadata",
            jwks.clone(),
            none,
        ),
        ("the keys of another issuer", "jwks", other_jwks, none),
        (
            "the metadata of another issuer",
            "metadata",
            other_metadata,
            none,
        ),
        (
            "other keys",
            "jwks",
            edit_body(&jwks, "keys", other_keys),
            none,
        ),
        ("no keys", "jwks", edit_body(&jwks, "keys", json!([])), none),
        (
            "another jwks_uri",
            "metadata",
            edit_body(&metadata, "jwks_uri", json!("https://a.example/other")),
            none,
        ),
        (
            "a later fetch",
            "jwks",
            edit(&jwks, |it| it["requested_at"] = json!(START + NOW + 1)),
            none,
        ),
        (
            "a younger old entry",
            "jwks",
            edit(&old_jwks, |it| it["requested_at"] = json!(START + NOW)),
            none,
        ),
        (
            "a longer max-age",
            "jwks",
            edit(&jwks, |it| it["max_age"] = json!(1_000_000)),
            none,
        ),
        (
            "another URL",
            "jwks",
            edit(&jwks, |it| it["url"] = json!("https://a.example/")),
            none,
        ),
        (
            "a cut payload",
            "jwks",
            jwks[..jwks.len() - 1].to_owned(),
            none,
        ),
        (
            "half of a payload",
            "jwks",
            jwks[..jwks.len() / 2].to_owned(),
            none,
        ),
        ("a space before", "jwks", format!(" {jwks}"), none),
        ("a space after", "jwks", format!("{jwks} "), none),
        ("twice", "jwks", format!("{jwks}{jwks}"), none),
        (
            "sealed within sealed",
            "jwks",
            format!("{id}.{mac}.{jwks}"),
            none,
        ),
        (
            "parts in another order",
            "jwks",
            join(&jwks, [1, 0, 2]),
            none,
        ),
        (
            "too long",
            "jwks",
            format!("{jwks}{}", " ".repeat(8 * 1024 * 1024)),
            "malformed",
        ),
        // A genuine entry at another time.
        ("keys that are too old", "jwks", old_jwks, "too_old"),
        (
            "metadata that is too old",
            "metadata",
            old_metadata,
            "too_old",
        ),
        (
            "keys from the future",
            "jwks",
            future_jwks,
            "from_the_future",
        ),
        (
            "metadata from the future",
            "metadata",
            future_metadata,
            "from_the_future",
        ),
    ]
}

#[test]
fn a_hostile_entry_is_a_miss_and_is_reported() {
    let entries = hostile();
    assert!(entries.len() >= 30);
    for driver in DRIVERS {
        for (what, kind, entry, reason) in &entries {
            let fleet = Fleet::new(driver);
            fleet.go_to(NOW);
            fleet.process().keys(NOW).unwrap();
            let name = fleet.name(kind);
            // The genuine entry is one of the accepted ones.
            let genuine = fleet.store.value(&name).unwrap();
            fleet.store.plant(&name, &genuine);
            fleet.process().keys(NOW).unwrap();
            assert_eq!(fetches(&fleet.tenant), (1, 1), "{driver:?} {what}");
            fleet.store.plant(&name, entry);
            let victim = fleet.process();
            let served = victim.keys(NOW).unwrap();
            let kids: Vec<_> = served.keys().key_ids().collect();
            assert_eq!(kids, [fleet.tenant.kid()], "{driver:?} {what}");
            assert_eq!(fetches(&fleet.tenant), (2, 2), "{driver:?} {what}");
            assert_eq!(victim.failures(), 1, "{driver:?} {what}");
            assert_eq!(fleet.take_refused(), [*reason], "{driver:?} {what}");
            // The fetch has mended the store.
            let next = fleet.process();
            next.keys(NOW).unwrap();
            assert_eq!(fetches(&fleet.tenant), (2, 2), "{driver:?} {what}");
            assert_eq!(next.failures(), 0, "{driver:?} {what}");
        }
    }
}

/// A process with the right secret may follow other rules, so its documents pass every check here.
#[test]
fn a_sealed_document_passes_every_check_of_a_fetched_one() {
    for driver in DRIVERS {
        let mut fleet = Fleet::new(driver);
        let tenant = fleet.tenant.clone();
        let moved = move |mut request: http::Request<Vec<u8>>| {
            if request.uri().host() == Some("keys.example") {
                *request.uri_mut() = "https://a.example/.well-known/jwks.json".parse().unwrap();
            }
            let response = tenant.handle(request)?;
            Ok(response.map(|body| {
                let text = String::from_utf8(body).unwrap();
                let here = "https://a.example/.well-known/jwks.json";
                text.replace(here, "https://keys.example/").into_bytes()
            }))
        };
        let victim = fleet.process();
        let origin = "https://keys.example".parse::<Origin>().unwrap();
        fleet.rules = common::rules().trust([origin]);
        fleet.process_with(moved).keys(0).unwrap();
        assert_eq!(fetches(&fleet.tenant), (1, 1), "{driver:?}");
        victim.keys(0).unwrap();
        assert_eq!(fetches(&fleet.tenant), (2, 2), "{driver:?}");
        assert_eq!(fleet.take_refused(), ["unusable"], "{driver:?}");
    }
}

/// An entry that was genuine once does not bring a removed key back to a process that has seen newer
/// keys.
#[test]
fn a_process_goes_back_to_no_older_entry() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let (victim, other) = (fleet.process(), fleet.process());
        other.keys(0).unwrap();
        let removed = fleet.tenant.kid();
        let old = ["metadata", "jwks"].map(|kind| fleet.store.value(&fleet.name(kind)).unwrap());
        fleet.tenant.replace_keys().unwrap();
        let roll_back = || {
            for (kind, old) in ["metadata", "jwks"].iter().zip(&old) {
                fleet.store.plant(&fleet.name(kind), old);
            }
        };
        victim.reload(10).unwrap();
        roll_back();
        fleet.go_to(11);
        assert!(!victim.has("forged", 11));
        assert_eq!(
            fleet.take_refused(),
            ["superseded", "superseded"],
            "{driver:?}"
        );
        assert_eq!(victim.failures(), 2);
        for second in [312, 650] {
            roll_back();
            fleet.go_to(second);
            let keys = victim.keys(second).unwrap();
            assert!(
                keys.keys().key_ids().all(|kid| kid != removed),
                "{driver:?} {second}"
            );
            assert_eq!(
                fleet.take_refused(),
                ["superseded", "superseded"],
                "{driver:?}"
            );
        }
    }
}

/// Its own entry, or one of the same second, is no attack.
#[test]
fn an_honest_fleet_refuses_no_entry() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let processes = fleet.processes(5);
        for second in 0..1300 {
            fleet.go_to(second);
            if second % 50 == 0 {
                fleet.tenant.rotate_keys().unwrap();
            }
            for process in &processes {
                process.keys_with(&fleet.tenant.kid(), second).unwrap();
            }
        }
        assert_eq!(fleet.take_refused(), [""; 0], "{driver:?}");
        assert!(processes.iter().all(|process| process.failures() == 0));
    }
}

#[test]
fn secrets_are_changed_without_an_extra_fetch() {
    let (old, new) = (|| keys(1), || keys(2));
    let also = |keys: EntryKeys, secret| keys.also_accept([secret; 32]).unwrap();
    // (the writer's keys, the reader's, whether the reader accepts the entry)
    let cases = [
        (old(), old(), true),
        (old(), also(old(), 2), true),
        (also(old(), 2), old(), true),
        (also(new(), 1), also(old(), 2), true),
        (also(old(), 2), also(new(), 1), true),
        (new(), also(also(keys(3), 1), 2), true),
        (also(new(), 1), new(), true),
        (also(old(), 2), new(), false),
        (also(new(), 1), old(), false),
        (old(), new(), false),
    ];
    for driver in DRIVERS {
        for (number, (writer, reader, is_accepted)) in cases.iter().enumerate() {
            let mut fleet = Fleet::new(driver);
            fleet.authentication = writer.clone().into();
            fleet.process().keys(0).unwrap();
            fleet.authentication = reader.clone().into();
            let reader = fleet.process();
            reader.keys(0).unwrap();
            let expected = if *is_accepted { (1, 1) } else { (2, 2) };
            assert_eq!(fetches(&fleet.tenant), expected, "{driver:?} {number}");
            assert_eq!(reader.failures(), u64::from(!is_accepted));
        }
    }
}

/// Processes with and without entry keys use different names, so neither replaces the other's
/// entries.
#[test]
fn authenticated_and_unauthenticated_processes_do_not_meet() {
    for driver in DRIVERS {
        let mut fleet = Fleet::new(driver);
        let with = fleet.process();
        fleet.authentication = EntryAuthentication::unauthenticated_entries();
        let without = fleet.process();
        for second in [0, 300, 600] {
            fleet.go_to(second);
            with.keys(second).unwrap();
            without.keys(second).unwrap();
        }
        assert_eq!(fetches(&fleet.tenant), (6, 6), "{driver:?}");
        assert_eq!((with.failures(), without.failures()), (0, 0));
    }
}

#[test]
fn a_secret_has_at_least_32_bytes() {
    for length in [0, 1, 16, 31] {
        assert!(EntryKeys::new(vec![7; length]).is_err());
        let also = keys(1).also_accept(vec![7; length]);
        assert!(also.is_err());
    }
    let mut ids = Vec::new();
    for length in [32, 33, 63, 64, 65, 1000] {
        ids.push(EntryKeys::new(vec![7; length]).unwrap().key_id().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 6, "each byte of a secret counts");
}

#[test]
fn no_secret_is_in_an_error_or_in_debug_output() {
    let secret = "correct horse battery staple, and more";
    let other = "another secret of more than 32 bytes";
    let keys = EntryKeys::new(secret).unwrap().also_accept(other).unwrap();
    let mut fleet = Fleet::new(Driver::Blocking);
    fleet.authentication = keys.clone().into();
    let cache = a0_discovery::KeyCache::builder(
        common::rules(),
        std::sync::Arc::new(fleet.tenant.client()),
    )
    .adapter(a0_discovery::InMemoryCache::new(10), keys.clone());
    let mut texts = format!("{keys:?} {keys:#?} {:?} {cache:?}", fleet.authentication);
    let cache = cache.build();
    cache
        .keys(&normalize_domain("a.example").unwrap(), common::at(0))
        .unwrap();
    let error = EntryKeys::new("short secret").unwrap_err();
    texts += &format!("{cache:?} {error:?} {error}");
    for hidden in [
        "correct",
        "another",
        "short secret",
        "99, 111, 114",
        "636f72",
    ] {
        assert!(!texts.contains(hidden), "{texts}");
    }
    assert!(texts.contains(keys.key_id()));
    assert_eq!(
        error.to_string(),
        "a secret for entries of the key cache must have at least 32 bytes"
    );
}

/// A fleet, and the genuine entry of its keys.
fn fleet_to_attack() -> &'static (Fleet, String) {
    static FLEET: OnceLock<(Fleet, String)> = OnceLock::new();
    FLEET.get_or_init(|| {
        let fleet = Fleet::new(Driver::Blocking);
        fleet.process().keys(0).unwrap();
        let genuine = fleet.store.value(&fleet.name("jwks")).unwrap();
        (fleet, genuine)
    })
}

fn edited() -> impl Strategy<Value = String> {
    let text = || fleet_to_attack().1.as_bytes().to_vec();
    let place = || 0..fleet_to_attack().1.len();
    let replaced = (place(), 0x20..0x7f_u8).prop_map(move |(at, byte)| {
        let mut text = text();
        text[at] = byte;
        text
    });
    let inserted = (place(), 0x20..0x7f_u8).prop_map(move |(at, byte)| {
        let mut text = text();
        text.insert(at, byte);
        text
    });
    let removed = (place(), place()).prop_map(move |(from, to)| {
        let mut text = text();
        text.drain(from.min(to)..from.max(to));
        text
    });
    let swapped = (place(), place()).prop_map(move |(one, two)| {
        let mut text = text();
        text.swap(one, two);
        text
    });
    let repeated = (place(), place()).prop_map(move |(from, to)| {
        let text = text();
        let part = &text[from.min(to)..from.max(to)];
        [&text[..to], part, &text[to..]].concat()
    });
    let bytes = prop_oneof![replaced, inserted, removed, swapped, repeated];
    prop_oneof![
        4 => bytes.prop_map(|bytes| String::from_utf8(bytes).unwrap()),
        1 => any::<String>(),
        1 => "[A-Za-z0-9_-]{11}\\.[A-Za-z0-9_-]{43}\\.\\{.*\\}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_edited_entry_is_accepted(entry in edited()) {
        let (fleet, genuine) = fleet_to_attack();
        fleet.store.plant(&fleet.name("jwks"), &entry);
        let victim = fleet.process();
        let before = fetches(&fleet.tenant).1;
        victim.keys(0).unwrap();
        let is_genuine = entry == *genuine;
        prop_assert_eq!(fetches(&fleet.tenant).1 == before, is_genuine);
        prop_assert_eq!(victim.failures(), u64::from(!is_genuine));
    }
}
