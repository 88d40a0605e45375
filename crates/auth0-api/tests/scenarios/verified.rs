//! The accessors of a verified token.

use auth0_api::act::ActError;
use auth0_api::{Builder, Challenge, Confirmation, RequestContext, Scheme, VerifiedToken};
use serde::Deserialize;
use serde_json::{Value, json};

use super::dpop::Bound;
use super::{AUDIENCE, Driver, NOW, World};

fn verified<D: Driver>(claims: Value) -> VerifiedToken {
    let world = World::<D>::new();
    let token = claims
        .as_object()
        .unwrap()
        .iter()
        .fold(world.token(), |token, (name, value)| match value {
            Value::String(text) if text == "(absent)" => token.without_claim(name),
            value => token.claim(name, value.clone()),
        });
    world.verify(&token.mint().unwrap()).unwrap()
}

/// Without the URL of the request no proof could be verified, so a client is not told to send one.
pub fn the_errors_of_a_bearer_request_without_a_url_have_the_challenge_of_bearer_alone<
    D: Driver,
>() {
    #[derive(Debug, Deserialize)]
    struct Typed {
        #[serde(rename = "plan")]
        _plan: String,
    }
    type Context = RequestContext<'static>;
    let no_url: fn() -> Context = || RequestContext::new().method("GET");
    let no_method: fn() -> Context = || RequestContext::new().url("https://api.example/");
    let relative: fn() -> Context = || RequestContext::new().method("GET").url("/orders");
    let whole: fn() -> Context = || {
        RequestContext::new()
            .method("GET")
            .url("https://api.example/")
    };
    // The second request of a token is served from the token cache.
    for (context, schemes) in [
        (RequestContext::new as fn() -> Context, &["Bearer"][..]),
        (no_url, &["Bearer"]),
        (no_method, &["Bearer"]),
        (relative, &["Bearer"]),
        (whole, &["Bearer", "DPoP"]),
        (RequestContext::new, &["Bearer"]),
    ] {
        let world = World::<D>::with(|builder| builder.url_in_requests().token_cache(10));
        let verify = |token: &str| {
            let field = format!("Bearer {token}");
            let request = context().header("authorization", field);
            world.client.verify_request(request)
        };
        let mut errors = Vec::new();
        for refused in [
            world.token().expires_in(-1),
            world.token().claim("cnf", json!({"jkt": "x"})),
            world.token().kid("unknown"),
            world.token().with_signature([1; 256]),
        ] {
            errors.push(verify(&refused.mint().unwrap()).unwrap_err());
        }
        let odd = world.token().claim("scope", 7).mint().unwrap();
        for _ in 0..2 {
            let token = verify(&odd).unwrap();
            errors.push(token.scopes().unwrap_err());
            errors.push(token.has_scope("a").unwrap_err());
            errors.push(token.claims_as::<Typed>().unwrap_err());
            errors.push(token.clone().typed::<Typed>().unwrap_err());
        }
        for error in errors {
            assert_eq!(error.status_code(), 401);
            let challenges = error.challenges();
            let found: Vec<&str> = challenges.iter().map(Challenge::scheme).collect();
            assert_eq!(found, schemes, "{error:?}");
            assert_eq!(challenges[0].get("error"), Some("invalid_token"));
            let fields = error.headers();
            assert_eq!(
                fields.get_all("www-authenticate").iter().count(),
                schemes.len()
            );
        }
    }
}

/// The text of a token is a credential. It is kept only on request and never shown.
pub fn a_verified_token_has_its_scheme_and_keeps_its_text_only_on_request<D: Driver>() {
    for (cached_tokens, keeps_text) in [(0, false), (0, true), (10, false), (10, true)] {
        let options = |builder: Builder| {
            let builder = builder.token_cache(cached_tokens);
            if keeps_text {
                builder.keep_access_tokens()
            } else {
                builder
            }
        };
        let bound = Bound::<D>::with(options);
        let bearer = bound.world.token().scope("read:a read:ab").mint().unwrap();
        for _ in 0..2 {
            let token = bound.world.verify_bearer(&bearer).unwrap();
            assert_eq!(token.scheme(), Scheme::Bearer);
            assert_eq!(token.confirmed_by(), None);
            assert_eq!(token.access_token(), keeps_text.then_some(bearer.as_str()));
            assert_eq!(token.clone().access_token(), token.access_token());
            assert!(!format!("{token:?}").contains(&bearer));
            for (scope, expected) in [
                ("read:a", true),
                ("read:ab", true),
                ("read:", false),
                ("", false),
            ] {
                assert_eq!(token.has_scope(scope), Ok(expected), "{scope}");
            }
            let token = bound.send(&bound.proof().mint().unwrap()).unwrap();
            assert_eq!(token.scheme(), Scheme::Dpop);
            // By itself the same token proves nothing about its sender.
            let unproven = bound.world.verify(&bound.token).unwrap();
            assert_eq!(unproven.confirmed_by(), None);
            let jkt = bound.key.thumbprint();
            assert_eq!(token.confirmed_by(), Some(Confirmation::DpopKey(jkt)));
            assert_eq!(
                token.access_token(),
                keeps_text.then_some(bound.token.as_str())
            );
        }
    }
    assert!(
        verified::<D>(json!({"scope": 7}))
            .has_scope("read:a")
            .is_err()
    );
}

