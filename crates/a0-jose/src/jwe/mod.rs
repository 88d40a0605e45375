//! Encrypted tokens: a signed JWT inside a compact JWE (RFC 7516, RFC 7519 section 5.2).
//!
//! The content key is encrypted with RSA-OAEP, and the content with A256GCM. Nothing else is
//! supported: no other key management mode, no compression, no extension.
//!
//! ```
//! use a0_jose::jwe::{CompactJwe, DecryptionKey, DecryptionKeys, JweError};
//!
//! # let pem = openssl::rsa::Rsa::generate(2048)?.private_key_to_pem()?;
//! let keys = DecryptionKeys::new([DecryptionKey::from_pem(&pem)?.with_key_id("2026-11")])?;
//! let decrypt = |token: &str| CompactJwe::parse(token, 16 * 1024)?.decrypt(&keys);
//!
//! assert_eq!(decrypt("e30.e30.AAAA").unwrap_err(), JweError::SegmentCount);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod decrypt;
mod error;
mod header;
mod key;
mod private_jwk;

use std::fmt;

use zeroize::Zeroizing;

use self::decrypt::Encrypted;
use self::header::JweHeader;
use crate::base64url;
use crate::jws::Compact;

pub use error::{JweError, JwePart};
pub use header::KeyEncryptionAlgorithm;
pub use key::{
    DecryptionKey, DecryptionKeyError, DecryptionKeys, MAX_DECRYPTION_KEYS, MAX_KEYS_TRIED,
};

/// The five segments of a compact JWE (RFC 7516 section 7.1). They are borrowed and not decoded yet.
///
/// `Debug` shows no part of the token.
#[derive(Clone, Copy)]
pub struct CompactJwe<'a> {
    header: &'a [u8],
    encrypted_key: &'a [u8],
    initialization_vector: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

impl<'a> CompactJwe<'a> {
    /// Splits `token` into its five segments, without decoding them. A token of more than `max_size`
    /// bytes is refused before it is read.
    ///
    /// # Errors
    ///
    /// [`JweError::TooLarge`], [`JweError::SegmentCount`].
    pub fn parse(
        token: &'a (impl AsRef<[u8]> + ?Sized),
        max_size: usize,
    ) -> Result<Self, JweError> {
        let token = token.as_ref();
        if token.len() > max_size {
            return Err(JweError::TooLarge { max_size });
        }
        let mut segments = token.split(|octet| *octet == b'.');
        let mut next = || segments.next().ok_or(JweError::SegmentCount);
        let token = CompactJwe {
            header: next()?,
            encrypted_key: next()?,
            initialization_vector: next()?,
            ciphertext: next()?,
            tag: next()?,
        };
        match segments.next() {
            None => Ok(token),
            Some(_) => Err(JweError::SegmentCount),
        }
    }

    /// Decrypts the token and returns the signed JWT in it. The signature of that JWT is not
    /// verified: pass it to [`Compact::parse`]. Anyone who has the public key can encrypt a token, so
    /// decryption says nothing about the sender.
    ///
    /// Everything that needs no key is checked first. A `kid` chooses the key; at most
    /// [`MAX_KEYS_TRIED`] keys are tried, because each costs a private RSA operation: a quarter of a
    /// millisecond with 2048 bits, more with longer keys. A content key that cannot be decrypted is
    /// replaced by a random one (RFC 7516 section 11.5), so the outcome does not tell whether the key
    /// or the content was wrong.
    ///
    /// # Errors
    ///
    /// [`JweError`]. Every failure of the decryption itself is [`JweError::Decryption`].
    pub fn decrypt(&self, keys: &DecryptionKeys) -> Result<Zeroizing<String>, JweError> {
        let header = JweHeader::decode(self.header)?;
        let encrypted = Encrypted {
            algorithm: header.algorithm(),
            key: decode(self.encrypted_key, JwePart::EncryptedKey)?,
            initialization_vector: decode(
                self.initialization_vector,
                JwePart::InitializationVector,
            )?,
            ciphertext: decode(self.ciphertext, JwePart::Ciphertext)?,
            tag: decode(self.tag, JwePart::Tag)?,
            // RFC 7516 section 5.2, step 15.
            additional_data: self.header,
        };
        let candidates = keys.candidates(header.key_id(), header.algorithm());
        let content = encrypted.decrypt(candidates.map(|candidate| &candidate.key))?;
        let token = signed_token(content)?;
        header.check_replicated_claims(&token)?;
        Ok(token)
    }
}

impl fmt::Debug for CompactJwe<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CompactJwe").finish_non_exhaustive()
    }
}

fn decode(segment: &[u8], part: JwePart) -> Result<Vec<u8>, JweError> {
    base64url::decode(segment).ok_or(JweError::Encoding(part))
}

/// Accepts three segments with a signature that is not empty: neither another encrypted token, nor
/// claims without a signature. A refused text is wiped.
fn signed_token(mut content: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, JweError> {
    let token = String::from_utf8(std::mem::take(&mut *content));
    let token = match token {
        Ok(token) => Zeroizing::new(token),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            return Err(JweError::NotSigned);
        }
    };
    match Compact::parse(&token, token.len()) {
        Ok(compact) if compact.has_signature() => Ok(token),
        _ => Err(JweError::NotSigned),
    }
}
