//! Wraps ureq's connections to see whether a reused one closes before the response begins, how many
//! bytes arrive, and whether any are left when the response ends. Each connection to a server also
//! gets a [`MaskedTransport`].
//!
//! No stable interface of ureq says whether an exchange reused a connection, or what arrived on it.
//! So this module implements traits of `ureq::unversioned`, which may change in a minor release of
//! ureq. The version requirement allows only one minor release, and an incompatible change would
//! not compile. Counting exchanges outside of ureq would not do: ureq replaces a dead connection
//! silently, and such a count would repeat a request whose connection was new.

use std::io;
use std::time::Duration;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};

use super::error::is_closed_connection;
use super::masked::MaskedTransport;
use super::stale;

/// Makes connections that each accept at most `max_response` bytes for one request.
#[derive(Debug)]
pub(super) struct WatchingConnector {
    connector: DefaultConnector,
    has_proxy: bool,
    max_response: usize,
}

impl WatchingConnector {
    pub(super) fn new(has_proxy: bool, max_response: usize) -> Self {
        Self {
            connector: DefaultConnector::new(),
            has_proxy,
            max_response,
        }
    }
}

impl Connector for WatchingConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A proxy's connection comes through this connector too, and counts as reused once the
        // proxy has answered the CONNECT. The exchange must see a new connection.
        let transport = self.connector.connect(details, chained);
        let transport = transport.map_err(stale::unmark)?;
        // ureq connects to the proxy itself with settings that have no proxy. That connection
        // carries a tunnel, which is not masked.
        let is_tunnel = self.has_proxy && details.config.proxy().is_none();
        Ok(transport.map(|transport| {
            let watched = WatchedTransport {
                transport,
                is_reused: false,
                has_response_begun: false,
                max_response: self.max_response,
                remaining: self.max_response,
            };
            match is_tunnel {
                true => Box::new(watched) as Self::Out,
                false => Box::new(MaskedTransport::new(watched)),
            }
        }))
    }
}

#[derive(Debug)]
pub(super) struct WatchedTransport {
    transport: Box<dyn Transport>,
    /// Whether an earlier request got a response on this connection.
    is_reused: bool,
    /// Whether a byte has arrived since the last one was sent.
    has_response_begun: bool,
    /// The number of bytes that may arrive for one request.
    max_response: usize,
    /// The number of bytes that may still arrive for the current request.
    remaining: usize,
}

impl WatchedTransport {
    fn mark_if_stale(&self, error: ureq::Error) -> ureq::Error {
        let error = stale::unmark(error);
        if self.is_reused && !self.has_response_begun && is_closed_connection(&error) {
            return stale::mark(error);
        }
        error
    }

    /// Counts arrived bytes. ureq's own limit counts decoded bytes, and a body of any length may
    /// decode to nothing.
    fn count(&mut self, arrived: usize) -> Result<(), ureq::Error> {
        let Some(remaining) = self.remaining.checked_sub(arrived) else {
            let limit = u64::try_from(self.max_response).unwrap_or(u64::MAX);
            return Err(ureq::Error::BodyExceedsLimit(limit));
        };
        self.remaining = remaining;
        Ok(())
    }
}

impl Transport for WatchedTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.is_reused |= self.has_response_begun;
        self.has_response_begun = false;
        self.remaining = self.max_response;
        let sent = self.transport.transmit_output(amount, timeout);
        sent.map_err(|error| self.mark_if_stale(error))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.buffers().input().len();
        match self.transport.await_input(timeout) {
            Ok(true) => {
                self.has_response_begun = true;
                let after = self.buffers().input().len();
                self.count(after.saturating_sub(before))?;
                Ok(true)
            }
            Ok(false) if self.is_reused && !self.has_response_begun => {
                Err(self.mark_if_stale(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
            }
            Ok(false) => Ok(false),
            Err(error) => Err(self.mark_if_stale(error)),
        }
    }

    fn is_open(&mut self) -> bool {
        // ureq probes the socket and its own buffer, but bytes that came with the last response may
        // wait below TLS. A zero timeout reads the buffers and never the socket.
        let no_time = NextTimeout {
            after: Duration::ZERO.into(),
            ..NextTimeout::default()
        };
        let input = self.transport.await_input(no_time);
        matches!(input, Err(ureq::Error::Timeout(_))) && self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}

#[cfg(test)]
mod tests;
