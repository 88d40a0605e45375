//! The parts of a request that an API passes to a verification, and the options of one call. The file
//! [`request`](super::request) reads the parts, and converts requests of the crate `http`.

use std::borrow::Cow;
use std::fmt;

use http::HeaderMap;

use super::certificate::ClientCertificate;

/// The parts of a request that a verification uses.
///
/// Convert it from a reference to an [`http::Request`] or its [`Parts`](http::request::Parts), or build it
/// from the types of another server framework.
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
    pub(super) map: Option<&'r HeaderMap>,
    pub(super) further_maps: Vec<&'r HeaderMap>,
    pub(super) fields: Vec<(Cow<'r, str>, Cow<'r, [u8]>)>,
    pub(super) method: Option<Cow<'r, str>>,
    pub(super) url: Option<Cow<'r, str>>,
    /// The path, to be appended to `public_url` if the URL is not known.
    pub(super) path: Option<Cow<'r, str>>,
    pub(super) certificate: Option<ClientCertificate<'r>>,
}

impl<'r> RequestContext<'r> {
    /// Creates an empty context.
    pub fn new() -> Self {
        RequestContext::default()
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
