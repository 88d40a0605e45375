//! The sans-IO loop: protocol code yields requests, and a driver resumes it with the responses.

use std::fmt;

use http::{Request, Response};

#[cfg(feature = "async")]
use crate::AsyncHttpClient;
use crate::{HttpClient, TransportError, TransportErrorKind};

/// The maximum number of exchanges in one conversation: 8.
///
/// A response can make a conversation send another request (with a nonce, or for a new key). A
/// server that always does so must not keep a caller busy forever. The longest conversation that
/// this crate was made for has four exchanges: metadata, a key set or a token, and one retry of
/// each. The limit is twice that.
pub const MAX_EXCHANGES: usize = 8;

/// Protocol code that waits for a response.
///
/// A conversation holds the protocol's state between two exchanges and does no I/O. Each response
/// consumes it and produces the next [`Step`]. The [crate documentation](crate) has a worked
/// example.
pub trait Conversation: Sized {
    /// The result of the whole conversation.
    type Output;
    /// The conversation's own error. Transport errors arrive through [`resume`](Self::resume), and
    /// the conversation decides how to handle them.
    type Error;

    /// Takes the response to the request of the last [`Step::Fetch`].
    ///
    /// `response` is a response with any status, or the reason why there is none. A conversation
    /// that is resumed with errors must end at some point: after [`MAX_EXCHANGES`] [`drive`] sends
    /// nothing more, but it keeps resuming the conversation until that is done or fails.
    ///
    /// # Errors
    ///
    /// Returns the conversation's own error if it cannot go on.
    fn resume(
        self,
        response: Result<Response<Vec<u8>>, TransportError>,
    ) -> Result<Step<Self>, Self::Error>;
}

/// The next step of a conversation: a request to send, or the result.
///
/// [`drive`] has an example with one exchange, the [crate documentation](crate) one with two.
///
/// The type has only one parameter, the conversation. So a signature reads `Step<Discovery>`, and
/// the output is always the one that the conversation declares.
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
    /// Send this request, then resume the conversation with the response.
    Fetch(Request<Vec<u8>>, P),
    /// The conversation is over.
    Done(P::Output),
}

/// Shows only the variant, because requests carry credentials.
impl<P: Conversation> fmt::Debug for Step<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetch(..) => "Fetch(..)",
            Self::Done(_) => "Done(..)",
        })
    }
}

/// Drives a conversation to its end with a blocking client.
///
/// `step` is the conversation's first step; a [`Step::Done`] needs no exchange. After
/// [`MAX_EXCHANGES`] nothing more is sent: the conversation is resumed with
/// [`TransportErrorKind::TooManyExchanges`] instead of a response.
///
/// # Errors
///
/// Returns the conversation's own error. A transport error goes to the conversation first, which
/// decides how to handle it.
///
/// # Example
///
/// ```
/// use a0_http::{Conversation, Step, TransportError, drive};
///
/// /// Requests the status of one server.
/// struct Ping;
///
/// impl Conversation for Ping {
///     type Output = http::StatusCode;
///     type Error = TransportError;
///
///     fn resume(
///         self,
///         response: Result<http::Response<Vec<u8>>, TransportError>,
///     ) -> Result<Step<Self>, TransportError> {
///         Ok(Step::Done(response?.status()))
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
                let response = allowance.spend().and_then(|()| client.exchange(request));
                conversation.resume(response)?
            }
        };
    }
}

/// Drives a conversation to its end with an async client: [`drive`] for async callers, with the
/// same conversations and the same limit. Needs the feature `async`.
///
/// It works on any runtime, because the future only awaits the client's futures. It may be dropped
/// at any time, which drops the conversation and the current exchange too.
///
/// # Errors
///
/// Returns the same errors as [`drive`].
///
/// # Example
///
/// ```
/// use a0_http::{Conversation, Step, TransportError, drive_async};
///
/// type Request = http::Request<Vec<u8>>;
/// type Response = http::Response<Vec<u8>>;
///
/// /// Requests the status of one server.
/// struct Ping;
///
/// impl Conversation for Ping {
///     type Output = http::StatusCode;
///     type Error = TransportError;
///
///     fn resume(self, response: Result<Response, TransportError>) -> Result<Step<Self>, TransportError> {
///         Ok(Step::Done(response?.status()))
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
                let response = match allowance.spend() {
                    Ok(()) => client.exchange(request).await,
                    Err(error) => Err(error),
                };
                conversation.resume(response)?
            }
        };
    }
}

/// The number of exchanges that remain for a conversation.
struct Allowance(usize);

impl Allowance {
    fn spend(&mut self) -> Result<(), TransportError> {
        let remaining = self.0.checked_sub(1);
        self.0 = remaining.ok_or(TransportErrorKind::TooManyExchanges)?;
        Ok(())
    }
}
