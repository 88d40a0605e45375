//! What a client is told when a policy refuses its token.

use std::time::Duration;

use a0_testkit::{Endpoint, Fault};
use auth0_api::{Builder, DpopMode, ErrorKind, Policy, RequestContext};
use serde_json::{Value, json};

use super::authorization::verify;
use super::dpop::Bound;
use super::exchange;
use super::{Driver, NOW, World};

const METADATA: &str = "https://api.example/.well-known/oauth-protected-resource";

fn fields(error: &auth0_api::Error) -> Vec<String> {
    let headers = error.headers();
    let fields = headers.get_all("www-authenticate").iter();
    fields
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

pub fn rfc6750_3_1_insufficient_scope_names_every_required_scope<D: Driver>() {
    let scope = Policy::scope;
    let text = r#"error="insufficient_scope", error_description="The access token does not have the scopes that the request requires""#;
    let world = World::<D>::with(|builder| builder.scope_implies("write", ["read"]));
    let token = verify(&world, &json!({"scope": "a b"}));
    for (policy, scopes) in [
        (scope("read"), "read"),
        // All that is required, and not only what is missing.
        (
            Policy::all([scope("a"), scope("read"), scope("write")]),
            "a read write",
        ),
        // The union of two policies has each scope once.
        (
            Policy::all([
                Policy::scopes_all(["a", "read"]),
                Policy::scopes_all(["read", "x", "a"]),
            ]),
            "a read x",
        ),
        // Of `any`, the first alternative.
        (Policy::scopes_any(["x", "y"]), "x"),
        (
            Policy::all([
                Policy::any([Policy::scopes_all(["x", "y"]), scope("z")]),
                scope("a"),
            ]),
            "x y a",
        ),
        // Every character that RFC 6749 section 3.3 allows.
        (
            scope("!#$%&'()*+,-./:;<=>?@[]^_`{|}~"),
            "!#$%&'()*+,-./:;<=>?@[]^_`{|}~",
        ),
    ] {
        let error = token.authorize(&policy).unwrap_err();
        assert_eq!(error.status_code(), 403, "{policy:?}");
        let bearer = format!(r#"Bearer realm="api", {text}, scope="{scopes}""#);
        assert_eq!(
            fields(&error),
            [bearer, r#"DPoP algs="ES256""#.into()],
            "{policy:?}"
        );
        let required: Vec<String> = scopes.split(' ').map(str::to_owned).collect();
        assert_eq!(policy.scopes(), required);
        let kind = ErrorKind::InsufficientScope { scopes: required };
        assert_eq!(*error.kind(), kind);
    }
    // The challenge of the scheme that the token came with.
    for (mode, expected) in [(DpopMode::Allowed, 2), (DpopMode::Required, 1)] {
        let bound = Bound::<D>::with(|builder| builder.dpop(mode).url_in_requests());
        let token = bound.send(&bound.proof().mint().unwrap()).unwrap();
        let error = token.authorize(&scope("x")).unwrap_err();
        let sent = fields(&error);
        assert_eq!(sent.len(), expected);
        assert_eq!(sent[0], format!(r#"DPoP {text}, scope="x", algs="ES256""#));
    }
    let world = World::<D>::with(|builder| builder.dpop(DpopMode::Disabled));
    let error = verify(&world, &json!({}))
        .authorize(&scope("x"))
        .unwrap_err();
    assert_eq!(
        fields(&error),
        [format!(r#"Bearer realm="api", {text}, scope="x""#)]
    );
}

pub fn rfc6750_3_1_no_code_is_sent_if_no_other_token_helps<D: Driver>() {
    let world = World::<D>::new();
    let error = verify(&world, &json!({})).authorize(&Policy::organization("org_1"));
    let error = error.unwrap_err();
    assert_eq!(error.status_code(), 403);
    assert_eq!(
        fields(&error),
        [r#"Bearer realm="api""#, r#"DPoP algs="ES256""#]
    );
}

pub fn rfc9470_3_a_step_up_challenge_has_acr_values_and_max_age<D: Driver>() {
    let text = r#"Bearer realm="api", error="insufficient_user_authentication", error_description="The request requires another or a more recent authentication of the user""#;
    let world = World::<D>::new();
    let claims = json!({"scope": "a", "acr": "pwd", "auth_time": NOW - 1000});
    let token = verify(&world, &claims);
    let acr = |values: &[&str]| Policy::acr_values(values.iter().copied());
    let age = |seconds| Policy::max_auth_age(Duration::from_secs(seconds));
    for (policy, parameters) in [
        (acr(&["mfa", "phrh"]), r#"acr_values="mfa phrh""#),
        (age(60), r#"max_age="60""#),
        (
            Policy::max_auth_age(Duration::from_millis(1999)),
            r#"max_age="1""#,
        ),
        // Both, although one of them is satisfied.
        (
            Policy::all([acr(&["pwd"]), age(60)]),
            r#"acr_values="pwd", max_age="60""#,
        ),
        (
            Policy::all([age(2000), acr(&["mfa"])]),
            r#"acr_values="mfa", max_age="2000""#,
        ),
        // The contexts that all rules accept, and the shortest time.
        (
            Policy::all([acr(&["a", "b", "c"]), acr(&["c", "b"]), age(60), age(30)]),
            r#"acr_values="b c", max_age="30""#,
        ),
        (Policy::all([acr(&["a"]), acr(&["b"])]), r#"acr_values="b""#),
        // Of `any`, the first alternative.
        (Policy::any([acr(&["mfa"]), age(60)]), r#"acr_values="mfa""#),
        // The scopes, if one is missing too.
        (
            Policy::all([acr(&["mfa"]), Policy::scope("a")]),
            r#"acr_values="mfa""#,
        ),
        (
            Policy::all([acr(&["mfa"]), Policy::scopes_all(["a", "x"])]),
            r#"acr_values="mfa", scope="a x""#,
        ),
        (
            Policy::all([
                Policy::scope("x"),
                Policy::all([Policy::scope("a"), age(60)]),
            ]),
            r#"max_age="60", scope="x a""#,
        ),
    ] {
        let error = token.authorize(&policy).unwrap_err();
        assert_eq!(error.status_code(), 401, "{policy:?}");
        assert_eq!(error.error_code(), "insufficient_user_authentication");
        assert_eq!(
            fields(&error)[0],
            format!("{text}, {parameters}"),
            "{policy:?}"
        );
    }
    let policy = Policy::all([acr(&["mfa"]), age(60), Policy::scope("x")]);
    let error = token.authorize(&policy).unwrap_err();
    let ErrorKind::InsufficientUserAuthentication(step_up) = error.kind() else {
        panic!("{error:?}");
    };
    assert_eq!(step_up.acr_values, ["mfa"]);
    assert_eq!(step_up.max_age, Some(Duration::from_secs(60)));
    assert_eq!(step_up.scopes, ["x"]);
}

/// The claims that a client of the tenant cannot choose. Absent ones do not satisfy.
pub fn rfc9470_6_1_acr_and_auth_time_satisfy_only_if_present_with_their_type<D: Driver>() {
    let named = |builder: Builder| {
        builder
            .acr_claim("https://api.example/acr")
            .auth_time_claim("https://api.example/auth_time")
    };
    for (world, acr, auth_time) in [
        (World::<D>::new(), "acr", "auth_time"),
        (
            World::<D>::with(named),
            "https://api.example/acr",
            "https://api.example/auth_time",
        ),
    ] {
        let by_acr = Policy::acr_values(["mfa", "phrh"]);
        let by_age = Policy::max_auth_age(Duration::from_secs(60));
        for (value, is_satisfied) in [
            (json!("mfa"), true),
            (json!("phrh"), true),
            (json!("mfa "), false),
            (json!("MFA"), false),
            (json!("mfa phrh"), false),
            (json!(""), false),
            (json!(["mfa"]), false),
            (json!({"mfa": true}), false),
            (json!(null), false),
            (json!(2), false),
        ] {
            let token = verify(&world, &json!({ acr: value }));
            assert_eq!(
                token.authorize(&by_acr).is_ok(),
                is_satisfied,
                "{acr}: {value}"
            );
            assert!(token.authorize(&by_age).is_err());
        }
        for (value, is_satisfied) in [
            (json!(NOW), true),
            (json!(NOW as f64 - 0.5), true),
            (json!(NOW.to_string()), false),
            (json!([NOW]), false),
            (json!(true), false),
            (json!(null), false),
            (json!(NOW * 1000), false),
        ] {
            let token = verify(&world, &json!({ auth_time: value }));
            assert_eq!(
                token.authorize(&by_age).is_ok(),
                is_satisfied,
                "{auth_time}: {value}"
            );
            assert!(token.authorize(&by_acr).is_err());
        }
        let token = verify(&world, &json!({}));
        for policy in [by_acr, by_age] {
            let error = token.authorize(&policy).unwrap_err();
            assert_eq!(error.error_code(), "insufficient_user_authentication");
        }
    }
    // The claims with the usual names do not count if others are configured.
    let world = World::<D>::with(named);
    let token = verify(&world, &json!({"acr": "mfa", "auth_time": NOW}));
    assert!(token.authorize(&Policy::acr_values(["mfa"])).is_err());
    assert!(
        token
            .authorize(&Policy::max_auth_age(Duration::from_secs(60)))
            .is_err()
    );
}

pub fn rfc9728_5_1_challenges_have_the_realm_and_the_resource_metadata<D: Driver>() {
    let world = World::<D>::with(|builder| {
        builder
            .realm("orders")
            .resource_metadata(METADATA)
            .url_in_requests()
    });
    let metadata = format!(r#"resource_metadata="{METADATA}""#);
    let missing = world
        .client
        .verify_request(RequestContext::new())
        .unwrap_err();
    assert_eq!(
        fields(&missing),
        [format!(r#"Bearer realm="orders", {metadata}"#)]
    );
    let token = verify(&world, &json!({"act": 1}));
    let two_fields = RequestContext::new()
        .header("authorization", "Bearer a")
        .header("authorization", "Bearer b");
    for (error, is_named) in [
        (missing, true),
        (world.verify("opaque").unwrap_err(), true),
        (world.verify_bearer("opaque").unwrap_err(), true),
        (token.current_actor().unwrap_err(), true),
        (token.authorize(&Policy::scope("x")).unwrap_err(), true),
        (
            token.authorize(&Policy::acr_values(["mfa"])).unwrap_err(),
            true,
        ),
        // No other token helps.
        (
            token.authorize(&Policy::permission("x")).unwrap_err(),
            false,
        ),
        (world.client.verify_request(two_fields).unwrap_err(), false),
    ] {
        let expected = is_named.then_some(METADATA);
        assert!(!error.challenges().is_empty());
        for challenge in error.challenges() {
            assert_eq!(challenge.get("realm"), Some("orders"), "{error:?}");
            assert_eq!(challenge.get("resource_metadata"), expected, "{error:?}");
        }
    }
    let unusable = token.authorize(&Policy::any([])).unwrap_err();
    assert!(unusable.challenges().is_empty());
}

pub fn rfc9457_3_an_error_is_a_whole_http_response<D: Driver>() {
    let world = World::<D>::new();
    let token = verify(&world, &json!({}));
    let missing = world
        .client
        .verify_request(RequestContext::new())
        .unwrap_err();
    let refused = world.verify("opaque").unwrap_err();
    let cold = World::<D>::new();
    cold.tenant
        .misbehave(Endpoint::Discovery, Fault::status(500));
    let outage = cold.verify(&cold.token().mint().unwrap()).unwrap_err();
    let exchanging = exchange::world::<D>(|builder| builder);
    let refusal = Fault::body(400, "application/json", r#"{"error":"canary"}"#);
    exchanging.tenant.misbehave(Endpoint::Token, refusal);
    let not_exchanged = exchange::exchange(&exchanging).unwrap_err();
    assert_eq!(not_exchanged.error_code(), "canary");
    let problem =
        |title: &str, status: u16| json!({"type": "about:blank", "title": title, "status": status});
    let with = |mut problem: Value, error: &str, detail: Option<&str>| {
        problem["error"] = error.into();
        if let Some(detail) = detail {
            problem["detail"] = detail.into();
        }
        problem
    };
    for (error, body) in [
        // RFC 6750 section 3.1: without credentials there is no error information.
        // The code of the token endpoint is not for the caller of this API.
        (not_exchanged, problem("Bad Gateway", 502)),
        (missing, problem("Unauthorized", 401)),
        (
            refused.clone(),
            with(
                problem("Unauthorized", 401),
                "invalid_token",
                Some(&refused.error_description()),
            ),
        ),
        (
            token.authorize(&Policy::scope("x")).unwrap_err(),
            with(
                problem("Forbidden", 403),
                "insufficient_scope",
                Some("The access token does not have the scopes that the request requires"),
            ),
        ),
        (
            token.authorize(&Policy::permission("x")).unwrap_err(),
            with(
                problem("Forbidden", 403),
                "forbidden",
                Some("The access token does not allow the request"),
            ),
        ),
        // A 5xx has no details.
        (
            token.authorize(&Policy::any([])).unwrap_err(),
            with(
                problem("Internal Server Error", 500),
                "invalid_configuration",
                None,
            ),
        ),
        (
            token
                .authorize(&Policy::test("t", |_| panic!("on purpose")))
                .unwrap_err(),
            with(
                problem("Internal Server Error", 500),
                "policy_panicked",
                None,
            ),
        ),
        (
            outage,
            with(
                problem("Service Unavailable", 503),
                "temporarily_unavailable",
                None,
            ),
        ),
    ] {
        let response = error.response();
        assert_eq!(response.status(), error.status_code());
        let mut headers = response.headers().clone();
        let content_type = headers.remove("content-type").unwrap();
        assert_eq!(content_type, "application/problem+json");
        assert_eq!(headers, error.headers(), "{error:?}");
        let sent: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(sent, body, "{error:?}");
    }
}
