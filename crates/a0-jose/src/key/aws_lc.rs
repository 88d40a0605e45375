//! AWS-LC, for every family except Ed448.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, VerificationAlgorithm};

use super::Message;
use super::der::Der;
use crate::algorithm::{Curve, EdwardsCurve, Family, Hash};
use crate::jwk::KeyParameters;

pub(super) struct Key {
    key: ParsedPublicKey,
    /// Set for an ECDSA key only.
    coordinate_length: Option<usize>,
    /// The hash that is computed here. Given the message itself, AWS-LC would set up a hashing
    /// context for each check.
    hash: Option<Hash>,
}

/// AWS-LC's name for an algorithm and curve.
pub(super) enum AwsLcAlgorithm {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

impl AwsLcAlgorithm {
    /// Returns `None` where AWS-LC has no such algorithm.
    pub(super) fn new(parameters: &KeyParameters, family: Family) -> Option<Self> {
        Some(match (family, parameters) {
            (Family::RsaPkcs1(hash), _) => AwsLcAlgorithm::Rsa(match hash {
                Hash::Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
                Hash::Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
                Hash::Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            }),
            // These require a salt as long as the hash, as RFC 7518 section 3.5 does.
            (Family::RsaPss(hash), _) => AwsLcAlgorithm::Rsa(match hash {
                Hash::Sha256 => &signature::RSA_PSS_2048_8192_SHA256,
                Hash::Sha384 => &signature::RSA_PSS_2048_8192_SHA384,
                Hash::Sha512 => &signature::RSA_PSS_2048_8192_SHA512,
            }),
            (Family::Ecdsa(curve, _), _) => AwsLcAlgorithm::Curve(match curve {
                Curve::P256 => &signature::ECDSA_P256_SHA256_ASN1,
                Curve::P384 => &signature::ECDSA_P384_SHA384_ASN1,
                Curve::P521 => &signature::ECDSA_P521_SHA512_ASN1,
            }),
            (Family::Edwards(_), KeyParameters::Edwards { curve, .. })
                if *curve == EdwardsCurve::Ed25519 =>
            {
                AwsLcAlgorithm::Curve(&signature::ED25519)
            }
            (Family::Edwards(_), _) => return None,
        })
    }
}

impl Key {
    /// Returns `None` where AWS-LC refuses the key, for example because its point is not on the
    /// curve.
    pub(super) fn new(
        parameters: &KeyParameters,
        family: Family,
        algorithm: AwsLcAlgorithm,
    ) -> Option<Self> {
        let key = match (parameters, algorithm) {
            (KeyParameters::Rsa { modulus, exponent }, AwsLcAlgorithm::Rsa(algorithm)) => {
                let components = PublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                components.to_parsed_public_key(algorithm)
            }
            (KeyParameters::Ec { curve, point }, AwsLcAlgorithm::Curve(algorithm)) => {
                let key = Der::public_key(*curve, point.as_bytes())?;
                ParsedPublicKey::new(algorithm, key.as_bytes())
            }
            (KeyParameters::Edwards { x, .. }, AwsLcAlgorithm::Curve(algorithm)) => {
                ParsedPublicKey::new(algorithm, x)
            }
            _ => return None,
        };
        Some(Key {
            key: key.ok()?,
            coordinate_length: match family {
                Family::Ecdsa(curve, _) => Some(curve.coordinate_length()),
                Family::RsaPkcs1(_) | Family::RsaPss(_) | Family::Edwards(_) => None,
            },
            hash: match family {
                Family::RsaPkcs1(hash) | Family::RsaPss(hash) | Family::Ecdsa(_, hash) => {
                    Some(hash)
                }
                Family::Edwards(_) => None,
            },
        })
    }

    pub(super) fn verify(&self, message: &Message<'_>, signature: &[u8]) -> bool {
        let Some(length) = self.coordinate_length else {
            return self.verify_encoded(message, signature);
        };
        // RFC 7518 section 3.4: R and S, each in full length, and nothing else.
        signature
            .split_at_checked(length)
            .filter(|(_, s)| s.len() == length)
            .and_then(|(r, s)| Der::signature(r, s))
            .is_some_and(|der| self.verify_encoded(message, der.as_bytes()))
    }

    /// Checks a signature in the encoding that AWS-LC reads.
    fn verify_encoded(&self, message: &Message<'_>, signature: &[u8]) -> bool {
        let Some(hash) = self.hash else {
            return self.key.verify_sig(message.text, signature).is_ok();
        };
        let algorithm = match hash {
            Hash::Sha256 => &digest::SHA256,
            Hash::Sha384 => &digest::SHA384,
            Hash::Sha512 => &digest::SHA512,
        };
        let digest = match message.sha256.filter(|_| hash == Hash::Sha256) {
            Some(computed) => Digest::import_less_safe(computed, algorithm),
            None => Ok(digest::digest(algorithm, message.text)),
        };
        digest.is_ok_and(|digest| self.key.verify_digest_sig(&digest, signature).is_ok())
    }
}
