//! Shows ureq placeholders for credentials, because its protocol crate logs heads and bodies at
//! TRACE.
//!
//! The placeholders have the same length as the credentials in a request's head, and as the whole
//! body of a response. The connection puts the real bytes in their place after ureq has written the
//! head, and takes them away before ureq reads the body. ureq writes the body of a request without
//! looking at it.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Instant;

use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::hidden::{PLACEHOLDER, begin_request, reveal_head};
use super::response_mask::ResponseMask;
use crate::MAX_HEADER_SIZE;

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
