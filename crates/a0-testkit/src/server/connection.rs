//! Connections: TLS by OpenSSL, HTTP/1.1 by hyper.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use openssl::ssl::{Ssl, SslAcceptor};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::body::{self, Body};
use super::{PeerCertificate, Respond};
use crate::reply::{Reply, response};

/// Request line and headers, in bytes.
const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
/// Request body, in bytes.
const MAX_BODY: u64 = 1 << 20;
/// How long a TLS handshake, the headers of a request and its body may each take.
const PATIENCE: Duration = Duration::from_secs(10);

type Failure = Box<dyn Error + Send + Sync>;

/// Accepts connections for as long as the runtime lives.
pub(super) async fn accept(
    listener: std::net::TcpListener,
    acceptor: SslAcceptor,
    respond: Arc<Respond>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        // A client that left early does not end the server, nor does a lack of descriptors.
        let Ok((socket, _)) = listener.accept().await else {
            continue;
        };
        let tls = Ssl::new(acceptor.context())?;
        let respond = Arc::clone(&respond);
        // An error concerns only the client of this connection.
        tokio::spawn(async move { serve(socket, tls, respond).await.ok() });
    }
}

async fn serve(socket: TcpStream, tls: Ssl, respond: Arc<Respond>) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let mut stream = SslStream::new(tls, socket)?;
    timeout(PATIENCE, Pin::new(&mut stream).accept()).await??;
    let peer = match stream.ssl().peer_certificate() {
        Some(certificate) => Some(PeerCertificate(certificate.to_der()?)),
        None => None,
    };
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        // A response holds the headers that the handler gave it.
        .auto_date_header(false)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| handle(Arc::clone(&respond), peer.clone(), request)),
        )
        .await?;
    Ok(())
}

async fn handle(
    respond: Arc<Respond>,
    peer: Option<PeerCertificate>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    if let Some(status) = refusal(request.body()) {
        let mut refused = body::response_for(Reply::Whole(response(status.as_u16(), Vec::new())));
        refused
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        return Ok(refused);
    }
    let (head, body) = request.into_parts();
    let body = timeout(PATIENCE, body.collect()).await??.to_bytes();
    let mut request = Request::from_parts(head, body.to_vec());
    peer.map(|peer| request.extensions_mut().insert(peer));
    // A handler may block. If it panics, only this connection ends.
    let reply = tokio::task::spawn_blocking(move || respond(request)).await??;
    Ok(body::response_for(reply))
}

fn refusal(body: &Incoming) -> Option<StatusCode> {
    match body.size_hint().exact() {
        None => Some(StatusCode::NOT_IMPLEMENTED),
        Some(length) if length > MAX_BODY => Some(StatusCode::PAYLOAD_TOO_LARGE),
        Some(_) => None,
    }
}
