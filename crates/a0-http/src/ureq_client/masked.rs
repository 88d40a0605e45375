//! Shows ureq placeholders for credentials, and tells a body that was cut from one that ended.

use std::error::Error;
use std::fmt;
use std::io;

use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::hiding;
use super::response_mask::ResponseMask;

/// A connection whose real bytes ureq does not see. See [`hiding`].
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
            hiding::reveal_head(output);
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
