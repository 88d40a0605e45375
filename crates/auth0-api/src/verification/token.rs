//! The token of a call on its way from a text to a verified token. Each step has a type of its own. A text is
//! a signed token, or an encrypted one (JWE, RFC 7516) that contains a signed token.

use std::sync::{Arc, OnceLock};

use a0_discovery::Lease;
use a0_dpop::VerifiedHeader;
use a0_jose::jwe::{CompactJwe, DecryptionKeys, JweError};
use a0_jose::{
    Algorithm, Claims, Compact, DecodedHeader, HeaderError, JwkSet, NumericDate, ParseError,
    Verifiable, VerifiedJws, VerifyError, sha256,
};
use zeroize::Zeroizing;

use crate::authorization::resource_server::ResourceServer;
use crate::error::challenger::Challenger;
use crate::error::refusal::Refusal;
use crate::error::{Error, TokenError};

use super::Verifier;
use super::detail::Detail;
use super::request::Scheme;
use super::sender::Proven;

/// A token with an acceptable form.
pub(crate) enum PresentedToken<'t> {
    New(NewToken<'t>),
    /// The same token came before, and its signature was verified then.
    Cached {
        signed: Arc<SignedToken>,
        outer: OuterToken<'t>,
        digest: TokenDigest,
    },
}

impl PresentedToken<'_> {
    pub(crate) fn claims(&self) -> &Claims {
        match self {
            PresentedToken::New(new) => new.verifiable.claims(),
            PresentedToken::Cached { signed, .. } => signed.token.claims(),
        }
    }

    /// The key of the token in the token cache, and the value of `ath` in its proofs.
    pub(crate) fn digest(&mut self) -> &TokenDigest {
        match self {
            PresentedToken::New(new) => {
                let verifiable = &mut new.verifiable;
                new.digest.get_or_insert_with(|| verifiable.sha256().into())
            }
            PresentedToken::Cached { digest, .. } => digest,
        }
    }

    /// The header of a proof that was verified with this token before.
    pub(crate) fn proof_header(&self) -> Option<&VerifiedHeader> {
        match self {
            PresentedToken::New(_) => None,
            PresentedToken::Cached { signed, .. } => signed.proof_header.get(),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            PresentedToken::New(new) => new.verifiable.algorithm(),
            PresentedToken::Cached { signed, .. } => signed.token.algorithm(),
        }
    }

    /// The `kid` and the algorithm of the token.
    pub(crate) fn key(&self) -> Result<(&str, Algorithm), HeaderError> {
        let header = match self {
            PresentedToken::New(new) => new.verifiable.header(),
            PresentedToken::Cached { signed, .. } => signed.token.header(),
        };
        Ok((header.key_id()?, self.algorithm()))
    }
}

/// A token whose header is acceptable. Its signature is not verified yet.
pub(crate) struct NewToken<'t> {
    verifiable: Verifiable<'t>,
    /// The hash of the text that the client sent. `None` if it is not computed yet.
    pub(super) digest: Option<TokenDigest>,
    /// The text of the signed token, if it was encrypted.
    pub(super) decrypted: Option<&'t str>,
    /// Whether its header is unknown and could be kept.
    has_new_header: bool,
}

impl NewToken<'_> {
    /// Verifies the signature. A header that is new is kept, so that later tokens need not decode it; only after
    /// the signature was verified, so that strangers cannot take the room.
    pub(super) fn verify(
        self,
        headers: &KnownHeaders,
        keys: &JwkSet,
    ) -> Result<VerifiedJws, VerifyError> {
        if !self.has_new_header {
            return self.verifiable.verify(keys);
        }
        let (verified, header) = self.verifiable.verify_and_keep_header(keys)?;
        headers.keep(header);
        Ok(verified)
    }
}

/// Headers of verified tokens. The tokens that one key signs usually have the same header, so it need not be
/// decoded each time. The first headers are kept and never replaced, so that a lookup needs no lock.
#[derive(Default)]
pub(crate) struct KnownHeaders([OnceLock<DecodedHeader>; MAX_HEADERS]);

const MAX_HEADERS: usize = 8;

/// The longest header that is kept, in bytes of its segment.
const MAX_HEADER: usize = 512;

