//! The steps of a round, and those that follow it. A driver carries them out.

use std::time::Duration;

use a0_http::TransportError;
use http::{Request, Response};

/// The next action of a driver, and the function that takes the result. `D` is the final result.
pub(crate) enum Step<'r, D> {
    /// Read the value of this name from the second level.
    Read(String, Then<'r, Found, D>),
    /// Make this change of the second level. The result says whether it was made; `None` if the
    /// store failed.
    Change(Change, Then<'r, Option<bool>, D>),
    /// Send this request.
    Exchange(Request<Vec<u8>>, Then<'r, ExchangeResult, D>),
    /// Wait this long. The result is the time since the round began; `None` if the driver has no
    /// timer, or its cache is gone.
    Wait(Duration, Then<'r, Option<Duration>, D>),
    /// Nothing is left to do.
    Done(D),
}

pub(crate) type Then<'r, A, D> = Box<dyn FnOnce(A) -> Step<'r, D> + Send + 'r>;

pub(crate) type ExchangeResult = Result<Response<Vec<u8>>, TransportError>;

/// The result of a read of the second level.
pub(crate) enum Found {
    Value(String),
    Nothing,
    /// The store failed.
    Away,
}

/// A change of one value in the second level, in one atomic step.
pub(crate) enum Change {
    /// Set the value unless there is one.
    SetIfAbsent {
        name: String,
        value: String,
        ttl: Duration,
    },
    /// Replace the value if it is `expected`.
    SetIfEqual {
        name: String,
        expected: String,
        value: String,
        ttl: Duration,
    },
    /// Remove the value if it is `expected`.
    DeleteIfEqual { name: String, expected: String },
}
