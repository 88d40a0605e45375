//! Public keys that are ready to verify signatures, and the library that does so.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(feature = "aws-lc-rs")]
mod der;
mod openssl;

use std::fmt;

use self::openssl::{EcdsaKey, EdwardsKey, RsaKey, clear_openssl_errors};
use crate::algorithm::{Algorithm, Family, Hash};
use crate::base64url;
use crate::error::JwkError;
use crate::jwk::{DeclaredAlgorithm, Jwk, KeyParameters};

/// Octets of the longest signature, made by an RSA key of 8192 bits.
const MAX_SIGNATURE: usize = 1024;

/// The library that checks signatures.
///
/// The backend does the arithmetic only. The rules on tokens, headers, keys and the octets of a
/// signature belong to this crate and are the same for every backend.
///
/// A feature only adds a backend. The code that builds a key chooses the backend, so another crate
/// in the build cannot change it.
///
/// ```
/// assert_eq!(a0_jose::Backend::default(), a0_jose::Backend::OpenSsl);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Backend {
    /// OpenSSL. It is always linked, because signing uses it too.
    #[default]
    OpenSsl,
    /// AWS-LC, through the crate aws-lc-rs. It does not support Ed448: OpenSSL checks the
    /// signatures of such keys.
    #[cfg(feature = "aws-lc-rs")]
    AwsLcRs,
}

/// A public key, bound to the one algorithm that it verifies (RFC 8725 section 3.1).
///
/// For an Edwards key without `alg`, this algorithm has two names: `EdDSA`, and that of its curve
/// (RFC 9864 section 2.2). The key serves those of the two that are allowed.
///
/// Building a key costs more than using it, so keep it. Several threads can use one key at once.
pub struct VerifyingKey {
    algorithm: Algorithm,
    /// Another allowed name of the same algorithm.
    other_name: Option<Algorithm>,
    key: BackendKey,
}

enum BackendKey {
    Rsa(RsaKey),
    Ec(EcdsaKey),
    Edwards(EdwardsKey),
    #[cfg(feature = "aws-lc-rs")]
    AwsLc(aws_lc::Key),
}

impl VerifyingKey {
    /// Builds a key for one algorithm of `allowed`: the algorithm that the key's `alg` names, else
    /// the one of its curve, else, for an RSA key, the first RSA algorithm in `allowed`. A token's
    /// header never chooses.
    ///
    /// # Errors
    ///
    /// [`JwkError::NotForSignatures`], [`JwkError::Algorithm`], [`JwkError::InvalidKey`].
    ///
    /// ```
    /// use a0_jose::{Algorithm, Jwk, JwkError, VerifyingKey, json};
    ///
    /// let jwk = json::parse_object(br#"{"kty":"EC","crv":"P-256","alg":"ES256",
    ///     "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    ///     "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#)?;
    /// let jwk = Jwk::from_object(&jwk)?;
    /// let key = VerifyingKey::new(&jwk, &[Algorithm::Rs256, Algorithm::Es256])?;
    /// assert_eq!(key.algorithm(), Algorithm::Es256);
    /// assert_eq!(
    ///     VerifyingKey::new(&jwk, &[Algorithm::Rs256]).unwrap_err(),
    ///     JwkError::Algorithm,
    /// );
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(jwk: &Jwk, allowed: &[Algorithm]) -> Result<Self, JwkError> {
        VerifyingKey::with_backend(jwk, allowed, Backend::default())
    }

