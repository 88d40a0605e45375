//! A strict reader for the few members of a JSON-RPC message that decide about it.
//!
//! It reads the text itself. The features of `serde_json`, which any crate of a build can turn on, change what
//! that crate makes of a number or of the names that it keeps for itself, and a layer must not see another
//! message than the server inside it.

mod names;
mod text;

use std::borrow::Cow;

use names::Names;
use text::Cursor;

/// The deepest nesting. `serde_json` stops at 128.
const MAX_DEPTH: usize = 64;

/// The most members of a batch. Later versions of the protocol have no batches.
const MAX_BATCH: usize = 100;

/// `serde_json` gives names that begin so a meaning of its own: a value that is text becomes JSON.
const PRIVATE: &str = "$serde_json::private::";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// The body is not UTF-8, or not one JSON text.
    Syntax,
    TooDeep,
    DuplicateName,
    PrivateName,
    /// The batch has too many members.
    LargeBatch,
}

/// The members of an object that are kept. The others are checked, and forgotten.
#[derive(Debug)]
pub(crate) struct Shape(pub(crate) &'static [(&'static str, Keep)]);

/// How a value is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep {
    /// Text, a number or null. Of a container, that it is one.
    Scalar,
    /// An object too, with these members.
    Object(&'static Shape),
    /// An array too, whose members are kept so. Only the outermost value can be one.
    Batch(&'static Shape),
}

impl Shape {
    fn member(&self, name: &str) -> Option<(&'static str, Keep)> {
        self.0.iter().copied().find(|(it, _)| *it == name)
    }
}

/// A value. Containers that nobody asks about are checked, and not kept.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'t> {
    Object(Vec<(&'static str, Value<'t>)>),
    Array(Vec<Value<'t>>),
    String(Cow<'t, str>),
    Number(&'t str),
    Null,
    /// A boolean, or a container that is not kept.
    Other,
}

impl<'t> Value<'t> {
    pub(crate) fn get(&self, name: &str) -> Option<&Value<'t>> {
        let Value::Object(members) = self else {
            return None;
        };
        let mut members = members.iter();
        members.find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads one JSON text: an object of this shape, or a batch of such.
pub(crate) fn read<'t>(body: &'t [u8], shape: &'static Shape) -> Result<Value<'t>, JsonError> {
    let text = std::str::from_utf8(body).map_err(|_| JsonError::Syntax)?;
    let mut reader = Reader {
        cursor: Cursor::new(text, 0),
        names: Names::default(),
    };
    reader.cursor.skip_space();
    let keep = match reader.cursor.peek() {
        Some(b'[') => Keep::Batch(shape),
        _ => Keep::Object(shape),
    };
    let value = reader.value(keep, 0)?;
    reader.cursor.skip_space();
    match reader.cursor.peek() {
        None => Ok(value),
        Some(_) => Err(JsonError::Syntax),
    }
}

struct Reader<'t> {
    cursor: Cursor<'t>,
    names: Names,
}

impl<'t> Reader<'t> {
    fn value(&mut self, keep: Keep, depth: usize) -> Result<Value<'t>, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        match self.cursor.peek().ok_or(JsonError::Syntax)? {
            b'{' => self.object(keep, depth),
            b'[' => self.array(keep, depth),
            b'"' => self.cursor.string().map(Value::String),
            b't' => self.cursor.literal("true").map(|()| Value::Other),
            b'f' => self.cursor.literal("false").map(|()| Value::Other),
            b'n' => self.cursor.literal("null").map(|()| Value::Null),
            _ => self.cursor.number().map(Value::Number),
        }
    }

    fn object(&mut self, keep: Keep, depth: usize) -> Result<Value<'t>, JsonError> {
        self.cursor.expect(b'{')?;
        let shape = match keep {
            Keep::Object(shape) => Some(shape),
            Keep::Scalar | Keep::Batch(_) => None,
        };
        let begin = self.names.begin();
        let mut members = Vec::new();
        self.cursor.skip_space();
        if !self.cursor.eat(b'}') {
            loop {
                self.cursor.skip_space();
                let name = self.name()?;
                let kept = shape.and_then(|shape| shape.member(&name));
                self.cursor.skip_space();
                self.cursor.expect(b':')?;
                self.cursor.skip_space();
                let keep = kept.map_or(Keep::Scalar, |(_, keep)| keep);
                let value = self.value(keep, depth.saturating_add(1))?;
                if let Some((name, _)) = kept {
                    // The names are compared at the end. Until then, one name must not be kept many times.
                    if members.iter().any(|(it, _)| *it == name) {
                        return Err(JsonError::DuplicateName);
                    }
                    members.push((name, value));
                }
                self.cursor.skip_space();
                if self.cursor.eat(b'}') {
                    break;
                }
                self.cursor.expect(b',')?;
            }
        }
        self.names.end(begin, self.cursor.text())?;
        Ok(match shape {
            Some(_) => Value::Object(members),
            None => Value::Other,
        })
    }

    fn name(&mut self) -> Result<Cow<'t, str>, JsonError> {
        let at = self.cursor.at();
        let name = self.cursor.string()?;
        if name.starts_with(PRIVATE) {
            return Err(JsonError::PrivateName);
        }
        self.names.add(&name, at)?;
        Ok(name)
    }

    fn array(&mut self, keep: Keep, depth: usize) -> Result<Value<'t>, JsonError> {
        self.cursor.expect(b'[')?;
        let batch = match keep {
            Keep::Batch(shape) => Some(shape),
            Keep::Scalar | Keep::Object(_) => None,
        };
        let keep = batch.map_or(Keep::Scalar, Keep::Object);
        let mut values = Vec::new();
        self.cursor.skip_space();
        if !self.cursor.eat(b']') {
            loop {
                if values.len() >= MAX_BATCH {
                    return Err(JsonError::LargeBatch);
                }
                self.cursor.skip_space();
                let value = self.value(keep, depth.saturating_add(1))?;
                if batch.is_some() {
                    values.push(value);
                }
                self.cursor.skip_space();
                if self.cursor.eat(b']') {
                    break;
                }
                self.cursor.expect(b',')?;
            }
        }
        Ok(match batch {
            Some(_) => Value::Array(values),
            None => Value::Other,
        })
    }
}

#[cfg(test)]
mod tests;
