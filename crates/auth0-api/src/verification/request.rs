//! The parts of a request that a verification uses, and the options of one call.

use std::borrow::Cow;
use std::fmt;

use a0_dpop::{Htu, InvalidHtu, ProofError};
use http::{HeaderMap, HeaderName, Method, Request, Uri, request::Parts};

use crate::error::{ArgumentSource, ErrorKind};

use super::confirmation::ClientCertificate;

/// The parts of a request that a verification uses.
///
/// Convert it from a reference to an [`http::Request`] or its [`Parts`], or build it from the types of
/// another server framework.
///
/// `Debug` shows the names of the header fields, but no values.
///
/// ```
/// use auth0_api::RequestContext;
///
/// let context = RequestContext::new()
///     .method("GET")
///     .url("https://api.example/things?page=2")
///     .header("authorization", "Bearer eyJ...");
/// # let _ = context;
/// ```
#[derive(Clone, Default)]
pub struct RequestContext<'r> {
    map: Option<&'r HeaderMap>,
    further_maps: Vec<&'r HeaderMap>,
    fields: Vec<(Cow<'r, str>, Cow<'r, [u8]>)>,
    method: Option<Cow<'r, str>>,
    url: Option<Cow<'r, str>>,
    /// The path, to be appended to `public_url` if the URL is not known.
    path: Option<Cow<'r, str>>,
    certificate: Option<ClientCertificate<'r>>,
}

impl<'r> RequestContext<'r> {
    /// Creates an empty context.
    pub fn new() -> Self {
        RequestContext::default()
    }

    /// Made at once and not by the methods below, which move the context each time.
    fn of(method: &'r Method, target: &'r Uri, headers: &'r HeaderMap) -> Self {
        RequestContext {
            map: Some(headers),
            method: Some(Cow::Borrowed(method.as_str())),
            path: Some(Cow::Borrowed(target.path())),
            ..RequestContext::default()
        }
    }

    /// Adds a header field. The case of the name does not matter. Add a field once for each time it was
    /// sent.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'r, str>>, value: impl Into<Cow<'r, str>>) -> Self {
        let value = match value.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        self.fields.push((name.into(), value));
        self
    }

    /// Adds all fields of a header map.
    #[must_use]
    pub fn headers(mut self, headers: &'r HeaderMap) -> Self {
        if let Some(further) = self.map.replace(headers) {
            self.further_maps.push(further);
        }
        self
    }

    /// The method of the request.
    #[must_use]
    pub fn method(mut self, method: impl Into<Cow<'r, str>>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// The URL that the client used, with scheme and authority. Behind a proxy, the server receives a
    /// different URL. Never build it from `Host` or `Forwarded` fields, because the client controls them. A
    /// URL that is not absolute counts as missing.
    #[must_use]
    pub fn url(mut self, url: impl Into<Cow<'r, str>>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The path of the request below [`public_url`](crate::Builder::public_url). An [`http::Request`] brings
    /// it. A router that strips a prefix from the path of a nested route loses the original: set it here
    /// again. The path and `public_url` together must be the URL that the client used. A query is dropped.
    ///
    /// ```
    /// # let request = http::Request::new(());
    /// use auth0_api::RequestContext;
    ///
    /// // The router has cut `/v1` off, and the client's request was for `/v1/orders`.
    /// let context = RequestContext::from(&request).path("/v1/orders");
    /// # let _ = context;
    /// ```
    #[must_use]
    pub fn path(mut self, path: impl Into<Cow<'r, str>>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// The certificate of the client, DER-encoded, as the TLS layer of this server verified it or as a trusted
    /// proxy passed it on. With [`certificate_bound_tokens`](crate::Builder::certificate_bound_tokens), a
    /// token that is bound to a certificate is accepted with this one only (RFC 8705 section 3).
    ///
    /// It is the certificate of the client itself: not one of its chain, and not the connection of a proxy.
    /// Never take it from a header field that the client could write. An empty one counts as none.
    ///
    /// ```
    /// # let request = http::Request::new(());
    /// # let peer_certificates: Option<Vec<Vec<u8>>> = None;
    /// use auth0_api::RequestContext;
    ///
    /// // rustls: `connection.peer_certificates()`. The first one is the client's.
    /// let mut context = RequestContext::from(&request);
    /// if let Some([certificate, ..]) = peer_certificates.as_deref() {
    ///     context = context.client_certificate(&certificate[..]);
    /// }
    /// # let _ = context;
    /// ```
    #[must_use]
    pub fn client_certificate(mut self, der: impl Into<Cow<'r, [u8]>>) -> Self {
        self.certificate = ClientCertificate::from_der(der.into());
        self
    }

    /// The SHA-256 of the client's certificate in DER, in place of the
    /// [certificate](Self::client_certificate): some proxies pass on the hash alone.
    #[must_use]
    pub fn client_certificate_sha256(mut self, digest: [u8; 32]) -> Self {
        self.certificate = Some(ClientCertificate::Sha256(digest));
        self
    }

    pub(super) fn certificate(&self) -> Option<&ClientCertificate<'r>> {
        self.certificate.as_ref()
    }

    /// The maps that [`headers`](Self::headers) added. There is nearly always one, which needs no
    /// allocation.
    fn maps(&self) -> impl Iterator<Item = &'r HeaderMap> + use<'_, 'r> {
        self.further_maps.iter().copied().chain(self.map)
    }

    pub(crate) fn method_name(&self) -> Result<&str, ErrorKind> {
        let method = self.method.as_deref().filter(|method| !method.is_empty());
        method.ok_or(missing("http_method"))
    }

    /// Whether the API passed the method and the URL that a DPoP proof must name.
    pub(crate) fn can_have_proof(&self, public_url: Option<&Htu>) -> bool {
        let is_absolute = |url: &str| url.contains("://") && !url.ends_with("://");
        let has_url = self.url.as_deref().is_some_and(is_absolute)
            || (public_url.is_some() && self.url.is_none() && self.path.is_some());
        has_url && self.method_name().is_ok()
    }

    /// The URL that the client used: the given URL, or `public_url` with the request's path. The client
    /// controls the path alone, so a path that no URL can have is the client's fault, and everything else
    /// that is wrong is the API's.
    pub(crate) fn full_url(&self, public_url: Option<&Htu>) -> Result<Htu, ErrorKind> {
        match (self.url.as_deref(), public_url, self.path.as_deref()) {
            (Some(url), ..) => Htu::parse(url).map_err(|error| match error {
                InvalidHtu::Path | InvalidHtu::PercentEncoding => unusable_path(),
                _ => missing("http_url"),
            }),
            (None, Some(prefix), Some(path)) => prefix.below(path).map_err(|_| unusable_path()),
            _ => Err(missing("http_url")),
        }
    }

    /// The values of a field, in order.
    pub(crate) fn field<'c>(&'c self, name: &'c HeaderName) -> impl Iterator<Item = &'c [u8]> {
        let in_map = self
            .maps()
            .flat_map(move |headers| headers.get_all(name))
            .map(|value| value.as_bytes());
        let by_hand = self
            .fields
            .iter()
            .filter(move |(present, _)| present.eq_ignore_ascii_case(name.as_str()))
            .map(|(_, value)| value.as_ref());
        in_map.chain(by_hand)
    }
}

