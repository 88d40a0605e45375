//! What a decision may look at of a request.

use std::borrow::Cow;
use std::fmt;

use a0_dpop::{Htu, ProofError};
use http::{HeaderMap, HeaderName, Request, request::Parts};

use crate::error::ErrorKind;

/// The parts of a request that a decision may look at.
///
/// Made from an [`http::Request`] or its [`Parts`] by reference, or put together by hand from
/// whatever a server framework has. It grows: what a later check needs becomes a method here.
///
/// `Debug` shows the names of the header fields and no value.
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
    /// The path of a request whose URL is not known, to be put behind the API's own.
    path: Option<&'r str>,
}

impl<'r> RequestContext<'r> {
    /// A context with nothing in it.
    pub fn new() -> Self {
        RequestContext::default()
    }

    /// Adds a header field. The name's case does not matter; a field that was sent several times is
    /// added several times.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'r, str>>, value: impl Into<Cow<'r, str>>) -> Self {
        let value = match value.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        self.fields.push((name.into(), value));
        self
    }

    /// Adds all fields of a header map, to those that are there.
    #[must_use]
    pub fn headers(mut self, headers: &'r HeaderMap) -> Self {
        if let Some(further) = self.map.replace(headers) {
            self.further_maps.push(further);
        }
        self
    }

    /// The request's method, as it was sent.
    #[must_use]
    pub fn method(mut self, method: impl Into<Cow<'r, str>>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// The URL that the client used, with scheme and authority. Behind a proxy that is not the URL
    /// that arrives here; never put it together from `Host` or `Forwarded` fields, which the client
    /// writes. One that is not absolute is as good as none.
    #[must_use]
    pub fn url(mut self, url: impl Into<Cow<'r, str>>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// Those that were added by [`headers`](Self::headers). There is nearly always one, which then
    /// takes no memory of its own.
    fn maps(&self) -> impl Iterator<Item = &'r HeaderMap> + use<'_, 'r> {
        self.further_maps.iter().copied().chain(self.map)
    }

    pub(crate) fn method_name(&self) -> Option<&str> {
        self.method.as_deref().filter(|method| !method.is_empty())
    }

    /// The URL that the client used: the one that was given, or else the path below `public_url`. The
    /// path is the client's own, and everything else the API's.
    pub(crate) fn full_url(&self, public_url: Option<&Htu>) -> Result<Htu, ErrorKind> {
        let argument = "http_url";
        let missing = ErrorKind::MissingRequiredArgument { argument };
        match (self.url.as_deref(), public_url, self.path) {
            (Some(url), ..) => Htu::parse(url).map_err(|_| missing),
            (None, Some(prefix), Some(path)) => prefix
                .below(path)
                .map_err(|_| ErrorKind::InvalidDpopProof(ProofError::Url)),
            _ => Err(missing),
        }
    }

    fn path(mut self, path: &'r str) -> Self {
        self.path = Some(path);
        self
    }

    /// The values of a field, in order, each as text; octets that are not UTF-8 are replaced, which
    /// no token survives.
    pub(crate) fn field<'c>(&'c self, name: &'c HeaderName) -> impl Iterator<Item = Cow<'c, str>> {
        let in_map = self
            .maps()
            .flat_map(move |headers| headers.get_all(name))
            .map(|value| text(value.as_bytes()));
        let by_hand = self
            .fields
            .iter()
            .filter(move |(present, _)| present.eq_ignore_ascii_case(name.as_str()))
            .map(|(_, value)| text(value));
        in_map.chain(by_hand)
    }
}

impl RequestContext<'_> {
    /// All fields, names in lower case, octets that are not UTF-8 replaced.
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

/// A value as text, octets that are not UTF-8 replaced. Nearly all values are: to see that first takes
/// a tenth of the time that looking for what to replace takes.
fn text(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(value),
    }
}

impl<'r, T> From<&'r Request<T>> for RequestContext<'r> {
    fn from(request: &'r Request<T>) -> Self {
        RequestContext::new()
            .method(request.method().as_str())
            .path(request.uri().path())
            .headers(request.headers())
    }
}

impl<'r> From<&'r Parts> for RequestContext<'r> {
    fn from(parts: &'r Parts) -> Self {
        RequestContext::new()
            .method(parts.method.as_str())
            .path(parts.uri.path())
            .headers(&parts.headers)
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
