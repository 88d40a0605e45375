//! The keys of a tenant: those it signs with and those it publishes.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::algorithm::Scheme;
use crate::{Algorithm, Error, SigningKey};

pub(crate) struct Keyring {
    name: KeyName,
    /// Counts the keys made so far, so that each gets a slot of its own in the cache.
    made: u32,
    rsa: SigningKey,
    es256: Option<SigningKey>,
    published: Vec<Value>,
}

impl Keyring {
    pub(crate) fn new(name: KeyName) -> Result<Self, Error> {
        let rsa = SigningKey::cached_rsa(&name.slot(0))?;
        Ok(Self {
            name,
            made: 1,
            published: vec![rsa.jwks_entry(Algorithm::Rs256)],
            rsa,
            es256: None,
        })
    }

    pub(crate) fn current(&self) -> &SigningKey {
        &self.rsa
    }

    pub(crate) fn key_for(&self, algorithm: Algorithm) -> Option<SigningKey> {
        match algorithm.scheme() {
            Scheme::Pkcs1(_) | Scheme::Pss(_) => Some(self.rsa.clone()),
            Scheme::Ecdsa(..) if algorithm == Algorithm::Es256 => self.es256.clone(),
            _ => None,
        }
    }

    pub(crate) fn rotate(&mut self) -> Result<String, Error> {
        self.rsa = SigningKey::cached_rsa(&self.name.slot(self.made))?;
        self.made += 1;
        self.published.push(self.rsa.jwks_entry(Algorithm::Rs256));
        Ok(self.rsa.kid().to_owned())
    }

    pub(crate) fn publish_es256(&mut self) -> Result<String, Error> {
        let key = SigningKey::generate(Algorithm::Es256)?;
        let kid = key.kid().to_owned();
        self.published.push(key.jwks_entry(Algorithm::Es256));
        self.es256 = Some(key);
        Ok(kid)
    }

    pub(crate) fn replace(&mut self) -> Result<String, Error> {
        let old = std::mem::take(&mut self.published);
        let renewed = self.rotate();
        match &renewed {
            Err(_) => self.published = old,
            Ok(_) if self.es256.is_some() => {
                self.publish_es256()?;
            }
            Ok(_) => {}
        }
        renewed
    }

    pub(crate) fn retire(&mut self, kid: &str) -> bool {
        let before = self.published.len();
        self.published
            .retain(|entry| entry.get("kid").and_then(Value::as_str) != Some(kid));
        self.published.len() < before
    }

    pub(crate) fn publish(&mut self, entry: Value) {
        self.published.push(entry);
    }

    pub(crate) fn document(&self) -> Value {
        json!({ "keys": self.published })
    }
}

/// What the cached RSA keys of a tenant are filed under.
pub(crate) enum KeyName {
    Domain(String),
    /// A tenant on a port that is free by chance: its domain never comes back, but its keys can.
    Lease(Lease),
}

impl KeyName {
    fn slot(&self, number: u32) -> String {
        match self {
            Self::Domain(domain) => format!("tenant {domain} {number}"),
            Self::Lease(Lease(place)) => format!("leased {place} {number}"),
        }
    }
}

/// The lowest place that no living tenant holds.
pub(crate) struct Lease(u32);

static LEASED: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

impl Lease {
    pub(crate) fn take() -> Self {
        let mut leased = LEASED.lock().unwrap_or_else(PoisonError::into_inner);
        let free = (0..).find(|place| !leased.contains(place));
        let place = free.unwrap_or_default();
        leased.insert(place);
        Self(place)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut leased = LEASED.lock().unwrap_or_else(PoisonError::into_inner);
        leased.remove(&self.0);
    }
}
