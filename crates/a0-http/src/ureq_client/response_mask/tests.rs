#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use http::header::{CONTENT_ENCODING, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::super::hidden::Exchange;
use super::{ResponseMask, restore_names};
use crate::MAX_HEADER_SIZE;

/// Returns what ureq sees of a response that arrives in pieces of this size.
fn shown(response: &str, size: usize) -> String {
    let _exchange = Exchange::begin();
    let mut mask = ResponseMask::default();
    let mut shown = Vec::new();
    for piece in response.as_bytes().chunks(size) {
        mask.push(piece, &mut shown);
    }
    String::from_utf8(shown).unwrap()
}

fn assert_shown(response: &str, expected: &str) {
    for size in [1, 2, 3, 7, response.len().max(1)] {
        assert_eq!(shown(response, size), expected, "in pieces of {size}");
    }
}

#[test]
fn the_body_is_masked_and_its_framing_is_not() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n";
    assert_shown(&format!("{head}body"), &format!("{head}****"));
    let head = "HTTP/1.1 200 OK\n\n";
    assert_shown(&format!("{head}a\r\nb"), &format!("{head}****"));
    for field in [
        "transfer-encoding: chunked",
        "Transfer-Encoding:\t CHUNKED ",
        "x: y\r\ntransfer-encoding: gzip , Chunked",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n");
        let chunks = "4\r\nbody\r\n00a;ext=\"x\"\r\n0\r\n\r\nmore\n\r\n 1 \r\nx\r\n";
        let masked = "4\r\n****\r\n00a;ext=\"x\"\r\n**********\r\n 1 \r\n*\r\n";
        let end = "0\r\ntrailer: value\r\n\r\n";
        assert_shown(
            &format!("{head}{chunks}{end}"),
            &format!("{head}{masked}{end}"),
        );
    }
    // Trailers, and what follows the last one, are no chunks.
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n";
    for rest in ["\r\n4\r\nmore", "4\r\nx: y\r\n\r\n"] {
        assert_shown(&format!("{head}{rest}"), &format!("{head}{rest}"));
    }
    // HTTP/1.0 has no chunks, and ureq compares the field as ASCII.
    for head in [
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\u{e9}\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, \u{e9}\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: x-chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encodings: chunked\r\n\r\n",
    ] {
        assert_shown(&format!("{head}1\r\nx"), &format!("{head}****"));
    }
}

#[test]
fn only_a_body_without_chunks_may_end_with_the_connection() {
    let _exchange = Exchange::begin();
    for (response, expected) in [
        ("HTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 103 Hints\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbo", true),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbo",
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
            false,
        ),
    ] {
        let mut mask = ResponseMask::default();
        mask.push(response.as_bytes(), &mut Vec::new());
        assert_eq!(mask.may_end_with_connection(), expected, "{response}");
    }
}

#[test]
fn interim_responses_and_empty_lines_come_before_the_head() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n";
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    for empty in ["", "\n", "\r\n\r\n", "\n\r\n\n"] {
        assert_shown(
            &format!("{empty}{interim}{empty}{head}{empty}body"),
            &format!("{interim}{head}{}****", "*".repeat(empty.len())),
        );
        assert_shown(empty, "");
    }
    // A head before which there is anything else is none.
    for malformed in [
        "\r\rHTTP/1.1 200 OK\r\n\r\nbody",
        " HTTP/1.1 200 OK\r\n\r\nbody",
    ] {
        assert_shown(malformed, malformed);
    }
    let head = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    assert_shown(&format!("{head}body"), &format!("{head}****"));
}

#[test]
fn what_ureq_refuses_is_shown_to_it() {
    assert_shown("SSH-2.0-server", "SSH-2.0-server");
    assert_shown("hello\r\n\r\n", "hello\r\n\r\n");
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for chunk in ["zz\r\nx", "-1\r\nx", "1\r\nxy\r\n", "\r\nx", "1\r\nx\ry"] {
        let seen = shown(&format!("{head}{chunk}"), 1);
        assert_eq!(seen.len(), head.len() + chunk.len(), "{chunk}");
        assert!(seen.starts_with(head));
    }
    let line = "0".repeat(100);
    assert_shown(&format!("{head}{line}"), &format!("{head}{line}"));
    // The line before a chunk ends as ureq sees it, and has at most 20 bytes.
    let (zeros, body) = ("0".repeat(19), "a\r\nb");
    for (line, is_chunk) in [
        ("4;\n".to_owned(), true),
        ("4\n".to_owned(), true),
        (" +4\t".to_owned(), true),
        (format!("{zeros}4"), true),
        (format!("{zeros}04"), false),
        ("4;\r".to_owned(), false),
        ("4\r4".to_owned(), false),
        ("4\n4".to_owned(), false),
    ] {
        let shown = if is_chunk { "****" } else { body };
        assert_shown(
            &format!("{head}{line}\r\n{body}\r\n"),
            &format!("{head}{line}\r\n{shown}\r\n"),
        );
    }
    let start = "HTTP/1.1 200 OK\r\nfiller: ";
    let longest = start.to_owned() + &"x".repeat(MAX_HEADER_SIZE - start.len());
    assert_eq!(shown(&longest, 1_000), "");
    let long = longest + "x";
    assert_eq!(shown(&long, 1_000), long);
    // Half a head is not shown, and the end of the connection makes it an error.
    assert_shown("HTTP/1.1 200 OK\r\ncontent-le", "");
}

#[test]
fn features_of_ureq_find_no_field_to_act_on() {
    let response = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nset-cookie: a=b\r\n\
        x-content-encoding: br\r\nset-cookies: x\r\n\r\nbody";
    assert_shown(
        response,
        "HTTP/1.1 200 OK\r\na0-coding-hidden: gzip\r\na0-cookies: a=b\r\n\
        x-content-encoding: br\r\nset-cookies: x\r\n\r\n****",
    );
    let mut headers = HeaderMap::new();
    headers.append("a0-coding-hidden", HeaderValue::from_static("gzip"));
    headers.append("a0-coding-hidden", HeaderValue::from_static("br"));
    headers.append("a0-cookies", HeaderValue::from_static("a=b"));
    restore_names(&mut headers);
    let codings: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().collect();
    assert_eq!(codings, ["gzip", "br"]);
    assert_eq!(headers[SET_COOKIE], "a=b");
    assert_eq!(headers.len(), 3);
}
