//! The domains resolver, a callback that the API provides: its input, and the check of its result.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use a0_discovery::{DomainError, Issuer, normalize_domain};
use a0_dpop::Htu;

use crate::error::IssuerError;
use crate::error::refusal::Refusal;

use super::context::RequestContext;

pub(crate) type Cause = Box<dyn Error + Send + Sync>;

pub(crate) type Resolver =
    Arc<dyn Fn(&ResolverContext<'_>) -> Result<Vec<String>, Cause> + Send + Sync>;

/// Checks the list that a resolver returned, and that `issuer` is in it. One invalid domain invalidates the
/// whole list.
pub(crate) fn check_resolved(
    issuer: &Issuer,
    domains: Result<Vec<String>, Cause>,
) -> Result<(), Refusal> {
    let domains = domains.map_err(DomainsResolverError::failed)?;
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
    let allowed = allowed.map_err(DomainsResolverError::from)?;
    if !allowed.contains(issuer) {
        return Err(IssuerError::NotAllowed.into());
    }
    Ok(())
}

/// The request that a domains resolver decides for, before anything is verified.
///
/// The client controls everything in it. A resolver must never return
/// [`unverified_iss`](ResolverContext::unverified_iss) unchecked: then anyone who runs a server could
/// issue accepted tokens.
///
/// `Debug` shows the names of the header fields, but no values.
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
    /// The URL that the client used, if it is known: the URL of the [`RequestContext`], or `public_url` with
    /// the request's path. It is normalized (RFC 3986 section 6.2.2) and has no query and no fragment.
    pub fn request_url(&self) -> Option<&str> {
        self.url.as_ref().map(Htu::as_str)
    }

    /// All header fields in order, `Authorization` included. The names are in lower case. In values, octets
    /// that are not UTF-8 are replaced by U+FFFD.
    pub fn request_headers(&self) -> impl Iterator<Item = (String, Cow<'_, str>)> {
        self.request.all_fields()
    }

    /// The first value of a field. The case of the name does not matter.
    pub fn request_header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.request_headers()
            .find(|(present, _)| present.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The issuer that the token names, in the form `https://host[:port]/`. It is not verified.
    pub fn unverified_iss(&self) -> &str {
        self.issuer.as_str()
    }
}

/// The domains resolver did not return a usable list of domains: 500. Two errors are equal if their
/// [`fault`](DomainsResolverError::fault)s are. Only `source()` returns the resolver's own error.
#[derive(Clone)]
pub struct DomainsResolverError {
    fault: ResolverFault,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// The fault in the result of a domains resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolverFault {
    /// It returned an error.
    #[error("Domains resolver function failed")]
    Failed,
    /// It returned an empty list.
    #[error("Domains resolver returned an empty list")]
    NoDomains,
    /// It returned a blank domain.
    #[error("Domains resolver must return a list of non-empty strings")]
    Blank,
    /// It returned a domain that cannot be that of an issuer.
    #[error("Domains resolver returned invalid domain: {0}")]
    Domain(DomainError),
}

impl DomainsResolverError {
    pub(crate) fn failed(cause: Box<dyn Error + Send + Sync>) -> Self {
        DomainsResolverError {
            fault: ResolverFault::Failed,
            cause: Some(Arc::from(cause)),
        }
    }

    /// The fault.
    pub fn fault(&self) -> ResolverFault {
        self.fault
    }
}

impl From<ResolverFault> for DomainsResolverError {
    fn from(fault: ResolverFault) -> Self {
        DomainsResolverError { fault, cause: None }
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
