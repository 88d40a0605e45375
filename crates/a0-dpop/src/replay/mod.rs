//! Detects proofs that were used before, RFC 9449 section 11.1.

mod contract;
mod in_memory;
mod shard;

pub use contract::{ReplayStore, ReplayStoreError, Seen};
pub use in_memory::InMemoryReplayStore;
