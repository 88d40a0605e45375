//! Streams that end when the access token expires.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use auth0_api::NumericDate;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

/// The moment at which an access token expires, for responses and connections that outlive it: a token
/// is verified once, when a request begins, and a download, a stream of events or a WebSocket may last
/// for hours.
///
/// The moment is on the monotonic clock. A wall clock that is set back later does not prolong it.
///
/// ```
/// use std::time::Duration;
/// use a0_tower::guard::{AtExpiry, Expiry};
/// # async fn events() -> &'static str { "" }
///
/// # async fn handler(exp: auth0_api::NumericDate, now: auth0_api::NumericDate) {
/// let expiry = Expiry::at(exp, now);
///
/// // A response.
/// let body = axum::body::Body::from("...");
/// let body = axum::body::Body::new(expiry.body(body, AtExpiry::Abort));
///
/// // A WebSocket, or any other future: dropped when the token expires.
/// let result = expiry.run(events()).await;
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Expiry {
    /// `None` if it is later than the clock can tell.
    at: Option<Instant>,
}

impl Expiry {
    /// The moment `exp`, if it is `now` by the wall clock. `now` is the time of the verification, and
    /// this is called soon after it. For an API with a leeway, pass `exp.plus(leeway)`: until then the
    /// token would be accepted again.
    pub fn at(exp: NumericDate, now: NumericDate) -> Self {
        Expiry::since(Instant::now(), exp, now)
    }

    /// The moment `end`, if it was `start_time` by the wall clock at the moment `start`.
    pub(crate) fn since(start: Instant, end: NumericDate, start_time: NumericDate) -> Self {
        let seconds = (end.as_seconds() - start_time.as_seconds()).max(0.0);
        let duration = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        let at = start.checked_add(duration);
        Expiry { at }
    }

    /// The moment after this time from now.
    pub fn after(duration: Duration) -> Self {
        let at = Instant::now().checked_add(duration);
        Expiry { at }
    }

    /// Returns a future that is ready when the token has expired. It uses the timer of `tokio`. Outside a
    /// `tokio` runtime nothing wakes its task, and it is ready when it is polled after that time.
    ///
    /// A WebSocket can so be closed with a reason, which [`run`](Self::run) cannot give:
    ///
    /// ```
    /// # use a0_tower::guard::Expiry;
    /// # struct Socket;
    /// # impl Socket {
    /// #     async fn recv(&mut self) -> Option<String> { None }
    /// #     async fn close(self, code: u16, reason: &str) {}
    /// # }
    /// async fn session(mut socket: Socket, expiry: Expiry) {
    ///     let mut expired = std::pin::pin!(expiry.wait());
    ///     loop {
    ///         tokio::select! {
    ///             biased;
    ///             // 3000 is `Unauthorized` in the registry of close codes.
    ///             () = &mut expired => return socket.close(3000, "token expired").await,
    ///             message = socket.recv() => match message {
    ///                 Some(message) => println!("{message}"),
    ///                 None => return,
    ///             },
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// The future panics in a `tokio` runtime whose timer is not enabled.
    pub fn wait(self) -> Wait {
        Wait {
            at: self.at,
            sleep: None,
        }
    }

    /// Returns a body that ends when the token has expired.
    pub fn body<B: Body>(self, body: B, at_expiry: AtExpiry) -> GuardedBody<B, Wait> {
        GuardedBody::new(body, self.wait(), at_expiry)
    }

    /// Runs a future, such as the session of a WebSocket, and drops it when the token has expired.
    ///
    /// # Errors
    ///
    /// [`Expired`], also for a future that would be ready when it is polled after that time.
    pub async fn run<F: Future>(self, future: F) -> Result<F::Output, Expired> {
        run_until(self.wait(), future).await
    }
}

