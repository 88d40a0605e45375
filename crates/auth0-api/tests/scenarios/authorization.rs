//! Policies: what satisfies each rule, and how rules combine.

use std::time::Duration;

use auth0_api::{Builder, DeniedBy, ErrorKind, Policy, Principal, RequestContext, VerifiedToken};
use serde_json::{Value, json};

use super::{Driver, NOW, World};

/// Verifies a token with these claims. The value `"(absent)"` removes a claim.
pub fn verify<D: Driver>(world: &World<D>, claims: &Value) -> VerifiedToken {
    let claims = claims.as_object().unwrap().iter();
    let token = claims.fold(world.token(), |token, (name, value)| match value {
        Value::String(text) if text == "(absent)" => token.without_claim(name),
        value => token.claim(name, value.clone()),
    });
    let request = RequestContext::new()
        .method("GET")
        .url("https://api.example/orders")
        .header("authorization", format!("Bearer {}", token.mint().unwrap()));
    world.client.verify_request(request).unwrap()
}

/// The status and the code of a decision; `"ok"` if the policy allows the token.
fn decide(token: &VerifiedToken, policy: &Policy) -> &'static str {
    match token.authorize(policy) {
        Ok(()) => "ok",
        Err(error) => match (error.status_code().as_u16(), error.error_code()) {
            (401, "invalid_token") => "invalid_token",
            (401, "insufficient_user_authentication") => "step-up",
            (403, "insufficient_scope") => "scope",
            (403, "forbidden") => "forbidden",
            (500, "invalid_configuration") => "unusable",
            (500, "policy_panicked") => "panicked",
            other => panic!("{other:?}"),
        },
    }
}

fn check_all<D: Driver>(world: &World<D>, policy: &Policy, cases: &[(Value, &str)]) {
    policy.validate().unwrap();
    for (claims, expected) in cases {
        let token = verify(world, claims);
        assert_eq!(decide(&token, policy), *expected, "{policy:?}: {claims}");
    }
}

pub fn rfc6749_3_3_a_required_scope_is_one_whole_value_of_the_token<D: Driver>() {
    let cases = [
        (json!({"scope": "read:orders"}), "ok"),
        (json!({"scope": "openid  read:orders   profile"}), "ok"),
        (json!({"scope": " read:orders "}), "ok"),
        (json!({"scope": "read:orders:all"}), "scope"),
        (json!({"scope": "read:order"}), "scope"),
        (json!({"scope": "pre-read:orders"}), "scope"),
        (json!({"scope": "READ:ORDERS"}), "scope"),
        (json!({"scope": "read:orders\t"}), "scope"),
        (json!({"scope": "openid\tread:orders"}), "scope"),
        (json!({"scope": "openid\nread:orders"}), "scope"),
        (json!({"scope": "openid,read:orders"}), "scope"),
        (json!({"scope": "openid\u{a0}read:orders"}), "scope"),
        (json!({"scope": "\u{feff}read:orders"}), "scope"),
        (json!({"scope": "read:order\u{455}"}), "scope"),
        (json!({"scope": "\"read:orders\""}), "scope"),
        (json!({"scope": "*"}), "scope"),
        (json!({"scope": "read:*"}), "scope"),
        (json!({"scope": ""}), "scope"),
        (json!({"scope": "(absent)"}), "scope"),
        // Another claim does not count.
        (
            json!({"scope": "(absent)", "permissions": ["read:orders"], "scp": "read:orders"}),
            "scope",
        ),
        (json!({"scope": ["read:orders"]}), "invalid_token"),
        (json!({"scope": {"read:orders": true}}), "invalid_token"),
        (json!({"scope": 7}), "invalid_token"),
        (json!({"scope": true}), "invalid_token"),
        (json!({"scope": null}), "invalid_token"),
    ];
    check_all(&World::<D>::new(), &Policy::scope("read:orders"), &cases);
    let both = Policy::scopes_all(["a", "b"]);
    let either = Policy::scopes_any(["a", "b"]);
    for (scope, all, any) in [
        ("a b", "ok", "ok"),
        ("b c a", "ok", "ok"),
        ("a", "scope", "ok"),
        ("b", "scope", "ok"),
        ("ab", "scope", "scope"),
        ("c", "scope", "scope"),
    ] {
        let claims = json!({ "scope": scope });
        check_all(&World::<D>::new(), &both, &[(claims.clone(), all)]);
        check_all(&World::<D>::new(), &either, &[(claims, any)]);
    }
}

