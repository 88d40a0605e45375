use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::{Request, Response};
use openssl::ssl::SslAcceptor;

use crate::LocalTenant;
use crate::peer::converse;
use crate::reply::Reply;
use crate::tls::Identity;

/// A tenant behind real HTTPS on the loopback interface, on a free port.
///
/// Its issuer is `https://localhost:PORT/`. The certificate is signed by an authority of its own,
/// made at the start: a client has to trust [`ca_pem`](Self::ca_pem). Otherwise it is a
/// [`HttpsServer`], and ends like one when it is dropped.
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
    /// Starts on a free port.
    ///
    /// # Errors
    ///
    /// If the port, a thread, or the keys cannot be had.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Starts on this port; 0 means a free one.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_on(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let tenant = LocalTenant::on_port(listener.local_addr()?.port())?;
        let server = HttpsServer::launch(listener, Box::new(tenant.clone()))?;
        Ok(Self { server, tenant })
    }

    /// The tenant that answers.
    #[must_use]
    pub fn tenant(&self) -> &LocalTenant {
        &self.tenant
    }

    /// Its issuer: `https://localhost:PORT/`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.tenant.issuer()
    }

    /// Its domain: `localhost:PORT`.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.tenant.domain()
    }

    /// Where it listens: `127.0.0.1` and the port.
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

/// An HTTPS server on the loopback interface around any handler: for the API of a demo, or for a
/// peer that no tenant plays.
///
/// HTTP/1.1 over TLS 1.2 or 1.3, one thread per connection. Requests are limited to 16 KiB of
/// headers and 1 MiB of body. Dropping the server ends its connections, stalled ones too, and
/// joins its threads; a handler that is still at work is waited for.
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
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl HttpsServer {
    /// Starts on a free port. The handler gets the path and query as the address, as they stand in
    /// the request line; if it gives an error, the connection ends without an answer.
    ///
    /// # Errors
    ///
    /// If the port, a thread, or the TLS keys cannot be had.
    pub fn start<F>(handler: F) -> io::Result<Self>
    where
        F: Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Send + Sync + 'static,
    {
        Self::start_on(0, handler)
    }

    /// Starts on this port; 0 means a free one.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_on<F>(port: u16, handler: F) -> io::Result<Self>
    where
        F: Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        Self::launch(listener, Box::new(Handler(handler)))
    }

    fn launch(listener: TcpListener, app: Box<dyn App>) -> io::Result<Self> {
        let Identity { acceptor, ca_pem } = Identity::for_loopback()?;
        let address = listener.local_addr()?;
        let connections = Mutex::default();
        let shared = Arc::new(Shared {
            app,
            acceptor,
            connections,
        });
        let accepting = thread::Builder::new().name("local-https".into()).spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        })?;
        Ok(Self {
            address,
            ca_pem,
            shared,
            accepting: Some(accepting),
        })
    }

    /// Where it listens: `127.0.0.1` and the port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://localhost:PORT`, without a closing slash.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate of the authority to trust, in PEM. The server's own certificate is good for
    /// `localhost`, `127.0.0.1` and `::1`.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }
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
        {
            let mut connections = self.shared.connections();
            connections.stopping = true;
            for socket in connections.open.values() {
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
        self.shared.app.stop();
        // Wakes the thread that accepts. If the queue is full it needs no waking.
        drop(TcpStream::connect_timeout(
            &self.address,
            Duration::from_secs(1),
        ));
        // A thread that panicked has said so already.
        let _ = self.accepting.take().map(JoinHandle::join);
        // Only now is the list of threads complete.
        let threads = std::mem::take(&mut self.shared.connections().threads);
        for thread in threads {
            let _ = thread.join();
        }
    }
}

trait App: Send + Sync {
    fn reply(&self, request: Request<Vec<u8>>) -> io::Result<Reply>;

    /// Called once, when the server is about to wait for its threads.
    fn stop(&self) {}
}

impl App for LocalTenant {
    fn reply(&self, request: Request<Vec<u8>>) -> io::Result<Reply> {
        self.reply(&request)
    }

    fn stop(&self) {
        self.release_held();
    }
}

struct Handler<F>(F);

impl<F> App for Handler<F>
where
    F: Fn(Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> + Send + Sync,
{
    fn reply(&self, request: Request<Vec<u8>>) -> io::Result<Reply> {
        (self.0)(request).map(Reply::Whole)
    }
}

struct Shared {
    app: Box<dyn App>,
    acceptor: SslAcceptor,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    stopping: bool,
    next: u64,
    open: BTreeMap<u64, TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the connection off the list, also when its thread panics.
struct Listed {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.shared.connections().open.remove(&self.number);
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for socket in listener.incoming() {
        if shared.connections().stopping {
            return;
        }
        // Neither a peer that left early nor a lack of descriptors or threads ends the server.
        let Ok(socket) = socket else { continue };
        let Some(listed) = list(shared, &socket) else {
            continue;
        };
        let spawned = thread::Builder::new()
            .name("local-https-peer".into())
            .spawn(move || {
                // What goes wrong on one connection concerns its peer alone.
                let shared = &listed.shared;
                let _ = converse(socket, &shared.acceptor, |request| {
                    shared.app.reply(request)
                });
            });
        if let Ok(thread) = spawned {
            shared.connections().threads.push(thread);
        }
    }
}

/// Puts a connection on the list of those to end when the server stops.
fn list(shared: &Arc<Shared>, socket: &TcpStream) -> Option<Listed> {
    let socket = socket.try_clone().ok()?;
    let mut connections = shared.connections();
    if connections.stopping {
        return None;
    }
    connections.threads.retain(|thread| !thread.is_finished());
    let number = connections.next;
    connections.next += 1;
    connections.open.insert(number, socket);
    drop(connections);
    Some(Listed {
        shared: Arc::clone(shared),
        number,
    })
}
