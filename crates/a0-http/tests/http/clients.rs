//! The clients over real HTTPS on the loopback interface. Each case is written once and runs with
//! every client.

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use a0_http::{
    ClientOptionError, DEFAULT_MAX_BODY_SIZE, DEFAULT_TIMEOUT, MAX_HEADER_SIZE, MAX_TIMEOUT,
    TransportError, TransportErrorKind as Kind,
};
use httpmock::MockServer;
use httpmock::server::DEFAULT_CA_CERTIFICATE;

use crate::support::driver::{Driver, Request, Response, Setting};
use crate::support::{RawServer, root_pem};

cases! {
    a_body_may_have_exactly_the_limit,
    a_certificate_that_is_not_trusted_is_refused,
    a_failed_connection_has_the_kind_connect,
    a_redirect_is_a_response_and_is_not_followed,
    a_redirect_without_a_usable_location_is_a_response_too,
    a_body_without_length_ends_with_close_notify,
    a_server_without_tls_is_a_tls_error,
    a_timeout_is_lowered_to_the_maximum,
    an_endless_body_ends_at_the_limit,
    an_invalid_or_incomplete_response_is_an_error,
    chunk_framing_is_bounded,
    debug_is_short,
    every_status_is_a_response_with_headers_and_body,
    headers_are_bounded,
    headers_do_not_count_against_the_body_limit,
    no_error_names_the_url,
    only_https_is_sent,
    roots_are_added_beside_the_others,
    settings_hidden_in_the_request_have_no_effect,
    the_builder_validates_pem_text,
    the_default_limit_is_one_mebibyte,
    the_request_is_sent_unchanged_with_its_own_length,
    the_timeout_holds_at_every_stage,
}

fn get(url: impl AsRef<str>) -> Request {
    http::Request::get(url.as_ref()).body(Vec::new()).unwrap()
}

/// Trusts the mock server.
fn mock_client<D: Driver>() -> D {
    D::build(&[Setting::Roots(DEFAULT_CA_CERTIFICATE.as_bytes())]).unwrap()
}

/// Trusts the raw server.
fn raw_client<D: Driver>(options: &[Setting<'_>]) -> D {
    D::build(&[&[Setting::Roots(root_pem())], options].concat()).unwrap()
}

fn raw_exchange<D: Driver>(response: impl Into<Vec<u8>>) -> Result<Response, TransportError> {
    raw_client::<D>(&[]).exchange(get(RawServer::with(response).url()))
}

fn kind(result: Result<Response, TransportError>) -> Kind {
    result.expect_err("no response").kind()
}

fn every_status_is_a_response_with_headers_and_body<D: Driver>() {
    let server = MockServer::start();
    let client = mock_client::<D>();
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
        let response = client.exchange(get(server.url(&path))).unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["dpop-nonce"], path.as_str());
        assert_eq!(response.body(), body.as_bytes());
    }
}

fn a_redirect_is_a_response_and_is_not_followed<D: Driver>() {
    let server = MockServer::start();
    let target = server.mock(|when, then| {
        when.path("/target");
        then.status(200);
    });
    let client = mock_client::<D>();
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
            let response = client.exchange(request).unwrap();
            assert_eq!(response.status(), status, "{method}");
            assert_eq!(
                response.headers()["location"],
                server.url("/target").as_str()
            );
            assert_eq!(response.body(), b"moved");
        }
    }
    assert_eq!(target.calls(), 0);
}

fn a_redirect_without_a_usable_location_is_a_response_too<D: Driver>() {
    for head in [
        "HTTP/1.1 302 Found\r\n",
        "HTTP/1.1 307 Moved\r\nlocation: http://[\r\n",
    ] {
        let response = raw_exchange::<D>(format!("{head}content-length: 5\r\n\r\nmoved")).unwrap();
        assert!(response.status().is_redirection(), "{head}");
        assert_eq!(response.body(), b"moved");
    }
}

fn settings_hidden_in_the_request_have_no_effect<D: Driver>() {
    let server = MockServer::start();
    let target = server.mock(|when, then| {
        when.path("/target");
        then.status(200);
    });
    server.mock(|when, then| {
        when.path("/");
        then.status(302).header("location", server.url("/target"));
    });
    let request = D::hide_settings(get(server.url("/")));
    assert!(!request.extensions().is_empty());
    let response = mock_client::<D>().exchange(request).unwrap();
    assert_eq!((response.status().as_u16(), target.calls()), (302, 0));
    assert!(response.extensions().is_empty());
}

