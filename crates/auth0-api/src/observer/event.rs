//! What observers are told, as data.

use std::time::Duration;

use a0_discovery::{Issuer, RefusedEntry};

use crate::error::{Error, ErrorKind, SchemeError};
use crate::verification::request::Scheme;

/// Something that happened in a client.
///
/// An event contains no token and no part of one: no `kid`, `sub`, `jti` or nonce. The only exception are
/// the claims that [`Builder::observed_claims`](crate::Builder::observed_claims) names.
///
/// New variants, fields and values may be added in any version.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'e> {
    /// A verification ended.
    Verification(Verification<'e>),
    /// A policy did not allow a verified token: see
    /// [`ApiClient::authorize`](crate::ApiClient::authorize).
    Denial(Denial),
    /// A round that refreshes the keys of an issuer ended.
    KeysRefresh(KeysRefresh<'e>),
    /// A proof was checked for its first use.
    Replay(Replay),
    /// The cache of verified tokens was asked for a token.
    TokenCache(TokenCacheLookup),
    /// A client flow ended.
    TokenExchange(ExchangedToken<'e>),
    /// A request of the scheme DPoP was refused, because the API passed no URL or no method for it: see
    /// [`Builder::public_url`](crate::Builder::public_url). No client can change that.
    RequestWithoutUrl {
        /// Whether it is the first one of this client. Tell the operator then, and no second time: strangers
        /// can send as many as they like.
        is_first: bool,
    },
}

/// A piece of work that an observer may surround with a [`Span`](crate::observer::Span).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Work<'w> {
    /// A verification. It ends with [`Event::Verification`].
    Verification(Subject),
    /// A round that refreshes the keys of an issuer. It ends with [`Event::KeysRefresh`].
    #[non_exhaustive]
    KeysRefresh {
        /// The host of the issuer, with its port if it has one.
        issuer_host: &'w str,
    },
    /// A client flow. It ends with [`Event::TokenExchange`].
    #[non_exhaustive]
    TokenExchange {
        /// The flow.
        flow: Flow,
        /// The host of `domain`; `None` if the client has no credentials for it.
        issuer_host: Option<&'w str>,
    },
}

/// The end of a verification.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Verification<'e> {
    /// What was verified.
    pub subject: Subject,
    /// How it ended.
    pub outcome: Outcome,
    /// The scheme of the credentials. `None` if the request has none of a scheme that the API accepts.
    pub scheme: Option<Scheme>,
    /// Why it was not accepted: [`Error::reason`].
    pub reason: Option<&'static str>,
    /// The status of the response, if it was not accepted.
    pub status: Option<u16>,
    /// How long it took, by the monotonic clock.
    pub duration: Duration,
    /// The host of the issuer whose keys are unavailable.
    pub issuer_host: Option<&'e str>,
    /// The claims that [`Builder::observed_claims`](crate::Builder::observed_claims) names, if the token was
    /// accepted: names and values. Values of other types than string are left out.
    pub claims: &'e [(&'e str, &'e str)],
}

/// A verified token that a policy did not allow. Its verification was told before, as accepted.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Denial {
    /// [`Outcome::Refused`], or [`Outcome::Misconfigured`] if the policy is at fault.
    pub outcome: Outcome,
    /// The scheme that the token came with.
    pub scheme: Scheme,
    /// Why: [`Error::reason`].
    pub reason: &'static str,
    /// The status of the response.
    pub status: u16,
}

/// What a verification verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A request.
    Request,
    /// An access token by itself.
    AccessToken,
    /// A DPoP proof by itself.
    DpopProof,
}

/// How a verification ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Everything passed.
    Accepted,
    /// The request has no credentials of a scheme that the API accepts: 401.
    Missing,
    /// A check failed: 400 or 401, or 403 by a policy.
    Refused,
    /// The keys or the replay store are unavailable: 503.
    Unavailable,
    /// The API is at fault: 500.
    Misconfigured,
}

/// The end of a round that refreshes the keys of an issuer. Rounds for metadata alone are not reported.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct KeysRefresh<'e> {
    /// The host of the issuer, with its port if it has one.
    pub issuer_host: &'e str,
    /// How the round ended.
    pub result: RefreshResult,
    /// Why it failed: one of the labels of [`Error::reason`].
    pub reason: Option<&'static str>,
    /// How old the keys are that it brought, counted from the request that fetched them.
    pub keys_age: Option<Duration>,
    /// The entries of the shared cache that were ignored, and why. This is no failure of the refresh, but
    /// somebody may be attacking the store.
    pub refused_entries: &'e [RefusedEntry],
    /// How long it took, by the monotonic clock.
    pub duration: Duration,
}

