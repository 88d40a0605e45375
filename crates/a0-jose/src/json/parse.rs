//! Parses a text into a [`Document`], with `serde_json`'s parser but without its `Value`.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Document, Kind, Name, NameClass, Slot, Span};

/// Up to this many members, comparing a name with each is faster than hashing it. With more
/// members, comparing would take quadratic time.
const FEW_MEMBERS: usize = 16;

/// Octets of text per value, a little below the average in tokens. Used to size the list of slots.
const OCTETS_PER_VALUE: usize = 24;

impl Document {
    /// Parses one JSON object with nothing after it.
    pub(crate) fn parse(text: Vec<u8>) -> Result<Self, JsonError> {
        // Validates UTF-8 once for the whole text. From octets, `serde_json` would do so per
        // string.
        let mut text = String::from_utf8(text).map_err(|_| JsonError::NotAnObject)?;
        // Slots and spans use `u32`. There are fewer slots than octets, and strings with escapes
        // are stored a second time.
        if u32::try_from(text.len().saturating_mul(2)).is_err() {
            return Err(JsonError::NotAnObject);
        }
        let mut outline = Outline {
            text: &text,
            unescaped: String::new(),
            slots: Vec::with_capacity(text.len() / OCTETS_PER_VALUE + 4),
            duplicate_seen: false,
        };
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        let root = ValueSeed {
            outline: &mut outline,
            name: NO_NAME,
        };
        let parsed = root
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        let Outline {
            unescaped,
            slots,
            duplicate_seen,
            ..
        } = outline;
        let is_object = matches!(slots.first(), Some(slot) if matches!(slot.kind, Kind::Object));
        match parsed {
            Ok(()) if is_object => {
                text.push_str(&unescaped);
                Ok(Document { text, slots })
            }
            Err(_) if duplicate_seen => Err(JsonError::DuplicateMember),
            Ok(()) | Err(_) => Err(JsonError::NotAnObject),
        }
    }
}

const NO_NAME: Name = Name {
    span: Span { start: 0, end: 0 },
    class: NameClass(0),
};

/// A document during parsing.
struct Outline<'t> {
    text: &'t str,
    /// The strings that had escapes, without the escapes. They are appended to the text at the end.
    unescaped: String,
    slots: Vec<Slot>,
    duplicate_seen: bool,
}

impl<'t> Outline<'t> {
    fn push(&mut self, name: Name, kind: Kind) -> usize {
        let index = self.slots.len();
        let end = to_u32(index.saturating_add(1));
        self.slots.push(Slot { name, kind, end });
        index
    }

    /// Ends the array or object at this index. All later slots are inside it.
    fn close(&mut self, index: usize) {
        let end = to_u32(self.slots.len());
        if let Some(slot) = self.slots.get_mut(index) {
            slot.end = end;
        }
    }

    /// Returns the span of a borrowed part of the text. Both are `str`, so a part within the bounds
    /// begins and ends between characters.
    fn locate(&mut self, part: &'t str) -> Span {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let end = start.wrapping_add(part.len());
        if start <= end && end <= self.text.len() {
            Span {
                start: to_u32(start),
                end: to_u32(end),
            }
        } else {
            self.store(part)
        }
    }

    /// Stores a string that had escapes, and returns its span.
    fn store(&mut self, part: &str) -> Span {
        let start = self.text.len().saturating_add(self.unescaped.len());
        self.unescaped.push_str(part);
        Span {
            start: to_u32(start),
            end: to_u32(start.saturating_add(part.len())),
        }
    }

    fn octets(&self, span: Span) -> &[u8] {
        let Some(Range { start, end }) = span.range() else {
            return &[];
        };
        let in_unescaped = || {
            let offset = self.text.len();
            let range = start.checked_sub(offset)?..end.checked_sub(offset)?;
            self.unescaped.as_bytes().get(range)
        };
        let in_text = self.text.as_bytes().get(start..end);
        in_text.or_else(in_unescaped).unwrap_or_default()
    }

    /// Iterates over the names in the object at this index.
    fn names(&self, object: usize) -> impl Iterator<Item = &[u8]> {
        let mut next = object.saturating_add(1);
        std::iter::from_fn(move || {
            let slot = self.slots.get(next)?;
            next = slot.end.try_into().ok()?;
            Some(self.octets(slot.name.span))
        })
    }
}

/// [`Document::parse`] refuses texts for which this could saturate.
fn to_u32(index: usize) -> u32 {
    index.try_into().unwrap_or(u32::MAX)
}

struct ValueSeed<'o, 't> {
    outline: &'o mut Outline<'t>,
    name: Name,
}

