//! A logger at TRACE receives no credential. It belongs to the whole process, so these tests have a
//! program of their own.
#![cfg(any(feature = "ureq", feature = "reqwest"))]

#[macro_use]
mod support;

use std::any::type_name;
use std::io::{Read, Write};
use std::slice;
use std::sync::{Mutex, Once};

use flate2::Compression;
use flate2::write::GzEncoder;
use log::{LevelFilter, Log, Metadata, Record};
use openssl::base64::encode_block;

use support::driver::{Driver, Response, Setting};
use support::{Peer, RawServer, Stream, root_pem};

cases! {
    a_final_answer_to_an_expectation_is_returned,
    a_body_that_looks_like_a_head_is_sent_unchanged,
    a_body_that_follows_an_early_head_is_not_logged,
    a_head_of_any_length_has_its_credentials,
    a_repeated_request_has_its_credentials,
    a_response_of_any_shape_is_returned_or_refused_and_not_logged,
    no_credential_is_logged,
    the_credentials_in_a_url_are_sent_and_not_logged,
}

/// A word for each client, because they share the logger.
fn word<D>() -> &'static str {
    match type_name::<D>().contains("Ureq") {
        true => "canary",
        false => "parrot",
    }
}

/// It repeats, so that a dump in rows of 16 bytes shows the word whole.
fn credential<D>() -> String {
    word::<D>().repeat(12)
}

struct Collector;

static RECORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Log for Collector {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{}: {}", record.target(), record.args());
        RECORDS.lock().unwrap().push(line);
    }

    fn flush(&self) {}
}

/// Every way in which a dump could write the word.
fn spellings(word: &str) -> [String; 3] {
    let bytes = word.bytes();
    let decimal: Vec<String> = bytes.clone().map(|byte| byte.to_string()).collect();
    let hex: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
    [word.to_owned(), decimal.join(", "), hex.concat()]
}

fn start_log() {
    static START: Once = Once::new();
    START.call_once(|| {
        log::set_logger(&Collector).unwrap();
        log::set_max_level(LevelFilter::Trace);
    });
}

/// The credentials of a URL, and eight characters of their Base64, which repeat like the word.
fn user_info<D>() -> (String, String) {
    let base64 = encode_block(format!("u:{}", credential::<D>()).as_bytes());
    (format!("u:{}", credential::<D>()), base64)
}

fn assert_nothing_is_logged<D>() {
    let records = RECORDS.lock().unwrap().clone();
    let own: Vec<_> = records
        .iter()
        .filter(|it| !it.starts_with("httpmock"))
        .collect();
    assert!(own.iter().any(|it| it.contains("127.0.0.1")), "{own:?}");
    let base64 = user_info::<D>().1[8..16].to_owned();
    for record in own {
        let compact = record.replace(' ', "");
        for spelling in [&spellings(word::<D>())[..], slice::from_ref(&base64)].concat() {
            let is_shown = record.contains(&spelling) || compact.contains(&spelling);
            assert!(!is_shown, "{record}");
        }
    }
}

