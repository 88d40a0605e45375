//! What clients may see of an API: its schemes, hosts and path prefixes.

use auth0_api::proof::Htu;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Some proxies forward a WebSocket handshake with `ws` or `wss`. The handshake is an HTTP request,
    /// and its proof names `http` or `https`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is = |name: &str| text.eq_ignore_ascii_case(name);
        match text {
            _ if is("https") || is("wss") => Some(Scheme::Https),
            _ if is("http") || is("ws") => Some(Scheme::Http),
            _ => None,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Scheme::Http => "http://",
            Scheme::Https => "https://",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// A host by which clients know the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicHost {
    name: String,
    /// The default port of the scheme, if `None`.
    port: Option<u16>,
}

impl PublicHost {
    pub(super) fn parse(text: &str) -> Option<Self> {
        // No host has an asterisk, but an option like this one may be taken for a pattern.
        if text.contains(['/', '?', '#', '*']) || Htu::parse(&format!("https://{text}/")).is_err() {
            return None;
        }
        let end = match text.find(']') {
            Some(bracket) => bracket.saturating_add(1),
            None => text.find(':').unwrap_or(text.len()),
        };
        let (name, port) = text.split_at_checked(end)?;
        let port = match port {
            "" | ":" => None,
            _ => Some(parse_port(port)?),
        };
        let name = name.to_ascii_lowercase();
        Some(PublicHost { name, port })
    }

    /// Whether a `host[:port]` names this host.
    pub(super) fn is_named_by(&self, text: &str, scheme: Scheme) -> bool {
        let Some((name, port)) = text.split_at_checked(self.name.len()) else {
            return false;
        };
        let default = scheme.default_port();
        let port = match port {
            "" | ":" => Some(default),
            _ => parse_port(port),
        };
        name.eq_ignore_ascii_case(&self.name) && port == Some(self.port.unwrap_or(default))
    }

    pub(super) fn url(&self, scheme: Scheme, prefix: &str) -> String {
        let scheme = scheme.prefix();
        match self.port {
            Some(port) => format!("{scheme}{}:{port}{prefix}", self.name),
            None => format!("{scheme}{}{prefix}", self.name),
        }
    }
}

/// Parses a colon and a port. `u16` alone would also parse a sign.
fn parse_port(text: &str) -> Option<u16> {
    let digits = text.strip_prefix(':')?;
    let is_number = digits.bytes().all(|octet| octet.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Returns the prefix in the form in which it is compared, if it is one: `/v1` or `/api/v1`.
pub(super) fn parse_prefix(text: &str) -> Option<String> {
    let prefix = without_final_slash(text);
    let url = Htu::parse(&format!("https://host{prefix}")).ok()?;
    // Only a text that needs no normalisation, so that every spelling but one is unlisted.
    let is_normal = url.as_str().strip_prefix("https://host") == Some(prefix);
    let is_plain = prefix.len() > 1 && !text.contains("//") && !prefix.contains('%');
    (is_normal && is_plain).then(|| prefix.to_owned())
}

pub(super) fn without_final_slash(text: &str) -> &str {
    text.strip_suffix('/').unwrap_or(text)
}
