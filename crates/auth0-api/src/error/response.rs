//! An error as an HTTP response.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

use super::{Error, ErrorKind};

/// RFC 9457 section 3.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl Error {
    /// The whole HTTP response: the [status](Error::status_code), the [header fields](Error::headers), and a
    /// problem document (RFC 9457, `application/problem+json`) as the body.
    ///
    /// The document has `type` (`about:blank`), `title` and `status`. It also has `error` and `detail`, the
    /// code and the description, if the client may know them: not if the request had no credentials (RFC
    /// 6750 section 3.1). A 5xx has no `detail`, and no `error` that comes from the token endpoint.
    ///
    /// ```
    /// use auth0_api::{ApiClient, RequestContext};
    ///
    /// let client = ApiClient::builder().domain("tenant.example").audience("a").build()?;
    /// let request = RequestContext::new().header("Authorization", "Bearer opaque");
    /// let response = client.verify_request(request).unwrap_err().response();
    /// assert_eq!(response.status(), 401);
    /// assert_eq!(response.headers()["content-type"], "application/problem+json");
    /// assert!(response.body().contains(r#""error":"invalid_token""#));
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn response(&self) -> Response<String> {
        let status = self.status_code();
        let mut members = Map::new();
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        add("type", "about:blank".into());
        add("title", status.canonical_reason().unwrap_or("Error").into());
        add("status", status.as_u16().into());
        if self.has_code_for_body() {
            add("error", self.error_code().into());
        }
        if self.has_code_for_body() && !status.is_server_error() {
            let detail = self.error_description();
            if !detail.is_empty() {
                add("detail", detail.into());
            }
        }
        let mut response = Response::new(Value::Object(members).to_string());
        *response.status_mut() = status;
        *response.headers_mut() = self.headers();
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
        response
    }

    /// The code of an `Api` error comes from the token endpoint and may repeat what was sent to it.
    fn has_code_for_body(&self) -> bool {
        match self.kind() {
            ErrorKind::Api(_) => false,
            _ => self.is_told_to_client() || self.status_code() != StatusCode::UNAUTHORIZED,
        }
    }
}