fn no_credential_is_logged<D: Driver>() {
    start_log();
    let body = format!(r#"{{"access_token":"{}"}}"#, credential::<D>());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(body.as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    let (length, gzip_length) = (body.len(), gzip.len());
    let chunk = [format!("{length:x}\r\n").as_bytes(), body.as_bytes()].concat();
    let chunked = [&chunk[..], b"\r\n0\r\nx-trailer: x\r\n\r\n"].concat();
    let responses = [
        (
            format!("content-length: {length}"),
            body.clone().into_bytes(),
        ),
        ("connection: close".to_owned(), body.clone().into_bytes()),
        ("transfer-encoding: chunked".to_owned(), chunked),
        (
            format!("content-encoding: gzip\r\ncontent-length: {gzip_length}"),
            gzip,
        ),
    ];
    for (headers, sent) in responses {
        for status in ["200 OK", "403 Forbidden"] {
            let head =
                format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 {status}\r\n{headers}\r\n\r\n");
            let server = RawServer::with([head.as_bytes(), &sent].concat());
            let client = D::build(&[Setting::Roots(root_pem())]).unwrap();
            let request = request::<D>(&server.url());
            let response = client.exchange(request.clone()).unwrap();
            assert_eq!(response.body(), body.as_bytes(), "{headers}");
            assert_eq!(
                server.requests()[0].matches(&credential::<D>()).count(),
                SENT,
                "{headers}"
            );
        }
    }
    assert_nothing_is_logged::<D>();
}

/// The number of credentials in a request.
const SENT: usize = 7;

fn request<D>(url: &str) -> http::Request<Vec<u8>> {
    let body = format!("client_secret={0}&subject_token={0}", credential::<D>());
    let request = http::Request::post(url)
        .header("authorization", format!("Basic {}", credential::<D>()))
        .header("DPoP", credential::<D>())
        .header("cookie", credential::<D>())
        .header("proxy-authorization", credential::<D>())
        .header("x-sensitive", "")
        .body(body.into_bytes());
    let mut request = request.unwrap();
    let mut sensitive = http::HeaderValue::from_str(&credential::<D>()).unwrap();
    sensitive.set_sensitive(true);
    request.headers_mut().insert("x-sensitive", sensitive);
    request
}

fn client<D: Driver>() -> D {
    start_log();
    D::build(&[Setting::Roots(root_pem())]).unwrap()
}

fn the_credentials_in_a_url_are_sent_and_not_logged<D: Driver>() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let (user_info, base64) = user_info::<D>();
    let url = server
        .url()
        .replace("https://", &format!("https://{user_info}@"));
    let own = http::Request::get(&url).header("authorization", "own");
    // The last `@` ends the user's part.
    let odd = url.replace("//u:", "//u@u:");
    let odd_base64 = encode_block(format!("u@{user_info}").as_bytes()).to_lowercase();
    for (request, sent) in [
        (http::Request::get(&odd), format!("basic {odd_base64}")),
        (
            http::Request::get(&url),
            format!("basic {}", base64.to_lowercase()),
        ),
        (own, "own".to_owned()),
    ] {
        let request = request.body(Vec::new()).unwrap();
        client::<D>().exchange(request).unwrap();
        let received = server.requests().pop().unwrap();
        assert!(
            received.contains(&format!("authorization: {sent}\r\n")),
            "{received}"
        );
        assert_eq!(received.matches("authorization").count(), 1, "{received}");
        assert!(!received.contains('@'), "{received}");
    }
    assert_nothing_is_logged::<D>();
}

/// The library writes a head of this length in several pieces.
fn a_head_of_any_length_has_its_credentials<D: Driver>() {
    let server = RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let mut request = http::Request::post(server.url());
    for number in 0..5 {
        let name = format!("x-{number}");
        let mut value = http::HeaderValue::from_str(&credential::<D>().repeat(600)).unwrap();
        value.set_sensitive(true);
        request = request.header(&name, value).header(name, "***");
    }
    // The placeholder of one value may be another value.
    for (value, is_sensitive) in [("***", false), ("one", true), ("two", true), ("***", true)] {
        let mut value = http::HeaderValue::from_static(value);
        value.set_sensitive(is_sensitive);
        request = request.header("x-twin", value);
    }
    let request = request.body(credential::<D>().into_bytes()).unwrap();
    client::<D>().exchange(request).unwrap();
    let received = &server.requests()[0];
    assert_eq!(received.matches(&credential::<D>()).count(), 5 * 600 + 1);
    assert_eq!(received.matches("***").count(), 5 + 2);
    let twins: Vec<_> = received
        .lines()
        .filter_map(|line| line.strip_prefix("x-twin: "))
        .collect();
    assert_eq!(twins, ["***", "one", "two", "***"]);
    assert_nothing_is_logged::<D>();
}

