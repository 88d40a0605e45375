//! Why an exchange has no answer.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why an exchange has no complete answer.
///
/// Two errors are equal if their [`kind`](Self::kind) is. A clone shares the cause, so one failure
/// can be handed to all that waited for the exchange. The text says what happened and what can be
/// done, and holds nothing of the request or of the answer; the cause is in
/// [`source`](Error::source).
///
/// # Example
///
/// ```
/// use a0_http::{TransportError, TransportErrorKind};
/// use std::error::Error;
/// use std::io;
///
/// let error = TransportError::from(io::Error::from(io::ErrorKind::TimedOut));
/// assert_eq!(error.kind(), TransportErrorKind::Timeout);
/// assert!(error.source().is_some());
///
/// // For clients of your own:
/// let error = TransportError::new(TransportErrorKind::Tls, "the pin does not match");
/// assert_eq!(error, TransportErrorKind::Tls.into());
/// ```
#[derive(Clone)]
pub struct TransportError {
    kind: TransportErrorKind,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// An error of this `kind` with its `cause`, which becomes the [`source`](Error::source).
    ///
    /// The cause must not hold credentials: sources are what logs print. An error without a cause
    /// is made by `TransportError::from(kind)`.
    #[must_use]
    pub fn new(kind: TransportErrorKind, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = Some(Arc::from(cause.into()));
        Self { kind, cause }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

/// Shows the kind only: a cause can hold what a server said, and is for `source()` to give.
impl fmt::Debug for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportError")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The cause itself, not the `Arc`: only so can it be downcast.
        self.cause
            .as_deref()
            .map(|cause| cause as &(dyn Error + 'static))
    }
}

impl PartialEq for TransportError {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for TransportError {}

impl From<TransportErrorKind> for TransportError {
    fn from(kind: TransportErrorKind) -> Self {
        Self { kind, cause: None }
    }
}

/// Kept as the cause, except that an `io::Error` which wraps a `TransportError` gives that one back.
impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(inner) => inner,
            Err(error) => Self::new(kind_of_io(&error), error),
        }
    }
}

fn kind_of_io(error: &io::Error) -> TransportErrorKind {
    if is_out_of_descriptors(error) {
        return TransportErrorKind::Exhausted;
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TransportErrorKind::Timeout,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => TransportErrorKind::Connect,
        _ => TransportErrorKind::Io,
    }
}

/// Whether `error` says that the process or the system has no file descriptor left.
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    // `io::ErrorKind` has no name for these.
    #[cfg(unix)]
    const NO_DESCRIPTOR: [i32; 2] = [23, 24]; // ENFILE, EMFILE
    #[cfg(windows)]
    const NO_DESCRIPTOR: [i32; 2] = [4, 10024]; // ERROR_TOO_MANY_OPEN_FILES, WSAEMFILE
    #[cfg(not(any(unix, windows)))]
    const NO_DESCRIPTOR: [i32; 0] = [];

    error
        .raw_os_error()
        .is_some_and(|code| NO_DESCRIPTOR.contains(&code))
}

/// What went wrong in an exchange.
///
/// # Example
///
/// ```
/// use a0_http::TransportErrorKind;
///
/// let status = match TransportErrorKind::Timeout {
///     TransportErrorKind::Timeout => 504,
///     _ => 502,
/// };
/// assert_eq!(status, 504);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// Nothing was sent: the request is one that the client does not send, such as one whose URL
    /// is not `https`.
    Refused,
    /// The name could not be resolved, or no connection could be made.
    Connect,
    /// The process or the system has no file descriptor or no thread left to make a connection
    /// with. The server was not asked.
    Exhausted,
    /// TLS failed: most often the server's certificate is not valid for its name, or not signed by
    /// a trusted root.
    Tls,
    /// The answer was not complete when the time was over, at whichever stage.
    Timeout,
    /// The connection failed before the answer was complete.
    Io,
    /// What came back is not an HTTP answer.
    Protocol,
    /// The answer's status line and headers are larger than the client's limit.
    HeaderTooLarge,
    /// The answer's body is larger than the client's limit.
    BodyTooLarge,
    /// The answer's body has a content coding that the client did not ask for, or is not valid in
    /// the one that it did, or has a transfer coding other than `chunked`. The source says which.
    ContentCoding,
    /// The conversation wanted more than [`MAX_EXCHANGES`](crate::MAX_EXCHANGES) exchanges.
    TooManyExchanges,
    /// Anything else; see the error's source.
    Other,
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => {
                "the request was not sent; its URL must be absolute and begin with https://"
            }
            Self::Connect => {
                "no connection to the server; check its name, its port and the way to it (DNS, firewall, proxy)"
            }
            Self::Exhausted => {
                "the process or the system has no file descriptor or thread left; close what is not needed, or raise the limits (ulimit -n, ulimit -u)"
            }
            Self::Tls => {
                "TLS with the server failed; check that its certificate is valid, names this host and has a trusted root"
            }
            Self::Timeout => {
                "no complete answer within the time limit; check the server, or raise the limit"
            }
            Self::Io => "the connection failed before the answer was complete; try again",
            Self::Protocol => {
                "what came back is not a valid HTTP answer; check what answers at this address"
            }
            Self::HeaderTooLarge => "the answer's headers are larger than the limit",
            Self::BodyTooLarge => {
                "the answer's body is larger than the limit; raise the limit if such a body is expected"
            }
            Self::ContentCoding => {
                "the answer's body is compressed in a way that was not asked for, or damaged; the error's source says which"
            }
            Self::TooManyExchanges => {
                "the conversation needed too many exchanges; the server may be asking for the same thing again and again"
            }
            Self::Other => "the exchange failed; the error's source says why",
        })
    }
}
