//! The rules for the header and the claims of a token: RFC 7515 section 4, RFC 8725, RFC 7519 section 4.1 and
//! RFC 9068 section 4.

use std::str::FromStr;
use std::time::Duration;

use crate::algorithm::{Algorithm, UnsupportedAlgorithm};
use crate::content::{Claims, Header, NumericDate, numeric_date, same_media_type, string};
use crate::error::{ClaimValidationError, HeaderError};
use crate::json::Node;

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

/// The rules for `aud`, `exp`, `iat`, `nbf` and `sub`, and the claims that are required.
///
/// ```
/// use a0_jose::{ClaimRules, Compact, NumericDate, ClaimValidationError};
///
/// // {"aud":"https://api.example/","exp":1700000600,"iat":1700000000}
/// let token = Compact::parse("e30.eyJhdWQiOiJodHRwczovL2FwaS5leGFtcGxlLyIsImV4cCI6MTcwMDAwMDYwM\
///     CwiaWF0IjoxNzAwMDAwMDAwfQ.", 200)?.decode()?;
///
/// let rules = ClaimRules::new(["https://api.example/"]);
/// let now = NumericDate::from_unix_seconds(1_700_000_599);
/// assert_eq!(rules.validate(token.claims(), now), Ok(()));
/// let now = NumericDate::from_unix_seconds(1_700_000_600);
/// assert_eq!(rules.validate(token.claims(), now), Err(ClaimValidationError::Expired));
/// # Ok::<(), a0_jose::ParseError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClaimRules {
    audiences: Vec<String>,
    leeway: Duration,
    required_strings: &'static [&'static str],
    required: Vec<String>,
}

impl ClaimRules {
    /// Accepts tokens whose `aud` contains one of `audiences`. They are compared exactly.
    pub fn new<S: Into<String>>(audiences: impl IntoIterator<Item = S>) -> Self {
        ClaimRules {
            audiences: audiences.into_iter().map(Into::into).collect(),
            leeway: Duration::ZERO,
            required_strings: &[],
            required: Vec::new(),
        }
    }

    /// Sets the clock skew that `exp` and `nbf` may have (RFC 7519 sections 4.1.4 and 4.1.5). The
    /// default is zero.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Requires further claims, each of which must be a string. It replaces those of an earlier
    /// call.
    #[must_use]
    pub fn require_strings(mut self, claims: &'static [&'static str]) -> Self {
        self.required_strings = claims;
        self
    }

    /// Requires further claims. Their values are not checked. It adds to those of an earlier call.
    #[must_use]
    pub fn require<S: Into<String>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.required.extend(claims.into_iter().map(Into::into));
        self
    }

    /// Checks `aud`, `exp`, `iat`, `nbf`, `sub` and the required claims, in this order.
    ///
    /// # Errors
    ///
    /// The first [`ClaimValidationError`] in that order.
    pub fn validate(&self, claims: &Claims, now: NumericDate) -> Result<(), ClaimValidationError> {
        self.validate_for_subject(claims, now).map(|_| ())
    }

    /// Does the same as [`validate`](Self::validate), and returns `sub`, which it read for its check.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn validate_for_subject<'c>(
        &self,
        claims: &'c Claims,
        now: NumericDate,
    ) -> Result<Option<&'c str>, ClaimValidationError> {
        let [aud, exp, iat, nbf, sub] = claims.members().find(["aud", "exp", "iat", "nbf", "sub"]);
        self.validate_audience(aud)?;
        let expires_at = numeric_date(exp, "exp")?.ok_or(ClaimValidationError::MissingExpiry)?;
        if now >= expires_at.plus(self.leeway) {
            return Err(ClaimValidationError::Expired);
        }
        numeric_date(iat, "iat")?.ok_or(ClaimValidationError::MissingIssuedAt)?;
        if let Some(not_before) = numeric_date(nbf, "nbf")?
            && now < not_before.minus(self.leeway)
        {
            return Err(ClaimValidationError::NotYetValid);
        }
        let subject = string(sub, "sub")?;
        for name in self.required_strings {
            claims
                .string(name)?
                .ok_or_else(|| ClaimValidationError::MissingClaim((*name).to_owned()))?;
        }
        claims.require(&self.required)?;
        Ok(subject)
    }

    fn validate_audience(&self, aud: Option<Node<'_>>) -> Result<(), ClaimValidationError> {
        let allowed = |audience: &str| self.audiences.iter().any(|allowed| allowed == audience);
        let single = aud.and_then(Node::as_str);
        let mut several = aud.and_then(Node::as_array).into_iter().flatten();
        let accepted = match single {
            Some(audience) => allowed(audience),
            // One value that is not a string makes the whole claim invalid.
            None => {
                several.clone().all(|audience| audience.as_str().is_some())
                    && several.any(|audience| audience.as_str().is_some_and(allowed))
            }
        };
        if accepted {
            Ok(())
        } else {
            Err(ClaimValidationError::Audience)
        }
    }
}

impl Claims {
    /// Checks that the claims in `names` are present. A claim with the value `null` is.
    ///
    /// # Errors
    ///
    /// [`ClaimValidationError::MissingClaim`] with the first absent name.
    pub fn require<S: AsRef<str>>(&self, names: &[S]) -> Result<(), ClaimValidationError> {
        match names.iter().find(|name| !self.contains(name.as_ref())) {
            None => Ok(()),
            Some(missing) => Err(ClaimValidationError::MissingClaim(
                missing.as_ref().to_owned(),
            )),
        }
    }
}
