//! Which exchanges may share connections.

use std::mem;
use std::process;
use std::sync::{Mutex, PoisonError};

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
