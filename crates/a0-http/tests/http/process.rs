//! Behaviour that depends on the whole process. These tests run their own program again, as a child
//! process with another environment.

use std::env;
use std::error::Error;
#[cfg(unix)]
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
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
use std::time::Duration;

use a0_http::TransportErrorKind;
use log::{LevelFilter, Log, Metadata, Record};

use crate::support::driver::{Driver, Setting};
use crate::support::{RawServer, root_pem};

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
/// Prints what is logged at TRACE.
const LOG: &str = "A0_HTTP_TEST_LOG";
/// In place of the given roots: `built-in`, `SSL_CERT_FILE`, `platform` or `platform and given`.
const TRUST: &str = "A0_HTTP_TEST_TRUST";
const EXPECTED: &str = "A0_HTTP_TEST_EXPECTED";
/// A text that one of the error's causes must contain.
const EXPECTED_CAUSE: &str = "A0_HTTP_TEST_EXPECTED_CAUSE";
/// A scenario in place of one exchange: `fork`, `exhaust` the file descriptors, or one of a runtime.
const SCENARIO: &str = "A0_HTTP_TEST_SCENARIO";

/// The test of the child: one exchange, as the environment says. In the parent it does nothing.
fn child<D: Driver>() {
    let Ok(url) = env::var(URL) else { return };
    let roots = env::var(ROOTS).unwrap();
    let mut options = match env::var(TRUST).as_deref() {
        Err(_) => vec![Setting::Roots(roots.as_bytes())],
        Ok("built-in") => vec![],
        Ok("SSL_CERT_FILE") => vec![Setting::RootsFromSslCertFile],
        #[cfg(feature = "platform-verifier")]
        Ok("platform") => vec![Setting::PlatformRoots],
        #[cfg(feature = "platform-verifier")]
        Ok("platform and given") => {
            vec![Setting::PlatformRoots, Setting::AddRoots(roots.as_bytes())]
        }
        Ok(other) => panic!("{other}"),
    };
    options.extend(env::var(USE_PROXY).map(|_| Setting::ProxyFromEnv));
    if env::var(LOG).is_ok() {
        log::set_logger(&Printer).unwrap();
        log::set_max_level(LevelFilter::Trace);
    }
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
        #[cfg(feature = "reqwest")]
        Ok(scenario) => return runtimes(scenario, &url, roots.as_bytes()),
        _ => (),
    }
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    let outcome = match D::build(&options).map(|client| client.exchange(request)) {
        Ok(Ok(response)) => response.status().as_u16().to_string(),
        Ok(Err(error)) => {
            if let Ok(expected) = env::var(EXPECTED_CAUSE) {
                let mut causes = Vec::new();
                let mut source = error.source();
                while let Some(cause) = source {
                    causes.push(cause.to_string());
                    source = cause.source();
                }
                assert!(causes.iter().any(|it| it.contains(&expected)), "{causes:?}");
                assert!(!causes.concat().contains("canary"), "{causes:?}");
            }
            format!("{:?}", error.kind())
        }
        Err(error) => format!("{error:?}"),
    };
    assert_eq!(outcome, env::var(EXPECTED).unwrap());
}

/// Exchanges of the async client whose future is polled outside of its runtime, or of any.
#[cfg(feature = "reqwest")]
fn runtimes(scenario: &str, url: &str, roots: &[u8]) {
    use a0_http::AsyncHttpClient;
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;
    use tokio::runtime::Builder;

    let client = a0_http::ReqwestClient::builder().timeout(Duration::from_secs(20));
    let client = client.root_certificates_pem(roots).unwrap().build();
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    let mut exchange = AsyncHttpClient::exchange(&client, request);
    let mut context = Context::from_waker(Waker::noop());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    match scenario {
        "no runtime" => {}
        "no time" | "no network" => {
            let mut builder = Builder::new_current_thread();
            if scenario == "no network" {
                builder.enable_time();
            }
            let error = builder.build().unwrap().block_on(exchange).unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Other);
            return;
        }
        "ended" => {
            let poll = runtime.block_on(async { exchange.as_mut().poll(&mut context) });
            assert!(poll.is_pending());
            drop(runtime);
            let started = Instant::now();
            let error = loop {
                if let Poll::Ready(response) = exchange.as_mut().poll(&mut context) {
                    break response.unwrap_err();
                }
                assert!(started.elapsed() < Duration::from_secs(30));
                thread::sleep(Duration::from_millis(1));
            };
            assert_eq!(error.kind(), TransportErrorKind::Other);
            assert!(error.source().unwrap().to_string().contains("ended"));
            return;
        }
        "left" | "left for another" => {
            let poll = runtime.block_on(async { exchange.as_mut().poll(&mut context) });
            assert!(poll.is_pending());
            // Another thread drives the runtime, and this one polls outside of it.
            let handle = runtime.handle().clone();
            thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
            let started = Instant::now();
            loop {
                let poll = if scenario == "left" {
                    exchange.as_mut().poll(&mut context)
                } else {
                    let other = Builder::new_current_thread().build().unwrap();
                    other.block_on(async { exchange.as_mut().poll(&mut context) })
                };
                if let Poll::Ready(response) = poll {
                    assert_eq!(response.unwrap().status(), 200);
                    break;
                }
                assert!(started.elapsed() < Duration::from_secs(30));
                thread::sleep(Duration::from_millis(1));
            }
            drop(handle);
            return;
        }
        other => panic!("{other}"),
    }
    let Poll::Ready(response) = exchange.as_mut().poll(&mut context) else {
        panic!("the future is pending")
    };
    assert_eq!(response.unwrap_err().kind(), TransportErrorKind::Other);
    // It can be dropped anywhere.
    drop(exchange);
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
    "process::child_over_ureq",
    #[cfg(feature = "reqwest")]
    "process::child_over_reqwest",
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

