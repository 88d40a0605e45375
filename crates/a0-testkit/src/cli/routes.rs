//! What the program serves beside the tenant.

use std::io;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{mint, page};
use crate::tenant::authorization::is_cross_site;
use crate::{Endpoint, Fault, LocalTenant, reply};

/// The response, if the request is not one for the tenant.
pub(super) fn respond(
    tenant: &LocalTenant,
    ca_pem: &str,
    request: &Request<Vec<u8>>,
) -> Option<Response<Vec<u8>>> {
    let path = request.uri().path();
    if !matches!(
        path,
        "/" | "/ca.pem" | "/mint" | "/keys/rotate" | "/keys/replace" | "/faults"
    ) {
        return None;
    }
    let is_get = *request.method() == Method::GET;
    // A page of another site must not use this program through the developer's browser. It may link
    // here.
    if !is_get && is_cross_site(tenant, request) {
        return Some(failure(
            403,
            "This request comes from a page of another site",
        ));
    }
    Some(match (request.method().as_str(), path) {
        ("GET", "/") => page::show(tenant, &page::Form::default()),
        ("POST", "/") => page::submit(tenant, request.body()),
        ("GET", "/ca.pem") => certificate(ca_pem),
        ("POST", "/mint") => with_json(request, |order| mint_token(tenant, order)),
        ("POST", "/keys/rotate") => rotated(tenant.rotate_keys()),
        ("POST", "/keys/replace") => rotated(tenant.replace_keys()),
        ("POST", "/faults") => with_json(request, |order| misbehave(tenant, order)),
        ("DELETE", "/faults") => {
            for endpoint in crate::tenant::ENDPOINTS {
                tenant.recover(endpoint);
            }
            reply::json(200, &json!({ "faults": "none" }))
        }
        _ => failure(405, "This path does not take this method"),
    })
}

fn failure(status: u16, message: &str) -> Response<Vec<u8>> {
    reply::json(status, &json!({ "error": message }))
}

fn certificate(pem: &str) -> Response<Vec<u8>> {
    let mut response = reply::response(200, pem.as_bytes().to_vec());
    let media_type = HeaderValue::from_static("application/x-pem-file");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

fn with_json<T: DeserializeOwned>(
    request: &Request<Vec<u8>>,
    act: impl FnOnce(T) -> Result<Value, String>,
) -> Response<Vec<u8>> {
    // With this media type, a browser asks before it sends a request of another site.
    let media_type = request.headers().get(CONTENT_TYPE);
    if !media_type.is_some_and(reply::is_json) {
        return failure(415, "The Content-Type is not application/json");
    }
    // A derived type would take an array too.
    let members: Result<Map<String, Value>, _> = serde_json::from_slice(request.body());
    let order = members.and_then(|members| serde_json::from_value(Value::Object(members)));
    let mut response = match order.map_err(|error| error.to_string()).and_then(act) {
        Ok(body) => reply::json(200, &body),
        Err(message) => failure(400, &message),
    };
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    response
}

fn mint_token(tenant: &LocalTenant, order: mint::Order) -> Result<Value, String> {
    let token = mint::mint(tenant, order)?;
    Ok(json!({ "access_token": token }))
}

fn rotated(kid: Result<String, crate::Error>) -> Response<Vec<u8>> {
    match kid {
        Ok(kid) => reply::json(200, &json!({ "kid": kid })),
        Err(error) => failure(500, &error.to_string()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    /// The path of an endpoint, such as `/oauth/token`.
    endpoint: String,
    fault: FaultKind,
    #[serde(default = "unavailable")]
    status: u16,
    /// In seconds.
    retry_after: Option<u64>,
    /// How many requests; without it, all until `DELETE /faults`.
    times: Option<usize>,
}

fn unavailable() -> u16 {
    503
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FaultKind {
    /// A response with `status`.
    Status,
    /// A closed connection.
    Close,
    EndlessBody,
    StalledBody,
    TricklingBody,
    GzipBomb,
}

fn misbehave(tenant: &LocalTenant, order: FaultOrder) -> Result<Value, String> {
    let endpoint = Endpoint::at(&order.endpoint)
        .ok_or_else(|| format!("no endpoint has the path {:?}", order.endpoint))?;
    let fault = match order.fault {
        FaultKind::Status => match order.retry_after {
            Some(seconds) => Fault::retry_after(order.status, seconds),
            None => Fault::status(order.status),
        },
        FaultKind::Close => Fault::transport(io::ErrorKind::ConnectionReset),
        FaultKind::EndlessBody => Fault::endless_body(),
        FaultKind::StalledBody => Fault::stalled_body(),
        FaultKind::TricklingBody => Fault::trickling_body(),
        FaultKind::GzipBomb => Fault::gzip_bomb(64 << 20),
    };
    match order.times {
        Some(times) if times > 1_000 => return Err("times is more than 1000".into()),
        Some(times) => tenant.misbehave_times(endpoint, times, fault),
        None => tenant.misbehave(endpoint, fault),
    }
    Ok(json!({ "endpoint": order.endpoint, "times": order.times }))
}
