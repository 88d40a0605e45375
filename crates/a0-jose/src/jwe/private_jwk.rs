//! A private RSA key as a JWK, RFC 7518 section 6.3.

use std::borrow::Cow;

use openssl::bn::BigNum;
use openssl::pkey::Private;
use openssl::rsa::Rsa;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::DecryptionKeyError;
use crate::base64url;

/// The longest JWK, in bytes. A key of 8192 bits takes 8 kB.
const MAX_JWK: usize = 16 * 1024;

/// The members of a JWK. Private ones are borrowed from the text, so that no copy of them is left in
/// memory. base64url needs no escapes.
#[derive(Deserialize)]
pub(super) struct PrivateJwk<'t> {
    kty: &'t str,
    n: &'t str,
    e: &'t str,
    d: &'t str,
    p: &'t str,
    q: &'t str,
    dp: &'t str,
    dq: &'t str,
    qi: &'t str,
    /// Further factors. Keys with more than two are not supported.
    oth: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(super) kid: Option<Cow<'t, str>>,
    #[serde(borrow)]
    pub(super) alg: Option<Cow<'t, str>>,
    #[serde(borrow, rename = "use")]
    use_: Option<Cow<'t, str>>,
    #[serde(borrow)]
    key_ops: Option<Vec<Cow<'t, str>>>,
}

impl<'t> PrivateJwk<'t> {
    pub(super) fn parse(text: &'t [u8]) -> Result<Self, DecryptionKeyError> {
        if text.len() > MAX_JWK {
            return Err(DecryptionKeyError::Unusable);
        }
        let jwk: Self = serde_json::from_slice(text).map_err(|_| DecryptionKeyError::Unusable)?;
        if jwk.kty != "RSA" || jwk.oth.is_some() {
            return Err(DecryptionKeyError::Unusable);
        }
        let is_for_encryption = jwk.use_.as_ref().is_none_or(|use_| use_ == "enc")
            && jwk.key_ops.as_ref().is_none_or(|operations| {
                let mut operations = operations.iter();
                operations.any(|operation| operation == "decrypt" || operation == "unwrapKey")
            });
        is_for_encryption
            .then_some(jwk)
            .ok_or(DecryptionKeyError::NotForEncryption)
    }

    pub(super) fn to_rsa(&self) -> Option<Rsa<Private>> {
        Rsa::from_private_components(
            number(self.n)?,
            number(self.e)?,
            number(self.d)?,
            number(self.p)?,
            number(self.q)?,
            number(self.dp)?,
            number(self.dq)?,
            number(self.qi)?,
        )
        .ok()
    }
}

fn number(text: &str) -> Option<BigNum> {
    let octets = Zeroizing::new(base64url::decode(text)?);
    // OpenSSL wipes such a number when it is dropped, also one that becomes no part of a key.
    let mut number = BigNum::new_secure().ok()?;
    number.copy_from_slice(&octets).ok()?;
    Some(number)
}