/// Without a declaration nothing implies anything.
pub fn declared_scopes_imply_others_transitively<D: Driver>() {
    let world = World::<D>::with(|builder| {
        builder
            .scope_implies("admin", ["write:orders", "admin:users"])
            .scope_implies("write:orders", ["read:orders"])
            .scope_implies("read:orders", ["list:orders"])
            // A cycle makes its scopes equal.
            .scope_implies("left", ["right"])
            .scope_implies("right", ["left"])
            .scope_implies("self", ["self"])
            // Declarations of one scope add up.
            .scope_implies("admin", ["audit"])
    });
    for (granted, required, expected) in [
        ("write:orders", "read:orders", "ok"),
        ("write:orders", "list:orders", "ok"),
        ("admin", "list:orders", "ok"),
        ("admin", "admin:users", "ok"),
        ("admin", "audit", "ok"),
        ("x admin y", "write:orders", "ok"),
        ("left", "right", "ok"),
        ("right", "left", "ok"),
        ("self", "self", "ok"),
        ("read:orders", "write:orders", "scope"),
        ("list:orders", "admin", "scope"),
        ("write:order", "read:orders", "scope"),
        ("write:orders:all", "read:orders", "scope"),
        ("admin:users", "audit", "scope"),
        ("self", "left", "scope"),
        ("", "read:orders", "scope"),
    ] {
        let claims = json!({ "scope": granted });
        check_all(&world, &Policy::scope(required), &[(claims, expected)]);
    }
    let claims = json!({"scope": "write:orders"});
    let undeclared = [(claims.clone(), "scope")];
    check_all(
        &World::<D>::new(),
        &Policy::scope("read:orders"),
        &undeclared,
    );
    // The claim itself stays as it is.
    let token = verify(&world, &claims);
    assert_eq!(token.scopes().unwrap(), ["write:orders"]);
    assert_eq!(token.has_scope("read:orders"), Ok(false));
}

