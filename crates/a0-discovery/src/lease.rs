//! Whether keys are still the ones that a cache serves, without its locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use a0_jose::NumericDate;

use crate::age::Stamp;
use crate::policy::CachePolicy;

/// The time of one key set in a [`KeyCache`](crate::KeyCache). It ends when the set is replaced or
/// evicted.
///
/// Callers that keep something these keys vouched for, such as a verified token, check its lease. Two
/// leases are equal if they belong to one key set from one fetch.
#[derive(Debug, Clone)]
pub struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ended: AtomicBool,
    /// Whether somebody asked since the cache last looked.
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

    /// Whether the keys were replaced or evicted. Nothing that they vouched for counts any longer.
    pub fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// Whether a cache with this policy would serve these keys at the time `now` without a fetch. If
    /// not, ask the cache: it may still serve stale keys.
    pub fn holds(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        // Written once, not each time: threads would take the cache line from each other.
        if !self.0.used.load(Ordering::Relaxed) {
            self.0.used.store(true, Ordering::Relaxed);
        }
        !self.has_ended() && policy.are_fresh(self.0.stamps, now)
    }

    /// Whether [`holds`](Lease::holds) was called since the last call of this.
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
