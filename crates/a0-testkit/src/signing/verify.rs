//! Verifies signatures with OpenSSL.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Public};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Verifier};
use serde_json::Value;

use super::{Algorithm, Scheme};

/// Verifies a signature by a key of a set or of a proof. `None` if the key is not one for the algorithm.
pub(crate) fn verify(
    algorithm: Algorithm,
    jwk: &Value,
    message: &[u8],
    signature: &[u8],
) -> Result<Option<bool>, ErrorStack> {
    let number = |name: &str| {
        let text = jwk.get(name).and_then(Value::as_str)?;
        BigNum::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    };
    let scheme = algorithm.scheme();
    match (
        scheme,
        number("n").zip(number("e")),
        number("x").zip(number("y")),
    ) {
        (Scheme::Pkcs1(hash) | Scheme::Pss(hash), Some((n, e)), _) => {
            let key: PKey<Public> = PKey::from_rsa(Rsa::from_public_components(n, e)?)?;
            let mut verifier = Verifier::new(hash, &key)?;
            if matches!(scheme, Scheme::Pss(_)) {
                verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
                verifier.set_rsa_mgf1_md(hash)?;
                verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            }
            verifier.verify_oneshot(signature, message).map(Some)
        }
        (Scheme::Ecdsa(hash, curve), _, Some((x, y))) => {
            let group = EcGroup::from_curve_name(curve)?;
            let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y)?;
            // RFC 7518 section 3.4: two numbers of the length of the curve, with leading zeros.
            let length = group.degree().div_ceil(8) as usize;
            let Some((r, s)) = signature.split_at_checked(length) else {
                return Ok(Some(false));
            };
            if s.len() != length {
                return Ok(Some(false));
            }
            let signature =
                EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
            let digest = openssl::hash::hash(hash, message)?;
            signature.verify(&digest, &key).map(Some)
        }
        _ => Ok(None),
    }
}
