//! Nonces on successful responses (RFC 9449 section 8.2).

use auth0_api::asynchronous::ApiClient;
use auth0_api::jose::unverified_payload;
use auth0_api::{Scheme, VerifiedToken};
use http::{HeaderMap, HeaderValue};

use crate::fields::DPOP;

/// Returns the current nonce, unless the proof of the request has it already.
pub(crate) fn to_send(
    client: &ApiClient,
    token: &VerifiedToken,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    // A token that is bound to a certificate alone may have the scheme DPoP without a proof.
    if token.scheme() != Scheme::Dpop || !headers.contains_key(DPOP) {
        return None;
    }
    let current = client.dpop_nonce()?;
    (used(headers).as_deref() != Some(&*current))
        .then(|| HeaderValue::try_from(current).ok())
        .flatten()
}

/// The nonce of a proof that the client has verified by now.
fn used(headers: &HeaderMap) -> Option<String> {
    let proof = headers.get(DPOP)?.to_str().ok()?.trim_matches([' ', '\t']);
    let claims = unverified_payload(proof, proof.len()).ok()?;
    Some(claims.get("nonce")?.as_str()?.to_owned())
}
