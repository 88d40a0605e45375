//! From a text to a [`Document`], by `serde_json`'s parser and with none of its values.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::JsonError;
use super::document::{Document, Kind, Slot, Text, same};

/// Up to so many members, to compare a name with each costs less than to hash it. Beyond, comparing
/// would take a time that grows with their square.
const FEW_MEMBERS: usize = 16;

/// Octets of a text for each value in it, rather less than there are in a token.
const OCTETS_PER_VALUE: usize = 24;

impl Document {
    /// Parses one JSON object with nothing after it.
    pub(crate) fn parse(text: Vec<u8>) -> Result<Self, JsonError> {
        // All of it at once: of octets, each string would be looked through by itself.
        let mut text = String::from_utf8(text).map_err(|_| JsonError::NotAnObject)?;
        // Slots count in `u32`, and there are fewer of them than octets; what had escapes is written
        // once more.
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

const NO_NAME: Text = Text { start: 0, end: 0 };

/// A document in the making.
struct Outline<'t> {
    text: &'t str,
    /// What was written with escapes, to be put behind the text.
    unescaped: String,
    slots: Vec<Slot>,
    duplicate_seen: bool,
}

impl<'t> Outline<'t> {
    fn push(&mut self, name: Text, kind: Kind) -> usize {
        let at = self.slots.len();
        let end = place(at.saturating_add(1));
        self.slots.push(Slot { name, kind, end });
        at
    }

    /// All that came after the slot at this place is in it.
    fn close(&mut self, at: usize) {
        let end = place(self.slots.len());
        if let Some(slot) = self.slots.get_mut(at) {
            slot.end = end;
        }
    }

    /// Where a part of the text lies. A `str` ends where characters end, so its bounds are all that is to
    /// be seen.
    fn locate(&mut self, part: &'t str) -> Text {
        let start = (part.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let end = start.wrapping_add(part.len());
        match start <= end && end <= self.text.len() {
            true => Text {
                start: place(start),
                end: place(end),
            },
            false => self.keep(part),
        }
    }

    /// What does not stand in the text as it is.
    fn keep(&mut self, part: &str) -> Text {
        let start = self.text.len().saturating_add(self.unescaped.len());
        self.unescaped.push_str(part);
        Text {
            start: place(start),
            end: place(start.saturating_add(part.len())),
        }
    }

    fn octets(&self, part: Text) -> &[u8] {
        let Some(Range { start, end }) = part.range() else {
            return &[];
        };
        let in_unescaped = || {
            let before = self.text.len();
            let range = start.checked_sub(before)?..end.checked_sub(before)?;
            self.unescaped.as_bytes().get(range)
        };
        let in_text = self.text.as_bytes().get(start..end);
        in_text.or_else(in_unescaped).unwrap_or_default()
    }

    /// The names in the object at this place.
    fn names(&self, object: usize) -> impl Iterator<Item = &[u8]> {
        let mut next = object.saturating_add(1);
        std::iter::from_fn(move || {
            let slot = self.slots.get(next)?;
            next = slot.end.try_into().ok()?;
            Some(self.octets(slot.name))
        })
    }
}

/// Whatever a document holds, its places are below the end that [`Document::parse`] asks for.
fn place(place: usize) -> u32 {
    place.try_into().unwrap_or(u32::MAX)
}

struct ValueSeed<'o, 't> {
    outline: &'o mut Outline<'t>,
    name: Text,
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
        let text = self.outline.locate(value);
        self.scalar(Kind::String(text))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let text = self.outline.keep(value);
        self.scalar(Kind::String(text))
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
        let mut marks = 0;
        let mut many = HashSet::new();
        while let Some(name) = access.next_key_seed(NameSeed {
            outline: &mut *outline,
        })? {
            let Name::Text { at: name, mark } = name else {
                let kind = number(&access.next_value::<String>()?)?;
                if let Some(slot) = outline.slots.get_mut(object) {
                    slot.kind = kind;
                }
                return Ok(());
            };
            let is_new = if members < FEW_MEMBERS {
                marks & mark == 0 || {
                    let name = outline.octets(name);
                    !outline.names(object).any(|present| same(present, name))
                }
            } else {
                if many.is_empty() {
                    many.extend(outline.names(object).map(<[u8]>::to_vec));
                }
                many.insert(outline.octets(name).to_vec())
            };
            if !is_new {
                outline.duplicate_seen = true;
                return Err(de::Error::custom("duplicate member name"));
            }
            marks |= mark;
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

/// One of 64 bits, the same for the same name, so that names of different bits need not be compared. The
/// usual claims have a bit each, but for a few.
fn mark(name: &[u8]) -> u64 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return 1;
    };
    let [.., length] = name.len().to_be_bytes();
    let mixed = length.wrapping_mul(7) ^ first.wrapping_mul(5) ^ last.wrapping_mul(11);
    1_u64.rotate_left(mixed.into())
}

/// A member name, or the mark of a number.
///
/// Another crate of the build may switch on serde_json's `arbitrary_precision`. A number then
/// arrives as a map with one made-up name, which a token could also contain as text. The two are
/// told apart by how they arrive, not by the name: text offers itself as a newtype, the mark does
/// not.
enum Name {
    Text {
        at: Text,
        /// See [`mark`].
        mark: u64,
    },
    NumberMark,
}

impl Name {
    fn new(at: Text, text: &str) -> Self {
        Name::Text {
            at,
            mark: mark(text.as_bytes()),
        }
    }
}

struct NameSeed<'o, 't> {
    outline: &'o mut Outline<'t>,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_, 'de> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_newtype_struct("Name", self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_, 'de> {
    type Value = Name;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member name")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, text: D) -> Result<Name, D::Error> {
        text.deserialize_str(NameVisitor(self.outline))
    }

    fn visit_str<E>(self, _mark: &str) -> Result<Name, E> {
        Ok(Name::NumberMark)
    }
}

struct NameVisitor<'o, 't>(&'o mut Outline<'t>);

impl<'de> Visitor<'de> for NameVisitor<'_, 'de> {
    type Value = Name;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Name, E> {
        Ok(Name::new(self.0.locate(value), value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Name, E> {
        Ok(Name::new(self.0.keep(value), value))
    }
}

/// A number of valid JSON grammar, to the nearest of `i64`, `u64` and `f64`.
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
    match number.is_finite() {
        true => Ok(Kind::Float(number)),
        false => Err(E::custom("number out of range")),
    }
}
