//! The authorization endpoint: what it accepts, what it refuses and where, and the login page.

use std::time::Duration;

use crate::common::login::*;
use crate::common::tenant;
use a0_testkit::{Api, ClientRegistration, Feature, LocalTenant, Login, User};

fn app() -> LocalTenant {
    let tenant = tenant();
    register_app(&tenant);
    tenant
}

fn page_tenant() -> LocalTenant {
    let tenant = app();
    tenant.set_login(Login::Page);
    tenant.add_user(User::new("auth0|ada").name("Ada").email("ada@example.com"));
    tenant.add_user(User::new("auth0|grace").name("Grace <b>"));
    tenant
}

/// A change to the valid request: `None` removes the parameter.
type Change = (&'static str, Option<&'static str>);

#[test]
fn a_valid_request_is_answered_at_the_redirect_uri() {
    let tenant = app();
    for method in ["GET", "POST"] {
        let response = match method {
            "GET" => get(&tenant, &format!("/authorize?{}", query(&valid())), &[]),
            _ => post(&tenant, "/authorize", &[], &query(&valid())),
        };
        assert_eq!(response.status(), 302);
        let answer = answer(&response);
        assert_eq!(answer["state"], "xyz");
        assert_eq!(answer["iss"], "https://tenant.example/");
        assert!(answer["code"].len() >= 43);
        assert_eq!(answer.len(), 3);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}

#[test]
fn rfc6749_4_1_2_1_errors_that_must_not_redirect_do_not() {
    let tenant = app();
    let many = "x".repeat(3000);
    let good = query(&valid());
    let mut hostile: Vec<(String, &str)> = Vec::new();
    let changes: [Change; 20] = [
        ("client_id", None),
        ("client_id", Some("")),
        ("client_id", Some("unknown")),
        ("client_id", Some("APP")),
        ("client_id", Some("app\0")),
        ("client_id", Some("<script>alert(1)</script>")),
        ("client_id", Some("https://client.example/metadata")),
        (
            "client_id",
            Some("https://169.254.169.254/latest/meta-data"),
        ),
        ("redirect_uri", None),
        ("redirect_uri", Some("")),
        ("redirect_uri", Some("https://evil.example/callback")),
        ("redirect_uri", Some("https://app.example/callback/")),
        ("redirect_uri", Some("https://app.example/callback?x=1")),
        ("redirect_uri", Some("https://app.example/callback#x")),
        ("redirect_uri", Some("https://app.example/callback/../x")),
        ("redirect_uri", Some("https://app.example:8443/callback")),
        (
            "redirect_uri",
            Some("https://app.example@evil.example/callback"),
        ),
        ("redirect_uri", Some("http://app.example/callback")),
        (
            "redirect_uri",
            Some("javascript:alert(1)//https://app.example/callback"),
        ),
        (
            "redirect_uri",
            Some("https://app.example/callback\r\nSet-Cookie: a=b"),
        ),
    ];
    for (name, value) in changes {
        let mut parameters = valid();
        match value {
            Some(value) => parameters.insert(name, value.to_owned()),
            None => parameters.remove(name),
        };
        hostile.push((query(&parameters), name));
    }
    let mut long = valid();
    long.insert("redirect_uri", format!("https://app.example/{many}"));
    hostile.push((query(&long), "long redirect_uri"));
    hostile.push((format!("{good}&client_id=app"), "two client ids"));
    hostile.push((format!("{good}&redirect_uri=x"), "two redirect uris"));
    hostile.push((format!("{good}&x=%zz"), "malformed escape"));
    hostile.push((format!("{good}&x=%ff"), "not UTF-8"));
    hostile.push((String::new(), "nothing"));

    for (query, what) in hostile {
        let response = get(&tenant, &format!("/authorize?{query}"), &[]);
        assert_eq!(response.status(), 400, "{what}: {query}");
        assert!(!response.headers().contains_key("location"), "{what}");
        assert!(!response.headers().contains_key("set-cookie"), "{what}");
        let policy = response.headers()["content-security-policy"].to_str();
        assert!(policy.unwrap().contains("default-src 'none'"));
        assert_eq!(response.headers()["x-frame-options"], "DENY");
        let page = text(&response);
        assert!(page.contains("role=\"alert\""), "{page}");
        assert!(!page.contains("<script"), "{page}");
        assert!(page.len() < 4000, "{what}");
    }
}

#[test]
fn every_other_error_is_redirected_with_state_and_iss() {
    let tenant = app();
    tenant.add_api(Api::new("https://api.example/").scope("read:things"));
    let cases: [(&[Change], &str); 29] = [
        (&[("response_type", None)], "invalid_request"),
        (
            &[("response_type", Some("token"))],
            "unsupported_response_type",
        ),
        (
            &[("response_type", Some("code id_token"))],
            "unsupported_response_type",
        ),
        (&[("response_mode", Some("fragment"))], "invalid_request"),
        (&[("response_mode", Some("form_post"))], "invalid_request"),
        (&[("code_challenge", None)], "invalid_request"),
        (&[("code_challenge", Some(""))], "invalid_request"),
        (&[("code_challenge_method", None)], "invalid_request"),
        (
            &[("code_challenge_method", Some("plain"))],
            "invalid_request",
        ),
        (
            &[("code_challenge_method", Some("s256"))],
            "invalid_request",
        ),
        (
            &[("code_challenge_method", Some("S512"))],
            "invalid_request",
        ),
        (&[("code_challenge", Some("too-short"))], "invalid_request"),
        (
            &[(
                "code_challenge",
                Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"),
            )],
            "invalid_request",
        ),
        (
            &[(
                "code_challenge",
                Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="),
            )],
            "invalid_request",
        ),
        (&[("prompt", Some("whatever"))], "invalid_request"),
        (&[("prompt", Some("none login"))], "invalid_request"),
        (&[("max_age", Some("-1"))], "invalid_request"),
        (&[("max_age", Some("soon"))], "invalid_request"),
        (
            &[("max_age", Some("99999999999999999999"))],
            "invalid_request",
        ),
        (&[("dpop_jkt", Some("x"))], "invalid_request"),
        (&[("request", Some("e30.e30."))], "request_not_supported"),
        (
            &[("request_uri", Some("https://evil.example/r"))],
            "request_uri_not_supported",
        ),
        (
            &[("registration", Some("{}"))],
            "registration_not_supported",
        ),
        (
            &[("audience", Some("https://other.example/"))],
            "invalid_target",
        ),
        (
            &[("audience", Some("https://api.example"))],
            "invalid_target",
        ),
        (
            &[
                ("audience", None),
                ("resource", Some("https://api.example/#x")),
            ],
            "invalid_target",
        ),
        (
            &[("audience", None), ("resource", Some("/relative"))],
            "invalid_target",
        ),
        (
            &[("scope", Some("read:things \"quoted\""))],
            "invalid_scope",
        ),
        (&[("scope", Some("read:things\r\nx"))], "invalid_scope"),
    ];
    let mut hostile = Vec::new();
    for (changes, error) in cases {
        let mut parameters = valid();
        for (name, value) in changes {
            match value {
                Some(value) => parameters.insert(name, (*value).to_owned()),
                None => parameters.remove(name),
            };
        }
        hostile.push((query(&parameters), error, Some("xyz")));
    }
    let good = query(&valid());
    for (repeated, error, state) in [
        ("state=other", "invalid_request", None),
        ("scope=x", "invalid_request", Some("xyz")),
        ("code_challenge=x", "invalid_request", Some("xyz")),
        ("nonce=a&nonce=b", "invalid_request", Some("xyz")),
        ("audience=x", "invalid_request", Some("xyz")),
    ] {
        hostile.push((format!("{good}&{repeated}"), error, state));
    }
    let mut two = valid();
    two.remove("audience");
    let two = format!(
        "{}&resource=https://a.example&resource=https://b.example",
        query(&two)
    );
    hostile.push((two, "invalid_target", Some("xyz")));

    for (query, error, state) in hostile {
        let response = get(&tenant, &format!("/authorize?{query}"), &[]);
        assert_eq!(response.status(), 302, "{query}");
        let answer = answer(&response);
        assert_eq!(answer["error"], error, "{query}");
        assert_eq!(answer.get("state").map(String::as_str), state, "{query}");
        assert_eq!(answer["iss"], "https://tenant.example/");
        assert!(!answer.contains_key("code"), "{query}");
    }
}

#[test]
fn state_comes_back_octet_for_octet_and_cannot_split_the_response() {
    let tenant = app();
    for state in ["a&code=evil#x", "\r\nSet-Cookie: a=b", "é \0 +%20", "\"'<>"] {
        let mut parameters = valid();
        parameters.insert("state", state.to_owned());
        let response = get(&tenant, &format!("/authorize?{}", query(&parameters)), &[]);
        let answer = answer(&response);
        assert_eq!(answer["state"], state);
        assert_eq!(answer.len(), 3);
        assert!(!response.headers().contains_key("set-cookie"));
    }
    let tenant = app();
    let uri = "https://app.example/callback?keep=1";
    tenant
        .register(ClientRegistration::public("app").redirect_uri(uri))
        .unwrap();
    let mut parameters = valid();
    parameters.insert("redirect_uri", uri.to_owned());
    let response = get(&tenant, &format!("/authorize?{}", query(&parameters)), &[]);
    let answer = answer(&response);
    assert_eq!(
        (answer["keep"].as_str(), answer["state"].as_str()),
        ("1", "xyz")
    );
}

#[test]
fn rfc8252_7_3_the_port_of_a_loopback_redirect_is_free() {
    let tenant = app();
    tenant
        .register(ClientRegistration::public("cli").redirect_uri("http://127.0.0.1/cb"))
        .unwrap();
    for (uri, status) in [
        ("http://127.0.0.1:4711/cb", 302),
        ("http://127.0.0.1/cb", 302),
        ("http://127.0.0.1:4711/other", 400),
        ("http://localhost:4711/cb", 400),
        ("http://127.0.0.1:80@evil.example/cb", 400),
    ] {
        let mut parameters = valid();
        parameters.insert("client_id", "cli".to_owned());
        parameters.insert("redirect_uri", uri.to_owned());
        let response = get(&tenant, &format!("/authorize?{}", query(&parameters)), &[]);
        assert_eq!(response.status(), status, "{uri}");
        if status == 302 {
            let location = response.headers()["location"].to_str().unwrap();
            assert!(location.starts_with(&format!("{uri}?code=")), "{location}");
        }
    }
}

#[test]
fn rfc9207_iss_can_be_disabled_with_its_metadata() {
    let tenant = app();
    let name = "authorization_response_iss_parameter_supported";
    assert_eq!(tenant.metadata()[name], true);
    tenant.disable(Feature::AuthorizationResponseIss);
    assert!(tenant.metadata().get(name).is_none());
    let path = format!("/authorize?{}", query(&valid()));
    assert!(!answer(&get(&tenant, &path, &[])).contains_key("iss"));
    tenant.enable(Feature::AuthorizationResponseIss);
    assert!(answer(&get(&tenant, &path, &[])).contains_key("iss"));
    assert_eq!(tenant.metadata()[name], true);
}

#[test]
fn the_page_logs_in_the_chosen_user() {
    let tenant = page_tenant();
    let path = format!("/authorize?{}", query(&valid()));
    let page = get(&tenant, &path, &[]);
    assert_eq!(page.status(), 200);
    let html = text(&page);
    for part in [
        "<html lang=\"en\">",
        "<legend>Log in as</legend>",
        "value=\"auth0|ada\" required checked",
        "Grace &lt;b&gt;",
        "<code>read:things</code>",
        "<code>app.example</code>",
        "<code>https://api.example/</code>",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("<script"));
    let field = page.headers()["set-cookie"].to_str().unwrap();
    assert!(
        field.starts_with("__Host-a0-tenant=")
            && field.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax")
    );

    let body = form(&[
        ("transaction", &hidden(&html, "transaction")),
        ("user", "auth0|grace"),
        ("decision", "allow"),
    ]);
    let planted = cookie(&page);
    let headers = [
        ("cookie", planted.as_str()),
        ("origin", "https://tenant.example"),
        ("sec-fetch-site", "same-origin"),
    ];
    let response = post(&tenant, "/u/login", &headers, &body);
    assert_eq!(response.status(), 303);
    let fresh = cookie(&response);
    assert_ne!(fresh, planted, "the cookie changes with the login");
    let (status, json) = token(&tenant, &[], &token_form(&answer(&response)["code"]));
    assert_eq!(
        (status, &claims(&json["id_token"])["sub"]),
        (200, &"auth0|grace".into())
    );

    // The page works once.
    let again = post(&tenant, "/u/login", &headers, &body);
    assert_eq!(again.status(), 400);

    // The browser is logged in now: no page, and `prompt=none` works. Other browsers are not.
    let silent = format!("{path}&prompt=none");
    let expected = [
        (Some(fresh.as_str()), path.clone(), "code"),
        (Some(fresh.as_str()), silent.clone(), "code"),
        (None, silent.clone(), "login_required"),
        (Some(planted.as_str()), silent.clone(), "login_required"),
        (
            Some("__Host-a0-tenant=guess"),
            silent.clone(),
            "login_required",
        ),
        (Some(fresh.as_str()), format!("{silent}&max_age=0"), "code"),
        (
            Some(fresh.as_str()),
            silent.replace("scope=", "scope=more%20"),
            "consent_required",
        ),
        (Some(fresh.as_str()), format!("{path}&prompt=login"), "page"),
        (
            Some(fresh.as_str()),
            format!("{path}&prompt=consent"),
            "page",
        ),
        (
            Some(fresh.as_str()),
            format!("{path}&prompt=select_account"),
            "page",
        ),
    ];
    for (cookie, path, expected) in expected {
        let headers: Vec<_> = cookie.map(|value| ("cookie", value)).into_iter().collect();
        let response = get(&tenant, &path, &headers);
        let got = if response.status() == 200 {
            "page".to_owned()
        } else {
            let answer = answer(&response);
            answer
                .get("error")
                .cloned()
                .unwrap_or_else(|| "code".into())
        };
        assert_eq!(got, expected, "{path}");
    }
    tenant.set_now(tenant.now() + Duration::from_secs(100));
    let aged = get(
        &tenant,
        &format!("{silent}&max_age=50"),
        &[("cookie", &fresh)],
    );
    assert_eq!(answer(&aged)["error"], "login_required");
}

/// Otherwise a client would get a code without the user, because the user allowed another one.
#[test]
fn a_consent_is_for_one_user_client_redirect_uri_and_api() {
    let tenant = page_tenant();
    let second = format!("{CALLBACK}?second=1");
    let app = ClientRegistration::public("app").redirect_uri(CALLBACK);
    tenant.register(app.redirect_uri(&second)).unwrap();
    let other = ClientRegistration::public("other").redirect_uri(CALLBACK);
    tenant.register(other).unwrap();
    let with = |name: &'static str, value: &str| {
        let mut wanted = valid();
        wanted.insert(name, value.to_owned());
        format!("/authorize?{}", query(&wanted))
    };
    let log_in = |path: &str, user: &str, known: Option<&str>| {
        let headers: Vec<_> = known.map(|it| ("cookie", it)).into_iter().collect();
        let page = get(&tenant, path, &headers);
        let body = form(&[
            ("transaction", &hidden(&text(&page), "transaction")),
            ("user", user),
            ("decision", "allow"),
        ]);
        let response = post(&tenant, "/u/login", &[("cookie", &cookie(&page))], &body);
        assert_eq!(response.status(), 303);
        cookie(&response)
    };
    let silently = |path: &str, cookie: &str| {
        let path = format!("{path}&prompt=none");
        let answer = answer(&get(&tenant, &path, &[("cookie", cookie)]));
        answer.get("error").cloned()
    };
    let same = with("state", "xyz");
    let browser = log_in(&same, "auth0|grace", None);
    let consent = Some("consent_required".to_owned());
    assert_eq!(silently(&same, &browser), None);
    for (name, value) in [
        ("client_id", "other"),
        ("redirect_uri", &*second),
        ("audience", "https://other.example/"),
        ("audience", ""),
    ] {
        assert_eq!(
            silently(&with(name, value), &browser),
            consent,
            "{name} {value}"
        );
    }
    let of_other = with("client_id", "other");
    let browser = log_in(
        &format!("{of_other}&prompt=login"),
        "auth0|ada",
        Some(&browser),
    );
    assert_eq!(silently(&of_other, &browser), None);
    assert_eq!(silently(&same, &browser), consent, "another user");
}

