#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::VecDeque;
use std::io::Read;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Response};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Timeout};

use super::super::hidden::{Exchange, hide_body, reveal_head};
use super::super::response_mask::restore_names;
use super::MaskedTransport;
use crate::{MAX_HEADER_SIZE, TransportErrorKind};

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

    // Nothing is left to reveal in the body, even if ureq left a field out.
    let mut missing = headers();
    exchange.hide(&mut missing);
    reveal_head(&mut b"POST / HTTP/1.1\r\n\r\n".to_vec());
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

/// A connection on which these pieces arrive.
#[derive(Debug)]
struct Script {
    buffers: LazyBuffers,
    pieces: VecDeque<Vec<u8>>,
    sent: Vec<u8>,
}

impl Transport for Script {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        self.sent.extend(&self.buffers.output()[..amount]);
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        let Some(piece) = self.pieces.pop_front() else {
            return Ok(false);
        };
        self.buffers.input_append_buf()[..piece.len()].copy_from_slice(&piece);
        self.buffers.input_appended(piece.len());
        Ok(true)
    }

    fn is_open(&mut self) -> bool {
        true
    }
}

fn connection(pieces: &[&str]) -> MaskedTransport<Script> {
    MaskedTransport::new(Script {
        buffers: LazyBuffers::new(1_000, 1_000),
        pieces: pieces
            .iter()
            .map(|piece| piece.as_bytes().to_vec())
            .collect(),
        sent: Vec::new(),
    })
}

fn within(limit: Duration) -> NextTimeout {
    NextTimeout {
        after: limit.into(),
        reason: Timeout::Await100,
        ..NextTimeout::default()
    }
}

fn minute() -> NextTimeout {
    within(Duration::from_secs(60))
}

fn send(connection: &mut MaskedTransport<Script>, output: &[u8]) {
    connection.buffers().output()[..output.len()].copy_from_slice(output);
    connection.transmit_output(output.len(), minute()).unwrap();
}

#[test]
fn a_wait_ends_when_ureq_can_see_something() {
    let _exchange = Exchange::begin();
    let head = "HTTP/1.1 100 Continue\r\n\r\n";
    let pieces = [
        "\r",
        "\n",
        "HTTP/1.1 100",
        " Continue\r\n\r",
        "\nHTTP/1.1 2",
    ];
    let mut waiting = connection(&pieces);
    assert!(waiting.await_input(minute()).unwrap());
    assert_eq!(waiting.buffers().input(), head.as_bytes());
    assert!(waiting.buffers().can_use_input());
    assert!(!waiting.is_open());
    waiting.buffers().input_consume(0);
    assert!(!waiting.buffers().can_use_input());
    waiting.buffers().input_consume(5);
    assert!(waiting.buffers().can_use_input());
    waiting.buffers().input_consume(head.len());
    assert!(!waiting.buffers().can_use_input());
    assert!(!waiting.await_input(minute()).unwrap());
    assert_eq!(waiting.buffers().input(), b"");

    let mut waiting = connection(&pieces);
    let error = waiting.await_input(within(Duration::ZERO)).unwrap_err();
    assert!(matches!(error, ureq::Error::Timeout(Timeout::Await100)));
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let _exchange = Exchange::begin();
    let trailer = "x".repeat(1_000);
    let mut pieces = vec![
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "0\r\n",
    ];
    pieces.extend([trailer.as_str(); 1_000]);
    let mut endless = connection(&pieces);
    let error = loop {
        match endless.await_input(minute()) {
            Ok(is_progress) => assert!(is_progress),
            Err(error) => break error,
        }
        assert!(endless.buffers().input().len() <= MAX_HEADER_SIZE + trailer.len());
    };
    assert!(matches!(error, ureq::Error::LargeResponseHeader(..)));
    assert!(endless.buffers().input().len() > MAX_HEADER_SIZE);
}

#[test]
fn a_connection_forgets_what_it_sent() {
    let exchange = Exchange::begin();
    let mut hidden = headers();
    exchange.hide(&mut hidden);
    let (head, body) = ([head(&hidden), b"\r\n".to_vec()].concat(), b"secret=1");
    let mut sending = connection(&[]);
    send(&mut sending, &head);
    send(&mut sending, body);
    let output = sending.buffers().output();
    for secret in [&b"one"[..], b"two", b"secret"] {
        assert!(!output.windows(secret.len()).any(|part| part == secret));
    }
    let expected = [self::head(&headers()), b"\r\nsecret=1".to_vec()].concat();
    assert_eq!(sending.buffers.transport.sent, expected);
}

