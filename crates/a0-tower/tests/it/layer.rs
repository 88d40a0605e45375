//! The layer around an axum router, over a socket.

use crate::common::{Server, bearer, builder, client, dpop, tenant, token};
use a0_testkit::ProofKey;
use a0_tower::{Auth, Refusal, Verified};
use auth0_api::{DpopMode, Policy, Principal};
use axum::Router;
use axum::routing::{any, get};
use http::{Method, StatusCode};

async fn subject(token: Verified) -> Result<String, Refusal> {
    Ok(token.subject()?.unwrap_or_default().to_owned())
}

async fn subject_if_any(token: Option<Verified>) -> Result<String, Refusal> {
    token.map_or(Ok("nobody".to_owned()), |token| {
        Ok(token.subject()?.unwrap_or_default().to_owned())
    })
}

#[test]
fn only_requests_with_acceptable_credentials_reach_the_handler() {
    let tenant = tenant();
    let app = Router::new()
        .route("/me", get(subject))
        .route_layer(Auth::new(client(&tenant)))
        .route("/public", get(|| async { "public" }));
    let server = Server::start(app);
    let good = token(&tenant).subject("auth0|ada").mint().unwrap();
    let expired = token(&tenant).expires_in(-1).mint().unwrap();
    let foreign = tenant.access_token().audience("https://other.example/");

    let answer = server.get("/me", &bearer(&good));
    assert_eq!(
        (answer.status(), answer.text()),
        (StatusCode::OK, "auth0|ada")
    );
    assert_eq!(server.get("/public", &[]).text(), "public");

    for (case, fields, challenge) in [
        ("no credentials", vec![], r#"Bearer realm="api""#),
        ("expired", bearer(&expired), "error=\"invalid_token\""),
        (
            "another audience",
            bearer(&foreign.mint().unwrap()),
            "error=\"invalid_token\"",
        ),
        ("opaque", bearer("opaque"), "error=\"invalid_token\""),
    ] {
        let answer = server.get("/me", &fields);
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{case}");
        let challenges = answer.challenges();
        assert_eq!(challenges.len(), 2, "{case}: one field for each challenge");
        assert!(challenges[0].contains(challenge), "{case}: {challenges:?}");
        assert!(challenges[1].starts_with("DPoP "), "{case}: {challenges:?}");
        assert_eq!(
            answer.field("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.json()["status"], 401, "{case}");
    }
}

#[test]
fn an_optional_layer_never_takes_bad_credentials_for_none() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).optional();
    let app = Router::new()
        .route("/optional", get(subject_if_any))
        .route("/strict", get(subject))
        .route_layer(auth);
    let server = Server::start(app);
    let good = token(&tenant).subject("auth0|ada").mint().unwrap();
    let expired = token(&tenant).expires_in(-1).mint().unwrap();
    let key = ProofKey::generate().unwrap();
    let proof = dpop(&tenant, &key, "https://api.example/optional").remove(1);
    let field = |value: &str| vec![("authorization", value.to_owned())];

    for (case, fields, status, text) in [
        ("a token", bearer(&good), 200, Some("auth0|ada")),
        ("no credentials", vec![], 200, Some("nobody")),
        ("an empty field", field(""), 200, Some("nobody")),
        (
            "two empty fields",
            [field(""), field("")].concat(),
            400,
            None,
        ),
        ("expired", bearer(&expired), 401, None),
        ("another scheme", field("Basic YTpi"), 401, None),
        ("no scheme", field(&good), 401, None),
        ("a scheme alone", field("Bearer"), 401, None),
        ("a proof without a token", vec![proof], 401, None),
        ("two fields", [field(""), bearer(&good)].concat(), 400, None),
    ] {
        let answer = server.get("/optional", &fields);
        assert_eq!(answer.status(), status, "{case}");
        assert!(text.is_none_or(|text| answer.text() == text), "{case}");
    }
    let answer = server.get("/strict", &[]);
    assert_eq!(answer.status(), 401, "a handler that needs a token");
    assert_eq!(answer.challenges()[0], r#"Bearer realm="api""#);
}

#[test]
fn an_optional_layer_of_the_scheme_dpop_lets_anonymous_requests_pass() {
    let tenant = tenant();
    let client = builder(&tenant).dpop(DpopMode::Required).build_async();
    let auth = Auth::new(client.unwrap()).optional();
    let app = Router::new().route("/", get(subject_if_any)).layer(auth);
    let server = Server::start(app);
    assert_eq!(server.get("/", &[]).text(), "nobody");
    let good = token(&tenant).mint().unwrap();
    assert_eq!(server.get("/", &bearer(&good)).status(), 401);
}

/// An anonymous session has a token, so an optional layer never takes it for a request without credentials.
#[test]
fn an_anonymous_session_is_neither_a_user_nor_a_request_without_credentials() {
    let tenant = tenant();
    let strict = Auth::new(client(&tenant));
    let allowing = builder(&tenant).allow_anonymous().build_async().unwrap();
    let allowing = Auth::new(allowing);
    let users = Policy::principal([Principal::User]);
    let app = Router::new()
        .route("/cart", get(subject_if_any))
        .route_layer(allowing.clone().optional())
        .merge(
            Router::new()
                .route("/order", get(subject_if_any))
                .route_layer(allowing.clone().optional().require(users)),
        )
        .merge(
            Router::new()
                .route("/optional", get(subject_if_any))
                .route_layer(strict.clone().optional()),
        )
        .merge(
            Router::new()
                .route("/strict", get(subject))
                .route_layer(strict.clone()),
        )
        // The client of the inner layer decides, and it does not allow such a session.
        .merge(
            Router::new()
                .route("/inner", get(subject_if_any))
                .route_layer(strict.optional())
                .layer(allowing),
        );
    let server = Server::start(app);
    let session = bearer(&token(&tenant).anonymous("7b0c").mint().unwrap());
    let user = bearer(&token(&tenant).subject("auth0|ada").mint().unwrap());
    for (path, of_session, of_user, without) in [
        (
            "/cart",
            (200, "anon@7b0c"),
            (200, "auth0|ada"),
            (200, "nobody"),
        ),
        ("/order", (403, ""), (200, "auth0|ada"), (200, "nobody")),
        ("/optional", (401, ""), (200, "auth0|ada"), (200, "nobody")),
        ("/strict", (401, ""), (200, "auth0|ada"), (401, "")),
        ("/inner", (401, ""), (200, "auth0|ada"), (401, "")),
    ] {
        for (fields, (status, text)) in [
            (&session[..], of_session),
            (&user[..], of_user),
            (&[][..], without),
        ] {
            let answer = server.get(path, fields);
            assert_eq!(answer.status(), status, "{path}");
            assert!(text.is_empty() || answer.text() == text, "{path}");
        }
    }
    let answer = server.get("/optional", &session);
    assert!(answer.challenges()[0].contains("error=\"invalid_token\""));
}

#[test]
fn a_forgotten_layer_is_an_error_of_the_server() {
    let tenant = tenant();
    let app = Router::new()
        .route("/strict", get(subject))
        .route("/optional", get(subject_if_any));
    let server = Server::start(app);
    let good = bearer(&token(&tenant).mint().unwrap());
    for path in ["/strict", "/optional"] {
        for fields in [&[][..], &good] {
            let answer = server.get(path, fields);
            assert_eq!(answer.status(), 500, "{path}");
            assert!(answer.challenges().is_empty(), "credentials would not help");
            assert_eq!(answer.json()["status"], 500);
        }
    }
}

#[test]
fn claims_of_another_form_are_refused_and_never_none() {
    #[derive(serde::Deserialize)]
    struct Plan {
        plan: String,
    }
    async fn plan(token: Verified<Plan>) -> String {
        token.into_claims().plan
    }
    async fn plan_if_any(token: Option<Verified<Plan>>) -> String {
        token.map_or("none".to_owned(), |token| token.into_claims().plan)
    }
    let tenant = tenant();
    let app = Router::new()
        .route("/strict", get(plan))
        .route("/optional", get(plan_if_any))
        .route_layer(Auth::new(client(&tenant)).optional());
    let server = Server::start(app);
    let good = bearer(&token(&tenant).claim("plan", "gold").mint().unwrap());
    let wrong = bearer(&token(&tenant).claim("plan", 7).mint().unwrap());
    let absent = bearer(&token(&tenant).mint().unwrap());
    for path in ["/strict", "/optional"] {
        assert_eq!(server.get(path, &good).text(), "gold");
        for fields in [&wrong, &absent] {
            let answer = server.get(path, fields);
            assert_eq!(answer.status(), 401, "{path}");
            assert!(answer.challenges()[0].contains("error=\"invalid_token\""));
            assert!(!answer.text().contains("plan"), "the client is not told");
        }
    }
    assert_eq!(server.get("/optional", &[]).text(), "none");
}

#[test]
fn a_client_cannot_bring_the_mark_of_the_layer() {
    let tenant = tenant();
    let app = Router::new()
        .route("/", get(subject_if_any))
        .layer(Auth::new(client(&tenant)));
    let server = Server::start(app);
    for name in [
        "x-auth-outcome",
        "x-verified",
        "x-user",
        "mark",
        "anonymous",
        "x-original-uri",
    ] {
        let answer = server.get("/", &[(name, "anonymous".to_owned())]);
        assert_eq!(answer.status(), 401, "{name}");
    }
}

#[test]
fn a_proof_names_the_public_url_and_the_path_of_its_request() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let protected = || Router::new().route("/orders", get(subject));
    let auth = Auth::new(client(&tenant));
    let app = Router::new()
        .nest("/admin", protected().layer(auth.clone()))
        .nest(
            "/a",
            Router::new().nest("/b", protected().route_layer(auth.clone())),
        )
        .merge(protected().route_layer(auth));
    let server = Server::start(app);
    for (path, url, status) in [
        ("/orders", "https://api.example/orders", 200),
        ("/admin/orders", "https://api.example/admin/orders", 200),
        ("/a/b/orders", "https://api.example/a/b/orders", 200),
        ("/a/b/orders?page=2", "https://api.example/a/b/orders", 200),
        ("/admin/orders", "https://api.example/orders", 401),
        ("/orders", "https://api.example/admin/orders", 401),
        ("/a/b/orders", "https://api.example/b/orders", 401),
        ("/orders", "https://other.example/orders", 401),
    ] {
        let answer = server.get(path, &dpop(&tenant, &key, url));
        assert_eq!(answer.status(), status, "{path} with a proof for {url}");
    }
    let mut fields = dpop(&tenant, &key, "https://evil.example/orders");
    fields.push(("x-forwarded-host", "evil.example".to_owned()));
    fields.push(("forwarded", "host=evil.example;proto=https".to_owned()));
    assert_eq!(server.get("/orders", &fields).status(), 401);
}

#[test]
fn a_proof_is_accepted_once() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let auth = Auth::new(client(&tenant));
    let server = Server::start(Router::new().route("/", get(subject)).layer(auth));
    let fields = dpop(&tenant, &key, "https://api.example/");
    assert_eq!(server.get("/", &fields).status(), 200);
    assert_eq!(server.get("/", &fields).status(), 401);
}

