//! What an operator may know about a refusal, and a client may not.

use std::fmt;

use a0_jose::json::Node;
use a0_jose::jwe::JweError;
use a0_jose::{Algorithm, ClaimValidationError, Claims, HeaderError, NumericDate};

use crate::error::refusal::Refusal;

use super::Verifier;
use super::confirmation::ConfirmationError;

/// Values of a token are cut to this length.
const MAX_CHARS: usize = 200;

/// No more issuers and audiences than these are shown.
const MAX_VALUES: usize = 8;

/// Why a token was refused, in more detail than the response tells. It may contain values of a token that
/// is not verified.
#[derive(Clone)]
pub(crate) enum Detail {
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
        /// `azp`, or else `client_id`.
        client: Option<String>,
        is_id_token: bool,
    },
    Algorithms(Vec<String>),
    Times {
        now: NumericDate,
        expires_at: Option<NumericDate>,
        not_before: Option<NumericDate>,
    },
}

impl Detail {
    /// For a text that is not a compact JWS.
    pub(crate) fn of_text(text: &[u8]) -> Option<Self> {
        let is_quoted = |text: &str| text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']);
        let text = match str::from_utf8(text) {
            Err(_) => {
                "the token contains octets that are not UTF-8: something on its way changed it"
            }
            Ok(text) if is_quoted(text) => {
                "the token is in quotes: the client must send it without them"
            }
            Ok(text) if text.contains(' ') => {
                "the token contains a space: the client sends more than one scheme or more than one token"
            }
            Ok(text) if text.split('.').count() == 5 => {
                "the token has five parts, so it is encrypted (JWE): set the option decryption_keys, or \
                 turn the encryption of tokens off for this API"
            }
            Ok(text) if !text.contains('.') => {
                "the token is opaque: Auth0 issues such a token if the client does not request an audience"
            }
            _ => return None,
        };
        Some(Detail::Text(text))
    }

    /// For an encrypted token.
    pub(super) fn of_encryption(error: JweError) -> Option<Self> {
        Some(Detail::Text(match error {
            JweError::NoMatchingKey => {
                "no key of the option decryption_keys has the kid and the alg of the token"
            }
            JweError::Decryption => {
                "the token is encrypted for a key that is not in the option decryption_keys, or it was \
                 changed"
            }
            _ => return None,
        }))
    }

    /// For a request of the scheme DPoP without a proof. Auth0 tells clients to send certificate-bound tokens
    /// like that.
    pub(super) fn of_missing_proof() -> Self {
        Detail::Text(
            "if the client's tokens are bound to a certificate, set the option certificate_bound_tokens",
        )
    }

    /// For a token that is bound to a certificate.
    pub(super) fn of_certificate(error: ConfirmationError) -> Option<Self> {
        Some(Detail::Text(match error {
            ConfirmationError::BoundAsBearer | ConfirmationError::Certificate => {
                "the token is bound to a certificate: set the option certificate_bound_tokens"
            }
            ConfirmationError::MissingCertificate => {
                "the API passed no certificate (RequestContext::client_certificate): the client sent none, \
                 or the TLS layer or the proxy did not pass it on"
            }
            _ => return None,
        }))
    }

    pub(crate) fn of_issuer<'i>(expected: impl Iterator<Item = &'i str>, found: &str) -> Self {
        Detail::Issuer {
            expected: expected.take(MAX_VALUES).map(str::to_owned).collect(),
            found: cut(found),
        }
    }

    /// For the token of an anonymous session.
    pub(crate) fn of_anonymous() -> Self {
        Detail::Text(
            "nobody logged in; if the API is for anonymous sessions too, set the option allow_anonymous",
        )
    }

    /// The algorithms that tokens may have.
    pub(crate) fn of_algorithms(expected: impl Iterator<Item = Algorithm>) -> Self {
        let mut names: Vec<String> = Vec::new();
        for algorithm in expected {
            let name = algorithm.name();
            if !names.iter().any(|other| other == name) {
                names.push(name.to_owned());
            }
        }
        Detail::Algorithms(names)
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
        Detail::Audience {
            expected: expected.iter().take(MAX_VALUES).cloned().collect(),
            is_id_token: members.get("scope").is_none() && (is_for_client || has_login_claims),
            found: found.into_iter().take(MAX_VALUES).map(cut).collect(),
            client: client.into_iter().flatten().next().map(cut),
        }
    }

    /// Names the member that does not fit the caller's type. The reason may contain its value, so only the
    /// path is kept, and the name of a missing field.
    pub(crate) fn of_typed_claims(path: &str, reason: &impl fmt::Display) -> Self {
        let (path, reason) = (cut(path), reason.to_string());
        let missing = reason.strip_prefix("missing field `");
        let missing = missing.and_then(|rest| rest.strip_suffix('`'));
        Detail::Field(match missing.filter(|field| !field.contains('`')) {
            Some(field) => format!("at {path:?}: the field {:?} is missing", cut(field)),
            None => format!("at {path:?}: the claim does not have the type that the API expects"),
        })
    }

    /// Names the rule of a policy. The text must contain nothing of the token.
    pub(crate) fn of_policy(rule: String) -> Self {
        Detail::Policy(rule)
    }

    pub(crate) fn of_times(claims: &Claims, now: NumericDate) -> Self {
        Detail::Times {
            now,
            expires_at: claims.expires_at().ok().flatten(),
            not_before: claims.not_before().ok().flatten(),
        }
    }
}

