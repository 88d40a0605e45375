//! What the claims of an acceptable token say, RFC 7519 section 4.1 and RFC 9068 section 4.

use std::time::Duration;

use crate::claims::{ClaimError, Claims, numeric_date, string};
use crate::json::Node;
use crate::numeric_date::NumericDate;

/// What `aud`, `exp`, `iat`, `nbf` and `sub` must say, and which claims must be there.
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
    /// A token passes if its `aud` holds any one of `audiences`, compared exactly.
    pub fn new<S: Into<String>>(audiences: impl IntoIterator<Item = S>) -> Self {
        ClaimRules {
            audiences: audiences.into_iter().map(Into::into).collect(),
            leeway: Duration::ZERO,
            required_strings: &[],
            required: Vec::new(),
        }
    }

    /// Tolerance for `exp` and `nbf` (RFC 7519 sections 4.1.4 and 4.1.5); none by default.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Further claims that must be there, each a string, as a profile of tokens may ask for.
    #[must_use]
    pub fn require_strings(mut self, claims: &'static [&'static str]) -> Self {
        self.required_strings = claims;
        self
    }

    /// Further claims that must be there, of whatever value.
    #[must_use]
    pub fn require<S: Into<String>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.required.extend(claims.into_iter().map(Into::into));
        self
    }

    /// Judges `aud`, `exp`, `iat`, `nbf`, `sub` and the required claims, in this order.
    ///
    /// # Errors
    ///
    /// The first [`ClaimValidationError`] in that order.
    pub fn validate(&self, claims: &Claims, now: NumericDate) -> Result<(), ClaimValidationError> {
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
        string(sub, "sub")?;
        for name in self.required_strings {
            claims
                .string(name)?
                .ok_or_else(|| ClaimValidationError::MissingClaim((*name).to_owned()))?;
        }
        claims.require(&self.required)
    }

    fn validate_audience(&self, aud: Option<Node<'_>>) -> Result<(), ClaimValidationError> {
        let allowed = |audience: &str| self.audiences.iter().any(|allowed| allowed == audience);
        let one = aud.and_then(Node::as_str);
        let mut many = aud.and_then(Node::as_array).into_iter().flatten();
        let is_for_us = match one {
            Some(one) => allowed(one),
            // All of them are strings, or none of them counts.
            None => {
                many.clone().all(|audience| audience.as_str().is_some())
                    && many.any(|audience| audience.as_str().is_some_and(allowed))
            }
        };
        match is_for_us {
            true => Ok(()),
            false => Err(ClaimValidationError::Audience),
        }
    }
}

impl Claims {
    /// Refuses claims that lack one of `names`; one of value `null` is there.
    ///
    /// # Errors
    ///
    /// [`ClaimValidationError::MissingClaim`] with the first that is absent.
    pub fn require<S: AsRef<str>>(&self, names: &[S]) -> Result<(), ClaimValidationError> {
        match names.iter().find(|name| !self.contains(name.as_ref())) {
            None => Ok(()),
            Some(missing) => Err(ClaimValidationError::MissingClaim(
                missing.as_ref().to_owned(),
            )),
        }
    }
}

/// Why claims were refused. Holds no value of a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimValidationError {
    /// `aud` is absent, of a wrong type, or holds none of the allowed audiences.
    #[error("Audience mismatch")]
    Audience,
    /// `exp` is absent.
    #[error("Token is expired: missing 'exp' claim")]
    MissingExpiry,
    /// `exp` is now or in the past.
    #[error("Token is expired")]
    Expired,
    /// `iat` is absent.
    #[error("Missing 'iat' claim in token")]
    MissingIssuedAt,
    /// `nbf` is in the future.
    #[error("Token is not yet valid")]
    NotYetValid,
    /// A claim is there with a wrong type.
    #[error(transparent)]
    Type(#[from] ClaimError),
    /// A required claim is absent.
    #[error("Missing required claim: {0}")]
    MissingClaim(String),
}
