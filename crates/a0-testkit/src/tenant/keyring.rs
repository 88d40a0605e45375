//! The keys that a tenant signs with, and those that it publishes.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::signing::Scheme;
use crate::{Algorithm, Error, SigningKey};

pub(super) struct Keyring {
    owner: KeyOwner,
    /// The number of RSA keys made so far: each has its own slot in the cache.
    made: u32,
    rsa: SigningKey,
    es256: Option<SigningKey>,
    published: Vec<Value>,
}

impl Keyring {
    pub(super) fn new(owner: KeyOwner) -> Result<Self, Error> {
        let rsa = SigningKey::cached_rsa(&owner.slot(0))?;
        Ok(Self {
            owner,
            made: 1,
            published: vec![rsa.jwks_entry(Algorithm::Rs256)],
            rsa,
            es256: None,
        })
    }

    pub(super) fn current(&self) -> &SigningKey {
        &self.rsa
    }

    pub(super) fn key_for(&self, algorithm: Algorithm) -> Option<SigningKey> {
        match algorithm.scheme() {
            Scheme::Pkcs1(_) | Scheme::Pss(_) => Some(self.rsa.clone()),
            Scheme::Ecdsa(..) if algorithm == Algorithm::Es256 => self.es256.clone(),
            _ => None,
        }
    }

    pub(super) fn rotate(&mut self) -> Result<String, Error> {
        self.rsa = SigningKey::cached_rsa(&self.owner.slot(self.made))?;
        self.made += 1;
        self.published.push(self.rsa.jwks_entry(Algorithm::Rs256));
        Ok(self.rsa.kid().to_owned())
    }

    pub(super) fn publish_es256(&mut self) -> Result<String, Error> {
        let key = SigningKey::generate(Algorithm::Es256)?;
        let kid = key.kid().to_owned();
        self.published.push(key.jwks_entry(Algorithm::Es256));
        self.es256 = Some(key);
        Ok(kid)
    }

    pub(super) fn replace(&mut self) -> Result<String, Error> {
        let old = std::mem::take(&mut self.published);
        let kid = self.rotate().inspect_err(|_| self.published = old)?;
        if self.es256.is_some() {
            self.publish_es256()?;
        }
        Ok(kid)
    }

    pub(super) fn retire(&mut self, kid: &str) -> bool {
        let before = self.published.len();
        self.published
            .retain(|entry| entry.get("kid").and_then(Value::as_str) != Some(kid));
        self.published.len() < before
    }

    pub(super) fn publish(&mut self, entry: Value) {
        self.published.push(entry);
    }

    pub(super) fn document(&self) -> Value {
        json!({ "keys": self.published })
    }
}

/// The owner of cached RSA keys.
pub(super) enum KeyOwner {
    Domain(String),
    /// A tenant on a free port. Ports rarely repeat, so its keys are cached under a number that a
    /// later tenant can use again.
    Number(OwnerNumber),
}

impl KeyOwner {
    /// The name of the owner's key with this index in the cache.
    fn slot(&self, index: u32) -> String {
        match self {
            Self::Domain(domain) => format!("tenant {domain} {index}"),
            Self::Number(OwnerNumber(number)) => format!("port {number} {index}"),
        }
    }
}

/// The lowest number that no living tenant has.
pub(super) struct OwnerNumber(u32);

static NUMBERS_IN_USE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

impl OwnerNumber {
    pub(super) fn take() -> Self {
        let mut in_use = NUMBERS_IN_USE
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let free = (0..).find(|number| !in_use.contains(number));
        let number = free.unwrap_or_default();
        in_use.insert(number);
        Self(number)
    }
}

impl Drop for OwnerNumber {
    fn drop(&mut self) {
        let mut in_use = NUMBERS_IN_USE
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        in_use.remove(&self.0);
    }
}
