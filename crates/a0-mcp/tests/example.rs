//! The example, as a process that a client talks to over a socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

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

#[test]
fn the_example_steps_up_and_calls_an_api_on_behalf_of_the_user() {
    let mut process = Command::new(binary())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = process.stdout.take().unwrap();
    let _running = Running(process);
    let mut lines = BufReader::new(stdout).lines();
    let mut line = || lines.next().unwrap().unwrap();
    let (resource, weak, strong) = (line(), line(), line());
    let host = resource
        .strip_prefix("http://")
        .and_then(|rest| rest.strip_suffix("/mcp"))
        .unwrap();

    let call = |token: Option<&str>, tool: &str| {
        let meta = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}},"_meta":{meta}}}}}"#
        );
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

    let who = call(Some(&weak), "whoami");
    assert!(
        who.starts_with("HTTP/1.1 200") && who.contains("auth0|ada"),
        "{who}"
    );
    let refused = call(Some(&weak), "balance");
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    assert!(
        refused.contains(r#"scope="mcp:use balance:read""#),
        "{refused}"
    );
    let balance = call(Some(&strong), "balance");
    assert!(balance.starts_with("HTTP/1.1 200"), "{balance}");
    assert!(
        balance.contains("12 euros") && balance.contains("auth0|ada"),
        "{balance}"
    );
}
