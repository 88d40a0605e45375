//! Calls through the default transport: where a request goes, and which side gives up first. No time
//! is measured.

use std::error::Error as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use auth0_api::transport::{TransportError, TransportErrorKind};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::client::options;
use super::world::Shared;
use super::{Refusal, calls_of, text};
use crate::draft::{Failure, JWKS, encode};

/// The argument of a process that makes one call.
pub(crate) const ALONE: &str = "--call";

const PROXY_VARIABLES: [&str; 4] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"];
const PROXY_EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// How long the server stays silent before it hangs up: longer than the `timeout` of a case, and shorter
/// than the 5 s of the reference's HTTP library and this SDK's default of 10 s.
const PATIENCE: Duration = Duration::from_secs(4);

/// Returns what a server saw of the exchange that the case is about, by the name of the exchange.
pub(super) fn seen(case: &Value) -> Value {
    let (exchange, seen) = match text(case, "network") {
        "proxy variables" => ("metadata", route(case)),
        silent => (silent, patience(case)),
    };
    json!({ exchange: seen.unwrap_or_else(|error| error.to_string()) })
}

fn route(case: &Value) -> io::Result<String> {
    let (mut tenant, mut proxy) = (Silence::start()?, Silence::start()?);
    let url = format!("http://{}", proxy.address);
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(ALONE).stdin(Stdio::piped());
    for name in PROXY_EXCEPTIONS {
        command.env_remove(name);
    }
    // A process of its own, since all threads of this one share its variables.
    let mut process = command
        .envs(PROXY_VARIABLES.map(|name| (name, &url)))
        .spawn()?;
    if let Some(mut input) = process.stdin.take() {
        input.write_all(at(case, tenant.address).to_string().as_bytes())?;
    }
    process.wait()?;
    let route = match (tenant.end()?.is_empty(), proxy.end()?.is_empty()) {
        (false, true) => "straight to the tenant",
        (true, false) => "to the proxy of the variables",
        (false, false) => "to both",
        (true, true) => "to nobody",
    };
    Ok(route.to_owned())
}

/// Makes one call. The servers see what it does.
pub(crate) fn alone_in_its_process() -> Result<(), Failure> {
    let case = serde_json::from_reader(io::stdin())?;
    let _ = made(&case);
    Ok(())
}

fn patience(case: &Value) -> io::Result<String> {
    let (mut tenant, mut other) = (Silence::start()?, Silence::start()?);
    let mut case = at(case, tenant.address);
    if text(&case, "network") != "metadata" {
        know_documents(&mut case, other.address);
    }
    let outcome = made(&case);
    let timed_out = matches!(&outcome, Err(Refusal::Sdk(error)) if timed_out(error));
    let (tenant, other) = (tenant.end()?, other.end()?);
    let asked = match text(&case, "network") {
        "metadata" if other.is_empty() => tenant,
        _ if tenant.is_empty() => other,
        _ => return Ok("another exchange came first".to_owned()),
    };
    let patience = match (timed_out, asked.as_slice()) {
        (true, [End::ByClient]) => "given up after `timeout`",
        (_, []) => "nobody asked",
        _ => "given up by the server",
    };
    Ok(patience.to_owned())
}

/// Puts metadata and keys into a store, so that another exchange meets the silence. That exchange goes
/// to an address of its own, by which it is told apart.
fn know_documents(case: &mut Value, other: SocketAddr) {
    let other = format!("https://{other}");
    let [keys_at, endpoint] = ["keys", "token"].map(|path| format!("{other}/{path}"));
    let keys = text(&case["documents"][JWKS], "body");
    let mut keys: Value = serde_json::from_str(keys).unwrap_or_default();
    if text(case, "network") == "keys" {
        // An unknown key id makes the client request the keys.
        keys["keys"][0]["kid"] = "another".into();
    } else {
        // The client flows use the metadata that came with the keys.
        case["before"] = json!([{"call": "verify_access_token"}]);
    }
    case["store"] = json!({
        "metadata": {
            "issuer": case["issuer"], "jwks_uri": keys_at, "token_endpoint": endpoint,
        },
        "keys": keys, "keys_at": keys_at,
    });
    case["own"] = json!({"trusted_endpoints": [other]});
}

fn made(case: &Value) -> Result<Value, Refusal> {
    let timeout = Duration::from_secs_f64(case["timeout"].as_f64().unwrap_or_default());
    let world = Shared::default();
    let client = options(case, &world).timeout(timeout).build()?;
    calls_of(&client, case, &world)
}

fn timed_out(error: &auth0_api::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<TransportError>() {
            return error.kind() == TransportErrorKind::Timeout;
        }
        cause = error.source();
    }
    false
}

/// Returns the case for a tenant at this address. Its token has no valid signature, which nobody checks
/// before the exchange.
fn at(case: &Value, address: SocketAddr) -> Value {
    let issuer = format!("https://{address}/");
    let mut case = case.clone();
    case["domain"] = address.to_string().into();
    let [header, payload, signature] = segments(text(&case, "token"));
    let mut claims = decoded(payload);
    claims["iss"] = issuer.clone().into();
    case["token"] = format!(
        "{header}.{}.{signature}",
        encode(claims.to_string().as_bytes())
    )
    .into();
    case["issuer"] = issuer.into();
    case
}

fn segments(token: &str) -> [&str; 3] {
    let mut segments = token.split('.');
    [(); 3].map(|()| segments.next().unwrap_or_default())
}

fn decoded(segment: &str) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(segment).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// A server that accepts connections and never answers.
struct Silence {
    address: SocketAddr,
    /// `None` once it has ended.
    thread: Option<JoinHandle<io::Result<Vec<End>>>>,
}

/// How a connection ended.
enum End {
    ByClient,
    ByServer,
}

/// A client that sends this and nothing else ends the server.
const ENOUGH: &[u8] = b"enough";

impl Silence {
    fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        Ok(Silence {
            address: listener.local_addr()?,
            thread: Some(std::thread::spawn(move || {
                let mut ends = Vec::new();
                loop {
                    let (stream, _) = listener.accept()?;
                    match until_end(stream) {
                        Some(end) => ends.push(end),
                        None => return Ok(ends),
                    }
                }
            })),
        })
    }

    /// Stops the server and returns how each connection ended.
    fn end(&mut self) -> io::Result<Vec<End>> {
        let Some(thread) = self.thread.take() else {
            return Ok(Vec::new());
        };
        TcpStream::connect(self.address)?.write_all(ENOUGH)?;
        let ended = thread.join();
        ended.unwrap_or_else(|_| Err(io::Error::other("the server panicked")))
    }
}

/// Ends the thread when an error comes before `end`.
impl Drop for Silence {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn until_end(mut stream: TcpStream) -> Option<End> {
    let mut received: Vec<u8> = Vec::new();
    let mut buffer = [0; 1024];
    if stream.set_read_timeout(Some(PATIENCE)).is_err() {
        return Some(End::ByServer);
    }
    loop {
        match stream.read(&mut buffer) {
            Ok(0) if received == ENOUGH => return None,
            Ok(0) => return Some(End::ByClient),
            Ok(read) => received.extend(buffer.iter().take(read)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Some(End::ByClient);
            }
            Err(_) => return Some(End::ByServer),
        }
    }
}
