//! Proofs of possession of requests, RFC 9449 section 7: what is configured, and the last steps.

use std::fmt;
use std::time::Duration;

use a0_dpop::{
    Htu, NonceIssuer, ProofError, ProofRules, ReplayStoreError, Seen, Target, VerifiedHeader,
    VerifiedProof,
};
use a0_jose::NumericDate;

use crate::error::{ErrorKind, Outage};
use crate::refusal::Refusal;
use crate::verification::scheme::DpopMode;

/// How much longer than its window a proof is remembered: keys may be fetched between the time at
/// which it is judged and the time at which the store is asked, and a store has a clock of its own.
const REPLAY_MARGIN: Duration = Duration::from_secs(60);

/// How long after the end of its window a proof may still be spent, so that the store holds it then:
/// a second less than the margin, for the way to the store and for how it takes the last second.
const LATEST_SPENDING: Duration = REPLAY_MARGIN.saturating_sub(Duration::from_secs(1));

/// How proofs are judged.
#[derive(Clone)]
pub(crate) struct DpopSettings {
    pub(crate) mode: DpopMode,
    pub(crate) rules: ProofRules,
    pub(crate) public_url: Option<Htu>,
    pub(crate) replay_fail_open: bool,
    pub(crate) nonces: Option<NonceIssuer>,
}

impl DpopSettings {
    /// Every check of a proof that needs no key.
    pub(crate) fn validate<'p>(
        &self,
        proof: &'p str,
        known: Option<&VerifiedHeader>,
        target: &Target<'_>,
        now: NumericDate,
    ) -> Result<a0_dpop::UnverifiedProof<'p>, Refusal> {
        let nonces = self.nonces.as_ref();
        let judged = self
            .rules
            .validate_with_header(proof, known, target, nonces, now);
        judged.map_err(|error| match (error, &self.nonces) {
            (ProofError::Nonce, Some(nonces)) => ErrorKind::UseDpopNonce {
                nonce: nonces.issue(now),
            }
            .into(),
            (error, _) => error.into(),
        })
    }

    /// All checks of one proof but whether it was spent before.
    pub(crate) fn verify(
        &self,
        proof: &DpopProof<'_>,
        now: NumericDate,
    ) -> Result<VerifiedProof, Refusal> {
        let missing = |argument| ErrorKind::MissingRequiredArgument { argument };
        if let Some(argument) = proof.missing() {
            return Err(missing(argument).into());
        }
        let url = Htu::parse(proof.url).map_err(|_| missing("http_url"))?;
        if proof.proof.contains(',') {
            return Err(ProofError::Multiple.into());
        }
        let target = Target::new(proof.method, url, proof.access_token);
        let judged = self.validate(proof.proof, None, &target, now)?;
        if let Some(expected) = proof.expected_thumbprint
            && expected.parse().ok().as_ref() != Some(judged.thumbprint())
        {
            return Err(ProofError::Key.into());
        }
        Ok(judged.verify()?)
    }

    /// Until when a store has to remember a proof that is spent at the time `now`. One that was judged
    /// so long ago that a store may have forgotten it is too old by now.
    pub(crate) fn remember_until(
        &self,
        proof: &VerifiedProof,
        now: NumericDate,
    ) -> Result<NumericDate, ProofError> {
        let until = proof.replay_until();
        match now > until.plus(LATEST_SPENDING) {
            true => Err(ProofError::TooOld),
            false => Ok(until.plus(REPLAY_MARGIN)),
        }
    }

    /// The very last check: after it the proof is spent.
    pub(crate) fn spent(&self, answer: Result<Seen, ReplayStoreError>) -> Result<(), Refusal> {
        match answer {
            Ok(Seen::First) => Ok(()),
            Err(_) if self.replay_fail_open => Ok(()),
            Err(error) => Err(ErrorKind::Unavailable(Outage::ReplayStore(error)).into()),
            Ok(_) => Err(ProofError::Replayed.into()),
        }
    }
}

/// A proof to verify by itself, without its access token being judged.
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
    /// The access token that came with it, the value of the `DPoP` field, the method as it was
    /// sent, and the URL as the client used it, with scheme and authority.
    pub fn new(access_token: &'a str, proof: &'a str, method: &'a str, url: &'a str) -> Self {
        DpopProof {
            access_token,
            proof,
            method,
            url,
            expected_thumbprint: None,
        }
    }

    /// The thumbprint that the proof's key must have: the token's `cnf.jkt`.
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
