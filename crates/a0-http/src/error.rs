//! Why an exchange has no response.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// Why an exchange has no complete response.
///
/// Two errors are equal if their [`kind`](Self::kind)s are. A clone shares the cause, so that
/// several waiting callers can get the same failure. The text says what happened and how to fix it,
/// and contains nothing from the request or the response. The cause is in
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
    /// Creates an error of this `kind`. The `cause` becomes its [`source`](Error::source).
    ///
    /// The cause must not contain credentials, because logs print sources. For an error without a
    /// cause use `TransportError::from(kind)`.
    #[must_use]
    pub fn new(kind: TransportErrorKind, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = Some(Arc::from(cause.into()));
        Self { kind, cause }
    }

    /// Returns the kind of failure.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }
}

/// Shows only the kind, because the cause can contain a server's text.
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
        // The cause itself, not the `Arc`, so that callers can downcast it.
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

/// Keeps the `io::Error` as the cause. If it wraps a `TransportError`, returns that one instead.
impl From<io::Error> for TransportError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(inner) => inner,
            Err(error) => Self::new(io_error_kind(&error), error),
        }
    }
}

fn io_error_kind(error: &io::Error) -> TransportErrorKind {
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
    // `io::ErrorKind` has no stable variant for these.
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

/// The kind of a [`TransportError`].
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
    /// The client refused to send the request, for example because its URL is not `https`. Nothing
    /// was sent.
    Refused,
    /// The name lookup or the connection failed.
    Connect,
    /// The process or the system has no file descriptor or thread left for a connection. Nothing
    /// was sent.
    Exhausted,
    /// TLS failed. Most often the server's certificate is not valid for its name, or no trusted
    /// root signed it.
    Tls,
    /// The time limit ended before the response was complete, at any stage of the exchange.
    Timeout,
    /// The connection failed before the response was complete.
    Io,
    /// The server's response is not valid HTTP.
    Protocol,
    /// The response's status line and headers are larger than the client's limit.
    HeaderTooLarge,
    /// The response's body is larger than the client's limit.
    BodyTooLarge,
    /// The response's body has a content coding that the client did not ask for, is not valid in
    /// its content coding, or has a transfer coding other than `chunked`. The source says which.
    ContentCoding,
    /// The conversation asked for more than [`MAX_EXCHANGES`](crate::MAX_EXCHANGES) exchanges.
    TooManyExchanges,
    /// Any other failure; the error's source says which.
    Other,
}

impl fmt::Display for TransportErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => {
                "the request was not sent; its URL must be absolute and begin with https://"
            }
            Self::Connect => {
                "could not connect to the server; check its name, its port and the network (DNS, firewall, proxy)"
            }
            Self::Exhausted => {
                "the process or the system has no file descriptor or thread left; close unused ones, or raise the limits (ulimit -n, ulimit -u)"
            }
            Self::Tls => {
                "TLS with the server failed; check that its certificate is valid, names this host and has a trusted root"
            }
            Self::Timeout => {
                "no complete response within the time limit; check the server, or raise the limit"
            }
            Self::Io => "the connection failed before the response was complete; try again",
            Self::Protocol => {
                "the response is not valid HTTP; check which server listens at this address"
            }
            Self::HeaderTooLarge => "the response's headers are larger than the limit",
            Self::BodyTooLarge => {
                "the response's body is larger than the limit; raise the limit if you expect such a body"
            }
            Self::ContentCoding => {
                "the response's body has a coding that was not asked for, or is malformed; the error's source says which"
            }
            Self::TooManyExchanges => {
                "the conversation needed too many exchanges; the server may be sending the same error again and again"
            }
            Self::Other => "the exchange failed; the error's source says why",
        })
    }
}
