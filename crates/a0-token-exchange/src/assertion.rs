//! Client assertions (RFC 7523 section 3), signed with the client's own key.

use std::time::{Duration, SystemTime};

use a0_jose::{Algorithm, NumericDate, Signer, SigningError, random_token_id};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{ExchangeError, RequestError};

/// How long an assertion is valid: 60 s. The client uses it immediately, but anybody who reads it
/// could use it until it expires. Needs the feature `private-key-jwt`.
pub const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

/// The value of `client_assertion_type` (RFC 7523 section 2.2).
pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(crate) struct Assertion {
    issuer: String,
    key_id: Option<String>,
    signer: Box<dyn Signer>,
}

impl Assertion {
    pub(crate) fn new(
        issuer: String,
        key_id: Option<&str>,
        signer: Box<dyn Signer>,
    ) -> Result<Self, RequestError> {
        // Another server could use the assertion if it accepts this audience as its own identifier.
        if !issuer.starts_with("https://") {
            return Err(RequestError::Issuer);
        }
        match signer.algorithm() {
            Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => Ok(Assertion {
                issuer,
                key_id: key_id.map(str::to_owned),
                signer,
            }),
            _ => Err(RequestError::Algorithm),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn sign(
        &self,
        client_id: &str,
        now: SystemTime,
    ) -> Result<Zeroizing<String>, ExchangeError> {
        self.try_sign(client_id, now.into())
            .map(Zeroizing::new)
            .map_err(|error| ExchangeError::signing("client assertion", error))
    }

    fn try_sign(&self, client_id: &str, now: NumericDate) -> Result<String, SigningError> {
        let mut claims = Map::new();
        claims.insert("sub".into(), client_id.into());
        self.sign_claims("JWT", client_id, claims, now)
    }

    /// Signs these claims of the client for the issuer, valid for [`ASSERTION_LIFETIME`].
    pub(crate) fn sign_claims(
        &self,
        token_type: &str,
        client_id: &str,
        mut claims: Map<String, Value>,
        now: NumericDate,
    ) -> Result<String, SigningError> {
        let mut header = Map::new();
        header.insert("typ".into(), token_type.into());
        header.insert("alg".into(), self.signer.algorithm().name().into());
        if let Some(key_id) = &self.key_id {
            header.insert("kid".into(), key_id.as_str().into());
        }
        let expires = now.plus(ASSERTION_LIFETIME);
        claims.insert("iss".into(), client_id.into());
        claims.insert("aud".into(), self.issuer.as_str().into());
        claims.insert("jti".into(), random_token_id()?.into());
        claims.insert("iat".into(), now.as_unix_seconds().into());
        claims.insert("exp".into(), expires.as_unix_seconds().into());
        self.signer.sign_compact(header, claims)
    }
}
