//! The differences between the two outcomes of one case.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

const ACCEPTED: &str = "accepted";

/// One value that differs, in the words of each side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// `verdict`, `text`, `status`, `code`, `claims`, `challenge`, `form`, `authorization`,
    /// `resolver`, `network`, `sequence` or `option`.
    pub(crate) field: &'static str,
    pub(crate) reference: String,
    pub(crate) own: String,
}

impl Difference {
    fn new(field: &'static str, reference: impl Into<String>, own: impl Into<String>) -> Self {
        Difference {
            field,
            reference: reference.into(),
            own: own.into(),
        }
    }

    /// An acceptance after other calls that no row may explain.
    pub(crate) fn mixture() -> Self {
        let reference = "refused by a new client with the documents of each call";
        Difference::new("sequence", reference, ACCEPTED)
    }

    /// An acceptance with an option that no row may explain.
    pub(crate) fn beyond_options() -> Self {
        let reference = "refused by this SDK without its own options";
        Difference::new("option", reference, ACCEPTED)
    }
}

pub(crate) fn differences(reference: &Value, own: &Value) -> Vec<Difference> {
    let verdicts = [verdict(reference), verdict(own)];
    if verdicts[0].0 != verdicts[1].0 {
        let [reference, own] = verdicts.map(|(kind, text)| format!("{kind}{text}"));
        return vec![Difference::new("verdict", reference, own)];
    }
    let accepted = verdicts[0].0 == ACCEPTED;
    let mut found = Vec::new();
    let mut compare = |field, reference: String, own: String| {
        if reference != own {
            found.push(Difference::new(field, reference, own));
        }
    };
    let [reference_text, own_text] = verdicts.map(|(_, text)| text);
    compare("text", reference_text, own_text);
    for (reference, own) in by_member(&reference["value"], &own["value"]) {
        compare("claims", reference, own);
    }
    // The errors of the helpers have no status, code or challenge.
    if !reference["status"].is_null() && !own["status"].is_null() {
        let kind = reference["kind"].as_str().unwrap_or_default();
        for field in ["status", "code"] {
            let [reference, own] =
                [reference, own].map(|outcome| format!("{kind} {}", outcome[field]));
            compare(field, reference, own);
        }
        compare("challenge", challenge(reference), challenge(own));
    }
    let forms = [reference, own].map(|outcome| form(&outcome["sent"][0]["form"]));
    for (reference, own) in by_member(&forms[0], &forms[1]) {
        compare("form", reference, own);
    }
    let [reference_pair, own_pair] =
        [reference, own].map(|outcome| credentials(&outcome["sent"][0]["authorization"]));
    compare("authorization", reference_pair, own_pair);
    for (reference, own) in by_member(&reference["network"], &own["network"]) {
        compare("network", reference, own);
    }
    // A side that refuses before it calls the resolver gives it nothing.
    let given = [reference, own].map(|outcome| &outcome["given"]);
    if accepted || given.iter().all(|given| given.is_object()) {
        for (reference, own) in by_member(given[0], given[1]) {
            compare("resolver", reference, own);
        }
    }
    found
}

/// Returns the members of two objects by name, or the two values if one is no object.
fn by_member(reference: &Value, own: &Value) -> Vec<(String, String)> {
    let (Some(references), Some(owns)) = (reference.as_object(), own.as_object()) else {
        return vec![(reference.to_string(), own.to_string())];
    };
    let names: BTreeSet<&String> = references.keys().chain(owns.keys()).collect();
    let pairs = names.into_iter().map(|name| {
        [references, owns].map(|members| match members.get(name) {
            Some(value) => format!("{name}={value}"),
            None => format!("{name} absent"),
        })
    });
    pairs.map(|[reference, own]| (reference, own)).collect()
}

/// Returns the parameters of a form, each with its values in their order.
fn form(text: &Value) -> Value {
    let mut parameters = Map::new();
    let text = text.as_str().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let values = parameters.entry(name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(value.into());
        }
    }
    Value::Object(parameters)
}

/// Returns the decoded credentials of the scheme Basic, or the field as it is.
fn credentials(field: &Value) -> String {
    let field = field.as_str().unwrap_or("none");
    let pair = field
        .strip_prefix("Basic ")
        .and_then(|pair| STANDARD.decode(pair).ok());
    pair.map_or(field.to_owned(), |pair| {
        String::from_utf8_lossy(&pair).into_owned()
    })
}

/// Returns the kind of the outcome, and its text.
fn verdict(outcome: &Value) -> (String, String) {
    let text = |name: &str| outcome[name].as_str().unwrap_or_default();
    if !outcome["failed"].is_null() {
        (format!("failed: {}", text("failed")), String::new())
    } else if outcome["kind"].is_null() {
        (ACCEPTED.to_owned(), String::new())
    } else {
        (
            format!("refused: {}: ", text("kind")),
            text("text").to_owned(),
        )
    }
}

