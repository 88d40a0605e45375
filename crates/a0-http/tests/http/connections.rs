//! Reused connections. Each case is written once and runs with every client.

use std::io::Read;
use std::sync::Barrier;
use std::time::Duration;

use a0_http::TransportErrorKind as Kind;

use crate::support::driver::{Driver, Request, Setting};
use crate::support::{Peer, RawServer, root_pem};

cases! {
    a_body_without_a_length_ends_when_a_reused_connection_closes,
    a_connection_is_reused,
    a_connection_that_closes_between_two_requests_is_replaced,
    a_connection_that_closes_with_its_response_is_not_reused,
    a_get_is_repeated_when_a_reused_connection_closes,
    a_request_is_not_repeated_once_a_response_has_begun,
    a_request_is_not_repeated_when_the_response_is_garbage,
    a_request_is_repeated_once,
    a_request_is_repeated_when_it_cannot_be_written,
    a_request_on_a_new_connection_is_not_repeated,
    bytes_after_a_response_do_not_answer_the_next_request,
    no_request_but_a_bare_get_is_repeated,
    the_idle_connections_to_a_host_are_bounded,
    the_repeated_request_goes_over_a_new_connection,
    the_repeated_request_has_a_time_limit,
}

fn client<D: Driver>() -> D {
    D::build(&[Setting::Roots(root_pem())]).unwrap()
}

fn request(method: &str, server: &RawServer, body: &str) -> Request {
    let request = http::Request::builder().method(method).uri(server.url());
    request.body(body.into()).unwrap()
}

fn get(server: &RawServer) -> Request {
    request("GET", server, "")
}

/// Responds to the first request of every connection with the connection's number, and calls `then`
/// after the second request.
fn server(then: impl Fn(&mut Peer) + Send + Sync + 'static) -> RawServer {
    RawServer::serve(move |peer| {
        if peer.receive() {
            peer.respond(&peer.number.to_string());
            if peer.receive() {
                then(peer);
            }
        }
    })
}

fn a_connection_is_reused<D: Driver>() {
    let server = server(|peer| peer.respond("again"));
    let client = client::<D>();
    assert_eq!(client.exchange(get(&server)).unwrap().body(), b"0");
    assert_eq!(client.exchange(get(&server)).unwrap().body(), b"again");
    assert_eq!(server.connections(), 1);
}

