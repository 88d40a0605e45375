//! The TLS of a server on the loopback interface.

use openssl::ssl::{SslAcceptor, SslMethod, SslVerifyMode};
use openssl::x509::store::X509StoreBuilder;

use super::CertificateAuthority;
use crate::Error;

/// The TLS of a server.
pub(crate) struct Identity {
    pub(crate) acceptor: SslAcceptor,
    pub(crate) ca_pem: String,
}

impl Identity {
    /// Makes a certificate for `localhost`, `127.0.0.1` and `::1`. With `clients`, the server asks clients for
    /// a certificate of that authority, and also takes clients without one.
    pub(crate) fn for_loopback(
        ca: &CertificateAuthority,
        clients: Option<&CertificateAuthority>,
    ) -> Result<Self, Error> {
        let server = ca.loopback_server()?;
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_private_key(&server.key)?;
        acceptor.set_certificate(&server.certificate)?;
        acceptor.check_private_key()?;
        if let Some(clients) = clients {
            let mut trusted = X509StoreBuilder::new()?;
            trusted.add_cert(clients.certificate.clone())?;
            acceptor.set_verify_cert_store(trusted.build())?;
            // Sessions of clients with a certificate are resumed only within a context.
            acceptor.set_session_id_context(b"loopback")?;
            acceptor.set_verify(SslVerifyMode::PEER);
        }
        Ok(Self {
            acceptor: acceptor.build(),
            ca_pem: ca.pem.clone(),
        })
    }
}
