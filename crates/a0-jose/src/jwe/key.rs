//! The private keys of an API that receives encrypted tokens.

use std::fmt;

use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::Rsa;

use super::KeyEncryptionAlgorithm;
use super::decrypt::can_decrypt;
use super::private_jwk::PrivateJwk;
use crate::jwk::{MAX_RSA_BITS, MIN_RSA_BITS, RSA_EXPONENT_END};
use crate::private_key;

/// The largest number of keys of an API.
pub const MAX_DECRYPTION_KEYS: usize = 16;

/// The largest number of keys that are tried for one token. Each costs a private RSA operation, which
/// anyone can ask for.
pub const MAX_KEYS_TRIED: usize = 2;

/// A private RSA key of 2048 to 8192 bits that decrypts tokens. OpenSSL wipes it when the last clone
/// is dropped. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct DecryptionKey {
    pub(super) key: PKey<Private>,
    key_id: Option<String>,
    algorithm: Option<KeyEncryptionAlgorithm>,
}

impl DecryptionKey {
    /// Reads a private key from PEM of at most 8 KiB, in PKCS#8 or PKCS#1. The caller keeps the text
    /// and should wipe it.
    ///
    /// An encrypted PEM is refused without a prompt for a passphrase. The parts of the key must belong
    /// together, and it must decrypt what its public part encrypts. The factors are not tested for
    /// primality.
    ///
    /// # Errors
    ///
    /// [`DecryptionKeyError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, DecryptionKeyError> {
        let key = private_key::from_pem(pem)
            .filter(|key| key.id() == Id::RSA)
            .and_then(|key| key.rsa().ok());
        DecryptionKey::from_rsa(key)
    }

    /// Reads a private key from the text of a JWK of at most 16 KiB (RFC 7518 section 6.3), with `p`,
    /// `q`, `dp`, `dq` and `qi`. Its `kid` and `alg` are used. `use` must be `enc` and `key_ops` must
    /// include `decrypt` or `unwrapKey`, if they are present.
    ///
    /// # Errors
    ///
    /// [`DecryptionKeyError`].
    pub fn from_jwk(jwk: &[u8]) -> Result<Self, DecryptionKeyError> {
        let jwk = PrivateJwk::parse(jwk)?;
        let algorithm = match &jwk.alg {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| DecryptionKeyError::Algorithm)?),
        };
        let key = DecryptionKey::from_rsa(jwk.to_rsa())?;
        Ok(DecryptionKey {
            key_id: jwk.kid.map(|key_id| key_id.into_owned()),
            algorithm,
            ..key
        })
    }

    /// Sets the `kid` by which tokens name this key. In Auth0 it is the key identifier of the API's
    /// encryption key.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// Allows only this algorithm. Without it, the key decrypts with each of them, as the token's
    /// header says.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: KeyEncryptionAlgorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// The `kid` of the key.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The only algorithm of the key, if it has one.
    pub fn algorithm(&self) -> Option<KeyEncryptionAlgorithm> {
        self.algorithm
    }

    fn from_rsa(key: Option<Rsa<Private>>) -> Result<Self, DecryptionKeyError> {
        let key = key.ok_or(DecryptionKeyError::Unusable)?;
        check_limits(&key)?;
        Some(key)
            .filter(private_key::has_two_factors)
            .filter(private_key::has_matching_exponents)
            .and_then(|key| PKey::from_rsa(key).ok())
            .filter(can_decrypt)
            .map(|key| DecryptionKey {
                key,
                key_id: None,
                algorithm: None,
            })
            .ok_or(DecryptionKeyError::Unusable)
    }
}

/// Checks the limits of public keys, which bound the time that OpenSSL's arithmetic takes.
fn check_limits(key: &Rsa<Private>) -> Result<(), DecryptionKeyError> {
    let bits = usize::try_from(key.n().num_bits()).unwrap_or(0);
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(DecryptionKeyError::ModulusSize);
    }
    let exponent = key.e().to_vec();
    let value = match exponent.len() {
        0..=8 => exponent
            .iter()
            .fold(0_u64, |value, octet| value << 8 | u64::from(*octet)),
        _ => return Err(DecryptionKeyError::Exponent),
    };
    if (3..RSA_EXPONENT_END).contains(&value) && value % 2 == 1 {
        Ok(())
    } else {
        Err(DecryptionKeyError::Exponent)
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DecryptionKey")
            .finish_non_exhaustive()
    }
}

