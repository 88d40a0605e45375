//! Reads the header and the payload of a token without verifying its signature.

use serde_json::{Map, Value};

use crate::error::{ParseError, Part};
use crate::jws::{Compact, decode_object};

/// Returns the header of a compact JWS without checking the signature. Never trust it.
///
/// # Errors
///
/// [`ParseError`].
///
/// ```
/// let header = a0_jose::unverified_header("eyJhbGciOiJFUzI1NiJ9.e30.", 16_384)?;
/// assert_eq!(header["alg"], "ES256");
/// # Ok::<(), a0_jose::ParseError>(())
/// ```
pub fn unverified_header(token: &str, max_size: usize) -> Result<Map<String, Value>, ParseError> {
    Ok(decode_object(
        Compact::parse(token, max_size)?.header_segment(),
        Part::Header,
    )?
    .to_map())
}

/// Returns the payload of a compact JWS without checking the signature. Never trust it.
///
/// # Errors
///
/// [`ParseError`].
///
/// ```
/// let claims = a0_jose::unverified_payload("e30.eyJpc3MiOiJqb2UifQ.", 16_384)?;
/// assert_eq!(claims["iss"], "joe");
/// # Ok::<(), a0_jose::ParseError>(())
/// ```
pub fn unverified_payload(token: &str, max_size: usize) -> Result<Map<String, Value>, ParseError> {
    Ok(decode_object(Compact::parse(token, max_size)?.payload(), Part::Payload)?.to_map())
}
