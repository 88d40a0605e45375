//! DPoP proofs at the token endpoint (RFC 9449 section 5), checked as section 4.3 lists it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use openssl::sha::sha256;
use serde_json::{Map, Value};

use super::Refusal;
use crate::minting::{base64url, decode_unverified};
use crate::signing::verify;
use crate::{Algorithm, Endpoint, LocalTenant, thumbprint};

/// How far the `iat` of a proof may be from the tenant's time, in seconds.
const WINDOW: f64 = 300.0;

/// The thumbprint of the key that the proof of the request proves; `None` if there is no proof.
pub(super) fn proven_key(
    tenant: &LocalTenant,
    request: &Request<Vec<u8>>,
) -> Result<Option<String>, Refusal> {
    let mut fields = request.headers().get_all("dpop").iter();
    let Some(field) = fields.next() else {
        return Ok(None);
    };
    let proof = field.to_str().unwrap_or_default();
    let checked = match fields.next() {
        None => check(tenant, proof),
        Some(_) => Err("There are two DPoP proofs"),
    };
    checked
        .map(Some)
        .map_err(|description| Refusal::of("invalid_dpop_proof", description))
}

fn check(tenant: &LocalTenant, proof: &str) -> Result<String, &'static str> {
    let malformed = "The DPoP proof is not a signed JWT";
    let (message, signature) = proof.rsplit_once('.').ok_or(malformed)?;
    if message.split('.').count() != 2 {
        return Err(malformed);
    }
    let header = decode_unverified(proof, 0).ok_or(malformed)?;
    let claims = decode_unverified(proof, 1).ok_or(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
    let jwk = key(&header)?;
    let verified = verify(Algorithm::Es256, jwk, message.as_bytes(), &signature);
    if !matches!(verified, Ok(Some(true))) {
        return Err("The DPoP proof is not signed by its key");
    }
    check_claims(tenant, &claims)?;
    let jkt = thumbprint(jwk).map_err(|_| "The DPoP proof has no usable key")?;
    let jti = text(&claims, "jti").filter(|jti| !jti.is_empty());
    let jti = jti.ok_or("The DPoP proof has no jti")?;
    // Both are bounded by the hash, whatever the client sends.
    let id = base64url(&sha256(format!("{jkt}.{jti}").as_bytes()));
    match tenant.with_state(|state| state.proofs.insert_new(id)) {
        true => Ok(jkt),
        false => Err("The DPoP proof was used before"),
    }
}

/// The key in the header: a public one on P-256, which ES256 needs, in the only spelling that has its thumbprint.
fn key(header: &Map<String, Value>) -> Result<&Value, &'static str> {
    if text(header, "typ") != Some("dpop+jwt") {
        return Err("The typ of the DPoP proof is not dpop+jwt");
    }
    if text(header, "alg") != Some(Algorithm::Es256.name()) {
        return Err("The alg of the DPoP proof is not ES256");
    }
    // The tenant understands no extension (RFC 7515 section 4.1.11).
    if header.contains_key("crit") {
        return Err("The DPoP proof has the header crit");
    }
    let unusable = "The DPoP proof has no usable key";
    let members = header.get("jwk").and_then(Value::as_object);
    let members = members.ok_or(unusable)?;
    let is_coordinate = |name: &str| {
        let octets = text(members, name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        octets.is_some_and(|octets| octets.len() == 32)
    };
    let is_p256 = text(members, "kty") == Some("EC") && text(members, "crv") == Some("P-256");
    if !is_p256 || !is_coordinate("x") || !is_coordinate("y") {
        return Err(unusable);
    }
    if members.contains_key("d") {
        return Err("The DPoP proof has a private key");
    }
    header.get("jwk").ok_or(unusable)
}

fn check_claims(tenant: &LocalTenant, claims: &Map<String, Value>) -> Result<(), &'static str> {
    if text(claims, "htm") != Some("POST") {
        return Err("The htm of the DPoP proof is not POST");
    }
    let htu = text(claims, "htu").unwrap_or_default();
    let htu = htu.split(['?', '#']).next();
    if htu != Some(&*tenant.url(Endpoint::Token)) {
        return Err("The htu of the DPoP proof is not the URL of the token endpoint");
    }
    // A NumericDate may have a fraction (RFC 7519 section 2).
    let issued_at = claims.get("iat").and_then(Value::as_f64);
    let issued_at = issued_at.ok_or("The DPoP proof has no iat")?;
    if (tenant.unix_now() as f64 - issued_at).abs() > WINDOW {
        return Err("The iat of the DPoP proof is not about now");
    }
    Ok(())
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    members.get(name).and_then(Value::as_str)
}
