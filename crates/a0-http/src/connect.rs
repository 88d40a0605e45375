//! What both clients need to connect: name lookups on threads of our own, and pools of connections
//! that no other process shares.

use std::error::Error;
use std::fmt;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::process;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::vec;

use crate::error::is_out_of_descriptors;

/// Looks `name` up on a new thread, and calls `on_result` there with the addresses.
///
/// The libraries' own lookups panic if no thread can be spawned.
///
/// # Errors
///
/// Fails if no thread can be spawned.
pub(crate) fn look_up<N>(
    name: N,
    on_result: impl FnOnce(io::Result<vec::IntoIter<SocketAddr>>) + Send + 'static,
) -> io::Result<()>
where
    N: ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
{
    thread::Builder::new()
        .name("a0-http lookup".to_owned())
        .spawn(move || on_result(name.to_socket_addrs().map_err(reveal_shortage)))
        .map(drop)
        .map_err(|error| io::Error::other(NoThread(error)))
}

/// Replaces a failed lookup's error if its reason was that no file descriptor is left.
fn reveal_shortage(error: io::Error) -> io::Error {
    // glibc reports this as an unknown name, so probe for a free descriptor.
    match UdpSocket::bind(("127.0.0.1", 0)) {
        Err(shortage) if is_out_of_descriptors(&shortage) => shortage,
        _ => error,
    }
}

/// Whether `error` says that the process or the system has no file descriptor or thread left.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    is_out_of_descriptors(error) || error.get_ref().is_some_and(|cause| cause.is::<NoThread>())
}

/// No thread could be spawned. The system's own error, `EAGAIN`, would count as a timeout.
#[derive(Debug)]
struct NoThread(io::Error);

impl fmt::Display for NoThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no thread could be spawned for the name lookup")
    }
}

impl Error for NoThread {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Connection pools of this process, one for each `K`. An async client uses its runtimes as keys.
///
/// A forked child starts without pools. Both ends of a TLS connection number its records: if a
/// process and its child both write to one connection, they use a number twice with the same key.
/// This is nonce reuse, which breaks the secrecy of both records.
pub(crate) struct ConnectionPools<K, P> {
    state: Mutex<State<K, P>>,
}

struct State<K, P> {
    process_id: u32,
    /// Ordered by last use, the most recent one last.
    pools: Vec<(K, P)>,
}

/// Bounds the pools of runtimes that have ended, because nothing reports their end. A reqwest
/// `Client` takes about 2 kB, so 512 take 1 MB. If more runtimes than this use a client in turn,
/// each finds its connections dropped.
const MAX_POOLS: usize = 512;

impl<K: PartialEq, P: Clone> ConnectionPools<K, P> {
    pub(crate) fn new() -> Self {
        let state = State {
            process_id: process::id(),
            pools: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// Returns the pool for `key` in this process, and calls `new` to create it the first time.
    pub(crate) fn get(&self, key: K, new: impl FnOnce() -> P) -> P {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.process_id != process::id() {
            // Dropping the pools would send `close_notify` and shut the sockets down, which would
            // end the parent's connections.
            mem::forget(mem::take(&mut state.pools));
            state.process_id = process::id();
        }
        let existing = state.pools.iter().position(|(other, _)| *other == key);
        let pool = match existing {
            Some(index) => state.pools.remove(index).1,
            None => new(),
        };
        if state.pools.len() >= MAX_POOLS {
            state.pools.remove(0);
        }
        state.pools.push((key, pool.clone()));
        pool
    }
}

#[cfg(test)]
mod tests;
