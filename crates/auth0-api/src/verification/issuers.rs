//! Which issuers an API trusts: one, a list, or whichever a function names for a request.

use std::borrow::Cow;
use std::collections::HashSet;
use std::error::Error;
use std::sync::Arc;

use a0_discovery::{DomainError, Issuer, normalize_domain};
use a0_dpop::Htu;

use crate::error::IssuerError;
use crate::refusal::Refusal;
use crate::verification::request::RequestContext;
use crate::verification::resolver_error::{DomainsResolverError, ResolverFault};

/// The issuers whose tokens are taken. `R` is how they are asked for where they depend on the request.
pub(crate) enum Issuers<R> {
    One(Issuer),
    List(HashSet<Issuer>),
    Resolver(R),
}

pub(crate) type Cause = Box<dyn Error + Send + Sync>;

pub(crate) type Resolver =
    Arc<dyn Fn(&ResolverContext<'_>) -> Result<Vec<String>, Cause> + Send + Sync>;

/// Whether tokens of an issuer are taken.
pub(crate) enum Trust<'i, R> {
    Yes(Cow<'i, Issuer>),
    /// If the resolver names it: see [`resolved`].
    Ask(&'i R, Issuer),
}

impl<R> Issuers<R> {
    /// Judges the issuer that a token names, octet for octet. Nothing is fetched.
    pub(crate) fn trust(&self, iss: &str) -> Result<Trust<'_, R>, IssuerError> {
        let known = match self {
            Issuers::One(issuer) => Some(issuer).filter(|issuer| issuer.as_str() == iss),
            Issuers::List(issuers) => issuers.get(iss),
            Issuers::Resolver(_) => None,
        };
        if let Some(issuer) = known {
            return Ok(Trust::Yes(Cow::Borrowed(issuer)));
        }
        let issuer = normalize_domain(iss).map_err(|_| IssuerError::Format)?;
        match self {
            Issuers::One(_) => Err(IssuerError::Mismatch),
            // Another spelling of an issuer is another issuer: there is no need to ask for it.
            Issuers::Resolver(resolver) if issuer.as_str() == iss => {
                Ok(Trust::Ask(resolver, issuer))
            }
            Issuers::List(_) | Issuers::Resolver(_) => Err(IssuerError::NotAllowed),
        }
    }

    /// The issuer of a domain, unless its tokens are never taken.
    pub(crate) fn named(&self, domain: &str) -> Result<Issuer, crate::Error> {
        let issuer = normalize_domain(domain)
            .map_err(|error| crate::Error::configuration(format!("domain: {error}")))?;
        match self.exclude(&issuer) {
            false => Ok(issuer),
            true => Err(crate::Error::configuration(
                "domain: tokens of this domain are not taken; name it as in domain or domains",
            )),
        }
    }

    fn exclude(&self, issuer: &Issuer) -> bool {
        match self {
            Issuers::One(one) => one != issuer,
            Issuers::List(issuers) => !issuers.contains(issuer),
            Issuers::Resolver(_) => false,
        }
    }

    /// Those that are known without a request.
    pub(crate) fn known(&self) -> impl Iterator<Item = &Issuer> {
        let (one, list) = match self {
            Issuers::One(issuer) => (Some(issuer), None),
            Issuers::List(issuers) => (None, Some(issuers)),
            Issuers::Resolver(_) => (None, None),
        };
        one.into_iter().chain(list.into_iter().flatten())
    }
}

/// Judges what a resolver gave, all of it, before the token is judged by it.
pub(crate) fn resolved(
    issuer: Issuer,
    answer: Result<Vec<String>, Cause>,
) -> Result<Issuer, Refusal> {
    let domains = answer.map_err(DomainsResolverError::failed)?;
    if domains.is_empty() {
        return Err(DomainsResolverError::from(ResolverFault::NoDomains).into());
    }
    let normalize = |domain: &String| {
        normalize_domain(domain).map_err(|error| match error {
            DomainError::Blank => ResolverFault::Blank,
            error => ResolverFault::Domain(error),
        })
    };
    let allowed: Result<Vec<Issuer>, ResolverFault> = domains.iter().map(normalize).collect();
    match allowed
        .map_err(DomainsResolverError::from)?
        .contains(&issuer)
    {
        true => Ok(issuer),
        false => Err(IssuerError::NotAllowed.into()),
    }
}

/// What a domains resolver may look at: what is known of a token's request before anything is
/// verified.
///
/// Everything in it is as the client sent it. A resolver that copies
/// [`unverified_iss`](ResolverContext::unverified_iss) into its answer lets anybody in who has a
/// server.
///
/// `Debug` shows the names of the header fields and no value.
#[derive(Debug)]
pub struct ResolverContext<'c> {
    request: &'c RequestContext<'c>,
    url: Option<Htu>,
    issuer: &'c Issuer,
}

impl<'c> ResolverContext<'c> {
    pub(crate) fn new(
        request: &'c RequestContext<'c>,
        public_url: Option<&Htu>,
        issuer: &'c Issuer,
    ) -> Self {
        ResolverContext {
            request,
            url: request.full_url(public_url).ok(),
            issuer,
        }
    }
}

impl ResolverContext<'_> {
    /// The URL that the client used, where it is known: given with the request, or put together from
    /// `public_url` and the request's path. It is normalised (RFC 3986 section 6.2.2) and has neither
    /// query nor fragment.
    pub fn request_url(&self) -> Option<&str> {
        self.url.as_ref().map(Htu::as_str)
    }

    /// The request's header fields, names in lower case, in order, `Authorization` among them.
    pub fn request_headers(&self) -> impl Iterator<Item = (String, Cow<'_, str>)> {
        self.request.all_fields()
    }

    /// The first value of a field, whatever the case of its name.
    pub fn request_header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.request_headers()
            .find(|(present, _)| present.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The issuer that the token names, which nobody vouches for yet: `https://host[:port]/`.
    pub fn unverified_iss(&self) -> &str {
        self.issuer.as_str()
    }
}
