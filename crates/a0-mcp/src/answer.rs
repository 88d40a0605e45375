//! The answers of the layer that are not about credentials: JSON-RPC errors.

use http::header::{ACCEPT_ENCODING, ALLOW, CONNECTION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::body::ReadError;
use crate::headers::Mismatch;
use crate::message::{MessageError, quoted};

/// JSON-RPC 2.0 section 5.1.
const INVALID_REQUEST: i32 = -32600;

/// MCP 2026-07-28, Streamable HTTP, server validation.
const HEADER_MISMATCH: i32 = -32020;

/// A JSON-RPC error. Without an identifier, the member `id` is left out, as MCP has it.
fn error(code: i32, message: &str, id: Option<&str>) -> String {
    let id = id.map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    let message = quoted(message);
    format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":{code},"message":{message}}}}}"#)
}

fn answer(status: StatusCode, code: i32, message: &str, id: Option<&str>) -> Response<String> {
    let mut response = Response::new(error(code, message, id));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn with(mut response: Response<String>, name: HeaderName, value: &'static str) -> Response<String> {
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(name, value);
    response
}

pub(crate) fn origin() -> Response<String> {
    answer(
        StatusCode::FORBIDDEN,
        INVALID_REQUEST,
        "pages of this origin may not call this server",
        None,
    )
}

pub(crate) fn method() -> Response<String> {
    let response = answer(
        StatusCode::METHOD_NOT_ALLOWED,
        INVALID_REQUEST,
        "the HTTP method is not one of MCP",
        None,
    );
    with(response, ALLOW, "GET, POST, DELETE")
}

pub(crate) fn content_encoding() -> Response<String> {
    let message = "bodies with a Content-Encoding are not accepted";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let response = answer(status, INVALID_REQUEST, message, None);
    // RFC 9110 section 15.5.16.
    with(response, ACCEPT_ENCODING, "identity")
}

pub(crate) fn content_type() -> Response<String> {
    let message = "the body must be application/json in UTF-8";
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    answer(status, INVALID_REQUEST, message, None)
}

pub(crate) fn unread(error: ReadError) -> Response<String> {
    let (status, message) = match error {
        ReadError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
        ReadError::TooSlow => (
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        ),
        ReadError::Broken => (StatusCode::BAD_REQUEST, "the body did not arrive"),
    };
    let response = answer(status, INVALID_REQUEST, message, None);
    // A part of the body is still to come.
    with(response, CONNECTION, "close")
}

/// The last event of a stream whose token expired before the request was answered.
pub(crate) fn expired_event(id: &str) -> String {
    let error = error(INVALID_REQUEST, "the access token expired", Some(id));
    format!("data: {error}\n\n")
}

pub(crate) fn malformed(error: MessageError) -> Response<String> {
    answer(StatusCode::BAD_REQUEST, error.code(), error.text(), None)
}

pub(crate) fn mismatch(mismatch: Mismatch, id: Option<&str>) -> Response<String> {
    let status = StatusCode::BAD_REQUEST;
    answer(status, HEADER_MISMATCH, &mismatch.text(), id)
}

/// The client opens a new session after this status (MCP 2025-11-25, session management).
pub(crate) fn session() -> Response<String> {
    let message = "there is no such session of this client";
    answer(StatusCode::NOT_FOUND, INVALID_REQUEST, message, None)
}
