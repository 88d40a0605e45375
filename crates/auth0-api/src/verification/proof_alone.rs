//! A DPoP proof that is verified by itself, without a request and its token.

use std::fmt;

use a0_dpop::{Htu, ProofError, Target, VerifiedProof};
use a0_jose::NumericDate;

use crate::error::refusal::Refusal;
use crate::error::{ArgumentSource, ErrorKind};

use super::Verifier;
use super::sender::{DpopSettings, ReplayCheck};

impl<R, S> Verifier<R, S> {
    /// Verifies a proof by itself, up to the replay check.
    pub(crate) fn verify_proof(
        &self,
        proof: &DpopProof<'_>,
    ) -> Result<ReplayCheck<'_, S, ()>, Refusal> {
        let now = self.clock.now();
        let proof = self.dpop.verify(proof, now)?;
        Ok(self.replay_check(proof, now, ()))
    }
}

impl DpopSettings {
    /// Makes every check of a proof except replay.
    fn verify(&self, proof: &DpopProof<'_>, now: NumericDate) -> Result<VerifiedProof, Refusal> {
        let missing = |argument| ErrorKind::MissingRequiredArgument {
            argument,
            source: ArgumentSource::Call,
        };
        if let Some(argument) = proof.missing() {
            return Err(missing(argument).into());
        }
        let url = Htu::parse(proof.url).map_err(|_| missing("http_url"))?;
        if proof.proof.contains(',') {
            return Err(ProofError::Multiple.into());
        }
        let target = Target::new(proof.method, url, proof.access_token);
        let unverified = self.validate(proof.proof.as_bytes(), None, &target, now)?;
        if let Some(expected) = proof.expected_thumbprint
            && expected.parse().ok().as_ref() != Some(unverified.thumbprint())
        {
            return Err(ProofError::Key.into());
        }
        Ok(unverified.verify()?)
    }
}

/// A DPoP proof to verify by itself. Its access token is hashed, but not verified.
///
/// ```
/// use auth0_api::DpopProof;
///
/// let proof = DpopProof::new("access.token", "a.proof.jwt", "GET", "https://api.example/things");
/// # let _ = proof;
/// ```
#[derive(Clone, Copy)]
pub struct DpopProof<'a> {
    pub(crate) access_token: &'a str,
    pub(crate) proof: &'a str,
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    pub(crate) expected_thumbprint: Option<&'a str>,
}

impl<'a> DpopProof<'a> {
    /// Takes the access token, the value of the `DPoP` field, the method of the request, and the URL that
    /// the client used, with scheme and authority.
    pub fn new(access_token: &'a str, proof: &'a str, method: &'a str, url: &'a str) -> Self {
        DpopProof {
            access_token,
            proof,
            method,
            url,
            expected_thumbprint: None,
        }
    }

    /// The thumbprint that the proof's key must have: `cnf.jkt` of the token.
    #[must_use]
    pub fn expect_thumbprint(mut self, jkt: &'a str) -> Self {
        self.expected_thumbprint = Some(jkt);
        self
    }

    fn missing(&self) -> Option<&'static str> {
        [
            ("dpop_proof", self.proof),
            ("access_token", self.access_token),
            ("http_method", self.method),
        ]
        .into_iter()
        .find(|(_, value)| value.is_empty())
        .map(|(name, _)| name)
    }
}

impl fmt::Debug for DpopProof<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DpopProof")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}
