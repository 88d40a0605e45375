//! Request URLs in the one form in which a proof's `htu` is compared, RFC 9449 section 4.3.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv6Addr;

/// The URL of a request without query and fragment, after the syntax-based and scheme-based
/// normalisation of RFC 3986 sections 6.2.2 and 6.2.3. Two are equal if they name one resource.
///
/// It is made from the text by the grammar of RFC 3986, and not by the rules of browsers: for those
/// a backslash is a slash, tabs and soft hyphens vanish, and `%7E` differs from `~`. So:
///
/// - scheme and host are lower case; userinfo is refused;
/// - a port that is empty or the scheme's own is left out, others lose leading zeros;
/// - percent-encoded unreserved characters are decoded, other encodings get upper-case digits
///   (`%2f` is `%2F` and no slash), and dot segments are removed after that;
/// - `"`, `<`, `>`, `^`, `` ` ``, `{`, `|`, `}` and what is not ASCII in a path, which no URL holds
///   but clients send, stand for the percent-encodings of their UTF-8 (RFC 3987 section 3.1);
/// - an empty path is `/`; query and fragment are left out.
///
/// What is not named here is compared as it is written: `http` and `https` differ, and so do
/// `example.com` and `example.com.`, `/a` and `/a/` or `/A`, and two spellings of one IP address. So
/// do `[` and `%5B` in a path: clients send the bracket, although the grammar has no place for it
/// there, but it is reserved, and no reserved character is its encoding (RFC 3986 section 2.2).
///
/// `Debug` shows scheme and authority only: a path may hold secrets (a link to reset a password, a
/// signed download), and whoever logs a request's data did not choose to log those.
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
    /// Normalises an absolute `http` or `https` URL, in time and memory proportional to its length,
    /// which only the caller limits.
    ///
    /// Query and fragment are dropped unread. They take no part in the comparison, and servers do
    /// pass on queries beyond the grammar, such as `?filter[name]=a|b`.
    ///
    /// # Errors
    ///
    /// [`InvalidHtu`] for everything else: for white space, control characters, backslashes and a
    /// `%` without two hexadecimal digits in the path, and for a host that is not ASCII.
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

    /// The URL of a request for `path`, where this URL is in front of all paths of a server.
    ///
    /// Dot segments go no higher than the server's own root, as in the server itself: so none leads
    /// out of this URL, and none out of it and back in.
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
    /// [`InvalidHtu`] for a path that [`parse`](Htu::parse) refuses, and for one that does not begin
    /// with a slash.
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

    /// The normalised text. It parses to itself.
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
        // Up to the slash that begins the path, which is the third.
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
            // RFC 3986 has no zones, and neither has this parser; IPvFuture has no users.
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

/// A name or an IPv4 address, without percent-encodings although the grammar has them. Names of
/// HTTP servers are looked up in the DNS, where they come as they are; and decoding would give
/// letters and dots whose case and place each client may see in another way.
fn is_host_octet(octet: u8) -> bool {
    is_unreserved(octet) || is_sub_delimiter(octet)
}

/// The digits of a port from 1 to 65535 without leading zeros, which the grammar allows and which
/// do not change the number; none of none.
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
/// 5.2.4). Removing a segment reads it once more, so the time is linear.
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

/// Whether a path is absolute and there is nothing about it to change, as of most paths: no octet
/// that is or should be percent-encoded, and no segment that begins with a dot.
fn is_normalised(path: &str) -> bool {
    let mut before = 0;
    path.starts_with('/')
        && path.bytes().all(|octet| {
            let begins_a_segment = before == b'/';
            before = octet;
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
        } else if is_sent_unencoded(octet) {
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

/// `pchar` without percent-encodings, RFC 3986 section 3.3, and brackets.
fn is_path_octet(octet: u8) -> bool {
    is_unreserved(octet) || is_sub_delimiter(octet) || matches!(octet, b':' | b'@' | b'[' | b']')
}

/// The printable characters that a URL holds percent-encoded only, but for the backslash, which some
/// take for a slash; and the octets of UTF-8.
fn is_sent_unencoded(octet: u8) -> bool {
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

/// Why a text is no URL of an HTTP request. Holds nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHtu {
    /// Not absolute, or of another scheme than `http` and `https`.
    #[error("not an absolute http or https URL")]
    Scheme,
    /// No `//` after the scheme.
    #[error("the URL has no authority")]
    Authority,
    /// A user name or a password, even an empty one (RFC 9110 section 4.2.4).
    #[error("the URL holds userinfo")]
    Userinfo,
    /// Empty, or not a name, an IPv4 address, or an IPv6 address in brackets.
    #[error("the URL's host is not valid")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("the URL's port is not valid")]
    Port,
    /// White space, a control character or a backslash, all of ASCII, in the path; or a path without
    /// its first slash.
    #[error("the URL's path holds a character that must be percent-encoded, or is not absolute")]
    Path,
    /// A `%` in the path without two hexadecimal digits.
    #[error("the URL's path holds a malformed percent-encoding")]
    PercentEncoding,
}
