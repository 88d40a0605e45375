//! What becomes of kept connections. Each case is written once and run over every client.
#![cfg(any(feature = "ureq", feature = "reqwest"))]

#[macro_use]
mod support;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use a0_http::TransportErrorKind as Kind;

use support::driver::{Driver, Request, Set};
use support::{Peer, RawServer, root_pem};

cases! {
    a_connection_is_kept,
    a_connection_that_closes_between_two_requests_is_replaced,
    a_get_is_repeated_when_a_kept_connection_closes,
    a_request_is_not_repeated_once_an_answer_has_begun,
    a_request_is_repeated_once,
    a_request_on_a_new_connection_is_not_repeated,
    no_request_but_a_bare_get_is_repeated,
    the_repeated_request_goes_over_a_new_connection,
    the_repeated_request_has_the_time_that_is_left,
}

fn client<D: Driver>() -> D {
    D::build(&[Set::Roots(root_pem())]).unwrap()
}

fn request(method: &str, server: &RawServer, body: &str) -> Request {
    let request = http::Request::builder().method(method).uri(server.url());
    request.body(body.into()).unwrap()
}

fn get(server: &RawServer) -> Request {
    request("GET", server, "")
}

/// Answers the first request of every connection with the connection's number, and leaves what
/// follows the second to `then`.
fn server(then: impl Fn(&mut Peer) + Send + Sync + 'static) -> RawServer {
    RawServer::serve(move |peer| {
        if peer.asks() {
            peer.answer(&peer.number.to_string());
            if peer.asks() {
                then(peer);
            }
        }
    })
}

fn a_connection_is_kept<D: Driver>() {
    let server = server(|peer| peer.answer("again"));
    let client = client::<D>();
    assert_eq!(client.exchange(get(&server)).unwrap().body(), b"0");
    assert_eq!(client.exchange(get(&server)).unwrap().body(), b"again");
    assert_eq!(server.connections(), 1);
}

fn a_get_is_repeated_when_a_kept_connection_closes<D: Driver>() {
    let hang_ups: [fn(&mut Peer); 2] = [|_| (), Peer::say_goodbye];
    for hang_up in hang_ups {
        let server = server(hang_up);
        let client = client::<D>();
        assert_eq!(client.exchange(get(&server)).unwrap().body(), b"0");
        assert_eq!(client.exchange(get(&server)).unwrap().body(), b"1");
        assert_eq!((server.connections(), server.requests().len()), (2, 3));
        let requests = server.requests();
        assert_eq!(requests[1], requests[2]);
    }
}

/// The client may notice before it sends the second request, or only afterwards.
fn a_connection_that_closes_between_two_requests_is_replaced<D: Driver>() {
    let server = RawServer::serve(|peer| {
        if peer.asks() {
            peer.answer(&peer.number.to_string());
        }
    });
    let client = client::<D>();
    for number in ["0", "1", "2", "3"] {
        let answer = client.exchange(get(&server)).unwrap();
        assert_eq!(answer.body(), number.as_bytes());
    }
}

fn no_request_but_a_bare_get_is_repeated<D: Driver>() {
    for (method, body) in [
        ("POST", ""),
        ("POST", "a=b"),
        ("PUT", "a=b"),
        ("DELETE", ""),
        ("HEAD", ""),
        ("GET", "a=b"),
    ] {
        let server = server(|_| ());
        let client = client::<D>();
        client.exchange(get(&server)).unwrap();
        let error = client.exchange(request(method, &server, body)).unwrap_err();
        assert_eq!(error.kind(), Kind::Io, "{method}");
        assert_eq!((server.connections(), server.requests().len()), (1, 2));
    }
}

fn a_request_on_a_new_connection_is_not_repeated<D: Driver>() {
    let server = RawServer::serve(|peer| {
        peer.asks();
    });
    let error = client::<D>().exchange(get(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

fn a_request_is_repeated_once<D: Driver>() {
    let server = RawServer::serve(|peer| {
        if peer.asks() && peer.number == 0 {
            peer.answer("");
            peer.asks();
        }
    });
    let client = client::<D>();
    client.exchange(get(&server)).unwrap();
    let error = client.exchange(get(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert_eq!((server.connections(), server.requests().len()), (2, 3));
}

/// Two connections are kept, and both close on the next request.
fn the_repeated_request_goes_over_a_new_connection<D: Driver>() {
    let both = Barrier::new(2);
    let server = RawServer::serve(move |peer| {
        if peer.asks() && peer.number < 2 {
            both.wait();
        }
        peer.answer(&peer.number.to_string());
        peer.asks();
    });
    let client = client::<D>();
    for answer in client.exchange_both([get(&server), get(&server)]) {
        answer.unwrap();
    }
    assert_eq!(server.connections(), 2);
    assert_eq!(client.exchange(get(&server)).unwrap().body(), b"2");
    assert_eq!((server.connections(), server.requests().len()), (3, 4));
}

fn a_request_is_not_repeated_once_an_answer_has_begun<D: Driver>() {
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-le", !D::TELLS_A_CUT_HEAD),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", false),
    ];
    for (begun, is_repeated) in cases {
        let server = server(|peer| peer.send(begun.as_bytes()));
        let client = client::<D>();
        client.exchange(get(&server)).unwrap();
        match client.exchange(get(&server)) {
            Ok(answer) => assert!(is_repeated && answer.body() == b"1", "{begun}"),
            Err(error) => assert!(!is_repeated && error.kind() == Kind::Io, "{begun}"),
        }
        assert_eq!(server.connections(), 1 + usize::from(is_repeated));
    }
}

/// The kept connection closes late, and the new one never answers. A full limit for each would be
/// over 1.5 seconds later.
fn the_repeated_request_has_the_time_that_is_left<D: Driver>() {
    let server = RawServer::serve(|peer| {
        if peer.asks() && peer.number == 0 {
            peer.answer("");
            peer.asks();
            thread::sleep(Duration::from_millis(1_500));
        } else {
            peer.asks();
        }
    });
    let limit = Set::Timeout(Duration::from_secs(2));
    let client = D::build(&[Set::Roots(root_pem()), limit]).unwrap();
    client.exchange(get(&server)).unwrap();
    let started = Instant::now();
    let error = client.exchange(get(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert_eq!(server.requests().len(), 3);
    assert!(started.elapsed() < Duration::from_secs(3));
}
