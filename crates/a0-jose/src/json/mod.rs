//! Strict parsing of JSON objects: a duplicate member name is an error at any depth.
//!
//! RFC 7515 section 4 and RFC 7519 section 4 allow a parser to refuse duplicate names or to use the
//! last one. An object without duplicates is read the same way by every parser.

mod document;
mod parse;

pub use document::{Members, Node};
pub use parse::JsonError;

pub(crate) use document::Document;

use serde_json::{Map, Value};

/// Parses one JSON object with nothing after it.
///
/// A number beyond the range of an `f64` is an error. The order of members is not kept.
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
