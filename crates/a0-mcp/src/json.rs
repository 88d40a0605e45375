//! A strict reader for the few members of a JSON-RPC message that decide about it.
//!
//! It reads the text itself. The features of `serde_json`, which any crate of a build can turn on, change what
//! that crate makes of a number or of the names that it keeps for itself, and a layer must not see another
//! message than the server inside it.

use std::borrow::Cow;
use std::collections::HashSet;

/// The deepest nesting. `serde_json` stops at 128.
const MAX_DEPTH: usize = 64;

/// `serde_json` gives names that begin so a meaning of its own: a value that is text becomes JSON.
const PRIVATE: &str = "$serde_json::private::";

/// Up to this many names, comparing is faster than hashing.
const FEW: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// The body is not UTF-8, or not one JSON text.
    Syntax,
    TooDeep,
    DuplicateName,
    PrivateName,
}

/// A value. Containers that nobody asks about are checked, and not kept.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'t> {
    Object(Vec<(Cow<'t, str>, Value<'t>)>),
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
        members.find(|(it, _)| it == name).map(|(_, value)| value)
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads one JSON text and keeps objects down to the third level: a message, its `params`, and their `_meta`.
/// A batch is one level above.
pub(crate) fn read(body: &[u8]) -> Result<Value<'_>, JsonError> {
    let text = std::str::from_utf8(body).map_err(|_| JsonError::Syntax)?;
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    let keep = match reader.peek() {
        Some(b'[') => Keep::Batch,
        _ => Keep::Objects(3),
    };
    let value = reader.value(keep, 0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(JsonError::Syntax),
    }
}

#[derive(Clone, Copy)]
enum Keep {
    Batch,
    /// Objects of this many levels.
    Objects(u8),
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.advance();
        }
    }

    fn eat(&mut self, octet: u8) -> bool {
        let is_next = self.peek() == Some(octet);
        if is_next {
            self.advance();
        }
        is_next
    }

    fn expect(&mut self, octet: u8) -> Result<(), JsonError> {
        match self.eat(octet) {
            true => Ok(()),
            false => Err(JsonError::Syntax),
        }
    }

    fn since(&self, start: usize) -> Result<&'t str, JsonError> {
        self.text.get(start..self.at).ok_or(JsonError::Syntax)
    }

    fn value(&mut self, keep: Keep, depth: usize) -> Result<Value<'t>, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        match self.peek().ok_or(JsonError::Syntax)? {
            b'{' => self.object(keep, depth),
            b'[' => self.array(keep, depth),
            b'"' => self.string().map(Value::String),
            b't' => self.literal("true", Value::Other),
            b'f' => self.literal("false", Value::Other),
            b'n' => self.literal("null", Value::Null),
            _ => self.number().map(Value::Number),
        }
    }

    fn literal(&mut self, word: &str, value: Value<'t>) -> Result<Value<'t>, JsonError> {
        word.bytes().try_for_each(|octet| self.expect(octet))?;
        Ok(value)
    }

    fn object(&mut self, keep: Keep, depth: usize) -> Result<Value<'t>, JsonError> {
        self.expect(b'{')?;
        let below = match keep {
            Keep::Objects(levels) => levels.checked_sub(1),
            Keep::Batch => None,
        };
        let mut names = Names::default();
        let mut members = Vec::new();
        self.skip_space();
        if !self.eat(b'}') {
            loop {
                self.skip_space();
                let name = self.string()?;
                if name.starts_with(PRIVATE) {
                    return Err(JsonError::PrivateName);
                }
                names.add(name.clone())?;
                self.skip_space();
                self.expect(b':')?;
                self.skip_space();
                let inner = Keep::Objects(below.unwrap_or_default());
                let value = self.value(inner, depth.saturating_add(1))?;
                if below.is_some() {
                    members.push((name, value));
                }
                self.skip_space();
                if self.eat(b'}') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        Ok(match below {
            Some(_) => Value::Object(members),
            None => Value::Other,
        })
    }

    fn array(&mut self, keep: Keep, depth: usize) -> Result<Value<'t>, JsonError> {
        self.expect(b'[')?;
        let is_batch = matches!(keep, Keep::Batch);
        let inner = Keep::Objects(if is_batch { 3 } else { 0 });
        let mut values = Vec::new();
        self.skip_space();
        if !self.eat(b']') {
            loop {
                self.skip_space();
                let value = self.value(inner, depth.saturating_add(1))?;
                if is_batch {
                    values.push(value);
                }
                self.skip_space();
                if self.eat(b']') {
                    break;
                }
                self.expect(b',')?;
            }
        }
        Ok(match is_batch {
            true => Value::Array(values),
            false => Value::Other,
        })
    }

    fn number(&mut self) -> Result<&'t str, JsonError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        self.since(start)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.advance();
        }
        match self.at > start {
            true => Ok(()),
            false => Err(JsonError::Syntax),
        }
    }

    fn string(&mut self) -> Result<Cow<'t, str>, JsonError> {
        self.expect(b'"')?;
        let mut text = Cow::Borrowed("");
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | ..=0x1f)) {
                self.advance();
            }
            let plain = self.since(start)?;
            match text {
                Cow::Borrowed("") => text = Cow::Borrowed(plain),
                _ => text.to_mut().push_str(plain),
            }
            if self.eat(b'"') {
                return Ok(text);
            }
            self.expect(b'\\')?;
            let escaped = self.escape()?;
            text.to_mut().push(escaped);
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let octet = self.peek().ok_or(JsonError::Syntax)?;
        self.advance();
        Ok(match octet {
            b'"' | b'\\' | b'/' => char::from(octet),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(JsonError::Syntax),
        })
    }

    /// A half of a surrogate pair alone is an error, as in `serde_json`.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let first = self.hex()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) {
            self.expect(b'\\')?;
            self.expect(b'u')?;
            units.push(self.hex()?);
        }
        let mut characters = char::decode_utf16(units);
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(JsonError::Syntax),
        }
    }

    fn hex(&mut self) -> Result<u16, JsonError> {
        let start = self.at;
        for _ in 0..4 {
            match self.peek() {
                Some(octet) if octet.is_ascii_hexdigit() => self.advance(),
                _ => return Err(JsonError::Syntax),
            }
        }
        u16::from_str_radix(self.since(start)?, 16).map_err(|_| JsonError::Syntax)
    }
}

/// The names of one object.
#[derive(Default)]
struct Names<'t> {
    few: Vec<Cow<'t, str>>,
    many: HashSet<Cow<'t, str>>,
}

impl<'t> Names<'t> {
    fn add(&mut self, name: Cow<'t, str>) -> Result<(), JsonError> {
        if self.few.contains(&name) {
            return Err(JsonError::DuplicateName);
        }
        if self.few.len() < FEW {
            self.few.push(name);
            return Ok(());
        }
        match self.many.insert(name) {
            true => Ok(()),
            false => Err(JsonError::DuplicateName),
        }
    }
}

#[cfg(test)]
mod tests;
