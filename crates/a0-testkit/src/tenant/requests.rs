//! The requests that a tenant received.

use std::fmt;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};

use super::{LocalTenant, State, form};
use crate::Endpoint;

impl LocalTenant {
    /// The requests received so far, oldest first, without those for other origins.
    #[must_use]
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.with_state(|state| state.requests.clone())
    }

    /// The number of requests that an endpoint received, with any method.
    #[must_use]
    pub fn request_count(&self, endpoint: Endpoint) -> usize {
        let to_it = |request: &&RecordedRequest| request.endpoint() == Some(endpoint);
        self.with_state(|state| state.requests.iter().filter(to_it).count())
    }

    /// The URLs of requests that were refused because they were for another origin.
    #[must_use]
    pub fn refused(&self) -> Vec<Uri> {
        self.with_state(|state| state.refused.clone())
    }

    /// Keeps the newest `limit` requests and forgets older ones, for a tenant that runs for long. A
    /// new tenant keeps all.
    pub fn keep_requests(&self, limit: usize) {
        self.with_state(|state| {
            state.request_limit = limit;
            state.trim_requests();
        });
    }

    pub(super) fn record(&self, request: RecordedRequest) {
        self.with_state(|state| {
            state.requests.push(request);
            state.trim_requests();
        });
    }

    /// Forgets the requests received and refused so far.
    pub fn reset_requests(&self) {
        self.with_state(|state| {
            state.requests.clear();
            state.refused.clear();
        });
    }
}

impl State {
    fn trim_requests(&mut self) {
        let excess = self.requests.len().saturating_sub(self.request_limit);
        self.requests.drain(..excess);
    }
}

/// A request that the tenant received. `Debug` hides the body and the headers `Authorization`,
/// `Cookie` and `DPoP`.
#[derive(Clone)]
pub struct RecordedRequest {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl RecordedRequest {
    pub(super) fn new(request: &Request<Vec<u8>>) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
            body: request.body().clone(),
        }
    }

    /// The endpoint that received the request; `None` for any other path.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        Endpoint::at(&self.path)
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The decoded names and values of a form body, in their order; empty if the body is not a form.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        form::parse(&self.body).unwrap_or_default()
    }
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut headers = self.headers.clone();
        for name in [AUTHORIZATION, COOKIE, HeaderName::from_static("dpop")] {
            if headers.contains_key(&name) {
                headers.insert(name, HeaderValue::from_static("[redacted]"));
            }
        }
        f.debug_struct("RecordedRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &headers)
            .field("body", &format_args!("[{} bytes]", self.body.len()))
            .finish()
    }
}
