//! Public keys, ready to verify with: built once, used from any thread.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(feature = "aws-lc-rs")]
mod der;
mod ec;
mod edwards;
mod rsa;

use std::fmt;

use crate::algorithm::{Algorithm, Family, Hash};
use crate::backend::Backend;
use crate::compact::Compact;
use crate::jwk::{Intended, Jwk, JwkError, Numbers};

/// Octets of the longest signature: that of an RSA key of 8192 bits.
const MAX_SIGNATURE: usize = 1024;

/// A public key, bound to the one algorithm that it verifies (RFC 8725 section 3.1).
///
/// Building one is the costly part; keep it. It may be used from several threads at once.
pub struct VerifyingKey {
    algorithm: Algorithm,
    public: Public,
}

enum Public {
    Rsa(rsa::Key),
    Ec(ec::Key),
    Edwards(edwards::Key),
    #[cfg(feature = "aws-lc-rs")]
    AwsLc(aws_lc::Key),
}

impl VerifyingKey {
    /// Builds a key for one algorithm out of `allowed`: the one its `alg` names, or the only one
    /// for its curve, or, for an RSA key without `alg`, the first RSA algorithm in `allowed`. A
    /// token's header never chooses.
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

    /// As [`new`](VerifyingKey::new), with signatures checked by `backend`.
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
        let algorithm = bind(jwk, allowed).ok_or(JwkError::Algorithm)?;
        let public = match backend {
            Backend::OpenSsl => Public::openssl(&jwk.numbers, algorithm),
            #[cfg(feature = "aws-lc-rs")]
            Backend::AwsLcRs => Public::aws_lc(&jwk.numbers, algorithm),
        };
        Ok(VerifyingKey {
            algorithm,
            public: public.ok_or_else(|| {
                drop_openssl_errors();
                JwkError::InvalidKey
            })?,
        })
    }

    /// The one algorithm of this key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What checks this key's signatures.
    pub fn backend(&self) -> Backend {
        match self.public {
            Public::Rsa(_) | Public::Ec(_) | Public::Edwards(_) => Backend::OpenSsl,
            #[cfg(feature = "aws-lc-rs")]
            Public::AwsLc(_) => Backend::AwsLcRs,
        }
    }

    /// Checks the signature of a compact JWS with any payload, under this key's algorithm. What
    /// the header says is not looked at: [`Verifiable`](crate::Verifiable) does that.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`], whatever the reason.
    pub fn verify(&self, token: &Compact<'_>) -> Result<(), InvalidSignature> {
        // Two octets more than the longest, so that one of three octets too many still decodes.
        let mut buffer = [0; MAX_SIGNATURE + 2];
        let signature = token.signature(&mut buffer).ok_or(InvalidSignature)?;
        let valid = match (&self.public, self.algorithm.family()) {
            (Public::Rsa(key), Family::RsaPkcs1(hash) | Family::RsaPss(hash)) => {
                hash.digest(token, |digest| key.verify(digest, signature))
            }
            (Public::Ec(key), Family::Ecdsa(_, hash)) => {
                hash.digest(token, |digest| key.verify(digest, signature))
            }
            (Public::Edwards(key), Family::Edwards) => key.verify(token.signing_input(), signature),
            #[cfg(feature = "aws-lc-rs")]
            (Public::AwsLc(key), _) => key.verify(token, signature),
            _ => false,
        };
        if valid {
            Ok(())
        } else {
            drop_openssl_errors();
            Err(InvalidSignature)
        }
    }
}

impl Public {
    /// `None` where OpenSSL refuses the key.
    fn openssl(numbers: &Numbers, algorithm: Algorithm) -> Option<Self> {
        match numbers {
            Numbers::Rsa { modulus, exponent } => {
                rsa::Key::new(modulus, exponent, algorithm.family()).map(Public::Rsa)
            }
            Numbers::Ec { curve, point } => ec::Key::new(*curve, point).map(Public::Ec),
            Numbers::Edwards { curve, x } => edwards::Key::new(*curve, x).map(Public::Edwards),
        }
    }

    /// `None` where AWS-LC refuses the key.
    #[cfg(feature = "aws-lc-rs")]
    fn aws_lc(numbers: &Numbers, algorithm: Algorithm) -> Option<Self> {
        let family = algorithm.family();
        match aws_lc::parameters(numbers, family) {
            Some(parameters) => aws_lc::Key::new(numbers, family, parameters).map(Public::AwsLc),
            None => Public::openssl(numbers, algorithm),
        }
    }
}

/// OpenSSL keeps a queue of errors for each thread, and some of its functions leave one there when
/// they answer "no". Whoever asks that queue next, such as a TLS connection on the same thread,
/// would take it for its own failure.
fn drop_openssl_errors() {
    drop(openssl::error::ErrorStack::get());
}

fn bind(jwk: &Jwk, allowed: &[Algorithm]) -> Option<Algorithm> {
    let fits = |algorithm: Algorithm| match (&jwk.numbers, algorithm.family()) {
        (Numbers::Rsa { .. }, family) => family.is_rsa(),
        (Numbers::Ec { curve, .. }, _) => curve.algorithm() == algorithm,
        (Numbers::Edwards { .. }, family) => family == Family::Edwards,
    };
    let mut fitting = allowed.iter().copied().filter(|algorithm| fits(*algorithm));
    match jwk.intended {
        Intended::Unsaid => fitting.next(),
        Intended::For(named) => fitting.find(|algorithm| *algorithm == named),
        Intended::Other => None,
    }
}

impl Hash {
    /// Of what the signature of `token` is over.
    fn digest<T>(self, token: &Compact<'_>, then: impl FnOnce(&[u8]) -> T) -> T {
        use sha2::Digest as _;
        if let Some(known) = token.signing_digest(self) {
            return then(known);
        }
        let message = token.signing_input();
        match self {
            Hash::Sha256 => then(&sha2::Sha256::digest(message)),
            Hash::Sha384 => then(&sha2::Sha384::digest(message)),
            Hash::Sha512 => then(&sha2::Sha512::digest(message)),
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

/// The signature was not made by this key over this header and payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Signature verification failed")]
#[non_exhaustive]
pub struct InvalidSignature;