impl ValueSeed<'_, '_> {
    fn scalar<E>(self, kind: Kind) -> Result<(), E> {
        self.outline.push(self.name, kind);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.scalar(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.scalar(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.scalar(Kind::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.scalar(Kind::Unsigned(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        let kind = finite(value)?;
        self.scalar(kind)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<(), E> {
        let span = self.outline.locate(value);
        self.scalar(Kind::String(span))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let span = self.outline.store(value);
        self.scalar(Kind::String(span))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let ValueSeed { outline, name } = self;
        let array = outline.push(name, Kind::Array);
        loop {
            let item = ValueSeed {
                outline: &mut *outline,
                name: NO_NAME,
            };
            if access.next_element_seed(item)?.is_none() {
                outline.close(array);
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let ValueSeed { outline, name } = self;
        let object = outline.push(name, Kind::Object);
        let mut members = 0_usize;
        let mut seen_classes = 0;
        let mut seen_names = HashSet::new();
        while let Some(name) = access.next_key_seed(KeySeed {
            outline: &mut *outline,
        })? {
            let Key::Name(name) = name else {
                let kind = number(&access.next_value::<String>()?)?;
                if let Some(slot) = outline.slots.get_mut(object) {
                    slot.kind = kind;
                }
                return Ok(());
            };
            let is_new = if members < FEW_MEMBERS {
                seen_classes & name.class.bit() == 0 || {
                    let name = outline.octets(name.span);
                    !outline.names(object).any(|present| present == name)
                }
            } else {
                if seen_names.is_empty() {
                    seen_names.extend(outline.names(object).map(<[u8]>::to_vec));
                }
                seen_names.insert(outline.octets(name.span).to_vec())
            };
            if !is_new {
                outline.duplicate_seen = true;
                return Err(de::Error::custom("duplicate member name"));
            }
            seen_classes |= name.class.bit();
            members = members.saturating_add(1);
            access.next_value_seed(ValueSeed {
                outline: &mut *outline,
                name,
            })?;
        }
        outline.close(object);
        Ok(())
    }
}

/// A member name, or serde_json's marker for a number.
///
/// Another crate in the build may enable serde_json's `arbitrary_precision`. A number then arrives
/// as a map with one special name, and a token could contain that name as text. The two are
/// distinguished by how serde_json presents them, not by the name: it passes text through
/// `visit_newtype_struct`, and the marker directly to `visit_str`.
enum Key {
    Name(Name),
    NumberMarker,
}

impl Key {
    fn new(span: Span, text: &str) -> Self {
        let class = NameClass::of(text);
        Key::Name(Name { span, class })
    }
}

struct KeySeed<'o, 't> {
    outline: &'o mut Outline<'t>,
}

impl<'de> DeserializeSeed<'de> for KeySeed<'_, 'de> {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_newtype_struct("Name", self)
    }
}

impl<'de> Visitor<'de> for KeySeed<'_, 'de> {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member name")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, text: D) -> Result<Key, D::Error> {
        text.deserialize_str(KeyVisitor(self.outline))
    }

    fn visit_str<E>(self, _marker: &str) -> Result<Key, E> {
        Ok(Key::NumberMarker)
    }
}

struct KeyVisitor<'o, 't>(&'o mut Outline<'t>);

impl<'de> Visitor<'de> for KeyVisitor<'_, 'de> {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Key, E> {
        Ok(Key::new(self.0.locate(value), value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Key, E> {
        Ok(Key::new(self.0.store(value), value))
    }
}

/// Parses a number that is valid JSON, as an `i64` or `u64` if it fits, else as the nearest `f64`.
fn number<E: de::Error>(text: &str) -> Result<Kind, E> {
    if let Ok(value) = text.parse() {
        return Ok(Kind::Signed(value));
    }
    if let Ok(value) = text.parse() {
        return Ok(Kind::Unsigned(value));
    }
    finite(text.parse().unwrap_or(f64::INFINITY))
}

fn finite<E: de::Error>(number: f64) -> Result<Kind, E> {
    if number.is_finite() {
        Ok(Kind::Float(number))
    } else {
        Err(E::custom("number out of range"))
    }
}

/// The error for a text that is not one JSON object. It holds no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is not JSON in UTF-8, has more than one value, is nested deeper than 128, has a
    /// number beyond the range of an `f64`, or is not an object.
    #[error("not one JSON object")]
    NotAnObject,
    /// An object has a duplicate member name, at any depth.
    #[error("a JSON object holds a member name twice")]
    DuplicateMember,
}
