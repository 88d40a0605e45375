//! Which exchanges may share kept connections.

use std::mem;
use std::process;
use std::sync::{Mutex, PoisonError};

/// Connection pools, one for each `K` (for an async client, the runtime), of this process alone.
///
/// Both ends of a TLS connection number its records. If a process and its forked child both write
/// to one, a number comes twice, and the server hangs up. So a child begins without pools.
pub(crate) struct Pools<K, P> {
    open: Mutex<Open<K, P>>,
}

struct Open<K, P> {
    process: u32,
    /// The most recently used one is the last.
    pools: Vec<(K, P)>,
}

/// Enough for a runtime on each core of most machines. With more, connections are kept less well.
const MAX_POOLS: usize = 32;

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
            // Not dropped: a farewell to the server would end the parent's connections too.
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
