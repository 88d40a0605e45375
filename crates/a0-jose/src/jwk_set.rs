//! JWK Sets, RFC 7517 section 5.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::algorithm::Algorithm;
use crate::backend::Backend;
use crate::json;
use crate::jwk::{Jwk, JwkError};
use crate::key::VerifyingKey;

/// Entries that are looked at in one set; the rest is left out. Building a key takes up to 0.1 ms,
/// so this bounds what a set can cost, whatever is in it.
pub const MAX_KEYS: usize = 1024;

/// Keys of one `kid` that are tried on one signature.
pub const MAX_CANDIDATES: usize = 8;

/// The usable keys of a JWK Set, by `kid`, each ready to verify with.
///
/// An entry that cannot be used is skipped and told by [`skipped`](JwkSet::skipped); it never
/// spoils the others (RFC 7517 section 5). A set without a usable entry is a value too: whether it
/// is of use is for the caller to judge, by [`is_empty`](JwkSet::is_empty).
///
/// ```
/// use a0_jose::{Algorithm, JwkError, JwkSet};
///
/// let set = JwkSet::parse(br#"{"keys":[null,{"kty":"oct","k":"AAAA"}]}"#, &[Algorithm::Rs256])?;
/// assert!(set.is_empty());
/// assert_eq!(set.skipped(), [(0, JwkError::NotAnObject), (1, JwkError::KeyType)]);
/// # Ok::<(), a0_jose::JwkSetError>(())
/// ```
#[derive(Debug, Default)]
pub struct JwkSet {
    /// Not hashed: sets are small, and each token's `kid` is looked up twice.
    keys: BTreeMap<String, Vec<VerifyingKey>>,
    skipped: Vec<(usize, JwkError)>,
}

impl JwkSet {
    /// Parses a set and builds its keys, each for one algorithm out of `allowed`: see
    /// [`VerifyingKey::new`].
    ///
    /// # Errors
    ///
    /// [`JwkSetError`] where the text is not a JSON object with an array `keys`.
    pub fn parse(text: &[u8], allowed: &[Algorithm]) -> Result<Self, JwkSetError> {
        JwkSet::parse_with_backend(text, allowed, Backend::default())
    }

    /// As [`parse`](JwkSet::parse), with signatures checked by `backend`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn parse_with_backend(
        text: &[u8],
        allowed: &[Algorithm],
        backend: Backend,
    ) -> Result<Self, JwkSetError> {
        let Document { keys: entries } = serde_json::from_slice(text).map_err(|_| JwkSetError)?;
        let mut set = JwkSet::default();
        for (position, entry) in entries.iter().take(MAX_KEYS).enumerate() {
            match entry_key(entry, allowed, backend) {
                Ok((key_id, key)) => set.keys.entry(key_id).or_default().push(key),
                Err(error) => set.skipped.push((position, error)),
            }
        }
        if entries.len() > MAX_KEYS {
            set.skipped.push((MAX_KEYS, JwkError::TooMany));
        }
        Ok(set)
    }

    /// The keys that a token with this `kid` and this algorithm may have been signed by, at most
    /// [`MAX_CANDIDATES`]. `kid` is compared exactly.
    pub fn candidates(
        &self,
        key_id: &str,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &VerifyingKey> + use<'_> {
        self.keys
            .get(key_id)
            .into_iter()
            .flatten()
            .filter(move |key| key.algorithm() == algorithm)
            .take(MAX_CANDIDATES)
    }

    /// Whether a token with this `kid` and this algorithm has a candidate.
    pub fn contains(&self, key_id: &str, algorithm: Algorithm) -> bool {
        self.candidates(key_id, algorithm).next().is_some()
    }

    /// The `kid` of every usable key, each once, in their order as texts.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Whether no key is usable.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The entries that cannot be used: position in the array, and why.
    pub fn skipped(&self) -> &[(usize, JwkError)] {
        &self.skipped
    }
}

/// The array `keys`, its entries not read yet: each is parsed by itself, so that one which is not
/// even acceptable JSON takes no other along.
struct Document<'t> {
    keys: Vec<&'t RawValue>,
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JWK Set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut keys = None;
        while let Some(name) = access.next_key::<Cow<'de, str>>()? {
            if name != "keys" {
                access.next_value::<IgnoredAny>()?;
            } else if keys.replace(access.next_value()?).is_some() {
                return Err(de::Error::duplicate_field("keys"));
            }
        }
        let keys = keys.ok_or_else(|| de::Error::missing_field("keys"))?;
        Ok(Document { keys })
    }
}

fn entry_key(
    entry: &RawValue,
    allowed: &[Algorithm],
    backend: Backend,
) -> Result<(String, VerifyingKey), JwkError> {
    let entry = json::Document::parse(entry.get().into()).map_err(|_| JwkError::NotAnObject)?;
    let jwk = Jwk::from_members(entry.members())?;
    let key_id = jwk.key_id().ok_or(JwkError::MissingKeyId)?.to_owned();
    let key = VerifyingKey::with_backend(&jwk, allowed, backend)?;
    Ok((key_id, key))
}

/// A text that is no JWK Set: not one JSON object with an array `keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object with an array 'keys'")]
#[non_exhaustive]
pub struct JwkSetError;
