//! The header of a proof, with its key, and its reuse for later proofs.

use std::fmt;
use std::sync::Arc;

use a0_jose::{Algorithm, Backend, Compact, Thumbprint, VerifyingKey};

/// The longest header that is kept, in bytes of its encoded segment. An ES256 header takes about
/// 250. Clients write headers, so the limit bounds the memory that they can occupy.
pub const MAX_VERIFIED_HEADER: usize = 1024;

/// The header of a verified proof, with its key ready to verify signatures.
///
/// A client sends the same header with every proof of one key, and the result of reading a header
/// depends on its text only. Keep this value beside a cached token that is bound to the key, to
/// skip reading the header and building the key for the next proof: see
/// [`validate_with_header`](crate::ProofRules::validate_with_header). Cloning is cheap.
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
/// let (_, header) = rules.validate(&first, &request, None, now)?.verify_and_keep_header()?;
/// let unverified = rules.validate_with_header(&second, header.as_ref(), &request, None, now)?;
/// assert!(unverified.verify().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct VerifiedHeader(Arc<Inner>);

struct Inner {
    /// The encoded header, the first segment of the proof.
    segment: Box<[u8]>,
    key: VerifyingKey,
    thumbprint: Thumbprint,
}

impl VerifiedHeader {
    /// The thumbprint of the key.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.0.thumbprint
    }

    /// Returns whether `proof` has exactly this header, and whether rules with these algorithms and
    /// this backend would accept it. The rules that accepted it before may have been different.
    pub(crate) fn applies_to(
        &self,
        proof: &Compact<'_>,
        algorithms: &[Algorithm],
        backend: Backend,
    ) -> bool {
        let Inner { segment, key, .. } = &*self.0;
        **segment == *proof.header_segment()
            && algorithms.contains(&key.algorithm())
            && key.backend() == backend
    }
}

/// The header of a proof whose signature is not checked yet.
pub(crate) enum ProofHeader<'p> {
    /// Read from this proof.
    New {
        segment: &'p [u8],
        key: VerifyingKey,
        thumbprint: Thumbprint,
    },
    /// Verified with an earlier proof.
    Verified(VerifiedHeader),
}

impl ProofHeader<'_> {
    pub(crate) fn key(&self) -> &VerifyingKey {
        match self {
            ProofHeader::New { key, .. } => key,
            ProofHeader::Verified(header) => &header.0.key,
        }
    }

    pub(crate) fn thumbprint(&self) -> &Thumbprint {
        match self {
            ProofHeader::New { thumbprint, .. } => thumbprint,
            ProofHeader::Verified(header) => header.thumbprint(),
        }
    }

    /// Call this only after the signature was verified. Returns `None` for a header longer than
    /// [`MAX_VERIFIED_HEADER`].
    pub(crate) fn into_verified(self) -> Option<VerifiedHeader> {
        match self {
            ProofHeader::New {
                segment,
                key,
                thumbprint,
            } => (segment.len() <= MAX_VERIFIED_HEADER).then(|| {
                VerifiedHeader(Arc::new(Inner {
                    segment: segment.into(),
                    key,
                    thumbprint,
                }))
            }),
            ProofHeader::Verified(header) => Some(header),
        }
    }
}

impl fmt::Debug for VerifiedHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedHeader")
            .field("thumbprint", self.thumbprint())
            .finish_non_exhaustive()
    }
}
