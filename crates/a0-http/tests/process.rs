//! Behaviour that depends on the whole process. These tests run their own program again, as a child
//! process with another environment.
#![cfg(any(feature = "ureq", feature = "reqwest"))]

mod support;

use std::env;
#[cfg(unix)]
use std::error::Error;
#[cfg(unix)]
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::process::CommandExt;
#[cfg(unix)]
use std::panic::{self, AssertUnwindSafe};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(unix)]
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
#[cfg(unix)]
use std::time::Duration;

use a0_http::TransportErrorKind;

use support::driver::{Driver, Setting};
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
#[cfg(feature = "reqwest")]
const NO_CIPHER_SUITES: &str = "A0_HTTP_TEST_NO_CIPHER_SUITES";
const EXPECTED: &str = "A0_HTTP_TEST_EXPECTED";
/// A scenario in place of one exchange: `fork`, or `exhaust` the file descriptors.
const SCENARIO: &str = "A0_HTTP_TEST_SCENARIO";

/// The test of the child: one exchange, as the environment says. In the parent it does nothing.
fn child<D: Driver>() {
    let Ok(url) = env::var(URL) else { return };
    let roots = env::var(ROOTS).unwrap();
    let mut options = vec![Setting::Roots(roots.as_bytes())];
    options.extend(env::var(USE_PROXY).map(|_| Setting::ProxyFromEnv));
    #[cfg(feature = "reqwest")]
    if env::var(NO_CIPHER_SUITES).is_ok() {
        let mut provider = rustls::crypto::ring::default_provider();
        provider.cipher_suites.clear();
        provider.install_default().unwrap();
    }
    match env::var(SCENARIO).as_deref() {
        #[cfg(unix)]
        Ok("fork") => return fork::<D>(&url, &options),
        #[cfg(unix)]
        Ok("exhaust") => return exhaust::<D>(&url, &options),
        _ => (),
    }
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    let outcome = match D::build(&options).map(|client| client.exchange(request)) {
        Ok(Ok(response)) => response.status().as_u16().to_string(),
        Ok(Err(error)) => format!("{:?}", error.kind()),
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(outcome, env::var(EXPECTED).unwrap());
}

/// Parent and child use separate connections. The body is the connection's number.
#[cfg(unix)]
fn fork<D: Driver>(url: &str, options: &[Setting<'_>]) {
    let client = D::build(options).unwrap();
    let body = || {
        let request = http::Request::get(url).body(Vec::new()).unwrap();
        client.exchange(request).unwrap().into_body()
    };
    assert_eq!(body(), b"0");
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            // Replaces a child that hangs with a process that fails.
            let (done, watchdog) = mpsc::channel::<()>();
            thread::spawn(move || {
                if watchdog.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout)
                {
                    panic!("{}", Command::new("false").exec());
                }
            });
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                assert_eq!(body(), b"1");
                assert_eq!(body(), b"1");
            }));
            // Ends the child without running destructors: the one of an inherited runtime would
            // remove the parent's sockets from the parent's `epoll`.
            drop(done);
            let program = if outcome.is_ok() { "true" } else { "false" };
            panic!("{}", Command::new(program).exec());
        }
        fork::Fork::Parent(child) => assert_eq!(fork::waitpid(child).unwrap(), 0),
    }
    assert_eq!(body(), b"0");
}

#[cfg(unix)]
fn exhaust<D: Driver>(url: &str, options: &[Setting<'_>]) {
    let client = D::build(options).unwrap();
    let exchange = |url: &str| {
        let request = http::Request::get(url).body(Vec::new()).unwrap();
        client.exchange(request)
    };
    exchange(url).unwrap();
    let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for url in [url, &url.replace("127.0.0.1", "localhost")] {
        let error = exchange(url).unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Exhausted, "{url}");
        assert!(error.source().is_some());
    }
    drop(files);
    exchange(url).unwrap();
}

/// The names of the child's tests, one for each client.
const CHILDREN: &[&str] = &[
    #[cfg(feature = "ureq")]
    "child_over_ureq",
    #[cfg(feature = "reqwest")]
    "child_over_reqwest",
];

#[cfg(feature = "ureq")]
#[test]
fn child_over_ureq() {
    child::<a0_http::UreqClient>();
}

#[cfg(feature = "reqwest")]
#[test]
fn child_over_reqwest() {
    child::<a0_http::ReqwestClient>();
}

/// Runs the test `child` in a process with these `variables`, and asserts that it passes.
fn run_child(child: &str, url: &str, expected: &str, variables: &[(&str, &str)]) {
    run(
        Command::new(env::current_exe().unwrap()),
        child,
        url,
        expected,
        variables,
    );
}

fn run(mut command: Command, child: &str, url: &str, expected: &str, variables: &[(&str, &str)]) {
    command.args(["--exact", child, "--test-threads", "1"]);
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
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{text}");
    assert!(!(text + errors).contains("panicked"));
}

