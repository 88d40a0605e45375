//! A logger at TRACE receives no credential. It belongs to the whole process, so these tests have a
//! file of their own.
#![cfg(any(feature = "ureq", feature = "reqwest"))]

#[macro_use]
mod support;

use std::any::type_name;
use std::io::Write;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;
use log::{LevelFilter, Log, Metadata, Record};

use support::driver::{Driver, Setting};
use support::{RawServer, root_pem};

cases! {
    no_credential_is_logged,
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

fn no_credential_is_logged<D: Driver>() {
    let _ = log::set_logger(&Collector);
    log::set_max_level(LevelFilter::Trace);

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

    let records = RECORDS.lock().unwrap().clone();
    let own: Vec<_> = records
        .iter()
        .filter(|it| !it.starts_with("httpmock"))
        .collect();
    assert!(own.iter().any(|it| it.contains("127.0.0.1")), "{own:?}");
    for record in own {
        let compact = record.replace(' ', "");
        for spelling in spellings(word::<D>()) {
            let is_shown = record.contains(&spelling) || compact.contains(&spelling);
            assert!(!is_shown, "{record}");
        }
    }
}

/// The number of credentials in a request.
const SENT: usize = 5;

fn request<D>(url: &str) -> http::Request<Vec<u8>> {
    let body = format!("client_secret={0}&subject_token={0}", credential::<D>());
    let request = http::Request::post(url)
        .header("authorization", format!("Basic {}", credential::<D>()))
        .header("DPoP", credential::<D>())
        .header("x-sensitive", "")
        .body(body.into_bytes());
    let mut request = request.unwrap();
    let mut sensitive = http::HeaderValue::from_str(&credential::<D>()).unwrap();
    sensitive.set_sensitive(true);
    request.headers_mut().insert("x-sensitive", sensitive);
    request
}
