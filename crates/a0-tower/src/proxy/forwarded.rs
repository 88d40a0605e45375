//! The field `Forwarded`, RFC 7239 section 4.

use std::borrow::Cow;

use http::HeaderMap;

use super::{FORWARDED, UnknownUrl};

const MALFORMED: UnknownUrl = UnknownUrl::Malformed("forwarded");

/// The parameters of one element that name a URL.
#[derive(Default)]
pub(super) struct Element<'h> {
    pub(super) proto: Option<Cow<'h, str>>,
    pub(super) host: Option<Cow<'h, str>>,
}

/// Returns the last element, which is from the proxy that sent the request.
///
/// All elements are parsed: a quotation that a client left open must not hide the element of the proxy,
/// or make a part of a value look like one. An empty element counts too, so that a proxy that appends
/// nothing does not make the client's element the last one.
pub(super) fn last_element(headers: &HeaderMap) -> Result<Element<'_>, UnknownUrl> {
    let mut last = None;
    for line in headers.get_all(FORWARDED) {
        last = Some(last_of_line(line.to_str().map_err(|_| MALFORMED)?)?);
    }
    last.ok_or(UnknownUrl::Missing("forwarded"))
}

fn last_of_line(line: &str) -> Result<Element<'_>, UnknownUrl> {
    let mut element = Element::default();
    let mut rest = line;
    loop {
        rest = skip_blanks(rest);
        let (name, after) = split_where(rest, |octet| !is_token(octet));
        rest = after;
        if !name.is_empty() {
            let (value, after) = take_value(after.strip_prefix('=').ok_or(MALFORMED)?)?;
            rest = skip_blanks(after);
            let parameter = match name {
                _ if name.eq_ignore_ascii_case("proto") => Some(&mut element.proto),
                _ if name.eq_ignore_ascii_case("host") => Some(&mut element.host),
                _ => None,
            };
            if parameter.is_some_and(|parameter| parameter.replace(value).is_some()) {
                return Err(MALFORMED);
            }
        }
        let mut octets = rest.chars();
        match octets.next() {
            None => return Ok(element),
            Some(',') => element = Element::default(),
            Some(';') => {}
            Some(_) => return Err(MALFORMED),
        }
        rest = octets.as_str();
    }
}

fn take_value(text: &str) -> Result<(Cow<'_, str>, &str), UnknownUrl> {
    if let Some(quoted) = text.strip_prefix('"') {
        return take_quoted(quoted);
    }
    // The grammar wants colons and brackets quoted, but many proxies send `host=localhost:8080` and
    // `for=2001:db8::1`. They end no value, so they cannot be misread.
    let is_end = |octet| !is_token(octet) && !matches!(octet, b':' | b'[' | b']');
    match split_where(text, is_end) {
        ("", _) => Err(MALFORMED),
        (value, rest) => Ok((Cow::Borrowed(value), rest)),
    }
}

/// The text up to the closing quote, without the backslashes of its quoted pairs (RFC 9110 section
/// 5.6.4).
fn take_quoted(text: &str) -> Result<(Cow<'_, str>, &str), UnknownUrl> {
    let (plain, rest) = split_where(text, |octet| matches!(octet, b'"' | b'\\'));
    if let Some(rest) = rest.strip_prefix('"') {
        return Ok((Cow::Borrowed(plain), rest));
    }
    let mut value = plain.to_owned();
    let mut letters = rest.chars();
    loop {
        match letters.next().ok_or(MALFORMED)? {
            '"' => return Ok((Cow::Owned(value), letters.as_str())),
            '\\' => value.push(letters.next().ok_or(MALFORMED)?),
            letter => value.push(letter),
        }
    }
}

fn split_where(text: &str, is_end: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(is_end).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// A `tchar` of RFC 9110 section 5.6.2.
pub(crate) fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}
