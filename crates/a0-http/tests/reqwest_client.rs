//! The async client, where it differs from a blocking one: its futures.
#![cfg(feature = "reqwest")]

mod support;

use std::io::{Read, Write};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use a0_http::{AsyncHttpClient, ReqwestClient, TransportErrorKind as Kind};
use tokio::sync::mpsc;

use support::driver::Request;
use support::{RawServer, root_pem};

fn client() -> ReqwestClient {
    let builder = ReqwestClient::builder().root_certificates_pem(root_pem());
    builder.unwrap().build()
}

fn get(url: &str) -> Request {
    http::Request::get(url).body(Vec::new()).unwrap()
}

#[test]
fn a_dropped_future_closes_its_connection() {
    for sent in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
    ] {
        let (tell, mut told) = mpsc::unbounded_channel();
        let server = RawServer::start(move |stream| {
            stream.write_all(sent.as_bytes()).unwrap();
            tell.send("sent").unwrap();
            // Ends when the client closes the connection, or resets it.
            let _ = stream.read(&mut [0]);
            tell.send("closed").unwrap();
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let client = client();
            for _ in 0..2 {
                tokio::select! {
                    answer = client.exchange(get(&server.url())) => panic!("{answer:?}"),
                    word = told.recv() => assert_eq!(word, Some("sent")),
                }
                assert_eq!(told.recv().await, Some("closed"), "{sent}");
            }
        });
    }
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let client = client();
    let mut exchange = pin!(client.exchange(get("https://localhost/")));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(answer) = exchange.as_mut().poll(&mut context) else {
        panic!("it waits for nothing")
    };
    assert_eq!(answer.unwrap_err().kind(), Kind::Other);
}
