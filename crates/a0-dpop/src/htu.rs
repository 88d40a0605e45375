//! Request URLs, normalised for the comparison with a proof's `htu`, RFC 9449 section 4.3.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// The URL of a request without query and fragment, after the syntax-based and scheme-based
/// normalisation of RFC 3986 sections 6.2.2 and 6.2.3. Two values are equal if they name the same
/// resource.
///
/// The text is parsed by the grammar of RFC 3986, not by the rules of browsers. Browsers treat a
/// backslash as a slash, drop tabs and soft hyphens, and distinguish `%7E` from `~`. Here:
///
/// - Scheme and host become lower case. Userinfo is refused.
/// - An empty port and the scheme's default port are removed. Other ports lose leading zeros.
/// - Percent-encoded unreserved characters are decoded. Other encodings get upper-case digits:
///   `%2f` becomes `%2F`, not a slash. Then dot segments are removed.
/// - `"`, `<`, `>`, `^`, `` ` ``, `{`, `|`, `}` and characters beyond ASCII in a path become the
///   percent-encodings of their UTF-8 (RFC 3987 section 3.1). The grammar does not allow them, but
///   clients send them.
/// - An empty path becomes `/`. Query and fragment are removed.
///
/// Everything else is compared as written. `http` and `https` differ, `example.com` and
/// `example.com.` differ, `/a` differs from `/a/` and `/A`, and two spellings of one IP address
/// differ. `[` and `%5B` in a path differ too: the grammar does not allow the bracket there, but
/// clients send it, and a reserved character is not equivalent to its encoding (RFC 3986 section
/// 2.2).
///
/// `Debug` shows scheme and authority only. A path may contain secrets, such as a password reset
/// link or a signed download, which should not be logged by accident.
///
/// ```
/// use a0_dpop::{Htu, InvalidHtu};
///
/// let url = Htu::parse("HTTPS://API.example.com:443/a/./b/%2E%2e/%7ejoe?page=2")?;
/// assert_eq!(url.as_str(), "https://api.example.com/a/~joe");
/// assert_eq!(url, Htu::parse("https://api.example.com/a/~joe")?);
/// assert_eq!(format!("{url:?}"), "Htu(https://api.example.com/..)");
///
/// assert_eq!(Htu::parse("https://joe@example.com/"), Err(InvalidHtu::Userinfo));
/// # Ok::<(), InvalidHtu>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Htu(String);

impl Htu {
    /// Normalises an absolute `http` or `https` URL. Time and memory are proportional to its
    /// length, which the caller must limit.
    ///
    /// Query and fragment are dropped without a check. They are not compared, and servers do accept
    /// queries beyond the grammar, such as `?filter[name]=a|b`.
    ///
    /// # Errors
    ///
    /// [`InvalidHtu`] for every other text. This includes white space, control characters,
    /// backslashes and a `%` without two hexadecimal digits in the path, and a host that is not
    /// ASCII.
    pub fn parse(url: &str) -> Result<Self, InvalidHtu> {
        let (scheme, rest) = url.split_once(':').ok_or(InvalidHtu::Scheme)?;
        let (prefix, default_port) = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => ("https://", "443"),
            _ if scheme.eq_ignore_ascii_case("http") => ("http://", "80"),
            _ => return Err(InvalidHtu::Scheme),
        };
        let rest = rest.strip_prefix("//").ok_or(InvalidHtu::Authority)?;
        let (rest, _dropped) = split_before(rest, &['?', '#']);
        let (authority, path) = split_before(rest, &['/']);

