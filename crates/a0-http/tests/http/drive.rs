//! The drivers, with closures as clients. Each case runs with the blocking and with the async
//! driver.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use a0_http::{
    Conversation, HttpClient, MAX_EXCHANGES, Step, TransportError, TransportErrorKind, drive,
};

type Request = http::Request<Vec<u8>>;
type Response = http::Response<Vec<u8>>;

fn get(path: &str) -> Request {
    let url = format!("https://server.example{path}");
    http::Request::get(url).body(Vec::new()).unwrap()
}

/// Fetches `/1`, `/2` and so on up to `last`, and collects the bodies.
struct Count {
    last: usize,
    bodies: Vec<String>,
}

impl Count {
    fn start(last: usize) -> Step<Self> {
        Self {
            last,
            bodies: Vec::new(),
        }
        .next()
    }

    fn next(self) -> Step<Self> {
        match self.bodies.len() {
            n if n == self.last => Step::Done(self.bodies),
            n => Step::Fetch(get(&format!("/{}", n + 1)), self),
        }
    }
}

impl Conversation for Count {
    type Output = Vec<String>;
    type Error = TransportError;

    fn resume(
        mut self,
        response: Result<Response, TransportError>,
    ) -> Result<Step<Self>, TransportError> {
        self.bodies
            .push(String::from_utf8(response?.into_body()).unwrap());
        Ok(self.next())
    }
}

type Client<'a> = dyn Fn(Request) -> io::Result<Response> + Send + Sync + 'a;
type Drive<P> =
    fn(&Client<'_>, Step<P>) -> Result<<P as Conversation>::Output, <P as Conversation>::Error>;

fn drivers<P: Conversation>() -> Vec<Drive<P>> {
    vec![
        |client, step| drive(&client, step),
        #[cfg(feature = "async")]
        asynchronous::drive,
    ]
}

fn echo(request: Request) -> io::Result<Response> {
    Ok(Response::new(request.uri().path().into()))
}

#[test]
fn responses_arrive_in_order() {
    for drive in drivers() {
        for (exchanges, expected) in [(0, vec![]), (1, vec!["/1"]), (2, vec!["/1", "/2"])] {
            assert_eq!(drive(&echo, Count::start(exchanges)).unwrap(), expected);
        }
    }
}

#[test]
fn a_conversation_has_at_most_eight_exchanges() {
    assert_eq!(MAX_EXCHANGES, 8);
    for drive in drivers() {
        for (wanted, sent) in [(8, 8), (9, 8), (1_000, 8)] {
            let count = AtomicUsize::new(0);
            let client = |request: Request| {
                count.fetch_add(1, Ordering::Relaxed);
                echo(request)
            };
            let result = drive(&client, Count::start(wanted));
            assert_eq!(count.load(Ordering::Relaxed), sent, "{wanted}");
            if wanted == 8 {
                assert_eq!(result.unwrap().len(), 8);
            } else {
                let error = TransportErrorKind::TooManyExchanges.into();
                assert_eq!(result, Err(error), "{wanted}");
            }
        }
    }
}

/// Fetches again after every transport error.
struct Retry(usize);

impl Conversation for Retry {
    type Output = String;
    type Error = &'static str;

    fn resume(
        self,
        response: Result<Response, TransportError>,
    ) -> Result<Step<Self>, &'static str> {
        match response {
            Ok(response) if response.status() == 200 => Ok(Step::Done(format!("after {}", self.0))),
            Ok(_) => Err("refused"),
            Err(_) => Ok(Step::Fetch(get("/again"), Self(self.0 + 1))),
        }
    }
}

#[test]
fn the_conversation_decides_about_failures_and_statuses() {
    type Script = &'static [Option<u16>];
    let scripts: [(Script, Result<&str, &str>); 4] = [
        (&[Some(200)], Ok("after 0")),
        (&[None, Some(200)], Ok("after 1")),
        (&[None, None, Some(503)], Err("refused")),
        (&[Some(302)], Err("refused")),
    ];
    for drive in drivers() {
        for (script, expected) in scripts {
            let responses = Mutex::new(script.iter());
            let client = |_: Request| match responses.lock().unwrap().next().unwrap() {
                Some(status) => Ok(http::Response::builder()
                    .status(*status)
                    .body(Vec::new())
                    .unwrap()),
                None => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            };
            let result = drive(&client, Step::Fetch(get("/"), Retry(0)));
            assert_eq!(
                result.as_deref(),
                expected.as_ref().map(|text| *text),
                "{script:?}"
            );
        }
    }
}

#[test]
fn the_request_arrives_unchanged() {
    for drive in drivers() {
        let seen = Mutex::new(None);
        let client = |request: Request| {
            *seen.lock().unwrap() = Some(request);
            Ok(Response::new(Vec::new()))
        };
        let request = http::Request::post("https://server.example/a?b=c")
            .header("x-one", "1")
            .body(b"body".to_vec())
            .unwrap();
        let count = Count {
            last: 1,
            bodies: Vec::new(),
        };
        drive(&client, Step::Fetch(request, count)).unwrap();
        let seen = seen.lock().unwrap().take().unwrap();
        assert_eq!(seen.method(), "POST");
        assert_eq!(seen.uri(), "https://server.example/a?b=c");
        assert_eq!(seen.headers()["x-one"], "1");
        assert_eq!(seen.body(), b"body");
    }
}

