//! The bare signature: OpenSSL's own check, with a key in memory and a new context.

use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use serde_json::Value;

use crate::fixture::Failure;

/// A key that is built before anything is timed.
pub(crate) struct Key(PKey<Public>);

impl Key {
    pub(crate) fn rs256(jwk: &Value) -> Result<Self, Failure> {
        let key = Rsa::from_public_components(number(jwk, "n")?, number(jwk, "e")?)?;
        Ok(Key(PKey::from_rsa(key)?))
    }

    pub(crate) fn es256(jwk: &Value) -> Result<Self, Failure> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let (x, y) = (number(jwk, "x")?, number(jwk, "y")?);
        let key = EcKey::from_public_key_affine_coordinates(&group, &x, &y)?;
        Ok(Key(PKey::from_ec_key(key)?))
    }

    pub(crate) fn verify(&self, signed: &Signed) {
        let mut verifier = Verifier::new(MessageDigest::sha256(), &self.0).expect("a context");
        let valid = verifier.verify_oneshot(&signed.signature, &signed.input);
        assert!(valid.expect("a verdict"));
    }
}

/// The signed bytes, and the signature in the form that OpenSSL takes.
pub(crate) struct Signed {
    input: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    pub(crate) fn rs256(token: &str) -> Result<Self, Failure> {
        let (input, signature) = parts(token)?;
        Ok(Signed { input, signature })
    }

    pub(crate) fn es256(token: &str) -> Result<Self, Failure> {
        let (input, signature) = parts(token)?;
        let (r, s) = signature.split_at(32);
        let (r, s) = (BigNum::from_slice(r)?, BigNum::from_slice(s)?);
        Ok(Signed {
            input,
            signature: EcdsaSig::from_private_components(r, s)?.to_der()?,
        })
    }
}

fn parts(token: &str) -> Result<(Vec<u8>, Vec<u8>), Failure> {
    let (input, signature) = token.rsplit_once('.').ok_or("no signature")?;
    let signature = a0_jose::base64url_decode(signature).ok_or("not base64url")?;
    Ok((input.as_bytes().to_vec(), signature))
}

fn number(jwk: &Value, name: &str) -> Result<BigNum, Failure> {
    let text = jwk[name].as_str().ok_or("a member is missing")?;
    let octets = a0_jose::base64url_decode(text).ok_or("not base64url")?;
    Ok(BigNum::from_slice(&octets)?)
}
