//! What the API says about itself in challenges, and how its scopes relate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::error::challenge::is_value;
use crate::options::authorization::AuthorizationOptions;
use crate::resource_metadata::document::ProtectedResourceMetadata;
use crate::resource_metadata::location::is_secure_url;

/// The realm of an API that configures none.
const REALM: &str = "api";

/// The settings of an API that authorization and challenges use.
#[derive(Debug, PartialEq)]
pub(crate) struct ResourceServer {
    realm: Option<String>,
    resource_metadata: Option<String>,
    metadata: Option<ProtectedResourceMetadata>,
    /// For each scope, the other scopes that imply it.
    implied_by: BTreeMap<String, BTreeSet<String>>,
    acr_claim: Option<String>,
    auth_time_claim: Option<String>,
    /// The tolerance for differing clocks.
    pub(crate) leeway: Duration,
}

/// The settings of an API that configures nothing.
static DEFAULT: ResourceServer = ResourceServer {
    realm: None,
    resource_metadata: None,
    metadata: None,
    implied_by: BTreeMap::new(),
    acr_claim: None,
    auth_time_claim: None,
    leeway: Duration::ZERO,
};

impl ResourceServer {
    /// Checks the options. Returns `None` if there is nothing to keep: then no token needs a reference.
    pub(crate) fn new(
        options: &AuthorizationOptions,
        metadata: Option<ProtectedResourceMetadata>,
        leeway: Duration,
    ) -> Result<Option<Arc<Self>>, Error> {
        let url = options.resource_metadata.as_deref();
        let server = ResourceServer {
            realm: options.realm.as_deref().map(realm).transpose()?,
            resource_metadata: match (url.map(metadata_url).transpose()?, &metadata) {
                (Some(_), Some(_)) => {
                    return Err(Error::configuration(
                        "set either resource_metadata or protected_resource, whose URL challenges name",
                    ));
                }
                (None, Some(metadata)) => Some(metadata.url().to_owned()),
                (url, None) => url,
            },
            metadata,
            implied_by: implied_by(&options.implications)?,
            acr_claim: claim_name("acr_claim", options.acr_claim.as_deref())?,
            auth_time_claim: claim_name("auth_time_claim", options.auth_time_claim.as_deref())?,
            leeway,
        };
        Ok((server != DEFAULT).then(|| Arc::new(server)))
    }

    pub(crate) fn or_default(server: Option<&Self>) -> &Self {
        server.unwrap_or(&DEFAULT)
    }

    pub(crate) fn realm(&self) -> &str {
        self.realm.as_deref().unwrap_or(REALM)
    }

    /// Whether the realm is the API's own choice.
    pub(crate) fn has_own_realm(&self) -> bool {
        self.realm.is_some()
    }

    pub(crate) fn resource_metadata(&self) -> Option<&str> {
        self.resource_metadata.as_deref()
    }

    pub(crate) fn metadata(&self) -> Option<&ProtectedResourceMetadata> {
        self.metadata.as_ref()
    }

    pub(crate) fn acr_claim(&self) -> &str {
        self.acr_claim.as_deref().unwrap_or("acr")
    }

    pub(crate) fn auth_time_claim(&self) -> &str {
        self.auth_time_claim.as_deref().unwrap_or("auth_time")
    }

    /// Whether a token with the scope `granted` has the scope `required`.
    pub(crate) fn grants(&self, granted: &str, required: &str) -> bool {
        granted == required
            || self
                .implied_by
                .get(required)
                .is_some_and(|stronger| stronger.contains(granted))
    }
}

fn realm(realm: &str) -> Result<String, Error> {
    if realm.is_empty() || !realm.chars().all(is_value) {
        return Err(Error::configuration(
            "realm must be printable ASCII without quotes and backslashes, and not empty",
        ));
    }
    Ok(realm.to_owned())
}

/// RFC 9728 section 5.1. The URL is https, or http to this machine for development.
fn metadata_url(url: &str) -> Result<String, Error> {
    if !is_secure_url(url) {
        return Err(Error::configuration(
            "resource_metadata must be an https URL without credentials and fragment, such as \
             https://api.example/.well-known/oauth-protected-resource",
        ));
    }
    Ok(url.to_owned())
}

fn claim_name(option: &str, name: Option<&str>) -> Result<Option<String>, Error> {
    match name {
        Some(name) if name.trim().is_empty() => {
            Err(Error::configuration(format!("{option} cannot be blank")))
        }
        name => Ok(name.map(str::to_owned)),
    }
}

/// The transitive closure of the implications, from the implied scope to those that imply it.
fn implied_by(
    implications: &[(String, Vec<String>)],
) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
    let mut direct: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (scope, implied) in implications {
        for name in implied.iter().chain([scope]) {
            if !is_scope_token(name) {
                return Err(Error::configuration(format!(
                    "scope_implies: {name:?} is not a scope: {SCOPE_RULE}"
                )));
            }
        }
        let implied = implied.iter().map(String::as_str);
        direct.entry(scope).or_default().extend(implied);
    }
    let mut closure: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for scope in direct.keys() {
        let mut reached = BTreeSet::new();
        let mut open = vec![*scope];
        while let Some(next) = open.pop() {
            for implied in direct.get(next).into_iter().flatten() {
                if reached.insert(*implied) {
                    open.push(implied);
                }
            }
        }
        for implied in reached {
            let stronger = closure.entry(implied.to_owned()).or_default();
            stronger.insert((*scope).to_owned());
        }
    }
    Ok(closure)
}

pub(crate) const SCOPE_RULE: &str =
    "use printable ASCII without spaces, quotes and backslashes (RFC 6749 section 3.3)";

/// RFC 6749 section 3.3, scope-token: %x21 / %x23-5B / %x5D-7E.
pub(crate) fn is_scope_token(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| is_value(c) && c != ' ')
}
