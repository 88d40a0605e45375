//! The error of a reused connection that closed before the response began.
//!
//! It passes through ureq, which lets a connector return any error as `ureq::Error::Other`.

use std::error::Error;
use std::fmt;

/// Marks `error` as the failure of a stale connection.
pub(super) fn mark(error: ureq::Error) -> ureq::Error {
    ureq::Error::Other(Box::new(StaleConnection(error)))
}

/// Whether a reused connection closed before the first byte of the response.
pub(super) fn is_stale(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Other(cause) if cause.is::<StaleConnection>())
}

/// Returns the error that was marked, or `error` itself if it was not.
pub(super) fn unmark(error: ureq::Error) -> ureq::Error {
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