/// The keys of an API, of which a token's `kid` chooses. `Debug` shows their number.
///
/// To rotate a key: add the new key here, then give its public part to the issuer, and remove the old
/// key when its last token has expired.
#[derive(Clone)]
pub struct DecryptionKeys(Vec<DecryptionKey>);

impl DecryptionKeys {
    /// Collects 1 to [`MAX_DECRYPTION_KEYS`] keys. At most [`MAX_KEYS_TRIED`] may have the same `kid`,
    /// or none: a further one would never be tried.
    ///
    /// # Errors
    ///
    /// [`DecryptionKeyError::Count`], [`DecryptionKeyError::SharedKeyId`].
    pub fn new(keys: impl IntoIterator<Item = DecryptionKey>) -> Result<Self, DecryptionKeyError> {
        let keys: Vec<DecryptionKey> = keys.into_iter().take(MAX_DECRYPTION_KEYS + 1).collect();
        if keys.is_empty() || keys.len() > MAX_DECRYPTION_KEYS {
            return Err(DecryptionKeyError::Count);
        }
        let shares = |key: &DecryptionKey| {
            let same = keys.iter().filter(|other| other.key_id == key.key_id);
            same.count() > MAX_KEYS_TRIED
        };
        if keys.iter().any(shares) {
            return Err(DecryptionKeyError::SharedKeyId);
        }
        Ok(DecryptionKeys(keys))
    }

    /// The keys for a token. If its `kid` is the `kid` of a key, only keys with that `kid` are; else,
    /// keys without a `kid`. A token without `kid` may be for any key.
    pub(super) fn candidates<'k>(
        &'k self,
        key_id: Option<&str>,
        algorithm: KeyEncryptionAlgorithm,
    ) -> impl Iterator<Item = &'k DecryptionKey> + Clone {
        let is_named = key_id.is_some_and(|key_id| {
            let mut keys = self.0.iter();
            keys.any(|key| key.key_id() == Some(key_id))
        });
        let any = key_id.is_none();
        let wanted = key_id.filter(|_| is_named).map(str::to_owned);
        self.0.iter().filter(move |key| {
            (any || key.key_id() == wanted.as_deref())
                && key.algorithm.is_none_or(|only| only == algorithm)
        })
    }
}

impl fmt::Debug for DecryptionKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DecryptionKeys")
            .field("count", &self.0.len())
            .finish_non_exhaustive()
    }
}

/// The error for a key that cannot decrypt tokens, or a list of keys that cannot be used. It holds no
/// part of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptionKeyError {
    /// The text is not a private RSA key in PEM without encryption, or not a JWK with all private
    /// members of RFC 7518 section 6.3.2, or its parts do not belong together.
    #[error("not a private RSA key that can decrypt tokens")]
    Unusable,
    /// The RSA modulus has fewer than 2048 or more than 8192 bits.
    #[error("RSA modulus is not of 2048 to 8192 bits")]
    ModulusSize,
    /// The RSA exponent is even, 1, or 2^33 or more.
    #[error("RSA exponent is not acceptable")]
    Exponent,
    /// The `alg` of the JWK is not one of [`KeyEncryptionAlgorithm`].
    #[error("not a key for RSA-OAEP-256, RSA-OAEP-384 or RSA-OAEP-512")]
    Algorithm,
    /// `use` of the JWK is present and not `enc`, or `key_ops` is present and includes neither
    /// `decrypt` nor `unwrapKey`.
    #[error("not a key for encryption")]
    NotForEncryption,
    /// There is no key, or there are more than [`MAX_DECRYPTION_KEYS`].
    #[error("from 1 to {MAX_DECRYPTION_KEYS} decryption keys are allowed")]
    Count,
    /// More than [`MAX_KEYS_TRIED`] keys have the same `kid`, or none.
    #[error("more than {MAX_KEYS_TRIED} decryption keys have the same 'kid', or none")]
    SharedKeyId,
}
