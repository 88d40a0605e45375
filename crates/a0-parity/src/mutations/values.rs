//! What helpers take: the text of a domain, actors, keys, the text of a header field.

use a0_testkit::Algorithm;
use serde_json::{Value, json};

use super::List;
use super::tokens::odd;

use crate::draft::Keys;

pub(super) fn add(list: &mut List, keys: &Keys) {
    domains(list);
    actors(list);
    ages(list);
    thumbprints(list, keys);
}

fn ages(list: &mut List) {
    for text in [
        "",
        "no-store",
        "public, max-age=15",
        "MAX-AGE=15",
        "max-age=0",
        "max-age=-1",
        "max-age=+15",
        "max-age=1.5",
        "max-age=\"15\"",
        "max-age = 15",
        "max-age= 15 ",
        "max-age=1_5",
        "max-age=x, max-age=15",
        "max-age=15, max-age=9",
        "s-maxage=9, max-age=15",
        "max-age",
        "max-age=",
        "max-age=18446744073709551616",
        "max-age=15; public",
    ] {
        list.add(format!("age {text:?}"), move |draft| {
            draft.options.insert("text".to_owned(), text.into());
        });
    }
}

fn thumbprints(list: &mut List, keys: &Keys) {
    let key = keys.proof.public_jwk();
    let x = key["x"].as_str().unwrap_or_default().to_owned();
    for (name, key) in [
        ("of P-384", keys.p384.public_jwk()),
        ("of RSA", keys.tenant.public_jwk()),
        ("with more", keys.tenant.jwks_entry(Algorithm::Rs256)),
        ("of secrets", json!({"kty": "oct", "k": "AA"})),
        ("of nothing", json!({})),
    ] {
        list.add(format!("key {name}"), move |draft| {
            draft.options.insert("key".to_owned(), key.clone());
        });
    }
    for (member, value) in [
        ("kid", json!("x")),
        ("d", json!("AA")),
        ("x", json!(null)),
        ("x", json!(5)),
        ("x", json!("")),
        ("x", json!(format!("{x}="))),
        ("x", json!("AAAA")),
        ("y", json!(x)),
        ("crv", json!("P-521")),
        ("crv", json!("secp256k1")),
        ("kty", json!("ec")),
        ("kty", json!(null)),
    ] {
        let shown = super::shown(&value);
        list.add(format!("key {member}={shown}"), move |draft| {
            draft.options["key"][member] = value.clone();
        });
    }
}

fn domains(list: &mut List) {
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
}

fn actors(list: &mut List) {
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
