//! Bodies and sessions that end when the token expires. The time is tokio's, paused, or a signal.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use a0_tower::guard::{AtExpiry, Expired, Expiry, GuardError, GuardedBody, run_until};
use auth0_api::NumericDate;
use axum::body::{Body, Bytes};
use axum::{Router, routing::get};
use http_body::{Body as _, Frame, SizeHint};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

/// A body that gives what a test sends. It has an exact size only if the test says so.
struct Chunks {
    receiver: mpsc::UnboundedReceiver<Result<&'static str, io::ErrorKind>>,
    size: Option<u64>,
}

type Sender = mpsc::UnboundedSender<Result<&'static str, io::ErrorKind>>;

fn chunks() -> (Sender, Chunks) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let size = None;
    (sender, Chunks { receiver, size })
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.receiver.poll_recv(context).map(|chunk| {
            let chunk = chunk?.map(|text| Frame::data(Bytes::from_static(text.as_bytes())));
            Some(chunk.map_err(io::Error::from))
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or(SizeHint::new(), SizeHint::with_exact)
    }
}

/// One poll, as text.
fn poll<T: Future<Output = ()>>(body: &mut Pin<Box<GuardedBody<Chunks, T>>>) -> String {
    let mut context = Context::from_waker(Waker::noop());
    match body.as_mut().poll_frame(&mut context) {
        Poll::Pending => "pending".to_owned(),
        Poll::Ready(None) => "end".to_owned(),
        Poll::Ready(Some(Err(GuardError::Body(error)))) => error.kind().to_string(),
        Poll::Ready(Some(Err(error))) => error.to_string(),
        Poll::Ready(Some(Ok(frame))) => {
            String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
        }
    }
}

/// Fails, and does not hang, if nothing ends a future.
async fn limited<F: Future>(future: F) -> F::Output {
    let result = tokio::time::timeout(Duration::from_secs(100), future).await;
    result.expect("nothing ends it")
}

