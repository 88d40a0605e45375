//! Routes requests to the endpoints.

use std::io;

use http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request, Response, Uri};
use serde_json::json;

use super::{LocalTenant, authorization, cors, registration_endpoint, token_endpoint};
use crate::reply::{self, Reply};
use crate::{Endpoint, RecordedRequest};

impl LocalTenant {
    pub(crate) fn reply(&self, request: &Request<Vec<u8>>) -> io::Result<Reply> {
        let uri = request.uri();
        if uri.authority().is_some() && !self.serves(uri) {
            self.with_state(|state| state.refused.push(uri.clone()));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.record(RecordedRequest::new(request));
        let Some(endpoint) = Endpoint::at(uri.path()) else {
            return Ok(Reply::Whole(reply::json(
                404,
                &json!({ "error": "not_found" }),
            )));
        };
        let has_cors = cors::applies_to(endpoint);
        if has_cors && *request.method() == Method::OPTIONS {
            return Ok(Reply::Whole(cors::preflight(endpoint)));
        }
        if !endpoint.allows(request.method()) {
            let mut refusal = reply::json(405, &json!({ "error": "method_not_allowed" }));
            if let Ok(allowed) = HeaderValue::from_str(endpoint.method().as_str()) {
                refusal.headers_mut().insert(ALLOW, allowed);
            }
            return Ok(Reply::Whole(refusal));
        }
        let fault = self.with_state(|state| state.faults.next(endpoint));
        fault.apply(&|gate| self.hold(&gate), || {
            let mut response = self.respond(endpoint, request);
            if has_cors {
                cors::allow(response.headers_mut());
            }
            response
        })
    }

    fn respond(&self, endpoint: Endpoint, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
        let body = match endpoint {
            Endpoint::Token => return token_endpoint::respond(self, request),
            Endpoint::Authorize => return authorization::authorize(self, request),
            Endpoint::Login => return authorization::log_in(self, request),
            Endpoint::Registration => return registration_endpoint::respond(self, request),
            Endpoint::Discovery | Endpoint::AuthorizationServer => {
                self.metadata().to_string().into_bytes()
            }
            Endpoint::Jwks => self
                .with_state(|state| state.jwks_body.clone())
                .unwrap_or_else(|| self.jwks().to_string().into_bytes()),
        };
        let mut response = reply::json_typed(reply::response(200, body));
        let cache_control = self.with_state(|state| state.cache_control.clone());
        if let Some(value) = cache_control.and_then(|value| value.parse().ok()) {
            response.headers_mut().insert(CACHE_CONTROL, value);
        }
        response
    }

    /// Whether an absolute URL has this tenant's origin.
    pub(super) fn serves(&self, uri: &Uri) -> bool {
        let bare = |authority: &str| {
            authority
                .strip_suffix(":443")
                .unwrap_or(authority)
                .to_ascii_lowercase()
        };
        let own = bare(self.domain());
        uri.scheme() == Some(&Scheme::HTTPS)
            && uri
                .authority()
                .is_some_and(|authority| bare(authority.as_str()) == own)
    }
}
