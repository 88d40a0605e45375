use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};

use super::{CertificateAuthority, HttpsServer, bind};
use crate::LocalTenant;
use crate::reply::Reply;

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
        Self::builder().port(port).start()
    }

    /// Starts with a free port, an authority of its own, and nothing beside the tenant.
    pub fn builder() -> TenantServerBuilder {
        TenantServerBuilder {
            port: 0,
            authority: None,
            intercept: Box::new(|_, _| None),
            observe: Box::new(|_, _| {}),
        }
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

type Intercept = dyn Fn(&LocalTenant, &Request<Vec<u8>>) -> Option<Response<Vec<u8>>> + Send + Sync;
type Observe = dyn Fn(&Request<Vec<u8>>, Option<&Response<Vec<u8>>>) + Send + Sync;

/// Builds a [`TenantServer`]; made by [`TenantServer::builder`].
///
/// ```
/// use a0_testkit::{CertificateAuthority, TenantServer};
///
/// # fn main() -> std::io::Result<()> {
/// let authority = CertificateAuthority::generate_for_loopback()?;
/// let server = TenantServer::builder()
///     .authority(&authority)
///     .intercept(|_, request| {
///         (request.uri().path() == "/health").then(|| http::Response::new(b"ok".to_vec()))
///     })
///     .start()?;
/// assert_eq!(server.ca_pem(), authority.pem());
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `start` is called"]
pub struct TenantServerBuilder {
    port: u16,
    authority: Option<CertificateAuthority>,
    intercept: Box<Intercept>,
    observe: Box<Observe>,
}

impl TenantServerBuilder {
    /// Sets the port; 0 means a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Signs the server's certificate with this authority.
    pub fn authority(mut self, authority: &CertificateAuthority) -> Self {
        self.authority = Some(authority.clone());
        self
    }

    /// Responds to requests in place of the tenant, wherever `intercept` returns a response. Such
    /// requests are not among the tenant's recorded ones.
    pub fn intercept(
        mut self,
        intercept: impl Fn(&LocalTenant, &Request<Vec<u8>>) -> Option<Response<Vec<u8>>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.intercept = Box::new(intercept);
        self
    }

    /// Calls `observe` after each request, with the response; `None` stands for a
    /// [`Fault`](crate::Fault) that has no complete response.
    pub fn observe(
        mut self,
        observe: impl Fn(&Request<Vec<u8>>, Option<&Response<Vec<u8>>>) + Send + Sync + 'static,
    ) -> Self {
        self.observe = Box::new(observe);
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    ///
    /// As [`TenantServer::start`].
    pub fn start(self) -> io::Result<TenantServer> {
        let listener = bind(self.port)?;
        let tenant = LocalTenant::on_port(listener.local_addr()?.port())?;
        let authority = match self.authority {
            Some(authority) => authority,
            None => CertificateAuthority::generate_for_loopback()?,
        };
        tenant.trust_client_documents(authority.pem())?;
        let served = tenant.clone();
        let (intercept, observe) = (self.intercept, self.observe);
        let respond = move |request: Request<Vec<u8>>| {
            let reply = match intercept(&served, &request) {
                Some(response) => Ok(Reply::Whole(response)),
                None => served.reply(&request),
            };
            match &reply {
                Ok(Reply::Whole(response)) => observe(&request, Some(response)),
                _ => observe(&request, None),
            }
            reply
        };
        let server = HttpsServer::launch(listener, &authority, None, Arc::new(respond))?;
        Ok(TenantServer { server, tenant })
    }
}

impl std::fmt::Debug for TenantServerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TenantServerBuilder")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Drop for TenantServer {
    fn drop(&mut self) {
        // `HttpsServer` waits for its handlers, and a held request would keep it waiting.
        self.tenant.release_held();
    }
}