#[test]
fn the_login_form_is_safe_from_other_sites_and_browsers() {
    let tenant = page_tenant();
    let path = format!("/authorize?{}", query(&valid()));
    let stranger = cookie(&get(&tenant, &path, &[]));
    let cross = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    type Edit = fn(&str, &str) -> Option<(String, String)>;
    // From the transaction and the cookie to those that are sent.
    let edits: [(&str, Edit); 8] = [
        ("no cookie", |it, _| Some((it.into(), "a=b".into()))),
        ("a guessed cookie", |it, _| {
            Some((it.into(), "__Host-a0-tenant=x".into()))
        }),
        ("an empty cookie", |it, _| {
            Some((it.into(), "__Host-a0-tenant=".into()))
        }),
        ("a cookie without the prefix", |it, c| {
            Some((it.into(), c.replace("__Host-", "")))
        }),
        ("no transaction", |_, c| Some((String::new(), c.into()))),
        ("a guessed transaction", |_, c| Some(("x".into(), c.into()))),
        ("another site", |it, c| Some((it.into(), c.into()))),
        ("an old page", |it, c| Some((it.into(), c.into()))),
    ];
    for (what, edit) in edits {
        let page = get(&tenant, &path, &[]);
        let own = cookie(&page);
        let (transaction, sent) = edit(&hidden(&text(&page), "transaction"), &own).unwrap();
        let body = form(&[
            ("transaction", &transaction),
            ("user", "auth0|ada"),
            ("decision", "allow"),
        ]);
        let sites = if what == "another site" {
            &cross[..]
        } else {
            &[]
        };
        for site in sites
            .iter()
            .map(|it| Some(*it))
            .chain(sites.is_empty().then_some(None))
        {
            if what == "an old page" {
                tenant.set_now(tenant.now() + Duration::from_secs(600));
            }
            let headers: Vec<_> = site
                .into_iter()
                .chain([("cookie", sent.as_str())])
                .collect();
            let response = post(&tenant, "/u/login", &headers, &body);
            assert_eq!(response.status(), 400, "{what}");
            assert!(!response.headers().contains_key("location"), "{what}");
        }
    }
    tenant.use_system_clock();

    let page = get(&tenant, &path, &[]);
    let (own, transaction) = (cookie(&page), hidden(&text(&page), "transaction"));
    let body = form(&[
        ("transaction", &transaction),
        ("user", "auth0|ada"),
        ("decision", "allow"),
    ]);
    let response = post(&tenant, "/u/login", &[("cookie", &stranger)], &body);
    assert_eq!(response.status(), 400, "the page of another browser");
    for (fields, status) in [
        (format!("{body}&transaction=x"), 400),
        ("%".to_owned(), 400),
        (String::new(), 400),
        (body.clone(), 303),
    ] {
        let response = post(&tenant, "/u/login", &[("cookie", &own)], &fields);
        assert_eq!(response.status(), status, "{fields}");
    }
    for (user, decision, expected) in [
        ("auth0|nobody", "allow", None),
        ("", "allow", None),
        ("auth0|ada", "maybe", None),
        ("auth0|ada", "deny", Some("access_denied")),
    ] {
        let page = get(&tenant, &path, &[]);
        let transaction = hidden(&text(&page), "transaction");
        let body = form(&[
            ("transaction", &transaction),
            ("user", user),
            ("decision", decision),
        ]);
        let response = post(&tenant, "/u/login", &[("cookie", &cookie(&page))], &body);
        match expected {
            None => assert_eq!(response.status(), 400, "{user} {decision}"),
            Some(error) => {
                assert_eq!(response.status(), 303);
                let answer = answer(&response);
                assert_eq!(
                    (answer["error"].as_str(), answer["state"].as_str()),
                    (error, "xyz")
                );
            }
        }
    }
}

