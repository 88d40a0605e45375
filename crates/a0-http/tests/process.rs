//! What depends on the process as a whole: these tests run their own program again, as a child with
//! another environment.
#![cfg(feature = "ureq")]

mod support;

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use a0_http::{HttpClient, TransportErrorKind, UreqClient};

use support::{RawServer, root_pem};

const PROXY_VARIABLES: [&str; 6] = [
    "ALL_PROXY",
    "all_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
];

const URL: &str = "A0_HTTP_TEST_URL";
const ROOTS: &str = "A0_HTTP_TEST_ROOTS";
const USE_PROXY: &str = "A0_HTTP_TEST_USE_PROXY";
const EXPECTED: &str = "A0_HTTP_TEST_EXPECTED";

/// The child: one exchange, as the environment says. In the parent it has nothing to do.
#[test]
fn child() {
    let Ok(url) = env::var(URL) else { return };
    let roots = env::var(ROOTS).unwrap();
    let builder = UreqClient::builder()
        .root_certificates_pem(roots.as_bytes())
        .unwrap();
    let builder = match env::var(USE_PROXY) {
        Ok(_) => builder.proxy_from_env(),
        Err(_) => Ok(builder),
    };
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    let outcome = match builder.map(|builder| builder.build().exchange(request)) {
        Ok(Ok(answer)) => answer.status().as_u16().to_string(),
        Ok(Err(error)) => format!("{:?}", error.kind()),
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(outcome, env::var(EXPECTED).unwrap());
}

/// Runs `child` with `variables` set and waits until it has succeeded.
fn run_child(url: &str, expected: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "child", "--test-threads", "1"]);
    for name in PROXY_VARIABLES
        .into_iter()
        .chain(["NO_PROXY", "no_proxy", USE_PROXY])
    {
        command.env_remove(name);
    }
    let roots = std::str::from_utf8(root_pem()).unwrap();
    command
        .env(URL, url)
        .env(ROOTS, roots)
        .env(EXPECTED, expected);
    command.envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn proxy_variables_are_ignored() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let proxy_url = format!("http://{}", proxy.local_addr().unwrap());
    let variables = PROXY_VARIABLES.map(|name| (name, proxy_url.as_str()));
    run_child(&server.url(), "200", &variables);
    assert_eq!(server.requests().len(), 1);
    assert_eq!(
        proxy.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[test]
fn the_proxy_of_the_environment_is_used_when_asked_for() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy_url = format!("http://{}", proxy.local_addr().unwrap());
    let first_line = thread::spawn(move || {
        let (mut stream, _) = proxy.accept().unwrap();
        let mut head = Vec::new();
        for line in BufReader::new(&stream).lines().map(Result::unwrap) {
            if line.is_empty() {
                break;
            }
            head.push(line);
        }
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        head.swap_remove(0)
    });
    run_child(
        &server.url(),
        "Connect",
        &[("HTTPS_PROXY", &proxy_url), (USE_PROXY, "1")],
    );
    let host = server.url().replace("https://", "").replace('/', "");
    assert_eq!(
        first_line.join().unwrap(),
        format!("CONNECT {host} HTTP/1.1")
    );
    assert!(server.requests().is_empty());

    let exception = [
        ("HTTPS_PROXY", proxy_url.as_str()),
        ("NO_PROXY", "127.0.0.1"),
        (USE_PROXY, "1"),
    ];
    run_child(&server.url(), "200", &exception);
    run_child(
        &server.url(),
        "200",
        &[("HTTPS_PROXY", ""), (USE_PROXY, "1")],
    );
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error_and_not_a_way_past_it() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for name in PROXY_VARIABLES {
        for value in [
            "socks5://127.0.0.1:1",
            "socks4://127.0.0.1:1",
            "ftp://127.0.0.1:1",
            "http://[",
        ] {
            run_child(
                &server.url(),
                "UnusableProxy",
                &[(name, value), (USE_PROXY, "1")],
            );
        }
    }
    assert!(server.requests().is_empty());
}

/// No thread gets a stack of this size, so the name lookup's cannot be made.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn a_process_without_threads_gets_an_error_and_no_panic() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let size = (1_u64 << 52).to_string();
    let expected = format!("{:?}", TransportErrorKind::Other);
    run_child(&server.url(), &expected, &[("RUST_MIN_STACK", &size)]);
    assert!(server.requests().is_empty());
}
