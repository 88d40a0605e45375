//! A TLS server that sends a test's raw bytes, and records the requests.

#![allow(dead_code, reason = "no test file uses all of it")]

/// Runs each case with each client. A case that is not listed here is reported as dead code.
#[allow(unused_macros, reason = "no test file uses all of this module")]
macro_rules! cases {
    ($($name:ident,)*) => {
        #[cfg(feature = "ureq")]
        mod over_ureq {
            $(#[test] fn $name() { super::$name::<a0_http::UreqClient>() })*
        }

        #[cfg(feature = "reqwest")]
        mod over_reqwest {
            $(#[test] fn $name() { super::$name::<a0_http::ReqwestClient>() })*
        }
    };
}

pub(crate) mod driver;

use std::io::{self, Read, Write};
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod, SslStream};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

pub(crate) type Stream = SslStream<Wire>;

/// The transport below TLS.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    /// Collects writes instead of the socket, if it is `Some`.
    held: Option<Vec<u8>>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.held {
            Some(held) => held.write(bytes),
            None => self.socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

struct Identity {
    key: PKey<Private>,
    certificate: X509,
    root_pem: Vec<u8>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let root_key = new_key();
    let root = certificate("test root", &root_key, None);
    let key = new_key();
    let certificate = certificate("127.0.0.1", &key, Some((&root, &root_key)));
    Identity {
        key,
        certificate,
        root_pem: root.to_pem().unwrap(),
    }
});

/// The root certificate of every [`RawServer`], as PEM text.
pub(crate) fn root_pem() -> &'static [u8] {
    &IDENTITY.root_pem
}

pub(crate) struct RawServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

/// The server's side of one connection.
pub(crate) struct Peer {
    /// The number of connections before this one.
    pub(crate) number: usize,
    pub(crate) stream: Stream,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Waits for a request. Returns false if the connection ends first.
    pub(crate) fn receive(&mut self) -> bool {
        let request = read_request(&mut self.stream);
        let is_complete = request.contains("\r\n\r\n");
        if is_complete {
            self.requests.lock().unwrap().push(request);
        }
        is_complete
    }

    /// Responds with this body, and keeps the connection open.
    pub(crate) fn respond(&mut self, body: &str) {
        let length = body.len();
        let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        self.send(response.as_bytes());
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends bytes that are not a TLS record.
    pub(crate) fn break_tls(&mut self) {
        let _ = self.stream.get_mut().write_all(b"this is no TLS record");
    }

    /// Sends all output of `send` in one piece.
    pub(crate) fn in_one_piece(&mut self, send: impl FnOnce(&mut Self)) {
        self.stream.get_mut().held = Some(Vec::new());
        send(self);
        let held = mem::take(&mut self.stream.get_mut().held);
        let _ = self.stream.get_mut().write_all(&held.unwrap());
    }

    pub(crate) fn send_close_notify(&mut self) {
        let _ = self.stream.shutdown();
    }
}

impl RawServer {
    /// Runs `handle` for every connection on a new thread, then closes the connection.
    pub(crate) fn serve(handle: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        Self::serve_with(2, handle)
    }

    /// Like [`serve`](Self::serve), with this number of TLS session tickets for each connection.
    /// The tickets arrive about when the request leaves.
    pub(crate) fn serve_with(
        tickets: usize,
        handle: impl Fn(&mut Peer) + Send + Sync + 'static,
    ) -> Self {
        let handle = Arc::new(handle);
        Self::accept(tickets, move |mut peer| {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle(&mut peer));
        })
    }

    /// Calls `respond` for the first request of every connection, then closes the connection.
    pub(crate) fn start(respond: impl Fn(&mut Stream) + Send + 'static) -> Self {
        Self::accept(2, move |mut peer| {
            if peer.receive() {
                respond(&mut peer.stream);
            }
            peer.send_close_notify();
        })
    }

    fn accept(tickets: usize, take: impl Fn(Peer) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let requests = Arc::clone(&server.requests);
        let connections = Arc::clone(&server.connections);
        thread::spawn(move || {
            let mut acceptor =
                SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
            acceptor.set_private_key(&IDENTITY.key).unwrap();
            acceptor.set_certificate(&IDENTITY.certificate).unwrap();
            acceptor.set_num_tickets(tickets).unwrap();
            let acceptor = acceptor.build();
            for connection in listener.incoming() {
                let wire = Wire {
                    socket: connection.unwrap(),
                    held: None,
                };
                let Ok(stream) = acceptor.accept(wire) else {
                    continue;
                };
                take(Peer {
                    number: connections.fetch_add(1, Ordering::SeqCst),
                    stream,
                    requests: Arc::clone(&requests),
                });
            }
        });
        server
    }

    /// Responds to the first request of every connection with these bytes.
    pub(crate) fn with(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |stream| {
            let _ = stream.write_all(&response);
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    /// The number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests so far: head and body, header names in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(stream: &mut Stream) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        text.push(char::from(byte[0]).to_ascii_lowercase());
    }
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    let _ = stream.read_exact(&mut body);
    text.push_str(&String::from_utf8_lossy(&body));
    text
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn certificate(name: &str, key: &PKey<Private>, issuer: Option<(&X509, &PKey<Private>)>) -> X509 {
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
        .set_not_before(&Asn1Time::from_unix(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(2).unwrap())
        .unwrap();
    match issuer {
        None => {
            builder.set_issuer_name(&subject).unwrap();
            builder
                .append_extension(BasicConstraints::new().critical().ca().build().unwrap())
                .unwrap();
        }
        Some((root, _)) => {
            builder.set_issuer_name(root.subject_name()).unwrap();
            let names = SubjectAlternativeName::new()
                .ip(name)
                .build(&builder.x509v3_context(Some(root), None));
            builder.append_extension(names.unwrap()).unwrap();
        }
    }
    builder
        .sign(issuer.map_or(key, |(_, key)| key), MessageDigest::sha256())
        .unwrap();
    builder.build()
}
