//! Which issuers an API trusts: one, a list, or whichever a function names for a request.

use std::borrow::Cow;
use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use a0_discovery::{DomainError, Issuer, normalize_domain};
use a0_dpop::Htu;

use crate::error::{ErrorKind, IssuerError, Refusal};
use crate::request::RequestContext;

/// The issuers whose tokens are taken.
pub(crate) enum Issuers {
    One(Issuer),
    List(HashSet<Issuer>),
    Resolver(Resolver),
}

pub(crate) type Resolver = Arc<
    dyn Fn(&ResolverContext<'_>) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> + Send + Sync,
>;

impl Issuers {
    /// The issuer that a token names, if it is one of these, octet for octet. Nothing is fetched.
    pub(crate) fn trusted(
        &self,
        iss: &str,
        request: &RequestContext<'_>,
        public_url: Option<&Htu>,
    ) -> Result<Cow<'_, Issuer>, Refusal> {
        let known = match self {
            Issuers::One(issuer) => Some(issuer).filter(|issuer| issuer.as_str() == iss),
            Issuers::List(issuers) => issuers.get(iss),
            Issuers::Resolver(_) => None,
        };
        if let Some(issuer) = known {
            return Ok(Cow::Borrowed(issuer));
        }
        let issuer = normalize_domain(iss).map_err(|_| IssuerError::Format)?;
        match self {
            Issuers::One(_) => Err(IssuerError::Mismatch.into()),
            // Another spelling of an issuer is another issuer: there is no need to ask for it.
            Issuers::Resolver(resolver) if issuer.as_str() == iss => {
                let context = ResolverContext {
                    request,
                    url: request.full_url(public_url),
                    issuer: &issuer,
                };
                match resolve(resolver, &context)?.contains(&issuer) {
                    true => Ok(Cow::Owned(issuer)),
                    false => Err(IssuerError::NotAllowed.into()),
                }
            }
            Issuers::List(_) | Issuers::Resolver(_) => Err(IssuerError::NotAllowed.into()),
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

/// Asks the function, and judges what it gives before the token is judged by it.
fn resolve(
    resolver: &Resolver,
    context: &ResolverContext<'_>,
) -> Result<Vec<Issuer>, DomainsResolverError> {
    let domains = resolver(context).map_err(|cause| DomainsResolverError {
        fault: ResolverFault::Failed,
        cause: Some(Arc::from(cause)),
    })?;
    if domains.is_empty() {
        return Err(ResolverFault::NoDomains.into());
    }
    let normalize = |domain: &String| {
        normalize_domain(domain).map_err(|error| match error {
            DomainError::Blank => ResolverFault::Blank.into(),
            error => ResolverFault::Domain(error).into(),
        })
    };
    domains.iter().map(normalize).collect()
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

/// The domains resolver did not give a list of domains: 500. Two are equal if their
/// [`fault`](DomainsResolverError::fault) is; the resolver's own error is in `source()` alone.
#[derive(Clone)]
pub struct DomainsResolverError {
    fault: ResolverFault,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What is wrong with a domains resolver's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverFault {
    /// It gave an error.
    #[error("Domains resolver function failed")]
    Failed,
    /// It gave no domain.
    #[error("Domains resolver returned an empty list")]
    NoDomains,
    /// It gave a blank one.
    #[error("Domains resolver must return a list of non-empty strings")]
    Blank,
    /// It gave one that cannot be an issuer's.
    #[error("Domains resolver returned invalid domain: {0}")]
    Domain(DomainError),
}

impl DomainsResolverError {
    /// What is wrong.
    pub fn fault(&self) -> ResolverFault {
        self.fault
    }
}

impl From<ResolverFault> for DomainsResolverError {
    fn from(fault: ResolverFault) -> Self {
        DomainsResolverError { fault, cause: None }
    }
}

impl From<DomainsResolverError> for Refusal {
    fn from(error: DomainsResolverError) -> Self {
        ErrorKind::DomainsResolver(error).into()
    }
}

impl PartialEq for DomainsResolverError {
    fn eq(&self, other: &Self) -> bool {
        self.fault == other.fault
    }
}

impl Eq for DomainsResolverError {}

impl fmt::Debug for DomainsResolverError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DomainsResolverError")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for DomainsResolverError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(formatter)
    }
}

impl Error for DomainsResolverError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let cause = self.cause.as_deref()?;
        Some(cause)
    }
}
