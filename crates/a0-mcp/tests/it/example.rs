//! The example, as a process that a client talks to over a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use http::Response;
use serde_json::{Value, json};

/// `cargo test` builds examples next to the tests, unless it is told to build this test alone.
fn binary() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/mcp_server");
    assert!(
        path.exists(),
        "build it: cargo build -p a0-mcp --example mcp_server"
    );
    path
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Returns the whole response as text.
fn send(host: &str, line: &str, token: Option<&str>, body: Option<(&str, &str)>) -> String {
    let mut request = format!(
        "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\naccept: application/json, text/event-stream\r\n"
    );
    if let Some(token) = token {
        request.push_str(&format!("authorization: Bearer {token}\r\n"));
    }
    if let Some((tool, body)) = body {
        request.push_str("content-type: application/json\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\n");
        request.push_str(&format!(
            "mcp-name: {tool}\r\ncontent-length: {}\r\n",
            body.len()
        ));
    }
    request.push_str("\r\n");
    request.push_str(body.map_or("", |(_, body)| body));
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

fn tool_call(tool: &str) -> String {
    let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}},"_meta":{meta}}}}}"#
    )
}

struct Example {
    resource: String,
    issuer: String,
    ca: PathBuf,
    weak: String,
    strong: String,
    _running: Running,
}

impl Example {
    fn start(name: &str) -> Self {
        let folder = binary().with_file_name("");
        let mut process = Command::new(binary())
            .args("--port 0 --tenant-port 0 --auto-approve --ca".split(' '))
            .arg(folder.join(format!("{name}-ca.pem")))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        let running = Running(process);
        let mut lines = BufReader::new(stdout).lines();
        let mut value = |label: &str| {
            let line = lines.next().unwrap().unwrap();
            let mut words = line.split_whitespace();
            assert_eq!(words.next(), Some(label), "{line}");
            words.next().unwrap().to_owned()
        };
        Example {
            resource: value("server"),
            issuer: value("tenant"),
            ca: value("trust").into(),
            weak: value("token"),
            strong: value("token"),
            _running: running,
        }
    }
}

