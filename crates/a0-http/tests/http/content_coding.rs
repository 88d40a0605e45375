//! Content codings. Each case is written once and runs with every client.

use std::error::Error;
use std::io::Write;

use a0_http::{TransportError, TransportErrorKind as Kind};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::driver::{Driver, Request, Response, Setting};
use crate::support::{RawServer, root_pem};

cases! {
    a_damaged_body_is_an_error,
    a_gzip_body_is_decoded,
    a_large_body_is_not_decoded_beyond_the_limit,
    a_transfer_coding_other_than_chunked_is_an_error,
    an_empty_body_is_not_decoded,
    an_unencoded_body_is_returned_unchanged,
    gzip_may_exceed_the_limit_by_its_overhead_only,
    gzip_members_are_bounded,
    no_more_than_the_limit_is_read_or_decoded,
    other_codings_are_errors_that_name_them,
    the_limit_counts_decoded_bytes,
}

fn gzip(body: &[u8]) -> Vec<u8> {
    gzip_with(Compression::best(), body)
}

fn gzip_with(compression: Compression, body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), compression);
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Returns bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn client<D: Driver>(limit: usize) -> D {
    D::build(&[Setting::Roots(root_pem()), Setting::MaxBodySize(limit)]).unwrap()
}

fn request(method: &str, server: &RawServer) -> Request {
    let request = http::Request::builder().method(method).uri(server.url());
    request.body(Vec::new()).unwrap()
}

/// Responds with these header lines, each of which ends with a line break, and this body.
fn server(headers: &str, body: &[u8]) -> RawServer {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{headers}content-length: {length}\r\n\r\n");
    RawServer::with([head.as_bytes(), body].concat())
}

fn exchange<D: Driver>(
    limit: usize,
    headers: &str,
    body: &[u8],
) -> Result<Response, TransportError> {
    client::<D>(limit).exchange(request("GET", &server(headers, body)))
}

const GZIP: &str = "content-encoding: gzip\r\n";

fn a_gzip_body_is_decoded<D: Driver>() {
    let body = "a body ".repeat(1_000).into_bytes();
    let members = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
    for (headers, encoded, body) in [
        (GZIP, gzip(&body), body.as_slice()),
        ("Content-Encoding: GZip\r\n", gzip(&body), &body),
        ("content-encoding: x-gzip\r\n", gzip(&body), &body),
        (
            "content-encoding: identity, , gzip\r\ncontent-encoding:\r\n",
            gzip(&body),
            &body,
        ),
        (GZIP, gzip(b""), b""),
        (GZIP, members, b"one two"),
    ] {
        let server = server(&format!("{headers}etag: \"1\"\r\n"), &encoded);
        let mut request = request("GET", &server);
        let headers = request.headers_mut();
        headers.insert("accept-encoding", "br".parse().unwrap());
        let response = client::<D>(10_000).exchange(request).unwrap();
        assert_eq!(response.body(), body);
        assert!(!response.headers().contains_key("content-encoding"));
        assert!(!response.headers().contains_key("content-length"));
        assert_eq!(response.headers()["etag"], "\"1\"");
        let asked = &server.requests()[0];
        let accepted = asked.matches("accept-encoding: ").count();
        assert_eq!(accepted, 1, "{asked}");
        assert!(asked.contains("\r\naccept-encoding: gzip\r\n"), "{asked}");
    }
}

fn an_unencoded_body_is_returned_unchanged<D: Driver>() {
    let body = gzip(b"a file that happens to be gzip");
    for headers in ["", "content-encoding: identity\r\n"] {
        let response = exchange::<D>(1_000, headers, &body).unwrap();
        assert_eq!(response.body(), &body);
        assert_eq!(
            response.headers()["content-length"],
            body.len().to_string().as_str()
        );
        assert_eq!(
            response.headers().contains_key("content-encoding"),
            !headers.is_empty()
        );
    }
}

