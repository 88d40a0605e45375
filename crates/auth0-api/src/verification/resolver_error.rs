//! The errors of a domains resolver.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use a0_discovery::DomainError;

/// The domains resolver did not return a usable list of domains: 500. Two errors are equal if their
/// [`fault`](DomainsResolverError::fault)s are. Only `source()` returns the resolver's own error.
#[derive(Clone)]
pub struct DomainsResolverError {
    fault: ResolverFault,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// What is wrong with the result of a domains resolver.
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
