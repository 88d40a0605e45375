//! A whole login over real sockets: discover, register, authorize, log in, get tokens, call, refresh.

use crate::common::login::{CHALLENGE, VERIFIER, claims, encode, form, hidden};
use a0_testkit::{Api, CertificateAuthority, HttpsServer, Login, TenantServer, User};
use http::{Request, Response};
use serde_json::{Value, json};

struct Browser(ureq::Agent);

type Answer = Response<ureq::Body>;

impl Browser {
    fn trusting(authorities: &[&str]) -> Self {
        let certificates = authorities
            .iter()
            .map(|pem| ureq::tls::Certificate::from_pem(pem.as_bytes()).unwrap());
        let roots = certificates.collect::<Vec<_>>().into();
        let roots = ureq::tls::RootCerts::Specific(roots);
        Self(
            ureq::Agent::config_builder()
                .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build())
                .http_status_as_error(false)
                .max_redirects(0)
                .proxy(None)
                .build()
                .into(),
        )
    }

    fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        let request = headers
            .iter()
            .fold(self.0.get(url), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.call().unwrap()
    }

    fn post(&self, url: &str, headers: &[(&str, &str)], content_type: &str, body: &str) -> Answer {
        let request = headers
            .iter()
            .fold(self.0.post(url), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.content_type(content_type).send(body).unwrap()
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn json_of(mut answer: Answer) -> Value {
    serde_json::from_slice(&answer.body_mut().read_to_vec().unwrap()).unwrap()
}

fn location(answer: &Answer) -> String {
    answer.headers()["location"].to_str().unwrap().to_owned()
}

fn member<'a>(document: &'a Value, name: &str) -> &'a str {
    document[name].as_str().unwrap()
}