fn run(command: Command, child: &str, url: &str, expected: &str, variables: &[(&str, &str)]) {
    let errors = outcome(command, child, url, expected, variables);
    assert!(!errors.contains("panicked"));
}

/// Returns what the child printed on stderr.
fn outcome(
    mut command: Command,
    child: &str,
    url: &str,
    expected: &str,
    variables: &[(&str, &str)],
) -> String {
    command.args(["--exact", child, "--test-threads", "1", "--nocapture"]);
    for name in PROXY_VARIABLES
        .into_iter()
        .chain(["NO_PROXY", "no_proxy", USE_PROXY])
        .chain(["SSL_CERT_FILE", "SSL_CERT_DIR"])
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
    assert!(!text.contains("panicked"), "{text}");
    errors.into_owned()
}

#[test]
fn ssl_cert_file_is_read_only_if_asked_for() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let directory = env::temp_dir().join(format!("a0-http-roots-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let good = write("good.pem", root_pem());
    let other = write(
        "other.pem",
        httpmock::server::DEFAULT_CA_CERTIFICATE.as_bytes(),
    );
    let empty = write("empty.pem", b"");
    let missing = directory.join("missing.pem");
    let missing = missing.to_str().unwrap();
    let cases = [
        ("built-in", &*good, "Tls"),
        ("SSL_CERT_FILE", &*good, "200"),
        ("SSL_CERT_FILE", &*other, "Tls"),
        ("SSL_CERT_FILE", "", "Tls"),
        ("SSL_CERT_FILE", &*empty, "NoRootCertificate"),
        ("SSL_CERT_FILE", missing, "UnreadableRoots"),
        #[cfg(all(feature = "platform-verifier", target_os = "linux"))]
        ("platform", &*good, "200"),
        #[cfg(all(feature = "platform-verifier", target_os = "linux"))]
        ("platform", &*other, "Tls"),
        #[cfg(all(feature = "platform-verifier", target_os = "linux"))]
        ("platform", missing, "Tls"),
        #[cfg(all(feature = "platform-verifier", target_os = "linux"))]
        ("platform and given", &*other, "200"),
    ];
    for child in CHILDREN {
        for (trust, file, expected) in cases {
            let variables = [("SSL_CERT_FILE", file), (TRUST, trust)];
            run_child(child, &server.url(), expected, &variables);
        }
    }
    std::fs::remove_dir_all(directory).unwrap();
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

/// A proxy that refuses every CONNECT with this status line.
fn refusing_proxy(status: &'static str) -> String {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = proxy.local_addr().unwrap();
    thread::spawn(move || {
        for stream in proxy.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let response = format!("HTTP/1.1 {status} canary\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.write_all(response.as_bytes());
        }
    });
    format!("http://{address}")
}

/// "Tls" means that the exchange went to the server and not to the proxy: the certificate is not
/// for `localhost`.
#[test]
fn no_proxy_lists_hosts_with_any_white_space() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = refusing_proxy("403");
    let named = server.url().replace("127.0.0.1", "localhost");
    let (direct, through) = ("200", "Connect");
    // (the list, the outcome for 127.0.0.1, the outcome for localhost)
    for (list, by_address, by_name) in [
        ("", through, through),
        ("  ", through, through),
        (",", through, through),
        ("example.com,localhost", through, "Tls"),
        ("example.com, localhost ", through, "Tls"),
        (" localhost", through, "Tls"),
        ("localhost\t", through, "Tls"),
        ("\nlocalhost\n", through, "Tls"),
        ("localhost example.com", through, "Tls"),
        ("example.com localhost", through, "Tls"),
        ("LocalHost", through, "Tls"),
        ("127.0.0.1", direct, through),
        ("example.com, 127.0.0.1 ", direct, through),
        ("127.0.0.1 ,localhost", direct, "Tls"),
        ("127.0.0.1\u{a0}, localhost", direct, "Tls"),
        ("*", direct, "Tls"),
        (" * ", direct, "Tls"),
        ("* localhost", direct, "Tls"),
        ("example.com, *", direct, "Tls"),
        (
            "localhost.example, 127.0.0.10, notlocalhost",
            through,
            through,
        ),
        ("local host", through, through),
    ] {
        for child in CHILDREN {
            let variables = [
                ("HTTPS_PROXY", proxy.as_str()),
                (USE_PROXY, "1"),
                ("NO_PROXY", list),
            ];
            println!("{child} {list:?}");
            run_child(child, &server.url(), by_address, &variables);
            run_child(child, &named, by_name, &variables);
        }
    }
}

#[test]
fn white_space_around_a_proxys_url_is_ignored() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let proxy = refusing_proxy("403");
    for (value, expected) in [
        (format!(" {proxy}"), "Connect"),
        (format!("{proxy}/ \n"), "Connect"),
        (" ".to_owned(), "200"),
        (" socks5://127.0.0.1:1".to_owned(), "UnusableProxy"),
        (proxy.replace("//", "// "), "UnusableProxy"),
    ] {
        for child in CHILDREN {
            let variables = [("HTTPS_PROXY", value.as_str()), (USE_PROXY, "1")];
            println!("{child} {value:?}");
            run_child(child, &server.url(), expected, &variables);
        }
    }
}

