//! The entries of a key set that cannot be used.

use std::fmt;

use a0_jose::{JwkError, JwkSet};

/// How many entries are told one by one.
const MAX_ENTRIES: usize = 16;

/// The entries of a JWK Set that cannot be used, and why. It contains nothing of the entries.
///
/// The text names at most the first 16 entries, as in `entry 0: unsupported key type; entry 3: RSA
/// modulus is not of 2048 to 8192 bits`.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct SkippedKeys {
    entries: Vec<SkippedKey>,
    total: usize,
}

/// An entry of a JWK Set that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its position in the array `keys`, from 0.
    pub position: usize,
    /// Why it cannot be used.
    pub reason: JwkError,
}

impl SkippedKeys {
    pub(crate) fn of(keys: &JwkSet) -> Self {
        let skipped = keys.skipped();
        let entries = skipped.iter().take(MAX_ENTRIES);
        SkippedKeys {
            entries: entries
                .map(|&(position, reason)| SkippedKey { position, reason })
                .collect(),
            total: skipped.len(),
        }
    }

    /// The first of these entries, at most 16.
    pub fn entries(&self) -> &[SkippedKey] {
        &self.entries
    }

    /// The number of all these entries. Those after the [`MAX_KEYS`](a0_jose::MAX_KEYS) that are
    /// read count as one.
    pub fn total(&self) -> usize {
        self.total
    }
}

impl fmt::Display for SkippedKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.total == 0 {
            return formatter.write_str("all entries can be used");
        }
        for (number, SkippedKey { position, reason }) in self.entries.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(formatter, "{separator}entry {position}: {reason}")?;
        }
        match self.total.saturating_sub(self.entries.len()) {
            0 => Ok(()),
            further => write!(formatter, "; and {further} more"),
        }
    }
}
