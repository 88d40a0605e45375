use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::vec;

use ureq::Timeout;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, LazyBuffers, NextTimeout, Transport};

use super::{ThreadResolver, WatchedTransport, look_up};

/// A connection on which nothing arrives.
#[derive(Debug)]
struct Quiet {
    buffers: LazyBuffers,
    is_open: bool,
}

impl Transport for Quiet {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(
        &mut self,
        _amount: usize,
        _timeout: NextTimeout,
    ) -> Result<(), ureq::Error> {
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        Err(ureq::Error::Timeout(timeout.reason))
    }

    fn is_open(&mut self) -> bool {
        self.is_open
    }
}

/// Over real sockets this is a race: the close may arrive before or after ureq looks.
#[test]
fn a_connection_that_ureq_finds_closed_is_not_reused() {
    for is_open in [true, false] {
        let quiet = Quiet {
            buffers: LazyBuffers::new(1, 1),
            is_open,
        };
        let mut watched = WatchedTransport {
            transport: Box::new(quiet),
            is_reused: true,
            has_response_begun: true,
            max_response: 0,
            remaining: 0,
        };
        assert_eq!(watched.is_open(), is_open);
    }
}

/// A name with this number of addresses.
struct Name(usize);

impl ToSocketAddrs for Name {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], 443)); self.0].into_iter())
    }
}

/// A name whose lookup ends when the sender is dropped, or after a minute.
struct SlowName(Receiver<()>);

impl ToSocketAddrs for SlowName {
    type Iter = vec::IntoIter<SocketAddr>;

    fn to_socket_addrs(&self) -> io::Result<Self::Iter> {
        let _ = self.0.recv_timeout(Duration::from_secs(60));
        Name(1).to_socket_addrs()
    }
}

fn look_up_within<N>(limit: Duration, name: N) -> Result<ResolvedSocketAddrs, ureq::Error>
where
    N: ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    let timeout = NextTimeout {
        after: limit.into(),
        reason: Timeout::Resolve,
        ..NextTimeout::default()
    };
    look_up(name, ThreadResolver.empty(), timeout)
}

#[test]
fn ureq_gets_at_most_16_addresses() {
    for (count, taken) in [(1, 1), (16, 16), (17, 16)] {
        let found = look_up_within(Duration::from_secs(60), Name(count));
        assert_eq!(found.map(|found| found.len()).ok(), Some(taken));
    }
}

#[test]
fn a_name_without_an_address_is_not_found() {
    let found = look_up_within(Duration::from_secs(60), Name(0));
    assert!(matches!(found, Err(ureq::Error::HostNotFound)), "{found:?}");
}

#[test]
fn a_lookup_ends_at_its_time_limit() {
    let (sender, receiver) = channel();
    let found = look_up_within(Duration::from_millis(1), SlowName(receiver));
    assert!(
        matches!(found, Err(ureq::Error::Timeout(Timeout::Resolve))),
        "{found:?}"
    );
    drop(sender);
}
