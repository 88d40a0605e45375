//! Issued tokens.

use std::fmt;
use std::ops::Deref;
use std::time::{SystemTime, UNIX_EPOCH};

use super::body::ResponseBody;
use super::invalid::InvalidResponse;
use crate::secret::Secret;

/// The lifetime in seconds of a token whose response has no `expires_in`, or null there: 3600.
pub const DEFAULT_EXPIRES_IN: u64 = 3600;

/// An access token, with the response's values about it. Strings are unchanged and may be empty.
///
/// `Debug` shows only the times. Tokens are wiped from memory on drop.
#[derive(Clone)]
pub struct IssuedToken {
    access_token: Secret,
    expires_in: Option<u64>,
    received_at: u64,
    scope: Option<String>,
    token_type: Option<String>,
    issued_token_type: Option<String>,
    dpop_nonce: Option<String>,
}

impl IssuedToken {
    pub(crate) fn read(
        body: &ResponseBody<'_>,
        dpop_nonce: Option<String>,
        now: SystemTime,
    ) -> Result<Self, InvalidResponse> {
        Ok(IssuedToken {
            access_token: body.access_token()?,
            expires_in: body.expires_in()?,
            // A clock before 1970 counts as 1970, so that the token counts as expired.
            received_at: now
                .duration_since(UNIX_EPOCH)
                .map_or(0, |age| age.as_secs()),
            scope: body.optional_string("scope")?,
            token_type: body.optional_string("token_type")?,
            issued_token_type: body.optional_string("issued_token_type")?,
            dpop_nonce,
        })
    }

    /// Sets an empty scope if there is none.
    pub(crate) fn with_scope(mut self) -> Self {
        self.scope.get_or_insert_default();
        self
    }

    /// Returns the access token. It is never empty.
    pub fn access_token(&self) -> &str {
        self.access_token.expose()
    }

    /// Returns the lifetime in seconds, or [`DEFAULT_EXPIRES_IN`] if the response has none.
    pub fn expires_in(&self) -> u64 {
        self.expires_in.unwrap_or(DEFAULT_EXPIRES_IN)
    }

    /// Returns the expiry in seconds since 1970-01-01T00:00:00Z: the `now` of the request plus
    /// [`expires_in`](Self::expires_in), at most `u64::MAX`.
    pub fn expires_at(&self) -> u64 {
        self.received_at.saturating_add(self.expires_in())
    }

    /// Whether the lifetime is [`DEFAULT_EXPIRES_IN`] because the response has none.
    pub fn is_expiry_assumed(&self) -> bool {
        self.expires_in.is_none()
    }

    /// Returns the granted scope, which may differ from the requested one. If it is absent, the
    /// granted scope is the requested one (RFC 8693 section 2.2.1).
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Returns `token_type` unchanged. Compare it with [`is_token_type`](Self::is_token_type),
    /// which ignores case. A client must not use a token whose type it does not understand (RFC
    /// 6749 section 7.1).
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Whether [`token_type`](Self::token_type) is present and equal to this one, ignoring case.
    pub fn is_token_type(&self, token_type: &str) -> bool {
        let own = self.token_type.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(token_type))
    }

    /// Returns the URI of the issued token's type unchanged (RFC 8693 section 2.2.1).
    pub fn issued_token_type(&self) -> Option<&str> {
        self.issued_token_type.as_deref()
    }

    /// Returns the nonce for the next proof to this endpoint (RFC 9449 section 8.2). It replaces
    /// the previous nonce, and must not be sent to another endpoint.
    pub fn dpop_nonce(&self) -> Option<&str> {
        self.dpop_nonce.as_deref()
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IssuedToken")
            .field("expires_in", &self.expires_in())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}

/// The response to a [`TokenExchange`](crate::TokenExchange): an [`IssuedToken`], and the ID token
/// and refresh token that came with it. It dereferences to the `IssuedToken`.
///
/// `Debug` shows only the times. Tokens are wiped from memory on drop.
#[derive(Clone)]
pub struct TokenResponse {
    issued: IssuedToken,
    id_token: Option<Secret>,
    refresh_token: Option<Secret>,
}

impl TokenResponse {
    pub(crate) fn read(
        body: &ResponseBody<'_>,
        issued: IssuedToken,
    ) -> Result<Self, InvalidResponse> {
        let secret = |name| Ok(body.optional_string(name)?.map(Secret::new));
        Ok(TokenResponse {
            issued,
            id_token: secret("id_token")?,
            refresh_token: secret("refresh_token")?,
        })
    }

    /// Returns the ID token, if there is one. It has not been verified.
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_ref().map(Secret::expose)
    }

    /// Returns the refresh token, if there is one.
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(Secret::expose)
    }
}

impl Deref for TokenResponse {
    type Target = IssuedToken;

    fn deref(&self) -> &IssuedToken {
        &self.issued
    }
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("TokenResponse")
            .field(&self.issued)
            .finish()
    }
}
