#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn members_are_kept_down_to_the_third_level() {
    let body = br#" {"a\u0062": 1.5e3, "params": {"_meta": {"v": "x", "deep": {"y": 1}}, "list": [1, {}]}} "#;
    let value = read(body).unwrap();
    assert_eq!(value.get("ab"), Some(&Value::Number("1.5e3")));
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
    assert!(read(format!("{{{}}}", names.join(",")).as_bytes()).is_ok());
    for again in [3, 30] {
        let body = format!("{{{},\"n{again}\":0}}", names.join(","));
        assert_eq!(read(body.as_bytes()), Err(JsonError::DuplicateName));
    }
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
    fn strings_are_read_as_serde_json_reads_them(name in "\\PC*", text in any::<String>()) {
        prop_assume!(!name.starts_with(PRIVATE));
        let body = json!({ name.clone(): text }).to_string();
        let value = read(body.as_bytes()).unwrap();
        prop_assert_eq!(value.get(&name).and_then(Value::as_str), Some(&*text));
    }
}
