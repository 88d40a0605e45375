//! DPoP in token requests (RFC 9449 sections 5 and 8): what a proof is made for, and nonces.

use std::error::Error;
use std::time::SystemTime;

use http::header::{HeaderMap, HeaderName};

pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: &str = "dpop-nonce";

/// The maximum length of a nonce, in characters.
const MAX_NONCE_LENGTH: usize = 1024;

/// The values that a proof must contain (RFC 9449 section 4.2).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ProofRequest<'a> {
    /// The method for `htm`: `POST`.
    pub method: &'a str,
    /// The endpoint's URL, as the caller wrote it. `htu` is this URL without its query.
    pub url: &'a str,
    /// The value for `nonce`, if there is one.
    pub nonce: Option<&'a str>,
    /// The time of the request, for `iat`.
    pub now: SystemTime,
}

/// Makes the proof for one request.
pub(crate) type Prover =
    dyn Fn(&ProofRequest<'_>) -> Result<String, Box<dyn Error + Send + Sync>> + Send + Sync;

/// Returns the response's nonce, if there is exactly one and RFC 9449 section 8.1 allows its
/// characters.
pub(crate) fn response_nonce(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(DPOP_NONCE).iter();
    let nonce = values.next()?.to_str().ok()?;
    let is_valid = values.next().is_none()
        && (1..=MAX_NONCE_LENGTH).contains(&nonce.len())
        && nonce.chars().all(is_nonce_character);
    is_valid.then(|| nonce.to_owned())
}

fn is_nonce_character(character: char) -> bool {
    matches!(character, '!' | '#'..='[' | ']'..='~')
}
