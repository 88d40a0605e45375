use std::fmt;
use std::time::SystemTime;

use openssl::sha::sha256;
use serde_json::{Map, Value};

use super::jws::{Edits, base64url, edit_methods};
use super::unix_seconds;
use crate::signing::random;
use crate::{Algorithm, Error, SigningKey, thumbprint};

/// The key whose possession a DPoP client proves (RFC 9449). Clones are cheap.
///
/// ```
/// use a0_testkit::{LocalTenant, ProofKey};
///
/// # fn main() -> Result<(), a0_testkit::Error> {
/// let tenant = LocalTenant::new("tenant.example")?;
/// let key = ProofKey::generate()?;
/// let token = tenant.access_token().bound_to(&key).mint()?;
/// let proof = key.proof("GET", "https://api.example/things").for_token(&token).mint()?;
/// # let _ = proof;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ProofKey {
    key: SigningKey,
    algorithm: Algorithm,
    thumbprint: String,
}

impl ProofKey {
    /// Generates a P-256 key that signs with ES256.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn generate() -> Result<Self, Error> {
        Self::new(SigningKey::generate(Algorithm::Es256)?, Algorithm::Es256)
    }

    /// Takes any key and any algorithm, for proofs that a verifier must refuse.
    ///
    /// # Errors
    ///
    /// [`Error::Jwk`] if the key has no thumbprint. Every [`SigningKey`] has one today.
    pub fn new(key: SigningKey, algorithm: Algorithm) -> Result<Self, Error> {
        let thumbprint = thumbprint(&key.public_jwk())?;
        Ok(Self {
            key,
            algorithm,
            thumbprint,
        })
    }

    /// The thumbprint of the public key (RFC 7638, SHA-256, base64url). A bound token has it as
    /// `cnf.jkt`.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// The public JWK, as in the header of a proof.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        self.key.public_jwk()
    }

    /// Starts a proof for one request. The claims `htm` and `htu` are `method` and `url`, unchanged.
    pub fn proof(&self, method: &str, url: &str) -> ProofBuilder {
        ProofBuilder {
            key: self.clone(),
            method: method.to_owned(),
            url: url.to_owned(),
            issued_at: None,
            edits: Edits::default(),
        }
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofKey")
            .field("thumbprint", &self.thumbprint)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// Builds a DPoP proof; made by [`ProofKey::proof`].
///
/// The default header has `typ` dpop+jwt, and `alg` and `jwk` of the key. The default claims are
/// `htm`, `htu`, `iat` (the system's time) and a random `jti`. [`for_token`](Self::for_token) adds
/// `ath`.
#[derive(Clone)]
#[must_use = "a builder does nothing until `mint` is called"]
pub struct ProofBuilder {
    key: ProofKey,
    method: String,
    url: String,
    issued_at: Option<i64>,
    edits: Edits,
}

impl ProofBuilder {
    /// Sets the claim `ath` to the hash of this access token (RFC 9449 section 4.2).
    pub fn for_token(self, access_token: &str) -> Self {
        self.claim("ath", base64url(&sha256(access_token.as_bytes())))
    }

    /// Sets the claim `jti`.
    pub fn jti(self, jti: &str) -> Self {
        self.claim("jti", jti)
    }

    /// Sets the claim `iat`, in seconds since 1970.
    pub fn issued_at(mut self, seconds: i64) -> Self {
        self.issued_at = Some(seconds);
        self
    }

    /// Sets the claim `iat` to this time, in whole seconds.
    pub fn at(self, time: SystemTime) -> Self {
        self.issued_at(unix_seconds(time))
    }

    /// Sets the claim `nonce`.
    pub fn nonce(self, nonce: &str) -> Self {
        self.claim("nonce", nonce)
    }

    edit_methods!();

    /// Signs the proof and returns it in compact form.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`] if the key does not fit its algorithm, [`Error::Crypto`] if OpenSSL
    /// fails.
    pub fn mint(self) -> Result<String, Error> {
        let Self {
            key,
            method,
            url,
            issued_at,
            edits,
        } = self;
        let issued_at = issued_at.unwrap_or_else(|| unix_seconds(SystemTime::now()));

        let mut header = Map::new();
        header.insert("typ".into(), "dpop+jwt".into());
        header.insert("alg".into(), key.algorithm.name().into());
        header.insert("jwk".into(), key.public_jwk());

        let mut claims = Map::new();
        claims.insert("jti".into(), base64url(&random::<16>()?).into());
        claims.insert("htm".into(), method.into());
        claims.insert("htu".into(), url.into());
        claims.insert("iat".into(), issued_at.into());

        edits.assemble(header, claims, |message| {
            key.key.sign(key.algorithm, message)
        })
    }
}

impl fmt::Debug for ProofBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofBuilder")
            .field("key", &self.key)
            .field("method", &self.method)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