fn a_body_that_looks_like_a_head_is_sent_unchanged<D: Driver>() {
    let server = RawServer::serve(|peer| while_requested(peer, "answer"));
    let client = client::<D>();
    let credential = credential::<D>();
    let stars = "*".repeat(credential.len());
    let body = format!("authorization: {stars}\r\ndpop: \r\n\r\nauthorization: {stars}\r\n");
    for _ in 0..3 {
        let request = http::Request::post(server.url())
            .header("authorization", &credential)
            .header("dpop", "")
            .body(body.clone().into_bytes());
        let response = client.exchange(request.unwrap()).unwrap();
        assert_eq!(response.body(), b"answer");
        let received = server.requests().pop().unwrap();
        let (head, sent) = received.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("authorization: {credential}")));
        assert_eq!(sent, body);
    }
    assert_eq!(server.connections(), 1);
    assert_nothing_is_logged::<D>();
}

/// The first connection closes instead of the second answer.
fn a_repeated_request_has_its_credentials<D: Driver>() {
    let server = RawServer::serve(|peer| {
        if peer.number == 0 {
            peer.receive();
            peer.respond("first");
            peer.receive();
        } else {
            while_requested(peer, "second");
        }
    });
    let client = client::<D>();
    for answer in ["first", "second", "second"] {
        let request = http::Request::get(server.url())
            .header("authorization", format!("Bearer {}", credential::<D>()))
            .header("dpop", credential::<D>())
            .body(Vec::new());
        let response = client.exchange(request.unwrap()).unwrap();
        assert_eq!(response.body(), answer.as_bytes());
    }
    assert_eq!(server.requests().len(), 4);
    for request in server.requests() {
        assert_eq!(request.matches(&credential::<D>()).count(), 2, "{request}");
    }
    assert_nothing_is_logged::<D>();
}

fn while_requested(peer: &mut Peer, body: &str) {
    while peer.receive() {
        peer.respond(body);
    }
}

/// With `Expect: 100-continue` a library may read before it has written the request.
fn a_body_that_follows_an_early_head_is_not_logged<D: Driver>() {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "\r\nHTTP/1.1 100 Continue\n\n",
    ] {
        let answer = credential::<D>();
        let length = answer.len();
        let server = RawServer::serve(move |peer| {
            let body_length = 600;
            while read_head(&mut peer.stream) {
                let head = format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
                peer.send(head.as_bytes());
                let mut body = vec![0; body_length];
                peer.stream.read_exact(&mut body).unwrap();
                assert!(body.iter().all(|byte| *byte == b'*'));
                peer.send(answer.as_bytes());
            }
        });
        let client = client::<D>();
        for _ in 0..2 {
            let request = http::Request::post(server.url())
                .header("expect", "100-continue")
                .header("authorization", credential::<D>())
                .body(vec![b'*'; 600]);
            let response = client.exchange(request.unwrap()).unwrap();
            assert_eq!(response.body(), credential::<D>().as_bytes());
        }
    }
    assert_nothing_is_logged::<D>();
}

/// The server does not want the body, and keeps the connection open.
fn a_final_answer_to_an_expectation_is_returned<D: Driver>() {
    let length = credential::<D>().len();
    let head = format!("HTTP/1.1 417 No\r\ncontent-length: {length}\r\n\r\n");
    let answer = head + &credential::<D>();
    let server = RawServer::serve(move |peer| {
        while read_head(&mut peer.stream) {
            peer.send(answer.as_bytes());
        }
    });
    let request = http::Request::post(server.url())
        .header("expect", "100-continue")
        .body(vec![b'*'; 600]);
    let response = client::<D>().exchange(request.unwrap()).unwrap();
    assert_eq!(response.status(), 417);
    assert_eq!(response.body(), credential::<D>().as_bytes());
    assert_nothing_is_logged::<D>();
}

fn read_head(stream: &mut Stream) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !stream.read(&mut byte).is_ok_and(|length| length == 1) {
            return false;
        }
        head.push(byte[0]);
    }
    true
}

