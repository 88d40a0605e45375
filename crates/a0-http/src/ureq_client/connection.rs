//! Watches ureq's connections, to notice when a kept one closes before an answer begins.
//!
//! No stable interface of ureq says whether an exchange used a kept connection, or whether anything
//! arrived before that closed. So this module implements three traits of `ureq::unversioned`, which
//! may change in a minor release of ureq: the version is pinned to one, and a change does not
//! compile. The alternative was to count exchanges outside of ureq. But ureq replaces a dead
//! connection without saying so, and such a count would repeat a request whose connection was new.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};

use http::Uri;
use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport,
};

use super::failure::is_closed_connection;
use crate::lookup;

/// An agent whose connections are watched, and whose name lookups never panic.
pub(super) fn agent(config: Config) -> Agent {
    Agent::with_parts(config, Watch(DefaultConnector::new()), Lookup)
}

/// Whether `error` is that a kept connection closed before a byte of the answer came.
pub(super) fn was_kept_too_long(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Other(cause) if cause.is::<KeptTooLong>())
}

/// The error as ureq gave it.
pub(super) fn unmarked(error: ureq::Error) -> ureq::Error {
    match error {
        ureq::Error::Other(cause) => match cause.downcast::<KeptTooLong>() {
            Ok(marked) => marked.0,
            Err(cause) => ureq::Error::Other(cause),
        },
        error => error,
    }
}

#[derive(Debug)]
struct KeptTooLong(ureq::Error);

impl fmt::Display for KeptTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kept connection closed before an answer came")
    }
}

impl Error for KeptTooLong {}

#[derive(Debug)]
struct Watch(DefaultConnector);

impl Connector for Watch {
    type Out = Watched;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Watched>, ureq::Error> {
        // A proxy's connection comes through this connector too, and counts as kept once the proxy
        // has answered the CONNECT. To the exchange it is new.
        let transport = self.0.connect(details, chained).map_err(unmarked)?;
        Ok(transport.map(|transport| Watched {
            transport,
            has_answered: false,
            is_answering: false,
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
}

impl Watched {
    fn closed(&self, error: ureq::Error) -> ureq::Error {
        let error = unmarked(error);
        if self.has_answered && !self.is_answering && is_closed_connection(&error) {
            return ureq::Error::Other(Box::new(KeptTooLong(error)));
        }
        error
    }
}

impl Transport for Watched {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.has_answered |= self.is_answering;
        self.is_answering = false;
        let sent = self.transport.transmit_output(amount, timeout);
        sent.map_err(|error| self.closed(error))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        match self.transport.await_input(timeout) {
            Ok(true) => {
                self.is_answering = true;
                Ok(true)
            }
            Ok(false) if self.has_answered && !self.is_answering => {
                Err(self.closed(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
            }
            Ok(false) => Ok(false),
            Err(error) => Err(self.closed(error)),
        }
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
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
        let name = name.ok_or(ureq::Error::HostNotFound)?;

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

        let mut addresses = self.empty();
        // ureq has room for 16, and panics beyond.
        for address in found.take(16) {
            addresses.push(address);
        }
        if addresses.is_empty() {
            return Err(ureq::Error::HostNotFound);
        }
        Ok(addresses)
    }
}
