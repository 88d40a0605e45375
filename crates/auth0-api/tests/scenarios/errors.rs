//! Errors as HTTP responses, and the data that they never contain.

use a0_testkit::{Endpoint, Fault};
use auth0_api::{Challenge, DpopMode, ErrorKind, RequestContext, SchemeError};
use serde_json::json;

use super::{Driver, World};

/// Status, code and challenges of refused requests in each DPoP mode.
pub fn rfc6750_3_every_error_is_an_http_response<D: Driver>() {
    const BEARER: &str = r#"Bearer realm="api""#;
    const DPOP: &str = r#"DPoP algs="ES256""#;
    let expired =
        r#"Bearer realm="api", error="invalid_token", error_description="Token is expired""#;
    let expired_dpop =
        r#"DPoP error="invalid_token", error_description="Token is expired", algs="ES256""#;
    let two_fields = r#"Bearer realm="api", error="invalid_request", error_description="Multiple Authorization headers are not allowed""#;
    let two_fields_dpop = r#"DPoP error="invalid_request", error_description="Multiple Authorization headers are not allowed", algs="ES256""#;
    let no_proof = r#"DPoP error="invalid_dpop_proof", error_description="The DPoP header with a proof is missing", algs="ES256""#;
    let two_proofs = r#"DPoP error="invalid_dpop_proof", error_description="Multiple DPoP proofs are not allowed", algs="ES256""#;
    let with_proof = r#"Bearer realm="api", error="invalid_request", error_description="DPoP proof requires DPoP authentication scheme, not Bearer""#;
    use DpopMode::{Allowed, Disabled, Required};

    let request_for = |world: &World<D>, case: &str| {
        let expired = world.token().expires_in(-1).mint().unwrap();
        let valid = world.token().mint().unwrap();
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
        let add_proof = |request: RequestContext<'static>| request.header("dpop", "a.b.c");
        let no_url = |value: String| RequestContext::new().header("authorization", value);
        match case {
            "no credentials" => request(),
            "no credentials, no URL" => RequestContext::new(),
            "no credentials, no method" => request().method(""),
            "no credentials, a relative URL" => request().url("/orders"),
            "no proof, no URL" => no_url(format!("DPoP {bound}")),
            "two proofs, no URL" => add_proof(add_proof(no_url(format!("DPoP {bound}")))),
            "Bearer, no URL" => no_url(format!("Bearer {expired}")),
            "no method" => request()
                .method("")
                .header("authorization", format!("DPoP {bound}")),
            "an empty field" => field(String::new()),
            "a scheme" => field("Bearer".into()),
            "Basic" => field(format!("Basic {valid}")),
            "two fields" => field(format!("Bearer {valid}")).header("authorization", "DPoP x"),
            "Bearer" => field(format!("Bearer {expired}")),
            "Bearer and a proof" => field(format!("Bearer {valid}")).header("dpop", "a.b.c"),
            "DPoP" => add_proof(field(format!("DPoP {expired}"))),
            "DPoP without proof" => field(format!("DPoP {valid}")),
            "DPoP, two proofs" => add_proof(field(format!("DPoP {valid}"))).header("DPOP", "a.b.c"),
            "DPoP without URL" => add_proof(no_url(format!("DPoP {bound}"))),
            "DPoP, a relative URL" => add_proof(no_url(format!("DPoP {bound}")))
                .method("GET")
                .url("/orders"),
            other => panic!("{other}"),
        }
    };
    for (case, mode, status, code, challenges) in [
        // A scheme that the API cannot verify is not advertised.
        (
            "no credentials, no method",
            Allowed,
            401,
            "invalid_request",
            &[BEARER][..],
        ),
        (
            "no credentials, a relative URL",
            Allowed,
            401,
            "invalid_request",
            &[BEARER],
        ),
        (
            "no proof, no URL",
            Allowed,
            401,
            "invalid_dpop_proof",
            &[BEARER],
        ),
        (
            "two proofs, no URL",
            Allowed,
            401,
            "invalid_dpop_proof",
            &[BEARER],
        ),
        // RFC 6750 section 3.1: without credentials the challenges have no error.
        (
            "no credentials",
            Disabled,
            401,
            "invalid_request",
            &[BEARER],
        ),
        (
            "no credentials",
            Allowed,
            401,
            "invalid_request",
            &[BEARER, DPOP],
        ),
        ("no credentials", Required, 401, "invalid_request", &[DPOP]),
        // A scheme that the API cannot verify is not advertised.
        (
            "no credentials, no URL",
            Allowed,
            401,
            "invalid_request",
            &[BEARER],
        ),
        (
            "no credentials, no URL",
            Required,
            401,
            "invalid_request",
            &[DPOP],
        ),
        ("Bearer, no URL", Allowed, 401, "invalid_token", &[expired]),
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
            &[two_fields],
        ),
        (
            "two fields",
            Allowed,
            400,
            "invalid_request",
            &[two_fields, DPOP],
        ),
        (
            "two fields",
            Required,
            400,
            "invalid_request",
            &[two_fields_dpop],
        ),
        ("Bearer", Disabled, 401, "invalid_token", &[expired]),
        ("Bearer", Allowed, 401, "invalid_token", &[expired, DPOP]),
        ("Bearer", Required, 401, "invalid_request", &[DPOP]),
        (
            "Bearer and a proof",
            Allowed,
            400,
            "invalid_request",
            &[with_proof, DPOP],
        ),
        ("DPoP", Disabled, 401, "invalid_request", &[BEARER]),
        (
            "DPoP",
            Allowed,
            401,
            "invalid_token",
            &[expired_dpop, BEARER],
        ),
        ("DPoP", Required, 401, "invalid_token", &[expired_dpop]),
        (
            "DPoP without proof",
            Allowed,
            401,
            "invalid_dpop_proof",
            &[no_proof, BEARER],
        ),
        (
            "DPoP without proof",
            Required,
            401,
            "invalid_dpop_proof",
            &[no_proof],
        ),
        (
            "DPoP, two proofs",
            Allowed,
            401,
            "invalid_dpop_proof",
            &[two_proofs, BEARER],
        ),
        (
            "DPoP, two proofs",
            Required,
            401,
            "invalid_dpop_proof",
            &[two_proofs],
        ),
        // The API did not pass a URL. Status 401 lets the client go on with the scheme that works.
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
            .verify_request(request_for(&world, case))
            .expect_err(case);
        assert_eq!(error.status_code(), status, "{case}, {mode:?}");
        assert_eq!(error.error_code(), code, "{case}, {mode:?}");
        let headers = error.headers();
        let sent: Vec<_> = headers.get_all("www-authenticate").iter().collect();
        assert_eq!(sent, challenges, "{case}, {mode:?}");
        assert_eq!(world.fetches(), (0, 0), "{case}, {mode:?}");

        let text = match error.error_description() {
            description if description.is_empty() => {
                "the request carries no credentials that this API accepts".to_owned()
            }
            description => description,
        };
        assert_eq!(error.to_string(), text, "{case}, {mode:?}");
        if (case, mode) == ("no credentials", Required) {
            let kind = ErrorKind::InvalidAuthScheme(SchemeError::NoCredentials);
            assert_eq!(*error.kind(), kind);
        }

        // RFC 9110 section 11.6.1: the joined form reads back as the same list.
        let joined = error.www_authenticate().unwrap_or_default();
        if !challenges.is_empty() {
            assert_eq!(read_challenges(&joined), challenges, "{joined}");
        }
    }
    // With DPoP disabled, proofs are ignored.
    let world = World::<D>::with(|builder| builder.dpop(Disabled));
    assert!(
        world
            .client
            .verify_request(request_for(&world, "Bearer and a proof"))
            .is_ok()
    );
}

