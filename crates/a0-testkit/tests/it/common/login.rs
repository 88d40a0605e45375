#![allow(dead_code, reason = "each test file uses only some of these")]

use std::collections::BTreeMap;

use a0_testkit::{ClientRegistration, LocalTenant};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response};
use serde_json::Value;

use super::json_of;

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// RFC 7636 appendix B.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const CALLBACK: &str = "https://app.example/callback";

pub(crate) fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// The valid parameters of an authorization request, which tests change.
pub(crate) fn valid() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("client_id", "app".to_owned()),
        ("redirect_uri", CALLBACK.to_owned()),
        ("response_type", "code".to_owned()),
        ("code_challenge", CHALLENGE.to_owned()),
        ("code_challenge_method", "S256".to_owned()),
        ("state", "xyz".to_owned()),
        ("scope", "openid offline_access read:things".to_owned()),
        ("audience", "https://api.example/".to_owned()),
    ])
}

pub(crate) fn query(parameters: &BTreeMap<&str, String>) -> String {
    let pairs: Vec<_> = parameters.iter().map(|(n, v)| (*n, v.as_str())).collect();
    form(&pairs)
}

pub(crate) fn register_app(tenant: &LocalTenant) {
    tenant
        .register(
            ClientRegistration::public("app")
                .name("App")
                .redirect_uri(CALLBACK),
        )
        .unwrap();
}

pub(crate) fn get(tenant: &LocalTenant, path: &str, headers: &[(&str, &str)]) -> Response<Vec<u8>> {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    tenant.handle(request.body(Vec::new()).unwrap()).unwrap()
}

pub(crate) fn post(
    tenant: &LocalTenant,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Vec<u8>> {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.as_bytes().to_vec()).unwrap();
    tenant.handle(request).unwrap()
}

/// The parameters of an authorization response at [`CALLBACK`].
pub(crate) fn answer(response: &Response<Vec<u8>>) -> BTreeMap<String, String> {
    let location = response.headers()["location"].to_str().unwrap();
    let query = location.strip_prefix(CALLBACK).unwrap();
    let pairs = query.strip_prefix('?').unwrap().split('&');
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(n, v)| (decode(n), decode(v))).collect()
}

/// Logs in without a page.
pub(crate) fn code(tenant: &LocalTenant, parameters: &BTreeMap<&str, String>) -> String {
    let response = get(tenant, &format!("/authorize?{}", query(parameters)), &[]);
    assert_eq!(response.status(), 302, "{response:?}");
    answer(&response)["code"].clone()
}

pub(crate) fn token_form(code: &str) -> String {
    token_form_of("app", code)
}

pub(crate) fn token_form_of(client_id: &str, code: &str) -> String {
    form(&[
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ])
}

pub(crate) fn refresh_form(token: &str) -> String {
    form(&[
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", token),
    ])
}

/// Status and body of a token request.
pub(crate) fn token(tenant: &LocalTenant, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let response = post(tenant, "/oauth/token", headers, body);
    (response.status().as_u16(), json_of(&response))
}

pub(crate) fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub(crate) fn text(response: &Response<Vec<u8>>) -> String {
    String::from_utf8(response.body().clone()).unwrap()
}

/// The value of a hidden field of a page.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let value = page.split_once(&start).expect("the page has the field").1;
    value.split_once('"').unwrap().0.to_owned()
}

pub(crate) fn cookie(response: &Response<Vec<u8>>) -> String {
    let field = response.headers()["set-cookie"].to_str().unwrap();
    field.split_once(';').unwrap().0.to_owned()
}
