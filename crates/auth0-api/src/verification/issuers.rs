//! The issuers whose tokens an API accepts, the algorithms that each may use, and whether tokens of anonymous
//! sessions are accepted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use a0_discovery::{Freshness, Issuer, IssuerStatus, normalize_domain};
use a0_jose::{Algorithm, HeaderError};

use crate::error::refusal::Refusal;
use crate::error::{IssuerError, TokenError};

use super::Verifier;
use super::detail::Detail;

/// The issuers whose tokens the API accepts. `R` resolves them if they depend on the request.
pub(crate) enum Issuers<R> {
    One(Issuer),
    List(HashSet<Issuer>),
    Resolver(R),
}

/// Whether the API accepts tokens of an issuer.
pub(crate) enum Trust<'i, R> {
    Yes(Cow<'i, Issuer>),
    /// Only if the resolver returns it: see [`check_resolved`](super::resolver::check_resolved).
    Ask(&'i R, Issuer),
}

impl<R> Issuers<R> {
    /// Compares a token's `iss` with the allowed issuers, octet for octet.
    pub(crate) fn trust(&self, iss: &str) -> Result<Trust<'_, R>, IssuerError> {
        let allowed = match self {
            Issuers::One(issuer) => Some(issuer).filter(|issuer| issuer.as_str() == iss),
            Issuers::List(issuers) => issuers.get(iss),
            Issuers::Resolver(_) => None,
        };
        if let Some(issuer) = allowed {
            return Ok(Trust::Yes(Cow::Borrowed(issuer)));
        }
        let issuer = normalize_domain(iss).map_err(|_| IssuerError::Format)?;
        match self {
            Issuers::One(_) => Err(IssuerError::Mismatch),
            // Only the normalized spelling can be equal to an issuer that the resolver returns.
            Issuers::Resolver(resolver) if issuer.as_str() == iss => {
                Ok(Trust::Ask(resolver, issuer))
            }
            Issuers::List(_) | Issuers::Resolver(_) => Err(IssuerError::NotAllowed),
        }
    }

    /// Returns the issuer of a domain, if the API may accept its tokens.
    pub(crate) fn issuer_of(&self, domain: &str) -> Result<Issuer, crate::Error> {
        let issuer = normalize_domain(domain)
            .map_err(|error| crate::Error::configuration(format!("domain: {error}")))?;
        if self.exclude(&issuer) {
            return Err(crate::Error::configuration(
                "domain: this API does not accept tokens of this domain; use one of domain or domains",
            ));
        }
        Ok(issuer)
    }

    pub(crate) fn exclude(&self, issuer: &Issuer) -> bool {
        match self {
            Issuers::One(one) => one != issuer,
            Issuers::List(issuers) => !issuers.contains(issuer),
            Issuers::Resolver(_) => false,
        }
    }

    /// The issuers that do not depend on a request.
    pub(crate) fn configured(&self) -> impl Iterator<Item = &Issuer> {
        let (one, list) = match self {
            Issuers::One(issuer) => (Some(issuer), None),
            Issuers::List(issuers) => (None, Some(issuers)),
            Issuers::Resolver(_) => (None, None),
        };
        one.into_iter().chain(list.into_iter().flatten())
    }

    /// Whether keys of a configured issuer were fetched or are static; also true if none is configured.
    ///
    /// Their age does not matter. Only requests fetch keys, so an instance that gets none because its keys
    /// are too old would not recover.
    pub(crate) fn is_ready(&self, status: &[IssuerStatus]) -> bool {
        let is_warm = |issuer: &Issuer| {
            let mut status = status.iter();
            status.any(|status| {
                let has_keys =
                    status.last_success.is_some() || status.freshness == Freshness::Static;
                status.issuer == *issuer && has_keys
            })
        };
        matches!(self, Issuers::Resolver(_)) || self.configured().any(is_warm)
    }
}

/// The allowed signature algorithms: common ones, and those of issuers that have their own (RFC 8725 section
/// 3.1).
pub(crate) struct AllowedAlgorithms {
    common: Vec<Algorithm>,
    of_issuers: HashMap<Issuer, Vec<Algorithm>>,
}

impl AllowedAlgorithms {
    pub(crate) fn new(common: Vec<Algorithm>, of_issuers: HashMap<Issuer, Vec<Algorithm>>) -> Self {
        AllowedAlgorithms { common, of_issuers }
    }

    /// Every algorithm that some issuer may use.
    pub(crate) fn any(&self) -> impl Iterator<Item = Algorithm> {
        let own = self.of_issuers.values().flatten();
        self.common.iter().chain(own).copied()
    }

    pub(crate) fn of_issuers(&self) -> impl Iterator<Item = (&Issuer, &Vec<Algorithm>)> {
        self.of_issuers.iter()
    }

    pub(crate) fn check(&self, issuer: &Issuer, algorithm: Algorithm) -> Result<(), HeaderError> {
        // The header rules have compared the algorithm with the common ones.
        if self.of_issuers.is_empty() {
            return Ok(());
        }
        let allowed = self.of_issuers.get(issuer).unwrap_or(&self.common);
        if !allowed.contains(&algorithm) {
            return Err(HeaderError::AlgorithmNotAllowed);
        }
        Ok(())
    }
}

/// How `sub` of an anonymous session begins.
const ANONYMOUS: &str = "anon@";

impl<R, S> Verifier<R, S> {
    /// Refuses an anonymous session, unless the API allows them.
    pub(crate) fn check_subject(&self, subject: Option<&str>) -> Result<(), Refusal> {
        if self.allow_anonymous || !subject.is_some_and(is_anonymous) {
            return Ok(());
        }
        Err(Refusal::from(TokenError::Anonymous).with_diagnosis(Detail::of_anonymous()))
    }
}

/// Whether a subject is an anonymous session. It is compared octet for octet, as every `sub` is.
pub(crate) fn is_anonymous(subject: &str) -> bool {
    subject.starts_with(ANONYMOUS)
}
