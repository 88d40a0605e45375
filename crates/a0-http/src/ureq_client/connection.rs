//! Looks names up for ureq, and wraps its connections to see whether a reused one closes before the
//! response begins, how many bytes arrive, and whether any are left when the response ends. Each
//! connection to a server also gets a [`MaskedTransport`].
//!
//! No stable interface of ureq says whether an exchange reused a connection, or what arrived on it.
//! So this module implements traits of `ureq::unversioned`, which may change in a minor release of
//! ureq. The version requirement allows only one minor release, and an incompatible change would
//! not compile. Counting exchanges outside of ureq would not do: ureq replaces a dead connection
//! silently, and such a count would repeat a request whose connection was new.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use std::vec;

use http::Uri;
use rustls::ClientConfig;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, TcpConnector,
    Transport,
};

use super::error::{is_closed_connection, mark_stale, unmark_stale};
use super::masking::MaskedTransport;
use super::tls::TlsConnector;
use crate::connect;

/// Looks names up on threads of our own: ureq's resolver panics if no thread can be spawned.
#[derive(Debug)]
pub(super) struct ThreadResolver;

impl Resolver for ThreadResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(ureq::Error::HostNotFound);
        };
        let name = DefaultResolver::host_and_port(scheme, authority);
        look_up(
            name.ok_or(ureq::Error::HostNotFound)?,
            self.empty(),
            timeout,
        )
    }
}

/// Looks `name` up, and returns its addresses in the `empty` list.
fn look_up<N>(
    name: N,
    empty: ResolvedSocketAddrs,
    timeout: NextTimeout,
) -> Result<ResolvedSocketAddrs, ureq::Error>
where
    N: ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    let (sender, receiver) = sync_channel(1);
    connect::look_up(name, move |result| {
        // The receiver is gone once the time limit has passed.
        let _ = sender.send(result);
    })?;
    let found = match receiver.recv_timeout(*timeout.after) {
        Ok(result) => result?,
        Err(RecvTimeoutError::Timeout) => return Err(ureq::Error::Timeout(timeout.reason)),
        Err(RecvTimeoutError::Disconnected) => return Err(ureq::Error::HostNotFound),
    };

    let mut addresses = empty;
    // ureq's list has room for 16 addresses, and panics beyond.
    for address in found.take(16) {
        addresses.push(address);
    }
    if addresses.is_empty() {
        return Err(ureq::Error::HostNotFound);
    }
    Ok(addresses)
}

/// Makes connections that each accept at most `max_response` bytes for one request.
#[derive(Debug)]
pub(super) struct WatchingConnector {
    connector: Box<dyn Connector<(), Out = Box<dyn Transport>>>,
    has_proxy: bool,
    max_response: usize,
}

impl WatchingConnector {
    pub(super) fn new(tls: &ClientConfig, has_proxy: bool, max_response: usize) -> Self {
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(TlsConnector::new(tls))
                .chain(Boxing);
        Self {
            connector: Box::new(connector),
            has_proxy,
            max_response,
        }
    }
}

/// Gives every transport the same type.
#[derive(Debug)]
struct Boxing;

impl<T: Transport> Connector<T> for Boxing {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        _details: &ConnectionDetails<'_>,
        chained: Option<T>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(Transport::boxed))
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
        let transport = transport.map_err(unmark_stale)?;
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
        let error = unmark_stale(error);
        if self.is_reused && !self.has_response_begun && is_closed_connection(&error) {
            return mark_stale(error);
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
