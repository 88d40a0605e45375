//! The blocking client against real HTTPS on the loopback interface.
#![cfg(feature = "ureq")]

mod support;

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use a0_http::{
    DEFAULT_MAX_BODY_SIZE, DEFAULT_TIMEOUT, HttpClient, MAX_HEADER_SIZE, MAX_TIMEOUT,
    TransportError, TransportErrorKind as Kind, UreqClient, UreqClientBuilder, UreqOptionError,
};
use httpmock::MockServer;
use httpmock::server::DEFAULT_CA_CERTIFICATE;

use support::{RawServer, root_pem};

type Request = http::Request<Vec<u8>>;
type Response = http::Response<Vec<u8>>;

fn get(url: impl AsRef<str>) -> Request {
    http::Request::get(url.as_ref()).body(Vec::new()).unwrap()
}

/// Trusts the mock server.
fn mock_client() -> UreqClient {
    let builder = UreqClient::builder().root_certificates_pem(DEFAULT_CA_CERTIFICATE.as_bytes());
    builder.unwrap().build()
}

/// Trusts the raw server.
fn raw_builder() -> UreqClientBuilder {
    UreqClient::builder()
        .root_certificates_pem(root_pem())
        .unwrap()
}

fn raw_exchange(answer: impl Into<Vec<u8>>) -> Result<Response, TransportError> {
    raw_builder()
        .build()
        .exchange(get(RawServer::with(answer).url()))
}

fn kind(result: Result<Response, TransportError>) -> Kind {
    result.expect_err("no answer").kind()
}

#[test]
fn every_status_is_an_answer_with_headers_and_body() {
    let server = MockServer::start();
    let client = mock_client();
    for status in [200, 201, 304, 400, 401, 404, 429, 500, 503] {
        let path = format!("/{status}");
        let body = if status == 304 {
            String::new()
        } else {
            format!("body of {status}")
        };
        server.mock(|when, then| {
            when.method("GET").path(&path);
            then.status(status).header("dpop-nonce", &path).body(&body);
        });
        let answer = client.exchange(get(server.url(&path))).unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["dpop-nonce"], path.as_str());
        assert_eq!(answer.body(), body.as_bytes());
    }
}

#[test]
fn a_redirect_is_an_answer_and_not_followed() {
    let server = MockServer::start();
    let target = server.mock(|when, then| {
        when.path("/target");
        then.status(200);
    });
    let client = mock_client();
    for status in [301, 302, 303, 307, 308] {
        for method in ["GET", "POST"] {
            let path = format!("/{status}/{method}");
            server.mock(|when, then| {
                when.path(&path);
                then.status(status)
                    .header("location", server.url("/target"))
                    .body("moved");
            });
            let request = http::Request::builder()
                .method(method)
                .uri(server.url(&path))
                .body(if method == "POST" {
                    b"secret".to_vec()
                } else {
                    Vec::new()
                })
                .unwrap();
            let answer = client.exchange(request).unwrap();
            assert_eq!(answer.status(), status, "{method}");
            assert_eq!(answer.headers()["location"], server.url("/target").as_str());
            assert_eq!(answer.body(), b"moved");
        }
    }
    assert_eq!(target.calls(), 0);
}

#[test]
fn a_redirect_without_a_usable_location_is_an_answer_too() {
    for head in [
        "HTTP/1.1 302 Found\r\n",
        "HTTP/1.1 307 Moved\r\nlocation: http://[\r\n",
    ] {
        let answer = raw_exchange(format!("{head}content-length: 5\r\n\r\nmoved")).unwrap();
        assert!(answer.status().is_redirection(), "{head}");
        assert_eq!(answer.body(), b"moved");
    }
}

#[test]
fn settings_hidden_in_the_request_have_no_effect() {
    let server = MockServer::start();
    let target = server.mock(|when, then| {
        when.path("/target");
        then.status(200);
    });
    server.mock(|when, then| {
        when.path("/");
        then.status(302).header("location", server.url("/target"));
    });
    let request = ureq::Agent::new_with_defaults()
        .configure_request(get(server.url("/")))
        .max_redirects(5)
        .build();
    let answer = mock_client().exchange(request).unwrap();
    assert_eq!((answer.status().as_u16(), target.calls()), (302, 0));
    assert!(answer.extensions().is_empty());
}

#[test]
fn a_body_may_have_exactly_the_limit() {
    let framings: [fn(usize) -> Vec<u8>; 3] = [
        |n| {
            [
                format!("HTTP/1.1 200 OK\r\ncontent-length: {n}\r\n\r\n").into_bytes(),
                vec![b'x'; n],
            ]
            .concat()
        },
        |n| {
            [
                b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec(),
                vec![b'x'; n],
            ]
            .concat()
        },
        |n| {
            let mut answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for _ in 0..n {
                answer.extend(b"1\r\nx\r\n");
            }
            [answer, b"0\r\n\r\n".to_vec()].concat()
        },
    ];
    for framing in framings {
        for (size, limit, fits) in [
            (0, 0, true),
            (1, 0, false),
            (99, 100, true),
            (100, 100, true),
            (101, 100, false),
            (5_000, 100, false),
        ] {
            let server = RawServer::with(framing(size));
            let client = raw_builder().max_body_size(limit).build();
            let result = client.exchange(get(server.url()));
            if fits {
                assert_eq!(result.unwrap().body().len(), size);
            } else {
                assert_eq!(kind(result), Kind::BodyTooLarge, "{size} of {limit}");
            }
        }
    }
}

