//! The options of a [`CertificateSource`].

use crate::proxy::peers::{InvalidPeers, Peers};

use super::{CertificateSource, Format, Kind};

/// Builds a [`CertificateSource`] for the field of a proxy. Say which peers are the proxy:
/// [`trusted`](Self::trusted) or [`only_my_proxy_reaches_me`](Self::only_my_proxy_reaches_me).
#[derive(Debug, Clone)]
#[must_use]
pub struct CertificateSourceBuilder {
    /// The name of the field if it is none.
    format: Result<Format, String>,
    networks: Vec<String>,
    trusts_all: bool,
}

impl CertificateSourceBuilder {
    pub(super) fn new(format: Result<Format, String>) -> Self {
        CertificateSourceBuilder {
            format,
            networks: Vec::new(),
            trusts_all: false,
        }
    }

    /// Adds networks, such as `10.0.0.0/8`, or addresses, such as `::1`. The field is not read in a request
    /// from any other address. A request without the address of its peer is not from the proxy.
    ///
    /// An IPv4 network includes peers that the server sees as IPv4-mapped IPv6 addresses.
    pub fn trusted<N: Into<String>>(mut self, networks: impl IntoIterator<Item = N>) -> Self {
        self.networks.extend(networks.into_iter().map(Into::into));
        self
    }

    /// Says that nothing but the proxy can connect to this server, because of a firewall or a Unix socket.
    /// Anybody else who can connect chooses the certificate, and can use a stolen token.
    pub fn only_my_proxy_reaches_me(mut self) -> Self {
        self.trusts_all = true;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// [`InvalidCertificateSource`] for the first option that is missing or invalid.
    pub fn build(self) -> Result<CertificateSource, InvalidCertificateSource> {
        let format = self.format.map_err(InvalidCertificateSource::Field)?;
        let peers = Peers::new(self.networks, self.trusts_all).map_err(|error| match error {
            InvalidPeers::TrustsNobody => InvalidCertificateSource::TrustsNobody,
            InvalidPeers::TrustsTwice => InvalidCertificateSource::TrustsTwice,
            InvalidPeers::Network(text) => InvalidCertificateSource::Network(text),
        })?;
        Ok(CertificateSource(Kind::Field(format, peers)))
    }
}

/// The error for an option of a [`CertificateSource`] that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCertificateSource {
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
    /// This is not the name of a header field, or the name of a field with credentials.
    #[error("`{0}` is not the name of a header field for a certificate")]
    Field(String),
}
