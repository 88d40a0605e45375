//! Issuer identifiers in their canonical form, and the origins that keys may come from and credentials
//! may go to.

use std::borrow::Borrow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use url::{Host, Url};

/// An issuer of the form `https://host/` or `https://host:port/`, in lower case.
///
/// Two issuers are equal only if their texts are equal, octet for octet (RFC 8414 section 3.3). An
/// explicit port or a trailing dot in the host makes a different issuer.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issuer(String);

impl Issuer {
    /// The whole identifier, with its trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of the issuer's metadata (OpenID Connect Discovery 1.0 section 4).
    pub(crate) fn metadata_url(&self) -> String {
        format!("{}.well-known/openid-configuration", self.0)
    }
}

/// An issuer compares and hashes like its text.
impl Borrow<str> for Issuer {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Issuer({})", self.0)
    }
}

/// Returns the issuer of a domain.
///
/// A domain is a host, with or without a port, in upper or lower case. It may begin with `https://`
/// and end with slashes, and white space around it is ignored. The port is kept as written. A host
/// whose last label is a number must be an IPv4 address in its usual form, without leading zeros;
/// an IPv6 address is in brackets.
///
/// ```
/// use a0_discovery::{DomainError, normalize_domain};
///
/// for domain in ["tenant.example", " TENANT.example", "https://tenant.example//"] {
///     assert_eq!(normalize_domain(domain)?.as_str(), "https://tenant.example/");
/// }
/// assert_eq!(normalize_domain("localhost:8443")?.as_str(), "https://localhost:8443/");
/// assert_eq!(normalize_domain("http://tenant.example"), Err(DomainError::NotHttps));
/// # Ok::<(), DomainError>(())
/// ```
///
/// # Errors
///
/// [`DomainError`] if the text is not a domain: for example if it has a path, a query, a fragment,
/// credentials, inner white space, control characters, a backslash or characters outside ASCII.
/// Issuers with a path, which other OpenID providers than Auth0 may have, are not supported.
pub fn normalize_domain(domain: &str) -> Result<Issuer, DomainError> {
    let domain = domain.trim();
    if domain.is_empty() {
        return Err(DomainError::Blank);
    }
    if !domain.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(DomainError::Host);
    }
    let domain = domain.to_ascii_lowercase();
    if domain.starts_with("http://") {
        return Err(DomainError::NotHttps);
    }
    let authority = domain
        .strip_prefix("https://")
        .unwrap_or(&domain)
        .trim_end_matches('/');
    if authority.contains('@') {
        return Err(DomainError::Credentials);
    }
    if authority.contains(['/', '?', '#']) {
        return Err(DomainError::Path);
    }
    let host = validate_authority(authority)?;
    let issuer = format!("https://{authority}/");
    if is_read_as_written(&issuer, host) {
        Ok(Issuer(issuer))
    } else {
        Err(DomainError::Host)
    }
}

/// Whether a URL parser reads this host of the issuer as it is written. It does not if the host is
/// an impossible name. An IPv6 address may be written in several ways; each makes an issuer.
fn is_read_as_written(issuer: &str, host: &str) -> bool {
    Url::parse(issuer).is_ok_and(|url| match url.host() {
        Some(Host::Ipv6(_)) => host.starts_with('['),
        Some(read) => read.to_string() == host,
        None => false,
    })
}

/// Returns the host, with its brackets if it is an IPv6 address.
fn validate_authority(authority: &str) -> Result<&str, DomainError> {
    let after_bracket = authority.find(']').map(|end| end.saturating_add(1));
    let end = match authority.strip_prefix('[') {
        Some(_) => after_bracket.ok_or(DomainError::Host)?,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(end).ok_or(DomainError::Host)?;
    if !is_ipv6_literal(host) && !is_ipv4_address(host) && !is_host_name(host) {
        return Err(DomainError::Host);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(host),
        Some(digits) if is_port(digits) => Ok(host),
        _ => Err(DomainError::Port),
    }
}

fn is_ipv6_literal(host: &str) -> bool {
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// Four decimal numbers without leading zeros, the one form that nobody reads differently.
fn is_ipv4_address(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok()
}

/// Labels of letters, digits, `-` and `_`, separated by dots. One trailing dot is allowed.
fn is_host_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_name = host.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    });
    is_name && !host.rsplit('.').next().is_some_and(is_number)
}

/// Whether a label is a decimal, octal or hexadecimal number. As the last label it makes URL
/// parsers read the host as an IPv4 address (WHATWG URL section 3.5).
fn is_number(label: &str) -> bool {
    let (digits, is_digit): (_, fn(&u8) -> bool) = match label.strip_prefix("0x") {
        Some(digits) => (digits, u8::is_ascii_hexdigit),
        None => (label, u8::is_ascii_digit),
    };
    digits.as_bytes().iter().all(is_digit)
}

fn is_port(digits: &str) -> bool {
    digits.bytes().all(|octet| octet.is_ascii_digit())
        && digits.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Why a text is not the domain of an issuer. The error contains no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DomainError {
    /// The text is empty or only white space.
    #[error("domain must be a non-empty string")]
    Blank,
    /// It begins with `http://`.
    #[error("invalid domain URL (https required)")]
    NotHttps,
    /// It has a user name or a password.
    #[error("invalid domain URL (credentials are not allowed)")]
    Credentials,
    /// It has a path, a query or a fragment.
    #[error("invalid domain URL (path/query/fragment are not allowed)")]
    Path,
    /// Its host is not a host name, an IPv4 address or an IPv6 address in brackets.
    #[error("invalid domain URL (not a valid host)")]
    Host,
    /// Its port is not a number from 1 to 65535.
    #[error("invalid domain URL (not a valid port)")]
    Port,
}

/// An https origin: host and effective port (RFC 6454 section 4). No port means port 443.
///
/// ```
/// use a0_discovery::Origin;
///
/// let origin: Origin = "https://keys.example:443".parse()?;
/// assert_eq!(origin, "https://KEYS.example/".parse()?);
/// assert!("http://keys.example".parse::<Origin>().is_err());
/// # Ok::<(), a0_discovery::InvalidOrigin>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    host: String,
    port: u16,
}

impl Origin {
    pub(crate) fn of_issuer(issuer: &Issuer) -> Option<Self> {
        Url::parse(issuer.as_str())
            .ok()
            .and_then(|url| Origin::of(&url))
    }

    /// `None` if the URL is not https, or has a user name or a password.
    pub(crate) fn of(url: &Url) -> Option<Self> {
        let is_plain_https =
            url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
        match (url.host_str(), url.port_or_known_default()) {
            (Some(host), Some(port)) if is_plain_https => Some(Origin {
                host: host.to_owned(),
                port,
            }),
            _ => None,
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Origin(https://{}:{})", self.host, self.port)
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| InvalidOrigin)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidOrigin);
        }
        Origin::of(&url).ok_or(InvalidOrigin)
    }
}

/// The text is not an https origin such as `https://keys.example`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an https origin: give scheme, host and port only, as in https://keys.example:8443")]
#[non_exhaustive]
pub struct InvalidOrigin;
