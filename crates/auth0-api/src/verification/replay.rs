//! The last check of a proof: whether it was used before.

use a0_dpop::{ReplayKey, ReplayStoreError, Seen, VerifiedProof};
use a0_jose::NumericDate;

use crate::error::refusal::Refusal;

use super::Verifier;
use super::counters::Counters;
use super::proof::{DpopProof, DpopSettings};

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
    counters: &'v Counters,
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
                counters: &self.counters,
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
        self.dpop.check_first_use(answer, self.counters)?;
        Ok((self.proof, self.output))
    }
}