#[test]
fn only_a_new_request_expects_a_new_response() {
    let exchange = Exchange::begin();
    exchange.hide(&mut headers());
    let mut kept = connection(&[
        "HTTP/1.1 200 OK\r\n\r\nbo",
        "dy",
        "HTTP/1.1 200 OK\r\n\r\nnew",
    ]);
    send(&mut kept, b"POST / HTTP/1.1\r\n");
    assert!(kept.await_input(minute()).unwrap());
    send(&mut kept, b"the body");
    assert!(kept.await_input(minute()).unwrap());
    assert_eq!(kept.buffers().input(), b"HTTP/1.1 200 OK\r\n\r\n****");
    assert_eq!(exchange.reveal_body(b"****").unwrap(), b"body");
    kept.buffers().input_consume(100);
    drop(exchange);

    let exchange = Exchange::begin();
    exchange.hide(&mut headers());
    send(&mut kept, b"POST / HTTP/1.1\r\n");
    assert!(kept.await_input(minute()).unwrap());
    assert_eq!(kept.buffers().input(), b"HTTP/1.1 200 OK\r\n\r\n***");
    assert_eq!(exchange.reveal_body(b"***").unwrap(), b"new");
}

/// Connects to nothing: these pieces arrive.
#[derive(Debug)]
struct ScriptConnector {
    pieces: Vec<String>,
    is_masked: bool,
}

impl Connector for ScriptConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let pieces: Vec<_> = self.pieces.iter().map(String::as_str).collect();
        let connection = connection(&pieces);
        Ok(Some(match self.is_masked {
            true => Box::new(connection),
            false => Box::new(connection.buffers.transport),
        }))
    }
}

/// Returns the response in these pieces as ureq reads it, or `None` if it is refused.
fn read(pieces: &[String], is_masked: bool) -> Option<Response<Vec<u8>>> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .build();
    let connector = ScriptConnector {
        pieces: pieces.to_vec(),
        is_masked,
    };
    let agent = Agent::with_parts(config, connector, DefaultResolver::default());
    let exchange = Exchange::begin();
    let (mut parts, body) = agent.get("http://127.0.0.1/").call().ok()?.into_parts();
    restore_names(&mut parts.headers);
    parts.extensions.clear();
    let mut bytes = Vec::new();
    body.into_reader().read_to_end(&mut bytes).ok()?;
    if is_masked {
        bytes = exchange.reveal_body(&bytes).ok()?;
    }
    Some(Response::from_parts(parts, bytes))
}

/// Responses of these parts in any order, in pieces of any size.
#[test]
fn ureq_reads_the_same_with_and_without_the_mask() {
    const HEADS: [&str; 14] = [
        "\r\n",
        "\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding:\t x ,Chunked\r\ncontent-length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, \u{e9}\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200\r\ncontent-length: 12\r\nset-cookie: x\r\n\r\n",
        "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 204 None\r\n\r\n",
        "HTTP/1.1 101 Switch\r\n\r\n",
        "HTTP/1.1 404 No\r\n\r\n",
    ];
    const PARTS: [&str; 22] = [
        "\r",
        "\n",
        "\r\n",
        "\r\n",
        "\r\n",
        "1\r\nx\r\n",
        "3\r\n*\r\n\r\n",
        "2;a=b\r\n",
        "0",
        "1",
        "f",
        "+",
        " ",
        ";",
        ";\n",
        "x",
        "*",
        "**",
        "\u{e9}",
        "0\r\n\r\n",
        "0\r\nx: y\r\n\r\n",
        "HTTP/1.1 200 OK",
    ];
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut response = String::new();
        for _ in 0..=random(3) {
            response += HEADS[random(HEADS.len())];
        }
        for _ in 0..random(9) {
            response += PARTS[random(PARTS.len())];
        }
        let mut pieces = vec![String::new()];
        for character in response.chars() {
            if random(6) == 0 {
                pieces.push(String::new());
            }
            pieces.last_mut().unwrap().push(character);
        }
        pieces.retain(|piece| !piece.is_empty());
        let (plain, masked) = (read(&pieces, false), read(&pieces, true));
        let is_same = match (&plain, &masked) {
            (Some(plain), Some(masked)) => {
                accepted += 1;
                (plain.status(), plain.headers(), plain.body())
                    == (masked.status(), masked.headers(), masked.body())
            }
            (plain, masked) => plain.is_none() && masked.is_none(),
        };
        assert!(is_same, "{pieces:?}: {plain:?} {masked:?}");
    }
    assert!(accepted > 1_000, "{accepted}");
}
