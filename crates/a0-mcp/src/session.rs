//! Sessions of the revisions before 2026-07-28. An identifier of a session is not a credential: the layer binds
//! each to the principal that opened it.

use std::fmt;

use auth0_api::jose::{base64url_decode, base64url_encode, constant_time_eq, random_token_id};
use auth0_api::{Error, VerifiedToken};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");

/// Binds identifiers by a keyed hash that it appends to them, so nothing has to be stored.
#[derive(Clone)]
pub(crate) struct Binding {
    key: [u8; 32],
}

/// Whom a session belongs to: issuer, subject, organization and client; empty for a stranger.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Owner(Vec<u8>);

/// The session of a request belongs to somebody else, or there is no such session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotTheirs;

impl Owner {
    pub(crate) fn stranger() -> Self {
        Owner(Vec::new())
    }

    pub(crate) fn of(token: &VerifiedToken) -> Result<Self, Error> {
        let parts = [
            token.issuer()?,
            token.subject()?,
            token.organization_id()?,
            token.authorized_party()?,
            token.client_id()?,
        ];
        let mut owner = vec![1];
        for part in parts.map(Option::unwrap_or_default) {
            owner.extend((part.len() as u64).to_be_bytes());
            owner.extend(part.as_bytes());
        }
        Ok(Owner(owner))
    }
}

impl Binding {
    /// With a key of this process, or `None` if there is no randomness.
    pub(crate) fn random() -> Option<Self> {
        let octets = [random_token_id().ok()?, random_token_id().ok()?].concat();
        Some(Binding::new(auth0_api::jose::sha256(octets)))
    }

    pub(crate) fn new(key: [u8; 32]) -> Self {
        Binding { key }
    }

    fn hash(&self, session: &str, owner: &Owner) -> Option<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(&(session.len() as u64).to_be_bytes());
        mac.update(session.as_bytes());
        mac.update(&owner.0);
        Some(mac.finalize().into_bytes().into())
    }

    /// Replaces the identifier of the client by that of the server inside.
    /// Without a session there is no stream to resume.
    pub(crate) fn open(&self, headers: &mut HeaderMap, owner: &Owner) -> Result<(), NotTheirs> {
        let mut values = headers.get_all(SESSION).iter();
        let Some(value) = values.next() else {
            headers.remove(LAST_EVENT);
            return Ok(());
        };
        let text = value.to_str().ok().filter(|_| values.next().is_none());
        let (session, hash) = text
            .and_then(|text| text.rsplit_once('.'))
            .ok_or(NotTheirs)?;
        let hash = base64url_decode(hash).ok_or(NotTheirs)?;
        let expected = self.hash(session, owner).ok_or(NotTheirs)?;
        if !constant_time_eq(&hash, &expected) {
            return Err(NotTheirs);
        }
        let session = HeaderValue::from_str(session).map_err(|_| NotTheirs)?;
        headers.insert(SESSION, session);
        Ok(())
    }

    /// Replaces the identifier of the server inside by one that is bound to its owner.
    pub(crate) fn seal(&self, headers: &mut HeaderMap, owner: &Owner) {
        let Some(value) = headers.remove(SESSION) else {
            return;
        };
        let sealed = value.to_str().ok().and_then(|session| {
            let hash = base64url_encode(self.hash(session, owner)?);
            HeaderValue::from_str(&format!("{session}.{hash}")).ok()
        });
        if let Some(sealed) = sealed {
            headers.insert(SESSION, sealed);
        }
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Binding").finish_non_exhaustive()
    }
}
