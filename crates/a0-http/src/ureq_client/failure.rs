//! From `ureq`'s errors to this crate's.

use std::error::Error;
use std::io;

use super::connection;
use crate::{TransportError, TransportErrorKind, lookup};

pub(super) fn from_ureq(error: ureq::Error) -> TransportError {
    let error = connection::into_cause(error);
    let kind = kind_of(&error);
    match error {
        // Their texts quote the URL or what a proxy said.
        ureq::Error::BadUri(_)
        | ureq::Error::RequireHttpsOnly(_)
        | ureq::Error::ConnectProxyFailed(_) => kind.into(),
        ureq::Error::Io(error) => TransportError::new(kind, error),
        error => TransportError::new(kind, error),
    }
}

/// From what reading a body gave.
pub(super) fn of_body(error: io::Error) -> TransportError {
    let error = from_ureq(error.into());
    match error.kind() {
        // The variant for a damaged body exists only where another crate of the program has
        // switched ureq's own decoder on, so it cannot be named here. No other is left.
        TransportErrorKind::Other => {
            let cause = "the body is not valid gzip or br";
            TransportError::new(TransportErrorKind::ContentCoding, cause)
        }
        _ => error,
    }
}

/// Whether the peer or the network closed an established connection.
pub(super) fn is_closed_connection(error: &ureq::Error) -> bool {
    kind_of(error) == TransportErrorKind::Io
}

fn kind_of(error: &ureq::Error) -> TransportErrorKind {
    match error {
        ureq::Error::Timeout(_) => TransportErrorKind::Timeout,
        ureq::Error::Io(error) => kind_of_io(error),
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

fn kind_of_io(error: &io::Error) -> TransportErrorKind {
    if is_caused_by(error, ureq::Error::Rustls) {
        return TransportErrorKind::Tls;
    }
    if lookup::is_exhausted(error) {
        return TransportErrorKind::Exhausted;
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => TransportErrorKind::Timeout,
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => TransportErrorKind::Io,
        // A failed name lookup has no kind that stable code can name; what is left besides are the
        // ways in which making a connection fails.
        _ => TransportErrorKind::Connect,
    }
}

/// Whether `error` wraps the type that `variant` is made from. Inferring that type keeps `rustls`,
/// whose version is ureq's business, out of this crate's dependencies.
fn is_caused_by<T: Error + 'static>(error: &io::Error, _variant: fn(T) -> ureq::Error) -> bool {
    error.get_ref().is_some_and(|cause| cause.is::<T>())
}
