//! A check without locks that keys are still the ones the cache serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use a0_jose::NumericDate;

use crate::age::Stamp;
use crate::policy::CachePolicy;

/// The lifetime of one key set in a [`KeyCache`](crate::KeyCache). It ends when the set is replaced
/// or evicted.
///
/// Callers that cache a verified token check the lease of the keys that verified it; they need no
/// lock of the key cache. Two leases are equal if they belong to the same key set from the same
/// fetch.
#[derive(Debug, Clone)]
pub struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ended: AtomicBool,
    /// Whether `holds` was called since the cache last checked.
    used: AtomicBool,
    stamps: [Stamp; 2],
}

impl Lease {
    pub(crate) fn new(stamps: [Stamp; 2]) -> Self {
        Lease(Arc::new(Inner {
            ended: AtomicBool::new(false),
            used: AtomicBool::new(false),
            stamps,
        }))
    }

    pub(crate) fn end(&self) {
        self.0.ended.store(true, Ordering::Release);
    }

    /// Whether the keys were replaced or evicted. Cached results that depend on them are then
    /// invalid.
    pub fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// Whether the keys are still in the cache and fresh at the time `now`. `policy` is the cache's.
    /// If this returns `false`, ask the cache: it may still serve the keys while they are stale.
    pub fn holds(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        // Writing only once keeps threads from contending for the cache line.
        if !self.0.used.load(Ordering::Relaxed) {
            self.0.used.store(true, Ordering::Relaxed);
        }
        !self.has_ended() && policy.are_fresh(self.0.stamps, now)
    }

    /// Whether [`holds`](Lease::holds) was called since the last call of this function.
    pub(crate) fn take_used(&self) -> bool {
        self.0.used.swap(false, Ordering::Relaxed)
    }
}

impl PartialEq for Lease {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lease {}
