//! The JSON parser: which texts are refused, and what is read from the others.

use a0_jose::json::{JsonError, Members, Node, parse_object};
use a0_jose::{Claims, Compact, base64url_encode};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::common::{MAX_SIZE, any_json};

/// The claims of a token with this payload.
fn claims(payload: &str) -> Claims {
    let token = format!("e30.{}.", base64url_encode(payload));
    let compact = Compact::parse(&token, MAX_SIZE).unwrap();
    compact.decode_payload().unwrap()
}

/// A member name in quotes. Its first letter is an escape if `escaped` is set.
fn quoted(name: &str, escaped: bool) -> String {
    let mut letters = name.chars();
    match letters.next() {
        Some(first) if escaped => format!("\"\\u{:04x}{}\"", u32::from(first), letters.as_str()),
        _ => format!("\"{name}\""),
    }
}

#[test]
fn duplicate_names_are_refused_at_any_depth_and_in_any_spelling() {
    let many = |last: &str| {
        let names = (0..40).map(|number| format!("\"n{number}\":{number},"));
        format!("{{{}{last}:0}}", names.collect::<String>())
    };
    let few = |last: &str| format!("{{\"a\":1,\"b\":{{\"c\":[]}},{last}:0}}");
    for text in [
        few("\"a\""),
        few("\"b\""),
        few("\"\\u0061\""),
        format!("{{\"x\":[0,{}]}}", few("\"a\"")),
        many("\"n0\""),
        many("\"n15\""),
        many("\"n16\""),
        many("\"n39\""),
        many("\"\\u006e39\""),
        many("\"\\u006e3\""),
        format!("{{\"x\":{{\"y\":{}}}}}", many("\"n17\"")),
        "{\"\\u0061\":1,\"\\u0061\":2}".to_owned(),
        "{\"\":1,\"\":2}".to_owned(),
        // The duplicate is found before the value is parsed.
        "{\"a\":1,\"a\":1e999}".to_owned(),
    ] {
        let refused = Err(JsonError::DuplicateMember);
        assert_eq!(parse_object(text.as_bytes()), refused, "{text}");
    }
    for text in [few("\"c\""), few("\"A\""), few("\"\""), many("\"n40\"")] {
        assert!(parse_object(text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn values_match_the_text_they_were_read_from() {
    let claims = claims(
        r#"{"plain":"a","esc\u0061ped":"\u00e9\"\\ \ud83d\ude00","é":"ü","":"","n":null,"t":true,
            "i":-7,"u":18446744073709551615,"f":1.5e3,"list":["x","\u0079",[],{}],"o":{"p":{"q":"r"}}}"#,
    );
    let members = claims.members();
    let text = |name: &str| members.get(name).and_then(Node::as_str);
    assert_eq!(text("plain"), Some("a"));
    assert_eq!(text("escaped"), Some("é\"\\ 😀"));
    assert_eq!(text("é"), Some("ü"));
    assert_eq!(text(""), Some(""));
    assert_eq!(text("esc"), None);
    assert_eq!(text("n"), None);
    assert!(claims.contains("n") && !claims.contains("q"));

    let [list, object, missing, twice] = members.find(["list", "o", "none", "o"]);
    assert!(missing.is_none());
    // If a name is requested twice, only the first position gets the member.
    assert!(twice.is_none());
    let [last, first] = members.find(["o", "plain"]);
    assert!(last.and_then(Node::as_object).is_some());
    assert_eq!(first.and_then(Node::as_str), Some("a"));
    let items: Vec<_> = list.unwrap().as_array().unwrap().collect();
    let texts: Vec<_> = items.iter().map(|item| item.as_str()).collect();
    assert_eq!(texts, [Some("x"), Some("y"), None, None]);
    assert_eq!(items[2].as_array().unwrap().count(), 0);
    assert!(items[3].as_object().unwrap().is_empty());
    let inner = object.unwrap().as_object().unwrap().get("p").unwrap();
    let inner = inner.as_object().unwrap();
    assert_eq!(inner.get("q").and_then(Node::as_str), Some("r"));
    assert!(inner.get("p").is_none());

    let numbers = ["i", "u", "f", "t"].map(|name| members.get(name).unwrap().as_f64());
    assert_eq!(
        numbers,
        [
            Some(-7.0),
            Some(18446744073709551615_u64 as f64),
            Some(1500.0),
            None
        ]
    );
    assert_eq!(claims.as_object()["list"], json!(["x", "y", [], {}]));
    assert_eq!(members.len(), 11);
    assert_eq!(
        format!("{:?}", object.unwrap().as_object().unwrap()),
        r#"{"p"}"#
    );
    assert!(!format!("{:?}", list.unwrap()).contains('x'));
}

/// Checks that every accessor of `node` returns what `value` contains.
fn agrees(node: Node<'_>, value: &Value) {
    assert_eq!(node.as_str(), value.as_str());
    assert_eq!(node.as_f64(), value.as_f64());
    assert_eq!(node.to_value(), *value);
    let items = node.as_array().map(Iterator::collect::<Vec<_>>);
    assert_eq!(items.as_ref().map(Vec::len), value.as_array().map(Vec::len));
    let wanted = value.as_array().into_iter().flatten();
    for (item, value) in items.into_iter().flatten().zip(wanted) {
        agrees(item, value);
    }
    let members = node.as_object();
    assert_eq!(members.is_some(), value.is_object());
    if let (Some(members), Some(object)) = (members, value.as_object()) {
        all_agree(members, object);
    }
}

fn all_agree(members: Members<'_>, object: &Map<String, Value>) {
    assert_eq!(members.len(), object.len());
    assert_eq!(members.is_empty(), object.is_empty());
    assert!(members.names().eq(object.keys()));
    for (name, value) in object {
        agrees(members.get(name).unwrap(), value);
    }
}

proptest! {
    #[test]
    fn nodes_and_owned_values_agree(value in any_json()) {
        let payload = json!({"value": value}).to_string();
        let claims = claims(&payload);
        let expected: Map<String, Value> = serde_json::from_str(&payload).unwrap();
        all_agree(claims.members(), &expected);
        prop_assert_eq!(claims.as_object(), &expected);
        prop_assert_eq!(claims.into_object(), expected);
    }

    #[test]
    fn names_are_compared_without_escapes(
        names in prop::collection::vec(("[ab]{0,4}", any::<bool>()), 0..30),
    ) {
        let members = names.iter().map(|(name, escaped)| format!("{}:{{\"a\":0}}", quoted(name, *escaped)));
        let text = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        let unique: std::collections::HashSet<_> = names.iter().map(|(name, _)| name).collect();
        match parse_object(text.as_bytes()) {
            Ok(object) => prop_assert_eq!(object.len(), names.len()),
            Err(error) => prop_assert_eq!(error, JsonError::DuplicateMember),
        }
        prop_assert_eq!(parse_object(text.as_bytes()).is_ok(), unique.len() == names.len());
    }
}