/// Text from the configuration loses the characters that a challenge may not hold.
pub fn a_challenge_can_be_extended_and_each_parameter_occurs_once<D: Driver>() {
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

pub fn rfc6750_3_a_challenge_parameter_holds_only_allowed_characters<D: Driver>() {
    for octet in 0..=127_u8 {
        let allowed = matches!(octet, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let text = format!("a{}b", char::from(octet));
        let mut challenge = Challenge::bearer();
        assert_eq!(challenge.set("scope", &text).is_ok(), allowed, "{octet:#x}");

        // Text from the configuration is cleaned instead.
        let world = World::<D>::with(|builder| builder.required_claims([text.as_str()]));
        let error = world.verify(&world.token().mint().unwrap()).unwrap_err();
        let description = error.challenges()[0]
            .get("error_description")
            .unwrap()
            .to_owned();
        let claim = if allowed { text } else { "ab".to_owned() };
        assert_eq!(description, format!("Missing required claim: {claim}"));
        assert_eq!(error.error_description(), description);
    }
}

pub fn errors_with_the_same_content_are_equal<D: Driver>() {
    let world = World::<D>::new();
    let error = |token: &str| world.verify(token).unwrap_err();
    let expired = world.token().expires_in(-1).mint().unwrap();
    assert_eq!(error(&expired), error(&expired));
    assert_ne!(error(&expired), error("x"));
    assert_ne!(error(&expired), error(""));
    let cause =
        |error: &auth0_api::Error| std::error::Error::source(error).map(ToString::to_string);
    assert_eq!(cause(&error(&expired)), None);
    world
        .tenant
        .misbehave(Endpoint::Discovery, Fault::status(500));
    let outage = error(&world.token().mint().unwrap());
    let expected = "no usable keys of https://tenant.example/";
    assert_eq!(cause(&outage).as_deref(), Some(expected));
    let source = std::error::Error::source(&outage).unwrap();
    let inner = source.source().unwrap();
    assert_eq!(
        inner.to_string(),
        "https://tenant.example/.well-known/openid-configuration"
    );
    assert_eq!(
        inner.source().unwrap().to_string(),
        "the server answered with status 500"
    );
}

/// Names of members come from the token too.
pub fn a_diagnosis_of_typed_claims_is_cut_and_escaped<D: Driver>() {
    #[derive(Debug, serde::Deserialize)]
    struct Typed {
        #[serde(rename = "m")]
        _m: std::collections::BTreeMap<String, u8>,
    }
    #[derive(Debug)]
    struct Quoting;
    impl<'de> serde::Deserialize<'de> for Quoting {
        fn deserialize<T: serde::Deserializer<'de>>(claims: T) -> Result<Self, T::Error> {
            let claims = serde_json::Map::deserialize(claims)?;
            let text = format!("missing field in {}", claims["sub"]);
            Err(serde::de::Error::custom(text))
        }
    }
    let world = World::<D>::new();
    let name = format!("x\n{}", "y".repeat(5000));
    let token = world
        .token()
        .claim("m", json!({ name: "z" }))
        .claim("sub", "canary");
    let token = world.verify(&token.mint().unwrap()).unwrap();
    let error = token.clone().typed::<Typed>().unwrap_err();
    let diagnosis = error.diagnosis().details_with_token_values().unwrap();
    assert!(
        diagnosis.len() < 500 && !diagnosis.contains('\n'),
        "{diagnosis}"
    );
    let error = token.typed::<Quoting>().unwrap_err();
    assert!(
        !error
            .diagnosis()
            .details_with_token_values()
            .unwrap()
            .contains("canary")
    );
}

/// A diagnosis is for the operator. The response contains neither value.
pub fn a_diagnosis_shows_the_expected_and_the_actual_value<D: Driver>() {
    let world = World::<D>::new();
    let mint = |builder: a0_testkit::AccessTokenBuilder| builder.mint().unwrap();
    let valid = mint(world.token());
    let audience = |value: &str| mint(world.tenant.access_token().audience(value));
    let without_slash = super::AUDIENCE.trim_end_matches('/');
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
        (
            audience(without_slash),
            &[without_slash, "they differ only by a slash"],
        ),
        (audience(&super::AUDIENCE.to_uppercase()), &["or in case"]),
        (audience("a\r\nb"), &["a\\r\\nb"]),
        (
            mint(
                world
                    .token()
                    .claim("iss", "https://other.example/\n\u{1b}[31m"),
            ),
            &["other.example/\\n\\u{1b}"],
        ),
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
        (format!("\"{valid}\""), &["quotes"]),
        (format!("Bearer {valid}"), &["more than one scheme"]),
        ("a.b.c.d.e".to_owned(), &["encrypted"]),
    ] {
        let error = world.verify(&token).unwrap_err();
        let diagnosis = error
            .diagnosis()
            .details_with_token_values()
            .unwrap_or_default();
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
    assert!(
        world
            .verify(&long)
            .unwrap_err()
            .diagnosis()
            .details_with_token_values()
            .unwrap()
            .len()
            < 500
    );
    let audiences = (0..500).map(|n| format!("audience-{n}"));
    let many = mint(
        world
            .tenant
            .access_token()
            .claim("aud", audiences.collect::<Vec<_>>()),
    );
    assert!(
        world
            .verify(&many)
            .unwrap_err()
            .diagnosis()
            .details_with_token_values()
            .unwrap()
            .len()
            < 500
    );
    // An access token may have claims of a login too.
    let access_token = world.tenant.access_token().audience("x").scope("read:a");
    let access_token = mint(access_token.claim("auth_time", super::NOW));
    let diagnosis = world
        .verify(&access_token)
        .unwrap_err()
        .diagnosis()
        .details_with_token_values()
        .unwrap();
    assert!(!diagnosis.contains("ID token"), "{diagnosis}");
    assert_eq!(
        world
            .verify("")
            .unwrap_err()
            .diagnosis()
            .details_with_token_values(),
        None
    );

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
        (
            json!({}),
            "the field \"https://api.example/plan\" is missing",
        ),
        (
            json!({"https://api.example/plan": {}}),
            "at \"https://api.example/plan\": the field \"seats\" is missing",
        ),
        (
            json!({"https://api.example/plan": {"seats": "canary"}}),
            "at \"https://api.example/plan.seats\": the claim does not have the type",
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
        let diagnosis = error.diagnosis().details_with_token_values().unwrap();
        assert!(diagnosis.contains(expected), "{diagnosis}");
        assert!(!format!("{diagnosis} {error} {error:?}").contains("canary"));
    }
}

/// What goes to a log by itself has names and values of the API's own configuration, and none of a token.
pub fn a_diagnosis_without_token_values_names_step_rule_claim_and_what_is_expected<D: Driver>() {
    use auth0_api::Step;

    let world = World::<D>::with(|builder| builder.required_claims(["org_id"]));
    let token = || world.token().claim("org_id", "canary-org");
    let mint = |builder: a0_testkit::AccessTokenBuilder| builder.mint().unwrap();
    let audience: &[&str] = &[super::AUDIENCE];
    let canary = "https://canary.example/";
    for (token, step, rule, claim, expected) in [
        (
            "canary".to_owned(),
            Step::Form,
            "token_not_a_jwt",
            None,
            &[][..],
        ),
        (
            mint(token().header("alg", "ES256").kid("canary")),
            Step::Header,
            "algorithm_not_allowed",
            Some("alg"),
            &["RS256"],
        ),
        (
            mint(token().claim("iss", canary)),
            Step::Issuer,
            "issuer_mismatch",
            Some("iss"),
            &["https://tenant.example/"],
        ),
        (
            mint(token().claim("aud", canary).claim("azp", "canary-app")),
            Step::Claims,
            "audience_mismatch",
            Some("aud"),
            audience,
        ),
        (
            mint(token().expires_in(-5)),
            Step::Claims,
            "token_expired",
            Some("exp"),
            &[],
        ),
        (
            mint(world.token().subject("canary")),
            Step::Claims,
            "claim_missing",
            Some("org_id"),
            &[],
        ),
        (
            mint(token().kid("canary")),
            Step::Keys,
            "key_unknown",
            Some("kid"),
            &[],
        ),
        (
            mint(token().with_signature([7; 256])),
            Step::Signature,
            "signature_invalid",
            None,
            &[],
        ),
    ] {
        let error = world.verify(&token).unwrap_err();
        let diagnosis = error.diagnosis();
        assert_eq!(diagnosis.step(), Some(step));
        assert_eq!((diagnosis.rule(), error.reason()), (rule, rule));
        assert_eq!(diagnosis.claim(), claim, "{rule}");
        assert_eq!(diagnosis.expected(), expected, "{rule}");
        let line = diagnosis.to_string();
        assert!(line.starts_with(&format!("{step}: {rule} (")), "{line}");
        for value in expected.iter().chain(&claim) {
            assert!(line.contains(value), "{line}");
        }
        for text in [
            line,
            format!("{diagnosis:?}"),
            diagnosis.details().unwrap_or_default(),
        ] {
            assert!(!text.contains("canary"), "{text}");
        }
    }
    let foreign = mint(token().claim("aud", canary).claim("azp", "canary-app"));
    let error = world.verify(&foreign).unwrap_err();
    let details = error.diagnosis().details_with_token_values().unwrap();
    assert!(
        details.contains(canary) && details.contains("canary-app"),
        "{details}"
    );
    // An outage is no refusal of the token; a configuration has no step.
    world.tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    let error = world.client.reload("tenant.example").unwrap_err();
    assert_eq!(error.diagnosis().step(), Some(Step::Keys));
    let error = world.client.reload("").unwrap_err();
    assert_eq!(error.diagnosis().step(), None);
}

/// Splits a header field into its challenges, as RFC 9110 section 11.6.1 defines it.
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
        let begins_challenge = part
            .find(' ')
            .is_some_and(|space| part.find('=').is_none_or(|equals| space < equals));
        match challenges.last_mut() {
            Some(last) if !begins_challenge => last.push_str(&format!(", {part}")),
            _ => challenges.push(part.to_owned()),
        }
    }
    challenges
}

