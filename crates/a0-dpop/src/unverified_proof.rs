//! From judged to verified: a proof whose signature is still to be checked, and one that was.

use std::fmt;
use std::sync::Arc;

use a0_jose::{
    Algorithm, Backend, Claims, Compact, NumericDate, Thumbprint, Verifiable, VerifyingKey,
};

use crate::error::ProofError;
use crate::replay::ReplayKey;

/// A proof that passed every check but its signature and replay. It proves nothing yet.
#[must_use = "a judged proof proves nothing until its signature is verified"]
pub struct UnverifiedProof<'p> {
    proof: SignedProof<'p>,
    replay_key: ReplayKey,
    replay_until: NumericDate,
}

/// A proof and the key in its header.
#[allow(
    clippy::large_enum_variant,
    reason = "one lives for one call; a box would be an allocation for each proof"
)]
pub(crate) enum SignedProof<'p> {
    NewHeader {
        /// The first segment of the proof.
        text: &'p str,
        token: Verifiable<'p>,
        key: VerifyingKey,
        thumbprint: Thumbprint,
    },
    SeenHeader {
        compact: Compact<'p>,
        claims: Claims,
        header: VerifiedHeader,
    },
}

impl<'p> UnverifiedProof<'p> {
    pub(crate) fn new(
        proof: SignedProof<'p>,
        replay_key: ReplayKey,
        replay_until: NumericDate,
    ) -> Self {
        UnverifiedProof {
            proof,
            replay_key,
            replay_until,
        }
    }

    /// The thumbprint of the key in the proof, to be compared with the token's `cnf.jkt` (RFC 9449
    /// section 6.1).
    pub fn thumbprint(&self) -> &Thumbprint {
        match &self.proof {
            SignedProof::NewHeader { thumbprint, .. } => thumbprint,
            SignedProof::SeenHeader { header, .. } => header.thumbprint(),
        }
    }

    /// Checks the signature with the key in the proof, and no other.
    ///
    /// # Errors
    ///
    /// [`ProofError::Signature`].
    pub fn verify(self) -> Result<VerifiedProof, ProofError> {
        self.check().map(|(verified, _)| verified)
    }

    /// As [`verify`](UnverifiedProof::verify), and gives the header too, for
    /// [`validate_with_header`](crate::ProofRules::validate_with_header); `None` where it is longer than
    /// [`MAX_VERIFIED_HEADER`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn verify_and_keep_header(
        self,
    ) -> Result<(VerifiedProof, Option<VerifiedHeader>), ProofError> {
        let (verified, header) = self.check()?;
        let header = match header {
            Header::New { text, key } => VerifiedHeader::new(text, key, verified.thumbprint),
            Header::Known(header) => Some(header),
        };
        Ok((verified, header))
    }

    fn check(self) -> Result<(VerifiedProof, Header<'p>), ProofError> {
        let thumbprint = *self.thumbprint();
        let (claims, header) = match self.proof {
            SignedProof::NewHeader {
                text, token, key, ..
            } => {
                let verified = token.verify_with(&key);
                let claims = verified.map_err(|_| ProofError::Signature)?.into_claims();
                (claims, Header::New { text, key })
            }
            SignedProof::SeenHeader {
                compact,
                claims,
                header,
            } => {
                let verified = header.0.key.verify(&compact);
                verified.map_err(|_| ProofError::Signature)?;
                (claims, Header::Known(header))
            }
        };
        let verified = VerifiedProof {
            claims,
            thumbprint,
            replay_key: self.replay_key,
            replay_until: self.replay_until,
        };
        Ok((verified, header))
    }
}

/// The longest header that is remembered, in bytes of its segment. One of ES256 takes about 250; whoever
/// remembers headers must not let a client choose how much room they take.
pub const MAX_VERIFIED_HEADER: usize = 1024;

/// The header of a proof that was verified.
enum Header<'p> {
    New { text: &'p str, key: VerifyingKey },
    Known(VerifiedHeader),
}

/// The header of a proof that was verified, with its key ready to verify with.
///
/// What comes of a header depends on nothing but its text, and a client sends the same one with each
/// proof of a key. So whoever remembers a token that is bound to the key can remember this beside it,
/// and spares reading the header and building the key the next time: see
/// [`validate_with_header`](crate::ProofRules::validate_with_header). Cheap to clone.
///
/// ```
/// use a0_dpop::{Htu, NewProof, ProofRules, Target};
/// use a0_jose::{NumericDate, SigningKey};
///
/// let key = SigningKey::generate_es256()?;
/// let url = Htu::parse("https://api.example.com/orders")?;
/// let now = NumericDate::from_unix_seconds(1_900_000_000);
/// let proof = || NewProof::new("GET", url.as_str()).access_token("a.b.c").sign(&key, now);
/// let (first, second) = (proof()?, proof()?);
///
/// let (rules, request) = (ProofRules::new(), Target::new("GET", &url, "a.b.c"));
/// let (_, known) = rules.validate(&first, &request, None, now)?.verify_and_keep_header()?;
/// let judged = rules.validate_with_header(&second, known.as_ref(), &request, None, now)?;
/// assert!(judged.verify().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct VerifiedHeader(Arc<Known>);

struct Known {
    /// The first segment of the proof.
    text: Box<str>,
    key: VerifyingKey,
    thumbprint: Thumbprint,
}

impl VerifiedHeader {
    fn new(text: &str, key: VerifyingKey, thumbprint: Thumbprint) -> Option<Self> {
        let known = || Known {
            text: text.into(),
            key,
            thumbprint,
        };
        (text.len() <= MAX_VERIFIED_HEADER).then(|| VerifiedHeader(Arc::new(known())))
    }

    /// The thumbprint of the key.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.0.thumbprint
    }

    /// Whether a proof has this very header, and whether rules of these algorithms and this backend would
    /// make the same of it: those that judged it may have been others.
    pub(crate) fn is_of(
        &self,
        proof: &Compact<'_>,
        algorithms: &[Algorithm],
        backend: Backend,
    ) -> bool {
        let Known { text, key, .. } = &*self.0;
        **text == *proof.header_segment()
            && algorithms.contains(&key.algorithm())
            && key.backend() == backend
    }
}

/// A proof whose sender holds its key. Whether it comes for the first time is for a
/// [`ReplayStore`](crate::ReplayStore) to say.
pub struct VerifiedProof {
    claims: Claims,
    thumbprint: Thumbprint,
    replay_key: ReplayKey,
    replay_until: NumericDate,
}

impl VerifiedProof {
    /// The proof's claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The proof's claims, by value.
    pub fn into_claims(self) -> Claims {
        self.claims
    }

    /// The thumbprint of the key that signed.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }

    /// Under which a replay store remembers the proof.
    pub fn replay_key(&self) -> &ReplayKey {
        &self.replay_key
    }

    /// Until when it has to, that second included: the end of the proof's window. A caller that asks
    /// the store later than at the `now` that the proof was judged at adds what may lie between.
    pub fn replay_until(&self) -> NumericDate {
        self.replay_until
    }
}

macro_rules! opaque_debug {
    ($($name:ident $(<$lifetime:lifetime>)?),*) => {$(
        impl fmt::Debug for $name $(<$lifetime>)? {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .debug_struct(stringify!($name))
                    .field("thumbprint", self.thumbprint())
                    .finish_non_exhaustive()
            }
        }
    )*};
}

opaque_debug!(UnverifiedProof<'_>, VerifiedProof, VerifiedHeader);
