//! Why an encrypted token is refused.

use std::fmt;

/// A segment of an encrypted token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwePart {
    /// The JWE Protected Header.
    Header,
    /// The JWE Encrypted Key.
    EncryptedKey,
    /// The JWE Initialization Vector.
    InitializationVector,
    /// The JWE Ciphertext.
    Ciphertext,
    /// The JWE Authentication Tag.
    Tag,
}

impl fmt::Display for JwePart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            JwePart::Header => "header",
            JwePart::EncryptedKey => "encrypted key",
            JwePart::InitializationVector => "initialization vector",
            JwePart::Ciphertext => "ciphertext",
            JwePart::Tag => "authentication tag",
        })
    }
}

/// The error for an encrypted token that was refused. It holds no part of the token.
///
/// Except for [`Decryption`](JweError::Decryption) and the last two variants, which tell what a valid
/// decryption brought to light, an error depends only on what everyone can see of the token and on
/// the `kid` of the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JweError {
    /// The token is longer than the caller allows.
    #[error("Failed to parse token: larger than {max_size} bytes")]
    #[non_exhaustive]
    TooLarge {
        /// The limit, in bytes.
        max_size: usize,
    },
    /// The text does not have five segments (RFC 7516 section 7.1).
    #[error("Failed to parse token: not an encrypted JWT of five parts")]
    SegmentCount,
    /// A segment is not canonical base64url (RFC 7515 section 2).
    #[error("Failed to parse token: the {0} is not base64url")]
    Encoding(JwePart),
    /// The header is not one UTF-8 JSON object.
    #[error("Failed to parse token: the header is not one JSON object")]
    NotAnObject,
    /// The header has a duplicate member name (RFC 7516 section 4).
    #[error("Failed to parse token: the header holds a member name twice")]
    DuplicateMember,
    /// `alg` is absent or not one of [`KeyEncryptionAlgorithm`](super::KeyEncryptionAlgorithm).
    #[error("Encryption algorithm is not allowed")]
    Algorithm,
    /// `enc` is absent or not `A256GCM`.
    #[error("Content encryption algorithm is not allowed")]
    ContentEncryption,
    /// A parameter that is not supported, such as `zip`, `crit` and `epk`, or a private key. Its
    /// value does not matter. The name comes from a table.
    #[error("Token header has a '{0}' parameter, which is not supported")]
    UnsupportedParameter(&'static str),
    /// A parameter that is not a string.
    #[error("Token header has an invalid '{0}' parameter")]
    InvalidParameter(&'static str),
    /// `cty` is absent or not `JWT` (RFC 7519 section 5.2).
    #[error("Encrypted token does not have the 'cty' of a signed token, 'JWT'")]
    ContentType,
    /// No key has the token's `kid`, or none is for its `alg`.
    #[error("No matching decryption key found")]
    NoMatchingKey,
    /// The token could not be decrypted: the encrypted key, the initialization vector, the content,
    /// the tag, or the key of this API is wrong. There is one error for all of them (RFC 7516 section
    /// 11.5).
    #[error("Token decryption failed")]
    Decryption,
    /// The decrypted content is not a compact JWS with a signature.
    #[error("Encrypted token does not contain a signed token")]
    NotSigned,
    /// `iss`, `sub` or `aud` in the header differs from the claim (RFC 7519 section 5.3).
    #[error("Token header has a '{0}' that differs from the claim")]
    ReplicatedClaim(&'static str),
}
