//! The parts of a request that a layer reads: the URL that its client used, a token from another place than
//! `Authorization`, and the certificate of the client.

use std::net::IpAddr;
use std::sync::Arc;

use auth0_api::RequestContext;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Uri};

use crate::certificate::{CertificateSource, ClientCertificate, UnknownCertificate};
use crate::proxy::{Proxy, UnknownUrl};
use crate::source::{Subprotocol, SubprotocolError};

type PeerAddress = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

/// How a layer reads a request. Layers that read differently do not share a verification.
#[derive(Clone, Default)]
pub(crate) struct Reading {
    pub(crate) proxy: Option<Arc<Proxy>>,
    pub(crate) peer_address: Option<Arc<PeerAddress>>,
    pub(crate) source: Option<Arc<Subprotocol>>,
    pub(crate) certificates: Option<Arc<CertificateSource>>,
}

/// What [`Reading::take_token`] returns: a value of `Authorization`, if there is a token.
pub(crate) type Taken = Result<Option<HeaderValue>, SubprotocolError>;

/// What [`Reading::take_certificate`] returns.
pub(crate) type TakenCertificate = Result<Option<ClientCertificate>, UnknownCertificate>;

impl Reading {
    /// Whether the two layers see the same request. Their certificates are compared one by one, as credentials
    /// are.
    pub(crate) fn is_same(&self, other: &Reading) -> bool {
        same(&self.proxy, &other.proxy)
            && same(&self.peer_address, &other.peer_address)
            && same(&self.source, &other.source)
    }

    /// Takes the token out of the subprotocols, so that nothing inside the layer can echo it.
    pub(crate) fn take_token(&self, headers: &mut HeaderMap) -> Taken {
        let source = self.source.as_ref();
        source.map_or(Ok(None), |source| source.take(headers))
    }

    /// Takes the certificate of the client, and removes the fields that nobody vouches for.
    pub(crate) fn take_certificate(&self, parts: &mut Parts) -> TakenCertificate {
        let Some(source) = &self.certificates else {
            return Ok(None);
        };
        let peer = self.peer(&parts.extensions);
        let certificate = source.certificate(peer, &parts.headers, &parts.extensions);
        source.remove_untrusted_fields(peer, &mut parts.headers);
        certificate
    }

    /// The parts that a verification uses, and why the URL is unknown if it is.
    pub(crate) fn context<'p>(
        &self,
        parts: &'p Parts,
        taken: &'p Taken,
        certificate: &'p TakenCertificate,
    ) -> (RequestContext<'p>, Option<UnknownUrl>) {
        let (context, unknown) = self.located(parts);
        let context = match certificate {
            Ok(Some(certificate)) => certificate.add_to(context),
            _ => context,
        };
        let value = |taken: &'p HeaderValue| String::from_utf8_lossy(taken.as_bytes());
        let context = match taken {
            Ok(None) => context,
            Ok(Some(taken)) => context.header(AUTHORIZATION.as_str(), value(taken)),
            // Several credentials at once are refused, as several `Authorization` fields are.
            Err(_) => {
                let twice = context.header(AUTHORIZATION.as_str(), "Bearer");
                twice.header(AUTHORIZATION.as_str(), "Bearer")
            }
        };
        (context, unknown)
    }

    fn located<'p>(&self, parts: &'p Parts) -> (RequestContext<'p>, Option<UnknownUrl>) {
        let uri = original_uri(parts);
        let Some(proxy) = &self.proxy else {
            return (RequestContext::from(parts).path(uri.path()), None);
        };
        // No path: otherwise the client would join it with its `public_url`.
        let context = RequestContext::new()
            .method(parts.method.as_str())
            .headers(&parts.headers);
        match proxy.client_url(self.peer(&parts.extensions), &parts.headers, uri) {
            Ok(url) => (context.url(url), None),
            Err(unknown) => (context, Some(unknown)),
        }
    }

    fn peer(&self, extensions: &Extensions) -> Option<IpAddr> {
        match &self.peer_address {
            Some(peer_address) => peer_address(extensions),
            None => connected_peer(extensions),
        }
    }
}

fn same<T: ?Sized>(one: &Option<Arc<T>>, other: &Option<Arc<T>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    }
}

/// The request target before nested routers removed a prefix.
pub(crate) fn original_uri(parts: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = parts.extensions.get::<axum::extract::OriginalUri>() {
        return &original.0;
    }
    &parts.uri
}

/// The address that `into_make_service_with_connect_info` of axum provides.
fn connected_peer(extensions: &Extensions) -> Option<IpAddr> {
    #[cfg(feature = "axum")]
    {
        use axum::extract::ConnectInfo;
        let peer = extensions.get::<ConnectInfo<std::net::SocketAddr>>()?;
        Some(peer.0.ip())
    }
    #[cfg(not(feature = "axum"))]
    {
        let _ = extensions;
        None
    }
}
