//! Queues of entries by expiry: a shared one, and one for each large holder.

use std::cmp::Reverse;
use std::collections::binary_heap::BinaryHeap;
use std::collections::{BTreeSet, HashMap};

const MIN_COUNTS: usize = 64;

/// A proof: the holder of its key, and 96 bits of the hash that identifies it.
///
/// Proofs that agree in both count as one. Such a collision can refuse a proof, but never accept
/// one twice. The holder is a keyed hash of the thumbprint, so that nobody can make a key that
/// counts as another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Entry {
    pub(super) holder: u32,
    /// Words of 32 bits, so that an entry and its expiry take 20 octets.
    pub(super) hash: [u32; 3],
}

/// The queue of holders that have few entries.
pub(super) struct SharedQueue {
    queue: Queue,
    /// The most entries of one holder.
    max_of_one: usize,
    /// The number of entries by the last bits of their holder, at least one count for each entry.
    /// Holders that agree in these bits are counted together, which takes one octet instead of an
    /// entry in a table. Some of them get queues of their own sooner, which is harmless.
    counts: Vec<u8>,
}

impl SharedQueue {
    pub(super) fn new(max_of_one: usize) -> Self {
        SharedQueue {
            queue: Queue::default(),
            max_of_one,
            counts: Vec::new(),
        }
    }

    /// Adds an entry. Returns false if its holder has too many.
    pub(super) fn push(&mut self, expiry: u32, entry: Entry) -> bool {
        if self.max_of_one == 0 {
            return false;
        }
        if self.queue.0.len() >= self.counts.len() {
            self.grow_counts();
        }
        let max_of_one = self.max_of_one;
        let fits = self.count_of(entry).is_some_and(|count| {
            let fits = usize::from(*count) < max_of_one;
            *count = count.saturating_add(u8::from(fits));
            fits
        });
        if fits {
            self.queue.push(expiry, entry);
        }
        fits
    }

    /// Removes the entry nearest its expiry.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.queue.pop()?;
        if let Some(count) = self.count_of(entry) {
            *count = count.saturating_sub(1);
        }
        Some(entry)
    }

    pub(super) fn first_expiry(&self) -> Option<u32> {
        self.queue.first_expiry()
    }

    fn grow_counts(&mut self) {
        // A power of two, so that the last bits of a holder are an index.
        let length = (self.counts.len() * 2).max(MIN_COUNTS);
        self.counts = vec![0; length];
        let queue = std::mem::take(&mut self.queue);
        for Reverse((_, entry)) in &queue.0 {
            if let Some(count) = self.count_of(*entry) {
                *count = count.saturating_add(1);
            }
        }
        self.queue = queue;
    }

    fn count_of(&mut self, entry: Entry) -> Option<&mut u8> {
        let last = self.counts.len().checked_sub(1)?;
        self.counts.get_mut(entry.holder as usize & last)
    }
}

/// The queues of large holders. No queue is empty, and both indexes have every queue.
#[derive(Default)]
pub(super) struct LargeHolders {
    queues: HashMap<u32, Queue>,
    /// Size, expiry of the first entry, and holder. Of two equal holders, the last one here is the
    /// one whose first entry is nearer its expiry.
    by_size: BTreeSet<(usize, Reverse<u32>, u32)>,
    /// Expiry of the first entry, and holder.
    by_expiry: BTreeSet<(u32, u32)>,
}

impl LargeHolders {
    pub(super) fn push(&mut self, expiry: u32, entry: Entry) {
        self.change(entry.holder, |queue| queue.push(expiry, entry));
    }

    /// Removes the holder's entry that is nearest its expiry.
    pub(super) fn pop(&mut self, holder: u32) -> Option<Entry> {
        self.change(holder, Queue::pop)
    }

    /// The number of entries of this holder, without shared ones.
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
        }
        if let Some((size, first)) = after {
            self.by_size.insert((size, Reverse(first), holder));
        }
        let [before, after] = [before, after].map(|rank| rank.map(|(_, first)| (first, holder)));
        if before != after {
            before.map(|first| self.by_expiry.remove(&first));
            after.map(|first| self.by_expiry.insert(first));
        }
        outcome
    }
}

/// Entries by the second of their expiry.
#[derive(Default)]
struct Queue(BinaryHeap<Reverse<(u32, Entry)>>);

impl Queue {
    /// Grows by a quarter instead of doubling, because all queues together take the memory.
    fn push(&mut self, expiry: u32, entry: Entry) {
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(self.0.len() / 4 + 4);
        }
        self.0.push(Reverse((expiry, entry)));
    }

    /// Removes the entry nearest its expiry.
    ///
    /// A queue less than half full shrinks, else each would keep the memory of its largest size
    /// while its holders have few entries and others have many.
    fn pop(&mut self) -> Option<Entry> {
        let Reverse((_, entry)) = self.0.pop()?;
        let length = self.0.len();
        if length + 4 < self.0.capacity() / 2 {
            self.0.shrink_to(length + length / 4);
        }
        Some(entry)
    }

    fn first_expiry(&self) -> Option<u32> {
        self.0.peek().map(|first| first.0.0)
    }

    /// The number of entries, and the expiry of the first.
    fn rank(&self) -> Option<(usize, u32)> {
        let first = self.first_expiry()?;
        Some((self.0.len(), first))
    }
}
