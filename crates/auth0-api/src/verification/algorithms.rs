//! The algorithms that each issuer may use.

use std::collections::HashMap;

use a0_discovery::Issuer;
use a0_jose::{Algorithm, HeaderError};

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
