//! Extra parameters: those that no standard defines.

use std::borrow::Cow;
use std::fmt;

use crate::RequestError;

/// The maximum number of values of one extra parameter: 20.
pub const MAX_EXTRA_VALUES: usize = 20;

/// The names that an extra parameter must not have, in upper or lower case. They decide who requests what.
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

/// A value of an extra parameter: a string, a number or a boolean.
///
/// Booleans are sent as `True` and `False`, and a whole float as `1.0`, as the Python package
/// `auth0-api-python` does.
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
/// `None` and nested lists are not values. The Python package sends them as the texts `None` and
/// `['a']`.
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

/// Shows no value, because it may be a credential.
impl fmt::Debug for ExtraValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ExtraValue(..)")
    }
}

/// Extra parameters by name, in the order in which they were last set.
#[derive(Clone, Default)]
pub(crate) struct ExtraParameters<'a>(Vec<(&'a str, Vec<ExtraValue<'a>>)>);

impl<'a> ExtraParameters<'a> {
    pub(crate) fn set(&mut self, name: &'a str, values: impl Iterator<Item = ExtraValue<'a>>) {
        self.0.retain(|(other, _)| *other != name);
        // Keeps one value too many, so that `validate` notices, and never reads an endless
        // iterator.
        let values = values.take(MAX_EXTRA_VALUES.saturating_add(1)).collect();
        self.0.push((name, values));
    }

    pub(crate) fn validate(&self) -> Result<(), RequestError> {
        self.0.iter().try_for_each(|(name, values)| {
            if let Some(reserved) = RESERVED.iter().find(|it| it.eq_ignore_ascii_case(name)) {
                return Err(RequestError::ReservedParameter(reserved));
            }
            if name.is_empty() || !name.bytes().all(is_name_character) {
                return Err(RequestError::ParameterName);
            }
            if values.len() > MAX_EXTRA_VALUES {
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

/// RFC 6749 appendix A, `name-char`. Some servers read `scope[]` or ` scope` as `scope`, so other
/// characters would allow to set reserved parameters.
fn is_name_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}
