//! JWK Sets, RFC 7517 section 5.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::algorithm::Algorithm;
use crate::error::{JwkError, UnusableKey, VerifyError};
use crate::json;
use crate::json::{Members, Node};
use crate::jwk::Jwk;
use crate::key::{Backend, VerifyingKey};

/// The most entries that are read of one set. The rest is left out. Building a key takes up to 0.1
/// ms, so this limit bounds the time that any set can take.
pub const MAX_KEYS: usize = 1024;

/// The most keys with one `kid` that are tried on one signature.
pub const MAX_CANDIDATES: usize = 8;

/// The longest `kid` of a skipped entry that is kept, in octets.
const MAX_SKIPPED_KEY_ID: usize = 256;

/// The usable keys of a JWK Set, by `kid`, each ready to verify signatures.
///
/// An entry that cannot be used is skipped and reported by [`skipped`](JwkSet::skipped). It does
/// not affect the others (RFC 7517 section 5). A set without a usable entry is not an error:
/// callers check [`is_empty`](JwkSet::is_empty).
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
    /// Not a hash map: sets are small, and each token looks its `kid` up twice.
    keys: BTreeMap<String, Vec<VerifyingKey>>,
    skipped: Vec<(usize, JwkError)>,
    /// Why the first skipped entry with a `kid` was skipped, by `kid`. The `kid` is only compared
    /// with those of tokens.
    skipped_by_key_id: BTreeMap<String, JwkError>,
}

impl JwkSet {
    /// Parses a set and builds its keys, each for one algorithm of `allowed` as
    /// [`VerifyingKey::new`] chooses it.
    ///
    /// # Errors
    ///
    /// [`JwkSetError`] where the text is not a JSON object with an array `keys`.
    pub fn parse(text: &[u8], allowed: &[Algorithm]) -> Result<Self, JwkSetError> {
        JwkSet::parse_with_backend(text, allowed, Backend::default())
    }

    /// Like [`parse`](JwkSet::parse), but `backend` checks the signatures.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn parse_with_backend(
        text: &[u8],
        allowed: &[Algorithm],
        backend: Backend,
    ) -> Result<Self, JwkSetError> {
        let RawEntries(entries) = serde_json::from_slice(text).map_err(|_| JwkSetError)?;
        let mut set = JwkSet::default();
        for (position, entry) in entries.iter().take(MAX_KEYS).enumerate() {
            set.add(position, entry, allowed, backend);
        }
        if entries.len() > MAX_KEYS {
            set.skipped.push((MAX_KEYS, JwkError::TooMany));
        }
        Ok(set)
    }

    /// Adds the key of one entry, or the reason why there is none.
    fn add(&mut self, position: usize, entry: &RawValue, allowed: &[Algorithm], backend: Backend) {
        let Ok(entry) = json::Document::parse(entry.get().into()) else {
            self.skipped.push((position, JwkError::NotAnObject));
            return;
        };
        match build_key(entry.members(), allowed, backend) {
            Ok((key_id, key)) => self.keys.entry(key_id).or_default().push(key),
            Err(error) => {
                self.skipped.push((position, error));
                let key_id = entry.members().get("kid").and_then(Node::as_str);
                if let Some(key_id) = key_id.filter(|id| id.len() <= MAX_SKIPPED_KEY_ID) {
                    let reasons = &mut self.skipped_by_key_id;
                    reasons.entry(key_id.to_owned()).or_insert(error);
                }
            }
        }
    }

    /// The keys with this `kid` and this algorithm, at most [`MAX_CANDIDATES`]. `kid` is compared
    /// exactly.
    pub fn candidates(
        &self,
        key_id: &str,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &VerifyingKey> + use<'_> {
        self.keys
            .get(key_id)
            .into_iter()
            .flatten()
            .filter(move |key| key.serves(algorithm))
            .take(MAX_CANDIDATES)
    }

    /// Returns whether the set has a key with this `kid` and this algorithm.
    pub fn contains(&self, key_id: &str, algorithm: Algorithm) -> bool {
        self.candidates(key_id, algorithm).next().is_some()
    }

    /// Returns whether the set has a usable key with this `kid`, for any algorithm.
    ///
    /// If it has one, but [none for the token's algorithm](JwkSet::contains), a newer set helps only
    /// where the issuer has replaced the key and kept its `kid`.
    pub fn contains_key_id(&self, key_id: &str) -> bool {
        self.keys.contains_key(key_id)
    }

    /// The reason why there is no candidate for a token with this `kid`.
    pub(crate) fn mismatch(&self, key_id: &str) -> VerifyError {
        let usable = self.keys.get(key_id).and_then(|keys| keys.first());
        match (usable, self.skipped_by_key_id.get(key_id)) {
            (Some(key), _) => VerifyError::KeyForOtherAlgorithm(key.algorithm()),
            (None, Some(reason)) => VerifyError::UnusableKey(UnusableKey { reason: *reason }),
            (None, None) => VerifyError::NoMatchingKey,
        }
    }

    /// The `kid` of every usable key, each once, sorted.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// Returns whether no key is usable.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The entries that cannot be used: the position in the array, and the reason.
    pub fn skipped(&self) -> &[(usize, JwkError)] {
        &self.skipped
    }
}

/// The array `keys` with unparsed entries. Each entry is parsed separately, so that one which this
/// crate's JSON parser refuses does not affect the others.
struct RawEntries<'t>(Vec<&'t RawValue>);

impl<'de> Deserialize<'de> for RawEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawEntriesVisitor)
    }
}

struct RawEntriesVisitor;

impl<'de> Visitor<'de> for RawEntriesVisitor {
    type Value = RawEntries<'de>;

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
        keys.map(RawEntries)
            .ok_or_else(|| de::Error::missing_field("keys"))
    }
}

fn build_key(
    entry: Members<'_>,
    allowed: &[Algorithm],
    backend: Backend,
) -> Result<(String, VerifyingKey), JwkError> {
    let jwk = Jwk::from_issuer(entry)?;
    let key_id = jwk.key_id().ok_or(JwkError::MissingKeyId)?.to_owned();
    let key = VerifyingKey::with_backend(&jwk, allowed, backend)?;
    Ok((key_id, key))
}

/// The error for a text that is not a JSON object with an array `keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object with an array 'keys'")]
#[non_exhaustive]
pub struct JwkSetError;
