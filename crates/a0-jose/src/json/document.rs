//! One JSON object, parsed once: its text, and where in it each value lies.
//!
//! A map of owned strings costs several times as much to make, and of most tokens only a few members
//! are ever looked at. So a map is made where somebody wants one, from what was parsed and not from
//! the text: no second parser ever reads it.

use std::fmt;
use std::ops::Range;

use serde_json::{Map, Number, Value};

/// A JSON object with all that is in it.
#[derive(Clone)]
pub(crate) struct Document {
    /// What was parsed, and after it what was written with escapes, without them.
    pub(super) text: String,
    /// Every value, each in front of what is in it; the first is the object itself.
    pub(super) slots: Vec<Slot>,
}

/// One value, and the name that it has in an object.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    pub(super) name: Text,
    pub(super) kind: Kind,
    /// The place of the first slot that is not in this one.
    pub(super) end: u32,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    /// Finite.
    Float(f64),
    String(Text),
    Array,
    Object,
}

/// A part of a document's text.
#[derive(Clone, Copy)]
pub(super) struct Text {
    pub(super) start: u32,
    pub(super) end: u32,
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

    fn text(&self, part: Text) -> &str {
        let range = part.range();
        range
            .and_then(|range| self.text.get(range))
            .unwrap_or_default()
    }
}

impl Text {
    pub(super) fn range(self) -> Option<Range<usize>> {
        Some(self.start.try_into().ok()?..self.end.try_into().ok()?)
    }
}

/// Whether two names are the same. Most are told apart by length and first octet, without a call to
/// compare the rest.
pub(super) fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.first() == right.first() && left == right
}

/// The members of an object: names, each once, and what they stand for.
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
    /// The member of this name.
    pub fn get(self, name: &str) -> Option<Node<'d>> {
        let [member] = self.find([name]);
        member
    }

    /// The members of these names, each `None` where it is not there, found in one pass.
    pub fn find<const N: usize>(self, names: [&str; N]) -> [Option<Node<'d>>; N] {
        let mut members = [None; N];
        let text = self.document.text.as_bytes();
        for (at, slot) in self.slots() {
            let present = slot.name.range().and_then(|range| text.get(range));
            let place = present.and_then(|present| {
                let mut names = names.iter();
                names.position(|name| same(name.as_bytes(), present))
            });
            if let Some(member) = place.and_then(|place| members.get_mut(place)) {
                *member = Some(self.node(at, slot));
            }
        }
        members
    }

    /// The names, in the order of the text.
    pub fn names(self) -> impl Iterator<Item = &'d str> {
        self.iter().map(|(name, _)| name)
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.first >= self.end
    }

    /// Names and values, in the order of the text.
    pub fn iter(self) -> impl Iterator<Item = (&'d str, Node<'d>)> + Clone {
        let slots = self.slots();
        slots.map(move |(at, slot)| (self.document.text(slot.name), self.node(at, slot)))
    }

    /// The slots of the values that are in this object itself, and their places.
    fn slots(self) -> impl Iterator<Item = (usize, &'d Slot)> + Clone {
        let slots = self.document.slots.get(..self.end).unwrap_or_default();
        let mut next = self.first;
        std::iter::from_fn(move || {
            let at = next;
            let slot = slots.get(at)?;
            next = slot.end.try_into().ok()?;
            Some((at, slot))
        })
    }

    fn node(self, at: usize, slot: &'d Slot) -> Node<'d> {
        Node {
            document: self.document,
            slot,
            first: at.saturating_add(1),
        }
    }

    /// The same as a map of values that live by themselves.
    pub fn to_map(self) -> Map<String, Value> {
        self.iter()
            .map(|(name, value)| (name.to_owned(), value.to_value()))
            .collect()
    }
}

/// The names only: what they stand for may be personal.
impl fmt::Debug for Members<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.names()).finish()
    }
}

/// A JSON value in a header or in claims. A wrong type is `None`, and so is `null` for every type: an
/// absent member is told from one of a wrong type by [`Members::get`].
#[derive(Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document,
    slot: &'d Slot,
    /// The place after the slot's own.
    first: usize,
}

impl<'d> Node<'d> {
    /// A string.
    pub fn as_str(self) -> Option<&'d str> {
        match self.slot.kind {
            Kind::String(text) => Some(self.document.text(text)),
            _ => None,
        }
    }

    /// A number, to the nearest that there is.
    pub fn as_f64(self) -> Option<f64> {
        match self.slot.kind {
            Kind::Signed(number) => Some(number as f64),
            Kind::Unsigned(number) => Some(number as f64),
            Kind::Float(number) => Some(number),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(self) -> Option<Members<'d>> {
        matches!(self.slot.kind, Kind::Object).then(|| self.inside())
    }

    /// The items of an array.
    pub fn as_array(self) -> Option<impl Iterator<Item = Node<'d>> + Clone> {
        // The items of an array are held as members without names.
        matches!(self.slot.kind, Kind::Array).then(|| self.inside().iter().map(|(_, item)| item))
    }

    /// The same as a value that lives by itself.
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
