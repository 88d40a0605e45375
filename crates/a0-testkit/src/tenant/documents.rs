//! The documents that a tenant publishes: its key set and its discovery document.

use serde_json::{Map, Value, json};

use super::directory::OPENID_SCOPES;
use super::{LocalTenant, grant_types};
use crate::{Error, SigningKey};

impl LocalTenant {
    /// Makes a new RS256 key, publishes it and signs with it from now on. Returns its `kid`. The old
    /// keys stay published until [`retire_key`](Self::retire_key).
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if no key can be made.
    pub fn rotate_keys(&self) -> Result<String, Error> {
        self.with_state(|state| state.keys.rotate())
    }

    /// Replaces all published keys with new ones, as after a revocation. Returns the new `kid` for
    /// RS256.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if no key can be made.
    pub fn replace_keys(&self) -> Result<String, Error> {
        self.with_state(|state| state.keys.replace())
    }

    /// Makes an ES256 key, publishes it and signs ES256 tokens with it from now on. Returns its
    /// `kid`.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if no key can be made.
    pub fn publish_es256(&self) -> Result<String, Error> {
        self.with_state(|state| state.keys.publish_es256())
    }

    /// Removes the entries with this `kid` from the key set. Returns `false` if there are none. The
    /// tenant continues to sign with its current key, even if this removes it.
    pub fn retire_key(&self, kid: &str) -> bool {
        self.with_state(|state| state.keys.retire(kid))
    }

    /// Adds an entry to the key set: a valid one from [`SigningKey::jwks_entry`], or any other JSON.
    pub fn publish_jwk(&self, entry: Value) {
        self.with_state(|state| state.keys.publish(entry));
    }

    /// The `kid` of the current RS256 key.
    #[must_use]
    pub fn kid(&self) -> String {
        self.with_state(|state| state.keys.current().kid().to_owned())
    }

    /// The current RS256 key.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        self.with_state(|state| state.keys.current().clone())
    }

    /// The key set with the published keys. [`set_jwks_body`](Self::set_jwks_body) does not change it.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.with_state(|state| state.keys.document())
    }

    /// Serves these bytes as the key set. `None` serves [`jwks`](Self::jwks) again.
    pub fn set_jwks_body(&self, body: Option<&[u8]>) {
        self.with_state(|state| state.jwks_body = body.map(<[u8]>::to_vec));
    }

    /// The discovery document.
    #[must_use]
    pub fn metadata(&self) -> Value {
        self.with_state(|state| Value::Object(state.metadata.clone()))
    }

    /// Sets a member of the discovery document, for example another `issuer` or `jwks_uri`.
    pub fn set_metadata(&self, name: &str, value: impl Into<Value>) {
        self.with_state(|state| state.metadata.insert(name.to_owned(), value.into()));
    }

    /// Removes a member of the discovery document.
    pub fn remove_metadata(&self, name: &str) {
        self.with_state(|state| state.metadata.remove(name));
    }

    /// Sets the `Cache-Control` header of the discovery document and the key set. `None` removes it.
    /// The default is Auth0's: `public, max-age=15, stale-while-revalidate=15, stale-if-error=86400`.
    pub fn cache_control(&self, value: Option<&str>) {
        self.with_state(|state| state.cache_control = value.map(str::to_owned));
    }
}

/// The default discovery document (OpenID Connect Discovery 1.0, RFC 8414).
pub(super) fn default_metadata(issuer: &str) -> Map<String, Value> {
    let members = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}authorize"),
        "token_endpoint": format!("{issuer}oauth/token"),
        "jwks_uri": format!("{issuer}.well-known/jwks.json"),
        "registration_endpoint": format!("{issuer}oidc/register"),
        "scopes_supported": OPENID_SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "grant_types_supported": grant_types::ALL,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "dpop_signing_alg_values_supported": ["ES256"],
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
