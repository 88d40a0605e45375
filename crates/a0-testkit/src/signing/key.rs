use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Value, json};

use super::{Algorithm, Scheme, thumbprint};
use crate::Error;
use crate::minting::base64url;

/// A key that signs: RSA, EC, Ed25519, or a shared secret. Clones are cheap.
///
/// `Debug` shows the key id, and nothing else of the key.
///
/// ```
/// use a0_testkit::{Algorithm, LocalTenant, SigningKey};
///
/// # fn main() -> Result<(), a0_testkit::Error> {
/// let tenant = LocalTenant::new("tenant.example")?;
/// let attacker = SigningKey::cached_rsa("attacker")?;
/// // The header has the tenant's `kid`, but another key signed: every verifier must refuse it.
/// let forged = tenant.access_token().signed_with(&attacker).mint()?;
/// # let _ = forged;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    key: PKey<Private>,
    kid: String,
    jwk: Value,
}

impl SigningKey {
    /// Generates a key for `algorithm`: RSA with 2048 bits, EC on the curve of the algorithm,
    /// Ed25519, or a secret of 64 random bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`] for [`Algorithm::None`]; [`Error::Crypto`] if OpenSSL fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, Error> {
        match algorithm.scheme() {
            Scheme::Unsigned => Err(Error::NoKey(algorithm)),
            Scheme::Hmac(_) => Self::secret(random::<64>()?),
            Scheme::Pkcs1(_) | Scheme::Pss(_) => Self::rsa(2048),
            Scheme::Ecdsa(_, curve) => {
                let group = EcGroup::from_curve_name(curve)?;
                Self::from_pkey(PKey::from_ec_key(EcKey::generate(&group)?)?)
            }
            Scheme::EdDsa => Self::from_pkey(PKey::generate_ed25519()?),
        }
    }

    /// Generates an RSA key of `bits` bits, with the exponent 65537.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails. It refuses fewer than 512 bits.
    pub fn rsa(bits: u32) -> Result<Self, Error> {
        Self::from_pkey(PKey::from_rsa(Rsa::generate(bits)?)?)
    }

    /// Returns the RSA key of 2048 bits named `slot`, and generates it on first use.
    ///
    /// Within one process, a name always stands for the same key, and two names for two keys.
    /// Tests use it because RSA keys take long to generate.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn cached_rsa(slot: &str) -> Result<Self, Error> {
        static CACHE: Mutex<BTreeMap<String, SigningKey>> = Mutex::new(BTreeMap::new());
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = cache.get(slot) {
            return Ok(key.clone());
        }
        let key = Self::rsa(2048)?;
        cache.insert(slot.to_owned(), key.clone());
        Ok(key)
    }

    /// Makes a shared secret, of any length, for HS256, HS384 and HS512.
    ///
    /// With the [`public_pem`](Self::public_pem) of another key as secret, it mints the tokens of
    /// an algorithm confusion attack.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL fails.
    pub fn secret(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
        let bytes = bytes.as_ref();
        Self::with_jwk(
            PKey::hmac(bytes)?,
            json!({ "kty": "oct", "k": base64url(bytes) }),
        )
    }

    /// Reads a private key in PEM: PKCS#8, PKCS#1 or SEC 1, without a passphrase.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL cannot read it; [`Error::UnsupportedKey`] if the key is neither
    /// RSA, nor EC on P-256, P-384 or P-521, nor Ed25519.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::from_pkey(PKey::private_key_from_pem(pem.as_ref())?)
    }

    fn from_pkey(key: PKey<Private>) -> Result<Self, Error> {
        let jwk = jwk_of(&key)?;
        Self::with_jwk(key, jwk)
    }

    fn with_jwk(key: PKey<Private>, jwk: Value) -> Result<Self, Error> {
        // Auth0's key ids have this length too. It is long enough to tell all keys apart.
        let kid = thumbprint(&jwk)?.chars().take(21).collect();
        Ok(Self(Arc::new(Inner { key, kid, jwk })))
    }

    /// The key id: the first 21 characters of the key's thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// The public JWK with the members that make up the key: no `kid`, no `alg`.
    ///
    /// For a shared secret this is the secret itself, as in a key set that published it by mistake.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        self.0.jwk.clone()
    }

    /// The key set entry for this key: the public JWK with `use`, `kid` and `alg`.
    #[must_use]
    pub fn jwks_entry(&self, algorithm: Algorithm) -> Value {
        let mut jwk = self.public_jwk();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("use".into(), "sig".into());
            members.insert("kid".into(), self.kid().into());
            members.insert("alg".into(), algorithm.name().into());
        }
        jwk
    }

    /// The public key in PEM (SubjectPublicKeyInfo), with a newline at the end.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedKey`] for a shared secret, which has no public key; [`Error::Crypto`] if
    /// OpenSSL fails.
    pub fn public_pem(&self) -> Result<Vec<u8>, Error> {
        if self.0.key.id() == Id::HMAC {
            return Err(Error::UnsupportedKey);
        }
        Ok(self.0.key.public_key_to_pem()?)
    }

    /// The private key in PEM (PKCS#8), for code under test that signs by itself.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedKey`] for a shared secret, which has no private key; [`Error::Crypto`]
    /// if OpenSSL fails.
    pub fn private_pem(&self) -> Result<Vec<u8>, Error> {
        if self.0.key.id() == Id::HMAC {
            return Err(Error::UnsupportedKey);
        }
        Ok(self.0.key.private_key_to_pem_pkcs8()?)
    }

    /// Signs `message`. An ECDSA signature is `R || S` (RFC 7518 section 3.4), that of
    /// [`Algorithm::None`] is empty.
    ///
    /// # Errors
    ///
    /// [`Error::KeyMismatch`] if the key does not fit the algorithm, [`Error::Crypto`] if OpenSSL
    /// fails.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Error> {
        let key = &self.0.key;
        match (algorithm.scheme(), key.id()) {
            (Scheme::Unsigned, _) => Ok(Vec::new()),
            (Scheme::Hmac(hash), Id::HMAC) | (Scheme::Pkcs1(hash), Id::RSA) => {
                Ok(Signer::new(hash, key)?.sign_oneshot_to_vec(message)?)
            }
            (Scheme::Pss(hash), Id::RSA) => {
                let mut signer = Signer::new(hash, key)?;
                signer.set_rsa_padding(Padding::PKCS1_PSS)?;
                signer.set_rsa_mgf1_md(hash)?;
                signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
                Ok(signer.sign_oneshot_to_vec(message)?)
            }
            (Scheme::Ecdsa(hash, curve), Id::EC) => {
                let key = key.ec_key()?;
                if key.group().curve_name() != Some(curve) {
                    return Err(Error::KeyMismatch(algorithm));
                }
                sign_ecdsa(&key, hash, message)
            }
            (Scheme::EdDsa, Id::ED25519) => {
                Ok(Signer::new_without_digest(key)?.sign_oneshot_to_vec(message)?)
            }
            _ => Err(Error::KeyMismatch(algorithm)),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.0.kid)
            .finish_non_exhaustive()
    }
}