pub fn a_rule_about_a_claim_is_satisfied_by_the_exact_value_alone<D: Driver>() {
    let world = World::<D>::new();
    check_all(
        &world,
        &Policy::permission("orders:refund"),
        &[
            (json!({"permissions": ["a", "orders:refund"]}), "ok"),
            (json!({"permissions": ["orders:refund:all"]}), "forbidden"),
            (json!({"permissions": ["orders"]}), "forbidden"),
            (json!({"permissions": ["a orders:refund"]}), "forbidden"),
            (json!({"permissions": []}), "forbidden"),
            (json!({"permissions": "(absent)"}), "forbidden"),
            (json!({"scope": "orders:refund"}), "forbidden"),
            (json!({"permissions": "orders:refund"}), "invalid_token"),
            (
                json!({"permissions": ["orders:refund", 1]}),
                "invalid_token",
            ),
            (json!({"permissions": [["orders:refund"]]}), "invalid_token"),
            (
                json!({"permissions": {"orders:refund": true}}),
                "invalid_token",
            ),
            (json!({"permissions": null}), "invalid_token"),
        ],
    );
    let all = Policy::permissions_all(["a", "b"]);
    let any = Policy::permissions_any(["a", "b"]);
    check_all(&world, &all, &[(json!({"permissions": ["b", "a"]}), "ok")]);
    check_all(
        &world,
        &all,
        &[(json!({"permissions": ["b"]}), "forbidden")],
    );
    check_all(&world, &any, &[(json!({"permissions": ["b"]}), "ok")]);
    check_all(
        &world,
        &any,
        &[(json!({"permissions": ["c"]}), "forbidden")],
    );
    check_all(
        &world,
        &Policy::claim_equals("plan", "gold"),
        &[
            (json!({"plan": "gold"}), "ok"),
            (json!({"plan": "golden"}), "forbidden"),
            (json!({"plan": "Gold"}), "forbidden"),
            (json!({"plan": ["gold"]}), "forbidden"),
            (json!({"plan": null}), "forbidden"),
            (json!({"Plan": "gold"}), "forbidden"),
            (json!({"nested": {"plan": "gold"}}), "forbidden"),
            (json!({}), "forbidden"),
        ],
    );
    check_all(
        &world,
        &Policy::claim_equals("level", 1),
        &[
            (json!({"level": 1}), "ok"),
            (json!({"level": "1"}), "forbidden"),
            (json!({"level": 1.0}), "forbidden"),
            (json!({"level": true}), "forbidden"),
            (json!({"level": 1e300}), "forbidden"),
            (json!({"level": u64::MAX}), "forbidden"),
        ],
    );
    check_all(
        &world,
        &Policy::claim_equals("address", json!({"a": 1, "b": [2]})),
        &[
            (json!({"address": {"b": [2], "a": 1}}), "ok"),
            (json!({"address": {"b": [2], "a": 1, "c": 3}}), "forbidden"),
        ],
    );
    check_all(
        &world,
        &Policy::claim_includes("groups", "staff"),
        &[
            (json!({"groups": ["x", "staff"]}), "ok"),
            (json!({"groups": [1, null, "staff"]}), "ok"),
            (json!({"groups": ["staff2"]}), "forbidden"),
            (json!({"groups": [["staff"]]}), "forbidden"),
            (json!({"groups": "staff"}), "forbidden"),
            (json!({"groups": "x staff"}), "forbidden"),
            (json!({"groups": {"staff": true}}), "forbidden"),
            (json!({"groups": null}), "forbidden"),
            (json!({}), "forbidden"),
        ],
    );
    check_all(
        &world,
        &Policy::claim("seats", |seats| {
            seats.as_u64().is_none_or(|seats| seats >= 5)
        }),
        &[
            (json!({"seats": 5}), "ok"),
            (json!({"seats": 4}), "forbidden"),
            // The function is not asked about a claim that is absent.
            (json!({}), "forbidden"),
        ],
    );
    check_all(
        &world,
        &Policy::test("own orders", |token| token.subject() == Ok(Some("auth0|1"))),
        &[
            (json!({"sub": "auth0|1"}), "ok"),
            (json!({"sub": "auth0|2"}), "forbidden"),
        ],
    );
    check_all(
        &world,
        &Policy::organization("org_1"),
        &[
            (json!({"org_id": "org_1"}), "ok"),
            (json!({"org_id": "org_12"}), "forbidden"),
            (json!({"org_id": "ORG_1"}), "forbidden"),
            (json!({"org_name": "org_1"}), "forbidden"),
            (json!({}), "forbidden"),
            (json!({"org_id": null}), "invalid_token"),
            (json!({"org_id": ["org_1"]}), "invalid_token"),
        ],
    );
    check_all(
        &world,
        &Policy::clients(["app", "cli"]),
        &[
            (json!({"azp": "app", "client_id": "(absent)"}), "ok"),
            (json!({"azp": "(absent)", "client_id": "cli"}), "ok"),
            (json!({"azp": "app", "client_id": "cli"}), "ok"),
            // Two claims that disagree: one names a client that is not allowed.
            (json!({"azp": "app", "client_id": "other"}), "forbidden"),
            (json!({"azp": "other", "client_id": "app"}), "forbidden"),
            (json!({"azp": "app2", "client_id": "(absent)"}), "forbidden"),
            (
                json!({"azp": "(absent)", "client_id": "(absent)"}),
                "forbidden",
            ),
            (json!({"azp": "", "client_id": "(absent)"}), "forbidden"),
            (json!({"azp": null, "client_id": "app"}), "invalid_token"),
            (json!({"azp": "app", "client_id": ["app"]}), "invalid_token"),
        ],
    );
}

