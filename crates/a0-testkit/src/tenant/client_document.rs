//! Client metadata documents: a `client_id` that is the URL of the client's metadata.
//!
//! The tenant fetches them from the loopback interface alone. It resolves no names, so that a
//! `client_id` never makes it send anything to another machine.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use openssl::ssl::{SslConnector, SslMethod};
use openssl::x509::X509;
use serde_json::{Map, Value};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_openssl::SslStream;

use super::client_metadata::ClientMetadata;
use super::registration::{Authentication, ClientRegistration};
use super::{LocalTenant, grant_types};
use crate::reply;

/// The longest document, in bytes: what the specification recommends.
const MAX_DOCUMENT: usize = 5 << 10;
/// The longest head of a response, in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Fetches the document, and keeps the client for the token endpoint.
pub(super) fn fetch(
    tenant: &LocalTenant,
    client_id: &str,
) -> Result<ClientRegistration, &'static str> {
    let location = Location::parse(client_id)?;
    let (roots, patience) = tenant.with_state(|state| {
        let options = &state.options;
        (options.document_roots.clone(), options.document_patience)
    });
    let body = location.get_on_a_thread(roots, patience)?;
    let members: Map<String, Value> =
        serde_json::from_slice(&body).map_err(|_| "the document is not a JSON object")?;
    if members.get("client_id").and_then(Value::as_str) != Some(client_id) {
        return Err("the client_id in the document is not the URL of the document");
    }
    if members.contains_key("client_secret") || members.contains_key("client_secret_expires_at") {
        return Err("the document contains a client secret");
    }
    // Everybody can read the document, so there is no method with a secret.
    let metadata = ClientMetadata::parse(&members, &grant_types::ALL, &["none"])
        .map_err(|(_, description)| description)?;
    let client = ClientRegistration {
        name: metadata.name,
        redirect_uris: metadata.redirect_uris,
        grant_types: Some(metadata.grant_types),
        ..ClientRegistration::new(client_id, Authentication::None)
    };
    tenant.insert_dynamic_client(client.clone());
    Ok(client)
}

struct Location {
    uri: Uri,
    /// Without the brackets of an IPv6 address.
    host: String,
    addresses: Vec<SocketAddr>,
}

impl Location {
    /// The form of the URL is that of draft-ietf-oauth-client-id-metadata-document section 3.
    fn parse(client_id: &str) -> Result<Self, &'static str> {
        let uri: Uri = client_id
            .parse()
            .map_err(|_| "the client_id is not a URL")?;
        let authority = uri.authority().ok_or("the client_id has no host")?;
        if authority.as_str().contains('@') || client_id.contains('#') {
            return Err("the client_id has a fragment or a user name");
        }
        if uri.query().is_some() {
            return Err("the client_id has a query");
        }
        let is_dots = |segment: &str| matches!(segment, "." | "..");
        let decoded = uri.path().to_ascii_lowercase().replace("%2e", ".");
        if uri.path() == "/" || decoded.split('/').any(is_dots) {
            return Err("the client_id has no path, or one with dot segments");
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => 443,
            None => return Err("the client_id has a malformed port"),
        };
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let addresses = loopback_addresses(&host)
            .ok_or("metadata documents are fetched from the loopback interface alone")?;
        let addresses = addresses.into_iter();
        let addresses = addresses.map(|ip| SocketAddr::new(ip, port)).collect();
        Ok(Self {
            uri,
            host,
            addresses,
        })
    }

    /// The caller may be on a thread of an async runtime, which must not block on another.
    fn get_on_a_thread(
        self,
        roots: Vec<X509>,
        patience: Duration,
    ) -> Result<Vec<u8>, &'static str> {
        let failed = "the document cannot be fetched";
        let fetch = thread::Builder::new()
            .name("client-document".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .map_err(|_| failed)?;
                runtime.block_on(async {
                    let get = timeout(patience, self.get(roots));
                    get.await.map_err(|_| "the document took too long")?
                })
            });
        fetch.map_err(|_| failed)?.join().map_err(|_| failed)?
    }

    async fn get(self, roots: Vec<X509>) -> Result<Vec<u8>, &'static str> {
        let failed = "the server of the document does not respond";
        let socket = connect(&self.addresses).await.map_err(|_| failed)?;
        let untrusted = "the server of the document has no certificate that the tenant trusts";
        let stream = self.handshake(socket, roots).await.map_err(|_| untrusted)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| failed)?;
        tokio::spawn(connection);

        let authority = self
            .uri
            .authority()
            .map_or("", |authority| authority.as_str());
        let request = Request::get(self.uri.path())
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|_| failed)?;
        let response = sender.send_request(request).await.map_err(|_| failed)?;
        // Redirects are not followed: they could lead anywhere.
        if response.status() != StatusCode::OK {
            return Err("the document has another status than 200");
        }
        if !response
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(reply::is_json)
        {
            return Err("the document is not application/json");
        }
        let body = Limited::new(response.into_body(), MAX_DOCUMENT);
        let body = body.collect().await;
        let body = body.map_err(|_| "the document is longer than 5 KiB, or incomplete")?;
        Ok(body.to_bytes().to_vec())
    }

    async fn handshake(
        &self,
        socket: TcpStream,
        roots: Vec<X509>,
    ) -> io::Result<SslStream<TcpStream>> {
        let mut connector = SslConnector::builder(SslMethod::tls_client())?;
        for root in roots {
            connector.cert_store_mut().add_cert(root)?;
        }
        let tls = connector.build().configure()?.into_ssl(&self.host)?;
        let mut stream = SslStream::new(tls, socket)?;
        let shaken = Pin::new(&mut stream).connect().await;
        shaken.map_err(io::Error::other)?;
        Ok(stream)
    }
}

async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failure = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The addresses of a host that is certainly this machine, without asking a resolver.
fn loopback_addresses(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let address: IpAddr = host.parse().ok()?;
    address.is_loopback().then(|| vec![address])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_urls_are_fetched() {
        for good in [
            "https://localhost:1/client.json",
            "https://LOCALHOST/client",
            "https://127.0.0.1:8443/a/b",
            "https://127.8.9.1/a",
            "https://[::1]:4/a",
        ] {
            let location = Location::parse(good).unwrap();
            assert!(
                location.addresses.iter().all(|it| it.ip().is_loopback()),
                "{good}"
            );
        }
        for bad in [
            "https://app.example/client.json",
            "https://169.254.169.254/latest",
            "https://10.0.0.1/a",
            "https://0.0.0.0/a",
            "https://[::]/a",
            "https://[::ffff:127.0.0.1]/a",
            "https://[fe80::1]/a",
            "https://localhost.evil.example/a",
            "https://evil.localhost/a",
            "https://localhost./a",
            "https://2130706433/a",
            "https://0x7f.0.0.1/a",
            "https://0177.0.0.1/a",
            "https://127.1/a",
            "https://localhost@evil.example/a",
            "https://user:pw@localhost/a",
            "https://localhost:99999/a",
            "https://localhost:/a",
            "https://localhost/a#b",
            "https://localhost/a?b",
            "https://localhost/",
            "https://localhost",
            "https://localhost/a/../b",
            "https://localhost/a/./b",
            "https://localhost/a/%2e%2E/b",
            "https:///a",
            "https://",
        ] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }
}