fn a_get_is_repeated_when_a_reused_connection_closes<D: Driver>() {
    let hang_ups: [fn(&mut Peer); 2] = [|_| (), Peer::send_close_notify];
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

/// The client may notice the close before or after it sends the second request.
fn a_connection_that_closes_between_two_requests_is_replaced<D: Driver>() {
    let server = RawServer::serve(|peer| {
        if peer.receive() {
            peer.respond(&peer.number.to_string());
        }
    });
    let client = client::<D>();
    for number in ["0", "1", "2", "3"] {
        let response = client.exchange(get(&server)).unwrap();
        assert_eq!(response.body(), number.as_bytes());
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
        peer.receive();
    });
    let error = client::<D>().exchange(get(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert_eq!((server.connections(), server.requests().len()), (1, 1));
}

fn a_request_is_repeated_once<D: Driver>() {
    let server = RawServer::serve(|peer| {
        if peer.receive() && peer.number == 0 {
            peer.respond("");
            peer.receive();
        }
    });
    let client = client::<D>();
    client.exchange(get(&server)).unwrap();
    let error = client.exchange(get(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert_eq!((server.connections(), server.requests().len()), (2, 3));
}

/// Two connections are idle, and both close on the next request.
fn the_repeated_request_goes_over_a_new_connection<D: Driver>() {
    let both = Barrier::new(2);
    let server = RawServer::serve(move |peer| {
        if peer.receive() && peer.number < 2 {
            both.wait();
        }
        peer.respond(&peer.number.to_string());
        peer.receive();
    });
    let client = client::<D>();
    for response in client.exchange_all(vec![get(&server), get(&server)]) {
        response.unwrap();
    }
    assert_eq!(server.connections(), 2);
    assert_eq!(client.exchange(get(&server)).unwrap().body(), b"2");
    assert_eq!((server.connections(), server.requests().len()), (3, 4));
}

fn a_request_is_not_repeated_once_a_response_has_begun<D: Driver>() {
    let cases = [
        ("HTTP/1.1 200 OK\r\ncontent-le", !D::REPORTS_A_CUT_HEAD),
        ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", false),
    ];
    for (begun, is_repeated) in cases {
        let server = server(|peer| peer.send(begun.as_bytes()));
        let client = client::<D>();
        client.exchange(get(&server)).unwrap();
        match client.exchange(get(&server)) {
            Ok(response) => assert!(is_repeated && response.body() == b"1", "{begun}"),
            Err(error) => assert!(!is_repeated && error.kind() == Kind::Io, "{begun}"),
        }
        assert_eq!(server.connections(), 1 + usize::from(is_repeated));
    }
}

fn a_request_is_not_repeated_when_the_response_is_garbage<D: Driver>() {
    for kind in [Kind::Protocol, Kind::Tls] {
        let server = server(move |peer| {
            match kind {
                Kind::Protocol => peer.send(b"nonsense\r\n\r\n"),
                _ => peer.break_tls(),
            }
            peer.receive();
        });
        let client = client::<D>();
        client.exchange(get(&server)).unwrap();
        let error = client.exchange(get(&server)).unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert_eq!((server.connections(), server.requests().len()), (1, 2));
    }
}

/// The request does not fit into the system's buffers, and the server closes when it begins to
/// arrive.
fn a_request_is_repeated_when_it_cannot_be_written<D: Driver>() {
    let server = RawServer::serve(|peer| {
        if peer.number == 0 && peer.receive() {
            peer.respond("");
            let _ = peer.stream.read(&mut [0]);
            return;
        }
        let (mut chunk, mut end) = ([0; 16 * 1024], Vec::new());
        while !end.ends_with(b"\r\n\r\n") {
            let length = peer.stream.read(&mut chunk).unwrap();
            end.extend_from_slice(&chunk[..length]);
            end.drain(..end.len().saturating_sub(4));
        }
        peer.respond("whole");
    });
    let client = client::<D>();
    client.exchange(get(&server)).unwrap();
    let mut large = get(&server);
    let filler: http::HeaderValue = "x".repeat(60_000).parse().unwrap();
    for _ in 0..300 {
        large.headers_mut().append("filler", filler.clone());
    }
    assert_eq!(client.exchange(large).unwrap().body(), b"whole");
    assert_eq!(server.connections(), 2);
}

/// The unit test of `remaining_time` checks how long the limit is.
fn the_repeated_request_has_a_time_limit<D: Driver>() {
    let server = RawServer::serve(|peer| {
        if peer.receive() && peer.number == 0 {
            peer.respond("");
            peer.receive();
        } else {
            peer.receive();
        }
    });
    let limit = Setting::Timeout(Duration::from_secs(2));
    let client = D::build(&[Setting::Roots(root_pem()), limit]).unwrap();
    client.exchange(get(&server)).unwrap();
    let error = client.exchange(get(&server)).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert_eq!((server.connections(), server.requests().len()), (2, 3));
}

/// rustls reads pieces of 4096 bytes. With a response of 3,500 bytes it also reads the beginning of
/// the bytes that follow, and the rest of those stays in the buffer below TLS.
fn long_answer(length: usize) -> String {
    let body = "a".repeat(length);
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// On the first connection the output of `send` leaves in one piece. Every other request gets the
/// connection's number.
fn burst_server(send: impl Fn(&mut Peer) + Send + Sync + 'static) -> RawServer {
    RawServer::serve_with(0, move |peer| {
        if peer.number == 0 && peer.receive() {
            peer.in_one_piece(&send);
        }
        while peer.receive() {
            peer.respond(&peer.number.to_string());
        }
    })
}

fn bytes_after_a_response_do_not_answer_the_next_request<D: Driver>() {
    let foreign = "HTTP/1.1 200 OK\r\ncontent-length: 1500\r\n\r\n".to_owned() + &"e".repeat(1_500);
    let filler = "a".repeat(3_500);
    let head = format!("HTTP/1.1 200 OK\r\nfiller: {filler}\r\ncontent-length: 1547\r\n\r\n");
    for (method, response) in [
        ("GET", long_answer(5)),
        ("GET", long_answer(3_500)),
        ("HEAD", head),
    ] {
        for next in ["GET", "POST"] {
            let (response, foreign) = (response.clone(), foreign.clone());
            let server = burst_server(move |peer| {
                peer.send(response.as_bytes());
                peer.send(foreign.as_bytes());
            });
            let client = client::<D>();
            client.exchange(request(method, &server, "")).unwrap();
            let response = client.exchange(request(next, &server, "")).unwrap();
            assert_eq!(response.body(), b"1", "{method}, then {next}");
        }
    }
}

fn a_connection_that_closes_with_its_response_is_not_reused<D: Driver>() {
    for length in [5, 4_020] {
        for next in ["GET", "POST"] {
            let response = long_answer(length);
            let server = burst_server(move |peer| {
                peer.send(response.as_bytes());
                peer.send_close_notify();
            });
            let client = client::<D>();
            client.exchange(get(&server)).unwrap();
            let response = client.exchange(request(next, &server, "")).unwrap();
            assert_eq!(response.body(), b"1", "{length}, then {next}");
            // The first connection did not get a request after it was closed.
            assert_eq!(server.requests().len(), 2, "{length}, then {next}");
        }
    }
}

fn a_body_without_a_length_ends_when_a_reused_connection_closes<D: Driver>() {
    let server = server(|peer| {
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nthe body");
        peer.send_close_notify();
    });
    let client = client::<D>();
    client.exchange(get(&server)).unwrap();
    let response = client.exchange(get(&server)).unwrap();
    assert_eq!(response.body(), b"the body");
    assert_eq!(server.connections(), 1);
}

/// Four connections are open at once, and at least one of them is closed afterwards.
fn the_idle_connections_to_a_host_are_bounded<D: Driver>() {
    let all = Barrier::new(4);
    let server = RawServer::serve(move |peer| {
        while peer.receive() {
            all.wait();
            peer.respond("");
        }
    });
    let client = client::<D>();
    for _ in 0..2 {
        for response in client.exchange_all(vec![get(&server); 4]) {
            response.unwrap();
        }
    }
    assert!(server.connections() > 4);
}
