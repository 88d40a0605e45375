//! Invalid options, and options from the environment.

use std::time::{Duration, UNIX_EPOCH};

use a0_testkit::EncryptionKey;
use auth0_api::{
    ApiClient, Builder, ClientAuth, DecryptionKey, DpopMode, RequestContext, ResolverContext,
};

fn complete() -> Builder {
    ApiClient::builder()
        .domain("tenant.example")
        .audience("https://api.example/")
}

fn description(builder: Builder) -> String {
    let error = builder.build().unwrap_err();
    assert!(error.challenges().is_empty(), "{error:?}");
    let actual = (error.status_code().as_u16(), error.error_code());
    assert_eq!(actual, (500, "invalid_configuration"), "{error:?}");
    error.error_description()
}

#[test]
fn an_invalid_option_is_refused_with_an_explanation() {
    let audience = "The argument 'audience' is required but was not provided. \
                    Set the option audience, or AUTH0_AUDIENCE and call from_env.";
    let domain = "Must provide either 'domain' or 'domains' parameter. Use 'domain' for \
                  single-domain mode, 'domains' for multi-domain support. The variables are \
                  AUTH0_DOMAIN and AUTH0_DOMAINS, with from_env.";
    let white_space =
        "audience (AUTH0_AUDIENCE) must have no white space around it and no control characters";
    let quoted = "audience (AUTH0_AUDIENCE) must not be quoted: an API identifier has no quotes";
    let no_url = "with DPoP required, set public_url to the URL by which clients know this API, such as \
                  https://api.example/v1; or url_in_requests, if every request brings its URL";
    let realm = "realm must be printable ASCII without quotes and backslashes, and not empty";
    let metadata = "resource_metadata must be an https URL without credentials and fragment, such as \
                    https://api.example/.well-known/oauth-protected-resource";
    let no_decryption_key =
        "encrypted_only needs the keys to decrypt tokens with: set decryption_keys";
    let shared_key_id = "decryption_keys: more than 2 decryption keys have the same 'kid', or none";
    let decryption_keys = "decryption_keys: from 1 to 16 decryption keys are allowed";
    let decryption_key = EncryptionKey::cached("api").unwrap().private_pem().unwrap();
    let decryption_key = DecryptionKey::from_pem(&decryption_key).unwrap();
    let post = || ClientAuth::post("id", "secret").unwrap();
    let resolver = |_: &ResolverContext<'_>| Err("no domains");
    for (builder, expected) in [
        (ApiClient::builder().domain("tenant.example"), audience),
        (complete().audience(""), audience),
        (complete().audience("  "), audience),
        (complete().audience(" https://a/"), white_space),
        (complete().audience("https://a/\n"), white_space),
        (complete().audience("https://a/\0b"), white_space),
        (complete().audience("\"https://a/\""), quoted),
        (complete().audience("'https://a/'"), quoted),
        (
            complete()
                .from_vars(|name| (name == "AUTH0_AUDIENCE").then(|| "\"https://a/\"".into())),
            quoted,
        ),
        (complete().encrypted_only(), no_decryption_key),
        (
            complete().decryption_keys(vec![decryption_key.clone(); 3]),
            shared_key_id,
        ),
        (
            complete().decryption_keys(vec![decryption_key.clone(); 17]),
            decryption_keys,
        ),
        (complete().decryption_keys([]), decryption_keys),
        (complete().dpop(DpopMode::Required), no_url),
        (complete().realm(""), realm),
        (complete().realm("say \"api\""), realm),
        (complete().realm("a\\b"), realm),
        (complete().realm("a\r\nb"), realm),
        (complete().realm("caf\u{e9}"), realm),
        (complete().resource_metadata(""), metadata),
        (complete().resource_metadata("/.well-known/x"), metadata),
        (
            complete().resource_metadata("http://api.example/x"),
            metadata,
        ),
        (
            complete().resource_metadata("http://localhost.example/x"),
            metadata,
        ),
        (
            complete().resource_metadata("http://127.0.0.1.example/x"),
            metadata,
        ),
        (
            complete().resource_metadata("https://user@api.example/x"),
            metadata,
        ),
        (
            complete().resource_metadata("https://api.example/x#y"),
            metadata,
        ),
        (
            complete().resource_metadata("https://api.example/\"x"),
            metadata,
        ),
        (
            complete().resource_metadata("https://api.example/x y"),
            metadata,
        ),
        (
            complete().resource_metadata("https://api.example/\r\nx"),
            metadata,
        ),
        (complete().acr_claim(" "), "acr_claim cannot be blank"),
        (
            complete().auth_time_claim(""),
            "auth_time_claim cannot be blank",
        ),
        (
            complete().scope_implies("write orders", ["a"]),
            "scope_implies: write orders is not a scope: use printable ASCII without spaces, quotes and \
             backslashes (RFC 6749 section 3.3)",
        ),
        (
            complete().scope_implies("a", ["b", ""]),
            "scope_implies:  is not a scope: use printable ASCII without spaces, quotes and \
             backslashes (RFC 6749 section 3.3)",
        ),
        (
            complete().initial_keys("typo.example", "{}", UNIX_EPOCH),
            "initial_keys: typo.example: this API does not accept tokens of this domain",
        ),
        (
            complete().initial_keys("tenant.example", r#"{"keys":[]}"#, UNIX_EPOCH),
            "initial_keys: tenant.example: the key set has no entries",
        ),
        (
            complete().issuer_algorithms("typo.example", ["RS256"]),
            "issuer_algorithms: typo.example: this API does not accept tokens of this domain",
        ),
        (
            complete().issuer_algorithms("tenant.example", ["HS256"]),
            "issuer_algorithms: Symmetric algorithm 'HS256' is not supported. \
             Only asymmetric algorithms (e.g., RS256) are allowed.",
        ),
        (
            ApiClient::builder()
                .domains(["a.example"])
                .audience("a")
                .same_tenant(["b.example"]),
            "same_tenant names further domains of the tenant of 'domain': set domain (AUTH0_DOMAIN)",
        ),
        (
            complete().algorithms(["rs256"]),
            "algorithms: 'rs256' is not supported; use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, Ed448",
        ),
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
            complete().domains::<&str>([]),
            "domains list cannot be empty",
        ),
        (
            complete().domains(["a.example", " "]),
            "domains: domain must be a non-empty string",
        ),
        (
            complete().domains(["a.example", "https://b.example/x"]),
            "domains: invalid domain URL (path/query/fragment are not allowed)",
        ),
        (
            complete().domains(["a.example"]).domain("http://b.example"),
            "domain: invalid domain URL (https required)",
        ),
        (
            complete().domains(["a.example"]).domains_resolver(resolver),
            "set either domains or domains_resolver, not both",
        ),
        (
            complete().client_id("a").client_auth(post()),
            "set either client_id with client_secret or client_auth, not both",
        ),
        (
            complete().client_secret("a").client_auth(post()),
            "set either client_id with client_secret or client_auth, not both",
        ),
        (
            ApiClient::builder()
                .audience("a")
                .domains(["a.example"])
                .client_id("a"),
            "The 'domain' parameter is required when 'client_id' is configured.",
        ),
        (
            ApiClient::builder()
                .audience("a")
                .domains(["a.example"])
                .client_auth(post()),
            "The 'domain' parameter is required when 'client_id' is configured.",
        ),
        (
            complete().algorithms(["RS256", "HS256"]),
            "algorithms: Symmetric algorithm 'HS256' is not supported. \
             Only asymmetric algorithms (e.g., RS256) are allowed.",
        ),
        (
            complete().algorithms(["none"]),
            "algorithms: 'none' is not supported; use one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519, Ed448",
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
        assert_eq!(description(builder), expected);
    }
    for builder in [
        complete(),
        complete().audience("second"),
        complete().domains(["a.example"]),
        complete().domains_resolver(resolver),
        ApiClient::builder().audience("a").domains(["a.example"]),
        ApiClient::builder()
            .audience("a")
            .domains_resolver(resolver),
        complete().leeway(Duration::from_secs(300)),
        complete().cache_ttl(Duration::ZERO).cache_max_entries(2),
        complete().algorithms(auth0_api::jose::Algorithm::all().map(|algorithm| algorithm.name())),
        complete().timeout(Duration::MAX),
    ] {
        assert!(builder.build().is_ok());
    }
}

/// Another server could use an assertion at the server that it is meant for.
#[test]
#[cfg(feature = "private-key-jwt")]
fn client_assertions_are_only_for_the_issuer_of_the_domain() {
    for (issuer, accepted) in [
        ("https://tenant.example/", true),
        ("https://tenant.example", false),
        ("https://other.example/", false),
    ] {
        let key = auth0_api::jose::SigningKey::generate_es256().unwrap();
        let auth = ClientAuth::private_key_jwt("id", issuer, None, key).unwrap();
        let outcome = complete().client_auth(auth).build();
        assert_eq!(outcome.is_ok(), accepted, "{issuer}");
    }
}

#[test]
#[cfg(feature = "private-key-jwt")]
fn a_worker_key_signs_what_the_tenant_accepts() {
    use auth0_api::{WorkerKey, WorkerToken};
    let tenant = a0_testkit::LocalTenant::new("tenant.example").unwrap();
    tenant.register_client("id", "secret");
    let client = complete().client_id("id").client_secret("secret");
    let client = client.http_client(tenant.client()).build().unwrap();
    let get = |issuer: &str, age: u64| {
        let key = auth0_api::jose::SigningKey::generate_es256().unwrap();
        let worker = WorkerKey::new("id", issuer, Some("key-1"), key).unwrap();
        let then = tenant.now() - Duration::from_secs(age);
        let subject = worker.sign("auth0|ada", "nightly sync", Some("org_1"), then);
        let request = subject.unwrap();
        let request = WorkerToken::new("google-oauth2", &request);
        client.get_access_token_for_connection_as_worker(&request)
    };
    let token = get(tenant.issuer(), 0).unwrap();
    assert_eq!(token.access_token(), "google-oauth2:auth0|ada");
    // It is too old after a minute, and one for another tenant is not sent.
    assert_eq!(get(tenant.issuer(), 62).unwrap_err().status_code(), 502);
    let other = get("https://other.example/", 0).unwrap_err();
    assert_eq!(other.status_code(), 400);
    let sent = tenant.request_count(a0_testkit::Endpoint::Token);
    assert_eq!(sent, 2);
}

/// These options bound how long a removed key is used.
#[test]
fn resource_metadata_is_an_https_url_or_a_url_of_this_machine() {
    for url in [
        "https://api.example/.well-known/oauth-protected-resource/v1?a=b",
        "http://localhost:3000/.well-known/oauth-protected-resource",
        "http://127.0.0.1/.well-known/oauth-protected-resource",
        "http://[::1]:3000/.well-known/oauth-protected-resource",
    ] {
        let client = complete().resource_metadata(url).build().unwrap();
        let error = client.verify_request(RequestContext::new()).unwrap_err();
        let challenge = &error.challenges()[0];
        assert_eq!(challenge.get("resource_metadata"), Some(url));
    }
}

#[test]
fn cache_ttl_and_max_stale_have_limits() {
    let seconds = Duration::from_secs;
    let variable = |value: &'static str| {
        move |name: &str| (name == "AUTH0_CACHE_TTL").then(|| value.to_owned())
    };
    let environment = |value| complete().from_vars(variable(value));
    let ttl_limit = "cache_ttl must be at most 86400 seconds";
    let variable_limit = "cache_ttl (AUTH0_CACHE_TTL) must be at most 86400 seconds";
    let stale_limit = "max_stale must be at most 86400 seconds";
    let order = "max_stale must be zero, or at least cache_ttl";
    let day = seconds(24 * 60 * 60);
    let moment = Duration::from_nanos(1);
    for (builder, expected) in [
        (complete().cache_ttl(day), None),
        (complete().cache_ttl(day + moment), Some(ttl_limit)),
        (complete().cache_ttl(Duration::MAX), Some(ttl_limit)),
        (complete().max_stale(day), None),
        (complete().max_stale(day + moment), Some(stale_limit)),
        (complete().max_stale(Duration::MAX), Some(stale_limit)),
        (environment("86400"), None),
        (environment("86400.5"), Some(variable_limit)),
        (environment("1e15"), Some(variable_limit)),
        // The last value counts, and the error names its source.
        (environment("1e15").cache_ttl(seconds(600)), None),
        (environment("600").cache_ttl(Duration::MAX), Some(ttl_limit)),
        (
            complete().cache_ttl(day * 2).from_vars(variable("9e9")),
            Some(variable_limit),
        ),
        // `max_stale` follows `cache_ttl` unless it is given.
        (complete().cache_ttl(seconds(7200)), None),
        (
            complete().cache_ttl(seconds(3601)).max_stale(seconds(3600)),
            Some(order),
        ),
        (complete().max_stale(seconds(600) - moment), Some(order)),
        (complete().max_stale(seconds(600)), None),
        (complete().max_stale(Duration::ZERO), None),
        (complete().cache_ttl(Duration::ZERO).max_stale(moment), None),
        (
            environment("900").max_stale(seconds(600)),
            Some("max_stale must be zero, or at least cache_ttl (AUTH0_CACHE_TTL)"),
        ),
        (complete().max_wait(Duration::ZERO), None),
        (complete().max_wait(Duration::MAX), None),
    ] {
        match expected {
            Some(expected) => assert_eq!(description(builder), expected),
            None => drop(builder.build().unwrap()),
        }
    }
}