fn a_body_may_have_exactly_the_limit<D: Driver>() {
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
            let mut response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
            for _ in 0..n {
                response.extend(b"1\r\nx\r\n");
            }
            [response, b"0\r\n\r\n".to_vec()].concat()
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
            let client = raw_client::<D>(&[Setting::MaxBodySize(limit)]);
            let result = client.exchange(get(server.url()));
            if fits {
                assert_eq!(result.unwrap().body().len(), size);
            } else {
                assert_eq!(kind(result), Kind::BodyTooLarge, "{size} of {limit}");
            }
        }
    }
}

fn the_default_limit_is_one_mebibyte<D: Driver>() {
    assert_eq!(DEFAULT_MAX_BODY_SIZE, 1_048_576);
    let server = MockServer::start();
    for (path, size) in [("/fits", 1_048_576), ("/over", 1_048_577)] {
        server.mock(|when, then| {
            when.path(path);
            then.status(200).body("x".repeat(size));
        });
    }
    let client = mock_client::<D>();
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

fn an_endless_body_ends_at_the_limit<D: Driver>() {
    let server = RawServer::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while stream.write_all(b"4\r\nmore\r\n").is_ok() {}
    });
    // The limit ends it, however slow the machine is.
    let client = raw_client::<D>(&[Setting::Timeout(Duration::from_secs(600))]);
    assert_eq!(kind(client.exchange(get(server.url()))), Kind::BodyTooLarge);
}

/// The smallest chunks fit. Chunk extensions and trailers are bounded; the library may have a lower
/// limit of its own.
fn chunk_framing_is_bounded<D: Driver>() {
    const LIMIT: usize = 100_000;
    for (chunk, trailer, fits) in [
        ("1\r\nx\r\n", "", true),
        ("1;an=extension\r\nx\r\n", "", false),
        ("1\r\nx\r\n", "trailer: value\r\n", false),
        ("1\r\nx\r\n", "x", false),
        ("f", "", false),
    ] {
        let chunks = chunk.repeat(LIMIT) + "0\r\n" + &trailer.repeat(LIMIT);
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let server = RawServer::with(format!("{head}{chunks}\r\n"));
        let client = raw_client::<D>(&[Setting::MaxBodySize(LIMIT)]);
        match client.exchange(get(server.url())) {
            Ok(response) => assert!(fits && response.body().len() == LIMIT, "{chunk}{trailer}"),
            Err(error) => {
                let bounds = [Kind::BodyTooLarge, Kind::HeaderTooLarge, Kind::Protocol];
                assert!(
                    !fits && bounds.contains(&error.kind()),
                    "{chunk}{trailer}{error:?}"
                );
            }
        }
    }
}

/// Several responses on one connection: each gets the full allowance.
fn headers_do_not_count_against_the_body_limit<D: Driver>() {
    let filler = "x".repeat(60_000);
    let response = format!("HTTP/1.1 204 No Content\r\nfiller: {filler}\r\n\r\n");
    let server = RawServer::serve(move |peer| {
        while peer.receive() {
            peer.send(response.as_bytes());
        }
    });
    let client = raw_client::<D>(&[Setting::MaxBodySize(0)]);
    for _ in 0..4 {
        let response = client.exchange(get(server.url())).unwrap();
        assert_eq!(response.headers()["filler"].len(), 60_000);
    }
    assert_eq!(server.connections(), 1);
}

fn headers_are_bounded<D: Driver>() {
    assert_eq!(MAX_HEADER_SIZE, 65_536);
    for (size, fits) in [(60_000, true), (70_000, false), (1_000_000, false)] {
        let filler = "x".repeat(size);
        let result = raw_exchange::<D>(format!(
            "HTTP/1.1 200 OK\r\nfiller: {filler}\r\ncontent-length: 0\r\n\r\n"
        ));
        if fits {
            assert_eq!(result.unwrap().headers()["filler"].len(), size);
        } else {
            assert_eq!(kind(result), Kind::HeaderTooLarge, "{size}");
        }
    }
}

fn the_request_is_sent_unchanged_with_its_own_length<D: Driver>() {
    const OK: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nset-cookie: a=b\r\nconnection: close\r\n\r\n";
    let server = RawServer::with(OK);
    let client = raw_client::<D>(&[]);
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

fn the_timeout_holds_at_every_stage<D: Driver>() {
    let soon = Setting::Timeout(Duration::from_millis(200));
    let client = raw_client::<D>(&[soon]);

    // The system accepts the connection, but nobody answers the TLS handshake.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    assert_eq!(kind(client.exchange(get(url))), Kind::Timeout, "handshake");

    let mock = MockServer::start();
    mock.mock(|when, then| {
        when.path("/");
        then.status(200).delay(Duration::from_secs(5));
    });
    let mock_ca = Setting::Roots(DEFAULT_CA_CERTIFICATE.as_bytes());
    assert_eq!(
        kind(raw_client::<D>(&[soon, mock_ca]).exchange(get(mock.url("/")))),
        Kind::Timeout,
        "head"
    );

    // Each byte arrives in time, the whole response does not. It ends after 5 seconds in any case.
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
            kind(client.exchange(get(server.url()))),
            Kind::Timeout,
            "{head}"
        );
    }

    let never = Setting::Timeout(Duration::ZERO);
    assert_eq!(
        kind(raw_client::<D>(&[never]).exchange(get(mock.url("/")))),
        Kind::Timeout
    );
}

