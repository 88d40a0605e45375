//! Hides credentials from ureq, whose protocol crate logs heads and bodies at TRACE.
//!
//! ureq sees placeholders of the same length, for the credentials in a request's head and for the
//! whole body of a response. The connection puts the real bytes in their place after ureq has
//! written the head, and takes them away before ureq reads the body. ureq writes the body of a
//! request without looking at it.
//!
//! ureq runs an exchange on the thread that called it, so the real bytes wait in a thread-local.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::iter::repeat_n;
use std::mem;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{TransportError, TransportErrorKind};

pub(super) const PLACEHOLDER: u8 = b'*';

/// Hidden even if the caller did not mark them as sensitive.
const SENSITIVE: [HeaderName; 4] = [
    AUTHORIZATION,
    COOKIE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("dpop"),
];

thread_local! {
    static HIDDEN: RefCell<Option<Hidden>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Hidden {
    fields: Vec<(HeaderName, HeaderValue)>,
    body: VecDeque<u8>,
}

/// One exchange on this thread. An exchange may begin within another one: a logger may be a client
/// too.
pub(super) struct Exchange {
    outer: Option<Hidden>,
}

impl Exchange {
    pub(super) fn begin() -> Self {
        let outer = HIDDEN.replace(Some(Hidden::default()));
        Exchange { outer }
    }

    /// Replaces the credentials in a request's head by placeholders.
    pub(super) fn hide(&self, headers: &mut HeaderMap) {
        let mut fields = Vec::new();
        for (name, value) in headers.iter_mut() {
            if value.is_sensitive() || SENSITIVE.contains(name) {
                let stars = vec![PLACEHOLDER; value.len()];
                if let Ok(placeholder) = HeaderValue::from_maybe_shared(stars) {
                    fields.push((name.clone(), mem::replace(value, placeholder)));
                }
            }
        }
        let body = VecDeque::new();
        HIDDEN.set(Some(Hidden { fields, body }));
    }

    /// Returns the part of the body that ureq `read`.
    ///
    /// # Errors
    ///
    /// Fails if ureq found other bytes to be the body than the connection did.
    pub(super) fn reveal_body(&self, read: &[u8]) -> Result<Vec<u8>, TransportError> {
        let is_hidden = read.iter().all(|byte| *byte == PLACEHOLDER);
        HIDDEN.with_borrow_mut(|hidden| match hidden {
            Some(hidden) if is_hidden && read.len() <= hidden.body.len() => {
                Ok(hidden.body.drain(..read.len()).collect())
            }
            _ => {
                let cause = "the framing of the body is ambiguous";
                Err(TransportError::new(TransportErrorKind::Protocol, cause))
            }
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        HIDDEN.set(self.outer.take());
    }
}

/// Puts the real values in place of the placeholders, in the lines of a request's head.
pub(super) fn reveal_head(output: &mut [u8]) {
    HIDDEN.with_borrow_mut(|hidden| {
        let Some(Hidden { fields, .. }) = hidden else {
            return;
        };
        if fields.is_empty() {
            return; // This may be the body.
        }
        for line in output.split_inclusive_mut(|byte| *byte == b'\n') {
            let found = fields.iter().position(|(name, value)| {
                let stars = repeat_n(&PLACEHOLDER, value.len());
                let placeholder = name.as_str().as_bytes().iter().chain(b": ").chain(stars);
                line.iter().eq(placeholder.chain(b"\r\n"))
            });
            if let Some(index) = found {
                let (name, value) = fields.remove(index);
                let stars = line.iter_mut().skip(name.as_str().len() + 2);
                for (star, byte) in stars.zip(value.as_bytes()) {
                    *star = *byte;
                }
            }
        }
    });
}

/// Keeps bytes of the response's body, and appends as many placeholders to `shown`.
pub(super) fn hide_body(bytes: &[u8], shown: &mut Vec<u8>) {
    HIDDEN.with_borrow_mut(|hidden| {
        if let Some(hidden) = hidden {
            hidden.body.extend(bytes);
        }
    });
    shown.extend(repeat_n(PLACEHOLDER, bytes.len()));
}

#[cfg(test)]
mod tests;
