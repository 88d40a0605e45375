//! HTTPS servers on the loopback interface.

mod body;
mod connection;
mod tenant;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use http::{Request, Response};
use tokio::sync::oneshot;

use crate::CertificateAuthority;
use crate::certificates::Identity;
use crate::reply::Reply;
pub use tenant::{TenantServer, TenantServerBuilder};

/// An HTTPS server on the loopback interface, around any handler. It can play the API of a demo, or
/// any server that is not a tenant.
///
/// It speaks HTTP/1.1 over TLS 1.2 or 1.3. Each request is handled on a thread of its own, so a
/// handler may block. The headers of a request may take 16 KiB and its body 1 MiB. A chunked
/// request is refused with 501.
///
/// Dropping the server closes its connections, stalled ones too. It then waits for the handlers
/// that are still running.
///
/// ```
/// use a0_testkit::HttpsServer;
///
/// # fn main() -> std::io::Result<()> {
/// let api = HttpsServer::start(|request: http::Request<Vec<u8>>| {
///     let path = request.uri().path().to_owned();
///     Ok(http::Response::new(path.into_bytes()))
/// })?;
/// assert!(api.origin().starts_with("https://localhost:"));
/// # Ok(())
/// # }
/// ```
pub struct HttpsServer {
    address: SocketAddr,
    ca_pem: String,
    /// Stops the server when it is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// The certificate of the client, in DER, in the extensions of a request to
/// [`HttpsServer::start_mutual`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub Vec<u8>);

/// Responds to one request. An error closes the connection without a response.
type Respond = dyn Fn(Request<Vec<u8>>) -> io::Result<Reply> + Send + Sync;

impl HttpsServer {
    /// Starts a server on a free port.
    ///
    /// The URI of each request is the path and the query of its request line. If the handler
    /// returns an error, the server closes the connection without a response.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot get a port, a thread, or keys for TLS.
    pub fn start<F>(handler: F) -> io::Result<Self>
    where
        F: Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Send + Sync + 'static,
    {
        Self::start_on(0, handler)
    }

    /// Starts a server on this port; 0 means a free one.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_on<F>(port: u16, handler: F) -> io::Result<Self>
    where
        F: Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Send + Sync + 'static,
    {
        let respond = move |request| handler(request).map(Reply::Whole);
        let authority = CertificateAuthority::generate_for_loopback()?;
        Self::launch(bind(port)?, &authority, None, Arc::new(respond))
    }

    /// Starts a server on a free port that asks clients for a certificate of `clients` (mutual TLS). The
    /// extensions of a request hold the certificate as a [`PeerCertificate`], if the client has one.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_mutual<F>(clients: &CertificateAuthority, handler: F) -> io::Result<Self>
    where
        F: Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Send + Sync + 'static,
    {
        let respond = move |request| handler(request).map(Reply::Whole);
        let authority = CertificateAuthority::generate_for_loopback()?;
        Self::launch(bind(0)?, &authority, Some(clients), Arc::new(respond))
    }

    fn launch(
        listener: TcpListener,
        authority: &CertificateAuthority,
        clients: Option<&CertificateAuthority>,
        respond: Arc<Respond>,
    ) -> io::Result<Self> {
        let Identity { acceptor, ca_pem } = Identity::for_loopback(authority, clients)?;
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("local-https-handler")
            .build()?;
        let (stop, stopped) = oneshot::channel();
        // The runtime lives on this thread alone, so callers may drop the server anywhere, also
        // within a runtime of their own.
        let thread = thread::Builder::new()
            .name("local-https".into())
            .spawn(move || {
                runtime.spawn(connection::accept(listener, acceptor, respond));
                let _ = runtime.block_on(stopped);
                // Closes the connections, and waits for the running handlers.
                drop(runtime);
            })?;
        Ok(Self {
            address,
            ca_pem,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The address the server listens on: `127.0.0.1` and the port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://localhost:PORT`, without a trailing slash.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate of the authority to trust, in PEM. The server's own certificate is valid for
    /// `localhost`, `127.0.0.1` and `::1`.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
}

fn bind(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

impl fmt::Debug for HttpsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpsServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        // If the thread panicked, it has already reported that.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
