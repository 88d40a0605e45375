//! Whether keys are still those that a cache answers with, to be asked without its locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use a0_jose::NumericDate;

use crate::policy::CachePolicy;
use crate::stamp::Stamp;

/// One key set's time in a [`KeyCache`](crate::KeyCache): it ends when the set is replaced or dropped.
///
/// For whoever keeps something that these keys vouched for, such as a verified token. Two leases are
/// equal if they are of one key set, of one fetch.
#[derive(Debug, Clone)]
pub struct Lease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ended: AtomicBool,
    /// Whether anybody asked since it was last looked at.
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

    /// Whether the keys were replaced or dropped: then nothing that they vouched for counts.
    pub fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }

    /// Whether a cache of this policy would answer with these very keys at the time `now`, with
    /// nothing to be fetched. If not, ask it: keys that are no longer fresh may still be served.
    pub fn holds(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        // Written once, not each time: threads would take the line from each other.
        if !self.0.used.load(Ordering::Relaxed) {
            self.0.used.store(true, Ordering::Relaxed);
        }
        let fresh = |stamp: &Stamp| policy.is_fresh(*stamp, now);
        !self.has_ended() && self.0.stamps.iter().all(fresh)
    }

    /// Whether [`holds`](Lease::holds) was asked since the last call of this.
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
