//! Queues of entries: one that pops the entry nearest its expiry, and one for each large holder.

use std::cmp::Reverse;
use std::collections::binary_heap::BinaryHeap;
use std::collections::{BTreeSet, HashMap};

use super::shard::Entry;

/// Queues with less room than this are not worth shrinking.
const MIN_ROOM: usize = 64;

/// Entries by the second of their expiry.
#[derive(Default)]
pub(super) struct Queue(BinaryHeap<Reverse<(u32, Entry)>>);

impl Queue {
    pub(super) fn push(&mut self, expiry: u32, entry: Entry) {
        self.0.push(Reverse((expiry, entry)));
    }

    /// Removes the entry nearest its expiry.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let Reverse((_, entry)) = self.0.pop()?;
        // Otherwise each queue would keep the memory of its largest size, also if the entries are
        // now those of other holders. The new room leaves as many calls before the next change.
        let room = self.0.capacity();
        if room > MIN_ROOM && self.0.len() < room / 4 {
            self.0.shrink_to(room / 2);
        }
        Some(entry)
    }

    pub(super) fn first_expiry(&self) -> Option<u32> {
        self.0.peek().map(|first| first.0.0)
    }

    /// The number of entries, and the expiry of the first.
    fn rank(&self) -> Option<(usize, u32)> {
        let first = self.first_expiry()?;
        Some((self.0.len(), first))
    }
}

/// The queues of large holders. Every queue has an entry, and both indexes have every queue.
#[derive(Default)]
pub(super) struct Holders {
    queues: HashMap<u32, Queue>,
    /// Size, expiry of the first entry, and holder. Of two equal holders, the last one here is the
    /// one whose first entry is nearer its expiry.
    by_size: BTreeSet<(usize, Reverse<u32>, u32)>,
    /// Expiry of the first entry, and holder.
    by_expiry: BTreeSet<(u32, u32)>,
}

impl Holders {
    pub(super) fn push(&mut self, expiry: u32, entry: Entry) {
        self.change(entry.holder, |queue| queue.push(expiry, entry));
    }

    /// Removes the holder's entry that is nearest its expiry.
    pub(super) fn pop(&mut self, holder: u32) -> Option<Entry> {
        self.change(holder, Queue::pop)
    }

    pub(super) fn size(&self, holder: u32) -> usize {
        self.queues.get(&holder).map_or(0, |queue| queue.0.len())
    }

    /// The size of the largest queue, and its holder.
    pub(super) fn largest(&self) -> Option<(usize, u32)> {
        let &(size, _, holder) = self.by_size.last()?;
        Some((size, holder))
    }

    /// The expiry of the entry that expires first, and its holder.
    pub(super) fn first_expiry(&self) -> Option<(u32, u32)> {
        self.by_expiry.first().copied()
    }

    /// Changes a queue, and the indexes with it.
    fn change<T>(&mut self, holder: u32, change: impl FnOnce(&mut Queue) -> T) -> T {
        let queue = self.queues.entry(holder).or_default();
        let before = queue.rank();
        let outcome = change(queue);
        let after = queue.rank();
        if after.is_none() {
            self.queues.remove(&holder);
        }
        if let Some((size, first)) = before {
            self.by_size.remove(&(size, Reverse(first), holder));
            self.by_expiry.remove(&(first, holder));
        }
        if let Some((size, first)) = after {
            self.by_size.insert((size, Reverse(first), holder));
            self.by_expiry.insert((first, holder));
        }
        outcome
    }
}
