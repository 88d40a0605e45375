use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http::header::{AUTHORIZATION, HeaderValue};

use super::Refusal;
use super::parameters::Parameters;
use crate::LocalTenant;
use crate::tenant::form;

/// Authenticates the client by HTTP Basic or by parameters (RFC 6749 section 2.3.1). Returns its
/// `client_id`.
pub(super) fn authenticate(
    tenant: &LocalTenant,
    request: &Request<Vec<u8>>,
    parameters: &Parameters,
) -> Result<String, Refusal> {
    let (id, secret) = match request.headers().get(AUTHORIZATION) {
        Some(_) if parameters.get("client_secret").is_some() => {
            return Err(Refusal::invalid_request(
                "The client authenticates in two ways",
            ));
        }
        Some(value) => basic(value).ok_or_else(Refusal::invalid_client)?,
        None => {
            let (id, secret) = (parameters.get("client_id"), parameters.get("client_secret"));
            let (id, secret) = id.zip(secret).ok_or_else(Refusal::invalid_client)?;
            (id.to_owned(), secret.to_owned())
        }
    };
    if tenant.knows_client(&id, &secret) {
        Ok(id)
    } else {
        Err(Refusal::invalid_client())
    }
}

/// Both halves are form-encoded (RFC 6749 section 2.3.1).
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((
        form::decode(id.as_bytes())?,
        form::decode(secret.as_bytes())?,
    ))
}
