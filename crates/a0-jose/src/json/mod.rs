//! JSON objects, parsed strictly: a member name that comes twice is an error at any depth.
//!
//! RFC 7515 section 4 and RFC 7519 section 4 leave a choice between refusing duplicate names and
//! letting the last one win. Refusing is the one that no second parser can read differently.

mod document;
mod parse;

pub use document::{Members, Node};

pub(crate) use document::Document;

use serde_json::{Map, Value};

/// Why a text is not one JSON object. Says nothing of the text itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON in UTF-8, more than one value, nested deeper than 128, or not an object.
    #[error("not one JSON object")]
    NotAnObject,
    /// A member name comes twice in one object, at any depth.
    #[error("a JSON object holds a member name twice")]
    DuplicateMember,
}

/// Parses one JSON object with nothing after it.
///
/// Numbers out of the range of an `f64` are refused. The order of members is not kept.
///
/// ```
/// use a0_jose::json::{JsonError, parse_object};
///
/// assert_eq!(parse_object(br#"{"a":[1,2]}"#)?["a"][1], 2);
/// assert_eq!(parse_object(br#"{"a":{"b":1,"b":1}}"#), Err(JsonError::DuplicateMember));
/// assert_eq!(parse_object(b"{} {}"), Err(JsonError::NotAnObject));
/// # Ok::<(), JsonError>(())
/// ```
///
/// # Errors
///
/// [`JsonError`].
pub fn parse_object(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
    Ok(Document::parse(text.to_vec())?.to_map())
}
