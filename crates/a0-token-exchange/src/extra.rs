//! Parameters beyond those of the standards.

use std::borrow::Cow;
use std::fmt;

use crate::RequestError;

/// The most values that one extra parameter may have.
pub const MAX_VALUES: usize = 20;

/// What an extra parameter must not be called, in whatever case: these say who asks for what.
const RESERVED: &[&str] = &[
    "grant_type",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "subject_token",
    "subject_token_type",
    "requested_token_type",
    "actor_token",
    "actor_token_type",
    "subject_issuer",
    "audience",
    "aud",
    "resource",
    "resources",
    "resource_indicator",
    "scope",
    "connection",
    "login_hint",
    "organization",
    "assertion",
];

/// A value of an extra parameter: a text, a number or a boolean, as the text that is sent.
///
/// Booleans are `True` and `False`, and a float always has its point, as the Python package
/// `auth0-api-python` sends them.
///
/// ```
/// use a0_token_exchange::{ExtraValue, TokenExchange};
///
/// let values: [ExtraValue; 3] = ["a".into(), 7.into(), true.into()];
/// let request = TokenExchange::new("the-subject-token", "urn:example:legacy")
///     .extra("device", "kiosk 4")
///     .extra_list("labels", values);
/// # let _ = request;
/// ```
///
/// `None` is no value, and neither is a list in a list. The Python package sends them as the texts
/// `None` and `['a']`.
///
/// ```compile_fail,E0277
/// # use a0_token_exchange::TokenExchange;
/// let request = TokenExchange::new("the-subject-token", "urn:example:legacy");
/// let request = request.extra("device", None::<&str>);
/// ```
///
/// ```compile_fail,E0277
/// # use a0_token_exchange::TokenExchange;
/// let request = TokenExchange::new("the-subject-token", "urn:example:legacy");
/// let request = request.extra_list("labels", [["a"]]);
/// ```
#[derive(Clone)]
pub struct ExtraValue<'a>(Cow<'a, str>);

impl ExtraValue<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for ExtraValue<'a> {
    fn from(text: &'a str) -> Self {
        ExtraValue(text.into())
    }
}

impl From<bool> for ExtraValue<'_> {
    fn from(value: bool) -> Self {
        ExtraValue(if value { "True" } else { "False" }.into())
    }
}

impl From<i32> for ExtraValue<'_> {
    fn from(value: i32) -> Self {
        i64::from(value).into()
    }
}

impl From<i64> for ExtraValue<'_> {
    fn from(value: i64) -> Self {
        ExtraValue(value.to_string().into())
    }
}

impl From<u64> for ExtraValue<'_> {
    fn from(value: u64) -> Self {
        ExtraValue(value.to_string().into())
    }
}

impl From<f64> for ExtraValue<'_> {
    fn from(value: f64) -> Self {
        ExtraValue(format!("{value:?}").into())
    }
}

/// Shows nothing: it may be a credential.
impl fmt::Debug for ExtraValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ExtraValue(..)")
    }
}

/// Parameters by name; a name that is set again replaces what it had.
#[derive(Clone, Default)]
pub(crate) struct Extra<'a>(Vec<(&'a str, Vec<ExtraValue<'a>>)>);

impl<'a> Extra<'a> {
    pub(crate) fn set(&mut self, name: &'a str, values: impl Iterator<Item = ExtraValue<'a>>) {
        self.0.retain(|(present, _)| *present != name);
        // One more than allowed shows that there are too many.
        let values = values.take(MAX_VALUES.saturating_add(1)).collect();
        self.0.push((name, values));
    }

    pub(crate) fn validate(&self) -> Result<(), RequestError> {
        self.0.iter().try_for_each(|(name, values)| {
            if let Some(reserved) = RESERVED.iter().find(|it| it.eq_ignore_ascii_case(name)) {
                return Err(RequestError::ReservedParameter(reserved));
            }
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(RequestError::ParameterName);
            }
            if values.len() > MAX_VALUES {
                return Err(RequestError::TooManyValues((*name).to_owned()));
            }
            Ok(())
        })
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .flat_map(|(name, values)| values.iter().map(|value| (*name, value.as_str())))
    }
}

/// RFC 6749 appendix A, `name-char`. Servers that read `scope[]` or ` scope` as `scope` exist: with
/// such names the reserved ones could be set after all.
fn is_name(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._".contains(&octet)
}
