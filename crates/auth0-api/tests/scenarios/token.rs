//! The checks of an access token and their order.

use std::time::Duration;

use a0_testkit::{Algorithm, SigningKey};
use auth0_api::{TokenOptions, TokenProfile};
use serde_json::{Value, json};

use super::{AUDIENCE, Driver, NOW, World};

/// Every token here is refused before its key is needed.
pub fn a_token_is_validated_before_anything_is_fetched<D: Driver>() {
    let world = World::<D>::new();
    let valid = || world.token();
    let header = |text: &str| valid().raw_header(text).mint().unwrap();
    let payload = |text: &str| valid().raw_payload(text).mint().unwrap();
    let claim = |name: &str, value: Value| valid().claim(name, value).mint().unwrap();
    let without = |name: &str| valid().without_claim(name).mint().unwrap();
    let hmac = SigningKey::secret(world.tenant.signing_key().public_pem().unwrap()).unwrap();
    let no_kid = valid().without_header("kid").mint().unwrap();
    let huge = valid().claim("huge", "x".repeat(20_000)).mint().unwrap();
    let wrong_type = "Invalid 'exp' claim: not a number";
    for (token, description) in [
        (
            "opaque".to_owned(),
            "Failed to parse token: not a JWT; did the client request an audience?",
        ),
        (
            "a.b.c.d.e".to_owned(),
            "Failed to parse token: not a JWT; did the client request an audience?",
        ),
        (huge, "Failed to parse token: larger than 16384 bytes"),
        (
            "!.e30.AA".to_owned(),
            "Failed to parse token: the header is not base64url",
        ),
        (
            header("[]"),
            "Failed to parse token: the header is not one JSON object",
        ),
        (
            payload("7"),
            "Failed to parse token: the payload is not one JSON object",
        ),
        (
            payload(r#"{"iss":"a","iss":"b"}"#),
            "Failed to parse token: the payload holds a member name twice",
        ),
        (
            valid()
                .algorithm(Algorithm::Hs256)
                .signed_with(&hmac)
                .mint()
                .unwrap(),
            "Symmetric algorithm 'HS256' is not supported. Only asymmetric algorithms (e.g., RS256) are allowed.",
        ),
        (
            valid().header("alg", "none").unsigned().mint().unwrap(),
            "Algorithm is not allowed",
        ),
        (
            valid().header("alg", "none").mint().unwrap(),
            "Algorithm is not allowed",
        ),
        (
            valid().header("alg", "ES256").mint().unwrap(),
            "Algorithm is not allowed",
        ),
        (
            valid().without_header("alg").mint().unwrap(),
            "Token header has no 'alg'",
        ),
        (
            valid().header("crit", json!([])).mint().unwrap(),
            "Token header has a 'crit' parameter, which is not supported",
        ),
        (
            valid().header("b64", false).mint().unwrap(),
            "Token header has a 'b64' parameter, which is not supported",
        ),
        (
            valid().header("cty", "JWT").mint().unwrap(),
            "Nested tokens are not supported",
        ),
        (
            valid().header("typ", "dpop+jwt").mint().unwrap(),
            "Unexpected JWT 'typ'",
        ),
        (without("iss"), "Token missing 'iss' claim"),
        (
            claim("iss", json!(["https://tenant.example/"])),
            "Token missing 'iss' claim",
        ),
        (
            claim("iss", json!("http://tenant.example/")),
            "Invalid token issuer format",
        ),
        (
            claim("iss", json!("https://evil.example/")),
            "Token issuer does not match the discovery issuer",
        ),
        (without("aud"), "Audience mismatch"),
        (
            claim("aud", json!("https://other.example/")),
            "Audience mismatch",
        ),
        (without("exp"), "Token is expired: missing 'exp' claim"),
        (claim("exp", json!(NOW)), "Token is expired"),
        (claim("exp", json!("1800000000")), wrong_type),
        (claim("exp", Value::Null), wrong_type),
        (without("iat"), "Missing 'iat' claim in token"),
        (
            claim("iat", json!("x")),
            "Invalid 'iat' claim: not a number",
        ),
        (claim("nbf", json!(NOW + 1)), "Token is not yet valid"),
        (claim("nbf", json!({})), "Invalid 'nbf' claim: not a number"),
        (claim("sub", json!(7)), "Invalid 'sub' claim: not a string"),
        (no_kid, "Token header missing 'kid' claim"),
        (
            valid().header("kid", 7).mint().unwrap(),
            "Token header missing 'kid' claim",
        ),
    ] {
        let error = world.verify(&token).expect_err(description);
        assert_eq!(error.error_description(), description);
        assert_eq!(error.error_code(), "invalid_token");
        assert_eq!(error.status_code(), 401);
        // The same through a request.
        assert_eq!(world.verify_bearer(&token), Err(error));
    }
    let empty = world.verify("").unwrap_err();
    assert_eq!(empty.argument(), Some("access_token"));
    assert_eq!(empty.error_code(), "invalid_request");
    assert_eq!(empty.status_code(), 400);
    assert_eq!(
        empty.www_authenticate().unwrap(),
        r#"Bearer realm="api", error="invalid_request", error_description="The argument 'access_token' is required but was not provided.", DPoP algs="ES256""#
    );

    assert_eq!(world.fetches(), (0, 0), "nothing is fetched");
    assert!(
        world.tenant.refused().is_empty(),
        "no other host gets a request"
    );
    assert!(world.verify(&valid().mint().unwrap()).is_ok());
}

/// The token has every fault. Each step repairs one of them.
pub fn the_first_failed_check_is_reported<D: Driver>() {
    let world = World::<D>::with(|builder| builder.required_claims(["org_id"]));
    let stranger = SigningKey::cached_rsa("stranger").unwrap();
    let faulty = world
        .token()
        .signed_with(&stranger)
        .header("alg", "none")
        .header("typ", "logout+jwt")
        .without_header("kid")
        .claim("iss", "https://evil.example/")
        .claim("aud", "x")
        .claim("exp", 1)
        .without_claim("iat")
        .claim("nbf", NOW + 100)
        .claim("sub", 7)
        .claim("cnf", json!({"jkt": "x"}));
    let kid = world.tenant.kid();
    type Repair = Box<dyn Fn(a0_testkit::AccessTokenBuilder) -> a0_testkit::AccessTokenBuilder>;
    let steps: [(&str, Repair); 12] = [
        (
            "Algorithm is not allowed",
            Box::new(|t| t.header("alg", "RS256")),
        ),
        ("Unexpected JWT 'typ'", Box::new(|t| t.header("typ", "JWT"))),
        (
            "Token issuer does not match the discovery issuer",
            Box::new(|t| t.claim("iss", "https://tenant.example/")),
        ),
        ("Audience mismatch", Box::new(|t| t.claim("aud", AUDIENCE))),
        ("Token is expired", Box::new(|t| t.claim("exp", NOW + 10))),
        (
            "Missing 'iat' claim in token",
            Box::new(|t| t.claim("iat", NOW)),
        ),
        (
            "Token is not yet valid",
            Box::new(|t| t.without_claim("nbf")),
        ),
        (
            "Invalid 'sub' claim: not a string",
            Box::new(|t| t.claim("sub", "x")),
        ),
        (
            "Missing required claim: org_id",
            Box::new(|t| t.claim("org_id", "x")),
        ),
        (
            "DPoP-bound token requires the DPoP authentication scheme, not Bearer",
            Box::new(|t| t.without_claim("cnf")),
        ),
        (
            "Token header missing 'kid' claim",
            Box::new(move |t| t.header("kid", kid.as_str())),
        ),
        ("Signature verification failed", Box::new(|t| t)),
    ];
    let mut token = faulty;
    for (description, repair) in steps {
        let error = world
            .verify_bearer(&token.clone().mint().unwrap())
            .unwrap_err();
        assert_eq!(error.error_description(), description);
        token = repair(token);
    }
    assert_eq!(world.fetches(), (1, 1), "only the last step needs keys");
    let valid = world.token().claim("org_id", "x").mint().unwrap();
    assert!(world.verify_bearer(&valid).is_ok());
}

pub fn rfc8725_3_8_and_rfc9068_4_iss_equals_the_configured_issuer<D: Driver>() {
    let world = World::<D>::new();
    let mismatch = "Token issuer does not match the discovery issuer";
    let format = "Invalid token issuer format";
    for (issuer, expected) in [
        ("https://tenant.example/", None),
        ("https://tenant.example", Some(mismatch)),
        ("https://TENANT.example/", Some(mismatch)),
        ("https://tenant.example:443/", Some(mismatch)),
        ("https://tenant.example./", Some(mismatch)),
        ("https://tenant.example//", Some(mismatch)),
        (" https://tenant.example/", Some(mismatch)),
        ("tenant.example", Some(mismatch)),
        ("https://tenant.example.evil.example/", Some(mismatch)),
        ("https://tenant.example/x", Some(format)),
        ("https://tenant.example/?", Some(format)),
        ("https://tenant.example/#", Some(format)),
        ("https://tenant.example@evil.example/", Some(format)),
        ("https://tenant.example\\evil.example/", Some(format)),
        ("https://tenant.exa\u{ad}mple/", Some(format)),
        ("https://ｔenant.example/", Some(format)),
        ("https://tenant\t.example/", Some(format)),
        ("http://tenant.example/", Some(format)),
        ("", Some(format)),
    ] {
        let token = world.token().claim("iss", issuer).mint().unwrap();
        let error = world.verify(&token).err();
        let description = error.map(|error| error.error_description());
        assert_eq!(description.as_deref(), expected, "{issuer:?}");
    }
    assert!(
        world.tenant.refused().is_empty(),
        "no other host gets a request"
    );
}

pub fn rfc9068_2_2_and_4_the_strict_profile_requires_typ_and_all_claims<D: Driver>() {
    let world = World::<D>::with(|builder| builder.token_profile(TokenProfile::Rfc9068));
    let complete = || {
        world
            .token()
            .header("typ", "at+jwt")
            .claim("client_id", "client")
            .claim("jti", "id")
    };
    assert!(world.verify(&complete().mint().unwrap()).is_ok());
    for claim in ["sub", "client_id", "jti"] {
        let token = complete().without_claim(claim).mint().unwrap();
        let error = world.verify(&token).unwrap_err();
        assert_eq!(
            error.error_description(),
            format!("Missing required claim: {claim}")
        );
    }
    for claim in ["sub", "client_id", "jti"] {
        for value in [Value::Null, json!(7), json!(["x"])] {
            let token = complete().claim(claim, value).mint().unwrap();
            let error = world.verify(&token).unwrap_err();
            let expected = format!("Invalid '{claim}' claim: not a string");
            assert_eq!(error.error_description(), expected);
        }
    }
    for claim in ["iss", "exp", "aud", "iat"] {
        let token = complete().without_claim(claim).mint().unwrap();
        assert!(world.verify(&token).is_err(), "{claim}");
    }
    for typ in [json!("JWT"), json!("id+jwt"), Value::Null] {
        let token = complete().header("typ", typ).mint().unwrap();
        let error = world.verify(&token).unwrap_err();
        assert_eq!(error.error_description(), "Unexpected JWT 'typ'");
    }
    let token = complete().without_header("typ").mint().unwrap();
    assert!(world.verify(&token).is_err());
}

pub fn rfc7519_4_1_4_leeway_applies_to_exp_and_nbf<D: Driver>() {
    let world = World::<D>::with(|builder| builder.leeway(Duration::from_secs(10)));
    for (name, seconds, accepted) in [
        ("exp", NOW - 9, true),
        ("exp", NOW - 10, false),
        ("nbf", NOW + 10, true),
        ("nbf", NOW + 11, false),
    ] {
        let token = world.token().claim(name, seconds).mint().unwrap();
        assert_eq!(world.verify(&token).is_ok(), accepted, "{name} {seconds}");
    }
    // The same token expires between two verifications.
    let world = World::<D>::new();
    let token = world.token().expires_in(60).mint().unwrap();
    world.advance(59);
    assert!(world.verify(&token).is_ok());
    world.advance(1);
    let error = world.verify(&token).unwrap_err();
    assert_eq!(error.error_description(), "Token is expired");
}

pub fn required_claims_of_the_client_and_the_call_are_checked<D: Driver>() {
    let world = World::<D>::with(|builder| builder.required_claims(["org_id"]));
    let options = TokenOptions::new().require(["other"]).require(["tier"]);
    for (claims, missing) in [
        (&["org_id", "other", "tier"][..], None),
        (&["other", "tier"], Some("org_id")),
        (&["org_id", "other"], Some("tier")),
        (&["org_id", "tier"], Some("other")),
    ] {
        let token = claims
            .iter()
            .fold(world.token(), |token, name| token.claim(name, Value::Null));
        let outcome = world
            .client
            .verify_access_token(&token.mint().unwrap(), &options);
        let expected = missing.map(|name| format!("Missing required claim: {name}"));
        assert_eq!(
            outcome.err().map(|error| error.error_description()),
            expected
        );
    }
    // The standard claims are checked first.
    let expired = world
        .token()
        .claim("org_id", 1)
        .expires_in(1)
        .mint()
        .unwrap();
    world.advance(1);
    let outcome = world.client.verify_access_token(&expired, &options);
    let error = outcome.unwrap_err();
    assert_eq!(error.error_description(), "Token is expired");
}

pub fn any_configured_audience_or_algorithm_is_accepted<D: Driver>() {
    let world = World::<D>::with(|builder| {
        builder
            .audience("https://second.example/")
            .algorithms(["RS256", "ES256"])
    });
    let kid = world.tenant.publish_es256().unwrap();
    let es256 = || world.token().algorithm(Algorithm::Es256);
    for token in [
        world.token().mint().unwrap(),
        world
            .token()
            .audience("https://second.example/")
            .mint()
            .unwrap(),
        world
            .token()
            .audiences(["x", "https://second.example/"])
            .mint()
            .unwrap(),
        es256().mint().unwrap(),
    ] {
        assert!(world.verify(&token).is_ok());
    }
    // The `kid` of the RSA key with an ES256 signature, and the other way round.
    let wrong_kid = es256().kid(&world.tenant.kid()).mint().unwrap();
    let error = world.verify(&wrong_kid).unwrap_err();
    assert_eq!(
        error.error_description(),
        "No matching key found in JWKS: the key with this 'kid' is for RS256"
    );
    let wrong_kid = world.token().kid(&kid).mint().unwrap();
    assert!(world.verify(&wrong_kid).is_err());
}

pub fn max_token_size_limits_tokens<D: Driver>() {
    let limited_to = |bytes: usize| World::<D>::with(|builder| builder.max_token_size(bytes));
    let token = World::<D>::new().token().mint().unwrap();
    assert!(limited_to(token.len()).verify(&token).is_ok());
    let error = limited_to(token.len() - 1).verify(&token).unwrap_err();
    let expected = format!(
        "Failed to parse token: larger than {} bytes",
        token.len() - 1
    );
    assert_eq!(error.error_description(), expected);
}

pub fn a_key_without_alg_is_used_for_the_first_configured_rsa_algorithm<D: Driver>() {
    for (algorithms, algorithm, accepted) in [
        (["RS256", "PS256"], Algorithm::Rs256, true),
        (["RS256", "PS256"], Algorithm::Ps256, false),
        (["PS256", "RS256"], Algorithm::Ps256, true),
        (["PS256", "ES256"], Algorithm::Ps256, true),
    ] {
        let world = World::<D>::with(|builder| builder.algorithms(algorithms));
        let mut jwks = world.tenant.jwks();
        jwks["keys"][0].as_object_mut().unwrap().remove("alg");
        let body = jwks.to_string();
        world.tenant.set_jwks_body(Some(body.as_bytes()));
        let token = world.token().algorithm(algorithm).mint().unwrap();
        assert_eq!(
            world.verify(&token).is_ok(),
            accepted,
            "{algorithms:?} {algorithm}"
        );
    }
}

/// A key that the tenant publishes is not enough: the API decides which algorithms it accepts.
pub fn a_genuine_token_of_another_algorithm_is_refused<D: Driver>() {
    let world = World::<D>::new();
    world.tenant.publish_es256().unwrap();
    let token = world.token().algorithm(Algorithm::Es256).mint().unwrap();
    let error = world.verify(&token).unwrap_err();
    assert_eq!(error.status_code(), 401);
    assert_eq!(error.error_description(), "Algorithm is not allowed");
    assert_eq!(world.fetches(), (0, 0));
}

/// A clock before 1970 refuses nothing that it should not, and panics for nothing.
pub fn a_clock_before_1970_is_a_clock<D: Driver>() {
    let world = World::<D>::new();
    let before = |seconds: u64| std::time::UNIX_EPOCH - Duration::from_secs(seconds);
    for seconds in [1, 86_400, 4_000_000_000] {
        world.tenant.set_now(before(seconds));
        let second = -i64::try_from(seconds).unwrap();
        let token = |exp: i64, nbf: i64| {
            let token = world.token().claim("iat", second).claim("exp", exp);
            token.claim("nbf", nbf).mint().unwrap()
        };
        assert!(
            world.verify(&token(second + 60, second - 60)).is_ok(),
            "{second}"
        );
        for (exp, nbf, description) in [
            (second, second, "Token is expired"),
            (second + 60, second + 1, "Token is not yet valid"),
        ] {
            let error = world.verify(&token(exp, nbf)).unwrap_err();
            assert_eq!(error.error_description(), description, "{second}");
        }
    }
}
