//! Calls through the transport that a client has by default, instead of answers from the case. They
//! are a few, each by itself: sockets take their time.

use serde_json::json;

use super::List;
use crate::draft::{JWKS, METADATA, TOKEN_ENDPOINT};

pub(super) fn add(list: &mut List) {
    list.add("network proxy variables are set", |draft| {
        let network = json!("proxy variables");
        draft.options.insert("network".to_owned(), network);
        draft.options.insert("timeout".to_owned(), json!(TIMEOUT));
    });
    for (part, exchange, url) in [
        ("network", "metadata", METADATA),
        ("network-keys", "keys", JWKS),
        ("network-endpoint", "token endpoint", TOKEN_ENDPOINT),
    ] {
        list.add(
            format!("{part} silence instead of {exchange}"),
            move |draft| {
                for (name, value) in [
                    ("network", json!(exchange)),
                    ("silent", json!(url)),
                    ("timeout", json!(TIMEOUT)),
                ] {
                    draft.options.insert(name.to_owned(), value);
                }
            },
        );
    }
}

/// Seconds: enough to connect on a machine with other work, and well under the server's patience.
const TIMEOUT: f64 = 1.0;