#[test]
fn proxy_variables_are_ignored() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let proxy_url = format!("http://{}", proxy.local_addr().unwrap());
    let variables = PROXY_VARIABLES.map(|name| (name, proxy_url.as_str()));
    for child in CHILDREN {
        run_child(child, &server.url(), "200", &variables);
    }
    assert_eq!(server.requests().len(), CHILDREN.len());
    assert_eq!(
        proxy.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[test]
fn the_proxy_of_the_environment_is_used_when_asked_for() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for child in CHILDREN {
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = proxy.local_addr().unwrap();
        let head = thread::spawn(move || {
            let (mut stream, _) = proxy.accept().unwrap();
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream
                .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            head
        });
        let before = server.requests().len();
        let proxy = format!("http://us%25er:p%40ss@{address}");
        let run = |proxy: &str, expected, other| {
            let variables = [("HTTPS_PROXY", proxy), (USE_PROXY, "1"), other];
            run_child(child, &server.url(), expected, &variables);
        };
        // A value that is not a proxy's URL is skipped.
        run(&proxy, "Connect", ("ALL_PROXY", "ftp://127.0.0.1:1"));
        let host = server.url().replace("https://", "").replace('/', "");
        let head = head.join().unwrap();
        assert_eq!(head[0], format!("CONNECT {host} HTTP/1.1"));
        let field = head.iter().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("proxy-authorization")
                .then_some(value)
        });
        assert_eq!(field, Some("Basic dXMlZXI6cEBzcw=="), "{child}");
        assert_eq!(server.requests().len(), before);

        run(&proxy, "200", ("NO_PROXY", "127.0.0.1"));
        run(&proxy, "200", ("no_proxy", "x.example,127.0.0.1"));
        run("", "200", ("NO_PROXY", ""));
        assert_eq!(server.requests().len(), before + 3);
    }
}

/// The proxy has answered the CONNECT on this connection, but the server has not: it counts as new.
#[test]
fn a_request_is_not_repeated_when_a_proxy_closes() {
    for child in CHILDREN {
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = proxy.local_addr().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        thread::spawn(move || {
            for stream in proxy.incoming() {
                let mut stream = stream.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let lines = BufReader::new(&stream).lines().map(Result::unwrap);
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let _ = stream.read(&mut [0; 4096]);
            }
        });
        let proxy = format!("http://{address}");
        let variables = [("HTTPS_PROXY", proxy.as_str()), (USE_PROXY, "1")];
        run_child(child, "https://127.0.0.1:1/", "Io", &variables);
        assert_eq!(calls.load(Ordering::SeqCst), 1, "{child}");
    }
}

/// As above, but the server behind the proxy closes the connection.
#[test]
fn a_request_is_not_repeated_when_a_server_closes_behind_a_proxy() {
    for child in CHILDREN {
        let server = RawServer::serve_with(0, |peer| {
            peer.receive();
        });
        let target = server.url().replace("https://", "").replace('/', "");
        let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = proxy.local_addr().unwrap();
        thread::spawn(move || {
            for client in proxy.incoming() {
                let client = client.unwrap();
                let lines = BufReader::new(&client).lines().map(Result::unwrap);
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                let server = TcpStream::connect(&target).unwrap();
                thread::scope(|scope| {
                    scope.spawn(|| io::copy(&mut &client, &mut &server));
                    let _ = io::copy(&mut &server, &mut &client);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        let proxy = format!("http://{address}");
        let variables = [("HTTPS_PROXY", proxy.as_str()), (USE_PROXY, "1")];
        run_child(child, &server.url(), "Io", &variables);
        assert_eq!(server.connections(), 1, "{child}");
    }
}

#[test]
fn an_unusable_proxy_is_an_error_and_is_not_bypassed() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for name in PROXY_VARIABLES {
        for value in [
            "socks5://127.0.0.1:1",
            "socks4://127.0.0.1:1",
            "ftp://127.0.0.1:1",
            "http://[",
        ] {
            for child in CHILDREN {
                let variables = [(name, value), (USE_PROXY, "1")];
                run_child(child, &server.url(), "UnusableProxy", &variables);
            }
        }
    }
    assert!(server.requests().is_empty());
}

/// No thread can get a stack of this size, so the name lookup cannot spawn one.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn a_process_without_threads_gets_an_error_and_no_panic() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let url = server.url().replace("127.0.0.1", "localhost");
    let size = (1_u64 << 52).to_string();
    let expected = format!("{:?}", TransportErrorKind::Exhausted);
    for child in CHILDREN {
        run_child(child, &url, &expected, &[("RUST_MIN_STACK", &size)]);
    }
    assert!(server.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn a_process_without_file_descriptors_gets_an_error() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for child in CHILDREN {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 48; exec \"$0\" \"$@\""]);
        command.arg(env::current_exe().unwrap());
        run(command, child, &server.url(), "", &[(SCENARIO, "exhaust")]);
    }
}

#[cfg(unix)]
#[test]
fn a_forked_process_opens_its_own_connections() {
    for child in CHILDREN {
        let server = RawServer::serve(|peer| {
            while peer.receive() {
                peer.respond(&peer.number.to_string());
            }
        });
        run_child(child, &server.url(), "", &[(SCENARIO, "fork")]);
        assert_eq!(server.connections(), 2);
    }
}

/// The process installs a crypto provider without cipher suites.
#[cfg(feature = "reqwest")]
#[test]
fn reqwest_ignores_the_process_wide_crypto_provider() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    run_child(
        "child_over_reqwest",
        &server.url(),
        "200",
        &[(NO_CIPHER_SUITES, "1")],
    );
}