#[test]
fn the_example_steps_up_and_calls_an_api_on_behalf_of_the_user() {
    let example = Example::start("steps_up");
    let Example {
        resource,
        issuer,
        weak,
        strong,
        ..
    } = &example;
    let host = resource
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/mcp"))
        .unwrap();

    let call = |token: Option<&str>, tool: &str| {
        let body = tool_call(tool);
        send(host, "POST /mcp", token, Some((tool, &body)))
    };
    let stranger = call(None, "whoami");
    assert!(stranger.starts_with("HTTP/1.1 401"), "{stranger}");
    let path = "/.well-known/oauth-protected-resource/mcp";
    let metadata = format!(r#"resource_metadata="http://{host}{path}""#);
    assert!(stranger.contains(&metadata), "{stranger}");
    assert!(stranger.contains(r#"scope="mcp:use""#), "{stranger}");
    let document = send(host, &format!("GET {path}"), None, None);
    assert!(document.starts_with("HTTP/1.1 200"), "{document}");
    assert!(
        document.contains(&format!(r#""resource":"{resource}""#)),
        "{document}"
    );
    // The server names the tenant that a client logs in to, and the file that it must trust.
    assert!(document.contains(issuer), "{document}");
    let pem = std::fs::read_to_string(&example.ca).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");

    let who = call(Some(weak), "whoami");
    assert!(
        who.starts_with("HTTP/1.1 200") && who.contains("auth0|ada"),
        "{who}"
    );
    let refused = call(Some(weak), "balance");
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(
        refused.contains(r#"scope="mcp:use balance:read""#),
        "{refused}"
    );
    let balance = call(Some(strong), "balance");
    assert!(balance.starts_with("HTTP/1.1 200"), "{balance}");
    assert!(
        balance.contains("12 euros") && balance.contains("auth0|ada"),
        "{balance}"
    );
}

/// A client that takes the steps of the real ones, with its own PKCE pair (RFC 7636 appendix B).
struct Client {
    agent: ureq::Agent,
    resource: String,
    client_id: String,
    metadata: Value,
}

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:9/callback";

fn json_of(mut answer: Response<ureq::Body>) -> Value {
    let body = answer.body_mut().read_to_string().unwrap();
    serde_json::from_str(&body).unwrap_or_else(|_| panic!("{} {body}", answer.status()))
}

fn agent(ca: &Path) -> ureq::Agent {
    let pem = std::fs::read(ca).unwrap();
    let root = ureq::tls::Certificate::from_pem(&pem).unwrap();
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(vec![root].into())
        .build();
    let config = ureq::Agent::config_builder().tls_config(tls);
    let config = config.http_status_as_error(false).max_redirects(0);
    config.proxy(None).build().into()
}

/// The value of a parameter of the challenge.
fn parameter(challenge: &str, name: &str) -> String {
    let (_, rest) = challenge.split_once(&format!("{name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

impl Client {
    fn log_in(&self, scope: &str) -> Value {
        let endpoint = self.metadata["authorization_endpoint"].as_str().unwrap();
        let request = self.agent.get(endpoint).query_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", CALLBACK),
            ("state", "s"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", &self.resource),
            ("scope", scope),
        ]);
        let answer = request.call().unwrap();
        let location = answer.headers()["location"].to_str().unwrap();
        let query = location.strip_prefix(&format!("{CALLBACK}?")).unwrap();
        assert!(
            query.contains("state=s") && query.contains("iss="),
            "{query}"
        );
        let code = query.split('&').find_map(|pair| pair.strip_prefix("code="));
        self.token([
            ("grant_type", "authorization_code"),
            ("code", code.unwrap()),
            ("code_verifier", VERIFIER),
            ("redirect_uri", CALLBACK),
        ])
    }

    fn token<const N: usize>(&self, fields: [(&str, &str); N]) -> Value {
        let endpoint = self.metadata["token_endpoint"].as_str().unwrap();
        let own = [
            ("client_id", &*self.client_id),
            ("resource", &self.resource),
        ];
        let answer = self
            .agent
            .post(endpoint)
            .send_form(fields.into_iter().chain(own));
        json_of(answer.unwrap())
    }

    fn call(&self, token: Option<&Value>, tool: &str) -> Response<ureq::Body> {
        let mut request = self
            .agent
            .post(&self.resource)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", tool);
        if let Some(token) = token {
            let token = token["access_token"].as_str().unwrap();
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.content_type("application/json");
        request.send(tool_call(tool)).unwrap()
    }
}

#[test]
fn a_client_logs_in_steps_up_and_refreshes_over_sockets() {
    let example = Example::start("logs_in");
    let mut client = Client {
        agent: agent(&example.ca),
        resource: example.resource.clone(),
        client_id: String::new(),
        metadata: Value::Null,
    };
    let challenge = |answer: &Response<ureq::Body>, status: u16| {
        assert_eq!(answer.status(), status);
        let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
        challenge.to_owned()
    };
    let unauthorized = challenge(&client.call(None, "whoami"), 401);

    // Everything that follows comes from the answer before it.
    let document = client
        .agent
        .get(parameter(&unauthorized, "resource_metadata"));
    let document = json_of(document.call().unwrap());
    assert_eq!(document["resource"], *client.resource);
    let issuer = document["authorization_servers"][0].as_str().unwrap();
    let well_known = format!("{issuer}.well-known/oauth-authorization-server");
    client.metadata = json_of(client.agent.get(well_known).call().unwrap());
    assert_eq!(client.metadata["issuer"], issuer);
    let registration = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"] });
    let endpoint = client.metadata["registration_endpoint"].as_str().unwrap();
    let request = client.agent.post(endpoint).content_type("application/json");
    let registered = json_of(request.send(registration.to_string()).unwrap());
    client.client_id = registered["client_id"].as_str().unwrap().to_owned();

    let scope = parameter(&unauthorized, "scope");
    let token = client.log_in(&format!("{scope} offline_access"));
    let mut who = client.call(Some(&token), "whoami");
    assert_eq!(who.status(), 200);
    let who = who.body_mut().read_to_string().unwrap();
    assert!(who.contains("auth0|ada"), "{who}");

    let forbidden = challenge(&client.call(Some(&token), "balance"), 403);
    assert!(
        forbidden.contains(r#"error="insufficient_scope""#),
        "{forbidden}"
    );
    let scope = parameter(&forbidden, "scope");
    let token = client.log_in(&format!("{scope} offline_access"));
    assert_eq!(client.call(Some(&token), "balance").status(), 200);

    let refreshed = client.token([
        ("grant_type", "refresh_token"),
        ("refresh_token", token["refresh_token"].as_str().unwrap()),
    ]);
    assert_ne!(refreshed["access_token"], token["access_token"]);
    let mut balance = client.call(Some(&refreshed), "balance");
    let balance = balance.body_mut().read_to_string().unwrap();
    assert!(balance.contains("12 euros for auth0|ada"), "{balance}");
    let mut forged = refreshed;
    let text = format!("{}A", forged["access_token"].as_str().unwrap());
    forged["access_token"] = text.into();
    let unauthorized = challenge(&client.call(Some(&forged), "balance"), 401);
    assert!(
        unauthorized.contains(r#"error="invalid_token""#),
        "{unauthorized}"
    );
}
