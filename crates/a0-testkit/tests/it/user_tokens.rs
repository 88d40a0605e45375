//! Tokens for users: authorization codes, refresh tokens, and what each is bound to.

use std::time::{Duration, SystemTime};

use crate::common::login::*;
use crate::common::tenant;
use a0_testkit::{
    Algorithm, Api, ClientRegistration, LocalTenant, ProofKey, RefreshTokens, SigningKey, User,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

fn app() -> LocalTenant {
    let tenant = tenant();
    register_app(&tenant);
    tenant
}

fn refresh_of(tenant: &LocalTenant) -> String {
    let (status, json) = token(tenant, &[], &token_form(&code(tenant, &valid())));
    assert_eq!(status, 200, "{json}");
    json["refresh_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_code_becomes_tokens_with_what_was_granted() {
    let tenant = app();
    tenant.add_user(
        User::new("auth0|ada")
            .name("Ada")
            .email("ada@example.com")
            .claim("org_id", "org_1")
            .access_token_claim("permissions", vec!["read:things"]),
    );
    tenant.add_api(Api::new("https://api.example/").scopes(["read:things", "write:things"]));
    let mut wanted = valid();
    wanted.insert(
        "scope",
        "openid profile email offline_access read:things unknown".into(),
    );
    wanted.insert("nonce", "n-1".into());
    let (status, json) = token(&tenant, &[], &token_form(&code(&tenant, &wanted)));
    assert_eq!(status, 200, "{json}");
    assert_eq!(
        (&json["token_type"], &json["expires_in"]),
        (&json!("Bearer"), &json!(3600))
    );
    assert_eq!(
        json["scope"],
        "openid profile email offline_access read:things"
    );
    assert!(json["refresh_token"].is_string());

    let access = claims(&json["access_token"]);
    assert_eq!(access["sub"], "auth0|ada");
    assert_eq!(access["azp"], "app");
    assert_eq!(
        access["aud"],
        json!(["https://api.example/", "https://tenant.example/userinfo"])
    );
    assert_eq!(access["scope"], json["scope"]);
    assert_eq!(access["permissions"], json!(["read:things"]));
    let id = claims(&json["id_token"]);
    for (name, value) in [
        ("iss", "https://tenant.example/"),
        ("sub", "auth0|ada"),
        ("aud", "app"),
        ("nonce", "n-1"),
        ("name", "Ada"),
        ("email", "ada@example.com"),
        ("org_id", "org_1"),
    ] {
        assert_eq!(id[name], value, "{name}");
    }
    assert!(id["auth_time"].is_i64() && id.get("scope").is_none());

    // Less is asked for, so less comes.
    wanted.insert("scope", "read:things".into());
    let (_, json) = token(&tenant, &[], &token_form(&code(&tenant, &wanted)));
    assert!(json.get("refresh_token").is_none() && json.get("id_token").is_none());
    assert_eq!(claims(&json["access_token"])["aud"], "https://api.example/");
    wanted.remove("audience");
    wanted.insert("resource", "https://api.example/".into());
    let (_, json) = token(&tenant, &[], &token_form(&code(&tenant, &wanted)));
    assert_eq!(claims(&json["access_token"])["aud"], "https://api.example/");
    wanted.remove("resource");
    wanted.remove("scope");
    let (_, json) = token(&tenant, &[], &token_form(&code(&tenant, &wanted)));
    let access = claims(&json["access_token"]);
    assert_eq!(access["aud"], "https://tenant.example/userinfo");
    assert!(access.get("scope").is_none() && json.get("scope").is_none());
}

#[test]
fn rfc7636_4_6_a_code_is_bound_to_client_redirect_uri_and_verifier() {
    let tenant = app();
    tenant.register_client("other", "secret");
    let replace = |form: &str, name: &str, value: &str| {
        let pairs = form
            .split('&')
            .filter(|pair| !pair.starts_with(&format!("{name}=")));
        let rest = pairs.collect::<Vec<_>>().join("&");
        format!("{rest}&{name}={}", encode(value))
    };
    let wrong = "a".repeat(43);
    // Whether the right request still works afterwards tells whether the attempt used up the code.
    let cases: [(&str, &str, u16, &str, bool); 14] = [
        ("code_verifier", &wrong, 400, "invalid_grant", false),
        ("code_verifier", CHALLENGE, 400, "invalid_grant", false),
        ("code_verifier", "", 400, "invalid_request", true),
        ("code_verifier", "short", 400, "invalid_grant", true),
        (
            "code_verifier",
            &"a".repeat(129),
            400,
            "invalid_grant",
            true,
        ),
        (
            "code_verifier",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk\0",
            400,
            "invalid_grant",
            true,
        ),
        (
            "redirect_uri",
            "https://app.example/other",
            400,
            "invalid_grant",
            false,
        ),
        ("redirect_uri", "", 400, "invalid_request", true),
        ("code", "guess", 400, "invalid_grant", true),
        ("code", "", 400, "invalid_request", true),
        ("client_id", "unknown", 401, "invalid_client", true),
        ("client_id", "", 401, "invalid_client", true),
        ("client_secret", "made-up", 401, "invalid_client", true),
        (
            "resource",
            "https://other.example/",
            400,
            "invalid_target",
            false,
        ),
    ];
    for (name, value, status, error, survives) in cases {
        let right = token_form(&code(&tenant, &valid()));
        let (got, json) = token(&tenant, &[], &replace(&right, name, value));
        assert_eq!(
            (got, &json["error"]),
            (status, &json!(error)),
            "{name}={value}"
        );
        let (got, _) = token(&tenant, &[], &right);
        assert_eq!(got == 200, survives, "{name}={value}");
    }

    // Another client that stole the code gets nothing, and does not use it up.
    let right = token_form(&code(&tenant, &valid()));
    let stolen = replace(
        &replace(&right, "client_id", "other"),
        "client_secret",
        "secret",
    );
    assert_eq!(token(&tenant, &[], &stolen).1["error"], "invalid_grant");
    assert_eq!(
        token(&tenant, &[], &format!("{right}&code=x")).1["error"],
        "invalid_request"
    );
    assert_eq!(token(&tenant, &[], &right).0, 200);

    for (age, status) in [(59, 200), (60, 400)] {
        tenant.use_system_clock();
        let now = tenant.now();
        tenant.set_now(now);
        let right = token_form(&code(&tenant, &valid()));
        tenant.set_now(now + Duration::from_secs(age));
        assert_eq!(token(&tenant, &[], &right).0, status, "{age} s");
    }
}

#[test]
fn rfc6749_4_1_2_a_code_used_twice_revokes_its_tokens() {
    let tenant = app();
    let form = token_form(&code(&tenant, &valid()));
    let (_, json) = token(&tenant, &[], &form);
    let first = json["refresh_token"].as_str().unwrap();
    let (_, json) = token(&tenant, &[], &refresh_form(first));
    let second = json["refresh_token"].as_str().unwrap();
    let other = refresh_of(&tenant);

    let (status, json) = token(&tenant, &[], &form);
    assert_eq!((status, &json["error"]), (400, &json!("invalid_grant")));
    // The unused one comes first: the use of the other would revoke it too.
    for revoked in [second, first] {
        let (status, json) = token(&tenant, &[], &refresh_form(revoked));
        assert_eq!((status, &json["error"]), (400, &json!("invalid_grant")));
    }
    assert_eq!(
        token(&tenant, &[], &refresh_form(&other)).0,
        200,
        "another login stays"
    );
}

#[test]
fn refresh_tokens_follow_the_policy() {
    for (policy, rotates, revokes) in [
        (RefreshTokens::RotatingWithReuseDetection, true, true),
        (RefreshTokens::Rotating, true, false),
        (RefreshTokens::NonRotating, false, false),
    ] {
        let tenant = app();
        tenant.set_refresh_tokens(policy);
        let first = refresh_of(&tenant);
        let (status, json) = token(&tenant, &[], &refresh_form(&first));
        assert_eq!(status, 200);
        assert_eq!(json["refresh_token"].is_string(), rotates);
        assert!(json["id_token"].is_string());
        let (status, again) = token(&tenant, &[], &refresh_form(&first));
        assert_eq!(status, if rotates { 400 } else { 200 }, "{again}");
        if rotates {
            let second = json["refresh_token"].as_str().unwrap();
            let (status, _) = token(&tenant, &[], &refresh_form(second));
            assert_eq!(status, if revokes { 400 } else { 200 });
        }
    }
}

#[test]
fn a_refresh_never_gives_more_than_the_login() {
    let tenant = app();
    tenant.register_client("other", "secret");
    tenant
        .register(ClientRegistration::public("public-2"))
        .unwrap();
    let refused = [
        ("&scope=write%3Athings", "invalid_scope"),
        ("&scope=read%3Athings%20write%3Athings", "invalid_scope"),
        ("&scope=%22", "invalid_scope"),
        ("&scope=a&scope=b", "invalid_request"),
        ("&resource=https%3A%2F%2Fother.example%2F", "invalid_target"),
        ("&audience=https%3A%2F%2Fother.example%2F", "invalid_target"),
        (
            "&resource=https%3A%2F%2Fapi.example%2F&resource=https%3A%2F%2Fother.example%2F",
            "invalid_target",
        ),
    ];
    let refresh = refresh_of(&tenant);
    for (extra, error) in refused {
        let (status, json) = token(&tenant, &[], &format!("{}{extra}", refresh_form(&refresh)));
        assert_eq!((status, &json["error"]), (400, &json!(error)), "{extra}");
    }
    // Another client is not told what the user allowed either.
    for (client, more) in [
        ("other", "&client_secret=secret"),
        ("public-2", ""),
        ("public-2", "&scope=write%3Athings"),
    ] {
        let form = refresh_form(&refresh).replace(&encode("app"), &encode(client));
        let (status, json) = token(&tenant, &[], &format!("{form}{more}"));
        assert_eq!(
            (status, &json["error"]),
            (400, &json!("invalid_grant")),
            "{client}"
        );
    }
    let narrow = format!(
        "{}&scope=read%3Athings&resource=https%3A%2F%2Fapi.example%2F&resource=&audience=",
        refresh_form(&refresh)
    );
    let (status, json) = token(&tenant, &[], &narrow);
    assert_eq!((status, &json["scope"]), (200, &json!("read:things")));
    assert!(json.get("id_token").is_none());
    // The next one may ask for everything again.
    let next = json["refresh_token"].as_str().unwrap();
    let (_, json) = token(&tenant, &[], &refresh_form(next));
    assert_eq!(json["scope"], "openid offline_access read:things");

    let tenant = app();
    let refresh = refresh_of(&tenant);
    tenant.set_now(tenant.now() + Duration::from_secs(30 * 24 * 60 * 60));
    assert_eq!(
        token(&tenant, &[], &refresh_form(&refresh)).1["error"],
        "invalid_grant"
    );
    for form in [
        "grant_type=refresh_token&client_id=app",
        "grant_type=refresh_token&client_id=app&refresh_token=",
    ] {
        assert_eq!(token(&tenant, &[], form).1["error"], "invalid_request");
    }
}

#[test]
fn rfc9449_5_tokens_of_a_public_client_are_bound_to_its_key() {
    let tenant = app();
    let (key, other) = (ProofKey::generate().unwrap(), ProofKey::generate().unwrap());
    let proof = |key: &ProofKey| {
        key.proof("POST", "https://tenant.example/oauth/token")
            .mint()
            .unwrap()
    };
    let with = |proof: String, form: &str| token(&tenant, &[("dpop", &proof)], form);
    let (status, json) = with(proof(&key), &token_form(&code(&tenant, &valid())));
    assert_eq!((status, &json["token_type"]), (200, &json!("DPoP")));
    assert_eq!(
        claims(&json["access_token"])["cnf"],
        json!({ "jkt": key.thumbprint() })
    );
    assert!(claims(&json["id_token"]).get("cnf").is_none());
    let refresh = refresh_form(json["refresh_token"].as_str().unwrap());
    assert_eq!(token(&tenant, &[], &refresh).0, 400);
    for bad in [proof(&other), "junk".to_owned()] {
        assert_eq!(with(bad, &refresh).0, 400);
    }
    let (status, json) = with(proof(&key), &refresh);
    assert_eq!((status, &json["token_type"]), (200, &json!("DPoP")));
    let next = refresh_form(json["refresh_token"].as_str().unwrap());
    assert_eq!(
        token(&tenant, &[], &next).0,
        400,
        "the new one is bound too"
    );

    // Section 10: the code is bound before there is a proof.
    let mut wanted = valid();
    wanted.insert("dpop_jkt", key.thumbprint().to_owned());
    let form = || token_form(&code(&tenant, &wanted));
    assert_eq!(token(&tenant, &[], &form()).0, 400);
    assert_eq!(with(proof(&other), &form()).0, 400);
    assert_eq!(with(proof(&key), &form()).0, 200);
    // A proof that cannot be read does not use up the code.
    let form = token_form(&code(&tenant, &valid()));
    assert_eq!(
        with("junk".to_owned(), &form).1["error"],
        "invalid_dpop_proof"
    );
    assert_eq!(token(&tenant, &[], &form).0, 200);
}

/// With the checks of section 4.3. A client whose proofs are wrong must notice it here.
#[test]
fn rfc9449_5_a_proof_at_the_token_endpoint_is_verified() {
    let tenant = app();
    let now = 1_700_000_000;
    tenant.set_now(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
    let now = now as i64;
    let signing = SigningKey::generate(Algorithm::Es256).unwrap();
    let key = ProofKey::new(signing.clone(), Algorithm::Es256).unwrap();
    let url = "https://tenant.example/oauth/token";
    let good = || key.proof("POST", url).issued_at(now);
    let of = |method: &str, url: &str| key.proof(method, url).issued_at(now);
    let with = |key: ProofKey| key.proof("POST", url).issued_at(now);
    let other = ProofKey::generate().unwrap();
    let rsa = SigningKey::cached_rsa("client").unwrap();
    let rsa = ProofKey::new(rsa, Algorithm::Rs256).unwrap();
    let edited = |edit: fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let mut jwk = key.public_jwk();
        edit(jwk.as_object_mut().unwrap());
        good().header("jwk", jwk)
    };
    let form = token_form(&code(&tenant, &valid()));
    let refused = |what: &str, headers: &[(&str, &str)]| {
        let (status, json) = token(&tenant, headers, &form);
        assert_eq!(
            (status, &json["error"]),
            (400, &json!("invalid_dpop_proof")),
            "{what}"
        );
    };
    for (what, proof) in [
        ("typ", good().header("typ", "jwt")),
        ("no typ", good().without_header("typ")),
        ("another alg", with(rsa)),
        (
            "another alg than that of the signature",
            good().header("alg", "RS256"),
        ),
        ("alg none", good().header("alg", "none").unsigned()),
        ("unsigned", good().unsigned()),
        ("another signature", good().with_signature([1; 64])),
        ("a long signature", good().with_signature([1; 66])),
        ("another key", good().header("jwk", other.public_jwk())),
        ("no key", good().without_header("jwk")),
        ("a key that is text", good().header("jwk", "x")),
        (
            "a key of another type",
            edited(|jwk| {
                for (name, value) in [("kty", "RSA"), ("n", "AQAB"), ("e", "AQAB")] {
                    jwk.insert(name.into(), value.into());
                }
            }),
        ),
        (
            "a key on another curve",
            edited(|jwk| drop(jwk.insert("crv".into(), "P-384".into()))),
        ),
        (
            "a key with a private part",
            edited(|jwk| drop(jwk.insert("d".into(), "AA".into()))),
        ),
        (
            "a key in another spelling",
            edited(|jwk| {
                let x = jwk["x"].as_str().unwrap();
                let octets = [vec![0], URL_SAFE_NO_PAD.decode(x).unwrap()].concat();
                jwk.insert("x".into(), URL_SAFE_NO_PAD.encode(octets).into());
            }),
        ),
        ("another method", of("GET", url)),
        (
            "another URL",
            of("POST", "https://other.example/oauth/token"),
        ),
        ("the issuer", of("POST", "https://tenant.example/")),
        ("no htu", good().without_claim("htu")),
        ("no htm", good().without_claim("htm")),
        ("no iat", good().without_claim("iat")),
        ("too old", good().issued_at(now - 301)),
        ("from the future", good().issued_at(now + 301)),
        (
            "too old by a fraction",
            good().claim("iat", now as f64 - 300.5),
        ),
        (
            "from the future by a fraction",
            good().claim("iat", now as f64 + 300.5),
        ),
        ("iat as text", good().claim("iat", now.to_string())),
        (
            "crit",
            good().header("crit", json!(["b64"])).header("b64", true),
        ),
        ("an empty crit", good().header("crit", json!([]))),
        (
            "the URL in other letters",
            of("POST", "https://TENANT.example/oauth/token"),
        ),
        (
            "the URL with its port",
            of("POST", "https://tenant.example:443/oauth/token"),
        ),
        ("no jti", good().without_claim("jti")),
        ("an empty jti", good().jti("")),
    ] {
        refused(what, &[("dpop", &proof.mint().unwrap())]);
    }
    let proof = good().mint().unwrap();
    refused("two", &[("dpop", &proof), ("dpop", &proof)]);
    refused("a part", &[("dpop", proof.rsplit_once('.').unwrap().0)]);
    let (message, signature) = proof.rsplit_once('.').unwrap();
    let mut octets = URL_SAFE_NO_PAD.decode(signature).unwrap();
    octets.splice(32..32, [0, 0]);
    let padded = format!("{message}.{}", URL_SAFE_NO_PAD.encode(octets));
    refused("a signature in another spelling", &[("dpop", &padded)]);
    let more = format!("{message}.x");
    let signature = signing.sign(Algorithm::Es256, more.as_bytes()).unwrap();
    let more = format!("{more}.{}", URL_SAFE_NO_PAD.encode(signature));
    refused("one segment more", &[("dpop", &more)]);

    let refresh = |token: &serde_json::Value| refresh_form(token.as_str().unwrap());
    // None of them used up the code.
    let (status, json) = token(&tenant, &[("dpop", &proof)], &form);
    assert_eq!(status, 200, "{json}");
    // Each proof is for one request.
    let next = refresh(&json["refresh_token"]);
    assert_eq!(
        token(&tenant, &[("dpop", &proof)], &next).1["error"],
        "invalid_dpop_proof"
    );
    for proof in [
        good().issued_at(now - 300),
        good().claim("iat", now as f64 - 299.5),
        of("POST", &format!("{url}?x#y")).issued_at(now + 300),
    ] {
        let form = token_form(&code(&tenant, &valid()));
        let (status, json) = token(&tenant, &[("dpop", &proof.mint().unwrap())], &form);
        assert_eq!(status, 200, "{json}");
    }
}

#[test]
fn clients_authenticate_as_they_are_registered() {
    let tenant = app();
    tenant
        .register(ClientRegistration::confidential("web", "s").redirect_uri(CALLBACK))
        .unwrap();
    tenant
        .register(ClientRegistration::confidential("machine", "s").grant_type("client_credentials"))
        .unwrap();
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    let (web, app, machine) = (basic("web:s"), basic("app:"), basic("machine:s"));
    let cc = "grant_type=client_credentials&audience=x";
    let exchange = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange";
    let cases: [(Option<&str>, String, u16, &str); 12] = [
        (Some(&web), cc.to_owned(), 200, ""),
        (Some(&web), format!("{cc}&client_id=web"), 200, ""),
        (
            Some(&web),
            format!("{cc}&client_id=app"),
            400,
            "invalid_request",
        ),
        (
            Some(&web),
            format!("{cc}&client_secret=s"),
            400,
            "invalid_request",
        ),
        (None, format!("{cc}&client_id=web"), 401, "invalid_client"),
        (
            None,
            format!("{cc}&client_id=web&client_secret="),
            401,
            "invalid_client",
        ),
        (
            None,
            format!("{cc}&client_id=app"),
            400,
            "unauthorized_client",
        ),
        (
            None,
            format!("{cc}&client_id=app&client_secret=s"),
            401,
            "invalid_client",
        ),
        (Some(&app), cc.to_owned(), 401, "invalid_client"),
        (Some(&machine), cc.to_owned(), 200, ""),
        (
            Some(&machine),
            format!("{exchange}&audience=x"),
            400,
            "unauthorized_client",
        ),
        (
            Some(&machine),
            "grant_type=refresh_token&refresh_token=x".into(),
            400,
            "unauthorized_client",
        ),
    ];
    for (authorization, form, status, error) in cases {
        let headers: Vec<_> = authorization
            .map(|it| ("authorization", it))
            .into_iter()
            .collect();
        let (got, json) = token(&tenant, &headers, &form);
        assert_eq!(got, status, "{form}: {json}");
        assert_eq!(json["error"].as_str().unwrap_or_default(), error, "{form}");
    }

    for other in [&web, &machine] {
        let twice = [("authorization", &*web), ("authorization", other)];
        let (status, json) = token(&tenant, &twice, cc);
        assert_eq!((status, &json["error"]), (400, &json!("invalid_request")));
    }

    let mut wanted = valid();
    wanted.insert("client_id", "web".into());
    let form = token_form_of("web", &code(&tenant, &wanted));
    assert_eq!(token(&tenant, &[], &form).0, 401, "no secret");
    assert_eq!(token(&tenant, &[("authorization", &web)], &form).0, 200);

    wanted.insert("client_id", "machine".into());
    tenant
        .register(
            ClientRegistration::confidential("machine", "s")
                .grant_type("client_credentials")
                .redirect_uri(CALLBACK),
        )
        .unwrap();
    let response = get(&tenant, &format!("/authorize?{}", query(&wanted)), &[]);
    assert_eq!(answer(&response)["error"], "unauthorized_client");
}
