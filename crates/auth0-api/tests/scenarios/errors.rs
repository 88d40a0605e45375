//! Errors as HTTP answers, and what never gets into them.

use a0_testkit::{Endpoint, Fault};
use auth0_api::{Challenge, RequestContext};
use serde_json::json;

use super::{Driver, World};

pub fn rfc6750_3_every_error_is_an_http_answer<D: Driver>() {
    let world = World::<D>::new();
    let bearer =
        |token: &str| RequestContext::new().header("authorization", format!("Bearer {token}"));
    let expired = world.token().expires_in(-1).mint().unwrap();
    for (request, status, code, challenge) in [
        // RFC 6750 section 3.1: no credentials, no error.
        (
            RequestContext::new(),
            401,
            "invalid_request",
            r#"Bearer realm="api""#,
        ),
        (
            RequestContext::new().header("authorization", "Basic x"),
            401,
            "invalid_request",
            r#"Bearer realm="api""#,
        ),
        (
            bearer("x").header("authorization", "Bearer y"),
            400,
            "invalid_request",
            r#"Bearer realm="api", error="invalid_request", error_description="Multiple Authorization headers are not allowed""#,
        ),
        (
            bearer(&expired),
            401,
            "invalid_token",
            r#"Bearer realm="api", error="invalid_token", error_description="Token is expired""#,
        ),
    ] {
        let error = world.client.verify_request(request).unwrap_err();
        assert_eq!(error.status_code(), status);
        assert_eq!(error.error_code(), code);
        assert_eq!(error.www_authenticate().as_deref(), Some(challenge));
        let headers = error.headers();
        let sent: Vec<_> = headers.get_all("www-authenticate").iter().collect();
        assert_eq!(sent, [challenge]);
    }

    // Texts of the caller's own leave nothing that a field may not hold, and names stay unique.
    let world = World::<D>::with(|builder| builder.required_claims(["a\"b\\c\r\nd é"]));
    let token = world.token().mint().unwrap();
    let mut error = world.verify(&token).unwrap_err();
    assert_eq!(
        error.www_authenticate().unwrap(),
        r#"Bearer realm="api", error="invalid_token", error_description="Missing required claim: abcd ""#
    );
    assert_eq!(error.error_description(), "Missing required claim: abcd ");
    let metadata = "https://api.example/.well-known/oauth-protected-resource";
    for challenge in error.challenges_mut() {
        challenge.set("resource_metadata", metadata).unwrap();
        challenge.set("REALM", "other").unwrap();
        assert!(challenge.set("realm", "a\r\nb").is_err());
        assert!(challenge.set("a b", "x").is_err());
        assert!(challenge.set("", "x").is_err());
    }
    let text = error.www_authenticate().unwrap();
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
    let expected = "the server answered with status 500";
    assert_eq!(cause(&outage).as_deref(), Some(expected));
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
