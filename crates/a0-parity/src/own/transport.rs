//! Calls through the default transport: where a request goes, and which side gives up first. No time
//! is measured.

use std::error::Error as _;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use auth0_api::transport::{TransportError, TransportErrorKind};
use serde_json::{Value, json};

use super::client::options;
use super::world::Shared;
use super::{Refusal, calls_of, text};
use crate::tenant::{Failure, JWKS, encode};

/// The argument of a process that makes one call.
pub(crate) const ALONE: &str = "--call";

const PROXY_VARIABLES: [&str; 4] = ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"];

/// How long a server stays silent before it hangs up: longer than the `timeout` of a case, and shorter
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
    let (tenant, proxy) = (silent_server()?, silent_server()?);
    let url = format!("http://{}", proxy.local_addr()?);
    let mut command = Command::new(std::env::current_exe()?);
    command.envs(PROXY_VARIABLES.map(|name| (name, &url)));
    command.env_remove("NO_PROXY").env_remove("no_proxy");
    // A process of its own, since all threads of this one share its variables.
    let mut process = command.arg(ALONE).stdin(Stdio::piped()).spawn()?;
    if let Some(mut input) = process.stdin.take() {
        let case = at(case, tenant.local_addr()?);
        input.write_all(case.to_string().as_bytes())?;
    }
    process.wait()?;
    let route = match (connections(&tenant)?, connections(&proxy)?) {
        (1.., 0) => "straight to the tenant",
        (0, 1..) => "to the proxy of the variables",
        (0, 0) => "to nobody",
        _ => "to both",
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
    let (tenant, other) = (silent_server()?, silent_server()?);
    let mut case = at(case, tenant.local_addr()?);
    let is_about_metadata = text(&case, "network") == "metadata";
    if !is_about_metadata {
        know_documents(&mut case, other.local_addr()?);
    }
    let (call, end_of_call) = mpsc::channel::<()>();
    let servers = std::thread::spawn(move || {
        let _ = end_of_call.recv_timeout(PATIENCE);
        // The end of the two servers resets connections that are still open.
        Ok::<_, io::Error>([connections(&tenant)?, connections(&other)?])
    });
    let outcome = made(&case);
    drop(call);
    let servers = servers.join();
    let [tenant, other] = servers.unwrap_or_else(|_| Err(io::Error::other("a panic")))?;
    let asked = match (is_about_metadata, tenant, other) {
        (true, asked, 0) | (false, 0, asked) => asked,
        _ => return Ok("another exchange came first".to_owned()),
    };
    let timed_out = matches!(&outcome, Err(Refusal::Sdk(error)) if timed_out(error));
    let patience = match (timed_out, asked) {
        (true, 1) => "given up after `timeout`",
        (_, 0) => "nobody asked",
        _ => "given up by the server",
    };
    Ok(patience.to_owned())
}

/// Returns a server to which clients can connect, and which never answers.
fn silent_server() -> io::Result<TcpListener> {
    TcpListener::bind("127.0.0.1:0")
}

/// Returns how many connections the server has got.
fn connections(server: &TcpListener) -> io::Result<usize> {
    server.set_nonblocking(true)?;
    Ok(server.incoming().take_while(Result::is_ok).count())
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
    let mut causes = std::iter::successors(error.source(), |error| (*error).source());
    let error = causes.find_map(|error| error.downcast_ref::<TransportError>());
    error.is_some_and(|error| error.kind() == TransportErrorKind::Timeout)
}

/// Returns the case for a tenant at this address. Its token has no valid signature, which nobody checks
/// before the exchange.
fn at(case: &Value, address: SocketAddr) -> Value {
    let issuer = format!("https://{address}/");
    let mut case = case.clone();
    case["domain"] = address.to_string().into();
    case["claims"]["iss"] = issuer.clone().into();
    case["issuer"] = issuer.into();
    let payload = encode(case["claims"].to_string().as_bytes());
    let mut token: Vec<&str> = text(&case, "token").split('.').collect();
    token[1] = &payload;
    case["token"] = token.join(".").into();
    case
}