/// A client that is not a closure.
struct Fixed(&'static str);

impl HttpClient for Fixed {
    fn exchange(&self, _: Request) -> Result<Response, TransportError> {
        Ok(Response::new(self.0.into()))
    }
}

#[test]
fn every_form_of_client_drives() {
    let one = || Count::start(1);
    let boxed: Box<dyn HttpClient> = Box::new(Fixed("boxed"));
    let shared: Arc<dyn HttpClient> = Arc::new(Fixed("shared"));
    let closure: Arc<dyn HttpClient> = Arc::new(echo);
    assert_eq!(drive(&Fixed("plain"), one()).unwrap(), ["plain"]);
    assert_eq!(drive(&*boxed, one()).unwrap(), ["boxed"]);
    assert_eq!(drive(&*shared, one()).unwrap(), ["shared"]);
    assert_eq!(drive(&shared, one()).unwrap(), ["shared"]);
    assert_eq!(drive(&Arc::new(Fixed("arc")), one()).unwrap(), ["arc"]);
    assert_eq!(drive(&closure, one()).unwrap(), ["/1"]);
    assert_eq!(drive(&&echo, one()).unwrap(), ["/1"]);
    assert_eq!(drive(&Box::new(echo), one()).unwrap(), ["/1"]);
}

#[test]
fn a_step_shows_nothing_of_its_content() {
    let request = http::Request::post("https://server.example/s3cr3t")
        .header("authorization", "s3cr3t")
        .body(b"s3cr3t".to_vec())
        .unwrap();
    let fetch = Step::Fetch(
        request,
        Count {
            last: 1,
            bodies: vec!["s3cr3t".to_owned()],
        },
    );
    assert_eq!(format!("{fetch:?}"), "Fetch(..)");
    let done: Step<Count> = Step::Done(vec!["s3cr3t".to_owned()]);
    assert_eq!(format!("{done:?}"), "Done(..)");
}

#[cfg(feature = "async")]
mod asynchronous {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use a0_http::{AsyncHttpClient, ResponseFuture, drive_async};

    use super::*;

    /// Polls once, without a runtime: the future waits for nothing.
    fn poll_once<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the future is pending"),
        }
    }

    pub(super) fn drive<P>(client: &Client<'_>, step: Step<P>) -> Result<P::Output, P::Error>
    where
        P: Conversation,
    {
        let client = |request| std::future::ready(client(request));
        poll_once(drive_async(&client, step))
    }

    async fn echo(request: Request) -> io::Result<Response> {
        super::echo(request)
    }

    impl AsyncHttpClient for Fixed {
        fn exchange(&self, _: Request) -> ResponseFuture<'_> {
            Box::pin(async { Ok(Response::new(self.0.into())) })
        }
    }

    #[test]
    fn every_form_of_async_client_drives() {
        let one = || Count::start(1);
        let boxed: Box<dyn AsyncHttpClient> = Box::new(Fixed("boxed"));
        let shared: Arc<dyn AsyncHttpClient> = Arc::new(Fixed("shared"));
        let closure: Arc<dyn AsyncHttpClient> = Arc::new(echo);
        assert_eq!(
            poll_once(drive_async(&Fixed("plain"), one())).unwrap(),
            ["plain"]
        );
        assert_eq!(poll_once(drive_async(&*boxed, one())).unwrap(), ["boxed"]);
        assert_eq!(poll_once(drive_async(&*shared, one())).unwrap(), ["shared"]);
        assert_eq!(poll_once(drive_async(&shared, one())).unwrap(), ["shared"]);
        assert_eq!(poll_once(drive_async(&closure, one())).unwrap(), ["/1"]);
        assert_eq!(poll_once(drive_async(&&echo, one())).unwrap(), ["/1"]);
        assert_eq!(
            poll_once(drive_async(&Box::new(echo), one())).unwrap(),
            ["/1"]
        );
    }

    /// Fetches forever. The `Arc` counts the live copies.
    struct Held {
        _count: Arc<()>,
    }

    impl Conversation for Held {
        type Output = ();
        type Error = TransportError;

        fn resume(self, _: Result<Response, TransportError>) -> Result<Step<Self>, TransportError> {
            Ok(Step::Fetch(get("/again"), self))
        }
    }

    #[test]
    fn a_dropped_drive_leaves_nothing_behind() {
        let held = Arc::new(());
        let in_exchange = Arc::clone(&held);
        let client = move |_: Request| {
            let held = Arc::clone(&in_exchange);
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok::<_, TransportError>(Response::new(Vec::new()))
            }
        };
        let step = Step::Fetch(
            get("/"),
            Held {
                _count: Arc::clone(&held),
            },
        );
        let mut drive: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(drive_async(&client, step));
        let polled = drive.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        // Held by this test, the closure, the conversation and the exchange.
        assert_eq!(Arc::strong_count(&held), 4);
        drop(drive);
        assert_eq!(Arc::strong_count(&held), 2);
    }
}