/// A prior actor never decides, however deep it is (RFC 8693 section 4.1).
pub fn rfc8693_4_1_only_the_outermost_actor_satisfies_a_policy<D: Driver>() {
    let deep = (0..40).fold(
        json!({"sub": "mcp"}),
        |act, level| json!({"sub": format!("prior {level}"), "act": act}),
    );
    check_all(
        &World::<D>::new(),
        &Policy::current_actor("mcp"),
        &[
            (json!({"act": {"sub": "mcp"}}), "ok"),
            (json!({"act": {"sub": "mcp", "act": {"sub": "x"}}}), "ok"),
            (json!({"act": {"sub": "mcp", "act": deep.clone()}}), "ok"),
            (
                json!({"act": {"sub": "mcp", "iss": "https://tenant.example/"}}),
                "ok",
            ),
            // The actor of another issuer is another actor.
            (
                json!({"act": {"sub": "mcp", "iss": "https://other.example/"}}),
                "forbidden",
            ),
            (
                json!({"act": {"sub": "x", "act": {"sub": "mcp"}}}),
                "forbidden",
            ),
            (json!({ "act": deep }), "forbidden"),
            (json!({"act": {"sub": "mcp2"}}), "forbidden"),
            (json!({"sub": "mcp"}), "forbidden"),
            (json!({"act": null}), "forbidden"),
            (json!({"act": "mcp"}), "invalid_token"),
            (json!({"act": ["mcp"]}), "invalid_token"),
            (json!({"act": {"sub": ["mcp"]}}), "invalid_token"),
            (json!({"act": {"sub": "mcp", "iss": null}}), "invalid_token"),
        ],
    );
}

pub fn the_principal_of_a_token_is_a_user_only_if_no_claim_says_otherwise<D: Driver>() {
    let world = World::<D>::with(Builder::allow_anonymous);
    let kinds = [
        Principal::User,
        Principal::Client,
        Principal::Agent,
        Principal::Anonymous,
        Principal::Unknown,
    ];
    for (claims, expected) in [
        (json!({"sub": "auth0|1"}), Principal::User),
        (
            json!({"sub": "auth0|1", "gty": "password"}),
            Principal::User,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "user"}),
            Principal::User,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "native_app user"}),
            Principal::User,
        ),
        // An actor says who acts, not who the subject is.
        (
            json!({"sub": "auth0|1", "act": {"sub": "mcp"}}),
            Principal::User,
        ),
        (json!({"sub": "auth0|anon@1"}), Principal::User),
        (json!({"sub": "ANON@1"}), Principal::User),
        (
            json!({"sub": "auth0|1", "act": {"sub": "mcp", "sub_profile": "ai_agent"}}),
            Principal::User,
        ),
        (
            json!({"sub": "auth0|1", "client_profile": "service ai_agent"}),
            Principal::User,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "USER Browser_App"}),
            Principal::User,
        ),
        (json!({"sub": "app@clients"}), Principal::Client),
        (
            json!({"sub": "auth0|1", "gty": "client-credentials"}),
            Principal::Client,
        ),
        (
            json!({"sub": "auth0|1", "gty": ["x", "client-credentials"]}),
            Principal::Client,
        ),
        (json!({"sub": "app", "azp": "app"}), Principal::Client),
        (
            json!({"sub": "auth0|1", "sub_profile": "service"}),
            Principal::Client,
        ),
        // A token that says it is a user's, and that its client got it for itself.
        (
            json!({"sub": "auth0|1", "sub_profile": "user", "gty": "client-credentials"}),
            Principal::Client,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "ai_agent"}),
            Principal::Agent,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "user ai_agent"}),
            Principal::Agent,
        ),
        (
            json!({"sub": "app@clients", "sub_profile": "service ai_agent"}),
            Principal::Agent,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "user AI_AGENT"}),
            Principal::Agent,
        ),
        (
            json!({"sub": "a", "azp": "a", "gty": "client-credentials", "sub_profile": "ai_agent"}),
            Principal::Agent,
        ),
        (
            json!({"sub": "(absent)", "sub_profile": "ai_agent"}),
            Principal::Agent,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "user Service"}),
            Principal::Client,
        ),
        (
            json!({"sub": "app@clients", "sub_profile": "user"}),
            Principal::Client,
        ),
        (json!({"sub": "anon@1"}), Principal::Anonymous),
        (json!({"sub": "anon@"}), Principal::Anonymous),
        (json!({"sub": "anon@1@clients"}), Principal::Anonymous),
        (
            json!({"sub": "anon@1", "sub_profile": "user"}),
            Principal::Anonymous,
        ),
        (
            json!({"sub": "anon@1", "gty": "client-credentials"}),
            Principal::Anonymous,
        ),
        (
            json!({"sub": "anon@1", "sub_profile": "service ai_agent"}),
            Principal::Anonymous,
        ),
        (
            json!({"sub": "anon@1", "azp": "anon@1"}),
            Principal::Anonymous,
        ),
        (json!({"sub": "(absent)"}), Principal::Unknown),
        (json!({"sub": ""}), Principal::Unknown),
        (
            json!({"sub": "", "sub_profile": "user"}),
            Principal::Unknown,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": ""}),
            Principal::Unknown,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "users"}),
            Principal::Unknown,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "user\tx"}),
            Principal::Unknown,
        ),
        // A value that is unknown here may mean less than a user.
        (
            json!({"sub": "auth0|1", "sub_profile": "user device"}),
            Principal::Unknown,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "user user\tai_agent"}),
            Principal::Unknown,
        ),
        (
            json!({"sub": "auth0|1", "sub_profile": "browser_app"}),
            Principal::Unknown,
        ),
    ] {
        let token = verify(&world, &claims);
        assert_eq!(token.principal(), Ok(expected), "{claims}");
        for kind in kinds {
            let allowed = if kind == expected { "ok" } else { "forbidden" };
            let decided = decide(&token, &Policy::principal([kind]));
            assert_eq!(decided, allowed, "{claims}, {kind:?}");
        }
        assert_eq!(decide(&token, &Policy::principal(kinds)), "ok", "{claims}");
    }
    for claims in [
        json!({"sub": "auth0|1", "sub_profile": ["user"]}),
        json!({"sub": "auth0|1", "sub_profile": null}),
        json!({"sub": "auth0|1", "gty": 1}),
        json!({"sub": "auth0|1", "gty": ["client-credentials", 1]}),
        json!({"sub": "auth0|1", "gty": null}),
        json!({"sub": "auth0|1", "azp": 1}),
        json!({"sub": "auth0|1", "client_id": ["app"]}),
        // A wrong type is an error, whatever the other claims show.
        json!({"sub": "app@clients", "sub_profile": 1}),
        json!({"sub": "anon@1", "sub_profile": {}}),
        json!({"sub": "anon@1", "gty": 1}),
        json!({"sub": "auth0|1", "sub_profile": "ai_agent", "azp": null}),
    ] {
        let token = verify(&world, &claims);
        assert_eq!(
            token.principal().unwrap_err().status_code(),
            401,
            "{claims}"
        );
        let policy = Policy::principal(kinds);
        assert_eq!(decide(&token, &policy), "invalid_token", "{claims}");
    }
}