    /// Like [`new`](VerifyingKey::new), but `backend` checks the signatures.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn with_backend(
        jwk: &Jwk,
        allowed: &[Algorithm],
        backend: Backend,
    ) -> Result<Self, JwkError> {
        if !jwk.for_signatures {
            return Err(JwkError::NotForSignatures);
        }
        let mut fitting = fitting_algorithms(jwk, allowed);
        let algorithm = fitting.next().ok_or(JwkError::Algorithm)?;
        let other_name = match jwk.parameters {
            KeyParameters::Edwards { .. } => fitting.find(|other| *other != algorithm),
            KeyParameters::Rsa { .. } | KeyParameters::Ec { .. } => None,
        };
        let key = match backend {
            Backend::OpenSsl => BackendKey::openssl(&jwk.parameters, algorithm),
            #[cfg(feature = "aws-lc-rs")]
            Backend::AwsLcRs => BackendKey::aws_lc(&jwk.parameters, algorithm),
        };
        Ok(VerifyingKey {
            algorithm,
            other_name,
            key: key.ok_or_else(|| {
                clear_openssl_errors();
                JwkError::InvalidKey
            })?,
        })
    }

    /// The algorithm this key is bound to. If it serves two names, this is the one that comes first
    /// in the allow-list.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns whether this key is bound to `algorithm`, by either name.
    ///
    /// ```
    /// use a0_jose::{Algorithm, Jwk, VerifyingKey, json};
    ///
    /// let jwk = json::parse_object(br#"{"kty":"OKP","crv":"Ed25519",
    ///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
    /// let allowed = [Algorithm::Ed25519, Algorithm::EdDsa, Algorithm::Ed448];
    /// let key = VerifyingKey::new(&Jwk::from_object(&jwk)?, &allowed)?;
    /// assert_eq!(allowed.map(|algorithm| key.serves(algorithm)), [true, true, false]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithm == algorithm || self.other_name == Some(algorithm)
    }

    /// The backend that checks this key's signatures. [`Backend::OpenSsl`] for Ed448, whichever was
    /// chosen.
    pub fn backend(&self) -> Backend {
        match self.key {
            BackendKey::Rsa(_) | BackendKey::Ec(_) | BackendKey::Edwards(_) => Backend::OpenSsl,
            #[cfg(feature = "aws-lc-rs")]
            BackendKey::AwsLc(_) => Backend::AwsLcRs,
        }
    }

    /// Checks a signature under this key's algorithm.
    pub(crate) fn verify_signature(
        &self,
        message: &Message<'_>,
        encoded_signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        // The decoder needs up to two octets more than it fills.
        let mut buffer = [0; MAX_SIGNATURE + 2];
        let signature = base64url::decode_into(encoded_signature, &mut buffer);
        let signature = signature.ok_or(InvalidSignature)?;
        let valid = match (&self.key, self.algorithm.family()) {
            (BackendKey::Rsa(key), Family::RsaPkcs1(hash) | Family::RsaPss(hash)) => {
                message.digest(hash, |digest| key.verify(digest, signature))
            }
            (BackendKey::Ec(key), Family::Ecdsa(_, hash)) => {
                message.digest(hash, |digest| key.verify(digest, signature))
            }
            (BackendKey::Edwards(key), Family::Edwards(_)) => key.verify(message.text, signature),
            #[cfg(feature = "aws-lc-rs")]
            (BackendKey::AwsLc(key), _) => key.verify(message, signature),
            _ => false,
        };
        if valid {
            Ok(())
        } else {
            clear_openssl_errors();
            Err(InvalidSignature)
        }
    }
}

impl BackendKey {
    /// Returns `None` where OpenSSL refuses the key.
    fn openssl(parameters: &KeyParameters, algorithm: Algorithm) -> Option<Self> {
        match parameters {
            KeyParameters::Rsa { modulus, exponent } => {
                RsaKey::new(modulus, exponent, algorithm.family()).map(BackendKey::Rsa)
            }
            KeyParameters::Ec { curve, point } => EcdsaKey::new(*curve, point).map(BackendKey::Ec),
            KeyParameters::Edwards { curve, x } => {
                EdwardsKey::new(*curve, x).map(BackendKey::Edwards)
            }
        }
    }

    /// Returns `None` where AWS-LC refuses the key.
    #[cfg(feature = "aws-lc-rs")]
    fn aws_lc(parameters: &KeyParameters, algorithm: Algorithm) -> Option<Self> {
        let family = algorithm.family();
        match aws_lc::AwsLcAlgorithm::new(parameters, family) {
            Some(algorithm) => {
                aws_lc::Key::new(parameters, family, algorithm).map(BackendKey::AwsLc)
            }
            None => BackendKey::openssl(parameters, algorithm),
        }
    }
}

/// The allowed algorithms that the key's type, curve and `alg` permit, in the order of `allowed`.
fn fitting_algorithms(jwk: &Jwk, allowed: &[Algorithm]) -> impl Iterator<Item = Algorithm> {
    let fits = |algorithm: Algorithm| match (&jwk.parameters, algorithm.family()) {
        (KeyParameters::Rsa { .. }, family) => family.is_rsa(),
        (KeyParameters::Ec { curve, .. }, _) => curve.algorithm() == algorithm,
        (KeyParameters::Edwards { curve, .. }, Family::Edwards(named)) => {
            named.is_none_or(|named| named == *curve)
        }
        (KeyParameters::Edwards { .. }, _) => false,
    };
    let declared = |algorithm: Algorithm| match jwk.declared_algorithm {
        DeclaredAlgorithm::Absent => true,
        DeclaredAlgorithm::Supported(named) => named == algorithm,
        DeclaredAlgorithm::Unsupported => false,
    };
    let allowed = allowed.iter().copied();
    allowed.filter(move |algorithm| fits(*algorithm) && declared(*algorithm))
}

/// The text that a signature is over.
pub(crate) struct Message<'a> {
    pub(crate) text: &'a [u8],
    /// Its SHA-256, where it was computed before.
    pub(crate) sha256: Option<&'a [u8; 32]>,
}

impl Message<'_> {
    /// Hashes the text, and passes the digest to `then`.
    fn digest<T>(&self, hash: Hash, then: impl FnOnce(&[u8]) -> T) -> T {
        use sha2::Digest as _;
        match (hash, self.sha256) {
            (Hash::Sha256, Some(computed)) => then(computed),
            (Hash::Sha256, None) => then(&sha2::Sha256::digest(self.text)),
            (Hash::Sha384, _) => then(&sha2::Sha384::digest(self.text)),
            (Hash::Sha512, _) => then(&sha2::Sha512::digest(self.text)),
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The error for a signature that this key did not make over this header and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Signature verification failed")]
#[non_exhaustive]
pub struct InvalidSignature;