/// Returns the challenge without its description, which is compared as the text.
fn challenge(outcome: &Value) -> String {
    let challenge = outcome["challenge"].as_str().unwrap_or("none");
    let Some((before, rest)) = challenge.split_once(", error_description=\"") else {
        return challenge.to_owned();
    };
    // A description of the reference may contain quotes: it ends where the next parameter begins.
    let end = [
        rest.find("\", algs="),
        rest.find("\", DPoP"),
        rest.rfind('"'),
    ]
    .into_iter()
    .flatten()
    .min()
    .unwrap_or_default();
    format!("{before}{}", rest.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(reference: Value, own: Value) -> Vec<String> {
        let found = differences(&reference, &own);
        let shown = found.iter();
        shown
            .map(|it| format!("{}: {} / {}", it.field, it.reference, it.own))
            .collect()
    }

    fn refusal(change: impl FnOnce(&mut Value)) -> Value {
        let mut refusal = json!({
            "kind": "VerifyAccessToken", "text": "t", "status": 401, "code": "invalid_token",
            "challenge": r#"Bearer error="invalid_token", error_description="t", DPoP algs="ES256""#,
            "sent": [],
        });
        change(&mut refusal);
        refusal
    }

    #[test]
    fn every_part_of_a_refusal_is_compared() {
        assert_eq!(fields(refusal(|_| ()), refusal(|_| ())), [""; 0]);
        const CHANGES: &str = r#"
            kind "X" verdict: refused: VerifyAccessToken: t / refused: X: t
            text "u" text: t / u
            status 400 status: VerifyAccessToken 401 / VerifyAccessToken 400
            code "x" code: VerifyAccessToken "invalid_token" / VerifyAccessToken "x"
            challenge "Bearer" challenge: Bearer error="invalid_token", DPoP algs="ES256" / Bearer
        "#;
        for change in CHANGES.trim().lines() {
            let mut words = change.trim().splitn(3, ' ');
            let [member, value, expected] = [(); 3].map(|()| words.next().unwrap());
            let changed = refusal(|it| it[member] = value.parse().unwrap());
            assert_eq!(fields(refusal(|_| ()), changed), [expected]);
        }
        let (accepted, failed) = (json!({"value": {}}), json!({"failed": "KeyError"}));
        assert_eq!(
            [
                fields(failed, accepted.clone()),
                fields(accepted, refusal(|_| ()))
            ]
            .concat(),
            [
                "verdict: failed: KeyError / accepted",
                "verdict: accepted / refused: VerifyAccessToken: t",
            ]
        );
    }

    #[test]
    fn claims_and_forms_are_compared_by_member() {
        let outcome = |value: Value, form: &str, secret: &str| {
            let authorization = format!("Basic {}", STANDARD.encode(format!("id:{secret}")));
            json!({"value": value, "sent": [{"form": form, "authorization": authorization}]})
        };
        assert_eq!(
            fields(
                outcome(json!({"a": 1, "b": null}), "a=%C3%A9+x&b=1&b=2", "s"),
                outcome(json!({"b": null, "a": 1}), "b=1&b=2&a=%C3%A9%20x", "s"),
            ),
            [""; 0]
        );
        assert_eq!(
            fields(
                outcome(json!({"a": 1}), "b=1", "s"),
                outcome(json!({"a": "1"}), "c=1", "t")
            ),
            [
                "claims: a=1 / a=\"1\"",
                "form: b=[\"1\"] / b absent",
                "form: c absent / c=[\"1\"]",
                "authorization: id:s / id:t",
            ]
        );
    }

    #[test]
    fn what_a_resolver_was_given_is_compared_where_both_asked_it() {
        let outcome = |given: Value| json!({"value": {}, "given": given});
        let [a, b] = ["a", "b"].map(|url| json!({"url": url, "field x": ["1"]}));
        assert_eq!(fields(outcome(a.clone()), outcome(a.clone())), [""; 0]);
        assert_eq!(
            fields(outcome(a.clone()), outcome(b)),
            ["resolver: url=\"a\" / url=\"b\""]
        );
        assert_eq!(fields(outcome(a.clone()), outcome(Value::Null)).len(), 1);
        let asked = refusal(|it| it["given"] = a);
        assert_eq!(fields(asked, refusal(|_| ())), [""; 0]);
    }

    #[test]
    fn what_was_seen_on_the_wire_is_compared() {
        let seen = |text: &str| json!({"network": {"metadata": text}});
        assert_eq!(fields(seen("x"), seen("x")), [""; 0]);
        assert_eq!(
            fields(seen("x"), seen("y")),
            ["network: metadata=\"x\" / metadata=\"y\""]
        );
    }
}