/// Ages end at the second of the limit, and `leeway` moves both ends.
pub fn ages_are_measured_from_the_verification<D: Driver>() {
    let tolerant = |builder: Builder| builder.leeway(Duration::from_secs(5));
    let token_age = Policy::max_token_age(Duration::from_secs(60));
    let auth_age = Policy::max_auth_age(Duration::from_secs(60));
    for (leeway, oldest, newest) in [(0, NOW - 60, NOW), (5, NOW - 65, NOW + 5)] {
        let world = match leeway {
            0 => World::<D>::new(),
            _ => World::<D>::with(tolerant),
        };
        for (time, is_recent) in [
            (json!(oldest), true),
            (json!(oldest - 1), false),
            (json!(oldest as f64 - 0.5), false),
            (json!(newest), true),
            (json!(newest + 1), false),
            (json!(newest as f64 + 0.5), false),
            (json!(0), false),
            (json!(-1), false),
            (json!(-1e300), false),
            (json!(1e300), false),
            (json!(u64::MAX), false),
        ] {
            let token = verify(&world, &json!({"iat": time, "auth_time": time}));
            let expected = |refusal| if is_recent { "ok" } else { refusal };
            assert_eq!(
                decide(&token, &token_age),
                expected("invalid_token"),
                "{time}"
            );
            assert_eq!(decide(&token, &auth_age), expected("step-up"), "{time}");
        }
    }
    // No arithmetic overflows.
    let world = World::<D>::new();
    let ever = [
        Policy::max_token_age(Duration::MAX),
        Policy::max_auth_age(Duration::MAX),
    ];
    for time in [json!(0), json!(-1e300), json!(NOW)] {
        let token = verify(&world, &json!({"iat": time, "auth_time": time}));
        for policy in &ever {
            let is_recent = time != json!(-1e300);
            let decided = decide(&token, policy);
            assert_eq!(decided == "ok", is_recent, "{policy:?}: {time}");
        }
    }
}

