//! No response causes a panic, an empty token, or an expiry before the time of the request.

use crate::support::{NOW, exchange, now, response};
use a0_token_exchange::TokenClient;
use proptest::prelude::*;

fn check(status: u16, content_type: &str, body: &[u8]) {
    let Ok(token) = exchange().accept(response(status, content_type, body), now()) else {
        return;
    };
    assert_eq!(status, 200);
    assert!(!token.access_token().is_empty());
    assert!(token.expires_at() >= NOW);
}

fn json_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<i128>().prop_map(|it| it.to_string()),
        any::<f64>().prop_map(|it| format!("{it:e}")),
        "-?[0-9]{1,400}(\\.[0-9]{1,20})?(e[-+]?[0-9]{1,6})?",
        any::<String>().prop_map(|it| serde_json::Value::from(it).to_string()),
        "[-+ 0-9eE._]{0,30}".prop_map(|it| format!("\"{it}\"")),
        "[\\[\\]{}:,\"0-9a-z]{0,30}",
    ]
}

const NAMES: &[&str] = &[
    "access_token",
    "expires_in",
    "scope",
    "token_type",
    "issued_token_type",
    "id_token",
    "refresh_token",
    "error",
    "error_description",
    "other",
];

proptest! {
    #[test]
    fn any_octets(status in 100u16..=999, body in prop::collection::vec(any::<u8>(), 0..200)) {
        check(status, "application/json", &body);
    }

    #[test]
    fn any_members(
        status in prop::sample::select(&[200u16, 400][..]),
        members in prop::collection::vec((prop::sample::select(NAMES), json_value()), 0..8),
    ) {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        let body = format!("{{{}}}", members.join(","));
        check(status, "application/json", body.as_bytes());
        check(200, "", format!("{{\"access_token\":\"a\",{}", &body[1..]).as_bytes());
    }

    #[test]
    fn any_endpoint(url in "(https://)?[-a-z0-9.:@/?#%\\[\\]\\\\ \u{e9}]{0,40}") {
        let auth = a0_token_exchange::ClientAuth::basic("a", "b").unwrap();
        if let Ok(client) = TokenClient::new(&url, auth) {
            let parsed = url::Url::parse(&url);
            // A browser's parser may refuse the URL. If it accepts it, it sees the same parts.
            if let Ok(parsed) = parsed {
                prop_assert_eq!(parsed.scheme(), "https");
                prop_assert!(parsed.username().is_empty() && parsed.fragment().is_none());
            }
            let _ = format!("{client:?}");
        }
    }
}