fn a_timeout_is_lowered_to_the_maximum<D: Driver>() {
    assert_eq!(
        (DEFAULT_TIMEOUT.as_secs(), MAX_TIMEOUT.as_secs()),
        (10, 86_400)
    );
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let client = raw_client::<D>(&[Setting::Timeout(Duration::MAX)]);
    assert_eq!(client.exchange(get(server.url())).unwrap().status(), 200);
    assert!(format!("{client:?}").contains("86400s"));
}

fn only_https_is_sent<D: Driver>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let client = raw_client::<D>(&[]);
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

fn a_certificate_that_is_not_trusted_is_refused<D: Driver>() {
    let raw = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let other = DEFAULT_CA_CERTIFICATE.as_bytes();
    let cases: [(&str, &[Setting<'_>]); 5] = [
        ("the built-in roots", &[]),
        ("other roots", &[Setting::Roots(other)]),
        (
            "a later call replaces",
            &[Setting::Roots(root_pem()), Setting::Roots(other)],
        ),
        (
            "a later call replaces added roots",
            &[Setting::AddRoots(root_pem()), Setting::Roots(other)],
        ),
        ("other roots beside", &[Setting::AddRoots(other)]),
    ];
    for (name, options) in cases {
        let client = D::build(options).unwrap();
        let error = client.exchange(get(raw.url())).unwrap_err();
        assert_eq!(error.kind(), Kind::Tls, "{name}");
        // The source names the option that would help, and its own source is the library's error.
        let source = error.source().unwrap();
        let text = source.to_string();
        assert!(text.contains("add_root_certificates_pem"), "{name}: {text}");
        assert!(source.source().is_some(), "{name}");
    }
    let wrong_name = raw.url().replace("127.0.0.1", "localhost");
    let error = raw_client::<D>(&[]).exchange(get(wrong_name)).unwrap_err();
    assert_eq!(error.kind(), Kind::Tls, "another name");
    let text = error.source().unwrap().to_string();
    assert!(!text.contains("root_certificates_pem"), "{text}");
    assert!(raw.requests().is_empty());
}

/// Mozilla's roots cannot be tested on loopback, so other roots stand for them.
fn roots_are_added_beside_the_others<D: Driver>() {
    let raw = RawServer::with("HTTP/1.1 204 No Content\r\n\r\n");
    let mock = MockServer::start();
    mock.mock(|when, then| {
        when.path("/");
        then.status(204);
    });
    let other = DEFAULT_CA_CERTIFICATE.as_bytes();
    let only_raw = D::build(&[Setting::AddRoots(root_pem())]).unwrap();
    assert_eq!(only_raw.exchange(get(raw.url())).unwrap().status(), 204);
    assert_eq!(kind(only_raw.exchange(get(mock.url("/")))), Kind::Tls);
    for options in [
        [Setting::Roots(other), Setting::AddRoots(root_pem())],
        [Setting::AddRoots(other), Setting::AddRoots(root_pem())],
    ] {
        let both = D::build(&options).unwrap();
        assert_eq!(both.exchange(get(raw.url())).unwrap().status(), 204);
        assert_eq!(both.exchange(get(mock.url("/"))).unwrap().status(), 204);
    }
}

fn a_server_without_tls_is_a_tls_error<D: Driver>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
        let _ = io::copy(&mut stream, &mut io::sink());
    });
    assert_eq!(kind(raw_client::<D>(&[]).exchange(get(url))), Kind::Tls);
    server.join().unwrap();
}

