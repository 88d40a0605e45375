//! A proof that passed every check except signature and replay.

use std::fmt;

use a0_jose::{Claims, Compact, NumericDate, Thumbprint, Verifiable, VerifyingKey};

use crate::error::ProofError;
use crate::replay::ReplayKey;
use crate::verified_header::{ProofHeader, VerifiedHeader};
use crate::verified_proof::VerifiedProof;

/// A proof that passed every check except its signature and replay. It proves nothing yet.
#[must_use = "an unverified proof proves nothing until its signature is verified"]
pub struct UnverifiedProof<'p> {
    content: Content<'p>,
    header: ProofHeader<'p>,
    replay: Replay,
}

/// The part of a proof that was decoded.
#[allow(
    clippy::large_enum_variant,
    reason = "the value lives for one call, and a box would allocate for each proof"
)]
enum Content<'p> {
    /// Header and payload.
    Token(Verifiable<'p>),
    /// Only the payload, because the header was verified before.
    Payload {
        compact: Compact<'p>,
        claims: Claims,
    },
}

/// How a replay store remembers the proof.
pub(crate) struct Replay {
    pub(crate) key: ReplayKey,
    pub(crate) until: NumericDate,
}

impl<'p> UnverifiedProof<'p> {
    /// Creates a proof with a header that was read for the first time. `segment` is its encoded
    /// header.
    pub(crate) fn with_new_header(
        token: Verifiable<'p>,
        segment: &'p [u8],
        key: VerifyingKey,
        thumbprint: Thumbprint,
        replay: Replay,
    ) -> Self {
        UnverifiedProof {
            content: Content::Token(token),
            header: ProofHeader::New {
                segment,
                key,
                thumbprint,
            },
            replay,
        }
    }

    /// Creates a proof that has exactly the header `header`.
    pub(crate) fn with_verified_header(
        compact: Compact<'p>,
        claims: Claims,
        header: VerifiedHeader,
        replay: Replay,
    ) -> Self {
        UnverifiedProof {
            content: Content::Payload { compact, claims },
            header: ProofHeader::Verified(header),
            replay,
        }
    }

    /// The thumbprint of the key in the proof. The caller compares it with the access token's
    /// `cnf.jkt` (RFC 9449 section 6.1).
    pub fn thumbprint(&self) -> &Thumbprint {
        self.header.thumbprint()
    }

    /// Checks the signature with the key in the proof.
    ///
    /// # Errors
    ///
    /// [`ProofError::Signature`].
    pub fn verify(self) -> Result<VerifiedProof, ProofError> {
        self.check_signature().map(|(verified, _)| verified)
    }

    /// Like [`verify`](UnverifiedProof::verify), and also returns the header for
    /// [`validate_with_header`](crate::ProofRules::validate_with_header). The header is `None` if
    /// it is longer than [`MAX_VERIFIED_HEADER`](crate::MAX_VERIFIED_HEADER).
    ///
    /// # Errors
    ///
    /// The same.
    pub fn verify_and_keep_header(
        self,
    ) -> Result<(VerifiedProof, Option<VerifiedHeader>), ProofError> {
        let (verified, header) = self.check_signature()?;
        Ok((verified, header.into_verified()))
    }

    fn check_signature(self) -> Result<(VerifiedProof, ProofHeader<'p>), ProofError> {
        let key = self.header.key();
        let claims = match self.content {
            Content::Token(token) => {
                let verified = token.verify_with(key);
                verified.map_err(|_| ProofError::Signature)?.into_claims()
            }
            Content::Payload { compact, claims } => {
                key.verify(&compact).map_err(|_| ProofError::Signature)?;
                claims
            }
        };
        let verified = VerifiedProof {
            claims,
            thumbprint: *self.header.thumbprint(),
            replay_key: self.replay.key,
            replay_until: self.replay.until,
        };
        Ok((verified, self.header))
    }
}

impl fmt::Debug for UnverifiedProof<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnverifiedProof")
            .field("thumbprint", self.thumbprint())
            .finish_non_exhaustive()
    }
}
