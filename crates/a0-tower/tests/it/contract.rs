//! The contract of `tower::Service`, and middleware around the layer and inside it.

use std::future::{Ready, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::common::{bearer, builder, client, dpop, tenant, token};
use a0_testkit::ProofKey;
use a0_tower::{Auth, AuthService};
use auth0_api::asynchronous::ApiClient;
use http::{Request, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tower_layer::Layer;
use tower_service::Service;

/// As the `ConcurrencyLimit` of tower: ready if there is a permit, which a clone does not share.
struct Limited {
    permits: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    calls: Arc<AtomicUsize>,
}

impl Limited {
    fn new() -> Self {
        Limited {
            permits: Arc::new(Semaphore::new(1)),
            permit: None,
            calls: Arc::default(),
        }
    }
}

impl Clone for Limited {
    fn clone(&self) -> Self {
        Limited {
            permits: Arc::clone(&self.permits),
            permit: None,
            calls: Arc::clone(&self.calls),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Broken;

impl Service<Request<()>> for Limited {
    type Response = Response<()>;
    type Error = Broken;
    type Future = Ready<Result<Response<()>, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.permit.is_none() {
            self.permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        }
        match self.permit {
            Some(_) => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        drop(self.permit.take().expect("called before it was ready"));
        self.calls.fetch_add(1, Ordering::Relaxed);
        ready(match request.uri().path() {
            "/broken" => Err(Broken),
            _ => Ok(Response::new(())),
        })
    }
}

fn is_ready(service: &mut AuthService<Limited>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    service.poll_ready(&mut context).is_ready()
}

fn request(path: &str, authorization: &str) -> Request<()> {
    let request = Request::get(path).header("authorization", authorization);
    request.body(()).unwrap()
}

fn warm(client: &ApiClient) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    runtime.block_on(client.warm_up()).unwrap();
}

#[test]
fn the_service_that_was_ready_makes_the_call() {
    let tenant = tenant();
    let client = client(&tenant);
    warm(&client);
    let good = bearer(&token(&tenant).mint().unwrap()).remove(0).1;
    let inner = Limited::new();
    let calls = Arc::clone(&inner.calls);
    let mut service = Auth::new(client).exclude("/excluded").layer(inner);
    let mut context = Context::from_waker(Waker::noop());
    for (path, field, status) in [
        ("/", &*good, Some(200)),
        ("/", "Bearer opaque", Some(401)),
        ("/excluded", "", Some(200)),
        ("/broken", &good, None),
        ("/", &good, Some(200)),
    ] {
        assert!(is_ready(&mut service), "{path} with {field}");
        let before = calls.load(Ordering::Relaxed);
        let mut call = pin!(service.call(request(path, field)));
        let Poll::Ready(answer) = call.as_mut().poll(&mut context) else {
            panic!("{path}: the keys are in memory");
        };
        assert_eq!(answer.ok().map(|it| it.status().as_u16()), status, "{path}");
        let called = calls.load(Ordering::Relaxed) - before;
        assert_eq!(called, usize::from(status != Some(401)), "{path}");
    }
}

/// A server for HTTP/2 may leave white space around values.
#[test]
fn white_space_is_no_credential() {
    let tenant = tenant();
    let mut service = Auth::new(client(&tenant)).optional().layer(Limited::new());
    for (field, status) in [("", 200), (" ", 200), (" \t ", 200), (" x", 401)] {
        assert!(is_ready(&mut service));
        let mut call = pin!(service.call(request("/", field)));
        let answer = poll_once(call.as_mut(), Waker::noop());
        let answer = answer.map(|it| it.unwrap().status().as_u16());
        assert_eq!(answer, Poll::Ready(status), "{field:?}");
    }
}

#[test]
fn a_dropped_call_gives_its_permit_back_and_calls_nothing() {
    let tenant = tenant();
    let good = bearer(&token(&tenant).mint().unwrap()).remove(0).1;
    let inner = Limited::new();
    let calls = Arc::clone(&inner.calls);
    let mut service = Auth::new(client(&tenant)).layer(inner);
    assert!(is_ready(&mut service));
    let call = service.call(request("/", &good));
    assert!(!is_ready(&mut service), "the call has the permit");
    drop(call);
    assert!(is_ready(&mut service));
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Keys that come from another task wake the call, with the waker of its last poll.
#[test]
fn a_call_that_waits_for_keys_is_woken() {
    let tenant = tenant();
    let (sender, receiver) = oneshot::channel::<()>();
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let handle = tenant.client();
    let client = builder(&tenant).async_http_client(move |request| {
        let (receiver, handle) = (receiver.lock().unwrap().take(), handle.clone());
        async move {
            if let Some(receiver) = receiver {
                receiver.await.unwrap();
            }
            handle(request)
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let _guard = runtime.enter();
    let mut service = Auth::new(client.build_async().unwrap()).layer(Limited::new());
    assert!(is_ready(&mut service));
    let good = bearer(&token(&tenant).mint().unwrap()).remove(0).1;
    let mut call = Box::pin(service.call(request("/", &good)));
    let wakes = [(); 2].map(|()| Arc::new(Wakes(AtomicUsize::new(0))));
    for wakes in &wakes {
        let waker = Waker::from(Arc::clone(wakes));
        let poll = poll_once(call.as_mut(), &waker);
        assert!(poll.is_pending());
        runtime.block_on(tokio::task::yield_now());
    }
    sender.send(()).unwrap();
    runtime.block_on(async {
        while wakes[1].0.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(call.await.unwrap().status(), 200);
    });
}

fn poll_once<F: Future>(call: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    call.poll(&mut Context::from_waker(waker))
}

/// A middleware that retries sends the same proof again.
#[test]
fn a_retried_request_is_verified_again() {
    let tenant = tenant();
    let client = client(&tenant);
    warm(&client);
    let key = ProofKey::generate().unwrap();
    let mut service = Auth::new(client).layer(Limited::new());
    let mut send = |fields: &[(&'static str, String)]| {
        assert!(is_ready(&mut service));
        let request = Request::get("/").body(()).unwrap();
        let (mut parts, body) = request.into_parts();
        for (name, value) in fields {
            parts.headers.insert(*name, value.parse().unwrap());
        }
        let mut call = pin!(service.call(Request::from_parts(parts, body)));
        match poll_once(call.as_mut(), Waker::noop()) {
            Poll::Ready(answer) => answer.unwrap().status().as_u16(),
            Poll::Pending => panic!("the keys are in memory"),
        }
    };
    let good = bearer(&token(&tenant).mint().unwrap());
    assert_eq!([send(&good), send(&good)], [200, 200]);
    let proof = dpop(&tenant, &key, "https://api.example/");
    assert_eq!([send(&proof), send(&proof)], [200, 401]);
}
