//! The example `blocking_api`, as a process that an HTTP client talks to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// `cargo test` builds examples next to the tests, unless it is told to build this test alone.
fn example() -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples/blocking_api");
    let remedy = "build it: cargo build -p auth0-api --example blocking_api";
    assert!(path.exists(), "{remedy}");
    Command::new(path)
}

fn get(address: &str, path: &str, fields: &[String]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for field in fields {
        request += &format!("{field}\r\n");
    }
    stream
        .write_all(format!("{request}\r\n").as_bytes())
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response.to_ascii_lowercase()
}

#[test]
fn the_example_serves_its_routes() {
    let mut process = example().stdout(Stdio::piped()).spawn().unwrap();
    let stdout = BufReader::new(process.stdout.take().unwrap());
    let _running = Running(process);
    let lines: Vec<String> = stdout.lines().take(3).map(Result::unwrap).collect();
    let address = lines[0].strip_prefix("curl -i http://").unwrap();
    let address = address.trim_end_matches('/');
    let (_, field) = lines[2].split_once("-H '").unwrap();
    let good = vec![field.trim_end_matches('\'').to_owned()];
    let forged = vec![format!("{}A", &good[0][..good[0].len() - 2])];
    let problem = "content-type: application/problem+json";
    for (path, fields, expected) in [
        ("/", &vec![], &["http/1.1 200", "public"][..]),
        ("/me", &good, &["http/1.1 200", "you are auth0|"]),
        (
            "/orders?page=2",
            &good,
            &["http/1.1 200", "orders of auth0|"],
        ),
        (
            "/me",
            &vec![],
            &[
                "http/1.1 401",
                "www-authenticate: bearer realm=\"api\"\r\n",
                problem,
            ],
        ),
        (
            "/me",
            &forged,
            &["http/1.1 401", "error=\"invalid_token\"", problem],
        ),
        (
            "/orders",
            &[&good[..], &good[..]].concat(),
            &["http/1.1 400", "invalid_request"],
        ),
        ("/other", &good, &["http/1.1 404"]),
    ] {
        let response = get(address, path, fields);
        for part in expected {
            assert!(response.contains(part), "{path}: {part}: {response}");
        }
    }
}
