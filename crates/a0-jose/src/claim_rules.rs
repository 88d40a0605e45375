//! The rules for claims, RFC 7519 section 4.1 and RFC 9068 section 4.

use std::time::Duration;

use crate::claims::{ClaimError, Claims, NumericDate, numeric_date, string};
use crate::json::Node;

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

/// The error for claims that were refused. It does not hold their values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimValidationError {
    /// `aud` is absent, of a wrong type, or contains no allowed audience.
    #[error("Audience mismatch")]
    Audience,
    /// `exp` is absent.
    #[error("Token is expired: missing 'exp' claim")]
    MissingExpiry,
    /// `exp`, plus the leeway, is now or in the past.
    #[error("Token is expired")]
    Expired,
    /// `iat` is absent.
    #[error("Missing 'iat' claim in token")]
    MissingIssuedAt,
    /// `nbf`, minus the leeway, is in the future.
    #[error("Token is not yet valid")]
    NotYetValid,
    /// A claim has a wrong type.
    #[error(transparent)]
    Type(#[from] ClaimError),
    /// A required claim is absent.
    #[error("Missing required claim: {0}")]
    MissingClaim(String),
}
