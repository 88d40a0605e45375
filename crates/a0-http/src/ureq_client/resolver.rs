//! Name lookups for ureq, on threads of our own: ureq's resolver panics if no thread can be
//! spawned.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::vec;

use http::Uri;
use ureq::config::Config;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::name_lookup;

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
    name_lookup::spawn(name, move |result| {
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

#[cfg(test)]
mod tests;