const EXPIRED: &str = "the access token has expired";

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_after_exp() {
    for (at_expiry, expected) in [(AtExpiry::Abort, EXPIRED), (AtExpiry::End, "end")] {
        let (sender, body) = chunks();
        let expiry = Expiry::after(Duration::from_secs(60));
        let mut body = Box::pin(expiry.body(body, at_expiry));
        assert_eq!(poll(&mut body), "pending");
        sender.send(Ok("one")).unwrap();
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(poll(&mut body), "one");
        assert_eq!(poll(&mut body), "pending");
        assert!(!body.is_end_stream());
        sender.send(Ok("too late")).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(poll(&mut body), expected);
        assert!(sender.is_closed(), "the inner body is dropped");
        assert_eq!(poll(&mut body), "end");
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
}

/// The end of `exp` wakes a task that waits for the next chunk.
#[tokio::test(start_paused = true)]
async fn a_silent_body_ends_at_exp() {
    let (_sender, body) = chunks();
    let expiry = Expiry::after(Duration::from_secs(60));
    let mut body = Box::pin(expiry.body(body, AtExpiry::Abort));
    let start = tokio::time::Instant::now();
    let frame = std::future::poll_fn(|context| body.as_mut().poll_frame(context));
    assert!(matches!(
        limited(frame).await,
        Some(Err(GuardError::Expired))
    ));
    assert!(start.elapsed() >= Duration::from_secs(60));
    assert!(start.elapsed() < Duration::from_secs(61));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_complete_in_time_stays_whole() {
    for at_expiry in [AtExpiry::Abort, AtExpiry::End] {
        let (sender, body) = chunks();
        let expiry = Expiry::after(Duration::from_secs(60));
        let mut body = Box::pin(expiry.body(body, at_expiry));
        sender.send(Ok("all")).unwrap();
        drop(sender);
        assert_eq!(poll(&mut body), "all");
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(poll(&mut body), "end");
    }
}

#[test]
fn errors_of_the_inner_body_pass_and_end_it() {
    let (sender, body) = chunks();
    let mut body = Box::pin(GuardedBody::new(
        body,
        std::future::pending(),
        AtExpiry::End,
    ));
    sender.send(Err(io::ErrorKind::BrokenPipe)).unwrap();
    assert_eq!(poll(&mut body), "broken pipe");
    assert_eq!(poll(&mut body), "end");
}

#[test]
fn the_announced_length_is_true() {
    for (at_expiry, size, expected) in [
        (AtExpiry::Abort, Some(9), (9, Some(9))),
        (AtExpiry::Abort, None, (0, None)),
        (AtExpiry::End, Some(9), (0, Some(9))),
        (AtExpiry::End, None, (0, None)),
    ] {
        let (_sender, mut body) = chunks();
        body.size = size;
        let body = GuardedBody::new(body, std::future::pending(), at_expiry);
        let hint = body.size_hint();
        assert_eq!((hint.lower(), hint.upper()), expected, "{at_expiry:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn exp_is_counted_from_the_time_of_the_verification() {
    let date = |seconds: f64| NumericDate::from_json(&seconds.into()).unwrap();
    for (exp, now, seconds) in [
        (1_000_060.0, 1_000_000.0, 60.0),
        (1_000_000.5, 1_000_000.0, 0.5),
        (1_000_000.0, 1_000_000.0, 0.0),
        (999_999.0, 1_000_000.0, 0.0),
        (-1e300, 1e300, 0.0),
    ] {
        let start = tokio::time::Instant::now();
        limited(Expiry::at(date(exp), date(now)).wait()).await;
        let waited = start.elapsed().as_secs_f64();
        assert!(
            waited >= seconds && waited < seconds + 0.1,
            "{exp}: {waited}"
        );
    }
    // Beyond any clock: never, and no panic.
    for exp in [1e18, 1e300, f64::MAX] {
        let expiry = Expiry::at(date(exp), date(0.0));
        let result = expiry.run(async { "done" }).await;
        assert_eq!(result, Ok("done"));
        let mut wait = Box::pin(expiry.wait());
        let mut context = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_at_exp() {
    let expiry = Expiry::after(Duration::from_secs(60));
    assert_eq!(expiry.run(async { 1 }).await, Ok(1));

    struct OnDrop(Option<oneshot::Sender<()>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.take().unwrap().send(());
        }
    }
    let (sender, dropped) = oneshot::channel();
    let socket = OnDrop(Some(sender));
    let session = async move {
        let _socket = socket;
        std::future::pending::<()>().await
    };
    assert!(limited(expiry.run(session)).await.is_err());
    assert_eq!(dropped.await, Ok(()));

    // A message that is ready after exp is not handled.
    let ready: Result<(), Expired> = expiry.run(async { panic!("handled") }).await;
    assert!(ready.is_err());
    let by_any_timer = run_until(std::future::ready(()), async { panic!("handled") });
    assert!(by_any_timer.await.is_err());
}

#[test]
fn without_a_runtime_the_time_is_read_at_each_poll() {
    let mut context = Context::from_waker(Waker::noop());
    let mut wait = Box::pin(Expiry::after(Duration::from_secs(3600)).wait());
    assert!(wait.as_mut().poll(&mut context).is_pending());
    let mut wait = Box::pin(Expiry::after(Duration::ZERO).wait());
    assert!(wait.as_mut().poll(&mut context).is_ready());
}

/// A truncated download must not look whole to a client, and a stream of events must end cleanly.
#[tokio::test]
async fn a_client_sees_how_a_body_ended() {
    for (at_expiry, size, ends_cleanly) in [
        (AtExpiry::Abort, None, false),
        (AtExpiry::Abort, Some(9), false),
        (AtExpiry::End, None, true),
        (AtExpiry::End, Some(9), true),
    ] {
        let (sender, mut body) = chunks();
        body.size = size;
        let (expire, expired) = oneshot::channel();
        let expired = async move { expired.await.unwrap_or(()) };
        let body = Body::new(GuardedBody::new(body, expired, at_expiry));
        let slot = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
        let handler = move || async move { slot.lock().unwrap().take().unwrap() };
        let router = Router::new().route("/", get(handler));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await });

        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n";
        socket.write_all(request).await.unwrap();
        sender.send(Ok("half")).unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"half") && !text.ends_with(b"half\r\n") {
            assert_ne!(socket.read_buf(&mut text).await.unwrap(), 0);
        }
        expire.send(()).unwrap();
        sender.send(Ok("later")).ok();
        // An aborted connection may be reset.
        let _ = limited(socket.read_to_end(&mut text)).await;
        let text = String::from_utf8(text).unwrap();
        let is_chunked = text.contains("transfer-encoding: chunked");
        assert_eq!(is_chunked, size.is_none() || ends_cleanly, "{text}");
        assert_eq!(text.ends_with("\r\n0\r\n\r\n"), ends_cleanly, "{text}");
        assert!(!text.contains("later"), "{text}");
        server.abort();
    }
}
