//! The reply of an endpoint, before it becomes a value in memory or bytes on a socket.

use std::io;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::Value;

pub(crate) enum Reply {
    Whole(Response<Vec<u8>>),
    /// Status 200 and a JSON body that never ends.
    Unfinished(BodyFault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    Endless,
    Stalled,
    Trickling,
}

impl Reply {
    pub(crate) fn in_memory(self) -> io::Result<Response<Vec<u8>>> {
        match self {
            Self::Whole(response) => Ok(response),
            Self::Unfinished(BodyFault::Endless) => {
                Ok(json_typed(response(200, vec![b' '; 8 << 20])))
            }
            Self::Unfinished(BodyFault::Stalled | BodyFault::Trickling) => {
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }
}

/// A number that is not an HTTP status becomes 500.
pub(crate) fn response(status: u16, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// Whether a `Content-Type` is JSON, with or without parameters.
pub(crate) fn is_json(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/json")
}

pub(crate) fn json(status: u16, body: &Value) -> Response<Vec<u8>> {
    json_typed(response(status, body.to_string().into_bytes()))
}

pub(crate) fn json_typed(mut response: Response<Vec<u8>>) -> Response<Vec<u8>> {
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
