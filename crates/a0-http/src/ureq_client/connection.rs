//! Watches ureq's connections: whether a kept one closes before an answer begins, how much arrives,
//! and what is left over when the answer ends.
//!
//! No stable interface of ureq says whether an exchange used a kept connection, or what arrived on
//! it. So this module implements three traits of `ureq::unversioned`, which may change in a minor
//! release of ureq: the version is pinned to one, and a change does not compile. The alternative was to count exchanges outside of ureq. But ureq replaces a dead
//! connection without saying so, and such a count would repeat a request whose connection was new.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use std::vec;

use http::Uri;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};

use super::failure::is_closed_connection;
use crate::lookup;

/// An agent whose connections are watched and take `most` bytes of an answer, and whose name lookups
/// never panic.
pub(super) fn agent(config: Config, most: usize) -> Agent {
    let connector = DefaultConnector::new();
    Agent::with_parts(config, Watch { connector, most }, Lookup)
}

/// Whether a kept connection closed before a byte of the answer came.
pub(super) fn is_stale(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Other(cause) if cause.is::<StaleConnection>())
}

/// The error as ureq gave it.
pub(super) fn into_cause(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Other(cause) => match cause.downcast::<StaleConnection>() {
            Ok(stale) => stale.0,
            Err(cause) => ureq::Error::Other(cause),
        },
        error => error,
    }
}

#[derive(Debug)]
struct StaleConnection(ureq::Error);

impl fmt::Display for StaleConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kept connection closed before an answer came")
    }
}

impl Error for StaleConnection {}

#[derive(Debug)]
struct Watch {
    connector: DefaultConnector,
    most: usize,
}

impl Connector for Watch {
    type Out = Watched;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Watched>, ureq::Error> {
        // A proxy's connection comes through this connector too, and counts as kept once the proxy
        // has answered the CONNECT. To the exchange it is new.
        let transport = self.connector.connect(details, chained);
        let transport = transport.map_err(into_cause)?;
        Ok(transport.map(|transport| Watched {
            transport,
            has_answered: false,
            is_answering: false,
            most: self.most,
            left: self.most,
        }))
    }
}

#[derive(Debug)]
struct Watched {
    transport: Box<dyn Transport>,
    /// An earlier request was answered on this connection.
    has_answered: bool,
    /// A byte has come since the last one was sent.
    is_answering: bool,
    /// The bytes that may arrive for one request.
    most: usize,
    /// How many of them may still arrive for the current one.
    left: usize,
}

impl Watched {
    fn closed(&self, error: ureq::Error) -> ureq::Error {
        let error = into_cause(error);
        if self.has_answered && !self.is_answering && is_closed_connection(&error) {
            return ureq::Error::Other(Box::new(StaleConnection(error)));
        }
        error
    }

    /// Counts what arrives. ureq's own limit counts decoded bytes, and a body of any length may decode
    /// to nothing.
    fn count(&mut self, arrived: usize) -> Result<(), ureq::Error> {
        let Some(left) = self.left.checked_sub(arrived) else {
            let most = u64::try_from(self.most).unwrap_or(u64::MAX);
            return Err(ureq::Error::BodyExceedsLimit(most));
        };
        self.left = left;
        Ok(())
    }
}

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.has_answered |= self.is_answering;
        self.is_answering = false;
        self.left = self.most;
        let sent = self.transport.transmit_output(amount, timeout);
        sent.map_err(|error| self.closed(error))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.buffers().input().len();
        match self.transport.await_input(timeout) {
            Ok(true) => {
                self.is_answering = true;
                let now = self.buffers().input().len();
                self.count(now.saturating_sub(before))?;
                Ok(true)
            }
            Ok(false) if self.has_answered => {
                Err(self.closed(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
            }
            Ok(false) => Ok(false),
            Err(error) => Err(self.closed(error)),
        }
    }

    fn is_open(&mut self) -> bool {
        // ureq probes the socket and its own buffer, but bytes that came with the last answer may
        // wait below TLS. Within no time the buffers are read, and never the socket.
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

#[derive(Debug)]
struct Lookup;

impl Resolver for Lookup {
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
        addresses(
            name.ok_or(ureq::Error::HostNotFound)?,
            self.empty(),
            timeout,
        )
    }
}

/// Puts the addresses of `name` into the `empty` list.
fn addresses<N>(
    name: N,
    empty: ResolvedSocketAddrs,
    timeout: NextTimeout,
) -> Result<ResolvedSocketAddrs, ureq::Error>
where
    N: ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    let (tell, told) = sync_channel(1);
    lookup::start(name, move |addresses| {
        // Nobody listens any more once the time limit has passed.
        let _ = tell.send(addresses);
    })?;
    let found = match told.recv_timeout(*timeout.after) {
        Ok(found) => found?,
        Err(RecvTimeoutError::Timeout) => return Err(ureq::Error::Timeout(timeout.reason)),
        Err(RecvTimeoutError::Disconnected) => return Err(ureq::Error::HostNotFound),
    };

    let mut addresses = empty;
    // ureq has room for 16, and panics beyond.
    for address in found.take(16) {
        addresses.push(address);
    }
    if addresses.is_empty() {
        return Err(ureq::Error::HostNotFound);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests;
