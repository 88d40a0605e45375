//! What ureq does not see of one exchange: the credentials in the head of its request, and the body of its
//! response. ureq runs an exchange on the thread that called it, so they wait in a thread-local.

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
    /// Whether a part of the request has been written.
    is_begun: bool,
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
            // A value that looks like the placeholder of another one must keep its place.
            let is_ambiguous = value.as_bytes().iter().all(|byte| *byte == PLACEHOLDER);
            if is_ambiguous || value.is_sensitive() || SENSITIVE.contains(name) {
                let stars = vec![PLACEHOLDER; value.len()];
                if let Ok(placeholder) = HeaderValue::from_maybe_shared(stars) {
                    fields.push((name.clone(), mem::replace(value, placeholder)));
                }
            }
        }
        HIDDEN.set(Some(Hidden {
            fields,
            ..Hidden::default()
        }));
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

/// Whether no part of the request has been written before this call.
pub(super) fn begin_request() -> bool {
    HIDDEN.with_borrow_mut(|hidden| match hidden {
        Some(hidden) => !mem::replace(&mut hidden.is_begun, true),
        None => true,
    })
}

/// Puts the real values in place of the placeholders, in the lines of a request's head.
pub(super) fn reveal_head(output: &mut [u8]) {
    HIDDEN.with_borrow_mut(|hidden| {
        let fields = match hidden {
            Some(Hidden { fields, .. }) if !fields.is_empty() => fields,
            _ => return,
        };
        for line in output.split_inclusive_mut(|byte| *byte == b'\n') {
            if line == b"\r\n" {
                fields.clear(); // The body follows.
                return;
            }
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
