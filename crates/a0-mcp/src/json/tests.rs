#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

static INNER: Shape = Shape(&[("v", Keep::Scalar), ("deep", Keep::Scalar)]);
static PARAMS: Shape = Shape(&[("_meta", Keep::Object(&INNER)), ("list", Keep::Scalar)]);
static SHAPE: Shape = Shape(&[("ab", Keep::Scalar), ("params", Keep::Object(&PARAMS))]);

fn read(body: &[u8]) -> Result<Value<'_>, JsonError> {
    super::read(body, &SHAPE)
}

#[test]
fn the_members_of_a_shape_are_kept() {
    let body = br#" {"a\u0062": 1.5e3, "v": {"v": 1}, "params": {"_meta": {"v": "x", "deep": {"y": 1}}, "list": [1, {}]}} "#;
    let value = read(body).unwrap();
    assert_eq!(value.get("ab"), Some(&Value::Number("1.5e3")));
    assert_eq!(value.get("v"), None);
    let params = value.get("params").unwrap();
    let meta = params.get("_meta").unwrap();
    assert_eq!(meta.get("v").and_then(Value::as_str), Some("x"));
    assert_eq!(meta.get("deep"), Some(&Value::Other));
    assert_eq!(params.get("list"), Some(&Value::Other));
    assert_eq!(
        read(b"[{}, null]"),
        Ok(Value::Array(vec![Value::Object(vec![]), Value::Null]))
    );
}

#[test]
#[rustfmt::skip]
fn everything_else_is_refused() {
    let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
    assert!(read(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(read(&deep(MAX_DEPTH + 2)), Err(JsonError::TooDeep));
    assert_eq!(read(&deep(100_000)), Err(JsonError::TooDeep));
    for (body, error) in [
        (r#"{"a":1,"a":2}"#, JsonError::DuplicateName),
        (r#"{"a":1,"\u0061":2}"#, JsonError::DuplicateName),
        (r#"[[{"x":{"a":1,"a":1}}]]"#, JsonError::DuplicateName),
        (r#"{"$serde_json::private::RawValue":"{}"}"#, JsonError::PrivateName),
        (r#"{"a":[{"\u0024serde_json::private::Number":"1"}]}"#, JsonError::PrivateName),
    ] {
        assert_eq!(read(body.as_bytes()), Err(error), "{body}");
    }
    for body in [
        "", " ", "{", "}", "{}{}", "{} x", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "[1,]",
        "[1 2]", "01", "1.", ".5", "+1", "-", "1e", "1e+", "0x1", "NaN", "Infinity", "tru", "True", "nul", "\"",
        "\"a", "\"\n\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "/**/{}",
        "{}\0", "\u{feff}{}", "{\"a\":1}\u{b}", "\u{a0}{}",
    ] {
        assert_eq!(read(body.as_bytes()), Err(JsonError::Syntax), "{body:?}");
    }
    assert_eq!(read(b"\xff"), Err(JsonError::Syntax));
    assert_eq!(read(b"{\"\xc3\x28\":1}"), Err(JsonError::Syntax));
}

#[test]
fn many_names_are_compared_too() {
    let names: Vec<String> = (0..40).map(|it| format!("\"n{it}\":0")).collect();
    let all = names.join(",");
    assert!(read(format!("{{{all}}}").as_bytes()).is_ok());
    for again in [3, 30] {
        let body = format!("{{{all},\"n{again}\":0}}");
        assert_eq!(read(body.as_bytes()), Err(JsonError::DuplicateName));
    }
    // Objects inside and beside each other have names of their own.
    let body = format!("{{{all},\"x\":{{{all}}},\"y\":[{{{all}}},{{{all}}}],\"z\":0}}");
    assert!(read(body.as_bytes()).is_ok());
    let body = format!("{{{all},\"x\":{{{all}}},\"n7\":0}}");
    assert_eq!(read(body.as_bytes()), Err(JsonError::DuplicateName));
}

/// Names of one hash are compared letter by letter.
#[test]
fn names_of_one_hash_may_differ() {
    let names: String = (0..300_000).map(|it| format!("\"{it:x}\":0,")).collect();
    // Some of so many names have one hash of 32 bits.
    assert!(read(format!("{{{names}\"x\":0}}").as_bytes()).is_ok());
    let again = format!("{{{names}\"3\\u0039\":0}}");
    assert_eq!(read(again.as_bytes()), Err(JsonError::DuplicateName));
}

#[test]
fn a_batch_ends_while_it_is_read() {
    let batch = |length: usize| format!("[{}", vec!["{}"; length].join(","));
    assert!(read(format!("{}]", batch(MAX_BATCH)).as_bytes()).is_ok());
    // What comes after the limit is not looked at.
    let large = format!("{} no JSON", batch(MAX_BATCH + 1));
    assert_eq!(read(large.as_bytes()), Err(JsonError::LargeBatch));
    // The limit is about batches alone.
    let list = format!("{{\"list\":[0{}]}}", ",0".repeat(1000));
    assert!(read(list.as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn no_panic_and_no_text_that_serde_json_refuses(body in "\\PC*|[\\[\\]{}\",:0-9a-fe.\\\\u+ tn-]{0,40}") {
        let accepted = read(body.as_bytes()).is_ok();
        let number_out_of_range = |error: serde_json::Error| error.to_string().contains("out of range");
        match serde_json::from_str::<serde_json::Value>(&body) {
            Ok(_) => {}
            Err(error) => prop_assert!(!accepted || number_out_of_range(error), "{body}"),
        }
    }

    #[test]
    fn strings_are_read_as_serde_json_reads_them(name in any::<String>(), text in any::<String>()) {
        let body = json!({ name.clone(): text.clone() }).to_string();
        let mut cursor = Cursor::new(&body, 1);
        prop_assert_eq!(cursor.string().unwrap(), name);
        cursor.expect(b':').unwrap();
        prop_assert_eq!(cursor.string().unwrap(), text);
    }
}
