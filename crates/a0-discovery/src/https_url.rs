//! The address of a document.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::issuer::Origin;

/// An absolute https URL without user name, password and fragment: an address that a document is
/// fetched from. `Debug` and errors leave out its query.
///
/// ```
/// use a0_discovery::HttpsUrl;
///
/// let url: HttpsUrl = "https://proxy.internal:8443/tenant/keys".parse()?;
/// assert_eq!(url.as_str(), "https://proxy.internal:8443/tenant/keys");
/// assert!("http://proxy.internal/keys".parse::<HttpsUrl>().is_err());
/// # Ok::<(), a0_discovery::InvalidHttpsUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpsUrl(pub(crate) Url);

impl HttpsUrl {
    /// The URL as it is requested.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for HttpsUrl {
    type Err = InvalidHttpsUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| InvalidHttpsUrl)?;
        let is_allowed = Origin::of(&url).is_some() && url.fragment().is_none();
        // `Url` repairs such texts, so they do not say what they seem to say.
        let is_repaired = text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\')
            || text.get("https:".len()..).is_none_or(|rest| {
                let host = rest.strip_prefix("//");
                host.is_none_or(|host| host.starts_with('/'))
            });
        let is_request_target = http::Uri::try_from(url.as_str()).is_ok();
        if !is_allowed || is_repaired || !is_request_target {
            return Err(InvalidHttpsUrl);
        }
        Ok(HttpsUrl(url))
    }
}

impl fmt::Debug for HttpsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.as_str().split('?').next().unwrap_or_default();
        write!(formatter, "HttpsUrl({place})")
    }
}

/// The text is not an absolute https URL without user name, password and fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an absolute https URL without user name, password and fragment, as in \
     https://proxy.internal:8443/keys"
)]
#[non_exhaustive]
pub struct InvalidHttpsUrl;
