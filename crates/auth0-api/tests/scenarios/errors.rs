//! Errors as HTTP answers, and what never gets into them.

use a0_testkit::{Endpoint, Fault};
use auth0_api::{Challenge, DpopMode, RequestContext};
use serde_json::json;

use super::{Driver, World};

/// Status, code and challenges of every kind of refusal, in every mode.
pub fn rfc6750_3_every_error_is_an_http_answer<D: Driver>() {
    const BEARER: &str = r#"Bearer realm="api""#;
    const DPOP: &str = r#"DPoP algs="ES256""#;
    let expired = |scheme: &str| match scheme {
        "Bearer" => {
            r#"Bearer realm="api", error="invalid_token", error_description="Token is expired""#
        }
        _ => r#"DPoP error="invalid_token", error_description="Token is expired", algs="ES256""#,
    };
    let two = |scheme: &str| match scheme {
        "Bearer" => {
            r#"Bearer realm="api", error="invalid_request", error_description="Multiple Authorization headers are not allowed""#
        }
        _ => {
            r#"DPoP error="invalid_request", error_description="Multiple Authorization headers are not allowed", algs="ES256""#
        }
    };
    let missing = r#"DPoP error="invalid_dpop_proof", error_description="The DPoP header with a proof is missing", algs="ES256""#;
    let several = r#"DPoP error="invalid_dpop_proof", error_description="Multiple DPoP proofs are not allowed", algs="ES256""#;
    let beside = r#"Bearer realm="api", error="invalid_request", error_description="DPoP proof requires DPoP authentication scheme, not Bearer""#;
    use DpopMode::{Allowed, Disabled, Required};

    let of = |world: &World<D>, what: &str| {
        let stale = world.token().expires_in(-1).mint().unwrap();
        let good = world.token().mint().unwrap();
        let bound = world
            .token()
            .claim("cnf", json!({"jkt": "x"}))
            .mint()
            .unwrap();
        let request = || {
            RequestContext::new()
                .method("GET")
                .url("https://api.example/")
        };
        let field = |value: String| request().header("authorization", value);
        let asked = |request: RequestContext<'static>| request.header("dpop", "a.b.c");
        let no_url = |value: String| RequestContext::new().header("authorization", value);
        match what {
            "nothing" => request(),
            "nothing, no URL" => RequestContext::new(),
            "Bearer, no URL" => no_url(format!("Bearer {stale}")),
            "no method" => request()
                .method("")
                .header("authorization", format!("DPoP {bound}")),
            "an empty field" => field(String::new()),
            "a scheme" => field("Bearer".into()),
            "Basic" => field(format!("Basic {good}")),
            "two fields" => field(format!("Bearer {good}")).header("authorization", "DPoP x"),
            "Bearer" => field(format!("Bearer {stale}")),
            "Bearer and a proof" => field(format!("Bearer {good}")).header("dpop", "a.b.c"),
            "DPoP" => asked(field(format!("DPoP {stale}"))),
            "DPoP without proof" => field(format!("DPoP {good}")),
            "DPoP, two proofs" => asked(field(format!("DPoP {good}"))).header("DPOP", "a.b.c"),
            "DPoP without URL" => asked(no_url(format!("DPoP {bound}"))),
            "DPoP, a relative URL" => asked(no_url(format!("DPoP {bound}")))
                .method("GET")
                .url("/orders"),
            other => panic!("{other}"),
        }
    };
    for (what, mode, status, code, challenges) in [
        // RFC 6750 section 3.1: no credentials, no error.
        ("nothing", Disabled, 401, "invalid_request", &[BEARER][..]),
        ("nothing", Allowed, 401, "invalid_request", &[BEARER, DPOP]),
        ("nothing", Required, 401, "invalid_request", &[DPOP]),
        // A scheme that the API cannot verify is not advertised.
        (
            "nothing, no URL",
            Allowed,
            401,
            "invalid_request",
            &[BEARER],
        ),
        ("nothing, no URL", Required, 401, "invalid_request", &[DPOP]),
        (
            "Bearer, no URL",
            Allowed,
            401,
            "invalid_token",
            &[expired("Bearer")],
        ),
        ("an empty field", Required, 401, "invalid_request", &[DPOP]),
        ("a scheme", Disabled, 401, "invalid_request", &[BEARER]),
        ("a scheme", Allowed, 401, "invalid_request", &[BEARER, DPOP]),
        ("a scheme", Required, 401, "invalid_request", &[DPOP]),
        ("Basic", Disabled, 401, "invalid_request", &[BEARER]),
        ("Basic", Allowed, 401, "invalid_request", &[BEARER, DPOP]),
        ("Basic", Required, 401, "invalid_request", &[DPOP]),
        (
            "two fields",
            Disabled,
            400,
            "invalid_request",
            &[two("Bearer")],
        ),
        (
            "two fields",
            Allowed,
            400,
            "invalid_request",
            &[two("Bearer"), DPOP],
        ),
        (
            "two fields",
            Required,
            400,
            "invalid_request",
            &[two("DPoP")],
        ),
        (
            "Bearer",
            Disabled,
            401,
            "invalid_token",
            &[expired("Bearer")],
        ),
        (
            "Bearer",
            Allowed,
            401,
            "invalid_token",
            &[expired("Bearer"), DPOP],
        ),
        ("Bearer", Required, 401, "invalid_request", &[DPOP]),
        (
            "Bearer and a proof",
            Allowed,
            400,
            "invalid_request",
            &[beside, DPOP],
        ),
        ("DPoP", Disabled, 401, "invalid_request", &[BEARER]),
        (
            "DPoP",
            Allowed,
            401,
            "invalid_token",
            &[expired("DPoP"), BEARER],
        ),
        ("DPoP", Required, 401, "invalid_token", &[expired("DPoP")]),
        (
            "DPoP without proof",
            Allowed,
            401,
            "invalid_dpop_proof",
            &[missing, BEARER],
        ),
        (
            "DPoP without proof",
            Required,
            401,
            "invalid_dpop_proof",
            &[missing],
        ),
        (
            "DPoP, two proofs",
            Allowed,
            401,
            "invalid_dpop_proof",
            &[several, BEARER],
        ),
        (
            "DPoP, two proofs",
            Required,
            401,
            "invalid_dpop_proof",
            &[several],
        ),
        // The API's omission: 401, so that a client goes on with the scheme that can be served.
        (
            "DPoP without URL",
            Allowed,
            401,
            "invalid_request",
            &[BEARER],
        ),
        (
            "DPoP, a relative URL",
            Allowed,
            401,
            "invalid_request",
            &[BEARER],
        ),
        (
            "DPoP without URL",
            Required,
            500,
            "invalid_configuration",
            &[],
        ),
        (
            "DPoP, a relative URL",
            Required,
            500,
            "invalid_configuration",
            &[],
        ),
    ] {
        let world = World::<D>::with(|builder| builder.dpop(mode).url_in_requests());
        let error = world
            .client
            .verify_request(of(&world, what))
            .expect_err(what);
        assert_eq!(error.status_code(), status, "{what}, {mode:?}");
        assert_eq!(error.error_code(), code, "{what}, {mode:?}");
        let headers = error.headers();
        let sent: Vec<_> = headers.get_all("www-authenticate").iter().collect();
        assert_eq!(sent, challenges, "{what}, {mode:?}");
        assert_eq!(world.fetches(), (0, 0), "{what}, {mode:?}");

        let shown = match error.error_description() {
            nothing if nothing.is_empty() => {
                "the request carries no credentials that this API accepts".to_owned()
            }
            description => description,
        };
        assert_eq!(error.to_string(), shown, "{what}, {mode:?}");

        // RFC 9110 section 11.6.1: the joined form reads back as the same list.
        let joined = error.www_authenticate().unwrap_or_default();
        if !challenges.is_empty() {
            assert_eq!(read_challenges(&joined), challenges, "{joined}");
        }
    }
    // A bearer token with a proof, where nobody looks at proofs.
    let world = World::<D>::with(|builder| builder.dpop(Disabled));
    assert!(
        world
            .client
            .verify_request(of(&world, "Bearer and a proof"))
            .is_ok()
    );

    // Texts of the caller's own leave nothing that a field may not hold, and names stay unique.
    let world = World::<D>::with(|builder| builder.required_claims(["a\"b\\c\r\nd é"]));
    let token = world.token().mint().unwrap();
    let mut error = world.verify(&token).unwrap_err();
    assert_eq!(
        error.www_authenticate().unwrap(),
        r#"Bearer realm="api", error="invalid_token", error_description="Missing required claim: abcd ", DPoP algs="ES256""#
    );
    assert_eq!(error.error_description(), "Missing required claim: abcd ");
    let metadata = "https://api.example/.well-known/oauth-protected-resource";
    let schemes: Vec<&str> = error.challenges().iter().map(Challenge::scheme).collect();
    assert_eq!(schemes, ["Bearer", "DPoP"]);
    for challenge in error.challenges_mut() {
        challenge.set("resource_metadata", metadata).unwrap();
        challenge.set("REALM", "other").unwrap();
        assert!(challenge.set("realm", "a\r\nb").is_err());
        assert!(challenge.set("a b", "x").is_err());
        assert!(challenge.set("", "x").is_err());
    }
    let text = error.challenges()[0].to_string();
    assert!(
        text.starts_with(r#"Bearer realm="other", error="#),
        "{text}"
    );
    assert!(
        text.ends_with(&format!(r#", resource_metadata="{metadata}""#)),
        "{text}"
    );
}

pub fn rfc6750_3_a_parameter_holds_the_allowed_characters_only<D: Driver>() {
    for octet in 0..=127_u8 {
        let allowed = matches!(octet, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let text = format!("a{}b", char::from(octet));
        let mut challenge = Challenge::bearer();
        assert_eq!(challenge.set("scope", &text).is_ok(), allowed, "{octet:#x}");

        // What comes from the configuration is cleaned instead.
        let world = World::<D>::with(|builder| builder.required_claims([text.as_str()]));
        let error = world.verify(&world.token().mint().unwrap()).unwrap_err();
        let said = error.challenges()[0]
            .get("error_description")
            .unwrap()
            .to_owned();
        let kept = if allowed { text } else { "ab".to_owned() };
        assert_eq!(said, format!("Missing required claim: {kept}"));
        assert_eq!(error.error_description(), said);
    }
}

pub fn errors_are_equal_by_what_they_say<D: Driver>() {
    let world = World::<D>::new();
    let refusal = |token: &str| world.verify(token).unwrap_err();
    let expired = world.token().expires_in(-1).mint().unwrap();
    assert_eq!(refusal(&expired), refusal(&expired));
    assert_ne!(refusal(&expired), refusal("x"));
    assert_ne!(refusal(&expired), refusal(""));
    let cause =
        |error: &auth0_api::Error| std::error::Error::source(error).map(ToString::to_string);
    assert_eq!(cause(&refusal(&expired)), None);
    world
        .tenant
        .misbehave(Endpoint::Discovery, Fault::status(500));
    let outage = refusal(&world.token().mint().unwrap());
    let expected = "no usable keys of https://tenant.example/";
    assert_eq!(cause(&outage).as_deref(), Some(expected));
    let source = std::error::Error::source(&outage).unwrap();
    let below = source.source().unwrap();
    assert_eq!(
        below.to_string(),
        "https://tenant.example/.well-known/openid-configuration"
    );
    assert_eq!(
        below.source().unwrap().to_string(),
        "the server answered with status 500"
    );
}

/// An operator reads what was expected and what was there; the response says neither.
pub fn a_diagnosis_says_what_was_expected_and_what_was_there<D: Driver>() {
    let world = World::<D>::new();
    let mint = |builder: a0_testkit::AccessTokenBuilder| builder.mint().unwrap();
    let good = mint(world.token());
    let audience = |value: &str| mint(world.tenant.access_token().audience(value));
    let close = super::AUDIENCE.trim_end_matches('/');
    let id_token = world.tenant.access_token().audience("the-client");
    let id_token = mint(
        id_token
            .claim("azp", "the-client")
            .claim("nonce", "n")
            .without_claim("scope"),
    );
    let foreign = mint(world.token().claim("iss", "https://other.example/"));
    for (token, expected) in [
        (
            audience("https://other.example/"),
            &["https://other.example/", super::AUDIENCE][..],
        ),
        (audience(close), &[close, "they differ only by a slash"]),
        (audience(&super::AUDIENCE.to_uppercase()), &["or in case"]),
        (audience("a\r\nb"), &["a\\r\\nb"]),
        (id_token, &["the-client", "looks like an ID token"]),
        (
            foreign,
            &[
                "https://other.example/",
                "accepts [\"https://tenant.example/\"]",
            ],
        ),
        (mint(world.token().expires_in(-5)), &["expires at"]),
        ("opaque".to_owned(), &["does not request an audience"]),
        (format!("\"{good}\""), &["quotes"]),
        (format!("Bearer {good}"), &["more than one scheme"]),
        ("a.b.c.d.e".to_owned(), &["encrypted"]),
    ] {
        let error = world.verify(&token).unwrap_err();
        let diagnosis = error.diagnosis().unwrap_or_default();
        for part in expected {
            assert!(diagnosis.contains(part), "{part}: {diagnosis}");
        }
        assert!(!diagnosis.contains(['\r', '\n']));
        for text in [
            error.to_string(),
            format!("{error:?}"),
            error.www_authenticate().unwrap_or_default(),
        ] {
            assert!(
                !text.contains("other.example") && !text.contains("the-client"),
                "{text}"
            );
        }
    }
    let long = audience(&"x".repeat(5000));
    assert!(world.verify(&long).unwrap_err().diagnosis().unwrap().len() < 500);
    assert_eq!(world.verify("").unwrap_err().diagnosis(), None);

    #[derive(Debug, serde::Deserialize)]
    struct Typed {
        #[serde(rename = "https://api.example/plan")]
        _plan: Plan,
    }
    #[derive(Debug, serde::Deserialize)]
    struct Plan {
        #[serde(rename = "seats")]
        _seats: u8,
    }
    for (claims, expected) in [
        (json!({}), "missing field `https://api.example/plan`"),
        (
            json!({"https://api.example/plan": {}}),
            "at https://api.example/plan: missing field `seats`",
        ),
        (
            json!({"https://api.example/plan": {"seats": "canary"}}),
            "at https://api.example/plan.seats: the claim does not have the type",
        ),
    ] {
        let builder = claims.as_object().unwrap().iter();
        let builder = builder.fold(world.token(), |builder, (name, value)| {
            builder.claim(name, value.clone())
        });
        let error = world
            .verify(&mint(builder))
            .unwrap()
            .typed::<Typed>()
            .unwrap_err();
        let diagnosis = error.diagnosis().unwrap();
        assert!(diagnosis.contains(expected), "{diagnosis}");
        assert!(!format!("{diagnosis} {error} {error:?}").contains("canary"));
    }
}

/// Reads a field of challenges as RFC 9110 section 11.6.1 has it, and writes each one out again.
fn read_challenges(field: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut part, mut quoted) = (String::new(), false);
    for character in field.chars() {
        quoted ^= character == '"';
        match character {
            ',' if !quoted => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    parts.push(part);
    let mut challenges: Vec<String> = Vec::new();
    for part in parts.iter().map(|part| part.trim()) {
        // A part that begins with a scheme has a space before its first `=`.
        let begins = part
            .find(' ')
            .is_some_and(|space| part.find('=').is_none_or(|equals| space < equals));
        match challenges.last_mut() {
            Some(last) if !begins => last.push_str(&format!(", {part}")),
            _ => challenges.push(part.to_owned()),
        }
    }
    challenges
}

/// Every text that an error can show, and everything below it.
fn everything(error: &auth0_api::Error) -> String {
    let mut text = format!(
        "{error} {error:?} {} {:?}",
        error.error_description(),
        error.headers()
    );
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!("\n{cause} {cause:?}"));
        source = cause.source();
    }
    text
}

pub fn no_error_holds_a_part_of_a_token_or_of_an_answer<D: Driver>() {
    const CANARY: &str = "cAnArY";
    let world = World::<D>::new();
    let token = || world.token().claim("canary", CANARY);
    let tokens = [
        CANARY.to_owned(),
        format!("{CANARY}.{CANARY}.{CANARY}"),
        token().header("alg", CANARY).mint().unwrap(),
        token().header("alg", format!("HS{CANARY}")).mint().unwrap(),
        token().header("typ", CANARY).mint().unwrap(),
        token()
            .header("kid", format!("{CANARY}\r\n\""))
            .mint()
            .unwrap(),
        token().header("crit", json!([CANARY])).mint().unwrap(),
        token().claim("iss", CANARY).mint().unwrap(),
        token()
            .claim("iss", format!("https://{CANARY}/"))
            .mint()
            .unwrap(),
        token().claim("aud", CANARY).mint().unwrap(),
        token().claim("exp", CANARY).mint().unwrap(),
        token().claim("sub", json!([CANARY])).mint().unwrap(),
        token().claim("cnf", CANARY).mint().unwrap(),
        token().expires_in(-1).mint().unwrap(),
        token().with_signature(CANARY).mint().unwrap(),
    ];
    for token in &tokens {
        let text = everything(&world.verify_bearer(token).unwrap_err());
        assert!(!text.contains(CANARY), "{text}");
        for segment in token.split('.').filter(|segment| segment.len() > 8) {
            assert!(!text.contains(segment), "{text}");
        }
    }
    for fault in [
        Fault::body(
            500,
            "application/json",
            format!(r#"{{"error":"{CANARY}"}}"#),
        ),
        Fault::body(
            200,
            "application/json",
            format!(r#"{{"issuer":"{CANARY}"}}"#),
        ),
        Fault::body(200, "application/json", CANARY),
        Fault::redirect(&format!("https://{CANARY}/")),
    ] {
        for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
            let world = World::<D>::new();
            world.tenant.misbehave(endpoint, fault.clone());
            let token = world.token().mint().unwrap();
            let text = everything(&world.verify_bearer(&token).unwrap_err());
            assert!(!text.contains(CANARY), "{text}");
            assert!(!text.contains("eyJ"), "{text}");
        }
    }
    let verified = world.verify(&token().mint().unwrap()).unwrap();
    assert!(!format!("{verified:?}").contains(CANARY));
    assert!(format!("{verified:?}").contains("canary"));
}
