//! The locks. `tests/model.rs` replaces them with loom's.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
