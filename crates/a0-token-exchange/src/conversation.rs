//! A token request as a conversation: the request, and one retry with a nonce.

use std::time::SystemTime;

use a0_http::{Conversation, Step, TransportError};
use http::Response;

use crate::{ExchangeError, TokenRequest};

impl<T> TokenRequest<T> {
    /// Starts the conversation: this request, and one more if it has a proof and the endpoint asks
    /// for a nonce in it.
    ///
    /// # Errors
    ///
    /// Returns [`ExchangeError::Signing`] if no proof or assertion could be made.
    pub fn start(self, now: SystemTime) -> Result<Step<Pending<T>>, ExchangeError> {
        fetch(self, now, false)
    }
}

fn fetch<T>(
    request: TokenRequest<T>,
    now: SystemTime,
    is_retry: bool,
) -> Result<Step<Pending<T>>, ExchangeError> {
    let http_request = request.prepare(now)?;
    let pending = Pending {
        request,
        now,
        is_retry,
    };
    Ok(Step::Fetch(http_request, pending))
}

/// A token request that waits for its response.
#[derive(Debug)]
pub struct Pending<T> {
    request: TokenRequest<T>,
    now: SystemTime,
    is_retry: bool,
}

impl<T> Conversation for Pending<T> {
    type Output = T;
    type Error = ExchangeError;

    fn resume(
        self,
        response: Result<Response<Vec<u8>>, TransportError>,
    ) -> Result<Step<Self>, ExchangeError> {
        let error = match self.request.accept(response?, self.now) {
            Ok(output) => return Ok(Step::Done(output)),
            Err(error) => error,
        };
        match required_nonce(&error) {
            Some(nonce) if self.request.has_proof() && !self.is_retry => {
                fetch(self.request.with_nonce(nonce), self.now, true)
            }
            _ => Err(error),
        }
    }
}

fn required_nonce(error: &ExchangeError) -> Option<&str> {
    match error {
        ExchangeError::Refused(response) if response.error() == Some("use_dpop_nonce") => {
            response.dpop_nonce()
        }
        _ => None,
    }
}
