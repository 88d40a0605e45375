//! The header of an encrypted token, RFC 7516 section 4.

use std::fmt;
use std::str::FromStr;

use super::{JweError, JwePart};
use crate::algorithm::UnsupportedAlgorithm;
use crate::base64url;

use crate::content::same_media_type;
use crate::json::{Document, JsonError, Node};
use crate::jwk::{PRIVATE_MEMBERS, has_private_member};
use crate::jws::Compact;

/// How a token's content key is encrypted: the `alg` of a JWE, RFC 7518 section 4.3 and the registry
/// of JOSE algorithms. MGF1 uses the same hash.
///
/// RSA1_5, RSA-OAEP (with SHA-1), `dir`, ECDH-ES and PBES2 have no variant, so no key can use them.
///
/// ```
/// use a0_jose::jwe::KeyEncryptionAlgorithm;
///
/// assert_eq!("RSA-OAEP-256".parse(), Ok(KeyEncryptionAlgorithm::RsaOaep256));
/// assert!("RSA-OAEP".parse::<KeyEncryptionAlgorithm>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyEncryptionAlgorithm {
    /// RSAES-OAEP using SHA-256.
    RsaOaep256,
    /// RSAES-OAEP using SHA-384.
    RsaOaep384,
    /// RSAES-OAEP using SHA-512.
    RsaOaep512,
}

impl KeyEncryptionAlgorithm {
    const ALL: [KeyEncryptionAlgorithm; 3] = [
        KeyEncryptionAlgorithm::RsaOaep256,
        KeyEncryptionAlgorithm::RsaOaep384,
        KeyEncryptionAlgorithm::RsaOaep512,
    ];

    /// The registered name, as it appears in `alg`.
    pub fn name(self) -> &'static str {
        match self {
            KeyEncryptionAlgorithm::RsaOaep256 => "RSA-OAEP-256",
            KeyEncryptionAlgorithm::RsaOaep384 => "RSA-OAEP-384",
            KeyEncryptionAlgorithm::RsaOaep512 => "RSA-OAEP-512",
        }
    }
}

impl fmt::Display for KeyEncryptionAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for KeyEncryptionAlgorithm {
    type Err = UnsupportedAlgorithm;

    /// Compares case-sensitively (RFC 7516 section 4.1.1).
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let mut all = KeyEncryptionAlgorithm::ALL.into_iter();
        all.find(|algorithm| algorithm.name() == name)
            .ok_or(UnsupportedAlgorithm::Unknown)
    }
}

/// The only content encryption that Auth0 documents.
const CONTENT_ENCRYPTION: &str = "A256GCM";

/// Compression (RFC 7516 section 4.1.3), extensions (section 4.1.13, RFC 7797), and the parameters of
/// key management modes that are not supported (RFC 7518 sections 4.6.1, 4.7.1 and 4.8.1).
const UNSUPPORTED: [&str; 10] = [
    "zip", "crit", "b64", "epk", "apu", "apv", "p2s", "p2c", "iv", "tag",
];

/// The claims that may be repeated in the header, RFC 7519 section 5.3.
const REPLICATED: [&str; 3] = ["iss", "sub", "aud"];

/// A header that passed every check.
pub(super) struct JweHeader {
    document: Document,
    algorithm: KeyEncryptionAlgorithm,
}

impl JweHeader {
    pub(super) fn decode(segment: &[u8]) -> Result<Self, JweError> {
        let octets = base64url::decode(segment).ok_or(JweError::Encoding(JwePart::Header))?;
        let document = Document::parse(octets).map_err(|error| match error {
            JsonError::NotAnObject => JweError::NotAnObject,
            JsonError::DuplicateMember => JweError::DuplicateMember,
        })?;
        let algorithm = check(&document)?;
        Ok(JweHeader {
            document,
            algorithm,
        })
    }

    pub(super) fn algorithm(&self) -> KeyEncryptionAlgorithm {
        self.algorithm
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.document.members().get("kid").and_then(Node::as_str)
    }

    /// RFC 7519 section 5.3: claims that the header repeats are those of the signed token.
    pub(super) fn check_replicated_claims(&self, token: &str) -> Result<(), JweError> {
        let repeated = self.document.members().find(REPLICATED);
        if repeated.iter().all(Option::is_none) {
            return Ok(());
        }
        let claims = Compact::parse(token, token.len())
            .and_then(|token| token.decode_payload())
            .map_err(|_| JweError::NotSigned)?;
        let claims = claims.members().find(REPLICATED);
        let value = |node: &Option<Node<'_>>| node.map(Node::to_value);
        for (name, (repeated, claim)) in REPLICATED.into_iter().zip(repeated.iter().zip(&claims)) {
            if repeated.is_some() && value(repeated) != value(claim) {
                return Err(JweError::ReplicatedClaim(name));
            }
        }
        Ok(())
    }
}

fn check(document: &Document) -> Result<KeyEncryptionAlgorithm, JweError> {
    let members = document.members();
    let [alg, enc, cty, kid, typ, jwk] = members.find(["alg", "enc", "cty", "kid", "typ", "jwk"]);
    let text = |member: Option<Node<'_>>| member.and_then(Node::as_str).map(str::to_owned);
    let algorithm = text(alg)
        .and_then(|name| name.parse().ok())
        .ok_or(JweError::Algorithm)?;
    if text(enc).as_deref() != Some(CONTENT_ENCRYPTION) {
        return Err(JweError::ContentEncryption);
    }
    for name in UNSUPPORTED.into_iter().chain(PRIVATE_MEMBERS) {
        if members.get(name).is_some() {
            return Err(JweError::UnsupportedParameter(name));
        }
    }
    // The header may name the public key that the content key was encrypted with.
    if jwk.is_some_and(|jwk| {
        jwk.as_object()
            .is_none_or(|jwk| has_private_member(jwk.names()))
    }) {
        return Err(JweError::UnsupportedParameter("jwk"));
    }
    for (name, member) in [("kid", kid), ("typ", typ)] {
        if member.is_some_and(|member| member.as_str().is_none()) {
            return Err(JweError::InvalidParameter(name));
        }
    }
    if !text(cty).is_some_and(|cty| same_media_type(&cty, "JWT")) {
        return Err(JweError::ContentType);
    }
    Ok(algorithm)
}
