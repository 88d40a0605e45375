#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue};

use super::{Exchange, hide_body, reveal_head};
use crate::TransportErrorKind;

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic one"));
    headers.append(AUTHORIZATION, HeaderValue::from_static("Basic two"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/plain"));
    let mut sensitive = HeaderValue::from_bytes(b"\xe9\t**").unwrap();
    sensitive.set_sensitive(true);
    headers.insert("x-key", sensitive);
    headers.insert("dpop", HeaderValue::from_static(""));
    headers
}

fn head(headers: &HeaderMap) -> Vec<u8> {
    let mut head = b"POST / HTTP/1.1\r\n".to_vec();
    for (name, value) in headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head
}

#[test]
fn a_head_is_the_same_after_hiding_and_revealing() {
    let original = head(&headers());
    let exchange = Exchange::begin();
    let mut hidden = headers();
    exchange.hide(&mut hidden);
    assert_eq!(hidden[AUTHORIZATION], "*********");
    assert_eq!(hidden[ACCEPT], "text/plain");
    let mut output = head(&hidden);
    assert!(!String::from_utf8_lossy(&output).contains("one"));
    // ureq may write the head in several pieces of whole lines.
    let middle = output.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let (first, rest) = output.split_at_mut(middle);
    reveal_head(first);
    reveal_head(rest);
    assert_eq!(output, original);

    // Nothing is left to reveal in the body.
    let mut body = b"authorization: *********\r\n".to_vec();
    reveal_head(&mut body);
    assert_eq!(body, b"authorization: *********\r\n");
}

#[test]
fn an_exchange_within_another_one_has_its_own_credentials() {
    let outer = Exchange::begin();
    let mut hidden = headers();
    outer.hide(&mut hidden);
    hide_body(b"outer", &mut Vec::new());
    {
        let inner = Exchange::begin();
        let mut output = head(&hidden);
        reveal_head(&mut output);
        assert_eq!(output, head(&hidden));
        hide_body(b"inner", &mut Vec::new());
        assert_eq!(inner.reveal_body(b"*****").unwrap(), b"inner");
    }
    let mut output = head(&hidden);
    reveal_head(&mut output);
    assert_eq!(output, head(&headers()));
    assert_eq!(outer.reveal_body(b"*****").unwrap(), b"outer");
}

#[test]
fn ureq_and_the_connection_must_agree_on_the_body() {
    let exchange = Exchange::begin();
    let mut shown = b"framing".to_vec();
    hide_body(b"body", &mut shown);
    assert_eq!(shown, b"framing****");
    assert_eq!(exchange.reveal_body(b"**").unwrap(), b"bo");
    for read in [&b"dy"[..], b"*\n", b"***"] {
        let error = exchange.reveal_body(read).unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Protocol);
    }
    assert_eq!(exchange.reveal_body(b"**").unwrap(), b"dy");
}
