use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use std::vec;

use ureq::Timeout;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::{ThreadResolver, look_up};

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
