//! What a token endpoint gave.

use std::fmt;
use std::ops::Deref;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::InvalidResponse;
use crate::answer::{DEFAULT_EXPIRES_IN, Members};
use crate::secret::Secret;

/// An access token with what the endpoint said of it. Texts are as they came, empty ones too.
///
/// `Debug` shows the times alone, and what is dropped is wiped.
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
        members: &Members<'_>,
        dpop_nonce: Option<String>,
        now: SystemTime,
    ) -> Result<Self, InvalidResponse> {
        Ok(IssuedToken {
            access_token: members.access_token()?,
            expires_in: members.expires_in()?,
            // A clock before 1970 counts as 1970: the token is then taken for expired.
            received_at: now
                .duration_since(UNIX_EPOCH)
                .map_or(0, |age| age.as_secs()),
            scope: members.optional("scope")?,
            token_type: members.optional("token_type")?,
            issued_token_type: members.optional("issued_token_type")?,
            dpop_nonce,
        })
    }

    /// A connection's token has a scope, if only an empty one.
    pub(crate) fn with_scope(mut self) -> Self {
        self.scope.get_or_insert_default();
        self
    }

    /// The token; never empty.
    pub fn access_token(&self) -> &str {
        self.access_token.expose()
    }

    /// Its lifetime in seconds; [`DEFAULT_EXPIRES_IN`] where the answer does not say it.
    pub fn expires_in(&self) -> u64 {
        self.expires_in.unwrap_or(DEFAULT_EXPIRES_IN)
    }

    /// When it expires, in seconds since 1970-01-01T00:00:00Z: `now` of the call and
    /// [`expires_in`](Self::expires_in), at most the end of `u64`.
    pub fn expires_at(&self) -> u64 {
        self.received_at.saturating_add(self.expires_in())
    }

    /// Whether the lifetime is an assumption, because the answer does not say it.
    pub fn is_expiry_assumed(&self) -> bool {
        self.expires_in.is_none()
    }

    /// The scope that was granted; it may differ from the one that was asked for. Where it is
    /// absent, it is the one that was asked for (RFC 8693 section 2.2.1).
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// How the token is used, as the endpoint wrote it. Compare it without regard to case, or ask
    /// [`is_token_type`](Self::is_token_type); a type that is not understood must not be used (RFC
    /// 6749 section 7.1).
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Whether [`token_type`](Self::token_type) is this one, in any case; no for an absent one.
    pub fn is_token_type(&self, token_type: &str) -> bool {
        let own = self.token_type.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(token_type))
    }

    /// The URI of what was issued (RFC 8693 section 2.2.1), as the endpoint wrote it.
    pub fn issued_token_type(&self) -> Option<&str> {
        self.issued_token_type.as_deref()
    }

    /// The nonce to make the next proof for this endpoint with (RFC 9449 section 8.2). It replaces
    /// the one before, and is for this endpoint alone.
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

/// The answer to a [`TokenExchange`](crate::TokenExchange): an [`IssuedToken`], whose methods it
/// has, and the tokens that came with it.
///
/// `Debug` shows the times alone, and what is dropped is wiped.
#[derive(Clone)]
pub struct TokenResponse {
    issued: IssuedToken,
    id_token: Option<Secret>,
    refresh_token: Option<Secret>,
}

impl TokenResponse {
    pub(crate) fn read(
        members: &Members<'_>,
        issued: IssuedToken,
    ) -> Result<Self, InvalidResponse> {
        let secret = |name| Ok(members.optional(name)?.map(Secret::new));
        Ok(TokenResponse {
            issued,
            id_token: secret("id_token")?,
            refresh_token: secret("refresh_token")?,
        })
    }

    /// The ID token, if there is one. Nothing of it has been verified.
    pub fn id_token(&self) -> Option<&str> {
        self.id_token.as_ref().map(Secret::expose)
    }

    /// The refresh token, if there is one.
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
