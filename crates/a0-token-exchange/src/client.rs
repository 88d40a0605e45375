//! An endpoint and a way to authenticate there.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;

use crate::answer::Members;
use crate::error::Kind;
use crate::response::{IssuedToken, TokenResponse};
use crate::{ClientAuth, ConnectionToken, OnBehalfOf, RequestError, TokenExchange, TokenRequest};

/// A client of one token endpoint. Clones share everything.
///
/// `Debug` shows the endpoint and the client's identifier.
#[derive(Clone)]
pub struct TokenClient(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) url: String,
    pub(crate) uri: Uri,
    pub(crate) auth: Arc<ClientAuth>,
}

impl TokenClient {
    /// A client of the endpoint at this URL. Credentials go there: that it is the endpoint of the
    /// right server is for the caller to see to. Clients of several endpoints can share them, in an
    /// `Arc`.
    ///
    /// # Errors
    ///
    /// [`RequestError::Endpoint`] if it is not an absolute https URL, or has user name, password or
    /// fragment (RFC 6749 section 3.2).
    pub fn new(
        token_endpoint: &str,
        auth: impl Into<Arc<ClientAuth>>,
    ) -> Result<Self, RequestError> {
        let uri = endpoint(token_endpoint).ok_or(RequestError::Endpoint)?;
        let (url, auth) = (token_endpoint.to_owned(), auth.into());
        Ok(TokenClient(Arc::new(Inner { url, uri, auth })))
    }

    /// Exchanges a token by the profile that its type selects (RFC 8693).
    ///
    /// # Errors
    ///
    /// [`RequestError`], for what is wrong with the request.
    pub fn exchange(
        &self,
        request: &TokenExchange<'_>,
    ) -> Result<TokenRequest<TokenResponse>, RequestError> {
        let form = request.form()?;
        Ok(TokenRequest::new(
            self,
            Kind::Exchange,
            form,
            TokenResponse::read,
        ))
    }

    /// Exchanges an access token for one of a downstream API.
    ///
    /// # Errors
    ///
    /// [`RequestError`]; the access token is called `subject_token` there.
    pub fn on_behalf_of(
        &self,
        request: &OnBehalfOf<'_>,
    ) -> Result<TokenRequest<IssuedToken>, RequestError> {
        let form = request.form()?;
        Ok(TokenRequest::new(
            self,
            Kind::Exchange,
            form,
            |_: &Members<'_>, issued| Ok(issued),
        ))
    }

    /// Gets a user's access token of an external provider. [`IssuedToken::scope`] is then always
    /// there.
    ///
    /// # Errors
    ///
    /// [`RequestError::MissingArgument`].
    pub fn connection_token(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<TokenRequest<IssuedToken>, RequestError> {
        let form = request.form()?;
        Ok(TokenRequest::new(
            self,
            Kind::Connection,
            form,
            |_: &Members<'_>, issued| Ok(issued.with_scope()),
        ))
    }
}

/// Whoever judged the URL before may have read it by other rules. So it must be one that all rules
/// read alike: visible ASCII, without the backslash that browsers take for a slash.
fn endpoint(url: &str) -> Option<Uri> {
    let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'\\' | b'#');
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let good = url.bytes().all(plain)
        && uri.scheme() == Some(&Scheme::HTTPS)
        && !authority.as_str().contains('@')
        && !authority.host().is_empty();
    good.then_some(uri)
}

impl fmt::Debug for TokenClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenClient")
            .field("token_endpoint", &self.0.url)
            .field("auth", &self.0.auth)
            .finish()
    }
}
