//! What cannot be configured, and what the environment may say.

use std::time::Duration;

use auth0_api::{ApiClient, Builder, ErrorKind};

fn complete() -> Builder {
    ApiClient::builder()
        .domain("tenant.example")
        .audience("https://api.example/")
}

fn refusal(builder: Builder) -> String {
    let error = builder.build().unwrap_err();
    assert!(error.challenges().is_empty(), "{error:?}");
    let expected = match error.kind() {
        ErrorKind::MissingRequiredArgument { .. } => (400, "invalid_request"),
        _ => (500, "invalid_configuration"),
    };
    assert_eq!((error.status_code().as_u16(), error.error_code()), expected);
    error.error_description()
}

#[test]
fn unusable_options_are_refused_with_what_to_do() {
    let audience = "The argument 'audience' is required but was not provided.";
    let domain = "Must provide the 'domain' parameter, the domain of the tenant.";
    for (builder, expected) in [
        (ApiClient::builder().domain("tenant.example"), audience),
        (complete().audience(""), audience),
        (complete().audience("  "), audience),
        (ApiClient::builder().audience("a"), domain),
        (complete().domain(""), domain),
        (
            complete().domain("  "),
            "domain: domain must be a non-empty string",
        ),
        (
            complete().domain("http://tenant.example"),
            "domain: invalid domain URL (https required)",
        ),
        (
            complete().domain("tenant.example/x"),
            "domain: invalid domain URL (path/query/fragment are not allowed)",
        ),
        (
            complete().algorithms(["RS256", "HS256"]),
            "algorithms: Symmetric algorithm 'HS256' is not supported. \
             Only asymmetric algorithms (e.g., RS256) are allowed.",
        ),
        (
            complete().algorithms(["none"]),
            "algorithms: Algorithm is not supported",
        ),
        (
            complete().algorithms::<&str>([]),
            "algorithms cannot be empty",
        ),
        (
            complete().leeway(Duration::from_secs(301)),
            "leeway must be at most 300 seconds",
        ),
        (
            complete().cache_max_entries(1),
            "cache_max_entries must be an integer greater than 1",
        ),
        (
            complete().trusted_endpoints(["http://keys.example"]),
            "trusted_endpoints: not an https origin: \
             give scheme, host and port only, as in https://keys.example:8443",
        ),
    ] {
        assert_eq!(refusal(builder), expected);
    }
    for builder in [
        complete(),
        complete().audience("second"),
        complete().leeway(Duration::from_secs(300)),
        complete().cache_ttl(Duration::ZERO).cache_max_entries(2),
        complete().algorithms(auth0_api::Algorithm::all().map(|algorithm| algorithm.name())),
        complete().timeout(Duration::MAX),
    ] {
        assert!(builder.build().is_ok());
    }
}

#[test]
fn a_client_is_made_for_many_threads() {
    fn shared<T: Clone + Send + Sync + std::fmt::Debug + 'static>(_: &T) {}
    shared(&complete().build().unwrap());
}

#[test]
fn variables_set_options_and_a_bad_one_is_named() {
    let from = |variables: &[(&'static str, &'static str)]| {
        let variables = variables.to_vec();
        ApiClient::builder().from_vars(move |name| {
            variables
                .iter()
                .find(|(present, _)| *present == name)
                .map(|(_, value)| (*value).to_owned())
        })
    };
    let base = [
        ("AUTH0_DOMAIN", "tenant.example"),
        ("AUTH0_AUDIENCE", "a b,c, d"),
    ];
    assert!(from(&base).build().is_ok());
    assert_eq!(
        format!("{:?}", from(&base)),
        r#"Builder { domain: Some("tenant.example"), audiences: ["a", "b", "c", "d"], .. }"#
    );
    for good in ["0", "600", "2.5", " 7 ", ""] {
        let variables = [
            base[0],
            base[1],
            ("AUTH0_CACHE_TTL", good),
            ("AUTH0_TIMEOUT", good),
        ];
        assert!(from(&variables).build().is_ok(), "{good:?}");
    }
    for name in ["AUTH0_CACHE_TTL", "AUTH0_TIMEOUT"] {
        for bad in ["-1", "ten", "10s", "NaN", "inf", "1e300"] {
            let variables = [base[0], base[1], (name, bad)];
            assert_eq!(
                refusal(from(&variables)),
                format!("{name} must be a non-negative number of seconds"),
                "{bad}"
            );
        }
    }
    // What was set before stays where a variable is absent or empty.
    let kept = complete().from_vars(|name| (name == "AUTH0_DOMAIN").then(String::new));
    assert!(kept.build().is_ok());
}
