//! Which exchanges may share kept connections.

use std::mem;
use std::process;
use std::sync::{Mutex, PoisonError};

/// Connection pools, one for each `K` (for an async client, the runtime), of this process alone.
///
/// Both ends of a TLS connection number its records. If a process and its forked child both write
/// to one, they use a number twice under the same key. That is nonce reuse, which breaks the secrecy
/// of both records. So a child begins without pools.
pub(crate) struct Pools<K, P> {
    open: Mutex<Open<K, P>>,
}

struct Open<K, P> {
    process: u32,
    /// The most recently used one is the last.
    pools: Vec<(K, P)>,
}

/// A bound on what ended runtimes leave behind, because nothing reports their end. A reqwest
/// `Client` takes about 2 kB, so 512 take 1 MB. If more runtimes than this use a client in turn, each
/// finds its connections dropped.
const MAX_POOLS: usize = 512;

impl<K: PartialEq, P: Clone> Pools<K, P> {
    pub(crate) fn new() -> Self {
        let open = Open {
            process: process::id(),
            pools: Vec::new(),
        };
        Self {
            open: Mutex::new(open),
        }
    }

    /// Returns the pool of `key` in this process, a `new` one the first time.
    pub(crate) fn get(&self, key: K, new: impl FnOnce() -> P) -> P {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.process != process::id() {
            // Dropping them would send `close_notify` and shut the sockets down, and so end the
            // parent's connections.
            mem::forget(mem::take(&mut open.pools));
            open.process = process::id();
        }
        let known = open.pools.iter().position(|(other, _)| *other == key);
        let pool = match known {
            Some(index) => open.pools.remove(index).1,
            None => new(),
        };
        if open.pools.len() >= MAX_POOLS {
            open.pools.remove(0);
        }
        open.pools.push((key, pool.clone()));
        pool
    }
}

#[cfg(test)]
mod tests;
