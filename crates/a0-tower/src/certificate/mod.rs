//! The certificate by which a client authenticated to this server or to its proxy (RFC 8705).

mod build;
mod envoy;
mod field;
mod text;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use auth0_api::RequestContext;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{Extensions, HeaderMap, HeaderName};

use crate::fields::DPOP;
use crate::proxy::peers::Peers;

pub use build::{CertificateSourceBuilder, InvalidCertificateSource};

static CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
static CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");
static X_FORWARDED_CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// Says where the certificate of a client comes from, for tokens that are bound to one. See
/// [`Auth::client_certificate`](crate::Auth::client_certificate).
///
/// | | who ends the TLS connection of the client | the certificate is in |
/// |---|---|---|
/// | [`tls`](Self::tls) | this server | a [`PeerCertificate`] in the extensions of the request |
/// | [`client_cert`](Self::client_cert) | a proxy | the field `Client-Cert` (RFC 9440) |
/// | [`escaped_pem`](Self::escaped_pem) | nginx | a field with `$ssl_client_escaped_cert` |
/// | [`x_forwarded_client_cert`](Self::x_forwarded_client_cert) | Envoy | the field `X-Forwarded-Client-Cert` |
///
/// A client can send any field, so a field counts only in requests of a trusted proxy, and that proxy must
/// replace or remove the field in every request that it passes on. Whoever can make it pass on another value
/// can use a stolen token.
///
/// One certificate counts: the one of the client itself. A field with several values, with a chain, or with
/// anything that is not one certificate leaves the certificate unknown. Tokens that are bound to a
/// certificate are then refused, and other tokens work.
#[derive(Clone)]
pub struct CertificateSource(Kind);

#[derive(Clone)]
enum Kind {
    Tls,
    Field(Format, Peers),
}

/// The field of a proxy, and how its value is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Format {
    ClientCert,
    EscapedPem(HeaderName),
    XForwardedClientCert,
}

impl Format {
    fn name(&self) -> &HeaderName {
        match self {
            Format::ClientCert => &CLIENT_CERT,
            Format::EscapedPem(name) => name,
            Format::XForwardedClientCert => &X_FORWARDED_CLIENT_CERT,
        }
    }
}

impl CertificateSource {
    /// This server ends the TLS connection. It puts the certificate of each connection, as its TLS library
    /// verified it, into the extensions of its requests, as a [`PeerCertificate`].
    ///
    /// `crates/a0-tower/tests/it/mutual_tls.rs` has such a server of hyper, tokio-rustls and axum.
    pub fn tls() -> Self {
        CertificateSource(Kind::Tls)
    }

    /// The proxy sets the field `Client-Cert` (RFC 9440 section 2.2): one byte sequence of structured fields
    /// (RFC 8941 section 3.3.5), with a certificate in DER.
    ///
    /// ```
    /// use a0_tower::certificate::CertificateSource;
    ///
    /// let source = CertificateSource::client_cert().trusted(["10.0.0.0/8"]).build()?;
    /// # let _ = source;
    /// # Ok::<(), a0_tower::certificate::InvalidCertificateSource>(())
    /// ```
    pub fn client_cert() -> CertificateSourceBuilder {
        CertificateSourceBuilder::new(Ok(Format::ClientCert))
    }

    /// The proxy sets this field to a certificate in PEM that is percent-encoded, as nginx writes
    /// `$ssl_client_escaped_cert`:
    ///
    /// ```nginx
    /// proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
    /// ```
    ///
    /// nginx then replaces a field of this name that a client sent, and removes it if the client has no
    /// certificate. Note that nginx inherits `proxy_set_header` only into a level without one.
    ///
    /// ```
    /// use a0_tower::certificate::CertificateSource;
    ///
    /// let source = CertificateSource::escaped_pem("x-ssl-client-cert").trusted(["10.0.0.7"]).build()?;
    /// # let _ = source;
    /// # Ok::<(), a0_tower::certificate::InvalidCertificateSource>(())
    /// ```
    pub fn escaped_pem(field: &str) -> CertificateSourceBuilder {
        let name = HeaderName::from_bytes(field.as_bytes()).ok();
        // The fields of credentials: the layer would remove them in a request of an untrusted peer.
        let name =
            name.filter(|name| ![AUTHORIZATION, DPOP, SEC_WEBSOCKET_PROTOCOL].contains(name));
        let format = name.map(Format::EscapedPem);
        CertificateSourceBuilder::new(format.ok_or_else(|| field.to_owned()))
    }

    /// Envoy sets the field `X-Forwarded-Client-Cert`: `Cert`, a certificate in percent-encoded PEM, or
    /// `Hash`, its SHA-256 in hexadecimal digits. If it sets both, they must agree.
    ///
    /// Configure Envoy with `forward_client_cert_details: SANITIZE_SET`, so that it replaces the field. If
    /// several proxies append to the field, it has several elements; the first may be from anybody and the
    /// last may be about a proxy, so they are refused.
    pub fn x_forwarded_client_cert() -> CertificateSourceBuilder {
        CertificateSourceBuilder::new(Ok(Format::XForwardedClientCert))
    }

