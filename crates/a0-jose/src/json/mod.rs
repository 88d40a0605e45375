//! Strict parsing of JSON objects: a duplicate member name is an error at any depth.
//!
//! RFC 7515 section 4 and RFC 7519 section 4 allow a parser to refuse duplicate names or to use the
//! last one. An object without duplicates is read the same way by every parser.

mod parse;

pub use parse::JsonError;

use std::fmt;
use std::ops::Range;

use serde_json::{Map, Number, Value};

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

/// A JSON object: its text, and the position of each value in it.
///
/// Building a map of owned strings takes several times as long, and most callers read only a few
/// members of a token. A map is built on demand, from the parsed values and not from the text, so
/// no second parser ever reads the text.
#[derive(Clone)]
pub(crate) struct Document {
    /// The parsed text, followed by the strings that had escapes in it, without the escapes.
    text: String,
    /// Every value, before the values inside it. The first is the object itself.
    slots: Vec<Slot>,
}

/// One value, and its member name if it is in an object.
#[derive(Clone, Copy)]
struct Slot {
    name: Name,
    kind: Kind,
    /// The index of the next slot that is not inside this value.
    end: u32,
}

/// A member name.
#[derive(Clone, Copy)]
struct Name {
    span: Span,
    class: NameClass,
}

/// A hash of a name. Names of different classes are different, so they need not be compared. Most of the
/// usual claims have a class of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
struct NameClass(u8);

#[derive(Clone, Copy)]
enum Kind {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    /// Always finite.
    Float(f64),
    String(Span),
    Array,
    Object,
}

/// A range of a document's text, in bytes.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Document {
    /// The members of the outermost object.
    pub(crate) fn members(&self) -> Members<'_> {
        Members {
            document: self,
            first: 1,
            end: self.slots.len(),
        }
    }

    pub(crate) fn to_map(&self) -> Map<String, Value> {
        self.members().to_map()
    }

    fn text(&self, span: Span) -> &str {
        let range = span.range();
        range
            .and_then(|range| self.text.get(range))
            .unwrap_or_default()
    }
}

impl Span {
    fn range(self) -> Option<Range<usize>> {
        Some(self.start.try_into().ok()?..self.end.try_into().ok()?)
    }
}

impl NameClass {
    #[inline]
    fn of(name: &str) -> Self {
        let (Some(first), Some(last)) = (name.as_bytes().first(), name.as_bytes().last()) else {
            return NameClass(0);
        };
        let [.., length] = name.len().to_be_bytes();
        NameClass(length.wrapping_mul(7) ^ first.wrapping_mul(5) ^ last.wrapping_mul(11))
    }

    /// A bit for this class. Four classes have the same one.
    fn bit(self) -> u64 {
        1_u64.rotate_left(self.0.into())
    }
}

/// The members of an object. Their names are unique.
///
/// ```
/// use a0_jose::Compact;
/// use a0_jose::json::Node;
///
/// // {"iss":"joe","act":{"sub":"app"},"n":7}
/// let token = "e30.eyJpc3MiOiJqb2UiLCJhY3QiOnsic3ViIjoiYXBwIn0sIm4iOjd9.";
/// let claims = Compact::parse(token, 100)?.decode_payload()?;
/// let [issuer, actor] = claims.members().find(["iss", "act"]);
/// assert_eq!(issuer.and_then(Node::as_str), Some("joe"));
/// let subject = actor.and_then(Node::as_object).and_then(|actor| actor.get("sub"));
/// assert_eq!(subject.and_then(Node::as_str), Some("app"));
/// assert!(claims.members().names().eq(["iss", "act", "n"]));
/// # Ok::<(), a0_jose::ParseError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Members<'d> {
    document: &'d Document,
    first: usize,
    end: usize,
}