#[test]
fn the_default_limit_is_one_mebibyte() {
    assert_eq!(DEFAULT_MAX_BODY_SIZE, 1_048_576);
    let server = MockServer::start();
    for (path, size) in [("/fits", 1_048_576), ("/over", 1_048_577)] {
        server.mock(|when, then| {
            when.path(path);
            then.status(200).body("x".repeat(size));
        });
    }
    let client = mock_client();
    assert_eq!(
        client
            .exchange(get(server.url("/fits")))
            .unwrap()
            .body()
            .len(),
        1_048_576
    );
    assert_eq!(
        kind(client.exchange(get(server.url("/over")))),
        Kind::BodyTooLarge
    );
}

#[test]
fn an_endless_body_ends_at_the_limit() {
    let server = RawServer::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(b"4\r\nmore\r\n").is_ok() {}
    });
    assert_eq!(
        kind(raw_builder().build().exchange(get(server.url()))),
        Kind::BodyTooLarge
    );
}

#[test]
fn a_compressed_body_is_not_asked_for_and_not_decoded() {
    let body = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b, 0x4c, 0x4a, 6, 0];
    let mut answer =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 15\r\n\r\n".to_vec();
    answer.extend(body);
    let server = RawServer::with(answer);
    let mut request = get(server.url());
    request
        .headers_mut()
        .insert("accept-encoding", "gzip".parse().unwrap());
    let answer = raw_builder().build().exchange(request).unwrap();
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.body(), &body);
    assert!(!server.requests()[0].contains("accept-encoding"));
}

#[test]
fn headers_are_bounded() {
    assert_eq!(MAX_HEADER_SIZE, 65_536);
    for (size, fits) in [(60_000, true), (70_000, false), (1_000_000, false)] {
        let filler = "x".repeat(size);
        let result = raw_exchange(format!(
            "HTTP/1.1 200 OK\r\nfiller: {filler}\r\ncontent-length: 0\r\n\r\n"
        ));
        if fits {
            assert_eq!(result.unwrap().headers()["filler"].len(), size);
        } else {
            assert_eq!(kind(result), Kind::HeaderTooLarge, "{size}");
        }
    }
}

#[test]
fn the_request_is_sent_as_it_is_with_its_own_length() {
    const OK: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: a=b\r\nconnection: close\r\n\r\n";
    let server = RawServer::with(OK);
    let client = raw_builder().build();
    let post = http::Request::post(server.url() + "token?a=b")
        .header("authorization", "Basic eA==")
        .header("content-length", "99")
        .header("transfer-encoding", "chunked")
        .body(b"grant=1".to_vec())
        .unwrap();
    let empty = http::Request::post(server.url()).body(Vec::new()).unwrap();
    for request in [post, empty, get(server.url())] {
        client.exchange(request).unwrap();
    }
    let requests = server.requests();
    let [post, empty, get] = requests.as_slice() else {
        panic!("three requests")
    };
    assert!(post.starts_with("post /token?a=b http/1.1\r\n"), "{post}");
    assert!(post.contains("\r\nauthorization: basic ea==\r\n"), "{post}");
    assert!(post.contains("\r\ncontent-length: 7\r\n"), "{post}");
    assert!(post.ends_with("\r\n\r\ngrant=1"), "{post}");
    assert!(empty.contains("\r\ncontent-length: 0\r\n"), "{empty}");
    assert!(
        get.starts_with("get / http/1.1\r\n") && !get.contains("content-length"),
        "{get}"
    );
    for request in &requests {
        assert!(
            !request.contains("transfer-encoding") && !request.contains("cookie"),
            "{request}"
        );
        assert!(request.contains(concat!(
            "\r\nuser-agent: a0-http/",
            env!("CARGO_PKG_VERSION"),
            "\r\n"
        )));
    }
}

#[test]
fn the_timeout_holds_at_every_stage() {
    let builder = || raw_builder().timeout(Duration::from_millis(200));

    // The connection is made by the system; nobody answers the TLS handshake.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    assert_eq!(
        kind(builder().build().exchange(get(url))),
        Kind::Timeout,
        "handshake"
    );

    let mock = MockServer::start();
    mock.mock(|when, then| {
        when.path("/");
        then.status(200).delay(Duration::from_secs(5));
    });
    let roots = builder().root_certificates_pem(DEFAULT_CA_CERTIFICATE.as_bytes());
    assert_eq!(
        kind(roots.unwrap().build().exchange(get(mock.url("/")))),
        Kind::Timeout,
        "head"
    );

    // Every byte arrives in time; the whole does not. It ends after 5 seconds all the same.
    let drip = |head: &'static [u8]| {
        RawServer::start(move |stream| {
            let mut sent = stream.write_all(head);
            for _ in 0..500 {
                sent = sent.and_then(|()| stream.write_all(b"x"));
                thread::sleep(Duration::from_millis(10));
            }
        })
    };
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nslow: ",
    ] {
        let server = drip(head.as_bytes());
        assert_eq!(
            kind(builder().build().exchange(get(server.url()))),
            Kind::Timeout,
            "{head}"
        );
    }

    assert_eq!(
        kind(
            builder()
                .timeout(Duration::ZERO)
                .build()
                .exchange(get(mock.url("/")))
        ),
        Kind::Timeout
    );
}

