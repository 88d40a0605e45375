//! Finds the body in the bytes of a response, so that ureq sees only its framing.
//!
//! The rules are ureq's own. Where they are broken, the mask gives up and lets ureq report it. If
//! the two differ, `hidden` finds bytes that should have been placeholders.

use std::mem;

use http::header::{CONTENT_ENCODING, SET_COOKIE};
use http::{HeaderMap, HeaderName};

use super::hidden;
use crate::MAX_HEADER_SIZE;

/// Header fields that ureq must not see, each with a name of the same length for it. Features of
/// ureq that any crate of the program can switch on would act on them: ureq would decode the body,
/// and keep cookies.
const RENAMED: [(HeaderName, HeaderName); 2] = [
    (
        CONTENT_ENCODING,
        HeaderName::from_static("a0-coding-hidden"),
    ),
    (SET_COOKIE, HeaderName::from_static("a0-cookies")),
];

/// The longest line that ureq accepts before a chunk, without its end.
const MAX_CHUNK_SIZE_LINE: usize = 20;

/// The mask of one connection.
#[derive(Default)]
pub(super) struct ResponseMask {
    state: State,
    /// The part of the head, or of the line before a chunk, that has arrived.
    pending: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Waits for the end of the head. ureq gets it in one piece.
    #[default]
    Head,
    /// A body that a length or the end of the connection ends.
    Body,
    ChunkSize,
    Chunk(usize),
    AfterChunk,
    /// Trailers, and everything malformed: ureq sees it unmasked.
    Shown,
}

impl ResponseMask {
    /// Expects another response.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Whether the body's end may be the end of the connection.
    pub(super) fn may_end_with_connection(&self) -> bool {
        self.state == State::Body
    }

    /// Appends to `shown` what ureq sees of these bytes.
    pub(super) fn push(&mut self, mut bytes: &[u8], shown: &mut Vec<u8>) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Head => self.head(bytes, shown),
                State::ChunkSize => self.chunk_size(bytes, shown),
                State::Chunk(length) => {
                    let (data, rest) = bytes.split_at(length.min(bytes.len()));
                    hidden::hide_body(data, shown);
                    self.state = match length.saturating_sub(data.len()) {
                        0 => State::AfterChunk,
                        remaining => State::Chunk(remaining),
                    };
                    rest
                }
                State::AfterChunk => {
                    let (line, rest) = split_line(bytes);
                    shown.extend(line);
                    match line {
                        b"\r" => {}
                        b"\n" | b"\r\n" => self.state = State::ChunkSize,
                        _ => self.state = State::Shown,
                    }
                    rest
                }
                State::Body => {
                    hidden::hide_body(bytes, shown);
                    &[]
                }
                State::Shown => {
                    shown.extend(bytes);
                    &[]
                }
            };
        }
    }

    fn head<'a>(&mut self, bytes: &'a [u8], shown: &mut Vec<u8>) -> &'a [u8] {
        let (line, rest) = split_line(bytes);
        self.pending.extend(line);
        match self.pending.as_slice() {
            b"\r" => return rest,
            b"\n" | b"\r\n" => {
                // ureq would skip it.
                self.pending.clear();
                return rest;
            }
            _ => {}
        }
        let is_http = self.pending.iter().zip(b"HTTP/").all(|(a, b)| a == b);
        if !is_http || self.pending.len() > MAX_HEADER_SIZE {
            // ureq refuses it.
            shown.append(&mut self.pending);
            self.state = State::Shown;
            return rest;
        }
        let is_last = self.pending.ends_with(b"\n\r\n") || self.pending.ends_with(b"\n\n");
        if !is_last {
            return rest;
        }
        let mut head = mem::take(&mut self.pending);
        self.state = state_after(&head);
        rename(&mut head);
        shown.append(&mut head);
        rest
    }

    fn chunk_size<'a>(&mut self, bytes: &'a [u8], shown: &mut Vec<u8>) -> &'a [u8] {
        let (piece, rest) = split_line(bytes);
        shown.extend(piece);
        self.pending.extend(piece);
        // Only `\r\n` ends the line. With another byte after the first `\r`, ureq finds no end.
        let mut parts = self.pending.splitn(2, |byte| *byte == b'\r');
        let line = parts.next().unwrap_or(&[]);
        if line.len() > MAX_CHUNK_SIZE_LINE {
            self.state = State::Shown;
            return rest;
        }
        match parts.next() {
            None | Some(b"") => {}
            Some(b"\n") => {
                let size = line.split(|byte| *byte == b';').next().unwrap_or(&[]);
                let size = str::from_utf8(size).ok();
                let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
                self.state = match size {
                    Some(0) | None => State::Shown,
                    Some(length) => State::Chunk(length),
                };
                self.pending.clear();
            }
            Some(_) => self.state = State::Shown,
        }
        rest
    }
}

/// Splits after the first line feed.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    bytes.split_at(end.map_or(bytes.len(), |end| end.saturating_add(1)))
}

/// Returns what follows this head. A response that has no body by its status or method has none
/// whatever this says: ureq reads none.
fn state_after(head: &[u8]) -> State {
    let mut lines = head.split(|byte| *byte == b'\n');
    let status_line = lines.next().unwrap_or(&[]);
    let mut words = status_line.split(|byte| *byte == b' ');
    let (version, status) = (words.next(), words.next());
    if status.is_some_and(|status| status.starts_with(b"1") && status != b"101") {
        return State::Head;
    }
    let is_chunked = |line: &[u8]| {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().unwrap_or(&[]);
        let value = parts.next().unwrap_or(&[]);
        let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        name.eq_ignore_ascii_case(b"transfer-encoding")
            && value.is_ascii()
            && codings.any(|coding| coding.eq_ignore_ascii_case(b"chunked"))
    };
    match version != Some(b"HTTP/1.0") && lines.any(is_chunked) {
        true => State::ChunkSize,
        false => State::Body,
    }
}

fn rename(head: &mut [u8]) {
    for line in head.split_inclusive_mut(|byte| *byte == b'\n') {
        for (name, hidden) in &RENAMED {
            let (name, hidden) = (name.as_str().as_bytes(), hidden.as_str().as_bytes());
            let Some((field, rest)) = line.split_at_mut_checked(name.len()) else {
                continue;
            };
            if rest.first() == Some(&b':') && field.eq_ignore_ascii_case(name) {
                field.copy_from_slice(hidden);
            }
        }
    }
}

/// Gives the fields that ureq did not see their names back.
pub(super) fn restore_names(headers: &mut HeaderMap) {
    for (name, hidden) in &RENAMED {
        let values: Vec<_> = headers.get_all(hidden).iter().cloned().collect();
        headers.remove(hidden);
        for value in values {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests;
