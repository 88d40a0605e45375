//! The options of a [`Proxy`].

use super::peers::{InvalidPeers, Peers};
use super::public::{PublicHost, parse_prefix};
use super::{Family, Proxy};

/// Builds a [`Proxy`].
///
/// Two things must be said: which peers are the proxy, by [`trusted`](Self::trusted) or
/// [`only_my_proxy_reaches_me`](Self::only_my_proxy_reaches_me), and by which hosts clients know this
/// API, by [`public_hosts`](Self::public_hosts).
#[derive(Debug, Clone)]
#[must_use]
pub struct ProxyBuilder {
    family: Family,
    networks: Vec<String>,
    trusts_all: bool,
    hosts: Vec<String>,
    prefixes: Vec<String>,
}

impl ProxyBuilder {
    pub(super) fn new(family: Family) -> Self {
        ProxyBuilder {
            family,
            networks: Vec::new(),
            trusts_all: false,
            hosts: Vec::new(),
            prefixes: Vec::new(),
        }
    }

    /// Adds networks, such as `10.0.0.0/8`, or addresses, such as `::1`. The fields of a request from
    /// any other address are not read. A request without the address of its peer is not from a proxy.
    ///
    /// An IPv4 network includes peers that the server sees as IPv4-mapped IPv6 addresses.
    pub fn trusted<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.networks.extend(networks.into_iter().map(Into::into));
        self
    }

    /// Says that nothing but the proxy can connect to this server, because of a firewall, a Unix
    /// socket, or a platform such as AWS Lambda. Anybody else who can connect chooses the URL that
    /// a proof is compared with, among the public hosts.
    pub fn only_my_proxy_reaches_me(mut self) -> Self {
        self.trusts_all = true;
        self
    }

    /// Adds hosts by which clients know this API: `api.example.com`, or with a port that is not the
    /// scheme's, `api.example.com:8443`. An IPv6 address is written in brackets.
    pub fn public_hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Adds path prefixes that the proxy removes and names in `X-Forwarded-Prefix`, such as `/v1`. Any
    /// other prefix leaves the URL unknown. An absent field, an empty one and `/` mean no prefix.
    ///
    /// Without this list a client could send the field through a proxy that does not set it, and have
    /// a proof for `/v1/orders` accepted for `/orders`.
    pub fn public_prefixes<P: Into<String>>(
        mut self,
        prefixes: impl IntoIterator<Item = P>,
    ) -> Self {
        self.prefixes.extend(prefixes.into_iter().map(Into::into));
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`] for the first option that is missing or invalid.
    pub fn build(self) -> Result<Proxy, InvalidProxy> {
        let peers = Peers::new(self.networks, self.trusts_all).map_err(|error| match error {
            InvalidPeers::TrustsNobody => InvalidProxy::TrustsNobody,
            InvalidPeers::TrustsTwice => InvalidProxy::TrustsTwice,
            InvalidPeers::Network(text) => InvalidProxy::Network(text),
        })?;
        let hosts = parse_all(self.hosts, PublicHost::parse, InvalidProxy::PublicHost)?;
        if hosts.is_empty() {
            return Err(InvalidProxy::NoPublicHost);
        }
        let prefixes = parse_all(self.prefixes, parse_prefix, InvalidProxy::PublicPrefix)?;
        if self.family == Family::Forwarded && !prefixes.is_empty() {
            return Err(InvalidProxy::PrefixOfForwarded);
        }
        Ok(Proxy {
            family: self.family,
            peers,
            hosts,
            prefixes,
        })
    }
}

fn parse_all<T>(
    texts: Vec<String>,
    parse: fn(&str) -> Option<T>,
    invalid: fn(String) -> InvalidProxy,
) -> Result<Vec<T>, InvalidProxy> {
    let texts = texts.into_iter();
    texts
        .map(|text| parse(&text).ok_or_else(|| invalid(text)))
        .collect()
}

/// The error for an option of a [`Proxy`] that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// Neither `trusted` nor `only_my_proxy_reaches_me` says which peers are the proxy.
    #[error("no peer is trusted: set `trusted` or `only_my_proxy_reaches_me`")]
    TrustsNobody,
    /// Both `trusted` and `only_my_proxy_reaches_me` are set.
    #[error("`trusted` and `only_my_proxy_reaches_me` exclude each other")]
    TrustsTwice,
    /// This is not a network or an address, has bits beyond the network's length, or is an IPv4-mapped
    /// IPv6 network.
    #[error("`{0}` is not an IP network such as 10.0.0.0/8 or an IP address")]
    Network(String),
    /// `public_hosts` is missing.
    #[error("set `public_hosts` to the hosts by which clients know this API")]
    NoPublicHost,
    /// This is not a host with or without a port.
    #[error("`{0}` is not a host such as api.example.com or api.example.com:8443")]
    PublicHost(String),
    /// This is not an absolute path without percent-encodings, dot segments and empty segments.
    #[error("`{0}` is not a path prefix such as /v1")]
    PublicPrefix(String),
    /// `Forwarded` cannot name a prefix.
    #[error("`Forwarded` names no prefix: use `public_url` of the client, or `x_forwarded`")]
    PrefixOfForwarded,
}