/// How a refresh of keys ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshResult {
    /// The issuer sent usable keys.
    Fetched,
    /// The shared cache had newer keys, and the issuer was not asked.
    Shared,
    /// The shared cache had no newer keys, and the issuer was not asked, because it has just failed or
    /// because another process has just asked it.
    Unchanged,
    /// The issuer failed. Keys in memory stay in use for a time.
    Failed,
    /// It ended without a result: its thread or task panicked, or its runtime was dropped.
    Abandoned,
}

/// The result of the check whether a proof was used before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replay {
    /// The proof is used for the first time, and is recorded now.
    First,
    /// The proof was used before, and is refused.
    Replayed,
    /// The store failed, and the request was answered 503.
    Failed,
    /// The store failed, and the proof was accepted without a check:
    /// [`replay_fail_open`](crate::Builder::replay_fail_open).
    FailedOpen,
}

/// Whether the cache of verified tokens had a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenCacheLookup {
    /// It had the token.
    Hit,
    /// It did not, or the keys of the token had been replaced.
    Miss,
}

/// The end of a client flow.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ExchangedToken<'e> {
    /// The flow.
    pub flow: Flow,
    /// How it ended.
    pub result: ExchangeResult,
    /// Why there is no token: [`Error::reason`].
    pub reason: Option<&'static str>,
    /// The host of `domain`; `None` if the client has no credentials for it.
    pub issuer_host: Option<&'e str>,
    /// How long it took, by the monotonic clock.
    pub duration: Duration,
}

/// A client flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flow {
    /// [`get_token_by_exchange_profile`](crate::ApiClient::get_token_by_exchange_profile).
    ExchangeProfile,
    /// [`get_token_on_behalf_of`](crate::ApiClient::get_token_on_behalf_of).
    OnBehalfOf,
    /// [`get_access_token_for_connection`](crate::ApiClient::get_access_token_for_connection).
    Connection,
}

/// How a client flow ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangeResult {
    /// The token endpoint issued a token.
    Issued,
    /// The token of another call was returned: from the cache, or of an exchange that both waited for.
    Reused,
    /// Nothing was sent, because the request or the configuration is at fault.
    NotSent,
    /// The token endpoint refused, with a status of the class 4xx.
    Refused,
    /// The token endpoint could not be reached, failed, or its response was not usable.
    Failed,
}

impl Outcome {
    /// The label: `accepted`, `missing`, `refused`, `unavailable` or `misconfigured`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Missing => "missing",
            Outcome::Refused => "refused",
            Outcome::Unavailable => "unavailable",
            Outcome::Misconfigured => "misconfigured",
        }
    }

    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::MissingAuthorization
            | ErrorKind::InvalidAuthScheme(SchemeError::NoCredentials) => Outcome::Missing,
            ErrorKind::Unavailable(_) => Outcome::Unavailable,
            _ if error.status_code().is_server_error() => Outcome::Misconfigured,
            _ => Outcome::Refused,
        }
    }
}

impl RefreshResult {
    /// The label: `fetched`, `shared`, `unchanged`, `failed` or `abandoned`.
    pub fn as_str(self) -> &'static str {
        match self {
            RefreshResult::Fetched => "fetched",
            RefreshResult::Shared => "shared",
            RefreshResult::Unchanged => "unchanged",
            RefreshResult::Failed => "failed",
            RefreshResult::Abandoned => "abandoned",
        }
    }
}

impl Replay {
    /// The label: `first`, `replayed`, `failed` or `failed_open`.
    pub fn as_str(self) -> &'static str {
        match self {
            Replay::First => "first",
            Replay::Replayed => "replayed",
            Replay::Failed => "failed",
            Replay::FailedOpen => "failed_open",
        }
    }
}

impl TokenCacheLookup {
    /// The label: `hit` or `miss`.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenCacheLookup::Hit => "hit",
            TokenCacheLookup::Miss => "miss",
        }
    }
}

impl Flow {
    /// The label: `exchange_profile`, `on_behalf_of` or `connection`.
    pub fn as_str(self) -> &'static str {
        match self {
            Flow::ExchangeProfile => "exchange_profile",
            Flow::OnBehalfOf => "on_behalf_of",
            Flow::Connection => "connection",
        }
    }
}

impl ExchangeResult {
    /// The label: `issued`, `reused`, `not_sent`, `refused` or `failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            ExchangeResult::Issued => "issued",
            ExchangeResult::Reused => "reused",
            ExchangeResult::NotSent => "not_sent",
            ExchangeResult::Refused => "refused",
            ExchangeResult::Failed => "failed",
        }
    }

    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Api(error) if error.endpoint_status().is_client_error() => {
                ExchangeResult::Refused
            }
            ErrorKind::Api(_) => ExchangeResult::Failed,
            _ => ExchangeResult::NotSent,
        }
    }
}

/// The host of an issuer, with its port if it has one. The form of an issuer is `https://host/`.
pub(crate) fn issuer_host(issuer: &Issuer) -> &str {
    let issuer = issuer.as_str();
    let host = issuer.strip_prefix("https://").unwrap_or(issuer);
    host.trim_end_matches('/')
}
