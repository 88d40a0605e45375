//! The locks. `tests/model.rs` puts loom's in their place.

pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
