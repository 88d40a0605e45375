//! Access tokens from other places than the field `Authorization`.

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue};

/// Takes an access token out of the subprotocols of a WebSocket handshake.
///
/// Browsers cannot set header fields of a WebSocket handshake, except for the subprotocols that they
/// offer. With the name `access_token`, a client offers `access_token.` followed by the token, and at
/// least one subprotocol that the API speaks: browsers close a connection whose offers the server
/// answers with none.
///
/// ```js
/// new WebSocket("wss://api.example.com/live", ["chat", "access_token." + token])
/// ```
///
/// The offer with the token is removed from the request, so no handler can echo it. There is no such
/// way for tokens in a URL's query, which RFC 9700 section 4.3.2 forbids because URLs are logged, nor
/// for cookies, which browsers also send for pages of other sites.
///
/// The token is used with the scheme Bearer. A token that is bound to a key needs a proof, and a browser
/// cannot send one here.
///
/// ```
/// use a0_tower::source::Subprotocol;
/// use http::{HeaderMap, HeaderValue};
///
/// let source = Subprotocol::new("access_token")?;
/// let mut headers = HeaderMap::new();
/// let offers = HeaderValue::from_static("chat, access_token.eyJ.eyJ.sig");
/// headers.insert("sec-websocket-protocol", offers);
///
/// let authorization = source.take(&mut headers)?;
/// assert_eq!(authorization.as_ref().map(|value| value.as_bytes()), Some(&b"Bearer eyJ.eyJ.sig"[..]));
/// assert_eq!(headers["sec-websocket-protocol"], "chat");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Subprotocol {
    /// The name and a dot.
    prefix: String,
}

impl Subprotocol {
    /// Takes tokens from offers that begin with this name, in this case, and a dot.
    ///
    /// # Errors
    ///
    /// [`InvalidSubprotocol`] if the name is not a token (RFC 9110 section 5.6.2), such as an empty one.
    pub fn new(name: &str) -> Result<Self, InvalidSubprotocol> {
        let is_token = !name.is_empty() && name.bytes().all(crate::proxy::is_token);
        let prefix = format!("{name}.");
        is_token
            .then_some(Subprotocol { prefix })
            .ok_or(InvalidSubprotocol)
    }

    /// Removes the token from the offers, and returns it as a value of `Authorization`, which is marked
    /// as sensitive. Returns `None` if no offer holds a token.
    ///
    /// # Errors
    ///
    /// [`SubprotocolError`] if the request is ambiguous or the token is empty. The offers with tokens are
    /// removed here too. The request must be refused, even where credentials are optional: RFC 6750
    /// section 3.1 says 400 and `invalid_request`.
    pub fn take(&self, headers: &mut HeaderMap) -> Result<Option<HeaderValue>, SubprotocolError> {
        let mut tokens = Vec::new();
        let mut kept = Vec::new();
        for line in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
            for offer in line.as_bytes().split(|octet| *octet == b',') {
                let offer = offer.trim_ascii();
                match offer.strip_prefix(self.prefix.as_bytes()) {
                    Some(token) => tokens.push([b"Bearer ", token].concat()),
                    None => kept.push(offer),
                }
            }
        }
        if tokens.is_empty() {
            return Ok(None);
        }
        let kept = HeaderValue::from_bytes(&kept.join(&b", "[..]));
        match kept.ok().filter(|kept| !kept.is_empty()) {
            Some(kept) => headers.insert(SEC_WEBSOCKET_PROTOCOL, kept),
            None => headers.remove(SEC_WEBSOCKET_PROTOCOL),
        };
        if headers.contains_key(AUTHORIZATION) {
            return Err(SubprotocolError::BesideAuthorization);
        }
        let (Some(value), true) = (tokens.pop(), tokens.is_empty()) else {
            return Err(SubprotocolError::SeveralTokens);
        };
        let mut value = HeaderValue::from_bytes(&value).map_err(|_| SubprotocolError::NoToken)?;
        if value.as_bytes().trim_ascii_end() == b"Bearer" {
            return Err(SubprotocolError::NoToken);
        }
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// The error for a name that no subprotocol can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name of a subprotocol is a token of RFC 9110")]
#[non_exhaustive]
pub struct InvalidSubprotocol;

/// Why a request with a token in its subprotocols is refused. It holds no part of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubprotocolError {
    /// The request has a field `Authorization` too (RFC 6750 section 2).
    #[error("the request has credentials in `Authorization` and in a subprotocol")]
    BesideAuthorization,
    /// Several subprotocols hold a token.
    #[error("the request has several tokens in its subprotocols")]
    SeveralTokens,
    /// Nothing follows the name and its dot.
    #[error("the subprotocol for the access token holds none")]
    NoToken,
}
