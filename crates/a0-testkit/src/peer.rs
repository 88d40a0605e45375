//! One TLS connection: its requests, their answers, and the bodies that go wrong.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use http::{Method, Request};
use openssl::ssl::{SslAcceptor, SslStream};

use crate::http1::{self, Connection, Incoming, Received};
use crate::reply::{Reply, json_typed, response};

/// How long a connection may stay silent, in the handshake, within a request and between two.
const SILENCE: Duration = Duration::from_secs(10);
/// Where an endless body ends after all.
const ENDLESS: usize = 256 << 20;
/// The time between two bytes of a body that trickles.
const DRIP: Duration = Duration::from_millis(50);

/// Answers requests until the peer has had enough. Everything that blocks here ends when the socket
/// is shut down from outside.
pub(crate) fn converse(
    socket: TcpStream,
    acceptor: &SslAcceptor,
    reply: impl Fn(Request<Vec<u8>>) -> io::Result<Reply>,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(SILENCE))?;
    socket.set_write_timeout(Some(SILENCE))?;
    let stream = acceptor.accept(socket).map_err(io::Error::other)?;
    let mut connection = Connection::new(stream);
    loop {
        let Incoming {
            request,
            keep_alive,
        } = match connection.receive()? {
            Received::Request(incoming) => *incoming,
            Received::Closed => break,
            Received::Refused(status) => {
                let refusal = response(status.as_u16(), Vec::new());
                connection.send(&refusal, true, false)?;
                break;
            }
        };
        let with_body = *request.method() != Method::HEAD;
        match reply(request)? {
            Reply::Whole(answer) => connection.send(&answer, with_body, keep_alive)?,
            Reply::Endless => return flood(connection.stream),
            Reply::Stalled => return stall(connection.stream),
            Reply::Trickling => return trickle(connection.stream),
        }
        if !keep_alive {
            break;
        }
    }
    let _ = connection.stream.shutdown();
    Ok(())
}

type Tls = SslStream<TcpStream>;

fn flood(mut stream: Tls) -> io::Result<()> {
    let chunk = [b' '; 16 << 10];
    begin_body(&mut stream, None)?;
    for _ in 0..ENDLESS / chunk.len() {
        stream.write_all(&chunk)?;
    }
    Ok(())
}

fn stall(mut stream: Tls) -> io::Result<()> {
    begin_body(&mut stream, Some(1 << 16))?;
    stream.get_ref().set_read_timeout(None)?;
    // Nothing more is expected: this waits for the peer to hang up, or for the server to stop.
    while stream.read(&mut [0; 512])? > 0 {}
    Ok(())
}

fn trickle(mut stream: Tls) -> io::Result<()> {
    begin_body(&mut stream, Some(1 << 16))?;
    stream.get_ref().set_read_timeout(Some(DRIP))?;
    loop {
        // The pause between two bytes is the time spent listening for the end.
        match stream.read(&mut [0; 512]) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => stream.write_all(b" ")?,
            Err(error) => return Err(error),
        }
    }
}

fn begin_body(stream: &mut Tls, length: Option<usize>) -> io::Result<()> {
    let start = json_typed(response(200, Vec::new()));
    stream.write_all(&http1::head(&start, false, length))?;
    stream.write_all(b"{")
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
