//! Refusals that gRPC clients understand, without a dependency on a gRPC library.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The octets that `grpc-message` encodes besides those that are not printable ASCII.
const IN_MESSAGE: &AsciiSet = &CONTROLS.add(b'%');

/// Returns whether a request is a gRPC call: its media type is `application/grpc`, alone or with a
/// suffix such as `+proto`.
///
/// gRPC-Web has another media type, `application/grpc-web`, and is not included: its clients read the
/// HTTP status and the challenges of an ordinary response.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
///
/// let mut headers = HeaderMap::new();
/// assert!(!a0_tower::grpc::is_grpc(&headers));
/// headers.insert("content-type", HeaderValue::from_static("application/grpc+proto"));
/// assert!(a0_tower::grpc::is_grpc(&headers));
/// ```
pub fn is_grpc(headers: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let value = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let parts = value.and_then(|value| value.split_at_checked(TYPE.len()));
    parts.is_some_and(|(media_type, rest)| {
        let is_whole = matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'));
        media_type.eq_ignore_ascii_case(TYPE) && is_whole
    })
}

/// Returns the answer to a gRPC call that is refused: HTTP status 200 with `grpc-status` and
/// `grpc-message` among the header fields and an empty body, which gRPC calls *Trailers-Only*. A body
/// must not be added.
///
/// `status`, `headers` and `description` are those of the HTTP answer, such as
/// [`Error::status_code`](auth0_api::Error::status_code), [`Error::headers`](auth0_api::Error::headers)
/// and [`Error::error_description`](auth0_api::Error::error_description). The fields become metadata, so
/// that a client finds each challenge in a `www-authenticate`. Fields that describe a body are left out.
///
/// | HTTP | `grpc-status` |
/// |---|---|
/// | 400 | 3, `INVALID_ARGUMENT` |
/// | 401 | 16, `UNAUTHENTICATED` |
/// | 403 | 7, `PERMISSION_DENIED` |
/// | 429, 502, 503, 504 | 14, `UNAVAILABLE` |
/// | 500 and the other 5xx | 13, `INTERNAL` |
/// | anything else | 2, `UNKNOWN` |
///
/// ```
/// use http::{HeaderMap, HeaderValue, StatusCode};
///
/// let mut headers = HeaderMap::new();
/// headers.append("www-authenticate", HeaderValue::from_static("Bearer realm=\"api\""));
/// let answer = a0_tower::grpc::refusal(StatusCode::UNAUTHORIZED, &headers, "100 % expired");
/// assert_eq!(answer.status(), 200);
/// assert_eq!(answer.headers()["grpc-status"], "16");
/// assert_eq!(answer.headers()["grpc-message"], "100 %25 expired");
/// assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"api\"");
/// ```
pub fn refusal(status: StatusCode, headers: &HeaderMap, description: &str) -> Response<()> {
    let mut answer = Response::new(());
    let fields = answer.headers_mut();
    fields.clone_from(headers);
    for name in [
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        TRANSFER_ENCODING,
        GRPC_MESSAGE,
    ] {
        fields.remove(name);
    }
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    fields.insert(GRPC_STATUS, HeaderValue::from(code(status)));
    let message = utf8_percent_encode(description, IN_MESSAGE).to_string();
    // An encoded text is a valid value. Without the message the status still says what happened.
    if let Ok(message) = HeaderValue::try_from(message) {
        fields.insert(GRPC_MESSAGE, message);
    }
    answer
}

/// Returns the `grpc-status` for an HTTP status, by the table of [`refusal`]. It is never 0, which means
/// success. A method of a service can so make the status of its own refusals.
///
/// ```
/// assert_eq!(a0_tower::grpc::code(http::StatusCode::FORBIDDEN), 7);
/// ```
pub fn code(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 3,
        401 => 16,
        403 => 7,
        429 | 502 | 503 | 504 => 14,
        500..=599 => 13,
        _ => 2,
    }
}

/// gRPC services that need no token, by their exact names.
///
/// ```
/// use a0_tower::grpc::PublicServices;
/// use http::{HeaderMap, HeaderValue, Uri};
///
/// let public = PublicServices::new().health().service("shop.v1.Catalog");
/// let mut headers = HeaderMap::new();
/// headers.insert("content-type", HeaderValue::from_static("application/grpc"));
/// let is_public = |path| public.includes(&headers, &Uri::from_static(path));
/// assert!(is_public("/grpc.health.v1.Health/Check"));
/// assert!(is_public("/shop.v1.Catalog/List"));
/// assert!(!is_public("/shop.v1.CatalogAdmin/List"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct PublicServices {
    names: Vec<String>,
}

impl PublicServices {
    /// No service.
    #[must_use]
    pub fn new() -> Self {
        PublicServices::default()
    }

    /// Adds the health service, `grpc.health.v1.Health`.
    #[must_use]
    pub fn health(self) -> Self {
        self.service("grpc.health.v1.Health")
    }

    /// Adds the reflection services, `grpc.reflection.v1.ServerReflection` and the one of `v1alpha`.
    /// They show all services of the server and their messages.
    #[must_use]
    pub fn reflection(self) -> Self {
        self.service("grpc.reflection.v1.ServerReflection")
            .service("grpc.reflection.v1alpha.ServerReflection")
    }

    /// Adds a service by its full name with its package, in this case. All its methods are public. An
    /// empty name, or one with a slash, is the name of no service.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Returns whether a request is a gRPC call of one of the services: its media type is gRPC's, and
    /// its path is exactly a slash, the name, a slash and a method. Nothing is decoded or normalised.
    ///
    /// `uri` is the request target as the server received it.
    pub fn includes(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let call = uri.path().strip_prefix('/');
        let Some((service, method)) = call.and_then(|call| call.split_once('/')) else {
            return false;
        };
        let is_letter = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'_';
        let is_method = !method.is_empty() && method.bytes().all(is_letter);
        is_method
            && !service.is_empty()
            && self.names.iter().any(|name| name == service)
            && is_grpc(headers)
    }
}
