#![allow(dead_code, reason = "each test file uses only some of these")]

pub(crate) mod login;

use a0_testkit::LocalTenant;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Response;
use serde_json::Value;

pub(crate) fn tenant() -> LocalTenant {
    LocalTenant::new("tenant.example").unwrap()
}

pub(crate) fn json_of(response: &Response<Vec<u8>>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

/// Header, payload, signed text and signature of a compact JWS.
pub(crate) struct Parts {
    pub(crate) header: Value,
    pub(crate) payload: Value,
    pub(crate) message: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

pub(crate) fn parts(jws: &str) -> Parts {
    let (message, signature) = jws.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    Parts {
        header: serde_json::from_slice(&decode(header)).unwrap(),
        payload: serde_json::from_slice(&decode(payload)).unwrap(),
        message: message.as_bytes().to_vec(),
        signature: decode(signature),
    }
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub(crate) fn kids(jwks: &Value) -> Vec<String> {
    let kid = |entry: &Value| entry["kid"].as_str().unwrap().to_owned();
    jwks["keys"].as_array().unwrap().iter().map(kid).collect()
}
