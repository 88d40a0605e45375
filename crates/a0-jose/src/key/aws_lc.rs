//! All families but Ed448, by AWS-LC.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, VerificationAlgorithm};

use super::der::Der;
use crate::algorithm::{Curve, EdwardsCurve, Family, Hash};
use crate::compact::Compact;
use crate::jwk::Numbers;

pub(super) struct Key {
    key: ParsedPublicKey,
    /// Of an ECDSA key.
    coordinate_length: Option<usize>,
    /// What the message is hashed with before it is given to the key: without it each check would
    /// set up a context for hashing.
    hash: Option<Hash>,
}

/// What a key of a family is checked by.
pub(super) enum Parameters {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

/// `None` where AWS-LC has no such algorithm.
pub(super) fn parameters(numbers: &Numbers, family: Family) -> Option<Parameters> {
    Some(match (family, numbers) {
        (Family::RsaPkcs1(hash), _) => Parameters::Rsa(match hash {
            Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        }),
        // RFC 7518 section 3.5: the salt is as long as the hash, which these require.
        (Family::RsaPss(hash), _) => Parameters::Rsa(match hash {
            Hash::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Hash::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
            Hash::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
        }),
        (Family::Ecdsa(curve, _), _) => Parameters::Point(match curve {
            Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1,
            Curve::P384 => &signature::ECDSA_P384_SHA384_ASN1,
            Curve::P521 => &signature::ECDSA_P521_SHA512_ASN1,
        }),
        (Family::Edwards, Numbers::Edwards { curve, .. }) if *curve == EdwardsCurve::Ed25519 => {
            Parameters::Point(&signature::ED25519)
        }
        (Family::Edwards, _) => return None,
    })
}

impl Key {
    /// `None` where AWS-LC refuses the key, as one whose point is not on the curve.
    pub(super) fn new(numbers: &Numbers, family: Family, parameters: Parameters) -> Option<Self> {
        let key = match (numbers, parameters) {
            (Numbers::Rsa { modulus, exponent }, Parameters::Rsa(parameters)) => {
                let components = PublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                components.to_parsed_public_key(parameters)
            }
            (Numbers::Ec { curve, point }, Parameters::Point(algorithm)) => {
                let key = Der::of_key(*curve, point.as_bytes())?;
                ParsedPublicKey::new(algorithm, key.as_bytes())
            }
            (Numbers::Edwards { x, .. }, Parameters::Point(algorithm)) => {
                ParsedPublicKey::new(algorithm, x)
            }
            _ => return None,
        };
        Some(Key {
            key: key.ok()?,
            coordinate_length: match family {
                Family::Ecdsa(curve, _) => Some(curve.coordinate_length()),
                Family::RsaPkcs1(_) | Family::RsaPss(_) | Family::Edwards => None,
            },
            hash: match family {
                Family::RsaPkcs1(hash) | Family::RsaPss(hash) | Family::Ecdsa(_, hash) => {
                    Some(hash)
                }
                Family::Edwards => None,
            },
        })
    }

    pub(super) fn verify(&self, token: &Compact<'_>, signature: &[u8]) -> bool {
        let Some(length) = self.coordinate_length else {
            return self.verify_octets(token, signature);
        };
        // RFC 7518 section 3.4: both numbers in full length, and nothing else.
        let numbers = signature.split_at_checked(length);
        let der = numbers.filter(|(_, s)| s.len() == length);
        der.and_then(|(r, s)| Der::of_signature(r, s))
            .is_some_and(|der| self.verify_octets(token, der.as_bytes()))
    }

    fn verify_octets(&self, token: &Compact<'_>, signature: &[u8]) -> bool {
        let message = token.signing_input();
        let Some(hash) = self.hash else {
            return self.key.verify_sig(message, signature).is_ok();
        };
        let algorithm = match hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        let digest = match token.signing_digest(hash) {
            Some(known) => Digest::import_less_safe(known, algorithm),
            None => Ok(digest::digest(algorithm, message)),
        };
        digest.is_ok_and(|digest| self.key.verify_digest_sig(&digest, signature).is_ok())
    }
}
