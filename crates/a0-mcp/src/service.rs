//! The services that the layer puts around an MCP server.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use a0_tower::AuthBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::answer;
use crate::body::McpBody;
use crate::gate::decide;
use crate::origin::is_allowed;
use crate::settings::Settings;
use crate::stream::{AnswerBody, until};

/// The outermost service: it refuses pages of strangers' origins before anything else is looked at.
#[derive(Clone)]
pub struct McpService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> McpService<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        McpService { inner, settings }
    }
}

impl<S, B, R> Service<Request<B>> for McpService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<AuthBody<R>>;
    type Error = S::Error;
    type Future = McpFuture<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = match is_allowed(request.headers(), &self.settings.origins) {
            true => State::Calling {
                future: self.inner.call(request),
            },
            false => State::Refused {
                answer: Some(answer::origin()),
            },
        };
        McpFuture { state }
    }
}

impl<S: fmt::Debug> fmt::Debug for McpService<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("McpService")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish()
    }
}

pin_project! {
    /// The future of an [`McpService`].
    pub struct McpFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Calling { #[pin] future: F },
        Refused { answer: Option<Response<String>> },
    }
}

impl<F, R, E> Future for McpFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<AuthBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Calling { future } => {
                let response = ready!(future.poll(context));
                Poll::Ready(response.map(|response| response.map(AuthBody::inner)))
            }
            StateProjection::Refused { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer.map(AuthBody::answer))),
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for McpFuture<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("McpFuture").finish_non_exhaustive()
    }
}

/// The innermost service: it sees verified requests, and decides about their operations.
#[derive(Clone)]
pub struct GateService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> GateService<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        GateService { inner, settings }
    }
}

type GateBody<R> = AuthBody<AnswerBody<R>>;
type GateFuture<R, E> = Pin<Box<dyn Future<Output = Result<Response<GateBody<R>>, E>> + Send>>;

impl<S, B, R> Service<Request<B>> for GateService<S>
where
    S: Service<Request<McpBody<B>>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    R: Body<Data = Bytes> + 'static,
{
    type Response = Response<GateBody<R>>;
    type Error = S::Error;
    type Future = GateFuture<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready makes the call; a clone of it may not be ready.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let settings = Arc::clone(&self.settings);
        Box::pin(decide_and_call(inner, settings, request))
    }
}

async fn decide_and_call<S, B, R>(
    mut inner: S,
    settings: Arc<Settings>,
    request: Request<B>,
) -> Result<Response<GateBody<R>>, S::Error>
where
    S: Service<Request<McpBody<B>>, Response = Response<R>>,
    B: Body,
    R: Body<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let passed = match decide(Arc::clone(&settings), parts, body).await {
        Ok(passed) => passed,
        Err(answer) => return Ok(answer.map(AuthBody::answer)),
    };
    let request = Request::from_parts(passed.parts, passed.body);
    let mut response = inner.call(request).await?;
    settings.binding.seal(response.headers_mut(), &passed.owner);
    Ok(until(passed.ending, response).map(AuthBody::inner))
}

impl<S: fmt::Debug> fmt::Debug for GateService<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("GateService")
            .field("inner", &self.inner)
            .field("settings", &self.settings)
            .finish()
    }
}
