//! A store beside the client, which has documents when the first call comes, or lies, or garbage, or
//! does not work. The reference keeps the documents themselves in it, this SDK their texts.

use a0_testkit::Algorithm;
use serde_json::{Value, json};

use super::List;
use crate::draft::{Draft, ISSUER, JWKS, Keys, NOW, TOKEN_ENDPOINT};

pub(super) fn add(list: &mut List, keys: &Keys) {
    let set = keys.tenant.jwks_entry(Algorithm::Rs256);
    let set = json!({"keys": [set]});
    let metadata = json!({
        "issuer": ISSUER, "jwks_uri": JWKS, "token_endpoint": TOKEN_ENDPOINT,
    });
    let with = |member: &str, value: &str| {
        let mut metadata = metadata.clone();
        metadata[member] = value.into();
        metadata
    };
    let mut add = |name: &str, store: Value| {
        list.add(format!("store {name}"), move |draft| {
            draft.options.insert("store".to_owned(), store.clone());
        });
    };
    // `is_taken`: both sides take what it has.
    add(
        "has the documents",
        json!({"metadata": metadata, "keys": set, "is_taken": true}),
    );
    add(
        "has a token endpoint elsewhere",
        json!({
            "metadata": with("token_endpoint", "https://other.example/token"), "keys": set,
            "is_taken": true,
        }),
    );
    add("has nothing", json!({"is_taken": true}));
    for (name, lie) in [
        (
            "metadata of another issuer",
            with("issuer", "https://other.example/"),
        ),
        ("metadata without members", json!({})),
        ("metadata of one member", json!({"a": 1})),
        ("garbage for metadata", json!("garbage")),
        ("a list for metadata", json!([1])),
    ] {
        let store = json!({"metadata": lie, "keys": set});
        add(&format!("has {name}"), store);
    }
    for (name, lie) in [
        ("no usable keys", json!({"keys": []})),
        ("keys without a list", json!({"a": 1})),
        ("garbage for keys", json!("garbage")),
    ] {
        let store = json!({"metadata": metadata, "keys": lie});
        add(&format!("has {name}"), store);
    }
    for fails in ["read", "write"] {
        add(&format!("fails to {fails}"), json!({ "fails": fails }));
    }
    let endpoint = with("token_endpoint", "https://other.example/token");
    // This SDK has the metadata of the store in memory then.
    list.add(
        "store has a token endpoint elsewhere, and a token was verified",
        move |draft| {
            let store = json!({"metadata": endpoint, "keys": set, "is_taken": true});
            draft.options.insert("store".to_owned(), store);
            draft.precede(json!({"now": NOW, "call": "verify_access_token"}));
        },
    );
    elsewhere(list, keys, &with("jwks_uri", ELSEWHERE));
}

const ELSEWHERE: &str = "https://other.example/jwks";

/// Whoever writes into the store names a set of his own there, and signs with a key of it.
fn elsewhere(list: &mut List, keys: &Keys, metadata: &Value) {
    let stranger = keys.stranger.clone();
    let set = json!({"keys": [stranger.jwks_entry(Algorithm::Rs256)]});
    let store = json!({"metadata": metadata, "keys": set, "keys_at": ELSEWHERE});
    list.add(
        "store has metadata with keys elsewhere, and signed with one",
        move |draft: &mut Draft| {
            draft.options.insert("store".to_owned(), store.clone());
            let kid = stranger.kid().into();
            draft.token.header.insert("kid".to_owned(), kid);
            draft.token.key = stranger.clone();
            draft.token.algorithm = Algorithm::Rs256;
        },
    );
}
