//! Resource indicators (RFC 8707 section 2).

/// Whether `text` is an absolute URI without fragment (RFC 3986 section 4.3).
pub(crate) fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let has_host = match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => rest
            .strip_prefix("//")
            .is_some_and(|host| !host.is_empty() && !host.starts_with(['/', '?', ':', '@'])),
        _ => !rest.is_empty(),
    };
    is_scheme && has_host && rest.split('%').enumerate().all(is_piece)
}

/// Whether what follows a `%` begins with two hexadecimal digits, and the rest may stand in a URI.
fn is_piece((index, piece): (usize, &str)) -> bool {
    let is_escape = index == 0
        || piece
            .get(..2)
            .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    is_escape && piece.bytes().all(is_uri_character)
}

/// RFC 3986 section 2: reserved and unreserved characters, without `#`.
fn is_uri_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=".contains(&byte)
}