impl RequestContext<'_> {
    /// All fields, with names in lower case. Octets that are not UTF-8 are replaced.
    pub(crate) fn all_fields(&self) -> impl Iterator<Item = (String, Cow<'_, str>)> {
        let in_map = self.maps().flat_map(|headers| headers.iter());
        let in_map = in_map.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let by_hand = self.fields.iter();
        let by_hand = by_hand.map(|(name, value)| (name.as_ref(), value.as_ref()));
        in_map
            .chain(by_hand)
            .map(|(name, value)| (name.to_ascii_lowercase(), text(value)))
    }
}

/// Nearly every value is UTF-8, and checking that first takes a tenth of the time of `from_utf8_lossy`.
fn text(value: &[u8]) -> Cow<'_, str> {
    str::from_utf8(value).map_or_else(|_| String::from_utf8_lossy(value), Cow::Borrowed)
}

/// No proof can name such a path.
fn unusable_path() -> ErrorKind {
    ErrorKind::InvalidDpopProof(ProofError::Url)
}

fn missing(argument: &'static str) -> ErrorKind {
    let source = ArgumentSource::Request;
    ErrorKind::MissingRequiredArgument { argument, source }
}

impl<'r, T> From<&'r Request<T>> for RequestContext<'r> {
    fn from(request: &'r Request<T>) -> Self {
        RequestContext::of(request.method(), request.uri(), request.headers())
    }
}

impl<'r> From<&'r Parts> for RequestContext<'r> {
    fn from(parts: &'r Parts) -> Self {
        RequestContext::of(&parts.method, &parts.uri, &parts.headers)
    }
}

impl<'r> From<&RequestContext<'r>> for RequestContext<'r> {
    fn from(context: &RequestContext<'r>) -> Self {
        context.clone()
    }
}

impl fmt::Debug for RequestContext<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_map = self.maps().flat_map(|headers| headers.keys());
        let names: Vec<&str> = in_map
            .map(|name| name.as_str())
            .chain(self.fields.iter().map(|(name, _)| name.as_ref()))
            .collect();
        formatter
            .debug_struct("RequestContext")
            .field("method", &self.method)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// Options for one verification, in addition to those of the client.
///
/// ```
/// let options = auth0_api::TokenOptions::new().require(["org_id"]);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct TokenOptions<'r> {
    pub(crate) required_claims: Vec<String>,
    pub(crate) request: RequestContext<'r>,
}

impl<'r> TokenOptions<'r> {
    /// Creates options that add nothing.
    pub fn new() -> Self {
        TokenOptions::default()
    }

    /// Adds claims that the token must carry. Their values are not checked.
    #[must_use]
    pub fn require<S: Into<String>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.required_claims
            .extend(claims.into_iter().map(Into::into));
        self
    }

    /// The request that the token came with. Only a domains resolver sees it.
    #[must_use]
    pub fn request(mut self, request: impl Into<RequestContext<'r>>) -> Self {
        self.request = request.into();
        self
    }
}