pub fn claims_are_read_by_accessor_by_name_or_as_a_type<D: Driver>() {
    let token = verified::<D>(json!({
        "sub": "auth0|1", "exp": NOW + 60, "iat": NOW, "nbf": NOW as f64 - 1.5, "jti": "id",
        "azp": "app", "client_id": "app", "permissions": ["read:a"],
        "org_id": "org_1", "org_name": "acme", "https://api.example/plan": {"seats": 3},
    }));
    assert_eq!(token.issuer().unwrap(), Some("https://tenant.example/"));
    assert_eq!(token.subject().unwrap(), Some("auth0|1"));
    assert_eq!(token.audiences().unwrap(), [AUDIENCE]);
    assert_eq!(
        token.expires_at().unwrap().unwrap().as_unix_seconds(),
        NOW + 60
    );
    // The leeway is zero.
    assert_eq!(token.accepted_until(), token.expires_at());
    assert_eq!(token.issued_at().unwrap().unwrap().as_unix_seconds(), NOW);
    assert_eq!(
        token.not_before().unwrap().unwrap().as_seconds(),
        NOW as f64 - 1.5
    );
    assert_eq!(token.token_id().unwrap(), Some("id"));
    assert_eq!(token.authorized_party().unwrap(), Some("app"));
    assert_eq!(token.client_id().unwrap(), Some("app"));
    assert_eq!(token.permissions().unwrap(), ["read:a"]);
    assert_eq!(token.organization_id().unwrap(), Some("org_1"));
    assert_eq!(token.organization_name().unwrap(), Some("acme"));
    assert_eq!(token.confirmation().unwrap(), None);
    assert_eq!(token.get("https://api.example/plan").unwrap()["seats"], 3);
    assert_eq!(token.as_object()["sub"], "auth0|1");

    #[derive(Deserialize)]
    struct Plan {
        seats: u8,
    }
    #[derive(Deserialize)]
    struct OwnClaims {
        sub: String,
        #[serde(rename = "https://api.example/plan")]
        plan: Plan,
        exp: i64,
    }
    let own = token.clone().typed::<OwnClaims>().unwrap();
    assert_eq!(own.claims().sub, "auth0|1");
    assert_eq!(own.claims().plan.seats, 3);
    assert_eq!(own.claims().exp, NOW + 60);
    assert_eq!(own.token(), &token);

    #[derive(Deserialize)]
    struct WrongType {
        #[serde(rename = "sub")]
        _sub: u8,
    }
    let error = token.claims_as::<WrongType>().err().unwrap();
    assert_eq!(error.error_code(), "invalid_token");
    assert!(!format!("{error} {error:?}").contains("auth0|1"));
}

