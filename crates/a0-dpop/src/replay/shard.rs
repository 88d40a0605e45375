//! A part of the store in memory: the entries it holds, which one it drops, and the queues that tell which
//! one is next.

use std::cmp::Reverse;
use std::collections::binary_heap::BinaryHeap;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::contract::Seen;

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

/// One more than a call adds, so that expired entries decrease with every call.
const EXPIRED_PER_CALL: usize = 2;

/// The most entries of one holder in the shared queue. Most holders have few entries, and a queue
/// for each of them would take several times the memory of its entries.
const MAX_SHARED: usize = 31;

/// A shard shares one entry of each holder for each so many entries of its capacity. Smaller shards
/// share none: their memory does not matter.
const CAPACITY_PER_SHARED: usize = 2048;

/// Between two calls, each entry of `held` is in exactly one queue. The hash of `held` is keyed,
/// because a client that chooses a `jti` can choose bits of an entry.
pub(super) struct Shard {
    pub(super) capacity: usize,
    held: HashSet<Entry>,
    /// The entries of holders that have few, and the first ones of those that have many.
    shared: SharedQueue,
    /// The further entries of holders that have many.
    large: LargeHolders,
    /// Entries that expire before this second may have been removed. If the clock goes back before
    /// it, the shard no longer knows which of those proofs were seen.
    horizon: u32,
    pub(super) evicted: u64,
}

impl Shard {
    pub(super) fn new(capacity: usize) -> Self {
        Shard {
            capacity,
            held: HashSet::new(),
            shared: SharedQueue::new(MAX_SHARED.min(capacity / CAPACITY_PER_SHARED)),
            large: LargeHolders::default(),
            horizon: 0,
            evicted: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) fn check_and_insert(&mut self, entry: Entry, expiry: u32, now: u32) -> Seen {
        for _ in 0..EXPIRED_PER_CALL {
            self.remove_expired(now);
        }
        // The horizon is checked first: a refused entry must not enter `held`, where nothing would
        // remove it.
        if expiry < self.horizon || !self.held.insert(entry) {
            return Seen::Before;
        }
        if self.held.len() > self.capacity {
            self.evict(entry.holder);
        }
        if self.large.size(entry.holder) > 0 || !self.shared.push(expiry, entry) {
            self.large.push(expiry, entry);
        }
        Seen::First
    }

    fn remove_expired(&mut self, now: u32) {
        let shared = self.shared.first_expiry().map(|expiry| (expiry, None));
        let large = self.large.first_expiry();
        let large = large.map(|(expiry, holder)| (expiry, Some(holder)));
        let first = shared.into_iter().chain(large).min_by_key(|first| first.0);
        if let Some((expiry, holder)) = first
            && expiry < now
        {
            self.remove_first(holder);
            self.horizon = self.horizon.max(expiry.saturating_add(1));
        }
    }

    /// Makes room for an entry of `newcomer`.
    ///
    /// Takes it from the largest holder, but from the newcomer as soon as the newcomer would be as
    /// large. So no holder can push out an entry of another that does not hold more than itself.
    fn evict(&mut self, newcomer: u32) {
        let own = self.large.size(newcomer);
        let holder = self.large.largest().map(|(size, holder)| {
            if own > 0 && own.saturating_add(1) >= size {
                newcomer
            } else {
                holder
            }
        });
        self.remove_first(holder);
        self.evicted = self.evicted.saturating_add(1);
    }

    /// Removes the entry nearest its expiry: one of this large holder, or a shared one.
    fn remove_first(&mut self, holder: Option<u32>) {
        let first = match holder {
            Some(holder) => self.large.pop(holder),
            None => self.shared.pop(),
        };
        if let Some(entry) = first {
            self.held.remove(&entry);
        }
    }
}

const MIN_COUNTS: usize = 64;

/// The queue of holders that have few entries.
struct SharedQueue {
    queue: Queue,
    /// The most entries of one holder.
    max_of_one: usize,
    /// The number of entries by the last bits of their holder, at least one count for each entry.
    /// Holders that agree in these bits are counted together, which takes one octet instead of an
    /// entry in a table. Some of them get queues of their own sooner, which is harmless.
    counts: Vec<u8>,
}

impl SharedQueue {
    fn new(max_of_one: usize) -> Self {
        SharedQueue {
            queue: Queue::default(),
            max_of_one,
            counts: Vec::new(),
        }
    }

    /// Adds an entry. Returns false if its holder has too many.
    fn push(&mut self, expiry: u32, entry: Entry) -> bool {
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
    fn pop(&mut self) -> Option<Entry> {
        let entry = self.queue.pop()?;
        if let Some(count) = self.count_of(entry) {
            *count = count.saturating_sub(1);
        }
        Some(entry)
    }

    fn first_expiry(&self) -> Option<u32> {
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
struct LargeHolders {
    queues: HashMap<u32, Queue>,
    /// Size, expiry of the first entry, and holder. Of two equal holders, the last one here is the
    /// one whose first entry is nearer its expiry.
    by_size: BTreeSet<(usize, Reverse<u32>, u32)>,
    /// Expiry of the first entry, and holder.
    by_expiry: BTreeSet<(u32, u32)>,
}

impl LargeHolders {
    fn push(&mut self, expiry: u32, entry: Entry) {
        self.change(entry.holder, |queue| queue.push(expiry, entry));
    }

    /// Removes the holder's entry that is nearest its expiry.
    fn pop(&mut self, holder: u32) -> Option<Entry> {
        self.change(holder, Queue::pop)
    }

    /// The number of entries of this holder, without shared ones.
    fn size(&self, holder: u32) -> usize {
        self.queues.get(&holder).map_or(0, |queue| queue.0.len())
    }

    /// The size of the largest queue, and its holder.
    fn largest(&self) -> Option<(usize, u32)> {
        let &(size, _, holder) = self.by_size.last()?;
        Some((size, holder))
    }

    /// The expiry of the entry that expires first, and its holder.
    fn first_expiry(&self) -> Option<(u32, u32)> {
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
