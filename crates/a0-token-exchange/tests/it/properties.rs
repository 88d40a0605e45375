//! Properties that hold for any input.

use crate::support::{client, form, now, parameter};
use a0_token_exchange::{RequestError, TokenExchange};
use proptest::prelude::*;

const RESERVED: &[&str] = &[
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "actor_token",
    "actor_token_type",
    "subject_issuer",
    "audience",
    "aud",
    "resource",
    "resources",
    "resource_indicator",
    "scope",
    "connection",
    "login_hint",
    "organization",
    "assertion",
];

proptest! {
    /// The server decodes the form to exactly the request's parameters.
    #[test]
    fn a_form_decodes_to_its_parameters(
        token_type in ".+", audience in ".*", scope in ".*", organization in ".*",
        name in "x[a-zA-Z0-9._-]{0,9}", value in any::<String>(),
    ) {
        let request = TokenExchange::new("t", &token_type)
            .audience(&audience)
            .scope(&scope)
            .organization(&organization)
            .extra(&name, value.as_str());
        let request = client().exchange(&request).unwrap().prepare(now()).unwrap();
        prop_assert!(request.body().iter().all(u8::is_ascii_graphic));
        let mut expected = vec![
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", "t"),
            ("subject_token_type", &token_type),
        ];
        let optional = [("audience", &audience), ("scope", &scope), ("organization", &organization)];
        expected.extend(optional.into_iter().filter(|it| !it.1.is_empty()).map(|(n, v)| (n, v.as_str())));
        expected.push((&name, &value));
        let found = form(&request);
        let found: Vec<(&str, &str)> = found.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_token_is_sent_unchanged_or_refused(token in any::<String>()) {
        if let Ok(token_request) = client().exchange(&TokenExchange::new(&token, "urn:x")) {
            prop_assert_eq!(token.trim(), &token);
            let request = token_request.prepare(now()).unwrap();
            prop_assert_eq!(parameter(&request, "subject_token"), Some(token));
        }
    }

    #[test]
    fn a_reserved_name_never_passes(
        name in prop::sample::select(RESERVED),
        upper in prop::collection::vec(any::<bool>(), 32),
        around in prop::sample::select(&["", " ", "[]", "\0", "\u{200b}"][..]),
    ) {
        let name: String = name
            .chars()
            .zip(upper)
            .map(|(it, upper)| if upper { it.to_ascii_uppercase() } else { it })
            .collect();
        for name in [format!("{name}{around}"), format!("{around}{name}")] {
            let error = client().exchange(&TokenExchange::new("t", "x").extra(&name, "v")).unwrap_err();
            let as_expected = match around {
                "" => matches!(error, RequestError::ReservedParameter(_)),
                _ => error == RequestError::ParameterName,
            };
            prop_assert!(as_expected, "{:?}", error);
        }
    }

    #[test]
    fn no_parameter_name_panics(name in any::<String>(), value in any::<f64>()) {
        let _ = client().exchange(&TokenExchange::new("t", "x").extra(&name, value));
    }
}
