use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http::header::{AUTHORIZATION, HeaderValue};

use super::Refusal;
use super::parameters::Parameters;
use crate::LocalTenant;
use crate::tenant::form;
use crate::tenant::registration::{Authentication, ClientRegistration, SecretBy};

/// Authenticates the client by HTTP Basic or by parameters (RFC 6749 section 2.3.1). A public
/// client only names itself (section 3.2.1).
pub(super) fn authenticate(
    tenant: &LocalTenant,
    request: &Request<Vec<u8>>,
    parameters: &Parameters,
) -> Result<ClientRegistration, Refusal> {
    let named = parameters.get("client_id");
    let posted = parameters.get("client_secret");
    let mut fields = request.headers().get_all(AUTHORIZATION).iter();
    let (id, secret) = match (fields.next(), posted) {
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid_request(
                "The client authenticates in two ways",
            ));
        }
        (Some(value), None) => {
            let (id, secret) = basic(value).ok_or_else(Refusal::invalid_client)?;
            if fields.next().is_some() || named.is_some_and(|named| named != id) {
                return Err(Refusal::invalid_request("The request names two clients"));
            }
            (id, Some((secret, SecretBy::Basic)))
        }
        (None, posted) => {
            let id = named.ok_or_else(Refusal::invalid_client)?.to_owned();
            (id, posted.map(|it| (it.to_owned(), SecretBy::Post)))
        }
    };
    let client = tenant
        .find_client(&id)
        .ok_or_else(Refusal::invalid_client)?;
    let authentic = match (&client.authentication, &secret) {
        (Authentication::None, None) => true,
        (Authentication::Secret { secret, by }, Some((sent, way))) => {
            secret == sent && (*by == SecretBy::Either || by == way)
        }
        _ => false,
    };
    if authentic {
        Ok(client)
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
