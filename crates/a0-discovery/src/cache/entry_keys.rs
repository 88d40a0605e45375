//! The authentication of entries in a store that processes share.

use std::fmt;

use a0_jose::{base64url_encode, constant_time_eq, sha256};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// The shortest secret, in bytes: the output of SHA-256 (RFC 2104 section 3).
const MIN_SECRET: usize = 32;

/// The block of SHA-256, in bytes.
const BLOCK: usize = 64;

/// Separates the MACs of entries from other uses of the same secret.
const ENTRY_CONTEXT: &[u8] = b"a0-discovery entry 1";

const KEY_ID_CONTEXT: &[u8] = b"a0-discovery key identifier 1";

/// How many bytes of a MAC make a key identifier.
const KEY_ID_SIZE: usize = 8;

/// How a [`KeyCache`](crate::KeyCache) recognises the entries in a store that processes share.
///
/// An entry holds the keys that verify tokens, so anyone who can write to the store could plant keys
/// of their own. With [`EntryKeys`], the cache ignores every entry that no process of the fleet
/// wrote.
///
/// ```
/// use a0_discovery::{EntryAuthentication, EntryKeys};
///
/// let secret = [7; 32]; // From the configuration: 32 unguessable bytes.
/// let authenticated: EntryAuthentication = EntryKeys::new(secret)?.into();
/// let in_one_process = EntryAuthentication::unauthenticated_entries();
/// # let _ = (authenticated, in_one_process);
/// # Ok::<(), a0_discovery::EntryKeyTooShort>(())
/// ```
#[derive(Debug, Clone)]
pub struct EntryAuthentication(Option<EntryKeys>);

impl EntryAuthentication {
    /// Accepts every well-formed entry. Anyone who can write to the store then decides which tokens
    /// are accepted. It is for a store in the memory of one process, such as
    /// [`InMemoryCache`](crate::InMemoryCache), and for tests.
    pub fn unauthenticated_entries() -> Self {
        EntryAuthentication(None)
    }

    /// The beginning of all names in the store. Authenticated and unauthenticated entries have
    /// different names, so that processes with and without keys do not replace each other's.
    pub(super) fn prefix(&self) -> &'static str {
        match self.0 {
            Some(_) => "a0-discovery:2",
            None => "a0-discovery:1",
        }
    }

    /// Makes the text to store under `name`.
    pub(super) fn seal(&self, name: &str, payload: String) -> String {
        match &self.0 {
            Some(keys) => keys.signing.seal(name, &payload),
            None => payload,
        }
    }

    /// Returns the payload of a text that was stored under `name`. Returns `None` if none of the
    /// keys sealed it for this name.
    pub(super) fn open<'e>(&self, name: &str, text: &'e str) -> Option<&'e str> {
        match &self.0 {
            Some(keys) => keys.open(name, text),
            None => Some(text),
        }
    }
}

impl From<EntryKeys> for EntryAuthentication {
    fn from(keys: EntryKeys) -> Self {
        EntryAuthentication(Some(keys))
    }
}

/// The secrets that authenticate entries in a store that processes share: one that signs, and any
/// number that are accepted besides.
///
/// Each entry carries an HMAC-SHA-256 (RFC 2104) over its name in the store, which contains the
/// issuer, and its content, which contains the time of the fetch. It also carries the identifier of
/// the secret. All processes of a fleet need the same secret.
///
/// To change the secret of a running fleet: first, let all processes [accept](Self::also_accept) the
/// new secret. Then let all sign with the new one and accept the old one. After
/// [`max_stale`](crate::CachePolicy::max_stale) remove the old one.
///
/// The state derived from a secret is wiped when it is dropped. `Debug` shows the identifiers only.
///
/// ```
/// use a0_discovery::EntryKeys;
///
/// let (old, new) = ([7; 32], [8; 32]);
/// let keys = EntryKeys::new(new)?.also_accept(old)?;
/// assert_ne!(keys.key_id(), EntryKeys::new(old)?.key_id());
/// assert!(EntryKeys::new("too short").is_err());
/// # Ok::<(), a0_discovery::EntryKeyTooShort>(())
/// ```
#[derive(Clone)]
pub struct EntryKeys {
    signing: EntryKey,
    accepted: Vec<EntryKey>,
}

