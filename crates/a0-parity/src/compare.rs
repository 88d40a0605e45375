//! What differs between two outcomes of one case.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

const ACCEPTED: &str = "accepted";

/// One thing that differs, with what each side says of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// `verdict`, `text`, `status`, `code`, `claims`, `challenge`, `form`, `authorization`,
    /// `resolver`, `network`, `sequence` or `option`.
    pub(crate) field: &'static str,
    pub(crate) reference: String,
    pub(crate) own: String,
}

impl Difference {
    /// A row lets this accept more after other calls than the reference does. This is no such case.
    pub(crate) fn mixture() -> Self {
        Difference {
            field: "sequence",
            reference: "refused by a new client with the documents of each call".to_owned(),
            own: "accepted".to_owned(),
        }
    }

    /// A row lets this accept more where it is told to. This is no such case.
    pub(crate) fn beyond_options() -> Self {
        Difference {
            field: "option",
            reference: "refused by this SDK without what only it can be told".to_owned(),
            own: "accepted".to_owned(),
        }
    }
}

pub(crate) fn differences(reference: &Value, own: &Value) -> Vec<Difference> {
    let verdicts = [verdict(reference), verdict(own)];
    if verdicts[0].0 != verdicts[1].0 {
        let [reference, own] = verdicts.map(|(kind, text)| format!("{kind}{text}"));
        return vec![Difference {
            field: "verdict",
            reference,
            own,
        }];
    }
    let accepted = verdicts[0].0 == ACCEPTED;
    let mut found = Vec::new();
    let mut compare = |field, reference: String, own: String| {
        if reference != own {
            found.push(Difference {
                field,
                reference,
                own,
            });
        }
    };
    let [reference_text, own_text] = verdicts.map(|(_, text)| text);
    compare("text", reference_text, own_text);
    for (reference, own) in by_member(&reference["value"], &own["value"]) {
        compare("claims", reference, own);
    }
    // The helpers have errors of their own, without what follows.
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
    // Whoever refuses before the resolver is asked gave it nothing.
    let given = [reference, own].map(|outcome| &outcome["given"]);
    if accepted || given.iter().all(|given| given.is_object()) {
        for (reference, own) in by_member(given[0], given[1]) {
            compare("resolver", reference, own);
        }
    }
    found
}

/// The members of two objects by name, or the two values as they are.
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

/// The parameters of a form, each with its values in their order.
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

/// The pair of Basic in the clear.
fn credentials(field: &Value) -> String {
    let field = field.as_str().unwrap_or("none");
    let pair = field
        .strip_prefix("Basic ")
        .and_then(|pair| STANDARD.decode(pair).ok());
    pair.map_or(field.to_owned(), |pair| {
        String::from_utf8_lossy(&pair).into_owned()
    })
}

/// The kind, and the text that goes with it.
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

/// Without the description, which is compared as the text.
fn challenge(outcome: &Value) -> String {
    let challenge = outcome["challenge"].as_str().unwrap_or("none");
    let Some((before, rest)) = challenge.split_once(", error_description=\"") else {
        return challenge.to_owned();
    };
    // A description of the reference may hold quotes: the parameter ends where another begins.
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
        for (member, value, expected) in [
            (
                "kind",
                json!("X"),
                "verdict: refused: VerifyAccessToken: t / refused: X: t",
            ),
            ("text", json!("u"), "text: t / u"),
            (
                "status",
                json!(400),
                "status: VerifyAccessToken 401 / VerifyAccessToken 400",
            ),
            (
                "code",
                json!("x"),
                r#"code: VerifyAccessToken "invalid_token" / VerifyAccessToken "x""#,
            ),
            (
                "challenge",
                json!("Bearer"),
                r#"challenge: Bearer error="invalid_token", DPoP algs="ES256" / Bearer"#,
            ),
        ] {
            assert_eq!(
                fields(refusal(|_| ()), refusal(|it| it[member] = value)),
                [expected]
            );
        }
        let accepted = json!({"value": {}, "sent": []});
        assert_eq!(
            fields(json!({"failed": "KeyError", "sent": []}), accepted.clone()),
            ["verdict: failed: KeyError / accepted"]
        );
        assert_eq!(
            fields(accepted, refusal(|_| ())),
            ["verdict: accepted / refused: VerifyAccessToken: t"]
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
