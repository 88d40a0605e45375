//! The tokens of a JSON text.

use std::borrow::Cow;
use std::iter;

use super::JsonError;

/// A position in a text.
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str, at: usize) -> Self {
        Cursor { text, at }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// The position, in octets.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    pub(super) fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.advance();
        }
    }

    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let is_next = self.peek() == Some(octet);
        if is_next {
            self.advance();
        }
        is_next
    }

    pub(super) fn expect(&mut self, octet: u8) -> Result<(), JsonError> {
        match self.eat(octet) {
            true => Ok(()),
            false => Err(JsonError::Syntax),
        }
    }

    fn since(&self, start: usize) -> Result<&'t str, JsonError> {
        self.text.get(start..self.at).ok_or(JsonError::Syntax)
    }

    pub(super) fn literal(&mut self, word: &str) -> Result<(), JsonError> {
        word.bytes().try_for_each(|octet| self.expect(octet))
    }

    pub(super) fn number(&mut self) -> Result<&'t str, JsonError> {
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

    pub(super) fn string(&mut self) -> Result<Cow<'t, str>, JsonError> {
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
        let mut second = None;
        if (0xd800..0xdc00).contains(&first) {
            self.expect(b'\\')?;
            self.expect(b'u')?;
            second = Some(self.hex()?);
        }
        let units = iter::once(first).chain(second);
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
