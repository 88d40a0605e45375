use std::fmt;

use openssl::hash::MessageDigest;
use openssl::nid::Nid;

/// A JWS algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// No signature: the third segment is empty.
    None,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Every algorithm, for tests that loop over them.
    pub const ALL: [Self; 14] = [
        Self::None,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// The value of the header parameter `alg`.
    ///
    /// ```
    /// assert_eq!(a0_testkit::Algorithm::Rs256.name(), "RS256");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// What OpenSSL needs to know about each algorithm.
    pub(crate) fn scheme(self) -> Scheme {
        let (sha256, sha384, sha512) = (
            MessageDigest::sha256(),
            MessageDigest::sha384(),
            MessageDigest::sha512(),
        );
        match self {
            Self::None => Scheme::Unsigned,
            Self::Hs256 => Scheme::Hmac(sha256),
            Self::Hs384 => Scheme::Hmac(sha384),
            Self::Hs512 => Scheme::Hmac(sha512),
            Self::Rs256 => Scheme::Pkcs1(sha256),
            Self::Rs384 => Scheme::Pkcs1(sha384),
            Self::Rs512 => Scheme::Pkcs1(sha512),
            Self::Ps256 => Scheme::Pss(sha256),
            Self::Ps384 => Scheme::Pss(sha384),
            Self::Ps512 => Scheme::Pss(sha512),
            Self::Es256 => Scheme::Ecdsa(sha256, Nid::X9_62_PRIME256V1),
            Self::Es384 => Scheme::Ecdsa(sha384, Nid::SECP384R1),
            Self::Es512 => Scheme::Ecdsa(sha512, Nid::SECP521R1),
            Self::EdDsa => Scheme::EdDsa,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Scheme {
    Unsigned,
    Hmac(MessageDigest),
    Pkcs1(MessageDigest),
    Pss(MessageDigest),
    Ecdsa(MessageDigest, Nid),
    EdDsa,
}
