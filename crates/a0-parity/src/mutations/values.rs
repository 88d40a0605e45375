//! What helpers take: the text of a domain, and actors.

use serde_json::{Value, json};

use super::List;
use super::tokens::odd;

pub(super) fn add(list: &mut List) {
    for text in [
        "",
        " ",
        "tenant.example",
        "TENANT.example",
        " tenant.example ",
        "https://tenant.example",
        "HTTPS://tenant.example/",
        "tenant.example/",
        "tenant.example///",
        "http://tenant.example",
        "HTTP://tenant.example",
        "https://http://tenant.example",
        "https://https://tenant.example",
        "ftp://tenant.example",
        "tenant.example:443",
        "tenant.example:8443",
        "tenant.example:0",
        "tenant.example:65535",
        "tenant.example:65536",
        "tenant.example:",
        "tenant.example:x",
        "tenant.example:080",
        "u@tenant.example",
        "u:p@tenant.example",
        "tenant.example/path",
        "tenant.example?q",
        "tenant.example#f",
        "tenant.example/?q",
        "a b",
        "a\tb",
        "a\\b",
        "t\u{e9}nant.example",
        "tenant.example.",
        ".",
        "..",
        "-",
        "[::1]",
        "[::1]:443",
        "[::1",
        "::1",
        "127.0.0.1",
        "a..b",
        ".a",
        "a%41",
        "a_b.example",
        "https://",
        "https:///",
        "//tenant.example",
        "a,b",
        "a;b",
        "*",
        "a\u{0}b",
        "\u{a0}tenant.example",
        "tenant.example\n",
        "localhost",
    ] {
        list.add(format!("domain {text:?}"), move |draft| {
            draft.options.insert("text".to_owned(), text.into());
        });
    }
    let deep = (0..20).fold(
        json!(null),
        |act, level| json!({"sub": level.to_string(), "act": act}),
    );
    let sixteen = (0..16).fold(
        json!(null),
        |act, level| json!({"sub": level.to_string(), "act": act}),
    );
    for act in [
        json!({"sub": "a"}),
        json!({"sub": " a "}),
        json!({"sub": " "}),
        json!({"sub": "\u{a0}"}),
        json!({"sub": "\u{1f}"}),
        json!({"sub": null}),
        json!({"sub": 5}),
        json!({"sub": ["a"]}),
        json!({"iss": "x"}),
        json!({"sub": "a", "iss": "x"}),
        json!({"sub": "a", "iss": 5}),
        json!({"sub": "a", "iss": null}),
        json!({"sub": "a", "other": 5}),
        json!({"sub": "a", "act": null}),
        json!({"sub": "a", "act": {}}),
        json!({"sub": "a", "act": 5}),
        json!({"sub": "a", "act": {"sub": "b"}}),
        json!({"sub": "a", "act": {"sub": ""}}),
        json!({"sub": "a", "act": {"sub": "b", "act": {"sub": "c"}}}),
        json!({"sub": "a", "act": {"sub": "b", "iss": 5}}),
        json!([{"sub": "a"}]),
        deep,
        sixteen,
    ]
    .into_iter()
    .chain(odd())
    {
        list.add(format!("act {}", super::shown(&act)), move |draft| {
            let claims: &mut serde_json::Map<String, Value> = &mut draft.token.claims;
            claims.insert("act".to_owned(), act.clone());
        });
    }
}
