//! The answers to refused requests, and the hook that shapes them.

use crate::common;

use crate::common::{Answer, Server, bearer, builder, client, nonces, tenant, token};
use a0_testkit::{Endpoint, Fault};
use a0_tower::{Auth, Refusal, Refused, Scoped, Verified};
use auth0_api::Error;
use axum::Router;
use axum::middleware::map_response;
use axum::routing::get;
use http::{HeaderMap, Response, StatusCode};

a0_tower::scopes!(WriteOrders: "write:orders");

fn routes() -> Router {
    Router::new()
        .route("/", get(|_: Verified| async { "called" }))
        .route("/scoped", get(|_: Scoped<WriteOrders>| async { "called" }))
}

#[test]
fn an_answer_is_a_problem_with_every_challenge() {
    let tenant = tenant();
    let client = builder(&tenant)
        .realm("orders")
        .resource_metadata("https://api.example/.well-known/oauth-protected-resource")
        .build_async();
    let server = Server::start(routes().layer(Auth::new(client.unwrap())));
    let reader = bearer(&token(&tenant).scope("read:orders").mint().unwrap());
    for (path, fields, status, error) in [
        ("/", vec![], 401, None),
        ("/", bearer("opaque"), 401, Some("invalid_token")),
        ("/scoped", reader, 403, Some("insufficient_scope")),
    ] {
        let answer = server.get(path, &fields);
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(
            answer.field("content-type"),
            Some("application/problem+json")
        );
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{path}");
        assert_eq!(problem["type"], "about:blank", "{path}");
        assert_eq!(problem["error"].as_str(), error, "{path}");
        let challenges = answer.challenges();
        assert_eq!(challenges.len(), 2, "{path}: {challenges:?}");
        assert!(
            challenges[0].starts_with("Bearer realm=\"orders\""),
            "{challenges:?}"
        );
        assert!(challenges[0].contains("resource_metadata=\"https://api.example/"));
    }
}

#[test]
fn a_hook_shapes_answers_of_layer_and_extractors() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).on_refusal(|refused, answer| {
        let mut answer = answer.map(|_| format!("code={}", refused.error().error_code()));
        answer
            .headers_mut()
            .insert("content-type", "text/plain".parse().unwrap());
        answer
            .headers_mut()
            .append("www-authenticate", "Basic".parse().unwrap());
        answer
    });
    let server = Server::start(routes().layer(auth));
    let reader = bearer(&token(&tenant).scope("read:orders").mint().unwrap());
    for (path, fields, status, text) in [
        ("/", bearer("opaque"), 401, "code=invalid_token"),
        ("/scoped", reader, 403, "code=insufficient_scope"),
    ] {
        let answer = server.get(path, &fields);
        assert_eq!((answer.status().as_u16(), answer.text()), (status, text));
        assert_eq!(answer.field("content-type"), Some("text/plain"));
        assert_eq!(answer.challenges().len(), 3, "one of the hook's own");
    }
}

#[test]
fn a_hook_cannot_lose_a_challenge_a_nonce_or_the_status_class() {
    let tenant = tenant();
    let client = builder(&tenant)
        .dpop_nonces(nonces())
        .build_async()
        .unwrap();
    let plain = Server::start(routes().layer(Auth::new(client.clone())));
    let key = a0_testkit::ProofKey::generate().unwrap();
    let asks_nonce = common::dpop(&tenant, &key, "https://api.example/");
    type Hook = fn(&Refused<'_>, Response<String>) -> Response<String>;
    let hooks: [(&str, Hook, Option<u16>); 6] = [
        (
            "a new answer",
            |_, _| Response::new("welcome".to_owned()),
            None,
        ),
        (
            "no fields",
            |_, mut answer| {
                *answer.headers_mut() = HeaderMap::new();
                answer
            },
            None,
        ),
        (
            "a cache",
            |_, mut answer| {
                answer
                    .headers_mut()
                    .insert("cache-control", "public".parse().unwrap());
                answer
                    .headers_mut()
                    .insert("dpop-nonce", "mine".parse().unwrap());
                answer
            },
            None,
        ),
        (
            "a redirect",
            |_, mut answer| {
                *answer.status_mut() = StatusCode::FOUND;
                answer
            },
            None,
        ),
        (
            "a server error",
            |_, mut answer| {
                *answer.status_mut() = StatusCode::BAD_GATEWAY;
                answer
            },
            None,
        ),
        (
            "another of the class",
            |_, mut answer| {
                *answer.status_mut() = StatusCode::NOT_FOUND;
                answer
            },
            Some(404),
        ),
    ];
    for (case, hook, status) in hooks {
        let auth = Auth::new(client.clone()).on_refusal(hook);
        let server = Server::start(routes().layer(auth));
        for fields in [vec![], bearer("opaque"), asks_nonce.clone()] {
            let (expected, answer) = (plain.get("/", &fields), server.get("/", &fields));
            let status = status.unwrap_or(expected.status().as_u16());
            assert_eq!(answer.status(), status, "{case}");
            assert_eq!(answer.challenges(), expected.challenges(), "{case}");
            if expected.field("cache-control").is_some() {
                for name in ["cache-control", "dpop-nonce"] {
                    let values = |answer: &Answer| {
                        let values = answer.headers().get_all(name).iter();
                        values.cloned().collect::<Vec<_>>()
                    };
                    assert_eq!(values(&answer), values(&expected), "{case}: {name}");
                }
            }
        }
    }
    assert!(plain.get("/", &asks_nonce).field("dpop-nonce").is_some());

    tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    let auth = Auth::new(common::client(&tenant));
    let auth = auth.on_refusal(|_, _| Response::new("welcome".to_owned()));
    let server = Server::start(routes().layer(auth));
    let answer = server.get("/", &bearer(&token(&tenant).mint().unwrap()));
    assert_eq!((answer.status().as_u16(), answer.text()), (503, "welcome"));
    assert!(answer.field("retry-after").is_some());
}

/// An API that answers pages in another way than programs.
#[test]
fn a_hook_sees_the_request_without_credentials() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).on_refusal(|refused, answer| {
        let (method, path, accept) = (refused.method(), refused.path(), refused.accept());
        let code = refused.error().status_code().as_u16();
        answer.map(|_| format!("{code} {method} {path} [{accept}] {refused:?}"))
    });
    let app = Router::new().nest("/api", routes().layer(auth.clone()));
    let server = Server::start(app.merge(routes().layer(auth)));
    let reader = bearer(&token(&tenant).scope("read:orders").mint().unwrap());
    let bad = bearer("opaque.bad.credentials");
    let with = |fields: &[_], accept: &[&str]| -> Vec<(&'static str, String)> {
        let accept = accept.iter().map(|value| ("accept", (*value).to_owned()));
        fields.iter().cloned().chain(accept).collect()
    };
    for (method, path, fields, expected) in [
        ("GET", "/", with(&[], &[""]), "401 GET / []"),
        (
            "POST",
            "/api/?access_token=opaque.bad.credentials",
            with(&bad, &["text/html;q=0.5", "*/*"]),
            "401 POST /api/ [text/html;q=0.5, */*]",
        ),
        // The extractor's refusal.
        (
            "GET",
            "/api/scoped?page=2",
            with(&reader, &["application/json"]),
            "403 GET /api/scoped [application/json]",
        ),
    ] {
        let answer = server.send(method.parse().unwrap(), path, &fields);
        let text = answer.text();
        assert!(text.starts_with(expected), "{text}");
        assert!(!text.contains("bad.credentials"), "{text}");
        assert!(!text.contains(&reader[0].1), "{text}");
    }
}

