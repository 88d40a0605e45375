use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{HttpsServer, bind};
use crate::LocalTenant;

/// A tenant served over HTTPS on a free port of the loopback interface.
///
/// Its issuer is `https://localhost:PORT/`. A certificate authority made at the start signs its
/// certificate, so a client has to trust [`ca_pem`](Self::ca_pem). The limits and the end of the
/// server are those of [`HttpsServer`]; dropping it also releases the requests held at a
/// [`Gate`](crate::Gate).
///
/// ```
/// use a0_testkit::TenantServer;
///
/// # fn main() -> std::io::Result<()> {
/// let server = TenantServer::start()?;
/// assert_eq!(server.issuer(), format!("https://localhost:{}/", server.address().port()));
/// let token = server.tenant().access_token().mint()?;
/// // Configure the verifier with `server.domain()` and an HTTP client that trusts
/// // `server.ca_pem()`.
/// # let _ = token;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TenantServer {
    server: HttpsServer,
    tenant: LocalTenant,
}

impl TenantServer {
    /// Starts a server on a free port.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot get a port, a thread, or keys.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Starts a server on this port; 0 means a free one.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_on(port: u16) -> io::Result<Self> {
        let listener = bind(port)?;
        let tenant = LocalTenant::on_port(listener.local_addr()?.port())?;
        let served = tenant.clone();
        let respond = move |request| served.reply(&request);
        let server = HttpsServer::launch(listener, Arc::new(respond), None)?;
        Ok(Self { server, tenant })
    }

    /// The tenant behind the server.
    #[must_use]
    pub fn tenant(&self) -> &LocalTenant {
        &self.tenant
    }

    /// The tenant's issuer: `https://localhost:PORT/`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.tenant.issuer()
    }

    /// The tenant's domain: `localhost:PORT`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.tenant.domain()
    }

    /// The address the server listens on: `127.0.0.1` and the port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The certificate of the authority to trust, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        self.server.ca_pem()
    }
}

impl Drop for TenantServer {
    fn drop(&mut self) {
        // `HttpsServer` waits for its handlers, and a held request would keep it waiting.
        self.tenant.release_held();
    }
}
