use std::fmt;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};

use crate::form;

/// The endpoints of a tenant that can be told to misbehave and whose requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `GET /.well-known/openid-configuration`
    Discovery,
    /// `GET /.well-known/jwks.json`
    Jwks,
    /// `POST /oauth/token`
    Token,
}

impl Endpoint {
    /// The path below the issuer, with a slash at its beginning.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Discovery => "/.well-known/openid-configuration",
            Self::Jwks => "/.well-known/jwks.json",
            Self::Token => "/oauth/token",
        }
    }

    /// The one method it answers.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Discovery | Self::Jwks => Method::GET,
            Self::Token => Method::POST,
        }
    }

    pub(crate) fn at(path: &str) -> Option<Self> {
        [Self::Discovery, Self::Jwks, Self::Token]
            .into_iter()
            .find(|endpoint| endpoint.path() == path)
    }
}

/// A request the tenant received. `Debug` hides the body and the headers that carry credentials.
#[derive(Clone)]
pub struct RecordedRequest {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl RecordedRequest {
    pub(crate) fn of(request: &Request<Vec<u8>>) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            headers: request.headers().clone(),
            body: request.body().clone(),
        }
    }

    /// The endpoint it went to; `None` for any other path.
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

    /// The names and values of a form body, decoded, in their order; empty if it is none.
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
