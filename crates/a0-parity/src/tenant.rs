//! The tenant and the API of all cases: their names, keys and documents, and the time.

use std::time::Duration;

use a0_testkit::{Algorithm, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) type Failure = Box<dyn std::error::Error>;

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://tenant.example/";
pub(crate) const METADATA: &str = "https://tenant.example/.well-known/openid-configuration";
pub(crate) const JWKS: &str = "https://tenant.example/.well-known/jwks.json";
pub(crate) const TOKEN_ENDPOINT: &str = "https://tenant.example/oauth/token";
pub(crate) const AUDIENCE: &str = "https://api.example/";
/// The secret and the period of the nonces that this SDK asks for if a case says so.
pub(crate) const NONCE_SECRET: [u8; 32] = [7; 32];
pub(crate) const NONCE_PERIOD: Duration = Duration::from_secs(300);

/// The keys of all cases of one run, by name.
pub(crate) struct Keys(Vec<(&'static str, SigningKey)>);

impl Keys {
    pub(crate) fn generate() -> Result<Self, Failure> {
        let tenant = SigningKey::cached_rsa("tenant")?;
        Ok(Keys(vec![
            // The public key of the tenant, taken for a shared secret.
            ("secret", SigningKey::secret(tenant.public_pem()?)?),
            ("tenant", tenant),
            ("stranger", SigningKey::cached_rsa("stranger")?),
            ("small", SigningKey::rsa(1024)?),
            ("proof", SigningKey::generate(Algorithm::Es256)?),
            ("other proof", SigningKey::generate(Algorithm::Es256)?),
            ("P-384", SigningKey::generate(Algorithm::Es384)?),
            // The key of a tenant that signs with ES256.
            ("elliptic", SigningKey::generate(Algorithm::Es256)?),
        ]))
    }

    pub(crate) fn get(&self, name: &str) -> Result<&SigningKey, Failure> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let (_, key) = found.ok_or_else(|| format!("there is no key `{name}`"))?;
        Ok(key)
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the metadata of the tenant.
pub(crate) fn metadata() -> Value {
    json!({"issuer": ISSUER, "jwks_uri": JWKS, "token_endpoint": TOKEN_ENDPOINT})
}

/// Returns the answer of a server, as JSON.
pub(crate) fn answer(body: &Value) -> Value {
    json!({"status": 200, "type": "application/json", "body": body.to_string()})
}