/// A cached token is judged by the time of each verification, and by the same declarations.
pub fn a_cached_token_is_judged_like_a_new_one<D: Driver>() {
    for cached_tokens in [0, 10] {
        let world = World::<D>::with(|builder| {
            builder
                .token_cache(cached_tokens)
                .scope_implies("write", ["read"])
                .realm("orders")
        });
        let text = world.token().scope("write").mint().unwrap();
        let policy = Policy::max_token_age(Duration::from_secs(60));
        for (seconds, expected) in [(0, "ok"), (60, "ok"), (1, "invalid_token")] {
            world.advance(seconds);
            let token = world.verify_bearer(&text).unwrap();
            let now = token.verified_at().as_unix_seconds();
            assert_eq!(
                std::time::UNIX_EPOCH + Duration::from_secs(now as u64),
                world.tenant.now()
            );
            assert_eq!(decide(&token, &policy), expected);
            assert_eq!(decide(&token, &Policy::scope("read")), "ok");
            let error = token.authorize(&Policy::scope("admin")).unwrap_err();
            assert_eq!(error.challenges()[0].get("realm"), Some("orders"));
            // A token from an earlier verification keeps its time.
            let kept = token.clone();
            assert_eq!(kept.verified_at(), token.verified_at());
        }
    }
}

pub fn all_and_any_combine_policies<D: Driver>() {
    let world = World::<D>::new();
    let (a, b, c) = (
        Policy::scope("a"),
        Policy::scope("b"),
        Policy::permission("c"),
    );
    let policy = Policy::all([a.clone(), Policy::any([c.clone(), b.clone()])]);
    check_all(
        &world,
        &policy,
        &[
            (json!({"scope": "a b"}), "ok"),
            (json!({"scope": "a", "permissions": ["c"]}), "ok"),
            // Of `any`, the first alternative is reported.
            (json!({"scope": "a"}), "forbidden"),
            (json!({"scope": "b"}), "scope"),
            (json!({"permissions": ["c"]}), "scope"),
            (json!({}), "forbidden"),
            // A claim of a wrong type satisfies no alternative, and another one may.
            (json!({"scope": "a b", "permissions": "c"}), "ok"),
            (json!({"scope": "a", "permissions": "c"}), "invalid_token"),
            (
                json!({"scope": ["a", "b"], "permissions": ["c"]}),
                "invalid_token",
            ),
        ],
    );
    let swapped = Policy::any([b.clone(), c.clone()]);
    check_all(&world, &swapped, &[(json!({}), "scope")]);
    check_all(&world, &Policy::verified(), &[(json!({}), "ok")]);
    let nothing_more = Policy::all([Policy::verified(), a]);
    check_all(&world, &nothing_more, &[(json!({"scope": "a"}), "ok")]);
    check_all(&world, &nothing_more, &[(json!({"scope": "b"}), "scope")]);
}

/// The order of severity, whatever the order of the rules.
pub fn the_failure_that_is_reported_does_not_depend_on_the_order_of_rules<D: Driver>() {
    let world = World::<D>::new();
    let ranked = [
        (Policy::test("panics", |_| panic!("on purpose")), "panicked"),
        (Policy::organization("org_1"), "invalid_token"),
        (Policy::permission("p"), "forbidden"),
        (Policy::acr_values(["mfa"]), "step-up"),
        (Policy::scope("a"), "scope"),
        (
            Policy::max_token_age(Duration::from_secs(60)),
            "invalid_token",
        ),
    ];
    let token = verify(&world, &json!({"org_id": null, "iat": NOW - 61}));
    for (index, (worse, expected)) in ranked.iter().enumerate() {
        assert_eq!(decide(&token, worse), *expected);
        for (better, _) in &ranked[index + 1..] {
            for pair in [[worse, better], [better, worse]] {
                let policy = Policy::all(pair.map(Clone::clone));
                assert_eq!(decide(&token, &policy), *expected, "{policy:?}");
            }
        }
    }
}

