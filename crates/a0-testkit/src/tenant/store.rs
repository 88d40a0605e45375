//! A bounded list of entries with keys: a tenant that runs for days must not grow without end.

use std::collections::VecDeque;

/// Holds the newest entries, at most `capacity` of them. A full store drops the oldest.
pub(super) struct Store<V> {
    entries: VecDeque<(String, V)>,
    capacity: usize,
}

impl<V> Store<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            capacity,
        }
    }

    /// Inserts an entry, in place of an earlier one with the same key.
    pub(super) fn insert(&mut self, key: String, value: V) {
        self.remove(&key);
        while self.entries.len() >= self.capacity {
            self.entries.pop_front();
        }
        self.entries.push_back((key, value));
    }

    /// Inserts an entry, unless there is one with the same key. Returns whether it did.
    pub(super) fn insert_new(&mut self, key: String) -> bool
    where
        V: Default,
    {
        let is_new = self.get(&key).is_none();
        if is_new {
            self.insert(key, V::default());
        }
        is_new
    }

    pub(super) fn get(&self, key: &str) -> Option<&V> {
        let entry = self.entries.iter().find(|(other, _)| other == key);
        entry.map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let entry = self.entries.iter_mut().find(|(other, _)| other == key);
        entry.map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<V> {
        let index = self.entries.iter().position(|(other, _)| other == key)?;
        self.entries.remove(index).map(|(_, value)| value)
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        self.entries.retain(|(_, value)| keep(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_store_drops_the_oldest() {
        let mut store = Store::new(2);
        for (key, value) in [("a", 1), ("b", 2), ("a", 3), ("c", 4)] {
            store.insert(key.to_owned(), value);
        }
        assert_eq!(
            (store.get("a"), store.get("b"), store.get("c")),
            (Some(&3), None, Some(&4))
        );
        assert_eq!((store.remove("a"), store.remove("a")), (Some(3), None));
    }
}