/// All texts of an error and its sources.
fn all_texts(error: &auth0_api::Error) -> String {
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

/// A token of another service is no reason to ask the tenant, however large it is, and no log gets it.
pub fn a_large_token_of_another_issuer_is_refused_without_a_fetch_and_without_its_text<
    D: Driver,
>() {
    const SIZE: usize = 40_000;
    let text = "cAnArY".repeat(SIZE / 6);
    let large_issuer = format!("https://other.example/{text}");
    for (limit, description) in [
        (None, "Failed to parse token: larger than 16384 bytes"),
        (
            Some(1 << 20),
            "Token issuer does not match the discovery issuer",
        ),
        (Some(1 << 20), "Invalid token issuer format"),
    ] {
        let world = World::<D>::with(|builder| match limit {
            Some(limit) => builder.max_token_size(limit),
            None => builder,
        });
        let foreign = || world.token().claim("iss", "https://other.example/");
        let foreign = match description {
            "Invalid token issuer format" => vec![foreign().claim("iss", &*large_issuer)],
            _ => vec![
                foreign().claim("sub", &*text),
                foreign().claim("cnf", json!({"jkt": text})),
                foreign().claim("https://other.example/data", json!({"a": [text]})),
                foreign().header("kid", &*text),
                foreign().header("jku", format!("https://other.example/{text}")),
                foreign().with_signature(&*text),
            ],
        };
        for token in foreign {
            let token = token.mint().unwrap();
            assert!(token.len() > SIZE, "{}", token.len());
            for error in [
                world.verify(&token).unwrap_err(),
                world.verify_bearer(&token).unwrap_err(),
            ] {
                assert_eq!(error.error_description(), description);
                assert_eq!(
                    (error.status_code().as_u16(), error.error_code()),
                    (401, "invalid_token")
                );
                let texts = all_texts(&error);
                assert!(texts.len() < 1000, "{}", texts.len());
                for part in ["cAnArY", "other.example", "eyJ"] {
                    assert!(!texts.contains(part), "{part}: {texts}");
                }
                let diagnosis = error
                    .diagnosis()
                    .details_with_token_values()
                    .unwrap_or_default();
                assert!(diagnosis.len() < 500, "{diagnosis}");
                assert!(!diagnosis.contains("eyJ"), "{diagnosis}");
            }
            assert_eq!(world.fetches(), (0, 0));
        }
    }
}

pub fn no_error_contains_a_part_of_a_token_or_a_response<D: Driver>() {
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
        let text = all_texts(&world.verify_bearer(token).unwrap_err());
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
            let text = all_texts(&world.verify_bearer(&token).unwrap_err());
            assert!(!text.contains(CANARY), "{text}");
            assert!(!text.contains("eyJ"), "{text}");
        }
    }
    let verified = world.verify(&token().mint().unwrap()).unwrap();
    assert!(!format!("{verified:?}").contains(CANARY));
    assert!(format!("{verified:?}").contains("canary"));
}
