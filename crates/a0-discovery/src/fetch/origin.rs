//! The origins that keys may come from and credentials may go to.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::issuer::Issuer;

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
