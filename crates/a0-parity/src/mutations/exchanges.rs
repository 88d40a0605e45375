//! What is asked of the token endpoint, with which credentials, and what it answers.

use serde_json::{Value, json};

use super::tokens::odd;
use super::{List, Members};
use crate::draft::{Answer, Draft};

const TOKENS: &[&str] = &[
    "",
    " ",
    " x",
    "x ",
    "\tx",
    "x\n",
    "\u{1f}x",
    "\u{1}x",
    "Bearer x",
    "bearer x",
    "Bearerx",
    "a b",
    "\u{e9}&=+%",
];

pub(super) fn add(list: &mut List) {
    for (part, member, values) in [
        ("exchange", "subject_token", TOKENS),
        (
            "exchange",
            "subject_token_type",
            &["", " ", "urn:x", "\u{e9}"],
        ),
        ("exchange", "audience", &["", " ", "https://other.example/"]),
        ("exchange", "scope", &["", "a b"]),
        ("exchange", "requested_token_type", &["", "urn:x"]),
        ("obo", "access_token", TOKENS),
        ("obo", "audience", &["", " ", "x"]),
        ("obo", "scope", &["", "a b"]),
        ("connection", "access_token", TOKENS),
        (
            "connection",
            "connection",
            &["", " ", "google-oauth2", "\u{e9}&"],
        ),
        ("connection", "login_hint", &["", "user"]),
    ] {
        for value in values {
            list.add(format!("{part} {member}={value:?}"), move |draft| {
                arguments(draft)[member] = json!(value);
            });
        }
    }
    extras(list);
    credentials(list);
    endpoint(list);
    answers(list);
}

fn arguments(draft: &mut Draft) -> &mut Value {
    draft
        .options
        .entry("arguments")
        .or_insert_with(|| json!({}))
}

fn extras(list: &mut List) {
    let many: Vec<&str> = vec!["x"; 21];
    for (name, value) in [
        ("device", json!("kiosk 4")),
        ("device", json!("")),
        ("n", json!(7)),
        ("n", json!(-1)),
        ("n", json!(1.5)),
        ("n", json!(1e16)),
        ("n", json!(1e-7)),
        ("n", json!(1.0)),
        ("b", json!(true)),
        ("b", json!(false)),
        ("list", json!(["a", "b"])),
        ("list", json!([])),
        ("list", json!(many)),
        ("list", json!(&many[1..])),
        // By the types of this SDK these are no values.
        ("none", json!(null)),
        ("list", json!(["a", null])),
        ("list", json!([["a"], "b"])),
        ("object", json!({"a": 1})),
        ("grant_type", json!("x")),
        ("Scope", json!("x")),
        ("CLIENT_ID", json!("x")),
        ("resource", json!("x")),
        ("organization", json!("x")),
        ("actor_token", json!("x")),
        (" scope", json!("x")),
        ("", json!("x")),
        ("a b", json!("x")),
        ("a.b-c_d", json!("x")),
        ("a[b]", json!("x")),
        ("\u{e9}", json!("x")),
        ("e", json!("\u{e9}&=+%")),
    ] {
        let label = format!("exchange extra {name:?}={}", super::shown(&value));
        list.add(label, move |draft| {
            arguments(draft)["extra"][name] = value.clone()
        });
    }
}

fn credentials(list: &mut List) {
    for member in ["client_id", "client_secret"] {
        list.add(format!("credentials no {member}"), move |draft| {
            draft.options.remove(member);
        });
        for value in ["a:b", "a%b", "a b", "\u{e9}", "a+b"] {
            list.add(format!("credentials {member}={value:?}"), move |draft| {
                draft.options.insert(member.to_owned(), value.into());
            });
        }
    }
}

fn endpoint(list: &mut List) {
    let of: Members = |draft| Some(&mut draft.metadata);
    let places = [
        "https://other.example/token",
        "http://tenant.example/token",
        "/token",
        "https://tenant.example/other",
    ];
    let places = places
        .into_iter()
        .map(Value::from)
        .chain([json!(null), json!("")]);
    list.members("endpoint metadata", "token_endpoint", places, of);
    let issuers = [
        json!("https://other.example/"),
        json!("https://tenant.example"),
    ];
    list.members("endpoint metadata", "issuer", issuers, of);
    list.add("endpoint metadata cannot be had", |draft| {
        draft.metadata_missing = true
    });
}

fn answers(list: &mut List) {
    for (name, values) in [
        (
            "expires_in",
            &[
                json!(60),
                json!(-1),
                json!(60.9),
                json!("60"),
                json!("-1"),
                json!(" 60 "),
                json!("+5"),
                json!("3_600"),
                json!("6.5"),
                json!("x"),
                json!(1e300),
                json!(u64::MAX),
            ][..],
        ),
        ("access_token", &[json!("x")]),
        ("token_type", &[json!("DPoP"), json!("N_A")]),
        ("issued_token_type", &[json!("urn:x")]),
        ("scope", &[json!("a b")]),
        ("id_token", &[json!("x")]),
        ("refresh_token", &[json!("x")]),
        ("other", &[json!("x")]),
    ] {
        let change = move |draft: &mut Draft, value: Option<&Value>| {
            let mut body: Value = serde_json::from_str(&draft.endpoint.body).unwrap_or_default();
            if let Some(members) = body.as_object_mut() {
                match value {
                    Some(value) => members.insert(name.to_owned(), value.clone()),
                    None => members.remove(name),
                };
                draft.endpoint.body = body.to_string();
            }
        };
        for value in values.iter().cloned().chain(odd()) {
            let label = format!("endpoint answer {name}={value}");
            list.add(label, move |draft| change(draft, Some(&value)));
        }
        list.add(format!("endpoint answer {name} absent"), move |draft| {
            change(draft, None)
        });
    }
    let refused = r#"{"error":"invalid_grant","error_description":"The token is old"}"#;
    for (status, content_type, body) in [
        (200, "application/json", ""),
        (200, "application/json", "x"),
        (200, "application/json", "[]"),
        (200, "application/json", "null"),
        (200, "application/json", "5"),
        (200, "text/plain", r#"{"access_token":"x","expires_in":5}"#),
        (200, "application/json", "\u{feff}{\"access_token\":\"x\"}"),
        (
            200,
            "application/json",
            r#"{"access_token":"x","access_token":"y"}"#,
        ),
        (201, "application/json", r#"{"access_token":"x"}"#),
        (204, "application/json", ""),
        (302, "application/json", refused),
        (400, "application/json", refused),
        (401, "text/json", refused),
        (403, "application/problem+json; charset=utf-8", refused),
        (400, "text/plain", refused),
        (429, "application/json", refused),
        (500, "text/html", "<html>"),
        (500, "application/json", "x"),
        (400, "application/json", "[]"),
        (400, "application/json", "null"),
        (400, "application/json", "{}"),
        (400, "application/json", r#"{"error":5}"#),
        (400, "application/json", r#"{"error":""}"#),
        (400, "application/json", r#"{"error":null}"#),
        (
            400,
            "application/json",
            r#"{"error":"a","error_description":5}"#,
        ),
        (
            400,
            "application/json",
            r#"{"error":"a\"\n","error_description":""}"#,
        ),
    ] {
        list.add(
            format!("endpoint answers {status} {content_type} {body:?}"),
            move |draft| {
                draft.endpoint = Answer {
                    status,
                    content_type,
                    body: body.to_owned(),
                };
            },
        );
    }
}