fn the_builder_validates_pem_text<D: Driver>() {
    let two = [root_pem(), DEFAULT_CA_CERTIFICATE.as_bytes()].concat();
    let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let crl = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let with_garbage = [garbage, root_pem()].concat();
    let with_key = [root_pem(), key].concat();
    let with_encrypted_key = String::from_utf8_lossy(&with_key);
    let with_encrypted_key = with_encrypted_key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let with_comments = [b"# a root\n", root_pem(), b"\n# its end", crl].concat();
    let cases: [(&[u8], Option<ClientOptionError>); 13] = [
        (b"", Some(ClientOptionError::NoRootCertificate)),
        (b"certificate", Some(ClientOptionError::NoRootCertificate)),
        (key, Some(ClientOptionError::PrivateKeyInRoots)),
        (&with_key, Some(ClientOptionError::PrivateKeyInRoots)),
        (
            with_encrypted_key.as_bytes(),
            Some(ClientOptionError::PrivateKeyInRoots),
        ),
        (crl, Some(ClientOptionError::NoRootCertificate)),
        (b"\xff\x00\x80", Some(ClientOptionError::NoRootCertificate)),
        (garbage, Some(ClientOptionError::UnusableRoots)),
        (&with_garbage, None),
        (&with_comments, None),
        (
            b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
            Some(ClientOptionError::RootsNotPem),
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n",
            Some(ClientOptionError::RootsNotPem),
        ),
        (&two, None),
    ];
    for (pem, error) in cases {
        for setting in [Setting::Roots(pem), Setting::AddRoots(pem)] {
            let result = D::build(&[setting]);
            assert_eq!(result.err(), error, "{}", String::from_utf8_lossy(pem));
        }
    }
    let raw = RawServer::with("HTTP/1.1 204 No Content\r\n\r\n");
    let both = D::build(&[Setting::Roots(&two)]).unwrap();
    assert_eq!(both.exchange(get(raw.url())).unwrap().status(), 204);
}

fn a_failed_connection_has_the_kind_connect<D: Driver>() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let label = "a".repeat(64); // one more than a DNS label may have: no query leaves
    for url in [
        format!("https://{gone}/"),
        format!("https://{label}.example/"),
    ] {
        let error = raw_client::<D>(&[]).exchange(get(&url)).unwrap_err();
        assert_eq!(error.kind(), Kind::Connect, "{url}: {error:?}");
        assert!(error.source().is_some());
    }
}

fn an_invalid_or_incomplete_response_is_an_error<D: Driver>() {
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
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5",
            Kind::Io,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n3",
            Kind::Io,
        ),
    ];
    for (response, expected) in cases {
        assert_eq!(kind(raw_exchange::<D>(response)), expected, "{response}");
    }
}

/// Without a length, only TLS distinguishes the end of a body from a connection that was cut (RFC
/// 9112 section 9.8).
fn a_body_without_length_ends_with_close_notify<D: Driver>() {
    let cases = [
        ("HTTP/1.1 200 OK\r\n\r\n", "all of it"),
        ("HTTP/1.0 200 OK\r\n\r\n", "all of it"),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", "all of it"),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", ""),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", r#"{"error":"e"}"#),
    ];
    for (head, body) in cases {
        for is_cut in [false, true] {
            let server = RawServer::serve(move |peer| {
                if peer.receive() {
                    peer.send(head.as_bytes());
                    peer.send(body.as_bytes());
                    if !is_cut {
                        peer.send_close_notify();
                    }
                }
            });
            let result = raw_client::<D>(&[]).exchange(get(server.url()));
            match result {
                Ok(response) => {
                    assert!(!is_cut, "{head}{body}");
                    assert_eq!(response.body(), body.as_bytes());
                }
                Err(error) => {
                    assert!(is_cut, "{head}{body}");
                    assert_eq!(error.kind(), Kind::Io, "{head}{body}");
                }
            }
        }
    }
    // A body with a length is complete without it.
    for response in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        let server = RawServer::serve(move |peer| {
            if peer.receive() {
                peer.send(response.as_bytes());
            }
        });
        let response = raw_client::<D>(&[]).exchange(get(server.url()));
        assert_eq!(response.unwrap().body(), b"body");
    }
}

fn debug_is_short<D: Driver>() {
    let text = format!("{:?}", D::default());
    let (name, fields) = text.split_once(' ').unwrap();
    assert!(["UreqClient", "ReqwestClient"].contains(&name), "{text}");
    assert_eq!(fields, "{ timeout: 10s, max_body_size: 1048576, .. }");
}

/// Checks the errors and their sources.
fn no_error_names_the_url<D: Driver>() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let gone = format!("https://{}/", gone.unwrap());
    let cut = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort");
    let nonsense = RawServer::with("nonsense\r\n\r\n");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("https://{}/", silent.local_addr().unwrap());
    let client = raw_client::<D>(&[Setting::Timeout(Duration::from_millis(500))]);
    for (client, url, expected) in [
        (&client, "http://127.0.0.1/".to_owned(), Kind::Refused),
        (&client, gone, Kind::Connect),
        (&D::default(), cut.url(), Kind::Tls),
        (&client, cut.url(), Kind::Io),
        (&client, nonsense.url(), Kind::Protocol),
        (&client, silent, Kind::Timeout),
    ] {
        let error = client.exchange(get(url + "s3cr3t?s3cr3t=s3cr3t"));
        let error = error.unwrap_err();
        assert_eq!(error.kind(), expected);
        let mut cause: Option<&dyn Error> = Some(&error);
        while let Some(error) = cause {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("s3cr3t"), "{text}");
            cause = error.source();
        }
    }
}