        let mut text = String::with_capacity(prefix.len() + rest.len() + 1);
        text.push_str(prefix);
        push_authority(&mut text, authority, default_port)?;
        push_path(&mut text, path)?;
        Ok(Htu(text))
    }

    /// Returns the URL of a request for `path`, if this URL is the base URL of a server.
    ///
    /// Dot segments are resolved within `path`, as the server itself does. They cannot leave this
    /// URL, nor leave and re-enter it.
    ///
    /// ```
    /// use a0_dpop::Htu;
    ///
    /// let api = Htu::parse("https://api.example.com/v1")?;
    /// assert_eq!(api.below("/orders?page=2")?.as_str(), "https://api.example.com/v1/orders");
    /// assert_eq!(api.below("/../admin")?.as_str(), "https://api.example.com/v1/admin");
    /// # Ok::<(), a0_dpop::InvalidHtu>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidHtu`] for a path that [`parse`](Htu::parse) refuses, and for a path that does not
    /// begin with a slash.
    pub fn below(&self, path: &str) -> Result<Self, InvalidHtu> {
        if !path.starts_with('/') {
            return Err(InvalidHtu::Path);
        }
        let (path, _dropped) = split_before(path, &['?', '#']);
        let prefix = self.0.strip_suffix('/').unwrap_or(&self.0);
        let mut text = String::with_capacity(prefix.len() + path.len());
        text.push_str(prefix);
        push_path(&mut text, path)?;
        Ok(Htu(text))
    }

    /// The normalised text. Parsing it returns an equal value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Htu> for Cow<'_, Htu> {
    fn from(url: Htu) -> Self {
        Cow::Owned(url)
    }
}

impl<'u> From<&'u Htu> for Cow<'u, Htu> {
    fn from(url: &'u Htu) -> Self {
        Cow::Borrowed(url)
    }
}

impl fmt::Debug for Htu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Htu(")?;
        // Shows everything up to the third slash, which begins the path.
        for part in self.0.splitn(4, '/').take(3) {
            write!(formatter, "{part}/")?;
        }
        formatter.write_str("..)")
    }
}

fn split_before<'t>(text: &'t str, delimiters: &[char]) -> (&'t str, &'t str) {
    text.split_at(text.find(delimiters).unwrap_or(text.len()))
}

fn push_authority(
    text: &mut String,
    authority: &str,
    default_port: &str,
) -> Result<(), InvalidHtu> {
    if authority.contains('@') {
        return Err(InvalidHtu::Userinfo);
    }
    let end_of_host = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, _) = rest.split_once(']').ok_or(InvalidHtu::Host)?;
            // RFC 3986 has no zone identifiers, and this parser accepts none. IPvFuture is not
            // supported.
            address.parse::<Ipv6Addr>().map_err(|_| InvalidHtu::Host)?;
            address.len() + "[]".len()
        }
        None => {
            let (name, _) = split_before(authority, &[':']);
            if name.is_empty() || !name.bytes().all(is_host_octet) {
                return Err(InvalidHtu::Host);
            }
            name.len()
        }
    };
    let (host, port) = authority
        .split_at_checked(end_of_host)
        .ok_or(InvalidHtu::Host)?;
    text.extend(host.chars().map(|letter| letter.to_ascii_lowercase()));
    let port = match port.strip_prefix(':') {
        Some(digits) => significant_digits(digits)?,
        None if port.is_empty() => "",
        None => return Err(InvalidHtu::Host),
    };
    if !port.is_empty() && port != default_port {
        text.push(':');
        text.push_str(port);
    }
    Ok(())
}

/// Returns whether the octet may be in a name or an IPv4 address. The grammar also allows
/// percent-encodings. They are refused, because HTTP servers have DNS names, which need none, and
/// clients may treat decoded letters and dots differently.
fn is_host_octet(octet: u8) -> bool {
    is_unreserved(octet) || is_sub_delimiter(octet)
}

/// Returns the digits of a port from 1 to 65535 without leading zeros, which the grammar allows.
/// Returns an empty text for an empty one.
fn significant_digits(digits: &str) -> Result<&str, InvalidHtu> {
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(InvalidHtu::Port);
    }
    let significant = digits.trim_start_matches('0');
    if digits.is_empty() || significant.parse::<u16>().is_ok() {
        Ok(significant)
    } else {
        Err(InvalidHtu::Port)
    }
}