impl KnownHeaders {
    fn find(&self, token: &Compact<'_>) -> Option<&DecodedHeader> {
        let mut kept = self.0.iter().map_while(OnceLock::get);
        kept.find(|known| known.segment() == token.header_segment())
    }

    fn could_keep(&self, token: &Compact<'_>) -> bool {
        let has_room = self.0.last().is_some_and(|place| place.get().is_none());
        has_room && token.header_segment().len() <= MAX_HEADER
    }

    fn keep(&self, mut header: DecodedHeader) {
        for place in &self.0 {
            let Err(other) = place.set(header) else {
                return;
            };
            // Another call may have kept this header since it was decoded.
            if place.get().map(DecodedHeader::segment) == Some(other.segment()) {
                return;
            }
            header = other;
        }
    }
}

/// The key of a token: the SHA-256 of its whole text as the client sent it, signature included.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; 32]);

impl From<[u8; 32]> for TokenDigest {
    fn from(octets: [u8; 32]) -> Self {
        TokenDigest(octets)
    }
}

impl TokenDigest {
    pub(crate) fn octets(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A token whose signature was verified.
pub(crate) struct SignedToken {
    pub(crate) token: VerifiedJws,
    /// The lease of the keys that verified it.
    pub(crate) lease: Lease,
    /// `None` if the API configures nothing of it, so that most tokens need no reference. It is here and not
    /// in each `VerifiedToken`, so that a cached token needs none either.
    pub(crate) resource_server: Option<Arc<ResourceServer>>,
    /// The text of the signed token, if it came encrypted and the client keeps access tokens.
    pub(crate) decrypted: Option<Arc<Zeroizing<String>>>,
    /// The header of the first proof that came with it. Most proofs that follow have the same header.
    pub(crate) proof_header: OnceLock<VerifiedHeader>,
}

/// A text with the form of a token, which is not decoded yet.
pub(crate) struct OuterToken<'t> {
    text: &'t [u8],
    form: Form<'t>,
}

enum Form<'t> {
    Signed(Compact<'t>),
    Encrypted(CompactJwe<'t>, &'t Decryption, &'t Decrypted),
}

impl<R, S> Verifier<R, S> {
    /// Reads the form of a text.
    pub(super) fn outer_token<'v>(
        &'v self,
        text: &'v [u8],
        place: &'v Decrypted,
    ) -> Result<OuterToken<'v>, Refusal> {
        let decryption = self.decryption.as_ref();
        let form = match Compact::parse(text, self.max_token_size) {
            Ok(compact) if decryption.is_none_or(|decryption| !decryption.only) => {
                Form::Signed(compact)
            }
            Ok(_) => return Err(TokenError::NotEncrypted.into()),
            Err(error) => {
                let jwe = decryption.and_then(|decryption| {
                    let jwe = CompactJwe::parse(text, self.max_token_size).ok()?;
                    Some(Form::Encrypted(jwe, decryption, place))
                });
                jwe.ok_or_else(|| unreadable(error, text))?
            }
        };
        Ok(OuterToken { text, form })
    }
}

impl<'t> OuterToken<'t> {
    /// Decrypts the token if it is encrypted, decodes it, and checks its header. `digest` is the hash of its
    /// text, if it is known.
    pub(super) fn open<R, S>(
        self,
        verifier: &Verifier<R, S>,
        digest: Option<TokenDigest>,
    ) -> Result<NewToken<'t>, Refusal> {
        let text = self.text;
        let (compact, digest, decrypted) = match self.form {
            Form::Signed(compact) => (compact, digest, None),
            Form::Encrypted(jwe, decryption, place) => {
                let signed = jwe
                    .decrypt(&decryption.keys)
                    .and_then(|token| place.store(token))
                    .map_err(|error| {
                        Refusal::from(error).with_diagnosis(Detail::of_encryption(error))
                    })?;
                // The token cache and the proofs know the text that the client sent.
                let digest = digest.or_else(|| Some(sha256(text).into()));
                let compact = Compact::parse(signed, verifier.max_token_size)?;
                (compact, digest, Some(signed))
            }
        };
        let known = verifier.known_headers.find(&compact);
        let unverified = compact
            .decode_with_header(known)
            .map_err(|error| unreadable(error, decrypted.map_or(text, str::as_bytes)))?;
        Ok(NewToken {
            verifiable: unverified
                .validate_header(&verifier.header_rules)
                .map_err(|error| verifier.diagnose_header(error))?,
            digest,
            decrypted,
            has_new_header: known.is_none() && verifier.known_headers.could_keep(&compact),
        })
    }
}

