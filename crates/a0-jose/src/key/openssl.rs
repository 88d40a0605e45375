//! OpenSSL, for every family.

use std::cell::Cell;
use std::sync::{Mutex, OnceLock, PoisonError};

use openssl::bn::{BigNum, BigNumContext, BigNumContextRef};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};

use crate::algorithm::{Curve, EdwardsCurve, Family, Hash};
use crate::jwk::Point;

/// RSA, with a pool of contexts.
///
/// Setting up a context takes a large part of the time of a signature check, and takes locks inside
/// OpenSSL. The pool keeps contexts for reuse. It is locked to take a context out and to put it
/// back, never during a signature check.
pub(super) struct RsaKey {
    key: PKey<Public>,
    family: Family,
    contexts: Mutex<Vec<PkeyCtx<Public>>>,
}

impl RsaKey {
    /// Returns `None` where OpenSSL refuses the numbers, or `family` is not an RSA family.
    pub(super) fn new(modulus: &[u8], exponent: &[u8], family: Family) -> Option<Self> {
        let build = || -> Result<PKey<Public>, ErrorStack> {
            let modulus = BigNum::from_slice(modulus)?;
            let exponent = BigNum::from_slice(exponent)?;
            PKey::from_rsa(Rsa::from_public_components(modulus, exponent)?)
        };
        let key = build().ok()?;
        let first = rsa_context(&key, family)?;
        Some(RsaKey {
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
            .or_else(|| rsa_context(&self.key, self.family))
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

fn rsa_context(key: &PKey<Public>, family: Family) -> Option<PkeyCtx<Public>> {
    let (padding, hash) = match family {
        Family::RsaPkcs1(hash) => (Padding::PKCS1, hash),
        Family::RsaPss(hash) => (Padding::PKCS1_PSS, hash),
        Family::Ecdsa(..) | Family::Edwards(_) => return None,
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

/// ECDSA, with signatures of the form R || S (RFC 7518 section 3.4).
pub(super) struct EcdsaKey {
    key: EcKey<Public>,
    coordinate_length: usize,
}

impl EcdsaKey {
    /// Returns `None` where the point is not on the curve.
    pub(super) fn new(curve: Curve, point: &Point) -> Option<Self> {
        let build = || -> Result<EcKey<Public>, ErrorStack> {
            let group = group(curve)?;
            // `from_bytes` refuses a point that does not satisfy the curve's equation.
            let point =
                with_context(|context| EcPoint::from_bytes(group, point.as_bytes(), context))?;
            EcKey::from_public_key(group, &point)
        };
        Some(EcdsaKey {
            key: build().ok()?,
            coordinate_length: curve.coordinate_length(),
        })
    }

    pub(super) fn verify(&self, digest: &[u8], signature: &[u8]) -> bool {
        let Some((r, s)) = signature.split_at_checked(self.coordinate_length) else {
            return false;
        };
        if s.len() != self.coordinate_length {
            return false;
        }
        let verify = || -> Result<bool, ErrorStack> {
            // OpenSSL refuses r and s outside [1, n - 1].
            EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?
                .verify(digest, &self.key)
        };
        matches!(verify(), Ok(true))
    }
}

/// Calls `then` with a context for intermediate numbers. The context is kept for the next key of
/// this thread, because creating one takes a tenth of the time that building a key takes.
fn with_context<T>(
    then: impl FnOnce(&mut BigNumContextRef) -> Result<T, ErrorStack>,
) -> Result<T, ErrorStack> {
    thread_local! {
        static CONTEXT: Cell<Option<BigNumContext>> = const { Cell::new(None) };
    }
    let mut context = match CONTEXT.try_with(Cell::take).ok().flatten() {
        Some(context) => context,
        None => BigNumContext::new()?,
    };
    let outcome = then(&mut context);
    // While the thread ends, the slot is gone and the context is dropped.
    let _ = CONTEXT.try_with(|slot| slot.set(Some(context)));
    outcome
}

/// Returns the curve's parameters, which are built once. A DPoP proof may bring a new key, and
/// building the parameters for each would take 0.15 times as long as the signature check.
fn group(curve: Curve) -> Result<&'static EcGroup, ErrorStack> {
    static P256: OnceLock<EcGroup> = OnceLock::new();
    static P384: OnceLock<EcGroup> = OnceLock::new();
    static P521: OnceLock<EcGroup> = OnceLock::new();
    let (group, name) = match curve {
        Curve::P256 => (&P256, Nid::X9_62_PRIME256V1),
        Curve::P384 => (&P384, Nid::SECP384R1),
        Curve::P521 => (&P521, Nid::SECP521R1),
    };
    if let Some(group) = group.get() {
        return Ok(group);
    }
    let built = EcGroup::from_curve_name(name)?;
    Ok(group.get_or_init(|| built))
}

/// EdDSA, RFC 8037 section 3.1.
pub(super) struct EdwardsKey(PKey<Public>);

impl EdwardsKey {
    /// Returns `None` where OpenSSL refuses the key.
    pub(super) fn new(curve: EdwardsCurve, x: &[u8]) -> Option<Self> {
        let id = match curve {
            EdwardsCurve::Ed25519 => Id::ED25519,
            EdwardsCurve::Ed448 => Id::ED448,
        };
        PKey::public_key_from_raw_bytes(x, id).ok().map(EdwardsKey)
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verify = || -> Result<bool, ErrorStack> {
            Verifier::new_without_digest(&self.0)?.verify_oneshot(signature, message)
        };
        matches!(verify(), Ok(true))
    }
}

/// Empties OpenSSL's error queue for this thread. Some functions leave an error there when a key or
/// a signature is not valid, and the next user of the queue, such as a TLS connection on the same
/// thread, would take it for its own failure.
pub(super) fn clear_openssl_errors() {
    drop(ErrorStack::get());
}