fn sign_ecdsa(key: &EcKey<Private>, hash: MessageDigest, message: &[u8]) -> Result<Vec<u8>, Error> {
    let signature = EcdsaSig::sign(&openssl::hash::hash(hash, message)?, key)?;
    let width = coordinate_width(key)?;
    let mut bytes = signature.r().to_vec_padded(width)?;
    bytes.extend(signature.s().to_vec_padded(width)?);
    Ok(bytes)
}

fn jwk_of(key: &PKey<Private>) -> Result<Value, Error> {
    match key.id() {
        Id::RSA => {
            let rsa = key.rsa()?;
            let (n, e) = (base64url(&rsa.n().to_vec()), base64url(&rsa.e().to_vec()));
            Ok(json!({ "kty": "RSA", "n": n, "e": e }))
        }
        Id::EC => {
            let ec = key.ec_key()?;
            let crv = match ec.group().curve_name() {
                Some(Nid::X9_62_PRIME256V1) => "P-256",
                Some(Nid::SECP384R1) => "P-384",
                Some(Nid::SECP521R1) => "P-521",
                _ => return Err(Error::UnsupportedKey),
            };
            let (mut x, mut y) = (BigNum::new()?, BigNum::new()?);
            let mut context = BigNumContext::new()?;
            ec.public_key()
                .affine_coordinates(ec.group(), &mut x, &mut y, &mut context)?;
            let width = coordinate_width(&ec)?;
            let (x, y) = (x.to_vec_padded(width)?, y.to_vec_padded(width)?);
            Ok(json!({ "kty": "EC", "crv": crv, "x": base64url(&x), "y": base64url(&y) }))
        }
        Id::ED25519 => {
            let x = base64url(&key.raw_public_key()?);
            Ok(json!({ "kty": "OKP", "crv": "Ed25519", "x": x }))
        }
        _ => Err(Error::UnsupportedKey),
    }
}

fn coordinate_width(key: &EcKey<Private>) -> Result<i32, Error> {
    i32::try_from(key.group().degree().div_ceil(8)).map_err(|_| Error::UnsupportedKey)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes)
}
