//! Redirect URIs: which may be registered, and which match a registration.

use http::uri::Authority;

/// The longest URI that a client may register, in bytes.
const MAX_LENGTH: usize = 2048;

/// Whether a client may register this URI: `https`, `http` on the loopback interface, or a scheme
/// of the client's own that contains a dot (RFC 8252 section 7.1), so never `javascript` or `data`.
/// A fragment is not allowed (RFC 6749 section 3.1.2).
pub(super) fn is_valid(uri: &str) -> bool {
    if uri.len() > MAX_LENGTH || !has_uri_characters(uri) {
        return false;
    }
    match uri.split_once(':') {
        Some(("https", rest)) => rest.strip_prefix("//").is_some_and(has_host),
        Some(("http", _)) => loopback_without_port(uri).is_some(),
        Some((scheme, rest)) => is_private_scheme(scheme) && !rest.is_empty(),
        None => false,
    }
}

/// Whether a requested URI is the registered one: octet for octet, except for the port of a
/// loopback URI (RFC 8252 section 7.3; RFC 9700 section 2.1 includes `localhost`).
pub(super) fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    let registered = loopback_without_port(registered);
    registered.is_some() && registered == loopback_without_port(requested)
}

/// Host and rest of an `http` URI on the loopback interface.
fn loopback_without_port(uri: &str) -> Option<(&str, &str)> {
    let after = uri.strip_prefix("http://")?;
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let (authority, rest) = after.split_at_checked(end)?;
    let host = ["127.0.0.1", "[::1]", "localhost"]
        .into_iter()
        .find(|host| authority.starts_with(host))?;
    let port = authority.strip_prefix(host)?;
    (port.is_empty() || is_port(port)).then_some((host, rest))
}

/// A colon, and a decimal number from 1 to 65535.
fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|digits| {
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.parse().is_ok_and(|port: u16| port > 0)
    })
}

fn has_host(after: &str) -> bool {
    let end = after.find(['/', '?']).unwrap_or(after.len());
    let authority = after.get(..end).unwrap_or_default();
    !authority.contains('@')
        && authority.parse::<Authority>().is_ok_and(|parsed| {
            let host = parsed.host();
            let port = authority.strip_prefix(host);
            !host.is_empty() && port.is_some_and(|port| port.is_empty() || is_port(port))
        })
}

fn is_private_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.contains('.')
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+'))
}

/// The characters of RFC 3986 without `#`, and `%` only before two hexadecimal digits.
fn has_uri_characters(uri: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte);
    let escaped = |rest: &str| {
        let digits = rest.get(..2);
        digits.is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    uri.bytes().all(allowed) && uri.split('%').skip(1).all(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registrations() {
        for good in [
            "https://app.example/callback",
            "https://app.example",
            "https://app.example:8443/cb?x=1",
            "https://[2001:db8::1]/cb",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:9/cb",
            "com.example.app:/callback",
            "com.example.app://callback",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "/callback",
            "app.example/callback",
            "https:/app.example/",
            "https:app.example",
            "https://",
            "https:///cb",
            "https://:443/cb",
            "https://user@app.example/cb",
            "https://app.example/cb#fragment",
            "https://app.example/cb#",
            "https://app.example:0/",
            "https://app.example:x/",
            "https://app.example:99999/",
            "https://app.example/a b",
            "https://app.example/\r\nlocation:x",
            "https://app.example/%zz",
            "https://app.example/%4",
            "https://app.example\\@evil.example/",
            "https://äpp.example/",
            "HTTPS://app.example/",
            "http://app.example/cb",
            "http://localhost.evil.example/cb",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "http://localhost:3000@evil.example/",
            "http://127.0.0.2/cb",
            "http://[::1].evil.example/",
            "http://localhost:/cb",
            "http://localhost:+80/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "com.example.app:",
            ".com:/x",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(!is_valid(&format!(
            "https://app.example/{}",
            "a".repeat(2048)
        )));
    }

    #[test]
    fn rfc8252_7_3_only_the_port_of_a_loopback_uri_may_differ() {
        for (registered, requested, expected) in [
            ("https://app.example/cb", "https://app.example/cb", true),
            ("https://app.example/cb", "https://app.example/cb/", false),
            ("https://app.example/cb", "https://app.example/CB", false),
            ("https://app.example/cb", "https://APP.example/cb", false),
            (
                "https://app.example/cb",
                "https://app.example:443/cb",
                false,
            ),
            (
                "https://app.example/cb",
                "https://app.example/cb?x=1",
                false,
            ),
            (
                "https://app.example/cb",
                "https://app.example/cb/../x",
                false,
            ),
            ("https://localhost/cb", "https://localhost:9/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://[::1]/cb", "http://[::1]:4711/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb", true),
            ("http://localhost:1/cb", "http://localhost/cb", true),
            ("http://localhost/cb", "http://127.0.0.1/cb", false),
            ("http://127.0.0.1/cb", "http://[::1]/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:4711/other", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:4711/cb?a", false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:@evil.example/cb",
                false,
            ),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:80@evil.example/cb",
                false,
            ),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1.evil.example/cb",
                false,
            ),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb", false),
        ] {
            assert_eq!(
                matches(registered, requested),
                expected,
                "{registered} {requested}"
            );
        }
    }
}