fn other_codings_are_errors_that_name_them<D: Driver>() {
    let not_registered = "the body has a content coding that is not registered";
    let several = "the body has more than one content coding";
    for (codings, cause) in [
        (
            &["br"][..],
            "the body has the content coding br, which was not asked for",
        ),
        (
            &["Deflate"],
            "the body has the content coding deflate, which was not asked for",
        ),
        (
            &["zstd"],
            "the body has the content coding zstd, which was not asked for",
        ),
        (&["s3cr3t"], not_registered),
        (&["s3cr\u{e9}t"], not_registered),
        (&["gzip, gzip"], several),
        (&["br", "gzip"], several),
    ] {
        let lines = codings
            .iter()
            .map(|coding| format!("content-encoding: {coding}\r\n"));
        let headers: String = lines.collect();
        let error = exchange::<D>(1_000, &headers, &gzip(b"body")).unwrap_err();
        assert_eq!(error.kind(), Kind::ContentCoding, "{headers}");
        let source = error.source().unwrap();
        assert_eq!(source.to_string(), cause);
        assert!(!format!("{error} {error:?} {source} {source:?}").contains("s3cr"));
    }
}

fn a_transfer_coding_other_than_chunked_is_an_error<D: Driver>() {
    let body = gzip(b"body");
    let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body].concat();
    let chunks = [&chunk[..], b"\r\n0\r\n\r\n"].concat();
    for (fields, body, is_rejected) in [
        ("transfer-encoding: Chunked\r\n", &chunks, false),
        ("transfer-encoding: gzip, chunked\r\n", &chunks, true),
        (
            "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
            &chunks,
            true,
        ),
        ("transfer-encoding: gzip\r\n", &body, true),
        ("transfer-encoding: x\r\n", &body, true),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{fields}\r\n");
        let server = RawServer::with([head.as_bytes(), body].concat());
        match client::<D>(1_000).exchange(request("GET", &server)) {
            Ok(response) => assert!(
                !is_rejected && response.body() == &gzip(b"body"),
                "{fields}"
            ),
            Err(error) => {
                assert!(is_rejected, "{fields}{error:?}");
                assert_eq!(error.kind(), Kind::ContentCoding, "{fields}");
                assert_eq!(
                    error.source().unwrap().to_string(),
                    "the response has a transfer coding other than chunked"
                );
            }
        }
    }
}

fn a_damaged_body_is_an_error<D: Driver>() {
    let whole = gzip(b"body");
    let mut damaged: Vec<Vec<u8>> = (1..whole.len()).map(|n| whole[..n].to_vec()).collect();
    damaged.push([&whole[..], b"x"].concat());
    damaged.push([&whole[..], &[0; 16]].concat());
    damaged.push([&whole[..], &whole[..15]].concat());
    damaged.push(b"body".to_vec());
    // The checksum and the length in the trailer.
    for from_the_end in [8, 4] {
        let mut wrong = whole.clone();
        let at = wrong.len() - from_the_end;
        wrong[at] ^= 1;
        damaged.push(wrong);
    }
    for body in damaged {
        let error = exchange::<D>(1_000, GZIP, &body).unwrap_err();
        assert_eq!(error.kind(), Kind::ContentCoding, "{body:?}");
        let cause = error.source().unwrap().to_string();
        assert!(cause.starts_with("the body is not valid gzip"), "{cause}");
    }
}

fn an_empty_body_is_not_decoded<D: Driver>() {
    for coding in ["gzip", "br", "gzip, br"] {
        let field = format!("content-encoding: {coding}\r\n");
        for (method, head) in [
            ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\n"),
            ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n"),
        ] {
            let server = RawServer::with(format!("{head}{field}\r\n"));
            let response = client::<D>(0).exchange(request(method, &server)).unwrap();
            assert!(response.body().is_empty(), "{head}");
        }
    }
}

