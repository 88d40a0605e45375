//! The server over real sockets, with OpenSSL and rustls as clients.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use a0_testkit::{Endpoint, Fault, Gate, HttpsServer, TenantServer};
use http::Response;
use openssl::ssl::{SslConnector, SslMethod, SslStream};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;

trait Served {
    fn address(&self) -> SocketAddr;
    fn ca_pem(&self) -> &str;
}

macro_rules! served {
    ($server:ty) => {
        impl Served for $server {
            fn address(&self) -> SocketAddr {
                self.address()
            }

            fn ca_pem(&self) -> &str {
                self.ca_pem()
            }
        }
    };
}
served!(TenantServer);
served!(HttpsServer);

fn connect(server: &impl Served, name: &str) -> io::Result<SslStream<TcpStream>> {
    let mut store = X509StoreBuilder::new()?;
    store.add_cert(X509::from_pem(server.ca_pem().as_bytes())?)?;
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    connector.set_cert_store(store.build());
    let socket = TcpStream::connect(server.address())?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    connector
        .build()
        .connect(name, socket)
        .map_err(io::Error::other)
}

/// Sends `request` and reads one response: the head, and as many bytes as its `Content-Length` says.
fn exchange(stream: &mut SslStream<TcpStream>, request: &str) -> io::Result<(String, Vec<u8>)> {
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body)?;
    Ok((head, body))
}

fn get(path: &str, close: bool) -> String {
    let close = if close { "connection: close\r\n" } else { "" };
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{close}\r\n")
}

const JWKS: &str = "/.well-known/jwks.json";

#[test]
fn serves_a_tenant_and_keeps_the_connection() {
    let server = TenantServer::start().unwrap();
    let domain = format!("localhost:{}", server.address().port());
    assert_eq!(server.domain(), domain);
    assert_eq!(server.issuer(), format!("https://{domain}/"));
    assert_eq!(server.tenant().issuer(), server.issuer());
    for name in ["localhost", "127.0.0.1", "::1"] {
        let mut stream = connect(&server, name).unwrap();
        for _ in 0..2 {
            let (head, body) = exchange(&mut stream, &get(JWKS, false)).unwrap();
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(
                head.contains("\r\ncache-control: public, max-age=15"),
                "{head}"
            );
            assert_eq!(body, server.tenant().jwks().to_string().into_bytes());
        }
        let (head, _) = exchange(&mut stream, &get(JWKS, true)).unwrap();
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(server.tenant().request_count(Endpoint::Jwks), 9);
    assert!(connect(&server, "other.example").is_err());
    let stranger = HttpsServer::start(|_| Ok(Response::new(Vec::new()))).unwrap();
    let mut stranger_ca = SslConnector::builder(SslMethod::tls_client()).unwrap();
    stranger_ca
        .cert_store_mut()
        .add_cert(X509::from_pem(stranger.ca_pem().as_bytes()).unwrap())
        .unwrap();
    let socket = TcpStream::connect(server.address()).unwrap();
    assert!(stranger_ca.build().connect("localhost", socket).is_err());
}

fn rustls_client(server: &impl Served) -> ureq::Agent {
    let ca = ureq::tls::Certificate::from_pem(server.ca_pem().as_bytes()).unwrap();
    let roots = ureq::tls::RootCerts::Specific(vec![ca].into_iter().collect::<Vec<_>>().into());
    ureq::Agent::config_builder()
        .tls_config(ureq::tls::TlsConfig::builder().root_certs(roots).build())
        .timeout_recv_body(Some(Duration::from_millis(300)))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build()
        .into()
}

#[test]
fn rustls_accepts_the_certificate() {
    let server = TenantServer::start().unwrap();
    let agent = rustls_client(&server);
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}{JWKS}", server.address().port());
        let mut response = agent.get(&url).call().unwrap();
        assert_eq!(response.status(), 200);
        let body = response.body_mut().read_to_vec().unwrap();
        assert_eq!(body, server.tenant().jwks().to_string().into_bytes());
    }

    let tenant = server.tenant();
    tenant.register_client("id", "secret");
    let form = [
        ("grant_type", "client_credentials"),
        ("audience", "https://api.example/"),
        ("client_id", "id"),
        ("client_secret", "secret"),
    ];
    let response = agent
        .post(tenant.url(Endpoint::Token))
        .send_form(form)
        .unwrap();
    assert_eq!(response.status(), 200);

    for fault in [Fault::stalled_body(), Fault::trickling_body()] {
        tenant.misbehave_times(Endpoint::Jwks, 1, fault);
        let mut response = agent.get(tenant.url(Endpoint::Jwks)).call().unwrap();
        response.body_mut().read_to_vec().unwrap_err();
    }
    tenant.misbehave_times(Endpoint::Jwks, 1, Fault::endless_body());
    let mut response = agent.get(tenant.url(Endpoint::Jwks)).call().unwrap();
    response
        .body_mut()
        .with_config()
        .limit(1 << 20)
        .read_to_vec()
        .unwrap_err();
}