impl<R, S> Verifier<R, S> {
    /// Adds the allowed algorithms to a refusal of another one.
    pub(super) fn diagnose_header(&self, error: HeaderError) -> Refusal {
        let detail = match error {
            HeaderError::AlgorithmNotAllowed | HeaderError::Symmetric(_) => {
                Some(Detail::of_algorithms(self.allowed_algorithms.any()))
            }
            _ => None,
        };
        Refusal::from(error).with_diagnosis(detail)
    }

    /// Adds what an operator may know to a refusal of the claims.
    pub(super) fn diagnose(
        &self,
        error: ClaimValidationError,
        claims: &Claims,
        now: NumericDate,
    ) -> Refusal {
        let detail = match error {
            ClaimValidationError::Audience => Detail::of_audience(&self.audiences, claims),
            ClaimValidationError::Expired | ClaimValidationError::NotYetValid => {
                Detail::of_times(claims, now)
            }
            error => return error.into(),
        };
        Refusal::from(error).with_diagnosis(detail)
    }
}

fn cut(value: &str) -> String {
    value.chars().take(MAX_CHARS).collect()
}

impl Detail {
    /// Values of the API's own configuration.
    pub(crate) fn expected(&self) -> &[String] {
        match self {
            Detail::Issuer { expected, .. }
            | Detail::Audience { expected, .. }
            | Detail::Algorithms(expected) => expected,
            Detail::Text(_) | Detail::Field(_) | Detail::Policy(_) | Detail::Times { .. } => &[],
        }
    }

    /// Says what is wrong. Values of the token appear only if they are asked for.
    pub(crate) fn text(&self, with_token_values: bool) -> String {
        match self {
            Detail::Text(text) => (*text).to_owned(),
            Detail::Field(text) | Detail::Policy(text) => text.clone(),
            Detail::Algorithms(expected) => format!("this API accepts {expected:?}"),
            // `Debug` of a string escapes what could break a log.
            Detail::Issuer { expected, found } => {
                let accepts = match &expected[..] {
                    [] => {
                        "the domains resolver does not return its domain, or it is not written as \
                           https://host/ or https://host:port/"
                            .to_owned()
                    }
                    expected => format!("this API accepts {expected:?}"),
                };
                if with_token_values {
                    format!("the issuer of the token is {found:?}; {accepts}")
                } else {
                    accepts
                }
            }
            Detail::Audience {
                expected,
                found,
                client,
                is_id_token,
            } => {
                let mut text = format!("this API accepts {expected:?}");
                if with_token_values {
                    text = format!("the audience of the token is {found:?}; {text}");
                }
                let trimmed = |text: &String| text.trim_end_matches('/').to_ascii_lowercase();
                let is_close =
                    |text: &String| expected.iter().any(|it| trimmed(it) == trimmed(text));
                if found.iter().any(is_close) {
                    text.push_str("; they differ only by a slash at the end or in case");
                }
                if *is_id_token {
                    text.push_str(
                        "; it looks like an ID token: the client must send its access token",
                    );
                }
                if let (true, Some(client)) = (with_token_values, client) {
                    text.push_str(&format!("; the client is {client:?}"));
                }
                text
            }
            Detail::Times {
                now,
                expires_at,
                not_before,
            } => {
                let mut text = format!("the time is {}", now.as_seconds());
                let seconds = |time: &Option<NumericDate>| {
                    let time = time.as_ref().filter(|_| with_token_values)?;
                    Some(time.as_seconds())
                };
                if let Some(exp) = seconds(expires_at) {
                    text.push_str(&format!("; the token expires at {exp}"));
                }
                if let Some(nbf) = seconds(not_before) {
                    text.push_str(&format!("; it is valid from {nbf}"));
                }
                text
            }
        }
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Detail").finish_non_exhaustive()
    }
}
