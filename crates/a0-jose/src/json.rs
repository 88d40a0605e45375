//! JSON objects, parsed strictly: a member name that comes twice is an error at any depth.
//!
//! RFC 7515 section 4 and RFC 7519 section 4 leave a choice between refusing duplicate names and
//! letting the last one win. Refusing is the one that no second parser can read differently.

use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

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
    let duplicate_seen = Cell::new(false);
    let seed = StrictValue {
        duplicate_seen: &duplicate_seen,
        is_outermost: true,
    };
    // All of it at once: of octets, each string would be looked through by itself.
    let text = std::str::from_utf8(text).map_err(|_| JsonError::NotAnObject)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(Value::Object(object)) => Ok(object),
        Err(_) if duplicate_seen.get() => Err(JsonError::DuplicateMember),
        Ok(_) | Err(_) => Err(JsonError::NotAnObject),
    }
}

/// A member of an object that is usually small: to look at a few names is quicker than to hash one.
pub(crate) fn member<'o>(object: &'o Map<String, Value>, name: &str) -> Option<&'o Value> {
    if object.len() > 2 * USUAL_MEMBERS {
        return object.get(name);
    }
    let [member] = members(object, [name]);
    member
}

/// The members of these names, each `None` where it is not there, found in one pass over the object:
/// to look for each by itself takes several times as long.
///
/// ```
/// let object = a0_jose::json::parse_object(br#"{"a":1,"b":null}"#)?;
/// let [a, b, c] = a0_jose::json::members(&object, ["a", "b", "c"]);
/// assert!(a.is_some() && b.is_some() && c.is_none());
/// # Ok::<(), a0_jose::json::JsonError>(())
/// ```
pub fn members<'o, const N: usize>(
    object: &'o Map<String, Value>,
    names: [&str; N],
) -> [Option<&'o Value>; N] {
    let mut members = [None; N];
    for (present, value) in object {
        let first = present.as_bytes().first();
        let mut wanted = members.iter_mut().zip(names);
        // Names are mostly told apart by their first octet, without a call to compare the rest.
        let found = wanted.find(|(_, name)| name.as_bytes().first() == first && present == name);
        if let Some((member, _)) = found {
            *member = Some(value);
        }
    }
    members
}

/// Room for so many members is taken at once in the outermost object; headers have fewer, access tokens
/// some more.
const USUAL_MEMBERS: usize = 8;

#[derive(Clone, Copy)]
struct StrictValue<'c> {
    duplicate_seen: &'c Cell<bool>,
    is_outermost: bool,
}

impl StrictValue<'_> {
    /// For what is inside.
    fn inner(self) -> Self {
        StrictValue {
            is_outermost: false,
            ..self
        }
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self.inner())? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        // Not for those inside, or a text of many small objects would take a kilobyte for each.
        let mut object = match self.is_outermost {
            true => Map::with_capacity(USUAL_MEMBERS),
            false => Map::new(),
        };
        while let Some(name) = access.next_key_seed(NameSeed)? {
            let Name::Text(name) = name else {
                return number(&access.next_value::<String>()?).map(Value::Number);
            };
            let value = access.next_value_seed(self.inner())?;
            if object.insert(name, value).is_some() {
                self.duplicate_seen.set(true);
                return Err(de::Error::custom("duplicate member name"));
            }
        }
        Ok(Value::Object(object))
    }
}

/// A member name, or the mark of a number.
///
/// Another crate of the build may switch on serde_json's `arbitrary_precision`. A number then
/// arrives as a map with one made-up name, which a token could also contain as text. The two are
/// told apart by how they arrive, not by the name: text offers itself as a newtype, the mark does
/// not.
enum Name {
    Text(String),
    NumberMark,
}

struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_newtype_struct("Name", self)
    }
}

impl<'de> Visitor<'de> for NameSeed {
    type Value = Name;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member name")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, text: D) -> Result<Name, D::Error> {
        String::deserialize(text).map(Name::Text)
    }

    fn visit_str<E>(self, _mark: &str) -> Result<Name, E> {
        Ok(Name::NumberMark)
    }
}

/// A number of valid JSON grammar, to the nearest of `i64`, `u64` and `f64`.
fn number<E: de::Error>(text: &str) -> Result<Number, E> {
    if let Ok(value) = text.parse::<i64>() {
        return Ok(value.into());
    }
    if let Ok(value) = text.parse::<u64>() {
        return Ok(value.into());
    }
    text.parse::<f64>()
        .ok()
        .and_then(Number::from_f64)
        .ok_or_else(|| E::custom("number out of range"))
}
