//! Calls on one client, one after the other: what is kept from the first, and for how long.

use serde_json::{Value, json};

use super::List;
use crate::draft::{Draft, JWKS, Keys, METADATA, NOW};

/// The call that counts comes later than one for which the tenant was as it should be, unless the
/// name says otherwise. What else is changed about the tenant has changed in between.
pub(super) fn add(list: &mut List, keys: &Keys) {
    let good = Draft::new("verify_access_token", keys)
        .finish()
        .unwrap_or_default();
    for (seconds, max_age) in [
        (0, None),
        (20, None),
        (20, Some(15)),
        (20, Some(0)),
        (400, Some(15)),
        (700, None),
        (700, Some(100_000)),
        (2000, None),
        (4000, None),
    ] {
        let mut documents = good["documents"].clone();
        let mut kept = String::new();
        if let Some(age) = max_age {
            kept = format!(" than max-age={age}");
            for url in [METADATA, JWKS] {
                documents[url]["cache"] = format!("public, max-age={age}").into();
            }
        }
        let token = good["token"].clone();
        list.add(format!("later by {seconds} s{kept}"), move |draft| {
            draft.precede(earlier(draft, seconds, &documents, &token));
        });
    }
    // The tenant was not as it should be, and now it is.
    let of_another = with(
        &good["documents"],
        METADATA,
        r#"{"issuer":"https://other.example/"}"#,
    );
    let without_keys = with(&good["documents"], JWKS, r#"{"keys":[]}"#);
    for (seconds, what, documents) in [
        (0, "an outage", json!({})),
        (1, "an outage", json!({})),
        (2, "an outage", json!({})),
        (61, "an outage", json!({})),
        (20, "metadata of another issuer", of_another),
        (20, "an empty key set", without_keys),
    ] {
        let token = good["token"].clone();
        list.add(format!("later by {seconds} s than {what}"), move |draft| {
            draft.precede(earlier(draft, seconds, &documents, &token))
        });
    }
}

fn with(documents: &Value, url: &str, body: &str) -> Value {
    let mut documents = documents.clone();
    documents[url]["body"] = body.into();
    documents
}

fn earlier(draft: &Draft, seconds: i64, documents: &Value, token: &Value) -> Value {
    let mut step = json!({"now": NOW - seconds, "documents": documents, "required_claims": []});
    if draft.call.starts_with("verify_") {
        // One that is fetched for, whatever is wrong with the token of the call that counts.
        step["call"] = "verify_access_token".into();
        step["token"] = token.clone();
    }
    step
}