fn the_limit_counts_decoded_bytes<D: Driver>() {
    let zeros = |n| vec![0; n];
    for (body, limit, fits) in [
        (zeros(5_000), 5_000, true),
        (zeros(5_001), 5_000, false),
        (zeros(0), 0, true),
        (zeros(1), 0, false),
        // These bodies grow on the wire.
        (noise(5_000), 5_000, true),
        (noise(5_001), 5_000, false),
        (noise(1_000_000), 1_000_000, true),
    ] {
        for compression in [Compression::none(), Compression::best()] {
            let encoded = gzip_with(compression, &body);
            match exchange::<D>(limit, GZIP, &encoded) {
                Ok(response) => assert!(fits && *response.body() == body),
                Err(error) => assert!(!fits && error.kind() == Kind::BodyTooLarge),
            }
        }
    }
}

fn gzip_may_exceed_the_limit_by_its_overhead_only<D: Driver>() {
    let (limit, most) = (5_000, 5_000 + 4 + 1_024);
    let body = gzip(b"body");
    for (length, fits) in [(most, true), (most + 1, false)] {
        let (header, rest) = body.split_at(10);
        let comment = [&vec![b'x'; length - body.len() - 1][..], b"\0"].concat();
        let mut header = header.to_vec();
        header[3] = 0x10; // a comment follows
        let commented = [&header[..], &comment, rest].concat();
        match exchange::<D>(limit, GZIP, &commented) {
            Ok(response) => {
                assert!(fits && response.body() == b"body")
            }
            Err(error) => assert!(!fits && error.kind() == Kind::BodyTooLarge),
        }
    }
}

/// The size limit counts all members together, and the number of members has a limit too.
fn gzip_members_are_bounded<D: Driver>() {
    for (member, count, kind) in [
        ("", 16, None),
        ("", 17, Some(Kind::ContentCoding)),
        ("0123456789", 10, None),
        ("0123456789", 11, Some(Kind::BodyTooLarge)),
    ] {
        let counted = kind == Some(Kind::ContentCoding);
        match exchange::<D>(100, GZIP, &gzip(member.as_bytes()).repeat(count)) {
            Ok(response) => {
                assert!(!counted && *response.body() == member.repeat(count).as_bytes())
            }
            Err(error) => assert_eq!(Some(error.kind()), kind),
        }
    }
}

/// Any number of empty members decodes to nothing, and so does a comment without end.
fn no_more_than_the_limit_is_read_or_decoded<D: Driver>() {
    let empty = gzip(b"");
    let mut long_header = gzip(b"")[..10].to_vec();
    long_header[3] = 0x10; // a comment, which a zero ends
    for (first, rest) in [(empty.clone(), empty), (long_header, b"x".to_vec())] {
        let server = RawServer::start(move |stream| {
            let head = format!("HTTP/1.1 200 OK\r\n{GZIP}connection: close\r\n\r\n");
            let mut sent = stream.write_all(&[head.as_bytes(), &first].concat());
            let many = rest.repeat(1_000);
            while sent.is_ok() {
                sent = stream.write_all(&many);
            }
        });
        let error = client::<D>(1_000).exchange(request("GET", &server));
        let kind = error.unwrap_err().kind();
        assert_eq!(kind, Kind::BodyTooLarge);
    }
}

/// Decodes to 64 MiB; the limit is 128 KiB.
fn a_large_body_is_not_decoded_beyond_the_limit<D: Driver>() {
    const LIMIT: usize = 128 * 1024;
    let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < LIMIT);
    let server = server(GZIP, &bomb);
    let client = client::<D>(LIMIT);
    let allocated = allocation_counter::measure(|| {
        let error = client.exchange(request("GET", &server)).unwrap_err();
        assert_eq!(error.kind(), Kind::BodyTooLarge);
    });
    assert!(allocated.bytes_max < 2_000_000, "{}", allocated.bytes_max);
}
