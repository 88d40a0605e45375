//! The service that the layer puts around another one.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::admission::{Decision, decide, hide_credentials};
use crate::body::AuthBody;
use crate::fields::DPOP_NONCE;
use crate::mark::Mark;
use crate::settings::Settings;

/// The service that [`Auth`](crate::Auth) puts around an inner service. It makes and passes on requests and
/// responses of any body.
#[derive(Clone)]
pub struct AuthService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> AuthService<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        AuthService { inner, settings }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for AuthService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<AuthBody<ResBody>>;
    type Error = S::Error;
    type Future = AuthFuture<S, ReqBody>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        hide_credentials(&mut parts.headers);
        // An outer layer may have another client, so its result must not reach a handler.
        let outer = Mark::take(&mut parts.extensions);
        let state = if self.settings.excludes(&parts) {
            let reading = &self.settings.reading;
            let _ = reading.take_token(&mut parts.headers);
            let _ = reading.take_certificate(&mut parts);
            State::Calling {
                future: self.inner.call(Request::from_parts(parts, body)),
                nonce: None,
            }
        } else {
            // The service that was polled ready makes the call; a clone of it may not be ready.
            let clone = self.inner.clone();
            State::Deciding {
                decision: Box::pin(decide(Arc::clone(&self.settings), parts, outer)),
                call: Some((mem::replace(&mut self.inner, clone), body)),
            }
        };
        AuthFuture { state }
    }
}

impl<S: fmt::Debug> fmt::Debug for AuthService<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthService")
            .field("inner", &self.inner)
            .field("auth", &self.settings)
            .finish()
    }
}

pin_project! {
    /// The future of an [`AuthService`]. It is `Send` if the inner service and the body are.
    pub struct AuthFuture<S: Service<Request<B>>, B> {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S: Service<Request<B>>, B> {
        Deciding {
            // Boxed, because the future of a verification has no name. It holds neither the inner
            // service nor the body, so these need not be `Send`.
            decision: Pin<Box<dyn Future<Output = Decision> + Send>>,
            call: Option<(S, B)>,
        },
        Calling {
            #[pin]
            future: S::Future,
            nonce: Option<HeaderValue>,
        },
    }
}

impl<S, ReqBody, ResBody> Future for AuthFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<AuthBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Deciding { decision, call } => {
                    match ready!(decision.as_mut().poll(context)) {
                        Decision::Refuse(answer) => {
                            return Poll::Ready(Ok(answer.map(AuthBody::answer)));
                        }
                        Decision::Pass { parts, nonce } => {
                            // Only a decision takes the call, and it is made once.
                            let Some((mut service, body)) = call.take() else {
                                return Poll::Pending;
                            };
                            let future = service.call(Request::from_parts(parts, body));
                            State::Calling { future, nonce }
                        }
                    }
                }
                StateProjection::Calling { future, nonce } => {
                    let response = ready!(future.poll(context));
                    let nonce = nonce.take();
                    return Poll::Ready(response.map(|response| with_nonce(response, nonce)));
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for AuthFuture<S, B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AuthFuture").finish_non_exhaustive()
    }
}

/// Sends a new nonce with a response (RFC 9449 section 8.2). Caches must not keep it.
fn with_nonce<B>(response: Response<B>, nonce: Option<HeaderValue>) -> Response<AuthBody<B>> {
    let mut response = response.map(AuthBody::inner);
    if let Some(nonce) = nonce {
        let headers = response.headers_mut();
        headers.insert(DPOP_NONCE, nonce);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
