//! What an operator may know about a refusal, and a client may not.

use std::fmt;

use a0_jose::json::Node;
use a0_jose::{ClaimValidationError, Claims, NumericDate};

use crate::error::refusal::Refusal;

use super::Verifier;

/// Values of a token are cut to this length.
const MAX_CHARS: usize = 200;

/// No more issuers and audiences than these are shown.
const MAX_VALUES: usize = 8;

/// Why a token was refused, in more detail than the response tells. It may contain values of a token that
/// is not verified.
#[derive(Clone)]
pub(crate) enum Diagnosis {
    Text(&'static str),
    Field(String),
    Policy(String),
    Issuer {
        expected: Vec<String>,
        found: String,
    },
    Audience {
        expected: Vec<String>,
        found: Vec<String>,
        is_id_token: bool,
    },
    Times {
        now: NumericDate,
        expires_at: Option<NumericDate>,
        not_before: Option<NumericDate>,
    },
}

impl Diagnosis {
    /// For a text that is not a compact JWS.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        let is_quoted = |text: &str| text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']);
        let text = match text {
            text if is_quoted(text) => {
                "the token is in quotes: the client must send it without them"
            }
            text if text.contains(' ') => {
                "the token contains a space: the client sends more than one scheme or more than one token"
            }
            text if text.split('.').count() == 5 => {
                "the token has five parts, so it is encrypted (JWE); this API accepts signed tokens"
            }
            text if !text.contains('.') => {
                "the token is opaque: Auth0 issues such a token if the client does not request an audience"
            }
            _ => return None,
        };
        Some(Diagnosis::Text(text))
    }

    pub(crate) fn of_issuer<'i>(expected: impl Iterator<Item = &'i str>, found: &str) -> Self {
        Diagnosis::Issuer {
            expected: expected.take(MAX_VALUES).map(str::to_owned).collect(),
            found: cut(found),
        }
    }

    pub(crate) fn of_audience(expected: &[String], claims: &Claims) -> Self {
        let members = claims.members();
        let found = claims.audiences().ok().flatten().unwrap_or_default();
        // An ID token (OpenID Connect Core section 2) is for the client and has no scope.
        let client = ["azp", "client_id"].map(|name| members.get(name).and_then(Node::as_str));
        let is_for_client = found
            .iter()
            .any(|audience| client.contains(&Some(audience)));
        let has_login_claims = ["nonce", "at_hash", "c_hash", "auth_time"]
            .iter()
            .any(|name| members.get(name).is_some());
        Diagnosis::Audience {
            expected: expected.iter().take(MAX_VALUES).cloned().collect(),
            is_id_token: members.get("scope").is_none() && (is_for_client || has_login_claims),
            found: found.into_iter().take(MAX_VALUES).map(cut).collect(),
        }
    }

    /// Names the member that does not fit the caller's type. The reason may contain its value, so only the
    /// path is kept, and the name of a missing field.
    pub(crate) fn of_typed_claims(
        path: &serde_path_to_error::Path,
        reason: &impl fmt::Display,
    ) -> Self {
        let (path, reason) = (cut(&path.to_string()), reason.to_string());
        let missing = reason.strip_prefix("missing field `");
        let missing = missing.and_then(|rest| rest.strip_suffix('`'));
        Diagnosis::Field(match missing.filter(|field| !field.contains('`')) {
            Some(field) => format!("at {path:?}: the field {:?} is missing", cut(field)),
            None => format!("at {path:?}: the claim does not have the type that the API expects"),
        })
    }

    /// Names the rule of a policy. The text must contain nothing of the token.
    pub(crate) fn of_policy(rule: String) -> Self {
        Diagnosis::Policy(rule)
    }

    pub(crate) fn of_times(claims: &Claims, now: NumericDate) -> Self {
        Diagnosis::Times {
            now,
            expires_at: claims.expires_at().ok().flatten(),
            not_before: claims.not_before().ok().flatten(),
        }
    }
}

impl<R, S> Verifier<R, S> {
    /// Adds what an operator may know to a refusal of the claims.
    pub(super) fn diagnose(
        &self,
        error: ClaimValidationError,
        claims: &Claims,
        now: NumericDate,
    ) -> Refusal {
        let diagnosis = match error {
            ClaimValidationError::Audience => Diagnosis::of_audience(&self.audiences, claims),
            ClaimValidationError::Expired | ClaimValidationError::NotYetValid => {
                Diagnosis::of_times(claims, now)
            }
            error => return error.into(),
        };
        Refusal::from(error).with_diagnosis(diagnosis)
    }
}

fn cut(value: &str) -> String {
    value.chars().take(MAX_CHARS).collect()
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Diagnosis::Text(text) => formatter.write_str(text),
            Diagnosis::Policy(rule) => formatter.write_str(rule),
            Diagnosis::Field(field) => formatter.write_str(field),
            // `Debug` of a string escapes what could break a log.
            Diagnosis::Issuer { expected, found } => {
                write!(formatter, "the issuer of the token is {found:?}; ")?;
                match &expected[..] {
                    [] => formatter.write_str(
                        "the domains resolver does not return its domain, or it is not written as \
                         https://host/ or https://host:port/",
                    ),
                    expected => write!(formatter, "this API accepts {expected:?}"),
                }
            }
            Diagnosis::Audience {
                expected,
                found,
                is_id_token,
            } => {
                write!(
                    formatter,
                    "the audience of the token is {found:?}; this API accepts {expected:?}"
                )?;
                let trimmed = |text: &String| text.trim_end_matches('/').to_ascii_lowercase();
                let is_close =
                    |text: &String| expected.iter().any(|it| trimmed(it) == trimmed(text));
                if found.iter().any(is_close) {
                    formatter.write_str("; they differ only by a slash at the end or in case")?;
                }
                if *is_id_token {
                    formatter.write_str(
                        "; it looks like an ID token: the client must send its access token",
                    )?;
                }
                Ok(())
            }
            Diagnosis::Times {
                now,
                expires_at,
                not_before,
            } => {
                write!(formatter, "the time is {}", now.as_seconds())?;
                if let Some(exp) = expires_at {
                    write!(formatter, "; the token expires at {}", exp.as_seconds())?;
                }
                if let Some(nbf) = not_before {
                    write!(formatter, "; it is valid from {}", nbf.as_seconds())?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Diagnosis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Diagnosis").finish_non_exhaustive()
    }
}
