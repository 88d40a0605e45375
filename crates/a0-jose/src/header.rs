//! The JOSE header and the rules for it, RFC 7515 section 4 and RFC 8725.

use std::fmt;
use std::str::FromStr;

use crate::algorithm::{Algorithm, UnsupportedAlgorithm};
use crate::json::{Document, Members, Node};

/// The header of a JWS. This crate uses none of its `jwk`, `jku`, `x5u` and `x5c`, neither to choose
/// a key nor to fetch one. `Debug` shows the names of its members, but no values.
#[derive(Clone)]
pub struct Header(Document);

impl Header {
    pub(crate) fn new(document: Document) -> Self {
        Header(document)
    }

    /// Returns a member by name.
    pub fn get(&self, name: &str) -> Option<Node<'_>> {
        self.members().get(name)
    }

    /// All members.
    pub fn members(&self) -> Members<'_> {
        self.0.members()
    }

    /// The `kid` (RFC 7515 section 4.1.4). It comes from the sender: only compare it with the `kid`
    /// of known keys.
    ///
    /// # Errors
    ///
    /// [`HeaderError::MissingKeyId`] where `kid` is absent or not a string.
    pub fn key_id(&self) -> Result<&str, HeaderError> {
        self.get("kid")
            .and_then(Node::as_str)
            .ok_or(HeaderError::MissingKeyId)
    }

    /// Returns whether `typ` is present and is this media type. Case is ignored, and `application/`
    /// may be omitted (RFC 7515 section 4.1.9).
    pub fn is_of_type(&self, media_type: &str) -> bool {
        let typ = self.get("typ").and_then(Node::as_str);
        typ.is_some_and(|typ| same_media_type(typ, media_type))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Header ")?;
        self.members().fmt(formatter)
    }
}

/// The rules for a header. They are checked before a key is looked up.
///
/// `crit` and `b64` are always refused, because this crate supports no extension (RFC 7515 section
/// 4.1.11, RFC 7797 section 7). `cty: JWT`, a nested token, is refused too (RFC 7519 section 5.2).
///
/// ```
/// use a0_jose::{Algorithm, HeaderRules};
///
/// // RFC 9068: an access token must have this `typ`.
/// let strict = HeaderRules::new([Algorithm::Rs256]).types(["at+jwt"]).require_type();
/// // Auth0's default `typ` is accepted too, and so is a token without `typ`.
/// let lenient = HeaderRules::new([Algorithm::Rs256]).types(["JWT", "at+jwt"]);
/// # let _ = (strict, lenient);
/// ```
#[derive(Debug, Clone)]
pub struct HeaderRules {
    algorithms: Vec<Algorithm>,
    types: Option<Vec<String>>,
    type_required: bool,
}

impl HeaderRules {
    /// Allows only these algorithms, and any `typ`.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut unique = Vec::new();
        for algorithm in algorithms {
            if !unique.contains(&algorithm) {
                unique.push(algorithm);
            }
        }
        HeaderRules {
            algorithms: unique,
            types: None,
            type_required: false,
        }
    }

    /// Allows only these media types as `typ`. Case is ignored, and `application/` may be omitted
    /// (RFC 7515 section 4.1.9). A header without `typ` still passes.
    #[must_use]
    pub fn types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// Refuses a header without `typ`.
    #[must_use]
    pub fn require_type(mut self) -> Self {
        self.type_required = true;
        self
    }

    /// The allowed algorithms, each once, in the order in which they were given.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Checks `alg`, `crit`, `b64`, `cty` and `typ`, in this order, and returns the algorithm.
    ///
    /// # Errors
    ///
    /// The first [`HeaderError`] in that order.
    pub(crate) fn validate(&self, header: &Header) -> Result<Algorithm, HeaderError> {
        let [alg, crit, b64, cty, typ] =
            header.members().find(["alg", "crit", "b64", "cty", "typ"]);
        let algorithm = self.validate_algorithm(alg)?;
        if crit.is_some() {
            return Err(HeaderError::Critical);
        }
        if b64.is_some() {
            return Err(HeaderError::UnencodedPayload);
        }
        if let Some(content_type) = cty
            && content_type
                .as_str()
                .is_none_or(|cty| same_media_type(cty, "JWT"))
        {
            return Err(HeaderError::NestedToken);
        }
        self.validate_type(typ)?;
        Ok(algorithm)
    }

    fn validate_algorithm(&self, alg: Option<Node<'_>>) -> Result<Algorithm, HeaderError> {
        let name = alg
            .and_then(Node::as_str)
            .ok_or(HeaderError::MissingAlgorithm)?;
        match Algorithm::from_str(name) {
            Ok(algorithm) if self.algorithms.contains(&algorithm) => Ok(algorithm),
            Err(UnsupportedAlgorithm::Symmetric(name)) => Err(HeaderError::Symmetric(name)),
            Ok(_) | Err(UnsupportedAlgorithm::Unknown) => Err(HeaderError::AlgorithmNotAllowed),
        }
    }

    fn validate_type(&self, typ: Option<Node<'_>>) -> Result<(), HeaderError> {
        let accepted = match (typ, &self.types) {
            (None, _) => !self.type_required,
            (Some(typ), None) => typ.as_str().is_some(),
            (Some(typ), Some(types)) => typ
                .as_str()
                .is_some_and(|typ| types.iter().any(|allowed| same_media_type(typ, allowed))),
        };
        accepted.then_some(()).ok_or(HeaderError::Type)
    }
}

/// Compares two values of `typ` or `cty`. A value without `/` means `application/` and that value
/// (RFC 7515 section 4.1.9).
pub(crate) fn same_media_type(left: &str, right: &str) -> bool {
    fn short(media_type: &str) -> &str {
        const PREFIX: &str = "application/";
        match media_type.split_at_checked(PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => {
                rest
            }
            _ => media_type,
        }
    }
    short(left).eq_ignore_ascii_case(short(right))
}

/// The error for a header that was refused. It holds no part of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// `alg` is absent or not a string.
    #[error("Token header has no 'alg'")]
    MissingAlgorithm,
    /// `alg` is an HMAC algorithm. The name comes from a table.
    #[error("{}", UnsupportedAlgorithm::Symmetric(.0))]
    Symmetric(&'static str),
    /// `alg` is not in the allow-list. `none` never is.
    #[error("Algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// `crit` is present. Its value does not matter.
    #[error("Token header has a 'crit' parameter, which is not supported")]
    Critical,
    /// `b64` is present. Its value does not matter.
    #[error("Token header has a 'b64' parameter, which is not supported")]
    UnencodedPayload,
    /// `cty` is `JWT`, which means a nested token, or not a string.
    #[error("Nested tokens are not supported")]
    NestedToken,
    /// `typ` is not allowed, not a string, or absent where it is required.
    #[error("Unexpected JWT 'typ'")]
    Type,
    /// `kid` is absent or not a string, but is needed to find the key.
    #[error("Token header missing 'kid' claim")]
    MissingKeyId,
}
