//! `application/x-www-form-urlencoded`, written.

use zeroize::Zeroizing;

/// The parameters of a call without the client's authentication, encoded once.
pub(crate) struct Form(Zeroizing<Vec<u8>>);

impl Form {
    pub(crate) fn new(pairs: &[(&str, &str)]) -> Self {
        let mut body = with_room_for(pairs, 0);
        append(&mut body, pairs);
        Form(body)
    }

    /// A body of these parameters and then `more`. It is the one copy that this crate does not wipe:
    /// it goes out with the request.
    pub(crate) fn body(&self, more: &[(&str, &str)]) -> Vec<u8> {
        let mut body = with_room_for(more, self.0.len());
        body.extend_from_slice(&self.0);
        append(&mut body, more);
        std::mem::take(&mut *body)
    }
}

/// Encodes a text, as RFC 6749 appendix B says.
pub(crate) fn encode(text: &str) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len().saturating_mul(3)));
    append_encoded(&mut bytes, text);
    // What was encoded is ASCII.
    Zeroizing::new(String::from_utf8(std::mem::take(&mut *bytes)).unwrap_or_default())
}

/// A buffer that does not grow, which would leave a copy behind: an octet takes three at most.
fn with_room_for(pairs: &[(&str, &str)], already: usize) -> Zeroizing<Vec<u8>> {
    let most = pairs.iter().fold(already, |sum, (name, value)| {
        let pair = name.len().saturating_add(value.len()).saturating_mul(3);
        sum.saturating_add(pair).saturating_add(2)
    });
    Zeroizing::new(Vec::with_capacity(most))
}

fn append(body: &mut Vec<u8>, pairs: &[(&str, &str)]) {
    for (name, value) in pairs {
        if !body.is_empty() {
            body.push(b'&');
        }
        // A name has no character that would be encoded: the module of extra parameters sees to it.
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        append_encoded(body, value);
    }
}

fn append_encoded(body: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => body.push(byte),
            b' ' => body.push(b'+'),
            _ => body.extend([b'%', hex(byte >> 4), hex(byte & 0xF)]),
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        0..=9 => b'0' | digit,
        _ => b'7'.wrapping_add(digit),
    }
}
