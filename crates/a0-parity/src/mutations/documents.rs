//! What the issuer answers: metadata and keys.

use a0_testkit::Algorithm;
use serde_json::{Value, json};

use super::tokens::odd;
use super::{List, Members};
use crate::draft::{Answer, Draft, Keys};

pub(super) fn add(list: &mut List, keys: &Keys) {
    let of: Members = |draft| Some(&mut draft.metadata);
    let issuers = [
        "https://tenant.example",
        "https://other.example/",
        "http://tenant.example/",
        "https://TENANT.example/",
        "tenant.example",
        "https://tenant.example/path",
    ];
    let issuers = issuers.into_iter().map(Value::from).chain(odd());
    list.members("documents metadata", "issuer", issuers, of);
    let places = [
        "https://other.example/jwks",
        "http://tenant.example/jwks",
        "https://tenant.example:444/jwks",
        "/jwks",
        "https://tenant.example/other",
    ];
    let places = places.into_iter().map(Value::from).chain(odd());
    list.members("documents metadata", "jwks_uri", places, of);
    answers(list, "metadata", |draft| &mut draft.metadata_answer);
    answers(list, "keys", |draft| &mut draft.jwks_answer);
    list.add("documents metadata cannot be had", |draft| {
        draft.metadata_missing = true
    });
    list.add("documents keys cannot be had", |draft| {
        draft.jwks_missing = true
    });
    sets(list, keys);
}

fn answers(list: &mut List, document: &str, of: fn(&mut Draft) -> &mut Option<Answer>) {
    for (status, body) in [
        (200, ""),
        (200, "{}"),
        (200, "[]"),
        (200, "null"),
        (200, "x"),
        (200, "{\"a\":1,\"a\":1}"),
        (404, "{}"),
        (500, "x"),
        (429, "{}"),
        (302, "{}"),
        (204, ""),
    ] {
        list.add(
            format!("documents {document} are {status} {body:?}"),
            move |draft| {
                *of(draft) = Some(Answer {
                    status,
                    content_type: "application/json",
                    body: body.to_owned(),
                });
            },
        );
    }
}

fn sets(list: &mut List, keys: &Keys) {
    let own = keys.tenant.jwks_entry(Algorithm::Rs256);
    let with = |member: &str, value: Value| {
        let mut entry = own.clone();
        entry[member] = value;
        entry
    };
    let mut stranger = keys.stranger.jwks_entry(Algorithm::Rs256);
    let mut small = keys.small.jwks_entry(Algorithm::Rs256);
    let elliptic = with_kid(keys.proof.public_jwk(), keys.tenant.kid());
    for entry in [&mut stranger, &mut small] {
        entry["kid"] = keys.tenant.kid().into();
    }
    let own = own.clone();
    for (name, entries) in [
        ("none", json!([])),
        (
            "a stranger's",
            json!([keys.stranger.jwks_entry(Algorithm::Rs256)]),
        ),
        ("no list", json!({"a": 1})),
        ("null", json!(null)),
        ("a stranger's of the same kid", json!([stranger])),
        (
            "a stranger's of the same kid and the own",
            json!([stranger, own]),
        ),
        (
            "the own and a stranger's of the same kid",
            json!([own, stranger]),
        ),
        (
            "another type's of the same kid and the own",
            json!([elliptic, own]),
        ),
        ("an entry that is no object and the own", json!([5, own])),
        ("an empty entry and the own", json!([{}, own])),
        ("the own and an entry that is no object", json!([own, 5])),
        ("the own without kid", json!([without(&own, "kid")])),
        ("the own without n", json!([without(&own, "n")])),
        ("the own without kty", json!([without(&own, "kty")])),
        ("the own without use", json!([without(&own, "use")])),
        ("the own without alg", json!([without(&own, "alg")])),
        ("the own for encryption", json!([with("use", json!("enc"))])),
        ("the own, use a number", json!([with("use", json!(5))])),
        (
            "the own to sign with",
            json!([with("key_ops", json!(["sign"]))]),
        ),
        (
            "the own to verify with",
            json!([with("key_ops", json!(["verify"]))]),
        ),
        ("the own for RS512", json!([with("alg", json!("RS512"))])),
        ("the own for PS256", json!([with("alg", json!("PS256"))])),
        ("the own, kid a number", json!([with("kid", json!(5))])),
        ("the own, exponent 1", json!([with("e", json!("AQ"))])),
        (
            "the own with a private member",
            json!([with("d", json!("AQAB"))]),
        ),
        ("the own, modulus padded", json!([with("n", padded(&own))])),
    ] {
        list.add(format!("documents keys: {name}"), move |draft| {
            draft.jwks = json!({"keys": entries});
        });
    }
    let rotated = keys.stranger.clone();
    list.add(
        "documents keys: a stranger's, and signed with it",
        move |draft| {
            draft.jwks = json!({"keys": [rotated.jwks_entry(Algorithm::Rs256)]});
            draft
                .token
                .header
                .insert("kid".to_owned(), rotated.kid().into());
            draft.token.key = rotated.clone();
            draft.token.algorithm = Algorithm::Rs256;
        },
    );
    let small_key = keys.small.clone();
    list.add(
        "documents keys: a small one, and signed with it",
        move |draft| {
            draft.jwks = json!({"keys": [small]});
            draft.token.key = small_key.clone();
            draft.token.algorithm = Algorithm::Rs256;
        },
    );
}

fn with_kid(mut entry: Value, kid: &str) -> Value {
    entry["kid"] = kid.into();
    entry
}

fn without(entry: &Value, member: &str) -> Value {
    let mut entry = entry.clone();
    if let Some(members) = entry.as_object_mut() {
        members.remove(member);
    }
    entry
}

/// With a zero octet before it, which the standard forbids.
fn padded(entry: &Value) -> Value {
    format!("AAAA{}", entry["n"].as_str().unwrap_or_default()).into()
}