pin_project! {
    /// The future of [`Expiry::wait`].
    #[derive(Debug)]
    pub struct Wait {
        at: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(at) = *this.at else {
            return Poll::Pending;
        };
        // The timer of a busy runtime may be late.
        if Instant::now() >= at {
            return Poll::Ready(());
        }
        if this.sleep.is_none() && tokio::runtime::Handle::try_current().is_ok() {
            this.sleep.set(Some(sleep_until(at)));
        }
        match this.sleep.as_pin_mut() {
            Some(sleep) => sleep.poll(context),
            None => Poll::Pending,
        }
    }
}

/// How a [`GuardedBody`] ends when the token has expired before the body is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtExpiry {
    /// With an error. HTTP/1.1 then closes the connection without the last chunk, and HTTP/2 resets the
    /// stream, so that a client does not take a part of a download for the whole.
    Abort,
    /// As if the body were complete. For streams that have no end of their own, such as server-sent
    /// events, whose clients connect again. The length of the body is then announced only if the response
    /// has the field `Content-Length`.
    End,
}

pin_project! {
    /// A body that ends when the access token has expired.
    ///
    /// Nothing that becomes ready after that is delivered, and the inner body is dropped. A body that is
    /// complete by then ends as it would. What the server has taken before may still be on its way to the
    /// client, and a client that does not read keeps its connection as long as the server's own limits
    /// allow.
    ///
    /// `T` is the future that tells the time: [`Wait`], or one of another timer.
    #[derive(Debug)]
    pub struct GuardedBody<B, T> {
        #[pin]
        body: Option<B>,
        #[pin]
        expired: T,
        at_expiry: AtExpiry,
    }
}

impl<B: Body, T: Future<Output = ()>> GuardedBody<B, T> {
    /// Guards a body until `expired` is ready.
    ///
    /// ```
    /// use a0_tower::guard::{AtExpiry, GuardedBody};
    ///
    /// let body = String::from("events");
    /// let body = GuardedBody::new(body, std::future::pending(), AtExpiry::End);
    /// # let _ = body;
    /// ```
    pub fn new(body: B, expired: T, at_expiry: AtExpiry) -> Self {
        let body = Some(body);
        GuardedBody {
            body,
            expired,
            at_expiry,
        }
    }
}

impl<B: Body, T: Future<Output = ()>> Body for GuardedBody<B, T> {
    type Data = B::Data;
    type Error = GuardError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let is_expired = this.expired.poll(context).is_ready();
        let frame = match body.poll_frame(context) {
            Poll::Ready(None) => None,
            _ if is_expired && *this.at_expiry == AtExpiry::End => None,
            _ if is_expired => Some(Err(GuardError::Expired)),
            Poll::Ready(Some(frame)) => Some(frame.map_err(GuardError::Body)),
            Poll::Pending => return Poll::Pending,
        };
        if !matches!(frame, Some(Ok(_))) {
            this.body.set(None);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let Some(body) = &self.body else {
            return SizeHint::with_exact(0);
        };
        let whole = body.size_hint();
        if self.at_expiry == AtExpiry::Abort {
            return whole;
        }
        let mut hint = SizeHint::new();
        if let Some(upper) = whole.upper() {
            hint.set_upper(upper);
        }
        hint
    }
}

/// Runs a future until `expired` is ready, and drops it then. `expired` may be of any timer.
///
/// # Errors
///
/// [`Expired`], also for a future that would be ready when it is polled after that time.
pub async fn run_until<F: Future>(
    expired: impl Future<Output = ()>,
    future: F,
) -> Result<F::Output, Expired> {
    let mut expired = pin!(expired);
    let mut future = pin!(future);
    poll_fn(|context| match expired.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(Err(Expired)),
        Poll::Pending => future.as_mut().poll(context).map(Ok),
    })
    .await
}

/// The access token has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token has expired")]
#[non_exhaustive]
pub struct Expired;

/// The error of a [`GuardedBody`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError<E> {
    /// The access token has expired.
    #[error("the access token has expired")]
    Expired,
    /// The error of the inner body.
    #[error(transparent)]
    Body(E),
}
