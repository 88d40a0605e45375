//! The options of encrypted tokens.

use a0_jose::jwe::{DecryptionKey, DecryptionKeys};

use crate::error::Error;
use crate::verification::token::Decryption;

use super::builder::Builder;

#[derive(Clone, Default)]
pub(crate) struct EncryptionOptions {
    keys: Option<Vec<DecryptionKey>>,
    only: bool,
}

impl Builder {
    /// The private RSA keys of this API, for access tokens that Auth0 encrypts for it: a signed JWT inside a
    /// JWE (RFC 7519 section 5.2) with `RSA-OAEP-256`, `RSA-OAEP-384` or `RSA-OAEP-512`, and `A256GCM`. From
    /// 1 to 16 keys; the `kid` of a token chooses one. Without this option, encrypted tokens are refused.
    ///
    /// Anyone can encrypt a token with the public key, so the signature of the inner token is verified like
    /// that of every other token. Tokens that are not encrypted are still accepted, unless
    /// [`encrypted_only`](Builder::encrypted_only) is set.
    ///
    /// ```no_run
    /// use auth0_api::{ApiClient, DecryptionKey};
    ///
    /// let pem = std::fs::read("decryption-key.pem")?;
    /// let client = ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .decryption_keys([DecryptionKey::from_pem(&pem)?.with_key_id("2026-11")])
    ///     .encrypted_only()
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn decryption_keys(mut self, keys: impl IntoIterator<Item = DecryptionKey>) -> Self {
        self.encryption.keys = Some(keys.into_iter().collect());
        self
    }

    /// Refuses access tokens that are not encrypted. It needs [`decryption_keys`](Builder::decryption_keys).
    ///
    /// Set it when the tenant encrypts every token of this API: without it, a signed token that leaked from
    /// an encrypted one is accepted as it is. It is no more than a hurdle: who has the public key too can
    /// encrypt the leaked token again.
    pub fn encrypted_only(mut self) -> Self {
        self.encryption.only = true;
        self
    }
}

impl EncryptionOptions {
    /// Checks the options. `None` if encrypted tokens are not accepted.
    pub(crate) fn decryption(&self) -> Result<Option<Decryption>, Error> {
        let Some(keys) = &self.keys else {
            return match self.only {
                false => Ok(None),
                true => Err(Error::configuration(
                    "encrypted_only needs the keys to decrypt tokens with: set decryption_keys",
                )),
            };
        };
        let keys = DecryptionKeys::new(keys.iter().cloned())
            .map_err(|error| Error::configuration(format!("decryption_keys: {error}")))?;
        let only = self.only;
        Ok(Some(Decryption { keys, only }))
    }
}
