//! The async client's futures and runtimes.

use std::error::Error;
use std::io::{Read, Write};
use std::panic;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use a0_http::{AsyncHttpClient, ReqwestClient, TransportErrorKind as Kind};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::support::driver::Request;
use crate::support::{RawServer, root_pem};

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
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let server = RawServer::start(move |stream| {
            stream.write_all(sent.as_bytes()).unwrap();
            sender.send("sent").unwrap();
            // Returns when the client closes or resets the connection.
            let _ = stream.read(&mut [0]);
            sender.send("closed").unwrap();
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            let client = client();
            for _ in 0..2 {
                tokio::select! {
                    response = client.exchange(get(&server.url())) => panic!("{response:?}"),
                    word = receiver.recv() => assert_eq!(word, Some("sent")),
                }
                assert_eq!(receiver.recv().await, Some("closed"), "{sent}");
            }
        });
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Responds to every request with the connection's number.
fn numbering_server() -> RawServer {
    RawServer::serve(|peer| {
        while peer.receive() {
            peer.respond(&peer.number.to_string());
        }
    })
}

fn body(runtime: &Runtime, client: &ReqwestClient, server: &RawServer) -> String {
    let response = runtime.block_on(client.exchange(get(&server.url())));
    String::from_utf8(response.unwrap().into_body()).unwrap()
}

/// The first runtime stays alive, but is not driven while the second one is.
#[test]
fn only_the_runtime_that_opened_a_connection_uses_it() {
    let server = numbering_server();
    let client = client();
    let [first, second] = [runtime(), runtime()];
    assert_eq!(body(&first, &client, &server), "0");
    assert_eq!(body(&second, &client.clone(), &server), "1");
    assert_eq!(body(&first, &client, &server), "0");
    assert_eq!(body(&second, &client, &server), "1");
    drop(first);
    assert_eq!(body(&runtime(), &client, &server), "2");
}

#[test]
fn many_runtimes_in_turn_keep_their_connections() {
    let server = numbering_server();
    let client = client();
    let runtimes: Vec<Runtime> = (0..40).map(|_| runtime()).collect();
    for _ in 0..2 {
        for (number, runtime) in runtimes.iter().enumerate() {
            assert_eq!(body(runtime, &client, &server), number.to_string());
        }
    }
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let (panicked, thread) = (Arc::new(AtomicBool::new(false)), thread::current().id());
    let (flag, hook) = (Arc::clone(&panicked), panic::take_hook());
    panic::set_hook(Box::new(move |info| {
        flag.fetch_or(thread::current().id() == thread, Ordering::SeqCst);
        hook(info);
    }));
    let client = client();
    let mut exchange = pin!(client.exchange(get("https://localhost/")));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(response) = exchange.as_mut().poll(&mut context) else {
        panic!("the future is pending")
    };
    let error = response.unwrap_err();
    assert_eq!(error.kind(), Kind::Other);
    assert!(error.source().unwrap().to_string().contains("no reactor"));
    assert!(!panicked.load(Ordering::SeqCst));
}

/// The client cannot query whether time is enabled, so it catches the panic.
#[test]
fn in_a_runtime_without_time_there_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let response = runtime
        .unwrap()
        .block_on(client().exchange(get("https://localhost/")));
    assert_eq!(response.unwrap_err().kind(), Kind::Other);
}
