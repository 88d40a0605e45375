//! The body of an answer: one JSON object, each member once.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::InvalidResponse;
use crate::secret::Secret;

/// The largest body that is read, in bytes: 1 MiB. An answer has a few kilobytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// The seconds that a token counts as good for where the answer does not say it: 3600.
pub const DEFAULT_EXPIRES_IN: u64 = 3600;

/// The members, cut out unread. What nobody asks for is never looked into.
pub(crate) struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    /// `None` for what is not one JSON object in UTF-8, or has a member name twice.
    pub(crate) fn parse(body: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        serde_json::from_str(text).ok()
    }

    /// `None` for a member that is absent, and for one that is no string.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    pub(crate) fn access_token(&self) -> Result<Secret, InvalidResponse> {
        self.text("access_token")
            .filter(|token| !token.is_empty())
            .map(Secret::new)
            .ok_or(InvalidResponse::AccessToken)
    }

    /// A member that may be left out or null.
    pub(crate) fn optional(&self, name: &'static str) -> Result<Option<String>, InvalidResponse> {
        let present = self.0.get(name).filter(|raw| raw.get() != "null");
        match (present, self.text(name)) {
            (Some(_), None) => Err(InvalidResponse::Member(name)),
            (_, text) => Ok(text),
        }
    }

    /// Seconds: a number, of which the fraction is dropped, or a string of digits. What is beyond
    /// the range of `u64` is its end.
    pub(crate) fn expires_in(&self) -> Result<Option<u64>, InvalidResponse> {
        let Some(raw) = self.0.get("expires_in").map(|raw| raw.get()) else {
            return Ok(None);
        };
        let number = match self.text("expires_in") {
            Some(text) if is_integer(&text) => text,
            None if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => raw.to_owned(),
            _ => return Err(InvalidResponse::ExpiresIn),
        };
        if let Ok(seconds) = number.parse() {
            return Ok(Some(seconds));
        }
        match number.parse::<f64>().map(f64::trunc) {
            Ok(seconds) if seconds < 0.0 => Err(InvalidResponse::NegativeExpiresIn),
            // A float-to-integer cast saturates.
            Ok(seconds) => Ok(Some(seconds as u64)),
            Err(_) => Err(InvalidResponse::ExpiresIn),
        }
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit())
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, value)) = access.next_entry()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member name twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}