/// The texts are those of each client's library, or ours where the library quotes the proxy.
#[test]
fn a_proxys_refusal_is_in_the_errors_causes() {
    let tunnel = "tunnel error: unsuccessful";
    for (status, over_ureq, over_reqwest) in [
        (
            "407",
            "the proxy refused the CONNECT with status 407: it requires a user name and a password",
            "tunnel error: proxy authorization required",
        ),
        (
            "403",
            "the proxy refused the CONNECT with status 403",
            tunnel,
        ),
        (
            "502",
            "the proxy refused the CONNECT with status 502",
            tunnel,
        ),
        (
            "301",
            "the proxy refused the CONNECT with status 301",
            tunnel,
        ),
    ] {
        let proxy = refusing_proxy(status);
        for child in CHILDREN {
            let expected = match child.contains("ureq") {
                true => over_ureq,
                false => over_reqwest,
            };
            let variables = [
                ("HTTPS_PROXY", proxy.as_str()),
                (USE_PROXY, "1"),
                (EXPECTED_CAUSE, expected),
            ];
            run_child(child, "https://127.0.0.1:1/", "Connect", &variables);
        }
    }
}

#[cfg(feature = "reqwest")]
#[test]
fn outside_of_a_runtime_there_is_nothing_on_stderr() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for scenario in ["no runtime", "left", "left for another", "ended"] {
        let command = Command::new(env::current_exe().unwrap());
        let variables = [(SCENARIO, scenario)];
        let errors = outcome(
            command,
            "process::child_over_reqwest",
            &server.url(),
            "",
            &variables,
        );
        assert_eq!(errors, "", "{scenario}");
    }
}

/// `tokio` does not say whether a runtime has these, so the client catches its panic, and the panic
/// hook prints it. A change of this is a change of the client's documentation.
#[cfg(feature = "reqwest")]
#[test]
fn a_runtime_without_time_or_network_prints_a_panic_of_tokio() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for scenario in ["no time", "no network"] {
        let command = Command::new(env::current_exe().unwrap());
        let variables = [(SCENARIO, scenario)];
        let errors = outcome(
            command,
            "process::child_over_reqwest",
            &server.url(),
            "",
            &variables,
        );
        assert!(errors.contains("panicked"), "{scenario}: {errors}");
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
        let proxy = format!("http://{}", tunnelling_proxy(&server));
        let variables = [("HTTPS_PROXY", proxy.as_str()), (USE_PROXY, "1")];
        run_child(child, &server.url(), "Io", &variables);
        assert_eq!(server.connections(), 1, "{child}");
    }
}

/// Returns the address of a proxy that connects to `server`.
fn tunnelling_proxy(server: &RawServer) -> SocketAddr {
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
    address
}

#[test]
fn an_exchange_through_a_proxy_logs_no_credential() {
    for child in CHILDREN {
        let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer");
        let address = tunnelling_proxy(&server);
        let proxy = format!("http://a-user:a-password@{address}");
        let variables = [
            ("HTTPS_PROXY", proxy.as_str()),
            (USE_PROXY, "1"),
            (LOG, "1"),
        ];
        let command = Command::new(env::current_exe().unwrap());
        let logged = outcome(command, child, &server.url(), "200", &variables);
        assert_eq!(server.requests().len(), 1);
        assert!(logged.contains("127.0.0.1"), "{logged}");
        // The last one is the Base64 of both.
        for canary in ["a-password", "answer", "YS11c2VyOmEtcGFzc3dvcmQ"] {
            assert!(!logged.contains(canary), "{child}: {logged}");
        }
    }
}

/// Prints each record on stderr.
struct Printer;

impl Log for Printer {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("{}: {}", record.target(), record.args());
    }

    fn flush(&self) {}
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
        "process::child_over_reqwest",
        &server.url(),
        "200",
        &[(NO_CIPHER_SUITES, "1")],
    );
}
