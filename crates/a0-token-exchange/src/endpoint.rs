//! A token endpoint, and the client's authentication there.

use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;

use crate::{ClientAuth, ClientInfo, RequestError};

#[derive(Clone)]
pub(crate) struct Endpoint {
    /// The URL as the caller wrote it.
    pub(crate) url: String,
    pub(crate) uri: Uri,
    pub(crate) auth: Arc<ClientAuth>,
    pub(crate) client_info: Option<ClientInfo>,
}

impl Endpoint {
    pub(crate) fn new(url: &str, auth: Arc<ClientAuth>) -> Result<Self, RequestError> {
        Ok(Endpoint {
            url: url.to_owned(),
            uri: parse(url).ok_or(RequestError::Endpoint)?,
            auth,
            client_info: None,
        })
    }
}

/// Parses the URL, and accepts only those that all parsers read in the same way: visible ASCII
/// without the backslash, which browsers read as a slash. The caller may have checked the URL with
/// another parser.
fn parse(url: &str) -> Option<Uri> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#');
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let is_valid = url.bytes().all(is_plain)
        && uri.scheme() == Some(&Scheme::HTTPS)
        && !authority.as_str().contains('@')
        && !authority.host().is_empty();
    is_valid.then_some(uri)
}
