use openssl::sha::sha256;
use serde_json::Value;

use crate::Error;
use crate::minting::base64url;

/// Computes the JWK thumbprint with SHA-256, in base64url (RFC 7638, RFC 8037 section 2): the `jkt`
/// of DPoP.
///
/// It covers only the members that the key type requires, and ignores all others.
///
/// # Errors
///
/// [`Error::Jwk`] if a required member is missing or not a string, or the key type is unknown.
///
/// ```
/// let jwk = serde_json::json!({
///     "kty": "EC", "crv": "P-256", "kid": "ignored",
///     "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
///     "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
/// });
/// assert_eq!(a0_testkit::thumbprint(&jwk)?, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
/// # Ok::<(), a0_testkit::Error>(())
/// ```
pub fn thumbprint(jwk: &Value) -> Result<String, Error> {
    // Each list is in lexicographic order, as RFC 7638 section 3 requires.
    let members: &[&'static str] = match jwk.get("kty").and_then(Value::as_str) {
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("RSA") => &["e", "kty", "n"],
        Some("OKP") => &["crv", "kty", "x"],
        Some("oct") => &["k", "kty"],
        _ => return Err(Error::Jwk("kty")),
    };
    let mut parts = Vec::with_capacity(members.len());
    for name in members {
        let value = jwk.get(name).filter(|value| value.is_string());
        parts.push(format!("\"{name}\":{}", value.ok_or(Error::Jwk(name))?));
    }
    let canonical = format!("{{{}}}", parts.join(","));
    Ok(base64url(&sha256(canonical.as_bytes())))
}
