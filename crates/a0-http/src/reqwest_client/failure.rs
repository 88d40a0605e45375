//! From `reqwest`'s errors to this crate's.

use std::error::Error;
use std::io;
use std::iter::successors;

use crate::{TransportError, TransportErrorKind, lookup};

pub(super) fn from_reqwest(error: reqwest::Error) -> TransportError {
    TransportError::new(kind_of(&error), error.without_url())
}

/// Whether the peer or the network closed an established connection.
pub(super) fn is_closed_connection(error: &reqwest::Error) -> bool {
    kind_of(error) == TransportErrorKind::Io
}

fn kind_of(error: &reqwest::Error) -> TransportErrorKind {
    let causes = || successors(error.source(), cause_of);
    if error.is_timeout() {
        TransportErrorKind::Timeout
    } else if error.is_builder() {
        TransportErrorKind::Refused
    } else if causes().any(|cause| cause.is::<rustls::Error>()) {
        TransportErrorKind::Tls
    } else if let Some(kind) = causes().find_map(kind_of_cause) {
        kind
    } else if error.is_connect() {
        TransportErrorKind::Connect
    } else {
        TransportErrorKind::Other
    }
}

/// What `error` wraps. An `io::Error` gives as its source not the error that it was made of, but
/// that one's source.
fn cause_of<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    let error: &'a (dyn Error + 'static) = *error;
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn kind_of_cause(cause: &(dyn Error + 'static)) -> Option<TransportErrorKind> {
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
    if lookup::is_exhausted(error) {
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
