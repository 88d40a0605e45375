//! The URL that a client used, where a proxy stands in front of the server.

mod build;
mod forwarded;
mod network;
pub(crate) mod peers;
mod public;

use std::net::IpAddr;

use auth0_api::proof::{Htu, InvalidHtu};
use http::header::{HOST, HeaderName};
use http::{HeaderMap, Uri};

pub use build::{InvalidProxy, ProxyBuilder};
pub(crate) use forwarded::is_token;
use peers::Peers;
use public::{PublicHost, Scheme, without_final_slash};

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Finds the URL that a client used from the header fields of a trusted reverse proxy.
///
/// A DPoP proof names the URL of its request, `htu` (RFC 9449 section 4.2). An API that clients know by
/// one URL sets `public_url` of the client instead. A `Proxy` is for an API with several hosts, or
/// with both `http` and `https`, or with several path prefixes that the proxy removes.
///
/// One family of fields is read, and the other one is ignored:
///
/// | | scheme | host | path prefix |
/// |---|---|---|---|
/// | [`forwarded`](Self::forwarded), RFC 7239 | `proto` | `host`, else `Host` | none |
/// | [`x_forwarded`](Self::x_forwarded) | `X-Forwarded-Proto` | `X-Forwarded-Host`, else `Host` | `X-Forwarded-Prefix` |
///
/// Clients can send all of these fields, and a proxy may pass on what it does not set. Therefore hosts
/// and prefixes are compared with [`public_hosts`](ProxyBuilder::public_hosts) and
/// [`public_prefixes`](ProxyBuilder::public_prefixes), and the URL is built from the configured texts.
/// Configure the proxy to set every field of the family in every request, above all the scheme, which
/// has no list.
///
/// In HTTP/2 and in a request target in absolute form, the authority of the request takes the place of
/// `Host`. If a request has both, they must name the same host.
///
/// ```
/// use a0_tower::proxy::Proxy;
/// use http::{HeaderMap, HeaderValue, Uri};
///
/// let proxy = Proxy::x_forwarded()
///     .trusted(["10.0.0.0/8", "fd00::/8"])
///     .public_hosts(["api.example.com"])
///     .build()?;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
/// headers.insert("x-forwarded-host", HeaderValue::from_static("api.example.com"));
/// let uri = Uri::from_static("/orders?page=2");
/// let peer = Some([10, 1, 2, 3].into());
/// assert_eq!(proxy.client_url(peer, &headers, &uri)?, "https://api.example.com/orders");
///
/// // The fields of a stranger, or of a server that does not know the address, mean nothing.
/// assert!(proxy.client_url(Some([192, 0, 2, 1].into()), &headers, &uri).is_err());
/// assert!(proxy.client_url(None, &headers, &uri).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Proxy {
    family: Family,
    peers: Peers,
    hosts: Vec<PublicHost>,
    /// Each begins with a slash and ends without one.
    prefixes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Forwarded,
    XForwarded,
}

impl Proxy {
    /// Reads the field `Forwarded` (RFC 7239).
    ///
    /// Each proxy appends one element, so the last one is from the proxy that sent the request, and the
    /// others may be from anybody. Only the last one counts. If several proxies of yours stand in a
    /// row, the one that is nearest to the server must replace the field, with the scheme and host that
    /// the client used.
    pub fn forwarded() -> ProxyBuilder {
        ProxyBuilder::new(Family::Forwarded)
    }

    /// Reads the fields `X-Forwarded-Proto`, `X-Forwarded-Host` and `X-Forwarded-Prefix`.
    ///
    /// A field with several values leaves the URL unknown: proxies differ in which one is theirs, so
    /// the proxy must replace these fields and not append to them. `X-Forwarded-Port` is not read; a
    /// port is a part of the host.
    pub fn x_forwarded() -> ProxyBuilder {
        ProxyBuilder::new(Family::XForwarded)
    }

