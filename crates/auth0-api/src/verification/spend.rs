//! The last step of a verification: the replay store.

use a0_dpop::{ReplayKey, ReplayStoreError, Seen, VerifiedProof};
use a0_jose::NumericDate;

use super::Verifier;
use super::proof::{DpopProof, DpopSettings};
use crate::refusal::Refusal;

/// A proof that passed every check but the last: whether it was spent before. After that the verification
/// gives its `output`.
pub(crate) struct NeedSpend<'v, T> {
    pub(super) dpop: &'v DpopSettings,
    pub(super) proof: VerifiedProof,
    pub(super) validated_at: NumericDate,
    pub(super) output: T,
}

impl<R> Verifier<R> {
    /// Verifies a proof by itself, up to its replay.
    pub(crate) fn proof(&self, proof: &DpopProof<'_>) -> Result<NeedSpend<'_, ()>, Refusal> {
        let validated_at = self.now();
        Ok(NeedSpend {
            dpop: &self.dpop,
            proof: self.dpop.verify(proof, validated_at)?,
            validated_at,
            output: (),
        })
    }
}

impl<T> NeedSpend<'_, T> {
    /// Until when the store has to remember the proof, if it is asked at the time `now`.
    pub(crate) fn remember_until(&self, now: NumericDate) -> Result<NumericDate, Refusal> {
        Ok(self.dpop.remember_until(&self.proof, now)?)
    }

    pub(crate) fn replay_key(&self) -> &ReplayKey {
        self.proof.replay_key()
    }

    pub(crate) fn validated_at(&self) -> NumericDate {
        self.validated_at
    }

    /// The store's answer; `None` if replay protection is turned off.
    pub(crate) fn resume(
        self,
        answer: Option<Result<Seen, ReplayStoreError>>,
    ) -> Result<(VerifiedProof, T), Refusal> {
        if let Some(answer) = answer {
            self.dpop.spent(answer)?;
        }
        Ok((self.proof, self.output))
    }
}