/// Appends a path that is empty or begins with a slash, without its dot segments (RFC 3986 section
/// 5.2.4). Each segment is removed at most once, so the time is linear.
fn push_path(text: &mut String, path: &str) -> Result<(), InvalidHtu> {
    if is_normalised(path) {
        text.push_str(path);
        return Ok(());
    }
    let root = text.len();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let start = text.len();
        text.push('/');
        push_segment(text, segment)?;
        let parents = match text.get(start..) {
            Some("/.") => 0,
            Some("/..") => 1,
            _ => continue,
        };
        text.truncate(start);
        if parents == 1 {
            let parent = text.get(root..).and_then(|kept| kept.rfind('/'));
            text.truncate(root.saturating_add(parent.unwrap_or(0)));
        }
        if segments.peek().is_none() {
            text.push('/');
        }
    }
    Ok(())
}

/// Returns whether a path is absolute and needs no change: no octet is or must be percent-encoded,
/// and no segment begins with a dot. Most paths are like this.
fn is_normalised(path: &str) -> bool {
    let mut previous = 0;
    path.starts_with('/')
        && path.bytes().all(|octet| {
            let begins_a_segment = previous == b'/';
            previous = octet;
            octet == b'/' || is_path_octet(octet) && !(begins_a_segment && octet == b'.')
        })
}

fn push_segment(text: &mut String, segment: &str) -> Result<(), InvalidHtu> {
    let mut octets = segment.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'%' {
            let (Some(high), Some(low)) = (octets.next(), octets.next()) else {
                return Err(InvalidHtu::PercentEncoding);
            };
            push_encoded(text, high, low)?;
        } else if is_path_octet(octet) {
            text.push(char::from(octet));
        } else if is_encoded_here(octet) {
            text.push_str(&format!("%{octet:02X}"));
        } else {
            return Err(InvalidHtu::Path);
        }
    }
    Ok(())
}

fn push_encoded(text: &mut String, high: u8, low: u8) -> Result<(), InvalidHtu> {
    let (Some(high_value), Some(low_value)) = (hex_value(high), hex_value(low)) else {
        return Err(InvalidHtu::PercentEncoding);
    };
    let octet = high_value << 4 | low_value;
    if is_unreserved(octet) {
        text.push(char::from(octet));
    } else {
        text.push('%');
        text.push(char::from(high.to_ascii_uppercase()));
        text.push(char::from(low.to_ascii_uppercase()));
    }
    Ok(())
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| value.try_into().ok())
}

/// Returns whether the octet is a `pchar` (RFC 3986 section 3.3) or a bracket, and not `%`.
fn is_path_octet(octet: u8) -> bool {
    is_unreserved(octet) || is_sub_delimiter(octet) || matches!(octet, b':' | b'@' | b'[' | b']')
}

/// Returns whether the octet is encoded here although the grammar requires clients to encode it.
/// The backslash is not among them, because some software treats it as a slash.
fn is_encoded_here(octet: u8) -> bool {
    matches!(octet, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}') || !octet.is_ascii()
}

fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

fn is_sub_delimiter(octet: u8) -> bool {
    matches!(
        octet,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
    )
}

/// The error for a text that is not the URL of an HTTP request. It holds no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHtu {
    /// The URL is not absolute, or its scheme is neither `http` nor `https`.
    #[error("not an absolute http or https URL")]
    Scheme,
    /// There is no `//` after the scheme.
    #[error("the URL has no authority")]
    Authority,
    /// The URL has a user name or a password, even an empty one (RFC 9110 section 4.2.4).
    #[error("the URL holds userinfo")]
    Userinfo,
    /// The host is empty, or not a name, an IPv4 address or an IPv6 address in brackets.
    #[error("the URL's host is not valid")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the URL's port is not valid")]
    Port,
    /// The path contains ASCII white space, an ASCII control character or a backslash, or does not
    /// begin with a slash.
    #[error("the URL's path holds a character that must be percent-encoded, or is not absolute")]
    Path,
    /// The path has a `%` without two hexadecimal digits.
    #[error("the URL's path holds a malformed percent-encoding")]
    PercentEncoding,
}
