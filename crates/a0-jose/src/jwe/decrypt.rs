//! Decryption: the content key with RSA-OAEP, then the content with AES-GCM.

use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rand::rand_bytes;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, Crypter, Mode};
use zeroize::Zeroizing;

use super::{JweError, KeyEncryptionAlgorithm, MAX_KEYS_TRIED};
use crate::jwk::MAX_RSA_BITS;

/// Octets of a content key for A256GCM (RFC 7518 section 5.3).
const CONTENT_KEY: usize = 32;

/// Octets of an initialization vector (RFC 7518 section 5.3).
const INITIALIZATION_VECTOR: usize = 12;

/// Octets of a tag (RFC 7518 section 5.3). OpenSSL would accept a shorter one, which is easier to
/// guess.
const TAG: usize = 16;

/// Octets of the longest modulus.
const MAX_MODULUS: usize = MAX_RSA_BITS / 8;

type ContentKey = Zeroizing<[u8; CONTENT_KEY]>;

/// The decoded parts of a token whose header was checked.
pub(super) struct Encrypted<'a> {
    pub(super) algorithm: KeyEncryptionAlgorithm,
    pub(super) key: Vec<u8>,
    pub(super) initialization_vector: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: Vec<u8>,
    pub(super) additional_data: &'a [u8],
}

impl Encrypted<'_> {
    /// Decrypts the content with one of the keys.
    pub(super) fn decrypt<'k>(
        &self,
        keys: impl Iterator<Item = &'k PKey<Private>> + Clone,
    ) -> Result<Zeroizing<Vec<u8>>, JweError> {
        if keys.clone().next().is_none() {
            return Err(JweError::NoMatchingKey);
        }
        if self.initialization_vector.len() != INITIALIZATION_VECTOR || self.tag.len() != TAG {
            return Err(JweError::Decryption);
        }
        // RFC 8017 section 7.1.2, step 1b: an encrypted key is as long as the modulus.
        let keys = keys.filter(|key| key.size() == self.key.len());
        for key in keys.take(MAX_KEYS_TRIED) {
            let content_key = content_key(key, self.algorithm, &self.key)
                .map_err(|_: ErrorStack| JweError::Decryption)?;
            if let Ok(content) = self.open(&content_key) {
                return Ok(content);
            }
        }
        Err(JweError::Decryption)
    }

    fn open(&self, key: &ContentKey) -> Result<Zeroizing<Vec<u8>>, ErrorStack> {
        let cipher = Cipher::aes_256_gcm();
        let iv = Some(&self.initialization_vector[..]);
        let mut crypter = Crypter::new(cipher, Mode::Decrypt, &key[..], iv)?;
        crypter.aad_update(self.additional_data)?;
        // Unauthenticated content is wiped too.
        let mut content = Zeroizing::new(vec![0; self.ciphertext.len() + cipher.block_size()]);
        let length = crypter.update(&self.ciphertext, &mut content)?;
        crypter.set_tag(&self.tag)?;
        // GCM has no padding: the last step only compares the tag.
        let rest = content.get_mut(length..).unwrap_or_default();
        let rest = crypter.finalize(rest)?;
        content.truncate(length.saturating_add(rest));
        Ok(content)
    }
}

/// Decrypts a content key, or returns a random one if that fails (RFC 7516 section 11.5). The random
/// one is made in either case, so that the same work is done.
fn content_key(
    key: &PKey<Private>,
    algorithm: KeyEncryptionAlgorithm,
    encrypted: &[u8],
) -> Result<ContentKey, ErrorStack> {
    let mut content_key = ContentKey::default();
    rand_bytes(&mut *content_key)?;
    let mut context = PkeyCtx::new(key)?;
    context.decrypt_init()?;
    set_padding(&mut context, algorithm)?;
    // OpenSSL wants room for as many octets as the modulus has.
    let mut buffer = Zeroizing::new([0; MAX_MODULUS]);
    let length = context.decrypt(encrypted, Some(&mut buffer[..]));
    if let (Ok(CONTENT_KEY), Some(decrypted)) = (length, buffer.first_chunk()) {
        *content_key = *decrypted;
    }
    Ok(content_key)
}

fn set_padding<T>(
    context: &mut PkeyCtx<T>,
    algorithm: KeyEncryptionAlgorithm,
) -> Result<(), ErrorStack> {
    let hash: &MdRef = match algorithm {
        KeyEncryptionAlgorithm::RsaOaep256 => Md::sha256(),
        KeyEncryptionAlgorithm::RsaOaep384 => Md::sha384(),
        KeyEncryptionAlgorithm::RsaOaep512 => Md::sha512(),
    };
    context.set_rsa_padding(Padding::PKCS1_OAEP)?;
    context.set_rsa_oaep_md(hash)?;
    context.set_rsa_mgf1_md(hash)
}

/// Returns whether the key decrypts what its public part encrypts.
pub(super) fn can_decrypt(key: &PKey<Private>) -> bool {
    let algorithm = KeyEncryptionAlgorithm::RsaOaep256;
    let round_trip = || -> Result<bool, ErrorStack> {
        let mut chosen = ContentKey::default();
        rand_bytes(&mut *chosen)?;
        let mut context = PkeyCtx::new(key)?;
        context.encrypt_init()?;
        set_padding(&mut context, algorithm)?;
        let mut encrypted = Vec::new();
        context.encrypt_to_vec(&chosen[..], &mut encrypted)?;
        Ok(content_key(key, algorithm, &encrypted)? == chosen)
    };
    round_trip().is_ok_and(|same| same)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The callers of `decrypt` cannot see this: for them, both ways to fail are one error.
    #[test]
    fn rfc7516_11_5_a_failed_key_decryption_goes_on_with_a_random_key() -> Result<(), ErrorStack> {
        let pem = openssl::rsa::Rsa::generate(2048)?.private_key_to_pem()?;
        let key = PKey::private_key_from_pem(&pem)?;
        for encrypted in [[0; 256], [1; 256], [0xff; 256]] {
            let replaced = || content_key(&key, KeyEncryptionAlgorithm::RsaOaep256, &encrypted);
            let (first, second) = (replaced()?, replaced()?);
            assert_ne!(first, second);
            assert_ne!(*first, [0; CONTENT_KEY]);
        }
        Ok(())
    }
}