impl<'d> Members<'d> {
    /// Returns the member with this name.
    #[inline]
    pub fn get(self, name: &str) -> Option<Node<'d>> {
        let [member] = self.find([name]);
        member
    }

    /// Finds the members with these names in one pass. Absent members are `None`.
    // Inlined so that the classes of literal names are computed at compile time.
    #[inline]
    pub fn find<const N: usize>(self, names: [&str; N]) -> [Option<Node<'d>>; N] {
        let mut members = [None; N];
        let names = names.map(|name| (NameClass::of(name), name));
        let mut absent = N;
        for (index, slot) in self.slots() {
            let Name { span, class } = slot.name;
            let is_it =
                |name: &(NameClass, &str)| name.0 == class && name.1 == self.document.text(span);
            let position = names.iter().position(is_it);
            if let Some(member) = position.and_then(|position| members.get_mut(position)) {
                *member = Some(self.node(index, slot));
                absent = absent.saturating_sub(1);
                if absent == 0 {
                    break;
                }
            }
        }
        members
    }

    /// Iterates over the names, in the order of the text.
    pub fn names(self) -> impl Iterator<Item = &'d str> {
        self.iter().map(|(name, _)| name)
    }

    /// Returns the number of members.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Returns whether there are no members.
    pub fn is_empty(self) -> bool {
        self.first >= self.end
    }

    /// Iterates over names and values, in the order of the text.
    pub fn iter(self) -> impl Iterator<Item = (&'d str, Node<'d>)> + Clone {
        let slots = self.slots();
        slots.map(move |(index, slot)| (self.document.text(slot.name.span), self.node(index, slot)))
    }

    /// Iterates over the indexes and slots of this object's own values, without those inside them.
    fn slots(self) -> impl Iterator<Item = (usize, &'d Slot)> + Clone {
        let slots = self.document.slots.get(..self.end).unwrap_or_default();
        let mut next = self.first;
        std::iter::from_fn(move || {
            let index = next;
            let slot = slots.get(index)?;
            next = slot.end.try_into().ok()?;
            Some((index, slot))
        })
    }

    fn node(self, index: usize, slot: &'d Slot) -> Node<'d> {
        Node {
            document: self.document,
            slot,
            first: index.saturating_add(1),
        }
    }

    /// Returns the members as an owned map.
    pub(crate) fn to_map(self) -> Map<String, Value> {
        self.iter()
            .map(|(name, value)| (name.to_owned(), value.to_value()))
            .collect()
    }
}

/// Shows the names only. The values may be personal data.
impl fmt::Debug for Members<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.names()).finish()
    }
}

/// A JSON value in a header or in claims. The accessors return `None` for another type. `null` is a
/// type of its own. Use [`Members::get`] to distinguish an absent member from one of a wrong type.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document,
    slot: &'d Slot,
    /// The index after the slot's own.
    first: usize,
}

impl<'d> Node<'d> {
    /// Returns a string.
    pub fn as_str(self) -> Option<&'d str> {
        match self.slot.kind {
            Kind::String(text) => Some(self.document.text(text)),
            _ => None,
        }
    }

    /// Returns a number, rounded to the nearest `f64`.
    pub fn as_f64(self) -> Option<f64> {
        match self.slot.kind {
            Kind::Signed(number) => Some(number as f64),
            Kind::Unsigned(number) => Some(number as f64),
            Kind::Float(number) => Some(number),
            _ => None,
        }
    }

    /// Returns whether the value is `null`.
    pub fn is_null(self) -> bool {
        matches!(self.slot.kind, Kind::Null)
    }

    /// Returns the members of an object.
    pub fn as_object(self) -> Option<Members<'d>> {
        matches!(self.slot.kind, Kind::Object).then(|| self.inside())
    }

    /// Iterates over the items of an array.
    pub fn as_array(self) -> Option<impl Iterator<Item = Node<'d>> + Clone> {
        // Items of an array are stored as members without names.
        matches!(self.slot.kind, Kind::Array).then(|| self.inside().iter().map(|(_, item)| item))
    }

    /// Returns the value as an owned value.
    pub fn to_value(self) -> Value {
        match self.slot.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(value),
            Kind::Signed(number) => Value::Number(number.into()),
            Kind::Unsigned(number) => Value::Number(number.into()),
            Kind::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
            Kind::String(text) => Value::String(self.document.text(text).to_owned()),
            Kind::Array => {
                let items = self.inside().iter();
                Value::Array(items.map(|(_, item)| item.to_value()).collect())
            }
            Kind::Object => Value::Object(self.inside().to_map()),
        }
    }

    fn inside(self) -> Members<'d> {
        Members {
            document: self.document,
            first: self.first,
            end: self.slot.end.try_into().unwrap_or(0),
        }
    }
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Node").finish_non_exhaustive()
    }
}
