//! The hook that changes the answers to refused requests, and what it sees.

use auth0_api::Error;
use http::header::ACCEPT;
use http::request::Parts;
use http::{Method, Response};

use crate::reading::original_uri;

pub(crate) type Hook = dyn Fn(&Refused<'_>, Response<String>) -> Response<String> + Send + Sync;

/// What the hook of [`on_refusal`](crate::Auth::on_refusal) sees of a refused request. It has no
/// credentials: neither the query nor any field but `Accept`.
#[derive(Debug)]
pub struct Refused<'r> {
    pub(crate) error: &'r Error,
    pub(crate) request: &'r Asked,
}

impl<'r> Refused<'r> {
    /// Why the request is refused.
    pub fn error(&self) -> &'r Error {
        self.error
    }

    /// The method of the request.
    pub fn method(&self) -> &'r Method {
        &self.request.method
    }

    /// The path of the request; inside a router that axum nests, with the prefix of the nest. Nothing is
    /// decoded.
    pub fn path(&self) -> &'r str {
        &self.request.path
    }

    /// The value of `Accept` (RFC 9110 section 12.5.1), several joined with commas; empty if there is none.
    pub fn accept(&self) -> &'r str {
        &self.request.accept
    }
}

/// What a hook may see of a request.
#[derive(Debug)]
pub(crate) struct Asked {
    method: Method,
    path: String,
    accept: String,
}

impl Asked {
    pub(crate) fn new(parts: &Parts) -> Self {
        let accept = parts.headers.get_all(ACCEPT).iter();
        let accept: Vec<_> = accept.filter_map(|value| value.to_str().ok()).collect();
        Asked {
            method: parts.method.clone(),
            path: original_uri(parts).path().to_owned(),
            accept: accept.join(", "),
        }
    }
}
