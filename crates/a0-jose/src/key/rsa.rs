//! RSA by OpenSSL, with a pool of contexts.
//!
//! Setting up a context takes a large part of the time of a signature check, and takes locks inside
//! OpenSSL. The pool keeps contexts for reuse. It is locked to take a context out and to put it
//! back, never during a signature check.

use std::sync::{Mutex, PoisonError};

use openssl::bn::BigNum;
use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::pkey::{PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::RsaPssSaltlen;

use crate::algorithm::{Family, Hash};

pub(super) struct Key {
    key: PKey<Public>,
    family: Family,
    contexts: Mutex<Vec<PkeyCtx<Public>>>,
}

impl Key {
    /// Returns `None` where OpenSSL refuses the numbers, or `family` is not an RSA family.
    pub(super) fn new(modulus: &[u8], exponent: &[u8], family: Family) -> Option<Self> {
        let build = || -> Result<PKey<Public>, ErrorStack> {
            let modulus = BigNum::from_slice(modulus)?;
            let exponent = BigNum::from_slice(exponent)?;
            PKey::from_rsa(Rsa::from_public_components(modulus, exponent)?)
        };
        let key = build().ok()?;
        let first = context(&key, family)?;
        Some(Key {
            key,
            family,
            contexts: Mutex::new(vec![first]),
        })
    }

    pub(super) fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        // RFC 8017 sections 8.1.2 and 8.2.2, step 1. For PSS, OpenSSL accepts a shorter signature,
        // so one with a leading zero octet would have two texts.
        if signature.len() != self.key.size() {
            return false;
        }
        let Some(mut context) = self
            .take_context()
            .or_else(|| context(&self.key, self.family))
        else {
            return false;
        };
        // A reused context reports a bad signature as `Err` instead of `Ok(false)`.
        let valid = matches!(context.verify(digest, signature), Ok(true));
        self.contexts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(context);
        valid
    }

    fn take_context(&self) -> Option<PkeyCtx<Public>> {
        self.contexts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop()
    }
}

fn context(key: &PKey<Public>, family: Family) -> Option<PkeyCtx<Public>> {
    let (padding, hash) = match family {
        Family::RsaPkcs1(hash) => (Padding::PKCS1, hash),
        Family::RsaPss(hash) => (Padding::PKCS1_PSS, hash),
        Family::Ecdsa(..) | Family::Edwards => return None,
    };
    let set_up = || -> Result<PkeyCtx<Public>, ErrorStack> {
        let mut context = PkeyCtx::new(key)?;
        context.verify_init()?;
        context.set_rsa_padding(padding)?;
        context.set_signature_md(message_digest(hash))?;
        if padding == Padding::PKCS1_PSS {
            // RFC 7518 section 3.5: the salt has the length of the hash, and MGF1 uses the same
            // hash.
            context.set_rsa_mgf1_md(message_digest(hash))?;
            context.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        Ok(context)
    };
    set_up().ok()
}

fn message_digest(hash: Hash) -> &'static MdRef {
    match hash {
        Hash::Sha256 => Md::sha256(),
        Hash::Sha384 => Md::sha384(),
        Hash::Sha512 => Md::sha512(),
    }
}