#[test]
fn no_timeout_is_too_long_to_be_kept() {
    assert_eq!(
        (DEFAULT_TIMEOUT.as_secs(), MAX_TIMEOUT.as_secs()),
        (10, 86_400)
    );
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let client = raw_builder().timeout(Duration::MAX).build();
    assert_eq!(client.exchange(get(server.url())).unwrap().status(), 200);
    assert!(format!("{client:?}").contains("86400s"));
}

#[test]
fn only_https_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let client = raw_builder().build();
    for url in [
        format!("http://{address}/"),
        format!("HTTP://{address}/"),
        format!("ftp://{address}/"),
        "/path".into(),
        "*".into(),
    ] {
        let error = client.exchange(get(&url)).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{url}");
        assert!(!format!("{error} {error:?}").contains("127.0.0.1"));
    }
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused() {
    let raw = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let unusable = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let clients = [
        ("the built-in roots", UreqClient::new()),
        ("other roots", mock_client()),
        (
            "a later call replaces",
            raw_builder()
                .root_certificates_pem(DEFAULT_CA_CERTIFICATE.as_bytes())
                .unwrap()
                .build(),
        ),
        (
            "no usable root",
            UreqClient::builder()
                .root_certificates_pem(unusable)
                .unwrap()
                .build(),
        ),
    ];
    for (name, client) in clients {
        let error = client.exchange(get(raw.url())).unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{name}");
        assert!(error.source().is_some(), "{name}");
    }
    let wrong_name = raw.url().replace("127.0.0.1", "localhost");
    assert_eq!(
        kind(raw_builder().build().exchange(get(wrong_name))),
        Kind::Tls,
        "another name"
    );
    assert!(raw.requests().is_empty());
}

#[test]
fn what_does_not_speak_tls_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let _ = io::copy(&mut stream, &mut io::sink());
    });
    assert_eq!(kind(raw_builder().build().exchange(get(url))), Kind::Tls);
    server.join().unwrap();
}

#[test]
fn pem_text_is_judged_when_it_is_given() {
    let two = [root_pem(), DEFAULT_CA_CERTIFICATE.as_bytes()].concat();
    let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let cases: [(&[u8], Option<UreqOptionError>); 6] = [
        (b"", Some(UreqOptionError::NoRootCertificate)),
        (b"certificate", Some(UreqOptionError::NoRootCertificate)),
        (key, Some(UreqOptionError::NoRootCertificate)),
        (
            b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
            Some(UreqOptionError::RootsNotPem),
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n",
            Some(UreqOptionError::RootsNotPem),
        ),
        (&two, None),
    ];
    for (pem, error) in cases {
        let result = UreqClient::builder().root_certificates_pem(pem);
        assert_eq!(result.err(), error, "{}", String::from_utf8_lossy(pem));
    }
    let raw = RawServer::with("HTTP/1.1 204 No Content\r\n\r\n");
    let both = UreqClient::builder()
        .root_certificates_pem(&two)
        .unwrap()
        .build();
    assert_eq!(both.exchange(get(raw.url())).unwrap().status(), 204);
}

#[test]
fn without_a_connection_the_kind_is_connect() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let label = "a".repeat(64); // one more than a DNS label may have: no query leaves
    for url in [
        format!("https://{gone}/"),
        format!("https://{label}.example/"),
    ] {
        let error = raw_builder().build().exchange(get(&url)).unwrap_err();
        assert_eq!(error.kind(), Kind::Connect, "{url}: {error:?}");
        assert!(error.source().is_some());
    }
}

#[test]
fn what_is_not_a_complete_http_answer_is_an_error() {
    let cases = [
        ("hello\r\n\r\n", Kind::Protocol),
        ("HTTP/1.1 abc OK\r\n\r\n", Kind::Protocol),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            Kind::Protocol,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\n",
            Kind::Protocol,
        ),
        ("", Kind::Io),
        ("HTTP/1.1 200 OK\r\ncontent-le", Kind::Io),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
            Kind::Io,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
            Kind::Io,
        ),
    ];
    for (answer, expected) in cases {
        assert_eq!(kind(raw_exchange(answer)), expected, "{answer}");
    }
}

#[test]
fn debug_is_short() {
    let text = format!("{:?}", UreqClient::default());
    assert_eq!(
        text,
        "UreqClient { timeout: 10s, max_body_size: 1048576, .. }"
    );
    let text = format!(
        "{:?}",
        UreqClient::builder().timeout(Duration::from_secs(1))
    );
    assert_eq!(
        text,
        "UreqClientBuilder { timeout: 1s, max_body_size: 1048576, .. }"
    );
}