pub fn a_panicking_function_is_a_500_and_never_a_pass<D: Driver>() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("in drop");
            }
        }
    }
    let world = World::<D>::new();
    let token = verify(&world, &json!({"scope": "a", "plan": "gold"}));
    let panics = [
        Policy::claim("plan", |_| panic!("secret: {}", 7)),
        Policy::test("panics", |_| panic!("secret")),
        Policy::test("payload", |_| std::panic::panic_any(PanicsWhenDropped)),
    ];
    for policy in panics {
        let allowed = Policy::scope("a");
        for policy in [
            policy.clone(),
            Policy::all([allowed.clone(), policy.clone()]),
            // Another alternative does not make up for it.
            Policy::any([policy.clone(), allowed.clone()]),
            Policy::any([Policy::scope("b"), policy.clone()]),
        ] {
            assert_eq!(decide(&token, &policy), "panicked", "{policy:?}");
            let error = token.authorize(&policy).unwrap_err();
            assert!(error.challenges().is_empty());
            assert!(!format!("{error} {error:?} {:?}", error.response()).contains("secret"));
        }
        // An alternative that was satisfied before does.
        assert_eq!(decide(&token, &Policy::any([allowed, policy])), "ok");
    }
}

/// A policy that cannot be what its author meant refuses every token.
pub fn an_unusable_policy_refuses_every_token<D: Driver>() {
    let world = World::<D>::new();
    let token = verify(
        &world,
        &json!({
            "scope": "a  b \" \\ é", "permissions": ["", " "], "org_id": "", "level": null,
            "groups": [null], "azp": "", "acr": "a b", "auth_time": NOW, "act": {"sub": "x"},
        }),
    );
    let none: [&str; 0] = [];
    let many = Policy::all((0..1000).map(|_| Policy::verified()));
    let deep = (0..100_000).fold(Policy::verified(), |inner, _| Policy::all([inner]));
    let doubled = (0..100).fold(Policy::verified(), |inner, _| {
        Policy::any([inner.clone(), inner])
    });
    let no_time = Duration::from_millis(999);
    let mut policies = vec![
        Policy::scope(""),
        Policy::scope(" "),
        Policy::scopes_all(none),
        Policy::scopes_any(none),
        Policy::scopes_any(["a", "a b"]),
        Policy::permission(""),
        Policy::permission(" "),
        Policy::permissions_all(none),
        Policy::permissions_any(none),
        Policy::claim_equals("", "x"),
        Policy::claim_equals("level", Value::Null),
        Policy::claim_equals("level", f64::NAN),
        Policy::claim_equals("level", f64::INFINITY),
        Policy::claim_includes("groups", f64::NAN),
        Policy::claim_includes(" ", "x"),
        Policy::claim("", |_| true),
        Policy::organization(""),
        Policy::clients(none),
        Policy::clients(["app", ""]),
        Policy::principal([]),
        Policy::current_actor(" "),
        Policy::acr_values(none),
        Policy::acr_values(["a b"]),
        Policy::acr_values(["a", ""]),
        Policy::acr_values(["a\"b"]),
        Policy::max_token_age(Duration::ZERO),
        Policy::max_token_age(no_time),
        Policy::max_auth_age(Duration::ZERO),
        Policy::max_auth_age(no_time),
        Policy::all([]),
        Policy::any([]),
        many,
        deep,
        doubled,
    ];
    // RFC 6749 section 3.3: %x21 / %x23-5B / %x5D-7E. Nothing else may reach a challenge.
    for character in (0..=0x17f).filter_map(char::from_u32) {
        let is_allowed = matches!(character, '!' | '#'..='[' | ']'..='~');
        let name = format!("a{character}b");
        let policy = Policy::scope(&name);
        assert_eq!(policy.validate().is_ok(), is_allowed, "{character:?}");
        if is_allowed {
            assert_eq!(policy.scopes(), [&name]);
        } else {
            policies.push(policy);
        }
    }
    for policy in policies {
        let error = policy.validate().unwrap_err();
        assert_eq!(error.error_code(), "invalid_configuration", "{policy:?}");
        assert!(error.error_description().starts_with("policy: "), "{error}");
        assert_eq!(decide(&token, &policy), "unusable", "{policy:?}");
        assert!(policy.scopes().is_empty());
        // It spoils every policy that contains it.
        let verified = Policy::verified();
        for outer in [
            Policy::any([verified.clone(), policy.clone()]),
            Policy::all([policy, verified]),
        ] {
            assert!(outer.validate().is_err());
            assert_eq!(decide(&token, &outer), "unusable", "{outer:?}");
        }
    }
    let largest = Policy::all((0..999).map(|_| Policy::verified()));
    assert_eq!(decide(&token, &largest), "ok");
}