    /// Reads the certificate of the client. `None` if it has none.
    ///
    /// `peer` is the address of the TCP connection.
    ///
    /// # Errors
    ///
    /// [`UnknownCertificate`] if the certificate cannot be told for sure. Never use another one instead.
    pub fn certificate(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Option<ClientCertificate>, UnknownCertificate> {
        let (format, peers) = match &self.0 {
            Kind::Tls => {
                let peer = extensions.get::<PeerCertificate>();
                return Ok(peer.and_then(PeerCertificate::certificate));
            }
            Kind::Field(format, peers) => (format, peers),
        };
        let mut values = headers.get_all(format.name()).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if !peers.trust(peer) {
            return Err(UnknownCertificate::UntrustedPeer);
        }
        if values.next().is_some() {
            return Err(UnknownCertificate::SeveralValues);
        }
        let value = value.as_bytes().trim_ascii();
        if value.is_empty() {
            return Ok(None);
        }
        let certificate = match format {
            Format::ClientCert => field::from_byte_sequence(value),
            Format::EscapedPem(_) => field::from_escaped_pem(value),
            Format::XForwardedClientCert => return envoy::certificate(value).map(Some),
        };
        let der = certificate.ok_or(UnknownCertificate::Malformed)?;
        Ok(Some(ClientCertificate::Der(der.into())))
    }

    /// Removes the fields with certificates that nobody vouches for, so that no handler takes one for a
    /// certificate: `Client-Cert`, `Client-Cert-Chain`, `X-Forwarded-Client-Cert`, and the field of this
    /// source. Only the field of this source stays in a request of a trusted proxy, with
    /// [`client_cert`](Self::client_cert) and its chain.
    pub fn remove_untrusted_fields(&self, peer: Option<IpAddr>, headers: &mut HeaderMap) {
        let vouched = match &self.0 {
            Kind::Field(format, peers) if peers.trust(peer) => Some(format),
            _ => None,
        };
        if let Kind::Field(format, _) = &self.0
            && vouched.is_none()
        {
            headers.remove(format.name());
        }
        for name in [&CLIENT_CERT, &CLIENT_CERT_CHAIN, &X_FORWARDED_CLIENT_CERT] {
            let stays = match vouched {
                Some(Format::ClientCert) if *name == CLIENT_CERT_CHAIN => true,
                Some(format) => format.name() == name,
                None => false,
            };
            if !stays {
                headers.remove(name);
            }
        }
    }
}

/// The certificate of the client, or its hash. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificate {
    /// The certificate in DER.
    Der(Arc<[u8]>),
    /// The SHA-256 of the certificate in DER.
    Sha256([u8; 32]),
}

impl ClientCertificate {
    /// Adds the certificate to the parts of a request that a verification uses.
    ///
    /// ```
    /// # fn verify(
    /// #     source: &a0_tower::certificate::CertificateSource,
    /// #     parts: &http::request::Parts,
    /// #     peer: std::net::IpAddr,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use auth0_api::RequestContext;
    ///
    /// let certificate = source.certificate(Some(peer), &parts.headers, &parts.extensions)?;
    /// let mut context = RequestContext::from(parts);
    /// if let Some(certificate) = &certificate {
    ///     context = certificate.add_to(context);
    /// }
    /// # let _ = context;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn add_to<'r>(&'r self, context: RequestContext<'r>) -> RequestContext<'r> {
        match self {
            ClientCertificate::Der(der) => context.client_certificate(&der[..]),
            ClientCertificate::Sha256(digest) => context.client_certificate_sha256(*digest),
        }
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            ClientCertificate::Der(_) => "Der",
            ClientCertificate::Sha256(_) => "Sha256",
        };
        formatter.debug_tuple(name).finish_non_exhaustive()
    }
}

/// The certificate that the TLS library of this server verified, for [`CertificateSource::tls`]. Put it into
/// the extensions of each request of the connection. `Debug` does not show the certificate.
///
/// ```
/// use a0_tower::certificate::PeerCertificate;
///
/// # fn each_connection(peer_certificates: Option<&[Vec<u8>]>, mut request: http::Request<()>) {
/// // rustls: `connection.peer_certificates()`. The first one is the client's, the others are its chain.
/// request.extensions_mut().insert(PeerCertificate::of_chain(peer_certificates));
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate(Option<Arc<[u8]>>);

impl PeerCertificate {
    /// The certificate of the client in DER. An empty one counts as none.
    pub fn from_der(der: impl Into<Arc<[u8]>>) -> Self {
        PeerCertificate(Some(der.into()).filter(|der: &Arc<[u8]>| !der.is_empty()))
    }

    /// The first certificate of a chain, which is the client's own (RFC 8446 section 4.4.2). Without a chain,
    /// the client has no certificate.
    pub fn of_chain<C: AsRef<[u8]>>(chain: Option<&[C]>) -> Self {
        match chain {
            Some([own, ..]) => PeerCertificate::from_der(own.as_ref()),
            _ => PeerCertificate(None),
        }
    }

    fn certificate(&self) -> Option<ClientCertificate> {
        self.0.clone().map(ClientCertificate::Der)
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PeerCertificate")
            .field("is_present", &self.0.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CertificateSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Tls => formatter.write_str("CertificateSource(Tls)"),
            Kind::Field(format, peers) => formatter
                .debug_struct("CertificateSource")
                .field("field", format.name())
                .field("peers", peers)
                .finish(),
        }
    }
}

/// Why the certificate of a client is unknown. It holds no part of the request. The extensions of a refusal
/// hold it, for a middleware that writes a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownCertificate {
    /// The request has the field, and its peer is none of the trusted ones.
    #[error("the certificate is not from a trusted proxy")]
    UntrustedPeer,
    /// The field came more than once, or has several elements.
    #[error("the request has several client certificates")]
    SeveralValues,
    /// The value is not one certificate in the form of the field.
    #[error("the request has a malformed client certificate")]
    Malformed,
}
