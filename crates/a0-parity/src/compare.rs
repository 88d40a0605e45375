//! The differences between the two outcomes of one case.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

pub(crate) const ACCEPTED: &str = "accepted";
/// The beginning of a refusal.
pub(crate) const REFUSED: &str = "refused: ";

/// One value that differs, in the words of each side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// `verdict` or a field of [`parts`]; or `sequence` or `option`, which no row explains.
    pub(crate) field: &'static str,
    pub(crate) reference: String,
    pub(crate) own: String,
}

impl Difference {
    pub(crate) fn new(
        field: &'static str,
        reference: impl Into<String>,
        own: impl Into<String>,
    ) -> Self {
        let (reference, own) = (reference.into(), own.into());
        Difference {
            field,
            reference,
            own,
        }
    }
}

pub(crate) fn differences(reference: &Value, own: &Value) -> Vec<Difference> {
    let verdicts = [reference, own].map(verdict);
    if verdicts[0] != verdicts[1] {
        let texts = [reference, own].map(|outcome| text(outcome, "text"));
        let [reference, own] = [0, 1].map(|side| format!("{}{}", verdicts[side], texts[side]));
        return vec![Difference::new("verdict", reference, own)];
    }
    let both_have = |name: &str| !reference[name].is_null() && !own[name].is_null();
    let is_compared = |field| match field {
        // The errors of the helpers have no status, code or challenge.
        "status" | "code" | "challenge" => both_have("status"),
        // A side that refuses before it calls the resolver gives it nothing.
        "resolver" => verdicts[0] == ACCEPTED || both_have("given"),
        _ => true,
    };
    let mut found = Vec::new();
    for ((field, reference), (_, own)) in parts(reference).into_iter().zip(parts(own)) {
        if is_compared(field) {
            let pairs = by_member(&reference, &own).into_iter();
            let different = pairs.filter(|[reference, own]| reference != own);
            found.extend(different.map(|[reference, own]| Difference::new(field, reference, own)));
        }
    }
    found
}

fn parts(outcome: &Value) -> [(&'static str, Value); 9] {
    let of_kind = |name: &str| format!("{} {}", text(outcome, "kind"), outcome[name]).into();
    let (value, sent) = (&outcome["value"], &outcome["sent"][0]);
    // A text in place of claims stays JSON, in which it differs from a number.
    let json = |it: &Value| it.as_str().map(|_| it.to_string().into());
    [
        ("text", text(outcome, "text").into()),
        ("claims", json(value).unwrap_or(value.clone())),
        ("status", of_kind("status")),
        ("code", of_kind("code")),
        ("challenge", challenge(outcome).into()),
        ("form", form(text(sent, "form"))),
        ("authorization", credentials(&sent["authorization"]).into()),
        ("network", outcome["network"].clone()),
        ("resolver", outcome["given"].clone()),
    ]
}

fn text<'v>(of: &'v Value, name: &str) -> &'v str {
    of[name].as_str().unwrap_or_default()
}

/// Returns the members of two objects by name, or the two values if one is no object.
fn by_member(reference: &Value, own: &Value) -> Vec<[String; 2]> {
    let (Some(references), Some(owns)) = (reference.as_object(), own.as_object()) else {
        let shown = |it: &Value| it.as_str().map_or(it.to_string(), str::to_owned);
        return vec![[shown(reference), shown(own)]];
    };
    let names: BTreeSet<&String> = references.keys().chain(owns.keys()).collect();
    let pairs = names.into_iter().map(|name| {
        [references, owns].map(|members| match members.get(name) {
            Some(value) => format!("{name}={value}"),
            None => format!("{name} absent"),
        })
    });
    pairs.collect()
}

/// Returns the parameters of a form, each with its values in their order.
fn form(text: &str) -> Value {
    let mut parameters = Map::new();
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
    let pair = field.strip_prefix("Basic ").map(|it| STANDARD.decode(it));
    match pair {
        Some(Ok(pair)) => String::from_utf8_lossy(&pair).into_owned(),
        _ => field.to_owned(),
    }
}

fn verdict(outcome: &Value) -> String {
    if !outcome["failed"].is_null() {
        format!("failed: {}", text(outcome, "failed"))
    } else if outcome["kind"].is_null() {
        ACCEPTED.to_owned()
    } else {
        format!("{REFUSED}{}: ", text(outcome, "kind"))
    }
}

/// Returns the challenge without its description, which is compared as the text.
fn challenge(outcome: &Value) -> String {
    let challenge = outcome["challenge"].as_str().unwrap_or("none");
    let Some((before, rest)) = challenge.split_once(", error_description=\"") else {
        return challenge.to_owned();
    };
    // A description of the reference may contain quotes: it ends where the next parameter begins.
    let next = ["\", algs=", "\", DPoP"].map(|next| rest.find(next));
    let end = next.into_iter().chain([rest.rfind('"')]).flatten().min();
    let after = rest.get(end.unwrap_or_default() + 1..);
    format!("{before}{}", after.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(reference: Value, own: Value) -> Vec<String> {
        let found = differences(&reference, &own).into_iter();
        let shown = found.map(|it| format!("{}: {} / {}", it.field, it.reference, it.own));
        shown.collect()
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
        let [one, text] = [json!({"value": 1}), json!({"value": "1"})];
        assert_eq!(fields(one, text), ["claims: 1 / \"1\""]);
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