#[test]
fn a_preflight_passes_only_by_option_and_without_a_token() {
    let tenant = tenant();
    let app = |auth: Auth| {
        Router::new()
            .route("/any", any(|| async { "called" }))
            .route("/token", any(subject))
            .route("/optional", any(subject_if_any))
            .layer(auth)
    };
    let strict = Server::start(app(Auth::new(client(&tenant))));
    let open = Server::start(app(Auth::new(client(&tenant)).allow_preflight()));
    let field = |name, value: &str| (name, value.to_owned());
    let preflight = [
        field("origin", "https://app.example"),
        field("access-control-request-method", "GET"),
    ];
    let bad = field("authorization", "Bearer opaque");

    let send = |server: &Server, path: &str, fields: &[_]| {
        server.send(Method::OPTIONS, path, fields).status()
    };
    assert_eq!(send(&strict, "/any", &preflight), 401);
    assert_eq!(send(&open, "/any", &preflight), 200);
    assert_eq!(send(&open, "/any", &preflight[..1]), 401, "no preflight");
    assert_eq!(send(&open, "/any", &preflight[1..]), 401, "no preflight");
    let with_bad = [&preflight[..], &[bad]].concat();
    assert_eq!(send(&open, "/any", &with_bad), 401, "bad credentials");
    assert_eq!(open.get("/any", &preflight).status(), 401, "another method");
    assert_eq!(send(&open, "/token", &preflight), 401);
    assert_eq!(
        send(&open, "/optional", &preflight),
        401,
        "not marked anonymous"
    );
}