#[test]
fn the_page_escapes_what_others_chose() {
    let tenant = page_tenant();
    let evil = "\"><script>alert(1)</script>\u{202e}";
    tenant
        .register(
            ClientRegistration::public("app")
                .name(evil)
                .redirect_uri(CALLBACK),
        )
        .unwrap();
    tenant.add_user(User::new(evil).name(evil));
    let mut parameters = valid();
    parameters.insert("audience", evil.to_owned());
    parameters.insert("scope", "<img/src=x>".to_owned());
    parameters.insert("state", evil.to_owned());
    let html = text(&get(
        &tenant,
        &format!("/authorize?{}", query(&parameters)),
        &[],
    ));
    assert!(html.contains("&quot;&gt;&lt;script&gt;"), "{html}");
    assert!(html.contains("&lt;img/src=x&gt;"));
    for part in ["<script", "<img", "\u{202e}"] {
        assert!(!html.contains(part), "{part}");
    }
    // An identifier from a configuration is shown too.
    let client = ClientRegistration::public("<i>").redirect_uri(CALLBACK);
    tenant.register(client).unwrap();
    parameters.insert("client_id", "<i>".to_owned());
    let path = format!("/authorize?{}", query(&parameters));
    let html = text(&get(&tenant, &path, &[]));
    assert!(html.contains("<code>&lt;i&gt;</code>") && !html.contains("<i>"));
}
