//! The endpoint at which clients register themselves (RFC 7591).

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use serde_json::{Map, Value, json};

use super::client_metadata::{ClientMetadata, Rejection};
use super::options::Feature;
use super::registration::{Authentication, ClientRegistration, SecretBy};
use super::{LocalTenant, authorization, grant_types};
use crate::reply;

/// The longest request body, in bytes.
const MAX_BODY: usize = 64 << 10;
const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

pub(super) fn respond(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    if !tenant.supports(Feature::Registration) {
        return reply::json(404, &json!({ "error": "not_found" }));
    }
    let mut response = match register(tenant, request) {
        Ok(body) => reply::json(201, &body),
        Err((error, description)) => {
            let body = json!({ "error": error, "error_description": description });
            reply::json(if error == "server_error" { 500 } else { 400 }, &body)
        }
    };
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

fn register(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Result<Value, Rejection> {
    let members = members(request)?;
    let metadata = ClientMetadata::parse(&members, &grant_types::ALL, &METHODS)?;
    let secret =
        || authorization::secret().map_err(|_| ("server_error", "No random number could be made"));

    let client_id = secret()?;
    let mut registered = metadata.registered;
    registered.insert("client_id".into(), client_id.clone().into());
    registered.insert("client_id_issued_at".into(), tenant.unix_now().into());
    let by = match metadata.method.as_str() {
        "none" => None,
        "client_secret_post" => Some(SecretBy::Post),
        _ => Some(SecretBy::Basic),
    };
    let authentication = match by {
        None => Authentication::None,
        Some(by) => {
            let secret = secret()?;
            registered.insert("client_secret".into(), secret.clone().into());
            // It does not expire (RFC 7591 section 3.2.1).
            registered.insert("client_secret_expires_at".into(), 0.into());
            Authentication::Secret { secret, by }
        }
    };
    tenant.insert_dynamic_client(ClientRegistration {
        name: metadata.name,
        redirect_uris: metadata.redirect_uris,
        grant_types: Some(metadata.grant_types),
        ..ClientRegistration::new(&client_id, authentication)
    });
    Ok(Value::Object(registered))
}

fn members(request: &Request<Vec<u8>>) -> Result<Map<String, Value>, Rejection> {
    let code = "invalid_client_metadata";
    let media_type = request.headers().get(CONTENT_TYPE);
    if !media_type.is_some_and(reply::is_json) {
        return Err((code, "The Content-Type is not application/json"));
    }
    if request.body().len() > MAX_BODY {
        return Err((code, "The body is too long"));
    }
    serde_json::from_slice(request.body()).map_err(|_| (code, "The body is not a JSON object"))
}
