//! The names of objects, which must not occur twice.

use std::hash::{BuildHasher, RandomState};

use super::JsonError;
use super::text::Cursor;

/// The names of the objects that are open at a position. Each takes eight octets, and a member takes at least five
/// in the text (`"":0,`). With the room that the list grows into, that is a few times the length of the text.
#[derive(Default)]
pub(super) struct Names {
    open: Vec<Name>,
    /// Its key is random, so no text can be made whose names have one hash.
    hasher: RandomState,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    hash: u32,
    /// Where the name begins in the text.
    at: u32,
}

impl Names {
    /// Begins an object. Returns what [`end`](Self::end) needs.
    pub(super) fn begin(&self) -> usize {
        self.open.len()
    }

    pub(super) fn add(&mut self, name: &str, at: usize) -> Result<(), JsonError> {
        let at = u32::try_from(at).map_err(|_| JsonError::Syntax)?;
        let hash = self.hasher.hash_one(name) as u32;
        self.open.push(Name { hash, at });
        Ok(())
    }

    /// Ends an object, and compares its names: those of one hash letter by letter.
    pub(super) fn end(&mut self, begin: usize, text: &str) -> Result<(), JsonError> {
        let own = self.open.get_mut(begin..).unwrap_or_default();
        own.sort_unstable();
        let mut groups = own.chunk_by(|one, other| one.hash == other.hash);
        let has_double = groups.any(|group| has_double(group, text));
        self.open.truncate(begin);
        match has_double {
            true => Err(JsonError::DuplicateName),
            false => Ok(()),
        }
    }
}

fn has_double(group: &[Name], text: &str) -> bool {
    let name = |it: &Name| Cursor::new(text, it.at as usize).string().ok();
    let mut rest = group.iter();
    while let Some(one) = rest.next() {
        if rest.clone().any(|other| name(other) == name(one)) {
            return true;
        }
    }
    false
}
