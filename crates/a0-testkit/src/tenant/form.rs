//! Parses `application/x-www-form-urlencoded` strictly: a mistake in the code under test must show, so
//! a malformed escape is an error here, where the usual parsers keep it as text.

/// Returns `None` if an escape is malformed, or a name or value is not UTF-8.
pub(crate) fn parse(body: &[u8]) -> Option<Vec<(String, String)>> {
    body.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default())?;
            let value = decode(parts.next().unwrap_or_default())?;
            Some((name, value))
        })
        .collect()
}

pub(super) fn decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (hex(*rest.next()?)?, hex(*rest.next()?)?);
                high * 16 + low
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Encodes names and values. Everything but the unreserved characters of RFC 3986 is escaped.
pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    let mut encoded = String::new();
    for (name, value) in pairs {
        if !encoded.is_empty() {
            encoded.push('&');
        }
        push_escaped(&mut encoded, name);
        encoded.push('=');
        push_escaped(&mut encoded, value);
    }
    encoded
}

fn push_escaped(encoded: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        let cases: [(&str, Option<&str>); 7] = [
            ("a+b", Some("a b")),
            ("a%2Bb", Some("a+b")),
            ("%e2%82%ac", Some("€")),
            ("", Some("")),
            ("%", None),
            ("%g1", None),
            ("%ff", None),
        ];
        for (text, expected) in cases {
            assert_eq!(decode(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn encodes_what_it_decodes() {
        let pairs = [("a b", "x&y=z"), ("é", "\r\n%~")];
        let encoded = encode(&pairs);
        assert_eq!(encoded, "a%20b=x%26y%3Dz&%C3%A9=%0D%0A%25~");
        let decoded = parse(encoded.as_bytes()).unwrap();
        assert_eq!(decoded, pairs.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn parses_pairs_in_order() {
        let pairs = parse(b"a=1&b&&a=x%3Dy=z").unwrap();
        let expected = [("a", "1"), ("b", ""), ("a", "x=y=z")];
        assert_eq!(pairs, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
}