/// A library may refuse what another one accepts. What it accepts is exactly what the server sent.
fn a_response_of_any_shape_is_returned_or_refused_and_not_logged<D: Driver>() {
    let secret = credential::<D>();
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let size = secret.len();
    let responses = [
        // Bodies of stars, of framing, and beyond the length.
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n****".to_owned(),
            "****",
        ),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n{secret}{secret}"),
            &secret,
        ),
        (
            format!("HTTP/1.1 200 OK\ncontent-length: {size}\n\n{secret}"),
            &secret,
        ),
        (
            format!("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{secret}"),
            &secret,
        ),
        (format!("HTTP/1.1 204 No Content\r\n\r\n{secret}"), ""),
        (format!("HTTP/1.1 101\r\n\r\n{secret}"), ""),
        (
            format!("{chunked}{size:x}\r\n{secret}\r\n0\r\n\r\n{secret}"),
            &secret,
        ),
        (
            format!("{chunked}{size:x};a=b\r\n{secret}\r\n000\r\nx: y\r\n\r\n"),
            &secret,
        ),
        (
            format!("{chunked}+{size:x}\r\n{secret}\r\n0\r\n\r\n"),
            &secret,
        ),
        (
            format!("{chunked}{size:x};\n\r\n{secret}\r\n0\r\n\r\n"),
            &secret,
        ),
        // Line ends that only some parsers take for one.
        (format!("{chunked}f;\n\r\nxxxxxxxxxxxxx\r\n{secret}"), "?"),
        (format!("{chunked}f;\r\r\nxxxxxxxxxxxxx\r\n{secret}"), "?"),
        (format!("{chunked}{size:x}\n{secret}\n0\n\n"), "?"),
        (format!("{chunked}{size:x}\r\n{secret}\n0\r\n\r\n"), "?"),
        (format!("{chunked}{size:x}\r{secret}\r\n0\r\n\r\n"), "?"),
        (format!("{chunked}1\r\nx\r\n{secret}\r\n"), "?"),
        (
            format!(
                "{chunked}{}{size:x}\r\n{secret}\r\n0\r\n\r\n",
                "0".repeat(17)
            ),
            &secret,
        ),
        (
            format!(
                "{chunked}{}{size:x}\r\n{secret}\r\n0\r\n\r\n",
                "0".repeat(25)
            ),
            "?",
        ),
        (format!("{chunked}ffffffffffffffff\r\n{secret}"), "?"),
        (format!("{chunked}10000000000000000\r\n{secret}"), "?"),
        // Two framings, or a framing that is no one's.
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n{secret}"),
            "?",
        ),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{secret}"),
            "?",
        ),
        (
            format!("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n{secret}"),
            "?",
        ),
        (
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding : chunked\r\n\r\n{secret}"),
            "?",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n transfer-encoding: chunked\r\n\r\n{secret}"),
            "?",
        ),
        (
            format!("HTTP/1.1 200 OK\r\nx: y\r\n transfer-encoding: chunked\r\n\r\n{secret}"),
            "?",
        ),
        (
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: \x0bchunked\r\n\r\n{secret}"),
            "?",
        ),
        (format!("HTTP/2.0 200 OK\r\n\r\n{secret}"), "?"),
        (format!("HTTP/1.1 099 No\r\n\r\n{secret}"), "?"),
        (format!(" HTTP/1.1 200 OK\r\n\r\n{secret}"), "?"),
        (format!("\rHTTP/1.1 200 OK\r\n\r\n{secret}"), "?"),
        (secret.clone(), "?"),
    ];
    for (response, expected) in responses {
        let server = RawServer::with(response.clone());
        let result =
            client::<D>().exchange(http::Request::get(server.url()).body(Vec::new()).unwrap());
        let body = result.map(Response::into_body);
        let is_accepted = type_name::<D>().contains("Ureq") && expected != "?";
        match (&body, expected) {
            (Ok(body), "?") => assert!(response.contains(str::from_utf8(body).unwrap())),
            (Ok(body), expected) => assert_eq!(body, expected.as_bytes(), "{response}"),
            (Err(error), _) => assert!(!is_accepted, "{response}: {error:?}"),
        }
    }
    assert_nothing_is_logged::<D>();
}