pub fn a_claim_of_a_wrong_type_is_an_error_and_never_absent<D: Driver>() {
    let token = verified::<D>(json!({
        "scope": ["a"], "permissions": "a", "azp": 1, "client_id": null, "org_id": 1,
        "org_name": [], "jti": 1, "cnf": 1, "act": 1, "nbf": NOW,
    }));
    for outcome in [
        token.scopes().map(|_| ()),
        token.permissions().map(|_| ()),
        token.authorized_party().map(|_| ()),
        token.client_id().map(|_| ()),
        token.organization_id().map(|_| ()),
        token.organization_name().map(|_| ()),
        token.token_id().map(|_| ()),
        token.confirmation().map(|_| ()),
        token.current_actor().map(|_| ()),
        token.delegation_chain().map(|_| ()),
    ] {
        let error = outcome.unwrap_err();
        assert_eq!(error.status_code(), 401);
        let challenge = error.www_authenticate().unwrap();
        assert!(
            challenge.contains(r#"error="invalid_token""#),
            "{challenge}"
        );
    }
    for permissions in [json!([1]), json!(null), json!({}), json!(["a", null])] {
        assert!(
            verified::<D>(json!({ "permissions": permissions }))
                .permissions()
                .is_err()
        );
    }
}

pub fn rfc8693_4_2_scopes_are_whole_values<D: Driver>() {
    for (scope, expected) in [
        (json!("read:a write:b"), &["read:a", "write:b"][..]),
        (json!("read:a-all"), &["read:a-all"]),
        (json!(""), &[]),
        (json!("(absent)"), &[]),
        (json!("  a   b "), &["a", "b"]),
        (json!("a\tb\nc"), &["a\tb\nc"]),
    ] {
        let token = verified::<D>(json!({ "scope": scope }));
        assert_eq!(token.scopes().unwrap(), expected, "{scope}");
    }
}

pub fn is_machine_distinguishes_clients_from_users<D: Driver>() {
    for (claims, expected) in [
        (
            json!({"sub": "auth0|1", "azp": "app", "gty": "(absent)"}),
            false,
        ),
        (
            json!({"sub": "auth0|1", "azp": "app", "gty": "password"}),
            false,
        ),
        (json!({"sub": "auth0|1@clients", "azp": "app"}), false),
        (
            json!({"sub": "app@clients", "azp": "app", "gty": "client-credentials"}),
            true,
        ),
        (json!({"sub": "app@clients", "azp": "app"}), true),
        (json!({"sub": "app@clients", "azp": "(absent)"}), true),
        // A token on behalf of one client that was issued to another client.
        (json!({"sub": "other@clients", "azp": "app"}), true),
        (
            json!({"sub": "auth0|1", "azp": "app", "gty": ["x", "client-credentials"]}),
            true,
        ),
        (
            json!({"sub": "app", "client_id": "app", "azp": "(absent)"}),
            true,
        ),
        (json!({"sub": "app", "azp": "app"}), true),
        (
            json!({"sub": "(absent)", "azp": "(absent)", "client_id": "(absent)"}),
            false,
        ),
        (json!({"sub": "", "azp": "", "client_id": ""}), false),
        (
            json!({"sub": "agent", "azp": "app", "sub_profile": "ai_agent"}),
            true,
        ),
        (
            json!({"sub": "agent", "azp": "app", "sub_profile": "user Service"}),
            true,
        ),
        (
            json!({"sub": "auth0|1", "azp": "app", "sub_profile": "user"}),
            false,
        ),
        (
            json!({"sub": "auth0|1", "azp": "app", "client_profile": "ai_agent", "act": {"sub": "a"}}),
            false,
        ),
    ] {
        let token = verified::<D>(claims.clone());
        assert_eq!(token.is_machine(), Ok(expected), "{claims}");
    }
    for claims in [
        json!({"gty": 1}),
        json!({"gty": [1]}),
        json!({"azp": 1}),
        json!({"client_id": null}),
        json!({"sub_profile": ["ai_agent"]}),
    ] {
        assert!(
            verified::<D>(claims.clone()).is_machine().is_err(),
            "{claims}"
        );
    }
}

pub fn rfc8693_4_1_the_actors_are_read_from_the_token<D: Driver>() {
    let token = verified::<D>(json!({
        "act": {"sub": "mcp", "iss": "https://tenant.example/", "exp": 1, "act": {"sub": "gateway"}},
    }));
    let actor = token.current_actor().unwrap().unwrap();
    assert_eq!(actor.sub(), "mcp");
    assert_eq!(actor.iss(), Some("https://tenant.example/"));
    let chain = token.delegation_chain().unwrap();
    let subs: Vec<&str> = chain.iter().map(|actor| actor.sub()).collect();
    assert_eq!(subs, ["mcp", "gateway"]);

    let none = verified::<D>(json!({}));
    assert!(none.current_actor().unwrap().is_none());
    assert!(none.delegation_chain().unwrap().is_empty());
    let broken = verified::<D>(json!({"act": {"iss": "x"}}));
    let error = broken.current_actor().unwrap_err();
    assert_eq!(error.status_code(), 401);
    assert!(error.error_description().starts_with("Invalid act claim"));
}

pub fn the_profiles_of_subject_client_and_actor_are_read_by_their_types<D: Driver>() {
    let token = verified::<D>(json!({
        "sub_profile": "user", "client_profile": "service AI_Agent",
        "act": {"sub": "mcp", "client_id": "app", "sub_profile": "ai_agent", "client_profile": null},
    }));
    assert_eq!(token.sub_profile().unwrap().unwrap().as_str(), "user");
    let profile = token.client_profile().unwrap().unwrap();
    assert!(profile.contains("ai_agent") && profile.contains("service"));
    let actor = token.current_actor().unwrap().unwrap();
    assert_eq!(actor.client_id(), Ok(Some("app")));
    assert!(actor.sub_profile().unwrap().unwrap().contains("ai_agent"));
    assert_eq!(
        actor.client_profile().unwrap_err(),
        ActError::ClientProfileNotAString
    );

    let none = verified::<D>(json!({}));
    assert!(none.sub_profile().unwrap().is_none());
    assert!(none.client_profile().unwrap().is_none());
    for wrong in [json!(null), json!(1), json!(["user"]), json!({"user": 1})] {
        let token = verified::<D>(json!({"sub_profile": wrong, "client_profile": wrong}));
        for error in [
            token.sub_profile().unwrap_err(),
            token.client_profile().unwrap_err(),
        ] {
            assert_eq!(error.status_code(), 401, "{wrong}");
            assert_eq!(error.error_code(), "invalid_token", "{wrong}");
        }
    }
}
