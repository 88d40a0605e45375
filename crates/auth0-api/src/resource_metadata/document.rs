//! The finished document.

use a0_discovery::Issuer;
use a0_jose::Algorithm;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::verification::request::DpopMode;

use super::location::{Location, WELL_KNOWN};
use super::options::{ProtectedResource, unusable};

/// The protected resource metadata of an API (RFC 9728): the document, and where clients look for it.
///
/// [`ApiClient::protected_resource_metadata`](crate::ApiClient::protected_resource_metadata) returns it. It
/// depends on nothing but the options, so an API can serve it while the tenant is away. `a0-tower` has a service
/// for it; any server can send [`json`](Self::json) as `application/json` at [`path`](Self::path).
#[derive(Debug, Clone, PartialEq)]
pub struct ProtectedResourceMetadata {
    resource: String,
    location: Location,
    members: Map<String, Value>,
    json: String,
}

/// What the client knows about the API.
pub(crate) struct Known<'a> {
    pub(crate) audiences: &'a [String],
    /// The issuers in the order of the options; `None` if they depend on the request.
    pub(crate) issuers: Option<Vec<Issuer>>,
    pub(crate) mode: DpopMode,
    pub(crate) proof_algorithms: &'a [Algorithm],
    pub(crate) certificate_bound_tokens: bool,
}

impl ProtectedResourceMetadata {
    pub(crate) fn new(options: &ProtectedResource, known: Known<'_>) -> Result<Self, Error> {
        let (location, mut members) = options.checked()?;
        let resource = options.resource().to_owned();
        if !known.audiences.contains(&resource) {
            return Err(unusable(
                "the resource must be one of the audiences, octet for octet: clients get tokens for exactly \
                 this identifier",
            ));
        }
        let servers = known.issuers.filter(|issuers| !issuers.is_empty());
        let servers = servers.ok_or_else(|| {
            unusable("with domains_resolver, name the authorization_servers of the resource")
        })?;
        let mut names: Vec<&str> = Vec::new();
        for issuer in &servers {
            if !names.contains(&issuer.as_str()) {
                names.push(issuer.as_str());
            }
        }
        let mut add = |name: &str, value: Value| members.insert(name.to_owned(), value);
        add("resource", resource.clone().into());
        add("authorization_servers", names.into());
        // An empty list says that no bearer token is taken, so it is not left out (section 2).
        let methods: &[&str] = match known.mode {
            DpopMode::Required => &[],
            DpopMode::Disabled | DpopMode::Allowed => &["header"],
        };
        add("bearer_methods_supported", methods.into());
        if known.mode != DpopMode::Disabled {
            let algorithms = known.proof_algorithms.iter().map(|it| it.name());
            let algorithms: Vec<&str> = algorithms.collect();
            add("dpop_signing_alg_values_supported", algorithms.into());
        }
        if known.mode == DpopMode::Required {
            add("dpop_bound_access_tokens_required", true.into());
        }
        if known.certificate_bound_tokens {
            add("tls_client_certificate_bound_access_tokens", true.into());
        }
        let json = Value::Object(members.clone()).to_string();
        Ok(ProtectedResourceMetadata {
            resource,
            location,
            members,
            json,
        })
    }

    /// The resource identifier, as configured.
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The absolute URL of the document: the well-known path between host and path of the resource (section
    /// 3.1). Challenges name it as `resource_metadata`.
    pub fn url(&self) -> &str {
        &self.location.url
    }

    /// The path of [`url`](Self::url), such as `/.well-known/oauth-protected-resource/mcp`.
    pub fn path(&self) -> &str {
        &self.location.path
    }

    /// The path of a document whose resource has no path: `/.well-known/oauth-protected-resource`. Some MCP
    /// clients ask there too. A client that follows section 3.3 does not use a document from there for a
    /// resource with a path.
    pub fn root_path(&self) -> &'static str {
        WELL_KNOWN
    }

    /// Scheme, host and port of the resource, such as `https://api.example`.
    pub fn origin(&self) -> &str {
        &self.location.origin
    }

    /// The value of a member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    /// The document as JSON text (section 3.2).
    pub fn json(&self) -> &str {
        &self.json
    }
}
