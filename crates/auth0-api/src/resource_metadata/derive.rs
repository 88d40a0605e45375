//! The members of the document that follow from the options of the client.

use a0_discovery::normalize_domain;

use crate::error::Error;
use crate::options::builder::Builder;
use crate::verification::issuers::Issuers;
use crate::verification::sender::DpopSettings;

use super::document::{Known, ProtectedResourceMetadata};
use super::options::unusable;

impl Builder {
    pub(crate) fn metadata_of<R>(
        &self,
        issuers: &Issuers<R>,
        dpop: &DpopSettings,
    ) -> Result<Option<ProtectedResourceMetadata>, Error> {
        let Some(options) = &self.authorization.protected_resource else {
            return Ok(None);
        };
        let domain = self.domain.as_ref().map(std::slice::from_ref);
        let domains = match (options.own_servers(), issuers) {
            (Some(own), _) => Some(own),
            (None, Issuers::Resolver(_)) => None,
            (None, Issuers::List(_)) => self.domains.as_deref(),
            (None, Issuers::One(_)) => domain,
        };
        let parse = |domain: &String| {
            let issuer = normalize_domain(domain)
                .map_err(|error| unusable(&format!("authorization_servers: {error}")))?;
            match issuers.exclude(&issuer) {
                true => Err(unusable(&format!(
                    "authorization_servers: {domain}: this API does not accept tokens of this domain"
                ))),
                false => Ok(issuer),
            }
        };
        let known = Known {
            audiences: &self.audiences,
            issuers: domains
                .map(|domains| domains.iter().map(parse).collect())
                .transpose()?,
            mode: dpop.mode,
            proof_algorithms: dpop.rules.allowed_algorithms(),
            certificate_bound_tokens: self.certificate_bound_tokens,
        };
        ProtectedResourceMetadata::new(options, known).map(Some)
    }
}
