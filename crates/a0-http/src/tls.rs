//! The TLS configuration of both clients, and what their TLS errors tell an operator.

use std::error::Error;
use std::fmt;
use std::io;
use std::iter::successors;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::roots::{Base, TrustRoots};
use crate::{TransportError, TransportErrorKind};

/// Returns the configuration of a client that trusts these roots.
pub(crate) fn client_config(
    roots: TrustRoots,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, TransportError> {
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?;
    #[cfg(feature = "platform-verifier")]
    if let Base::Platform = roots.base {
        let verifier = platform_verifier(roots.added, provider).map_err(tls_error)?;
        let builder = builder.dangerous();
        let builder = builder.with_custom_certificate_verifier(Arc::new(verifier));
        return Ok(builder.with_no_client_auth());
    }
    let builder = builder.with_root_certificates(root_store(roots));
    Ok(builder.with_no_client_auth())
}

fn root_store(roots: TrustRoots) -> RootCertStore {
    let mut store = RootCertStore::empty();
    if let Base::BuiltIn = roots.base {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store.add_parsable_certificates(roots.added);
    store
}

#[cfg(all(feature = "platform-verifier", not(target_os = "android")))]
fn platform_verifier(
    added: Vec<rustls_pki_types::CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    rustls_platform_verifier::Verifier::new_with_extra_roots(added, provider)
}

/// Android's verifier takes no certificates besides its own.
#[cfg(all(feature = "platform-verifier", target_os = "android"))]
fn platform_verifier(
    added: Vec<rustls_pki_types::CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    if !added.is_empty() {
        let reason = "certificates cannot be added to the roots of Android";
        return Err(rustls::Error::General(reason.to_owned()));
    }
    rustls_platform_verifier::Verifier::new(provider)
}

pub(crate) fn tls_error(cause: impl Into<Box<dyn Error + Send + Sync>>) -> TransportError {
    TransportError::new(TransportErrorKind::Tls, cause)
}

/// Returns an error of this kind, whose source names the options for the server's authority if
/// that is unknown.
pub(crate) fn transport_error<E>(kind: TransportErrorKind, cause: E) -> TransportError
where
    E: Error + Send + Sync + 'static,
{
    if causes(&cause).any(is_unknown_issuer) {
        TransportError::new(kind, UnknownRoot(Box::new(cause)))
    } else {
        TransportError::new(kind, cause)
    }
}

fn is_unknown_issuer(cause: &(dyn Error + 'static)) -> bool {
    let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
    cause.downcast_ref() == Some(&unknown)
}

/// Returns `error` and everything that it wraps.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(error), |error| inner_error(*error))
}

/// Returns the error that `error` wraps. `source` of an `io::Error` skips the error that it wraps,
/// and returns the source of that one.
fn inner_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// No trusted root vouches for the server's certificate.
#[derive(Debug)]
struct UnknownRoot(Box<dyn Error + Send + Sync>);

impl fmt::Display for UnknownRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no trusted root vouches for the server's certificate; if this server is meant, give \
            the certificate of its authority to add_root_certificates_pem, or to \
            root_certificates_pem in place of the built-in roots",
        )
    }
}

impl Error for UnknownRoot {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[cfg(test)]
mod tests;
