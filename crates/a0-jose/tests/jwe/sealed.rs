//! Encrypted tokens for the tests, made with OpenSSL and with any fault.

use std::sync::OnceLock;

use a0_jose::base64url_encode;
use a0_jose::jwe::{CompactJwe, DecryptionKey, DecryptionKeys, JweError};
use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rand::rand_bytes;
use openssl::rsa::{Padding, Rsa};
use openssl::symm::{Cipher, Crypter, Mode};
use serde_json::{Value, json};

/// Larger than every token, except in tests of the size limit.
pub(crate) const MAX_SIZE: usize = 16 * 1024;

/// A signed token, to be encrypted. Its signature is three octets.
pub(crate) const SIGNED: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIiwic3ViIjoiYiJ9.AAAA";

/// The header of a good token.
pub(crate) fn header() -> Value {
    json!({"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", "kid": "k"})
}

/// The header with one member set.
pub(crate) fn header_with(name: &str, value: Value) -> Value {
    let mut header = header();
    header[name] = value;
    header
}

pub(crate) fn header_without(name: &str) -> Value {
    let mut header = header();
    header.as_object_mut().unwrap().remove(name);
    header
}

/// The key of a process, of 2048 bits.
pub(crate) fn key() -> &'static PKey<Private> {
    static KEY: OnceLock<PKey<Private>> = OnceLock::new();
    KEY.get_or_init(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap())
}

pub(crate) fn pem(key: &PKey<Private>) -> Vec<u8> {
    key.private_key_to_pem_pkcs8().unwrap()
}

/// Returns the same key for decryption, under the `kid` `k`.
pub(crate) fn keys() -> DecryptionKeys {
    let key = DecryptionKey::from_pem(&pem(key())).unwrap();
    DecryptionKeys::new([key.with_key_id("k")]).unwrap()
}

/// The parts of a token. Change them, then call `compact`.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) header: String,
    pub(crate) key: Vec<u8>,
    pub(crate) iv: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag: Vec<u8>,
}

impl Sealed {
    pub(crate) fn compact(&self) -> String {
        let [key, iv, ciphertext, tag] =
            [&self.key, &self.iv, &self.ciphertext, &self.tag].map(base64url_encode);
        format!(
            "{}.{key}.{iv}.{ciphertext}.{tag}",
            base64url_encode(&self.header)
        )
    }

    pub(crate) fn decrypt(&self) -> Result<String, JweError> {
        decrypt(&self.compact())
    }
}

/// How a token is encrypted. The fields that `Default` sets are those of a good token.
pub(crate) struct Sealer<'s> {
    pub(crate) header: String,
    pub(crate) content: &'s [u8],
    pub(crate) content_key: Vec<u8>,
    pub(crate) iv: Vec<u8>,
    pub(crate) key: &'s PKey<Private>,
    pub(crate) padding: Padding,
    /// The hash of OAEP, and that of MGF1.
    pub(crate) hashes: [MessageDigest; 2],
}

impl Default for Sealer<'_> {
    fn default() -> Self {
        Sealer {
            header: header().to_string(),
            content: SIGNED.as_bytes(),
            content_key: random(32),
            iv: random(12),
            key: key(),
            padding: Padding::PKCS1_OAEP,
            hashes: [MessageDigest::sha256(); 2],
        }
    }
}

impl Sealer<'_> {
    pub(crate) fn seal(&self) -> Sealed {
        self.seal_around(self.encrypted_key())
    }

    /// Like `seal`, with a content key that was encrypted before.
    pub(crate) fn seal_around(&self, encrypted_key: Vec<u8>) -> Sealed {
        let cipher = match self.content_key.len() {
            16 => Cipher::aes_128_gcm(),
            24 => Cipher::aes_192_gcm(),
            _ => Cipher::aes_256_gcm(),
        };
        // A content key of another length is cut or filled up, as a lax reader might do.
        let mut key = self.content_key.clone();
        key.resize(cipher.key_len(), 0);
        let mut crypter = Crypter::new(cipher, Mode::Encrypt, &key, Some(&self.iv)).unwrap();
        crypter
            .aad_update(base64url_encode(&self.header).as_bytes())
            .unwrap();
        let mut ciphertext = vec![0; self.content.len() + 16];
        let length = crypter.update(self.content, &mut ciphertext).unwrap();
        let length = length + crypter.finalize(&mut ciphertext[length..]).unwrap();
        ciphertext.truncate(length);
        let mut tag = vec![0; 16];
        crypter.get_tag(&mut tag).unwrap();
        Sealed {
            header: self.header.clone(),
            key: encrypted_key,
            iv: self.iv.clone(),
            ciphertext,
            tag,
        }
    }

    pub(crate) fn encrypted_key(&self) -> Vec<u8> {
        let mut encrypter = Encrypter::new(self.key).unwrap();
        encrypter.set_rsa_padding(self.padding).unwrap();
        if self.padding == Padding::PKCS1_OAEP {
            encrypter.set_rsa_oaep_md(self.hashes[0]).unwrap();
            encrypter.set_rsa_mgf1_md(self.hashes[1]).unwrap();
        }
        let mut encrypted = vec![0; encrypter.encrypt_len(&self.content_key).unwrap()];
        let length = encrypter
            .encrypt(&self.content_key, &mut encrypted)
            .unwrap();
        encrypted.truncate(length);
        encrypted
    }
}

/// A good token.
pub(crate) fn good() -> Sealed {
    Sealer::default().seal()
}

/// A token that is good except for its header.
pub(crate) fn with_header(header: impl ToString) -> Sealed {
    let header = header.to_string();
    Sealer {
        header,
        ..Sealer::default()
    }
    .seal()
}

/// A token that is good except for its content.
pub(crate) fn with_content(content: &[u8]) -> Sealed {
    Sealer {
        content,
        ..Sealer::default()
    }
    .seal()
}

pub(crate) fn random(length: usize) -> Vec<u8> {
    let mut octets = vec![0; length];
    rand_bytes(&mut octets).unwrap();
    octets
}

pub(crate) fn decrypt(token: &str) -> Result<String, JweError> {
    decrypt_with(token, &keys())
}

/// Decrypts, and checks that OpenSSL's queue of errors is left empty for the next user of the thread.
pub(crate) fn decrypt_with(token: &str, keys: &DecryptionKeys) -> Result<String, JweError> {
    let outcome = CompactJwe::parse(token, MAX_SIZE).and_then(|token| token.decrypt(keys));
    let queue = openssl::error::ErrorStack::get();
    assert!(queue.errors().is_empty(), "{queue}");
    outcome.map(|token| token.to_string())
}
