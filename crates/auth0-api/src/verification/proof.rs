//! How DPoP proofs are verified (RFC 9449 section 7): the configuration, proofs by themselves, and the last
//! check, whether a proof was used before.

use std::fmt;
use std::time::Duration;

use a0_dpop::{
    Htu, NonceIssuer, ProofError, ProofRules, ReplayKey, ReplayStoreError, Seen, Target,
    VerifiedHeader, VerifiedProof,
};
use a0_jose::NumericDate;

use crate::error::refusal::Refusal;
use crate::error::{ArgumentSource, ErrorKind, Outage};
use crate::observer::event::Replay;
use crate::observer::telemetry::Telemetry;

use super::Verifier;
use super::request::DpopMode;

/// How much longer than its window a proof is recorded. Keys may be fetched between the validation of the
/// proof and the replay check, and a store has its own clock.
const REPLAY_MARGIN: Duration = Duration::from_secs(60);

/// How long after the end of its window the replay check of a proof may take place. The store must still
/// hold the proof then, so this is one second less than the margin: for the way to the store, and because
/// stores may round.
const LATEST_REPLAY_CHECK: Duration = REPLAY_MARGIN.saturating_sub(Duration::from_secs(1));

/// The configuration of DPoP.
#[derive(Clone)]
pub(crate) struct DpopSettings {
    pub(crate) mode: DpopMode,
    pub(crate) rules: ProofRules,
    pub(crate) public_url: Option<Htu>,
    pub(crate) replay_fail_open: bool,
    pub(crate) nonces: Option<NonceIssuer>,
}

impl DpopSettings {
    /// Makes every check of a proof except its signature and replay. `header` is a header that was verified
    /// before.
    pub(crate) fn validate<'p>(
        &self,
        proof: &'p [u8],
        header: Option<&VerifiedHeader>,
        target: &Target<'_>,
        now: NumericDate,
    ) -> Result<a0_dpop::UnverifiedProof<'p>, Refusal> {
        let nonces = self.nonces.as_ref();
        let unverified = self
            .rules
            .validate_with_header(proof, header, target, nonces, now);
        unverified.map_err(|error| match (error, &self.nonces) {
            (ProofError::Nonce, Some(nonces)) => ErrorKind::UseDpopNonce {
                nonce: nonces.issue(now).into(),
            }
            .into(),
            (error, _) => error.into(),
        })
    }

    /// Makes every check of a proof except replay.
    pub(crate) fn verify(
        &self,
        proof: &DpopProof<'_>,
        now: NumericDate,
    ) -> Result<VerifiedProof, Refusal> {
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

    /// Returns until when a store must record a proof whose replay check takes place at the time `now`. A
    /// proof that was validated so long ago that a store may have dropped it is refused as too old.
    pub(crate) fn remember_until(
        &self,
        proof: &VerifiedProof,
        now: NumericDate,
    ) -> Result<NumericDate, ProofError> {
        let until = proof.replay_until();
        if now > until.plus(LATEST_REPLAY_CHECK) {
            return Err(ProofError::TooOld);
        }
        Ok(until.plus(REPLAY_MARGIN))
    }

    /// Accepts a proof only on its first use.
    pub(crate) fn check_first_use(
        &self,
        answer: Result<Seen, ReplayStoreError>,
        telemetry: &Telemetry,
    ) -> Result<(), Refusal> {
        let (result, checked) = match answer {
            Ok(Seen::First) => (Replay::First, Ok(())),
            Ok(_) => (Replay::Replayed, Err(ProofError::Replayed.into())),
            Err(_) if self.replay_fail_open => (Replay::FailedOpen, Ok(())),
            Err(error) => {
                let outage = Outage::ReplayStore(error);
                (Replay::Failed, Err(ErrorKind::Unavailable(outage).into()))
            }
        };
        telemetry.replay(result);
        checked
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

/// The last check of a proof, after which the verification returns its output of type `T`.
pub(crate) enum ReplayCheck<'v, S, T> {
    /// No replay store is configured.
    Off(VerifiedProof, T),
    /// The replay store `S` decides.
    Ask(NeedReplay<'v, S, T>),
}

/// A proof that passed every check except replay.
pub(crate) struct NeedReplay<'v, S, T> {
    store: &'v S,
    dpop: &'v DpopSettings,
    telemetry: &'v Telemetry,
    proof: VerifiedProof,
    validated_at: NumericDate,
    output: T,
}

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

    pub(super) fn replay_check<T>(
        &self,
        proof: VerifiedProof,
        validated_at: NumericDate,
        output: T,
    ) -> ReplayCheck<'_, S, T> {
        match &self.replay_store {
            None => ReplayCheck::Off(proof, output),
            Some(store) => ReplayCheck::Ask(NeedReplay {
                store,
                dpop: &self.dpop,
                telemetry: &self.telemetry,
                proof,
                validated_at,
                output,
            }),
        }
    }
}

impl<S, T> NeedReplay<'_, S, T> {
    pub(crate) fn store(&self) -> &S {
        self.store
    }

    /// How long the store must record the proof, if the store is asked at the time `now`.
    pub(crate) fn remember_until(&self, now: NumericDate) -> Result<NumericDate, Refusal> {
        Ok(self.dpop.remember_until(&self.proof, now)?)
    }

    pub(crate) fn replay_key(&self) -> &ReplayKey {
        self.proof.replay_key()
    }

    pub(crate) fn validated_at(&self) -> NumericDate {
        self.validated_at
    }

    pub(crate) fn resume(
        self,
        answer: Result<Seen, ReplayStoreError>,
    ) -> Result<(VerifiedProof, T), Refusal> {
        self.dpop.check_first_use(answer, self.telemetry)?;
        Ok((self.proof, self.output))
    }
}
