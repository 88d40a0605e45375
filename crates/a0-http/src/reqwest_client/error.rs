//! Converts reqwest's errors to this crate's.

use std::error::Error;
use std::io;
use std::iter::successors;

use crate::{TransportError, TransportErrorKind, connect};

pub(super) fn from_reqwest(error: reqwest::Error) -> TransportError {
    TransportError::new(kind(&error), error.without_url())
}

/// Whether the peer or the network closed an established connection.
pub(super) fn is_closed_connection(error: &reqwest::Error) -> bool {
    kind(error) == TransportErrorKind::Io
}

fn kind(error: &reqwest::Error) -> TransportErrorKind {
    let causes = || successors(error.source(), inner_error);
    if error.is_timeout() {
        TransportErrorKind::Timeout
    } else if error.is_builder() {
        TransportErrorKind::Refused
    } else if causes().any(|cause| cause.is::<rustls::Error>()) {
        TransportErrorKind::Tls
    } else if let Some(kind) = causes().find_map(cause_kind) {
        kind
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else {
        TransportErrorKind::Other
    }
}

/// Returns the error that `error` wraps. `source` of an `io::Error` skips the error that it wraps,
/// and returns the source of that one.
fn inner_error<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let error: &'a (dyn Error + 'static) = *error;
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn cause_kind(cause: &(dyn Error + 'static)) -> Option<TransportErrorKind> {
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return if error.is_parse_too_large() {
            Some(TransportErrorKind::HeaderTooLarge)
        } else if error.is_parse() {
            Some(TransportErrorKind::Protocol)
        } else if error.is_incomplete_message() {
            Some(TransportErrorKind::Io)
        } else {
            None
        };
    }
    let error = cause.downcast_ref::<io::Error>()?;
    if connect::is_exhausted(error) {
        return Some(TransportErrorKind::Exhausted);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::NotConnected => Some(TransportErrorKind::Io),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            Some(TransportErrorKind::Protocol)
        }
        _ => None,
    }
}
