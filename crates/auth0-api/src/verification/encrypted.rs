//! The form of a token's text: a signed token, or an encrypted one (JWE, RFC 7516) that contains a signed
//! token.

use std::sync::OnceLock;

use a0_jose::jwe::{CompactJwe, DecryptionKeys, JweError};
use a0_jose::{Compact, ParseError, Verifiable, sha256};
use zeroize::Zeroizing;

use crate::error::TokenError;
use crate::error::refusal::Refusal;

use super::Verifier;
use super::detail::Detail;
use super::token_cache::TokenDigest;

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

/// A text with the form of a token, which is not decoded yet.
pub(crate) struct OuterToken<'t> {
    text: &'t [u8],
    form: Form<'t>,
}

enum Form<'t> {
    Signed(Compact<'t>),
    Encrypted(CompactJwe<'t>, &'t Decryption, &'t Decrypted),
}

/// A token whose header is acceptable. Its signature is not verified yet.
pub(crate) struct NewToken<'t> {
    pub(super) verifiable: Verifiable<'t>,
    /// The hash of the text that the client sent. `None` if it is not computed yet.
    pub(super) digest: Option<TokenDigest>,
    /// The text of the signed token, if it was encrypted.
    pub(super) decrypted: Option<&'t str>,
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

fn unreadable(error: ParseError, text: &[u8]) -> Refusal {
    let detail = match error {
        // The error says it all, and an encrypted token that is too long may well have a key here.
        ParseError::TooLarge { .. } => None,
        _ => Detail::of_text(text),
    };
    Refusal::from(error).with_diagnosis(detail)
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
        let unverified = compact
            .decode()
            .map_err(|error| unreadable(error, decrypted.map_or(text, str::as_bytes)))?;
        Ok(NewToken {
            verifiable: unverified
                .validate_header(&verifier.header_rules)
                .map_err(|error| verifier.diagnose_header(error))?,
            digest,
            decrypted,
        })
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
