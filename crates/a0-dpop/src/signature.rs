//! The signature of a proof: a proof before and after its signature is verified, the key by which a replay store
//! knows it, and a verified header, which later proofs reuse.

use std::fmt;
use std::sync::Arc;

use a0_jose::{
    Algorithm, Backend, Claims, Compact, NumericDate, Thumbprint, Verifiable, VerifyingKey,
};
use sha2::{Digest, Sha256};

use crate::error::ProofError;
use crate::htu::Htu;

/// A proof that passed every check except its signature and replay. It proves nothing yet.
#[must_use = "an unverified proof proves nothing until its signature is verified"]
pub struct UnverifiedProof<'p> {
    content: Content<'p>,
    header: ProofHeader<'p>,
    replay: Replay,
}

/// The part of a proof that was decoded.
enum Content<'p> {
    /// Header and payload.
    Token(Verifiable<'p>),
    /// Only the payload, because the header was verified before.
    Payload {
        compact: Compact<'p>,
        claims: Claims,
    },
}

/// Identifies a proof in a [`ReplayStore`](crate::ReplayStore): the SHA-256 of its key, URL and `jti`.
///
/// The key's thumbprint is included, so that no client can use up the `jti` of another. The URL is
/// included, because a `jti` is unique only for one URL (RFC 9449 section 11.1). The method is not:
/// a `jti` that is used again with another method is refused.
///
/// The hashed octets are the 32 octets of the thumbprint, the length of the URL as eight octets in
/// big-endian order, the URL, and the `jti`. They do not change between versions of this crate, so
/// processes with different versions can share a store.
///
/// The thumbprint is available beside the hash, so that a store with limited space can share it
/// fairly between keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayKey {
    hash: [u8; 32],
    thumbprint: Thumbprint,
}

impl ReplayKey {
    /// Computes the key of a proof from its key's thumbprint, its URL and its `jti`.
    pub fn new(thumbprint: &Thumbprint, htu: &Htu, jti: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(thumbprint.as_bytes());
        // Every part except the last has a known length, so no two triples hash the same octets.
        hash.update((htu.as_str().len() as u64).to_be_bytes());
        hash.update(htu.as_str());
        hash.update(jti);
        ReplayKey {
            hash: hash.finalize().into(),
            thumbprint: *thumbprint,
        }
    }

    /// The 32 octets of the hash. They alone identify the proof, so a shared store needs no other
    /// name for it.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The thumbprint of the key that signed the proof.
    pub fn thumbprint(&self) -> &Thumbprint {
        &self.thumbprint
    }
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
            replay: self.replay,
        };
        Ok((verified, self.header))
    }
}

/// A proof whose sender holds its key. Ask a [`ReplayStore`](crate::ReplayStore) whether it was
/// used before.
pub struct VerifiedProof {
    claims: Claims,
    thumbprint: Thumbprint,
    replay: Replay,
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
        &self.replay.key
    }

    /// The end of the proof's window. A replay store holds the proof up to and including this
    /// second.
    ///
    /// A caller that asks the store later than the `now` of the validation adds the time that may
    /// have passed.
    pub fn replay_until(&self) -> NumericDate {
        self.replay.until
    }
}

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
enum ProofHeader<'p> {
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
    fn key(&self) -> &VerifyingKey {
        match self {
            ProofHeader::New { key, .. } => key,
            ProofHeader::Verified(header) => &header.0.key,
        }
    }

    fn thumbprint(&self) -> &Thumbprint {
        match self {
            ProofHeader::New { thumbprint, .. } => thumbprint,
            ProofHeader::Verified(header) => header.thumbprint(),
        }
    }

    /// Call this only after the signature was verified. Returns `None` for a header longer than
    /// [`MAX_VERIFIED_HEADER`].
    fn into_verified(self) -> Option<VerifiedHeader> {
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

impl fmt::Debug for UnverifiedProof<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnverifiedProof")
            .field("thumbprint", self.thumbprint())
            .finish_non_exhaustive()
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

impl fmt::Debug for VerifiedHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("VerifiedHeader")
            .field("thumbprint", self.thumbprint())
            .finish_non_exhaustive()
    }
}
