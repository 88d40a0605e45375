//! Converts reqwest's errors to this crate's.

use std::error::Error;
use std::io;

use crate::tls::{causes, transport_error};
use crate::{TransportError, TransportErrorKind, connect};

pub(super) fn from_reqwest(error: reqwest::Error) -> TransportError {
    transport_error(kind(&error), error.without_url())
}

/// Whether the peer or the network closed an established connection.
pub(super) fn is_closed_connection(error: &reqwest::Error) -> bool {
    kind(error) == TransportErrorKind::Io
}

fn kind(error: &reqwest::Error) -> TransportErrorKind {
    let causes = || causes(error).skip(1);
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