    /// Returns the URL that the client used, normalised as an [`Htu`] and without its query.
    ///
    /// `peer` is the address of the TCP connection, `uri` the request target as the server received it,
    /// before a router removed a prefix.
    ///
    /// # Errors
    ///
    /// [`UnknownUrl`] if the URL cannot be told for sure. The URL is then unknown: a DPoP proof cannot
    /// be verified, and the request is refused. Never try another URL instead. Bearer tokens need no
    /// URL.
    pub fn client_url(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<String, UnknownUrl> {
        if !self.peers.trust(peer) {
            return Err(UnknownUrl::UntrustedPeer);
        }
        let (scheme, forwarded_host, prefix) = match self.family {
            Family::Forwarded => {
                let element = forwarded::last_element(headers)?;
                let proto = element.proto.ok_or(UnknownUrl::Missing("proto"))?;
                let scheme = Scheme::parse(&proto).ok_or(UnknownUrl::Malformed("proto"))?;
                let host = element.host.map(|host| self.host(&host, scheme));
                (scheme, host.transpose()?, "")
            }
            Family::XForwarded => {
                let proto = only_value(headers, &X_FORWARDED_PROTO, "x-forwarded-proto")?;
                let proto = proto.ok_or(UnknownUrl::Missing("x-forwarded-proto"))?;
                let scheme =
                    Scheme::parse(proto).ok_or(UnknownUrl::Malformed("x-forwarded-proto"))?;
                let host = only_value(headers, &X_FORWARDED_HOST, "x-forwarded-host")?;
                let host = host.map(|host| self.host(host, scheme)).transpose()?;
                (scheme, host, self.prefix(headers)?)
            }
        };
        let host = match forwarded_host {
            Some(host) => host,
            None => self.host_of_request(headers, uri, scheme)?,
        };
        // The path is resolved on its own, so that its dot segments cannot leave the prefix.
        let base = Htu::parse(&host.url(scheme, prefix)).map_err(UnknownUrl::from)?;
        let url = base.below(uri.path()).map_err(UnknownUrl::from)?;
        Ok(url.as_str().to_owned())
    }

    fn host(&self, text: &str, scheme: Scheme) -> Result<&PublicHost, UnknownUrl> {
        let mut hosts = self.hosts.iter();
        let found = hosts.find(|host| host.is_named_by(text, scheme));
        found.ok_or(UnknownUrl::UnlistedHost)
    }

    /// The host in the request itself. RFC 9112 section 3.2.2 lets the target win over `Host`, but
    /// something on the way may have routed the request by either.
    fn host_of_request(
        &self,
        headers: &HeaderMap,
        uri: &Uri,
        scheme: Scheme,
    ) -> Result<&PublicHost, UnknownUrl> {
        let field = only_value(headers, &HOST, "host")?;
        let field = field.map(|host| self.host(host, scheme)).transpose()?;
        let target = uri.authority();
        let target = target.map(|authority| self.host(authority.as_str(), scheme));
        match (target.transpose()?, field) {
            (Some(target), Some(field)) if target != field => Err(UnknownUrl::HostsDiffer),
            (Some(host), _) | (None, Some(host)) => Ok(host),
            (None, None) => Err(UnknownUrl::Missing("host")),
        }
    }

    fn prefix(&self, headers: &HeaderMap) -> Result<&str, UnknownUrl> {
        let value = only_value(headers, &X_FORWARDED_PREFIX, "x-forwarded-prefix")?;
        let value = without_final_slash(value.unwrap_or_default());
        if value.is_empty() {
            return Ok("");
        }
        let mut prefixes = self.prefixes.iter();
        let found = prefixes.find(|prefix| *prefix == value);
        found.map(String::as_str).ok_or(UnknownUrl::UnlistedPrefix)
    }
}

/// The value of a field that may be sent once and is not a list.
fn only_value<'h>(
    headers: &'h HeaderMap,
    field: &HeaderName,
    name: &'static str,
) -> Result<Option<&'h str>, UnknownUrl> {
    let mut values = headers.get_all(field).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let value = value.to_str().map_err(|_| UnknownUrl::Malformed(name))?;
    if values.next().is_some() || value.contains(',') {
        return Err(UnknownUrl::SeveralValues(name));
    }
    Ok(Some(value.trim_matches([' ', '\t'])))
}

/// Why the URL that a client used is unknown. It holds no part of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownUrl {
    /// The address of the peer is absent, or in none of the trusted networks.
    #[error("the request is not from a trusted proxy")]
    UntrustedPeer,
    /// This field, or this parameter of `Forwarded`, is absent.
    #[error("the proxy did not send `{0}`")]
    Missing(&'static str),
    /// This field came more than once, or has several values.
    #[error("the request has several values of `{0}`")]
    SeveralValues(&'static str),
    /// This field, or this parameter of `Forwarded`, breaks its grammar or has an unknown value.
    #[error("the request has a malformed `{0}`")]
    Malformed(&'static str),
    /// The host is none of [`public_hosts`](ProxyBuilder::public_hosts).
    #[error("the host of the request is not in the list of public hosts")]
    UnlistedHost,
    /// The request target and `Host` name different hosts.
    #[error("the request names two hosts")]
    HostsDiffer,
    /// The prefix is none of [`public_prefixes`](ProxyBuilder::public_prefixes).
    #[error("the path prefix of the request is not in the list of public prefixes")]
    UnlistedPrefix,
    /// The request target has no path, such as `*`, or one that no URL can have.
    #[error("the request target has no valid path")]
    Path,
}

impl From<InvalidHtu> for UnknownUrl {
    fn from(_: InvalidHtu) -> Self {
        // Everything but the path is from the configuration, which was parsed once already.
        UnknownUrl::Path
    }
}
