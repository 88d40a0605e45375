//! The header by which a client names its software to Auth0.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::HeaderName;
use serde_json::json;

use crate::RequestError;

/// The longest name and the longest version, in characters: 64.
pub const MAX_CLIENT_INFO: usize = 64;

/// The name and the version of a client's software, as Auth0's SDKs send them in the header
/// `Auth0-Client`: a JSON object in base64url. It has no other member, such as the environment.
///
/// ```
/// use a0_token_exchange::{ClientInfo, RequestError};
///
/// let info = ClientInfo::new("my-api", "1.2.3")?;
/// assert_eq!(ClientInfo::header_name(), "auth0-client");
/// // {"name":"my-api","version":"1.2.3"}
/// assert_eq!(info.header_value(), "eyJuYW1lIjoibXktYXBpIiwidmVyc2lvbiI6IjEuMi4zIn0");
/// assert_eq!(ClientInfo::new("", "1.2.3").unwrap_err(), RequestError::ClientInfo);
/// # Ok::<(), RequestError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInfo(HeaderValue);

impl ClientInfo {
    /// # Errors
    ///
    /// Returns [`RequestError::ClientInfo`] if the name or the version is empty, is longer than
    /// [`MAX_CLIENT_INFO`], or has characters other than visible ASCII.
    pub fn new(name: &str, version: &str) -> Result<Self, RequestError> {
        let is_valid = |text: &str| {
            (1..=MAX_CLIENT_INFO).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if !is_valid(name) || !is_valid(version) {
            return Err(RequestError::ClientInfo);
        }
        let json = json!({ "name": name, "version": version }).to_string();
        let value = HeaderValue::try_from(URL_SAFE_NO_PAD.encode(json));
        value.map(ClientInfo).map_err(|_| RequestError::ClientInfo)
    }

    /// The header's name, `auth0-client`.
    #[must_use]
    pub fn header_name() -> HeaderName {
        HeaderName::from_static("auth0-client")
    }

    /// The header's value.
    #[must_use]
    pub fn header_value(&self) -> &HeaderValue {
        &self.0
    }
}
