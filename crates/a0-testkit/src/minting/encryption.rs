use std::fmt;

use openssl::encrypt::Encrypter;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Padding;
use openssl::symm::{Cipher, encrypt_aead};
use serde_json::{Map, Value};

use super::base64url;
use crate::signing::random;
use crate::{Error, SigningKey};

/// The RSA key of an API, to encrypt tokens for (RFC 7516, RFC 7519 section 5.2).
///
/// The default header has `alg` RSA-OAEP-256, `enc` A256GCM and `cty` JWT.
///
/// `Debug` shows nothing of the key.
///
/// ```
/// use a0_testkit::{EncryptionKey, LocalTenant};
///
/// # fn main() -> Result<(), a0_testkit::Error> {
/// let key = EncryptionKey::cached("api")?.kid("2026-11");
/// let tenant = LocalTenant::new("tenant.example")?;
/// let token = tenant.access_token().encrypted_for(&key).mint()?;
/// assert_eq!(token.split('.').count(), 5);
/// // Pass this to the code under test.
/// let pem = key.private_pem()?;
/// # let _ = pem;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EncryptionKey {
    key: SigningKey,
    header: Map<String, Value>,
}

impl EncryptionKey {
    /// Returns the key of 2048 bits named `slot`, and generates it on first use. It is the key of
    /// [`SigningKey::cached_rsa`] with this name.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn cached(slot: &str) -> Result<Self, Error> {
        let mut header = Map::new();
        header.insert("alg".into(), "RSA-OAEP-256".into());
        header.insert("enc".into(), "A256GCM".into());
        header.insert("cty".into(), "JWT".into());
        let key = SigningKey::cached_rsa(slot)?;
        Ok(Self { key, header })
    }

    /// Sets the header parameter `kid`.
    #[must_use]
    pub fn kid(self, kid: &str) -> Self {
        self.header("kid", kid)
    }

    /// Sets a parameter of the header. `alg` also chooses the hash: SHA-384 and SHA-512 for
    /// RSA-OAEP-384 and RSA-OAEP-512, SHA-256 for everything else.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a parameter of the header.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// The private key in PEM (PKCS#8), for the code under test.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn private_pem(&self) -> Result<Vec<u8>, Error> {
        self.key.private_pem()
    }

    /// Encrypts any content, and returns the compact JWE.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn encrypt(&self, content: impl AsRef<[u8]>) -> Result<String, Error> {
        let hash = match self.header.get("alg").and_then(Value::as_str) {
            Some("RSA-OAEP-384") => MessageDigest::sha384(),
            Some("RSA-OAEP-512") => MessageDigest::sha512(),
            _ => MessageDigest::sha256(),
        };
        let (content_key, iv) = (random::<32>()?, random::<12>()?);
        let public = PKey::public_key_from_pem(&self.key.public_pem()?)?;
        let mut encrypter = Encrypter::new(&public)?;
        encrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
        encrypter.set_rsa_oaep_md(hash)?;
        encrypter.set_rsa_mgf1_md(hash)?;
        let mut encrypted_key = vec![0; encrypter.encrypt_len(&content_key)?];
        let length = encrypter.encrypt(&content_key, &mut encrypted_key)?;
        encrypted_key.truncate(length);

        let header = base64url(Value::Object(self.header.clone()).to_string().as_bytes());
        let mut tag = [0; 16];
        let ciphertext = encrypt_aead(
            Cipher::aes_256_gcm(),
            &content_key,
            Some(&iv),
            header.as_bytes(),
            content.as_ref(),
            &mut tag,
        )?;
        let [key, iv, ciphertext, tag] =
            [&encrypted_key[..], &iv, &ciphertext, &tag].map(base64url);
        Ok(format!("{header}.{key}.{iv}.{ciphertext}.{tag}"))
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKey").finish_non_exhaustive()
    }
}
