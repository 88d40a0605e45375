//! ECDSA by OpenSSL, with signatures of the form R || S (RFC 7518 section 3.4).

use std::cell::Cell;
use std::sync::OnceLock;

use openssl::bn::{BigNum, BigNumContext, BigNumContextRef};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::Public;

use crate::algorithm::Curve;
use crate::point::Point;

pub(super) struct Key {
    key: EcKey<Public>,
    coordinate_length: usize,
}

impl Key {
    /// Returns `None` where the point is not on the curve.
    pub(super) fn new(curve: Curve, point: &Point) -> Option<Self> {
        let build = || -> Result<EcKey<Public>, ErrorStack> {
            let group = group(curve)?;
            // `from_bytes` refuses a point that does not satisfy the curve's equation.
            let point =
                with_context(|context| EcPoint::from_bytes(group, point.as_bytes(), context))?;
            EcKey::from_public_key(group, &point)
        };
        Some(Key {
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