#[test]
fn faults_over_sockets() {
    let server = TenantServer::start().unwrap();
    let tenant = server.tenant();

    tenant.misbehave_times(Endpoint::Jwks, 1, Fault::retry_after(503, 7));
    let mut stream = connect(&server, "localhost").unwrap();
    let (head, _) = exchange(&mut stream, &get(JWKS, false)).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 503 ") && head.contains("\r\nretry-after: 7\r\n"),
        "{head}"
    );

    tenant.misbehave_times(
        Endpoint::Jwks,
        1,
        Fault::transport(ErrorKind::ConnectionReset),
    );
    exchange(&mut stream, &get(JWKS, false)).unwrap_err();

    tenant.misbehave_times(Endpoint::Jwks, 1, Fault::endless_body());
    let mut stream = connect(&server, "localhost").unwrap();
    exchange(&mut stream, &get(JWKS, false)).unwrap();
    stream.read_exact(&mut vec![0; 9 << 20]).unwrap();
    drop(stream);

    tenant.misbehave_times(Endpoint::Jwks, 1, Fault::trickling_body());
    let mut stream = connect(&server, "localhost").unwrap();
    stream.write_all(get(JWKS, false).as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\n{  ") {
        stream.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
}

/// Dropping the server takes only a moment, whatever its clients are doing.
#[test]
fn drop_ends_everything() {
    let server = TenantServer::start().unwrap();
    let tenant = server.tenant().clone();
    let gate = Gate::new();

    let silent = TcpStream::connect(server.address()).unwrap();
    let idle = connect(&server, "localhost").unwrap();
    let mut half = connect(&server, "localhost").unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nhost:").unwrap();
    let faults = [
        Fault::stalled_body(),
        Fault::trickling_body(),
        Fault::endless_body(),
        Fault::hold_at(&gate),
    ];
    let mut streams = Vec::new();
    for fault in faults {
        tenant.misbehave(Endpoint::Jwks, fault);
        let mut stream = connect(&server, "localhost").unwrap();
        stream.write_all(get(JWKS, false).as_bytes()).unwrap();
        let count = streams.len();
        if count < 3 {
            stream.read_exact(&mut [0; 12]).unwrap();
        } else {
            assert!(gate.wait_arrived());
        }
        streams.push(stream);
    }

    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        drop(server);
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(5)).unwrap();
    drop((silent, idle, half, streams, gate));
}

/// A runtime must not be dropped inside another one, and the server has one.
#[test]
fn a_server_starts_and_ends_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = TenantServer::start().unwrap();
        let mut stream = connect(&server, "localhost").unwrap();
        let (head, _) = exchange(&mut stream, &get(JWKS, false)).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    });
}

#[test]
fn any_handler_and_malformed_requests() {
    let server = HttpsServer::start(|request| {
        if request.uri().path() == "/error" {
            return Err(ErrorKind::Other.into());
        }
        let mut response = Response::new(request.body().clone());
        response
            .headers_mut()
            .insert("x-path", request.uri().to_string().parse().unwrap());
        response
            .headers_mut()
            .insert("content-length", "999".parse().unwrap());
        Ok(response)
    })
    .unwrap();

    let mut stream = connect(&server, "localhost").unwrap();
    let two = "POST /a?b=c HTTP/1.1\r\ncontent-length: 5\r\n\r\nhelloPOST /2 HTTP/1.1\r\n\
               content-length: 0\r\n\r\n";
    let (head, body) = exchange(&mut stream, two).unwrap();
    assert!(head.contains("\r\nx-path: /a?b=c\r\n"), "{head}");
    assert_eq!(body, b"hello");
    assert!(!head.contains("\r\ndate: "), "{head}");
    let (head, body) = exchange(&mut stream, "").unwrap();
    assert!(
        head.contains("\r\nx-path: /2\r\n") && body.is_empty(),
        "{head}"
    );

    let expecting = "POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    let (head, _) = exchange(&mut stream, expecting).unwrap();
    assert_eq!(head, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(exchange(&mut stream, "ok").unwrap().1, b"ok");
    // RFC 9112 section 6.3: a length that is repeated, but the same, counts once.
    let repeated = "POST / HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok";
    assert_eq!(exchange(&mut stream, repeated).unwrap().1, b"ok");
    exchange(&mut stream, &get("/error", false)).unwrap_err();

    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(80));
    let cases = [
        ("junk\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n", 400),
        (
            "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\ncontent-length: 2000000\r\n\r\n", 413),
        ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", 501),
        (&long, 431),
        (&many, 431),
    ];
    for (request, status) in cases {
        let mut stream = connect(&server, "localhost").unwrap();
        let (head, _) = exchange(&mut stream, request).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        // The server closes the connection, whatever else the client sent.
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "{head}");
    }
}

#[test]
fn a_panicking_handler_ends_its_connection_only() {
    let server = HttpsServer::start(|request| {
        assert_ne!(request.uri().path(), "/panic", "as asked");
        Ok(Response::new(Vec::new()))
    })
    .unwrap();
    let mut stream = connect(&server, "localhost").unwrap();
    exchange(&mut stream, &get("/panic", false)).unwrap_err();
    let mut stream = connect(&server, "localhost").unwrap();
    exchange(&mut stream, &get("/", false)).unwrap();
}

#[test]
fn servers_that_live_at_once_share_no_key() {
    let (one, two) = (
        TenantServer::start().unwrap(),
        TenantServer::start().unwrap(),
    );
    assert_ne!(one.tenant().kid(), two.tenant().kid());
}