fn unreadable(error: ParseError, text: &[u8]) -> Refusal {
    let detail = match error {
        // The error says it all, and an encrypted token that is too long may well have a key here.
        ParseError::TooLarge { .. } => None,
        _ => Detail::of_text(text),
    };
    Refusal::from(error).with_diagnosis(detail)
}

/// How an API decrypts tokens.
pub(crate) struct Decryption {
    pub(crate) keys: DecryptionKeys,
    /// Whether tokens that are not encrypted are refused.
    pub(crate) only: bool,
}

/// Holds the decrypted token during one call, because the verification borrows its text. It is wiped at the
/// end of the call.
#[derive(Default)]
pub(crate) struct Decrypted(OnceLock<Zeroizing<String>>);

impl Decrypted {
    /// Stores the token of this call. A second one is refused: it could be taken for the first.
    fn store(&self, token: Zeroizing<String>) -> Result<&str, JweError> {
        self.0.set(token).map_err(|_| JweError::Decryption)?;
        let token = self.0.get().ok_or(JweError::Decryption)?;
        Ok(token.as_str())
    }
}

/// The claims of a verified access token. Only a verification creates one.
///
/// A typed accessor returns an error, and never `None`, for a claim that is present with a wrong type.
/// `Debug` shows the names of the claims, but no values.
#[derive(Clone)]
pub struct VerifiedToken {
    signed: Arc<SignedToken>,
    access_token: Option<Arc<Zeroizing<String>>>,
    challenger: Challenger,
    scheme: Scheme,
    proven: Proven,
    verified_at: NumericDate,
}

impl VerifiedToken {
    /// The challenger and the scheme are for the errors of the accessors.
    pub(super) fn new(
        signed: Arc<SignedToken>,
        access_token: Option<&str>,
        (challenger, scheme, proven): (Challenger, Scheme, Proven),
        verified_at: NumericDate,
    ) -> Self {
        // The text that the client sent is kept, or the signed token that was encrypted in it.
        let copy = |text: &str| Arc::new(Zeroizing::new(text.to_owned()));
        let decrypted = signed.decrypted.as_ref().map(Arc::clone);
        VerifiedToken {
            signed,
            access_token: decrypted.or_else(|| access_token.map(copy)),
            challenger,
            scheme,
            proven,
            verified_at,
        }
    }

    pub(crate) fn claims(&self) -> &Claims {
        self.signed.token.claims()
    }

    pub(super) fn proven(&self) -> Proven {
        self.proven
    }

    /// An unusable claim refuses the token, with the challenges of the response.
    pub(crate) fn refused(&self, error: impl Into<Refusal>) -> Error {
        let server = self.resource_server();
        self.challenger
            .error(error.into(), Some(self.scheme), server)
    }

    pub(crate) fn resource_server(&self) -> Option<&ResourceServer> {
        self.signed.resource_server.as_deref()
    }

    /// The text of the access token, to exchange it
    /// ([`get_token_on_behalf_of`](crate::ApiClient::get_token_on_behalf_of)); `None` unless
    /// [`keep_access_tokens`](crate::Builder::keep_access_tokens) is set. It is a credential: do not log it.
    ///
    /// For an encrypted token, it is the signed token inside. Auth0 has only the public key of the API, so it
    /// could not read the encrypted one.
    pub fn access_token(&self) -> Option<&str> {
        self.access_token.as_ref().map(|text| text.as_str())
    }

    /// The scheme that the token came with; `Bearer` if it was verified by itself. With
    /// [`Scheme::Dpop`], the client proved that it holds the key or the certificate in `cnf`:
    /// [`confirmed_by`](VerifiedToken::confirmed_by) tells which.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The time of the verification, by the client's [clock](crate::Builder::clock).
    pub fn verified_at(&self) -> NumericDate {
        self.verified_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call opens one token, so the clients cannot show this.
    #[test]
    fn a_second_token_is_not_taken_for_the_first() {
        let place = Decrypted::default();
        let token = |text: &str| Zeroizing::new(text.to_owned());
        assert_eq!(place.store(token("first")), Ok("first"));
        assert_eq!(place.store(token("second")), Err(JweError::Decryption));
    }
}
