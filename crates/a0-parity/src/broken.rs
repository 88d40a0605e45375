//! Token endpoints on this machine that fail, each in its own way. Both sides send their requests to
//! the same one, each with its own HTTP client.

use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;

use a0_testkit::{Endpoint, Fault, TenantServer};
use serde_json::{Value, json};

use crate::tenant::Failure;

/// Returns the URL of an endpoint and the certificate authority that a client of it trusts, in PEM.
/// The server is started for the first case, and runs until the process ends.
pub(crate) fn endpoint(name: &str) -> Result<Value, Failure> {
    static ENDPOINTS: OnceLock<Result<Vec<Broken>, String>> = OnceLock::new();
    let endpoints = ENDPOINTS.get_or_init(|| all().map_err(|error| error.to_string()));
    let mut endpoints = endpoints.as_ref().map_err(String::as_str)?.iter();
    let found = endpoints.find(|(known, ..)| *known == name);
    let (_, endpoint, _) = found.ok_or_else(|| format!("there is no endpoint `{name}`"))?;
    Ok(endpoint.clone())
}

/// The name of an endpoint, where clients find it, and the server, which ends with this value.
type Broken = (&'static str, Value, TenantServer);

fn all() -> io::Result<Vec<Broken>> {
    let large = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(2 << 20));
    let token = r#"{"access_token":"x"}"#;
    let json = |body: &str| Fault::body(200, "application/json", body);
    let coded = |coding| json(token).with_header("content-encoding", coding);
    let mut broken = Vec::new();
    for (name, fault) in [
        (
            "closes before an answer",
            Fault::transport(io::ErrorKind::ConnectionReset),
        ),
        ("stops within its answer", Fault::stalled_body()),
        ("sends its answer slowly", Fault::trickling_body()),
        ("sends 2 MiB", json(&large)),
        ("says gzip and sends text", coded("gzip")),
        ("sends a content coding of its own", coded("x-own")),
        ("has an unknown certificate", Fault::none()),
        ("closes in the TLS handshake", Fault::none()),
        ("closes within its answer", json(&large)),
        ("refuses connections", Fault::none()),
    ] {
        let server = TenantServer::start()?;
        server.tenant().misbehave(Endpoint::Token, fault);
        let mut roots = server.ca_pem().to_owned();
        // Where clients connect to: the server, or what stands in front of it.
        let address = match name {
            "has an unknown certificate" => {
                roots = TenantServer::start()?.ca_pem().to_owned();
                server.address()
            }
            "closes in the TLS handshake" => cut(server.address(), 0)?,
            // Less than the large answer, and more than what goes before it.
            "closes within its answer" => cut(server.address(), 64 << 10)?,
            // A client that waits for each byte takes several seconds until here.
            "sends its answer slowly" => cut(server.address(), 3 << 10)?,
            "refuses connections" => TcpListener::bind("127.0.0.1:0")?.local_addr()?,
            _ => server.address(),
        };
        let origin = format!("https://{address}");
        let url = format!("{origin}/oauth/token");
        broken.push((
            name,
            json!({"origin": origin, "url": url, "roots": roots}),
            server,
        ));
    }
    Ok(broken)
}

/// Starts a relay to a server that closes each connection once the server has sent so many bytes.
fn cut(server: SocketAddr, bytes: u64) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().spawn(move || {
        for client in listener.incoming() {
            // A connection that fails concerns its client alone.
            let _ = client.and_then(|client| relay(client, server, bytes));
        }
    })?;
    Ok(address)
}

fn relay(client: TcpStream, server: SocketAddr, bytes: u64) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    for (from, to, limit) in [(from_client, to_server, u64::MAX), (server, client, bytes)] {
        std::thread::Builder::new().spawn(move || {
            let _ = io::copy(&mut (&from).take(limit), &mut &to);
            for stream in [from, to] {
                let _ = stream.shutdown(Shutdown::Both);
            }
        })?;
    }
    Ok(())
}