/// The client learns nothing of the rule; the operator learns its name, and nothing of the token.
pub fn a_refusal_by_a_rule_names_it_to_the_operator_alone<D: Driver>() {
    let world = World::<D>::new();
    let claims = json!({
        "scope": "of-the-token", "permissions": ["of-the-token"], "org_id": "of-the-token",
        "azp": "of-the-token", "act": {"sub": "of-the-token"}, "plan": "of-the-token",
        "acr": "of-the-token", "auth_time": NOW - 7777, "sub": "of-the-token|1",
    });
    let token = verify(&world, &claims);
    for (policy, by, diagnosis) in [
        (
            Policy::permission("p"),
            Some(DeniedBy::Permission("p".into())),
            r#"the policy requires the permission "p""#,
        ),
        (
            Policy::claim_equals("plan", "of-the-policy"),
            Some(DeniedBy::Claim("plan".into())),
            r#"the policy requires another value of the claim "plan""#,
        ),
        (
            Policy::claim_includes("plan", "of-the-policy"),
            Some(DeniedBy::Claim("plan".into())),
            r#"the policy requires another value of the claim "plan""#,
        ),
        (
            Policy::claim("plan", |_| false),
            Some(DeniedBy::Claim("plan".into())),
            r#"the policy requires another value of the claim "plan""#,
        ),
        (
            Policy::test("own orders", |_| false),
            Some(DeniedBy::Test("own orders".into())),
            r#"the test "own orders" of the policy refuses the token"#,
        ),
        (
            Policy::organization("org_1"),
            Some(DeniedBy::Organization("org_1".into())),
            r#"the policy requires the organization "org_1" in `org_id`"#,
        ),
        (
            Policy::clients(["app"]),
            Some(DeniedBy::Client),
            "the policy does not allow the client in `azp` or `client_id`",
        ),
        (
            Policy::principal([Principal::Client]),
            Some(DeniedBy::Principal),
            "the policy does not allow this kind of principal",
        ),
        (
            Policy::current_actor("mcp"),
            Some(DeniedBy::Actor("mcp".into())),
            r#"the policy requires the actor "mcp" as the current one"#,
        ),
        (
            Policy::acr_values(["mfa"]),
            None,
            r#"the policy requires one of ["mfa"] in `acr`"#,
        ),
        (
            Policy::all([
                Policy::max_auth_age(Duration::from_secs(60)),
                Policy::acr_values(["mfa"]),
            ]),
            None,
            r#"the policy requires one of ["mfa"] in `acr`, and a time in `auth_time` that is at most 60 seconds ago"#,
        ),
    ] {
        let error = token.authorize(&policy).unwrap_err();
        if let Some(by) = by {
            assert_eq!(*error.kind(), ErrorKind::Forbidden(by), "{policy:?}");
            let description = "The access token does not allow the request";
            assert_eq!(error.error_description(), description);
        }
        assert_eq!(
            error.diagnosis().details().as_deref(),
            Some(diagnosis),
            "{policy:?}"
        );
        let shown = format!(
            "{error} {error:?} {:?} {diagnosis} {policy:?}",
            error.response()
        );
        assert!(!shown.contains("of-the-"), "{shown}");
        assert!(!shown.contains("7777"), "{shown}");
    }
    let all = Policy::all([Policy::scope("a"), Policy::any([Policy::verified()])]);
    assert_eq!(format!("{all:?}"), r#"all([scope("a"), any([verified])])"#);
}