#[test]
fn a_client_is_clone_send_and_sync() {
    fn assert_traits<T: Clone + Send + Sync + std::fmt::Debug + 'static>(_: &T) {}
    assert_traits(&complete().build().unwrap());
}

#[test]
fn variables_set_options_and_an_error_names_the_invalid_one() {
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
    let one = [("AUTH0_DOMAINS", " b.example"), base[1]];
    assert_eq!(
        format!("{:?}", from(&one).build().unwrap()),
        "ApiClient { issuers: [Issuer(https://b.example/)], .. }"
    );
    for valid in ["0", "600", "2.5", " 7 ", ""] {
        let variables = [
            base[0],
            base[1],
            ("AUTH0_CACHE_TTL", valid),
            ("AUTH0_TIMEOUT", valid),
        ];
        assert!(from(&variables).build().is_ok(), "{valid:?}");
    }
    for (name, invalid, reason) in [
        (
            "AUTH0_CACHE_TTL",
            "-1",
            "must be a non-negative number of seconds",
        ),
        (
            "AUTH0_CACHE_TTL",
            "ten",
            "must be a non-negative number of seconds",
        ),
        (
            "AUTH0_CACHE_TTL",
            "NaN",
            "must be a non-negative number of seconds",
        ),
        (
            "AUTH0_TIMEOUT",
            "10s",
            "must be a non-negative number of seconds",
        ),
        (
            "AUTH0_TIMEOUT",
            "inf",
            "must be a non-negative number of seconds",
        ),
        (
            "AUTH0_TIMEOUT",
            "1e300",
            "must be a non-negative number of seconds",
        ),
        (
            "AUTH0_DOMAIN",
            "http://x",
            "cannot be used: invalid domain URL (https required)",
        ),
        (
            "AUTH0_DOMAIN",
            " ",
            "cannot be used: domain must be a non-empty string",
        ),
        ("AUTH0_AUDIENCE", " , ", "holds no value"),
        ("AUTH0_DOMAINS", ",", "holds no value"),
        ("AUTH0_CLIENT_ID", " ", "is blank"),
        ("AUTH0_CLIENT_SECRET", "\t", "is blank"),
        (
            "AUTH0_DOMAINS",
            "a.example,http://x",
            "cannot be used: invalid domain URL (https required)",
        ),
    ] {
        let variables: Vec<_> = base
            .into_iter()
            .filter(|(present, _)| *present != name)
            .chain([(name, invalid)])
            .collect();
        assert_eq!(
            description(from(&variables)),
            format!("{name} {reason}"),
            "{invalid}"
        );
    }
    // A variable replaces an earlier value. An absent or empty one does not.
    let replaced = complete().from_vars(|name| (name == "AUTH0_AUDIENCE").then(|| "b\n".into()));
    assert!(
        format!("{replaced:?}").contains(r#"audiences: ["b"]"#),
        "{replaced:?}"
    );
    let unchanged = complete().from_vars(|name| (name == "AUTH0_DOMAIN").then(String::new));
    assert!(unchanged.build().is_ok());
}

/// The table of `from_env`, for each mode set in code and each pair of variables.
#[test]
fn the_environment_can_strengthen_dpop_but_never_weaken_it() {
    use DpopMode::{Allowed, Disabled, Required};
    let both = || Err("AUTH0_DPOP_REQUIRED cannot be true where AUTH0_DPOP_ENABLED is false");
    let enabled = || Err("AUTH0_DPOP_ENABLED cannot be false where the option dpop is Required");
    let required = || Err("AUTH0_DPOP_REQUIRED cannot be false where the option dpop is Required");
    // The mode set in code. Each row of the table has the outcomes in the same order.
    let modes = [None, Some(Disabled), Some(Allowed), Some(Required)];
    let unchanged = [Ok(Allowed), Ok(Disabled), Ok(Allowed)];
    let table = [
        ("", "", unchanged, Ok(Required)),
        ("true", "", [Ok(Allowed); 3], Ok(Required)),
        ("false", "", [Ok(Disabled); 3], enabled()),
        ("", "true", [Ok(Required); 3], Ok(Required)),
        ("True", "TRUE", [Ok(Required); 3], Ok(Required)),
        ("False", "true", [both(); 3], both()),
        ("", "false", unchanged, required()),
        ("true", "false", [Ok(Allowed); 3], required()),
        ("false", "false", [Ok(Disabled); 3], enabled()),
    ];
    for (enabled, required, others, last) in table {
        for (mode, expected) in modes.into_iter().zip(others.into_iter().chain([last])) {
            let set_mode = |builder| mode.into_iter().fold(builder, Builder::dpop);
            let read_variables = |builder: Builder| {
                builder.from_vars(|name| match name {
                    "AUTH0_DPOP_ENABLED" => Some(enabled.to_owned()),
                    "AUTH0_DPOP_REQUIRED" => Some(required.to_owned()),
                    _ => None,
                })
            };
            let expected = expected.map_err(str::to_owned);
            let complete = || complete().public_url("https://api.example");
            for builder in [
                read_variables(set_mode(complete())),
                set_mode(read_variables(complete())),
            ] {
                let outcome = mode_of(builder);
                assert_eq!(outcome, expected, "{mode:?} {enabled:?} {required:?}");
            }
        }
    }
    // The last mode set in code counts, and a variable that is absent later keeps its earlier value.
    let required = |name: &str| (name == "AUTH0_DPOP_REQUIRED").then(|| "true".to_owned());
    let changed = complete().public_url("https://api.example");
    let changed = changed.dpop(Required).dpop(Disabled);
    assert_eq!(mode_of(changed.clone()), Ok(Disabled));
    assert_eq!(
        mode_of(changed.from_vars(required).from_vars(|_| None)),
        Ok(Required)
    );
    for name in ["AUTH0_DPOP_ENABLED", "AUTH0_DPOP_REQUIRED"] {
        let invalid = complete().from_vars(|other| (other == name).then(|| "yes".to_owned()));
        assert_eq!(
            description(invalid),
            format!("{name} must be true or false")
        );
    }
}

/// The DPoP mode of a client, read from its challenges.
fn mode_of(builder: Builder) -> Result<DpopMode, String> {
    let client = builder.build().map_err(|error| {
        assert_eq!(error.error_code(), "invalid_configuration");
        error.error_description()
    })?;
    let error = client
        .verify_request(
            RequestContext::new()
                .method("GET")
                .url("https://api.example"),
        )
        .unwrap_err();
    let schemes: Vec<_> = error.challenges().iter().map(|it| it.scheme()).collect();
    Ok(match schemes[..] {
        ["Bearer"] => DpopMode::Disabled,
        ["Bearer", "DPoP"] => DpopMode::Allowed,
        ["DPoP"] => DpopMode::Required,
        _ => panic!("{schemes:?}"),
    })
}

#[test]
fn the_first_of_several_invalid_variables_is_reported() {
    let invalid = |name: &str| (name != "AUTH0_DOMAIN").then(|| ",".to_owned());
    assert_eq!(
        description(complete().from_vars(invalid)),
        "AUTH0_DOMAINS holds no value"
    );
    let invalid_later = |name: &str| (name == "AUTH0_TIMEOUT").then(|| "x".to_owned());
    let both = complete().from_vars(invalid).from_vars(invalid_later);
    assert_eq!(description(both), "AUTH0_DOMAINS holds no value");
}

/// Variables belong to a process, so this test runs itself in a second process.
#[test]
fn from_env_reads_the_process_environment() {
    const ROLE: &str = "BUILDER_TEST_ROLE";
    if std::env::var_os(ROLE).is_some() {
        let text = match ApiClient::builder().from_env().build() {
            Ok(client) => format!("{client:?}"),
            Err(error) => error.to_string(),
        };
        println!("<<{text}>>");
        return;
    }
    let run = |domain: &std::ffi::OsStr| {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "builder::from_env_reads_the_process_environment",
                "--nocapture",
            ])
            .env(ROLE, "child")
            .env("AUTH0_DOMAIN", domain)
            .env("AUTH0_AUDIENCE", "https://api.example/")
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let start = text.find("<<").unwrap() + 2;
        text[start..text.find(">>").unwrap()].to_owned()
    };
    assert_eq!(
        run("tenant.example".as_ref()),
        "ApiClient { issuers: [Issuer(https://tenant.example/)], .. }"
    );
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let not_text = std::ffi::OsStr::from_bytes(b"tenant\xff.example");
        assert_eq!(run(not_text), "AUTH0_DOMAIN is not text");
    }
}
