#![allow(dead_code, reason = "no test file uses all of it")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_token_exchange::{
    ClientAuth, ExchangeError, IssuedToken, OnBehalfOf, TokenClient, TokenExchange, TokenRequest,
    TokenResponse,
};
use http::{Request, Response};

pub(crate) const ENDPOINT: &str = "https://tenant.example/oauth/token";
pub(crate) const NOW: u64 = 1_700_000_000;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn client() -> TokenClient {
    TokenClient::new(ENDPOINT, ClientAuth::basic("id", "secret").unwrap()).unwrap()
}

pub(crate) fn exchange() -> TokenRequest<TokenResponse> {
    let request = TokenExchange::new("subject", "urn:x");
    client().exchange(&request).unwrap()
}

pub(crate) fn on_behalf_of() -> TokenRequest<IssuedToken> {
    let request = OnBehalfOf::new("subject", "aud");
    client().on_behalf_of(&request).unwrap()
}

pub(crate) fn response(
    status: u16,
    content_type: &str,
    body: impl AsRef<[u8]>,
) -> Response<Vec<u8>> {
    Response::builder()
        .status(status)
        .header("content-type", content_type)
        .body(body.as_ref().to_vec())
        .unwrap()
}

pub(crate) fn json(body: impl AsRef<[u8]>) -> Response<Vec<u8>> {
    response(200, "application/json", body)
}

pub(crate) fn accept(body: impl AsRef<[u8]>) -> Result<TokenResponse, ExchangeError> {
    exchange().accept(json(body), now())
}

/// Returns the parameters, read by another crate's decoder.
pub(crate) fn form(request: &Request<Vec<u8>>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.body())
        .into_owned()
        .collect()
}

pub(crate) fn parameter(request: &Request<Vec<u8>>, name: &str) -> Option<String> {
    let found = form(request).into_iter().find(|(other, _)| other == name);
    found.map(|(_, value)| value)
}
