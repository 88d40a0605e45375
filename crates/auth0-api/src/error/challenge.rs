//! `WWW-Authenticate` challenges, RFC 9110 section 11.6.1 and RFC 6750 section 3.

use std::fmt;

use http::HeaderValue;

/// One challenge: a scheme and its parameters, each name at most once.
///
/// Values contain only the characters that RFC 6750 section 3 allows, so a challenge is always a valid
/// field value and never needs escaping.
///
/// ```
/// use auth0_api::Challenge;
///
/// let mut challenge = Challenge::bearer();
/// challenge.set("realm", "api")?;
/// challenge.set("scope", "read:things")?;
/// assert_eq!(challenge.to_string(), r#"Bearer realm="api", scope="read:things""#);
/// assert!(challenge.set("realm", "say \"api\"").is_err());
/// # Ok::<(), auth0_api::InvalidParameter>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    scheme: &'static str,
    parameters: Vec<(&'static str, String)>,
}

impl Challenge {
    /// Creates a `Bearer` challenge without parameters (RFC 6750 section 3).
    pub fn bearer() -> Self {
        Challenge {
            scheme: "Bearer",
            parameters: Vec::new(),
        }
    }

    /// Creates a `DPoP` challenge without parameters (RFC 9449 section 7.1).
    pub fn dpop() -> Self {
        Challenge {
            scheme: "DPoP",
            parameters: Vec::new(),
        }
    }

    /// The name of the scheme.
    pub fn scheme(&self) -> &str {
        self.scheme
    }

    /// Returns the value of a parameter. The case of the name does not matter (RFC 9110 section 11.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(present, _)| present.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Sets a parameter. It replaces a parameter of the same name.
    ///
    /// # Errors
    ///
    /// [`InvalidParameter`] if the name is not a token (RFC 9110 section 5.6.2), or if the value contains a
    /// quote, a backslash, a control character or a character outside ASCII.
    pub fn set(&mut self, name: &'static str, value: &str) -> Result<(), InvalidParameter> {
        if name.is_empty() || !name.bytes().all(is_token) || !value.chars().all(is_value) {
            return Err(InvalidParameter);
        }
        self.set_cleaned(name, value);
        Ok(())
    }

    /// Sets a parameter, and drops the characters that a value must not contain.
    pub(crate) fn set_cleaned(&mut self, name: &'static str, value: &str) {
        let value = cleaned(value.to_owned());
        match self
            .parameters
            .iter_mut()
            .find(|(present, _)| present.eq_ignore_ascii_case(name))
        {
            Some(parameter) => parameter.1 = value,
            None => self.parameters.push((name, value)),
        }
    }

    pub(crate) fn to_header_value(&self) -> HeaderValue {
        // This never fails: names and values contain printable ASCII only.
        HeaderValue::from_str(&self.to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.scheme)?;
        let mut separator = " ";
        for (name, value) in &self.parameters {
            write!(formatter, "{separator}{name}=\"{value}\"")?;
            separator = ", ";
        }
        Ok(())
    }
}

/// RFC 9110 section 5.6.2.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// RFC 6750 section 3: %x20-21 / %x23-5B / %x5D-7E.
pub(crate) fn is_value(character: char) -> bool {
    matches!(character, ' ' | '!' | '#'..='[' | ']'..='~')
}

/// Drops the characters that RFC 6750 section 3 does not allow.
pub(crate) fn cleaned(mut text: String) -> String {
    // Collecting the characters into a new string would reallocate it about five times.
    text.retain(is_value);
    text
}

/// A name or a value that a challenge cannot contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a challenge parameter: a value may contain printable ASCII without quotes and backslashes"
)]
#[non_exhaustive]
pub struct InvalidParameter;