/// Caches may store some answers without being told to, such as 404 (RFC 9111 section 4.2.2), and then
/// serve them to clients with a token.
#[test]
fn no_cache_stores_a_status_that_the_hook_chose() {
    let tenant = tenant();
    for chosen in ["404", "410", "401"] {
        let auth = Auth::new(client(&tenant)).on_refusal(move |_, mut answer| {
            *answer.status_mut() = chosen.parse().unwrap();
            let fields = answer.headers_mut();
            fields.insert("cache-control", "public, max-age=60".parse().unwrap());
            answer
        });
        let server = Server::start(routes().layer(auth));
        let answer = server.get("/", &[]);
        assert_eq!(answer.status().as_str(), chosen);
        let expected = match chosen {
            "401" => "public, max-age=60",
            _ => "no-store",
        };
        assert_eq!(answer.field("cache-control"), Some(expected), "{chosen}");
    }
}

#[test]
fn a_middleware_outside_sees_the_error() {
    let tenant = tenant();
    let log = map_response(async |mut response: axum::response::Response| {
        let error = response.extensions().get::<Error>();
        let code = error.map_or("none".to_owned(), |error| error.error_code().to_owned());
        response
            .headers_mut()
            .insert("x-log", code.parse().unwrap());
        response
    });
    let auth = Auth::new(client(&tenant));
    let new_answer = |_: &Refused<'_>, _| Response::new("a new answer".to_owned());
    let reader = bearer(&token(&tenant).scope("read:orders").mint().unwrap());
    for auth in [auth.clone(), auth.on_refusal(new_answer)] {
        let server = Server::start(routes().layer(auth).layer(log.clone()));
        for (path, fields, logged) in [
            ("/", &bearer("opaque"), "invalid_token"),
            ("/scoped", &reader, "insufficient_scope"),
            ("/", &reader, "none"),
        ] {
            assert_eq!(server.get(path, fields).field("x-log"), Some(logged));
        }
    }
}

#[test]
fn a_middleware_outside_sees_which_claim_does_not_fit() {
    #[derive(serde::Deserialize)]
    struct Plan {
        plan: String,
    }
    let tenant = tenant();
    let log = map_response(async |mut response: axum::response::Response| {
        let error = response.extensions().get::<Error>();
        let diagnosis = error.map(|error| error.diagnosis().to_string());
        let diagnosis = diagnosis.unwrap_or_default();
        let names_it = diagnosis.contains("plan").to_string();
        response
            .headers_mut()
            .insert("x-log", names_it.parse().unwrap());
        response
    });
    let handler = get(|token: Verified<Plan>| async { token.into_claims().plan });
    let app = Router::new().route("/", handler);
    let server = Server::start(app.layer(Auth::new(client(&tenant))).layer(log));
    let fields = bearer(&token(&tenant).claim("plan", 7).mint().unwrap());
    let answer = server.get("/", &fields);
    assert_eq!(
        (answer.status().as_u16(), answer.field("x-log")),
        (401, Some("true"))
    );
    assert!(!answer.text().contains("plan"), "the client is not told");
}

#[test]
fn a_middleware_outside_sees_a_forgotten_layer() {
    let log = map_response(async |mut response: axum::response::Response| {
        let refusal = response.extensions().get::<Refusal>();
        let text = refusal.map_or_else(String::new, Refusal::to_string);
        response
            .headers_mut()
            .insert("x-log", text.parse().unwrap());
        response
    });
    let server = Server::start(routes().layer(log));
    let answer = server.get("/", &[]);
    assert_eq!(answer.status(), 500);
    assert!(answer.field("x-log").unwrap().contains("no layer"));
}
