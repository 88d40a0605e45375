//! Converts ureq's errors to this crate's.

use std::error::Error;
use std::{fmt, io};

use super::masking;
use crate::tls::transport_error;
use crate::{TransportError, TransportErrorKind, connect};

pub(super) fn from_ureq(error: ureq::Error) -> TransportError {
    let error = masking::unmark_cut(unmark_stale(error));
    let kind = kind(&error);
    match error {
        // The texts of these quote the URL.
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => kind.into(),
        ureq::Error::ConnectProxyFailed(reason) => TransportError::new(kind, refusal(&reason)),
        ureq::Error::Io(error) => transport_error(kind, error),
        error => transport_error(kind, error),
    }
}

/// Says why a proxy made no tunnel, with nothing of its response but the status. `reason` is ureq's
/// text, which names the status.
fn refusal(reason: &str) -> String {
    let is_separator = |character: char| !character.is_ascii_digit();
    match reason.split(is_separator).find(|word| word.len() == 3) {
        Some("407") => {
            "the proxy refused the CONNECT with status 407: it requires a user name and a \
            password in its URL"
                .to_owned()
        }
        Some(status) => format!("the proxy refused the CONNECT with status {status}"),
        None => "the proxy did not answer the CONNECT".to_owned(),
    }
}

/// Whether the peer or the network closed an established connection.
pub(super) fn is_closed_connection(error: &ureq::Error) -> bool {
    kind(error) == TransportErrorKind::Io
}

fn kind(error: &ureq::Error) -> TransportErrorKind {
    match error {
        ureq::Error::Timeout(_) => TransportErrorKind::Timeout,
        ureq::Error::Other(cause) if cause.is::<rustls::Error>() => TransportErrorKind::Tls,
        ureq::Error::Io(error) => io_error_kind(error),
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::ConnectProxyFailed(_) => TransportErrorKind::Connect,
        ureq::Error::Tls(_)
        | ureq::Error::Rustls(_)
        | ureq::Error::Pem(_)
        | ureq::Error::TlsRequired => TransportErrorKind::Tls,
        // The connection closed within a line that frames a chunk.
        ureq::Error::BodyStalled => TransportErrorKind::Io,
        ureq::Error::Protocol(_) => TransportErrorKind::Protocol,
        ureq::Error::BodyExceedsLimit(_) => TransportErrorKind::BodyTooLarge,
        ureq::Error::LargeResponseHeader(..) => TransportErrorKind::HeaderTooLarge,
        ureq::Error::Http(_) | ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) => {
            TransportErrorKind::Refused
        }
        _ => TransportErrorKind::Other,
    }
}

fn io_error_kind(error: &io::Error) -> TransportErrorKind {
    if error
        .get_ref()
        .is_some_and(|cause| cause.is::<rustls::Error>())
    {
        return TransportErrorKind::Tls;
    }
    if connect::is_exhausted(error) {
        return TransportErrorKind::Exhausted;
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TransportErrorKind::Timeout,
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => TransportErrorKind::Io,
        // A failed name lookup has no stable `io::ErrorKind`. The other kinds mean that no
        // connection could be made.
        _ => TransportErrorKind::Connect,
    }
}

/// Marks `error` as the failure of a stale connection.
pub(super) fn mark_stale(error: ureq::Error) -> ureq::Error {
    // ureq lets a connector return any error as this variant.
    ureq::Error::Other(Box::new(StaleConnection(error)))
}

/// Whether a reused connection closed before the first byte of the response.
pub(super) fn is_stale(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Other(cause) if cause.is::<StaleConnection>())
}

/// Returns the error that was marked, or `error` itself if it was not.
pub(super) fn unmark_stale(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Other(cause) => match cause.downcast::<StaleConnection>() {
            Ok(stale) => stale.0,
            Err(cause) => ureq::Error::Other(cause),
        },
        error => error,
    }
}

#[derive(Debug)]
struct StaleConnection(ureq::Error);

impl fmt::Display for StaleConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reused connection closed before the response began")
    }
}

impl Error for StaleConnection {}
