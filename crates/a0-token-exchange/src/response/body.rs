//! The body of a response: one JSON object without duplicate members.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::invalid::InvalidResponse;
use crate::secret::Secret;

/// The maximum size of a response body, in bytes: 1 MiB. Servers send a few kilobytes.
pub const MAX_BODY_SIZE: usize = 1024 * 1024;

/// The members of the object, each as raw text. Members that nobody asks for are never parsed.
pub(crate) struct ResponseBody<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> ResponseBody<'a> {
    /// Returns `None` if `body` is not one JSON object in UTF-8, or has a duplicate member.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        serde_json::from_str(text).ok()
    }

    /// Returns the names of the members and their JSON text, in the order of the names.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), raw.get()))
    }

    /// Returns the string in this member, or `None` if it is absent or not a string.
    pub(crate) fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    pub(crate) fn access_token(&self) -> Result<Secret, InvalidResponse> {
        self.string("access_token")
            .filter(|token| !token.is_empty())
            .map(Secret::new)
            .ok_or(InvalidResponse::AccessToken)
    }

    /// Returns the string in this member, or `None` if it is absent or null.
    pub(crate) fn optional_string(
        &self,
        name: &'static str,
    ) -> Result<Option<String>, InvalidResponse> {
        let present = self.0.get(name).filter(|raw| raw.get() != "null");
        match (present, self.string(name)) {
            (Some(_), None) => Err(InvalidResponse::Member(name)),
            (_, string) => Ok(string),
        }
    }

    /// Returns the lifetime in seconds, or `None` if it is absent or null. It is a number, whose
    /// fraction is dropped, or a string of digits. A value above `u64::MAX` becomes `u64::MAX`.
    pub(crate) fn expires_in(&self) -> Result<Option<u64>, InvalidResponse> {
        let raw = match self.0.get("expires_in").map(|raw| raw.get()) {
            None | Some("null") => return Ok(None),
            Some(raw) => raw,
        };
        let number = match self.string("expires_in") {
            Some(string) if is_integer(&string) => string,
            None if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => raw.to_owned(),
            _ => return Err(InvalidResponse::ExpiresIn),
        };
        if let Ok(seconds) = number.parse() {
            return Ok(Some(seconds));
        }
        match number.parse::<f64>().map(f64::trunc) {
            Ok(seconds) if seconds < 0.0 => Err(InvalidResponse::NegativeExpiresIn),
            // A cast from float to integer saturates.
            Ok(seconds) => Ok(Some(seconds as u64)),
            Err(_) => Err(InvalidResponse::ExpiresIn),
        }
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

impl<'de> Deserialize<'de> for ResponseBody<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = ResponseBody<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = access.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("duplicate member"));
                    }
                }
                Ok(ResponseBody(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}
