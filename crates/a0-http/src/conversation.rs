//! The sans-IO loop: protocol code yields requests, a driver answers them.

use std::fmt;

use http::{Request, Response};

#[cfg(feature = "async")]
use crate::AsyncHttpClient;
use crate::{HttpClient, TransportError, TransportErrorKind};

/// The most exchanges that one conversation gets: 8.
///
/// A server's answer can make a conversation ask again (a nonce to use, a key to look up), and a
/// server that always does so must not keep a caller for ever. The longest conversation that this
/// crate was made for has four exchanges: metadata, a key set or a token, and one retry of each
/// kind. 8 is twice that.
pub const MAX_EXCHANGES: usize = 8;

/// A protocol's part of a talk with a server, between two exchanges.
///
/// It holds what the protocol knows so far and does no input or output. Each answer consumes it and
/// gives the next [`Step`]. The crate's front page has a worked example.
pub trait Conversation: Sized {
    /// What the conversation is held for.
    type Output;
    /// Why it may fail. An error of the transport comes in through [`resume`](Self::resume), and
    /// what becomes of it is the protocol's choice.
    type Error;

    /// Takes the answer to the request of the last [`Step::Fetch`].
    ///
    /// `answer` is the response with whatever status it has, or the reason why there is none. A
    /// conversation must come to an end when it is resumed with errors: [`drive`] sends nothing
    /// more after [`MAX_EXCHANGES`], but it can only go on asking the conversation to finish.
    ///
    /// # Errors
    ///
    /// The conversation's own, when it cannot go on.
    fn resume(
        self,
        answer: Result<Response<Vec<u8>>, TransportError>,
    ) -> Result<Step<Self>, Self::Error>;
}

/// What a conversation wants next. [`drive`] has an example of one, the crate's front page of two in
/// a row.
///
/// It is generic over the conversation alone, so that a signature reads `Step<Discovery>` and the
/// output cannot disagree with the one that the conversation names.
#[must_use = "a step does nothing until it is driven"]
#[allow(
    clippy::exhaustive_enums,
    reason = "a driver must handle every step; a third kind would break all of them anyway"
)]
#[allow(
    clippy::large_enum_variant,
    reason = "a step is moved once per exchange; a box would cost its users a dereference for that"
)]
pub enum Step<P: Conversation> {
    /// Send this request, then resume the conversation with the answer.
    Fetch(Request<Vec<u8>>, P),
    /// The conversation is over.
    Done(P::Output),
}

/// Names the kind of step and nothing of its content: requests carry credentials.
impl<P: Conversation> fmt::Debug for Step<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch(..) => "Fetch(..)",
            Self::Done(_) => "Done(..)",
        })
    }
}

/// Holds a conversation to its end over a blocking client.
///
/// `step` is the conversation's first step; one that is already done needs no exchange. After
/// [`MAX_EXCHANGES`] nothing more is sent: the conversation is resumed with
/// [`TransportErrorKind::TooManyExchanges`] instead of an answer.
///
/// # Errors
///
/// The conversation's own error. An error of the transport reaches the conversation first, which
/// says what becomes of it.
///
/// # Example
///
/// ```
/// use a0_http::{Conversation, Step, TransportError, drive};
///
/// /// Asks one server for its status.
/// struct Ping;
///
/// impl Conversation for Ping {
///     type Output = http::StatusCode;
///     type Error = TransportError;
///
///     fn resume(
///         self,
///         answer: Result<http::Response<Vec<u8>>, TransportError>,
///     ) -> Result<Step<Self>, TransportError> {
///         Ok(Step::Done(answer?.status()))
///     }
/// }
///
/// let client = |_: http::Request<Vec<u8>>| Ok::<_, TransportError>(http::Response::new(Vec::new()));
/// let request = http::Request::get("https://server.example/").body(Vec::new())?;
/// assert_eq!(drive(&client, Step::Fetch(request, Ping))?, 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn drive<C, P>(client: &C, step: Step<P>) -> Result<P::Output, P::Error>
where
    C: HttpClient + ?Sized,
    P: Conversation,
{
    let mut allowance = Allowance(MAX_EXCHANGES);
    let mut step = step;
    loop {
        step = match step {
            Step::Done(output) => return Ok(output),
            Step::Fetch(request, conversation) => {
                let answer = allowance.spend().and_then(|()| client.exchange(request));
                conversation.resume(answer)?
            }
        };
    }
}

/// Holds a conversation to its end over an async client: [`drive`] for async callers, with the same
/// conversations and the same limit.
///
/// It names no runtime: the future waits for nothing but the client's. It may be dropped at any
/// time, and the conversation and the exchange under way are dropped with it.
///
/// # Errors
///
/// As [`drive`].
///
/// # Example
///
/// ```
/// use a0_http::{Conversation, Step, TransportError, drive_async};
///
/// type Request = http::Request<Vec<u8>>;
/// type Response = http::Response<Vec<u8>>;
///
/// /// Asks one server for its status.
/// struct Ping;
///
/// impl Conversation for Ping {
///     type Output = http::StatusCode;
///     type Error = TransportError;
///
///     fn resume(self, answer: Result<Response, TransportError>) -> Result<Step<Self>, TransportError> {
///         Ok(Step::Done(answer?.status()))
///     }
/// }
///
/// async fn ping() -> Result<http::StatusCode, Box<dyn std::error::Error>> {
///     let client = |_: Request| async { Ok::<_, TransportError>(Response::new(Vec::new())) };
///     let request = http::Request::get("https://server.example/").body(Vec::new())?;
///     Ok(drive_async(&client, Step::Fetch(request, Ping)).await?)
/// }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// assert_eq!(ping().await?, 200);
/// # Ok::<_, Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "async")]
pub async fn drive_async<C, P>(client: &C, step: Step<P>) -> Result<P::Output, P::Error>
where
    C: AsyncHttpClient + ?Sized,
    P: Conversation,
{
    let mut allowance = Allowance(MAX_EXCHANGES);
    let mut step = step;
    loop {
        step = match step {
            Step::Done(output) => return Ok(output),
            Step::Fetch(request, conversation) => {
                let answer = match allowance.spend() {
                    Ok(()) => client.exchange(request).await,
                    Err(error) => Err(error),
                };
                conversation.resume(answer)?
            }
        };
    }
}

/// The exchanges that a conversation may still have.
struct Allowance(usize);

impl Allowance {
    fn spend(&mut self) -> Result<(), TransportError> {
        let left = self.0.checked_sub(1);
        self.0 = left.ok_or(TransportErrorKind::TooManyExchanges)?;
        Ok(())
    }
}
