//! Private keys, for signing DPoP proofs and client assertions.

use std::fmt;

use josekit::jwk::Jwk as PrivateJwk;
use josekit::jwk::KeyPair;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{self, JwsSigner};
use openssl::nid::Nid;
use openssl::pkey::{PKeyRef, Private};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::json;
use crate::jwk::Jwk;
use crate::jws::Compact;
use crate::key::VerifyingKey;
use crate::private_key;

/// Signs with one private key: a [`SigningKey`] in memory, or a key held elsewhere, such as in an
/// HSM.
pub trait Signer: Send + Sync {
    /// The algorithm of its signatures.
    fn algorithm(&self) -> Algorithm;

    /// The public part of the key, as a JWK without private members.
    fn public_jwk(&self) -> &Map<String, Value>;

    /// Signs `message`. The signature has the form of RFC 7518 section 3.
    ///
    /// # Errors
    ///
    /// [`SigningError`] where the key cannot be used.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError>;

    /// Signs a compact JWS (RFC 7515 section 7.1) with this header and these claims. The caller
    /// puts the key's algorithm in the header.
    ///
    /// # Errors
    ///
    /// [`SigningError`].
    fn sign_compact(
        &self,
        header: Map<String, Value>,
        claims: Map<String, Value>,
    ) -> Result<String, SigningError> {
        let encode = |object| base64url::encode(Value::Object(object).to_string());
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = base64url::encode(self.sign(input.as_bytes())?);
        Ok(format!("{input}.{signature}"))
    }
}

/// A private key in memory, for RS256, PS256 or ES256. `Debug` shows the algorithm only.
///
/// ```
/// use a0_jose::{Algorithm, Compact, Jwk, Signer, SigningKey, VerifyingKey};
/// use serde_json::Map;
///
/// let key = SigningKey::generate_es256()?;
/// let token = key.sign_compact(Map::new(), Map::new())?;
///
/// let public = VerifyingKey::new(&Jwk::from_object(key.public_jwk())?, &[Algorithm::Es256])?;
/// assert!(public.verify(&Compact::parse(&token, 1000)?).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    signer: Box<dyn JwsSigner>,
    public_jwk: Map<String, Value>,
}

impl SigningKey {
    /// Generates a P-256 key for ES256.
    ///
    /// # Errors
    ///
    /// [`SigningError::Unusable`] where OpenSSL provides no random numbers.
    pub fn generate_es256() -> Result<Self, SigningError> {
        let pair = EcKeyPair::generate(EcCurve::P256).map_err(|_| SigningError::Unusable)?;
        SigningKey::from_pair(Algorithm::Es256, &pair)
    }

    /// Reads a private key from PEM of at most 8 KiB, in PKCS#8 or in the traditional form of its
    /// type.
    ///
    /// Encrypted keys are refused without a prompt for a passphrase. The key signs once, and its
    /// public part must verify that signature. The factors of an RSA key are not tested for
    /// primality.
    ///
    /// # Errors
    ///
    /// [`SigningError::Unsupported`] for an algorithm other than RS256, PS256 and ES256,
    /// [`SigningError::Unusable`] for a text without a private key for this algorithm.
    pub fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, SigningError> {
        let unusable = |_| SigningError::Unusable;
        match algorithm {
            Algorithm::Es256 => {
                let der = pkcs8(pem, is_p256)?;
                let pair = EcKeyPair::from_der(der, Some(EcCurve::P256)).map_err(unusable)?;
                SigningKey::from_pair(algorithm, &pair)
            }
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let der = pkcs8(pem, is_rsa)?;
                let pair = RsaKeyPair::from_der(der).map_err(unusable)?;
                SigningKey::from_pair(algorithm, &pair)
            }
            _ => Err(SigningError::Unsupported),
        }
    }

    fn from_pair(algorithm: Algorithm, pair: &dyn KeyPair) -> Result<Self, SigningError> {
        let public_jwk = json::parse_object(pair.to_jwk_public_key().to_string().as_bytes())
            .map_err(|_| SigningError::Unusable)?;
        // Verifiers refuse a key beyond these limits. Checking first also bounds the work below.
        let jwk = Jwk::from_object(&public_jwk).map_err(|_| SigningError::Unusable)?;
        let signer =
            signer(algorithm, &pair.to_jwk_key_pair()).map_err(|_| SigningError::Unusable)?;
        let key = SigningKey {
            algorithm,
            signer,
            public_jwk,
        };
        key.verifies_by(&jwk)
            .then_some(key)
            .ok_or(SigningError::Unusable)
    }

    fn verifies_by(&self, public: &Jwk) -> bool {
        let Ok(public) = VerifyingKey::new(public, &[self.algorithm]) else {
            return false;
        };
        let signed = self.sign_compact(Map::new(), Map::new());
        signed.is_ok_and(|token| {
            Compact::parse(&token, token.len()).is_ok_and(|token| public.verify(&token).is_ok())
        })
    }
}

/// Reads a private key from PEM, checks it with `passes`, and returns it as DER.
fn pkcs8(
    pem: &[u8],
    passes: fn(&PKeyRef<Private>) -> bool,
) -> Result<Zeroizing<Vec<u8>>, SigningError> {
    private_key::from_pem(pem)
        .filter(|key| passes(key))
        .and_then(|key| key.private_key_to_pkcs8().ok())
        .map(Zeroizing::new)
        .ok_or(SigningError::Unusable)
}

fn is_p256(key: &PKeyRef<Private>) -> bool {
    key.ec_key()
        .is_ok_and(|key| key.group().curve_name() == Some(Nid::X9_62_PRIME256V1))
}

/// Returns whether the key is an RSA key with two factors. [`Jwk`] limits its size.
fn is_rsa(key: &PKeyRef<Private>) -> bool {
    key.rsa()
        .is_ok_and(|key| private_key::has_two_factors(&key))
}

fn signer(
    algorithm: Algorithm,
    key: &PrivateJwk,
) -> Result<Box<dyn JwsSigner>, josekit::JoseError> {
    Ok(match algorithm {
        Algorithm::Rs256 => Box::new(jws::RS256.signer_from_jwk(key)?),
        Algorithm::Ps256 => Box::new(jws::PS256.signer_from_jwk(key)?),
        _ => Box::new(jws::ES256.signer_from_jwk(key)?),
    })
}

impl Signer for SigningKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_jwk(&self) -> &Map<String, Value> {
        &self.public_jwk
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.signer
            .sign(message)
            .map_err(|_| SigningError::Unusable)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Returns an unguessable `jti`: 128 random bits as base64url (RFC 7519 section 4.1.7).
///
/// # Errors
///
/// [`SigningError::Unusable`] where OpenSSL has no randomness to give.
pub fn random_token_id() -> Result<String, SigningError> {
    let mut octets = [0; 16];
    openssl::rand::rand_bytes(&mut octets).map_err(|_| SigningError::Unusable)?;
    Ok(base64url::encode(octets))
}

/// The error for a failed signature. It holds no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The algorithm is not RS256, PS256 or ES256.
    #[error("signing is supported for RS256, PS256 and ES256")]
    Unsupported,
    /// The key is not a private key for the algorithm, or signing failed.
    #[error("the private key cannot be used for this algorithm")]
    Unusable,
}
