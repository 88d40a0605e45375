//! What the options of a layer come to.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use auth0_api::Policy;
use auth0_api::asynchronous::ApiClient;
use http::request::Parts;

use crate::grpc::PublicServices;
use crate::hook::Hook;
use crate::reading::Reading;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) client: ApiClient,
    pub(crate) reading: Reading,
    /// The policy that every token must satisfy; `None` if any verified token will do.
    pub(crate) policy: Option<Policy>,
    pub(crate) optional: bool,
    pub(crate) allow_preflight: bool,
    pub(crate) excluded: BTreeSet<String>,
    pub(crate) public_services: PublicServices,
    pub(crate) hook: Option<Arc<Hook>>,
    /// The scopes that the challenges of a 401 name, separated by spaces.
    pub(crate) challenge_scope: Option<String>,
}

impl Settings {
    /// Whether the request needs no token. The inner service receives exactly this path.
    pub(crate) fn excludes(&self, parts: &Parts) -> bool {
        self.excluded.contains(parts.uri.path())
            || self.public_services.includes(&parts.headers, &parts.uri)
    }
}

/// The policy that requires both.
pub(crate) fn both(one: Option<Policy>, other: Policy) -> Policy {
    match one {
        Some(one) => Policy::all([one, other]),
        None => other,
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Auth")
            .field("client", &self.client)
            .field("proxy", &self.reading.proxy)
            .field("certificates", &self.reading.certificates)
            .field("policy", &self.policy)
            .field("optional", &self.optional)
            .field("allow_preflight", &self.allow_preflight)
            .field("excluded", &self.excluded)
            .field("public_services", &self.public_services)
            .finish_non_exhaustive()
    }
}
