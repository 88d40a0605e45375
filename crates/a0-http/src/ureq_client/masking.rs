//! Shows ureq placeholders for credentials, because its protocol crate logs heads and bodies at
//! TRACE.
//!
//! The placeholders have the same length as the credentials in a request's head, and as the whole
//! body of a response. The connection puts the real bytes in their place after ureq has written the
//! head, and takes them away before ureq reads the body. ureq writes the body of a request without
//! looking at it.
//!
//! ureq runs an exchange on the thread that called it, so the real bytes wait in a thread-local.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::io;
use std::iter::repeat_n;
use std::mem;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::response_mask::ResponseMask;
use crate::{TransportError, TransportErrorKind};

const PLACEHOLDER: u8 = b'*';

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
fn reveal_head(output: &mut [u8]) {
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

/// A connection whose real bytes ureq does not see. It also tells a body that was cut from one that
/// ended.
pub(super) struct MaskedTransport<T> {
    buffers: MaskedBuffers<T>,
    mask: ResponseMask,
}

impl<T: Transport> MaskedTransport<T> {
    pub(super) fn new(transport: T) -> Self {
        let buffers = MaskedBuffers {
            transport,
            input: Vec::new(),
            is_input_usable: false,
        };
        MaskedTransport {
            buffers,
            mask: ResponseMask::default(),
        }
    }
}

impl<T: Transport> Transport for MaskedTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.mask.restart();
        let transport = &mut self.buffers.transport;
        if let Some(output) = transport.buffers().output().get_mut(..amount) {
            reveal_head(output);
        }
        transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let MaskedBuffers {
            transport, input, ..
        } = &mut self.buffers;
        let is_progress = transport.await_input(timeout).map_err(|error| {
            match self.mask.may_end_with_connection() {
                true => mark_cut(error),
                false => error,
            }
        })?;
        let arrived = transport.buffers().input();
        let length = arrived.len();
        self.mask.push(arrived, input);
        transport.buffers().input_consume(length);
        Ok(is_progress)
    }

    fn is_open(&mut self) -> bool {
        self.buffers.input.is_empty() && self.buffers.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.buffers.transport.is_tls()
    }
}

/// Shows nothing that arrived.
impl<T> fmt::Debug for MaskedTransport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskedTransport").finish_non_exhaustive()
    }
}

/// The buffers of the connection, except that ureq reads masked input.
struct MaskedBuffers<T> {
    transport: T,
    input: Vec<u8>,
    /// Whether the last read used some of the input. Otherwise ureq needs more.
    is_input_usable: bool,
}

impl<T: Transport> Buffers for MaskedBuffers<T> {
    fn output(&mut self) -> &mut [u8] {
        self.transport.buffers().output()
    }

    fn input(&self) -> &[u8] {
        &self.input
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.transport.buffers().input_append_buf()
    }

    fn input_appended(&mut self, amount: usize) {
        self.transport.buffers().input_appended(amount);
    }

    fn input_consume(&mut self, amount: usize) {
        self.is_input_usable = amount > 0;
        self.input.drain(..amount.min(self.input.len()));
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.transport.buffers().tmp_and_output()
    }

    fn can_use_input(&self) -> bool {
        self.is_input_usable && !self.input.is_empty()
    }
}

/// Keeps ureq from taking the end of the connection for the end of the body, if TLS did not end
/// (RFC 9112 section 9.8). ureq ignores such an error of a connection, but no other.
fn mark_cut(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Io(error) => ureq::Error::Other(Box::new(CutBody(error))),
        error => error,
    }
}

/// Returns the error of the connection that was marked, or `error` itself if it was not.
pub(super) fn unmark_cut(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Other(cause) => match cause.downcast::<CutBody>() {
            Ok(cut) => ureq::Error::Io(cut.0),
            Err(cause) => ureq::Error::Other(cause),
        },
        error => error,
    }
}

#[derive(Debug)]
struct CutBody(io::Error);

impl fmt::Display for CutBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection closed before the body was complete")
    }
}

impl Error for CutBody {}

#[cfg(test)]
mod tests;
