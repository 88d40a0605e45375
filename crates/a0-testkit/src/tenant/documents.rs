//! What a tenant publishes: its key set and its discovery document.

use serde_json::Value;

use super::LocalTenant;
use crate::{Error, SigningKey};

impl LocalTenant {
    /// Makes a new RS256 key, publishes it and signs with it from now on. The old keys stay
    /// published until [`retire_key`](Self::retire_key). Gives the new `kid`.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if no key can be made.
    pub fn rotate_keys(&self) -> Result<String, Error> {
        self.with(|state| state.keys.rotate())
    }

    /// Takes every entry out of the key set and publishes new keys in their place, as after a
    /// revocation. Gives the new `kid` for RS256.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if no key can be made.
    pub fn replace_keys(&self) -> Result<String, Error> {
        self.with(|state| state.keys.replace())
    }

    /// Makes an ES256 key, publishes it and signs ES256 tokens with it from now on. Gives its `kid`.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if no key can be made.
    pub fn publish_es256(&self) -> Result<String, Error> {
        self.with(|state| state.keys.publish_es256())
    }

    /// Takes the entries with this `kid` out of the key set; `false` if there are none. The tenant
    /// goes on signing with its current key, published or not.
    pub fn retire_key(&self, kid: &str) -> bool {
        self.with(|state| state.keys.retire(kid))
    }

    /// Adds an entry to the key set: a good one from [`SigningKey::jwks_entry`], or anything else.
    pub fn publish_jwk(&self, entry: Value) {
        self.with(|state| state.keys.publish(entry));
    }

    /// The `kid` of the current RS256 key.
    #[must_use]
    pub fn kid(&self) -> String {
        self.with(|state| state.keys.current().kid().to_owned())
    }

    /// The current RS256 key.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.with(|state| state.keys.current().clone())
    }

    /// The key set of the tenant's keys, whatever [`set_jwks_body`](Self::set_jwks_body) has set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.with(|state| state.keys.document())
    }

    /// Serves these bytes as the key set; `None` goes back to [`jwks`](Self::jwks).
    pub fn set_jwks_body(&self, body: Option<&[u8]>) {
        self.with(|state| state.jwks_body = body.map(<[u8]>::to_vec));
    }

    /// The discovery document.
    #[must_use]
    pub fn metadata(&self) -> Value {
        self.with(|state| Value::Object(state.metadata.clone()))
    }

    /// Sets a member of the discovery document, for example another `issuer` or `jwks_uri`.
    pub fn set_metadata(&self, name: &str, value: impl Into<Value>) {
        self.with(|state| state.metadata.insert(name.to_owned(), value.into()));
    }

    /// Removes a member of the discovery document.
    pub fn remove_metadata(&self, name: &str) {
        self.with(|state| state.metadata.remove(name));
    }

    /// The `Cache-Control` of discovery document and key set; `None` sends none. At first it is
    /// Auth0's: `public, max-age=15, stale-while-revalidate=15, stale-if-error=86400`.
    pub fn cache_control(&self, value: Option<&str>) {
        self.with(|state| state.cache_control = value.map(str::to_owned));
    }
}
