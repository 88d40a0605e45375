//! Creates proofs, for clients: RFC 9449 section 4.2.

use a0_jose::{
    NumericDate, Signer, SigningError, has_private_member, random_token_id, sha256_base64url,
};
use serde_json::{Map, Value};

use crate::htu::Htu;

/// Creates a proof for one request. Each request needs a new proof.
///
/// ```
/// use a0_dpop::{Htu, NewProof, ProofRules, Target};
/// use a0_jose::{NumericDate, SigningKey};
///
/// let key = SigningKey::generate_es256()?;
/// let now = NumericDate::from_unix_seconds(1_700_000_000);
/// let proof = NewProof::new("GET", "https://api.example/things?page=2")
///     .access_token("the.access.token")
///     .sign(&key, now)?;
///
/// let url = Htu::parse("https://api.example/things")?;
/// let request = Target::new("GET", url, "the.access.token");
/// assert!(ProofRules::new().validate(&proof, &request, None, now)?.verify().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct NewProof<'a> {
    method: &'a str,
    url: &'a str,
    access_token: Option<&'a str>,
    nonce: Option<&'a str>,
}

impl<'a> NewProof<'a> {
    /// Starts a proof for a request with this method and this URL. Query and fragment are left out.
    pub fn new(method: &'a str, url: &'a str) -> Self {
        NewProof {
            method,
            url,
            access_token: None,
            nonce: None,
        }
    }

    /// Sets the access token of the request. A request to a token endpoint has none.
    pub fn access_token(mut self, token: &'a str) -> Self {
        self.access_token = Some(token);
        self
    }

    /// Sets the nonce that the server issued (RFC 9449 sections 8 and 9).
    pub fn nonce(mut self, nonce: &'a str) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// Signs the proof. Its `jti` is random, and its `iat` is `now` in whole seconds.
    ///
    /// # Errors
    ///
    /// [`CreateProofError`].
    pub fn sign<S: Signer + ?Sized>(
        &self,
        key: &S,
        now: NumericDate,
    ) -> Result<String, CreateProofError> {
        if has_private_member(key.public_jwk().keys()) {
            return Err(SigningError::Unusable.into());
        }
        let url = Htu::parse(self.url).map_err(|_| CreateProofError::Url)?;
        let mut header = Map::new();
        header.insert("typ".into(), "dpop+jwt".into());
        header.insert("alg".into(), key.algorithm().name().into());
        header.insert("jwk".into(), Value::Object(key.public_jwk().clone()));
        let mut claims = Map::new();
        claims.insert("jti".into(), random_token_id()?.into());
        claims.insert("htm".into(), self.method.into());
        claims.insert("htu".into(), url.as_str().into());
        claims.insert("iat".into(), now.as_unix_seconds().into());
        if let Some(token) = self.access_token {
            claims.insert("ath".into(), sha256_base64url(token).into());
        }
        if let Some(nonce) = self.nonce {
            claims.insert("nonce".into(), nonce.into());
        }
        Ok(key.sign_compact(header, claims)?)
    }
}

impl std::fmt::Debug for NewProof<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("NewProof")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// The error for a proof that could not be created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CreateProofError {
    /// The URL is not an absolute http or https URL, or has a user name or password.
    #[error("a proof needs an absolute http or https URL without credentials")]
    Url,
    /// The key cannot sign, or its public JWK has a private member.
    #[error(transparent)]
    Signing(#[from] SigningError),
}
