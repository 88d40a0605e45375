//! A proof with a valid signature.

use std::fmt;

use a0_jose::{Claims, NumericDate, Thumbprint};

use crate::replay::ReplayKey;

/// A proof whose sender holds its key. Ask a [`ReplayStore`](crate::ReplayStore) whether it was
/// used before.
pub struct VerifiedProof {
    pub(crate) claims: Claims,
    pub(crate) thumbprint: Thumbprint,
    pub(crate) replay_key: ReplayKey,
    pub(crate) replay_until: NumericDate,
}

impl VerifiedProof {
    /// The proof's claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns the proof's claims by value.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    /// The thumbprint of the key that made the signature.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// The key under which a replay store holds the proof.
    pub fn replay_key(&self) -> &ReplayKey {
        &self.replay_key
    }

    /// The end of the proof's window. A replay store holds the proof up to and including this
    /// second.
    ///
    /// A caller that asks the store later than the `now` of the validation adds the time that may
    /// have passed.
    pub fn replay_until(&self) -> NumericDate {
        self.replay_until
    }
}

impl fmt::Debug for VerifiedProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedProof")
            .field("thumbprint", &self.thumbprint)
            .finish_non_exhaustive()
    }
}
