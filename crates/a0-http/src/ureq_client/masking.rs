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
use std::time::Instant;

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::response_mask::ResponseMask;
use crate::{MAX_HEADER_SIZE, TransportError, TransportErrorKind};

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
fn begin_request() -> bool {
    HIDDEN.with_borrow_mut(|hidden| match hidden {
        Some(hidden) => !mem::replace(&mut hidden.is_begun, true),
        None => true,
    })
}

/// Puts the real values in place of the placeholders, in the lines of a request's head.
fn reveal_head(output: &mut [u8]) {
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

    /// Waits once, and shows what arrived.
    fn receive(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
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
}

impl<T: Transport> Transport for MaskedTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        // With `Expect: 100-continue` a part of the response may arrive before the body leaves.
        if begin_request() {
            self.mask.restart();
        }
        let transport = &mut self.buffers.transport;
        if let Some(output) = transport.buffers().output().get_mut(..amount) {
            reveal_head(output);
        }
        let sent = transport.transmit_output(amount, timeout);
        // An idle connection must not keep the credentials.
        if let Some(output) = transport.buffers().output().get_mut(..amount) {
            output.fill(PLACEHOLDER);
        }
        sent
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let unused = self.buffers.input.len();
        // ureq waits although it has this much, so it waits for the end of a line. Its own buffers
        // would be full.
        if unused > MAX_HEADER_SIZE {
            return Err(ureq::Error::LargeResponseHeader(unused, MAX_HEADER_SIZE));
        }
        let started = Instant::now();
        let mut remaining = timeout;
        // ureq may take a wait that shows it nothing for the end of the connection.
        while self.receive(remaining)? {
            if self.buffers.input.len() > unused {
                // ureq does not say so after an answer that came before the request's body.
                self.buffers.is_input_usable = true;
                return Ok(true);
            }
            remaining.after = timeout.after.saturating_sub(started.elapsed()).into();
            if remaining.after.is_zero() {
                return Err(ureq::Error::Timeout(timeout.reason));
            }
        }
        Ok(false)
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