#[test]
fn a_client_discovers_registers_logs_in_calls_and_refreshes() {
    // The API and the client's callback are another server of the same authority.
    let authority = CertificateAuthority::generate_for_loopback().unwrap();
    let server = TenantServer::builder()
        .authority(&authority)
        .intercept(|_, request| {
            let is_api = request.uri().path() == "/api";
            is_api.then(|| {
                let field = request.headers().get("authorization").cloned();
                Response::new(field.map(|it| it.as_bytes().to_vec()).unwrap_or_default())
            })
        })
        .start()
        .unwrap();
    let callback_server = HttpsServer::start(|request: Request<Vec<u8>>| {
        Ok(Response::new(
            request.uri().query().unwrap_or_default().into(),
        ))
    })
    .unwrap();
    let callback = format!("{}/callback", callback_server.origin());
    let tenant = server.tenant();
    tenant.set_login(Login::Page);
    tenant.add_user(User::new("auth0|ada").name("Ada"));
    tenant.add_api(Api::new("https://mcp.example/").scopes(["tools:read", "tools:write"]));
    let browser = Browser::trusting(&[server.ca_pem(), callback_server.ca_pem()]);

    let discovery = format!("{}.well-known/oauth-authorization-server", server.issuer());
    let metadata = json_of(browser.get(&discovery, &[("origin", "https://spa.example")]));
    assert_eq!(metadata["issuer"], server.issuer());

    let registration = json!({
        "redirect_uris": [callback],
        "client_name": "Flow",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let endpoint = member(&metadata, "registration_endpoint");
    let answer = browser.post(endpoint, &[], "application/json", &registration.to_string());
    assert_eq!(answer.status(), 201);
    let client = json_of(answer);
    let client_id = member(&client, "client_id");

    let query = form(&[
        ("client_id", client_id),
        ("redirect_uri", &callback),
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "s"),
        ("scope", "offline_access tools:read unknown"),
        ("resource", "https://mcp.example/"),
    ]);
    let url = format!("{}?{query}", member(&metadata, "authorization_endpoint"));
    let mut page = browser.get(&url, &[]);
    assert_eq!(page.status(), 200);
    let cookie = page.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split_once(';').unwrap().0.to_owned();
    let html = page.body_mut().read_to_string().unwrap();
    assert!(html.contains("action=\"/u/login\"") && !html.contains("unknown"));
    let fields = form(&[
        ("transaction", &hidden(&html, "transaction")),
        ("user", "auth0|ada"),
        ("decision", "allow"),
    ]);
    let login = format!("{}u/login", server.issuer());
    let answer = browser.post(&login, &[("cookie", &cookie)], FORM, &fields);
    assert_eq!(answer.status(), 303);
    let mut landed = browser.get(&location(&answer), &[]);
    let landed = landed.body_mut().read_to_string().unwrap();
    let value = |name: &str| {
        let pairs = landed.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(other, _)| *other == name)
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(value("state"), "s");
    let escaped = encode(server.issuer());
    assert_eq!(value("iss").len(), value("iss").trim().len());
    assert!(
        escaped.len() > value("iss").len() && value("iss").starts_with("https%3A%2F%2Flocalhost")
    );

    let endpoint = member(&metadata, "token_endpoint");
    let fields = form(&[
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", &value("code")),
        ("redirect_uri", &callback),
        ("code_verifier", VERIFIER),
        ("resource", "https://mcp.example/"),
    ]);
    let answer = browser.post(endpoint, &[], FORM, &fields);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    let tokens = json_of(answer);
    let access = member(&tokens, "access_token");
    let payload = claims(&tokens["access_token"]);
    for (name, expected) in [
        ("sub", "auth0|ada"),
        ("aud", "https://mcp.example/"),
        ("scope", "offline_access tools:read"),
        ("azp", client_id),
    ] {
        assert_eq!(payload[name], expected);
    }
    let field = format!("Bearer {access}");
    let mut answer = browser.get(
        &format!("{}api", server.issuer()),
        &[("authorization", &field)],
    );
    assert_eq!(answer.body_mut().read_to_string().unwrap(), field);

    let fields = form(&[
        ("grant_type", "refresh_token"),
        ("client_id", client_id),
        ("refresh_token", member(&tokens, "refresh_token")),
    ]);
    let refreshed = json_of(browser.post(endpoint, &[], FORM, &fields));
    assert_ne!(refreshed["access_token"], tokens["access_token"]);
    assert_ne!(refreshed["refresh_token"], tokens["refresh_token"]);
    let again = browser.post(endpoint, &[], FORM, &fields);
    assert_eq!(again.status(), 400);
    assert_eq!(json_of(again)["error"], "invalid_grant");
}

#[test]
fn an_authority_is_kept_and_vouches_for_this_machine_alone() {
    let first = CertificateAuthority::generate_for_loopback().unwrap();
    let kept = CertificateAuthority::from_pem(first.pem(), first.key_pem().unwrap()).unwrap();
    let server = TenantServer::builder().authority(&kept).start().unwrap();
    assert_eq!(server.ca_pem(), first.pem());
    let browser = Browser::trusting(&[first.pem()]);
    let jwks = format!("{}.well-known/jwks.json", server.issuer());
    assert_eq!(browser.get(&jwks, &[]).status(), 200);
    let shown = format!("{kept:?}");
    assert!(!shown.contains("PRIVATE") && shown.len() < 40);

    let other = CertificateAuthority::generate_for_loopback().unwrap();
    let mixed = CertificateAuthority::from_pem(first.pem(), other.key_pem().unwrap());
    assert!(matches!(mixed, Err(a0_testkit::Error::Authority)));
    CertificateAuthority::from_pem("junk", "junk").unwrap_err();
    let year = std::time::Duration::from_secs(366 * 24 * 60 * 60);
    let now = std::time::SystemTime::now();
    assert!(kept.is_valid_at(now) && !kept.is_valid_at(now + year));

    // RFC 5280 section 4.2.1.10: a certificate for another name by the same authority is refused.
    use openssl::x509::{X509, X509StoreContext, store::X509StoreBuilder};
    let ca = X509::from_pem(first.pem().as_bytes()).unwrap();
    let key =
        openssl::pkey::PKey::private_key_from_pem(first.key_pem().unwrap().as_bytes()).unwrap();
    for (name, valid) in [("localhost", true), ("evil.example", false)] {
        let leaf = leaf(&ca, &key, name);
        let mut store = X509StoreBuilder::new().unwrap();
        store.add_cert(ca.clone()).unwrap();
        let store = store.build();
        let chain = openssl::stack::Stack::new().unwrap();
        let mut context = X509StoreContext::new().unwrap();
        let verified = context
            .init(&store, &leaf, &chain, |it| it.verify_cert())
            .unwrap();
        assert_eq!(verified, valid, "{name}");
    }
}

fn leaf(
    ca: &openssl::x509::X509,
    key: &openssl::pkey::PKey<openssl::pkey::Private>,
    name: &str,
) -> openssl::x509::X509 {
    use openssl::asn1::Asn1Time;
    let mut builder = openssl::x509::X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_issuer_name(ca.subject_name()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    let context = builder.x509v3_context(Some(ca), None);
    let names = openssl::x509::extension::SubjectAlternativeName::new()
        .dns(name)
        .build(&context)
        .unwrap();
    builder.append_extension(names).unwrap();
    builder
        .sign(key, openssl::hash::MessageDigest::sha256())
        .unwrap();
    builder.build()
}