impl EntryKeys {
    /// Signs and accepts entries with `secret`: at least 32 unguessable bytes.
    ///
    /// # Errors
    ///
    /// [`EntryKeyTooShort`] if there are fewer.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, EntryKeyTooShort> {
        Ok(EntryKeys {
            signing: EntryKey::new(secret.as_ref())?,
            accepted: Vec::new(),
        })
    }

    /// Also accepts the entries of another secret. Call this several times for several secrets.
    ///
    /// # Errors
    ///
    /// [`EntryKeyTooShort`] if the secret has fewer than 32 bytes.
    pub fn also_accept(mut self, secret: impl AsRef<[u8]>) -> Result<Self, EntryKeyTooShort> {
        self.accepted.push(EntryKey::new(secret.as_ref())?);
        Ok(self)
    }

    /// The identifier of the secret that signs: 11 letters of base64url, derived from the secret.
    /// The entries contain it. It is not secret.
    pub fn key_id(&self) -> &str {
        &self.signing.id
    }

    fn open<'e>(&self, name: &str, text: &'e str) -> Option<&'e str> {
        let (id, rest) = text.split_once('.')?;
        let (mac, payload) = rest.split_once('.')?;
        let mut keys = std::iter::once(&self.signing).chain(&self.accepted);
        let expected = keys.find(|key| key.id == id)?.mac(name, payload);
        constant_time_eq(expected.as_bytes(), mac.as_bytes()).then_some(payload)
    }
}

impl fmt::Debug for EntryKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let accepted: Vec<&str> = self.accepted.iter().map(|key| &*key.id).collect();
        formatter
            .debug_struct("EntryKeys")
            .field("key_id", &self.signing.id)
            .field("accepted", &accepted)
            .finish_non_exhaustive()
    }
}

/// A secret for [`EntryKeys`] has fewer than 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret for entries of the key cache must have at least 32 bytes")]
#[non_exhaustive]
pub struct EntryKeyTooShort;

#[derive(Clone)]
struct EntryKey {
    id: String,
    state: Hmac<Sha256>,
}

/// A MAC keeps no part of the secret except the state of two hashes. This checks that a hash wipes
/// its state when it is dropped.
const _: fn() = || {
    fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<Sha256>();
};

impl EntryKey {
    fn new(secret: &[u8]) -> Result<Self, EntryKeyTooShort> {
        if secret.len() < MIN_SECRET {
            return Err(EntryKeyTooShort);
        }
        // A longer key than a block is hashed, and a shorter one is padded with zeros (RFC 2104
        // section 2).
        let mut block = Zeroizing::new([0; BLOCK]);
        let digest = Zeroizing::new(sha256(secret));
        let secret = match secret.len() {
            0..=BLOCK => secret,
            _ => &digest[..],
        };
        for (place, octet) in block.iter_mut().zip(secret) {
            *place = *octet;
        }
        let state = Hmac::new((&*block).into());
        let id = finish(&state, &[KEY_ID_CONTEXT]);
        let id = base64url_encode(id.iter().take(KEY_ID_SIZE).copied().collect::<Vec<u8>>());
        Ok(EntryKey { id, state })
    }

    fn mac(&self, name: &str, payload: &str) -> String {
        // The length keeps a name and a payload from passing for another pair.
        let length = (name.len() as u64).to_be_bytes();
        let parts = [ENTRY_CONTEXT, &length, name.as_bytes(), payload.as_bytes()];
        base64url_encode(finish(&self.state, &parts))
    }

    fn seal(&self, name: &str, payload: &str) -> String {
        format!("{}.{}.{payload}", self.id, self.mac(name, payload))
    }
}

fn finish(state: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut state = state.clone();
    for part in parts {
        state.update(part);
    }
    state.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that a cache uses never end where a payload begins, so only this test can show it.
    #[test]
    fn a_mac_is_for_one_name_and_one_payload() -> Result<(), EntryKeyTooShort> {
        let key = EntryKey::new(&[7; 32])?;
        let macs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")];
        let macs = macs.map(|(name, payload)| key.mac(name, payload));
        for (number, mac) in macs.iter().enumerate() {
            assert!(!macs.iter().skip(number + 1).any(|other| other == mac));
        }
        Ok(())
    }
}
