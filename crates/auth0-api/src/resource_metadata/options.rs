//! What an API tells clients about itself.

use serde_json::{Map, Value};

use crate::authorization::resource_server::is_scope_token;
use crate::error::Error;

use super::location::{Location, is_secure_url};

/// The members that have a method here, or that the client fills in.
const KNOWN: [&str; 14] = [
    "resource",
    "authorization_servers",
    "jwks_uri",
    "scopes_supported",
    "bearer_methods_supported",
    "resource_signing_alg_values_supported",
    "resource_name",
    "resource_documentation",
    "resource_policy_uri",
    "resource_tos_uri",
    "tls_client_certificate_bound_access_tokens",
    "authorization_details_types_supported",
    "dpop_signing_alg_values_supported",
    "dpop_bound_access_tokens_required",
];

/// What an API tells clients about itself: its protected resource metadata (RFC 9728 section 2).
///
/// [`Builder::protected_resource`](crate::Builder::protected_resource) takes it. The client adds the members
/// that follow from its options:
///
/// | member | from |
/// |---|---|
/// | `authorization_servers` | `domains`, else `domain`, in their order, unless [`authorization_servers`](Self::authorization_servers) is called |
/// | `bearer_methods_supported` | `["header"]`; empty if DPoP is required |
/// | `dpop_signing_alg_values_supported` | `dpop_algorithms`, unless DPoP is disabled |
/// | `dpop_bound_access_tokens_required` | `true` if DPoP is required |
/// | `tls_client_certificate_bound_access_tokens` | `true` with `certificate_bound_tokens` |
///
/// Values are checked when the client is built. Lists that are empty are left out.
///
/// `signed_metadata` (section 2.2) cannot be set. Its values would take precedence over those of the document,
/// and this crate has no key that clients know to sign them with.
///
/// ```
/// use auth0_api::{ApiClient, ProtectedResource};
///
/// let resource = ProtectedResource::new("https://api.example/mcp")
///     .resource_name("Orders")
///     .resource_name_in("de", "Bestellungen")
///     .scopes_supported(["read:orders", "write:orders"])
///     .resource_documentation("https://docs.example/orders");
/// let client = ApiClient::builder()
///     .domain("tenant.eu.auth0.com")
///     .audience("https://api.example/mcp")
///     .protected_resource(resource)
///     .build()?;
/// let metadata = client.protected_resource_metadata().unwrap();
/// assert_eq!(
///     metadata.url(),
///     "https://api.example/.well-known/oauth-protected-resource/mcp"
/// );
/// # Ok::<(), auth0_api::Error>(())
/// ```
#[must_use]
#[derive(Debug, Clone)]
pub struct ProtectedResource {
    resource: String,
    authorization_servers: Option<Vec<String>>,
    members: Map<String, Value>,
    /// The first name that cannot be used.
    refused: Option<String>,
}

impl ProtectedResource {
    /// The resource identifier: an https URL without query and fragment, in its normal spelling (RFC 3986
    /// section 6.2.2). http is allowed for `localhost`. It must be one of the API's audiences, octet for octet,
    /// because clients ask for a token for exactly this text (RFC 8707).
    pub fn new(resource: impl Into<String>) -> Self {
        ProtectedResource {
            resource: resource.into(),
            authorization_servers: None,
            members: Map::new(),
            refused: None,
        }
    }

    /// The domains of the authorization servers, the preferred one first. Call it if a resolver decides about
    /// domains, or if clients should get tokens from some of the domains only.
    pub fn authorization_servers<S: Into<String>>(
        mut self,
        domains: impl IntoIterator<Item = S>,
    ) -> Self {
        self.authorization_servers = Some(domains.into_iter().map(Into::into).collect());
        self
    }

    /// The scopes that a client may ask for. Many clients ask for all of them if a challenge names none, so
    /// list those of basic use. `offline_access` is refused: it asks for a refresh token, which is not the
    /// resource's business.
    pub fn scopes_supported<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.list("scopes_supported", scopes)
    }

    /// The name of the API for people.
    pub fn resource_name(self, name: impl Into<String>) -> Self {
        self.text("resource_name", name)
    }

    /// As [`resource_name`](Self::resource_name), in one language: a BCP 47 tag such as `de` (section 2.1).
    pub fn resource_name_in(self, language: &str, name: impl Into<String>) -> Self {
        self.text_in("resource_name", language, name)
    }

    /// The URL of a page for developers.
    pub fn resource_documentation(self, url: impl Into<String>) -> Self {
        self.text("resource_documentation", url)
    }

    /// As [`resource_documentation`](Self::resource_documentation), in one language.
    pub fn resource_documentation_in(self, language: &str, url: impl Into<String>) -> Self {
        self.text_in("resource_documentation", language, url)
    }

    /// The URL of a page about how clients may use the data.
    pub fn resource_policy_uri(self, url: impl Into<String>) -> Self {
        self.text("resource_policy_uri", url)
    }

    /// As [`resource_policy_uri`](Self::resource_policy_uri), in one language.
    pub fn resource_policy_uri_in(self, language: &str, url: impl Into<String>) -> Self {
        self.text_in("resource_policy_uri", language, url)
    }

    /// The URL of the terms of service.
    pub fn resource_tos_uri(self, url: impl Into<String>) -> Self {
        self.text("resource_tos_uri", url)
    }

    /// As [`resource_tos_uri`](Self::resource_tos_uri), in one language.
    pub fn resource_tos_uri_in(self, language: &str, url: impl Into<String>) -> Self {
        self.text_in("resource_tos_uri", language, url)
    }

    /// The URL of the keys with which the API signs its responses.
    pub fn jwks_uri(self, url: impl Into<String>) -> Self {
        self.text("jwks_uri", url)
    }

    /// The algorithms with which the API signs its responses. `none` is refused.
    pub fn resource_signing_alg_values_supported<S: Into<String>>(
        self,
        algorithms: impl IntoIterator<Item = S>,
    ) -> Self {
        self.list("resource_signing_alg_values_supported", algorithms)
    }

    /// The types of `authorization_details` that the API knows (RFC 9396).
    pub fn authorization_details_types_supported<S: Into<String>>(
        self,
        types: impl IntoIterator<Item = S>,
    ) -> Self {
        self.list("authorization_details_types_supported", types)
    }

    /// Any further member. The build refuses a name that this crate knows, `signed_metadata`, and the value
    /// null.
    pub fn member(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let name = name.into();
        let plain = name.split('#').next().unwrap_or_default();
        if name.is_empty() || KNOWN.contains(&plain) || plain == "signed_metadata" {
            let refused = format!("the member {name:?} cannot be set");
            self.refused.get_or_insert(refused);
            return self;
        }
        self.insert(&name, value)
    }

    fn insert(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    fn text(self, name: &str, text: impl Into<String>) -> Self {
        self.insert(name, text.into())
    }

    fn text_in(mut self, name: &str, language: &str, text: impl Into<String>) -> Self {
        if !is_language(language) {
            let refused = format!("{language:?} is not a language tag");
            self.refused.get_or_insert(refused);
            return self;
        }
        self.text(&format!("{name}#{language}"), text)
    }

    fn list<S: Into<String>>(self, name: &str, values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        self.insert(name, values)
    }

    /// The domains that the API names itself.
    pub(crate) fn own_servers(&self) -> Option<&[String]> {
        self.authorization_servers.as_deref()
    }

    /// For a local tenant, which takes the place of every domain.
    pub(crate) fn forget_servers(&mut self) {
        self.authorization_servers = None;
    }

    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    /// Checks everything that does not depend on the client.
    pub(crate) fn checked(&self) -> Result<(Location, Map<String, Value>), Error> {
        if let Some(refused) = &self.refused {
            return Err(unusable(refused));
        }
        let location = Location::of(&self.resource).ok_or_else(|| {
            unusable(
                "the resource must be an https URL without credentials, query and fragment, in its normal \
                 spelling, such as https://api.example/mcp",
            )
        })?;
        let mut members = Map::new();
        for (name, value) in &self.members {
            if matches!(value, Value::Array(values) if values.is_empty()) {
                continue;
            }
            check(name, value)?;
            members.insert(name.clone(), value.clone());
        }
        Ok((location, members))
    }
}

fn check(name: &str, value: &Value) -> Result<(), Error> {
    let each = |test: &dyn Fn(&str) -> bool| match value {
        Value::Array(values) => values.iter().all(|it| it.as_str().is_some_and(test)),
        value => value.as_str().is_some_and(test),
    };
    let (is_usable, rule) = match name.split('#').next().unwrap_or_default() {
        "scopes_supported" => (
            each(&|scope| is_scope_token(scope) && scope != "offline_access"),
            "scopes of RFC 6749 section 3.3, and not `offline_access`, which is no scope of a resource",
        ),
        "resource_signing_alg_values_supported" => (
            each(&|name| !name.trim().is_empty() && !name.eq_ignore_ascii_case("none")),
            "names of algorithms, and not `none`",
        ),
        "jwks_uri" | "resource_documentation" | "resource_policy_uri" | "resource_tos_uri" => (
            each(&is_secure_url),
            "an https URL without credentials and fragment",
        ),
        "resource_name" | "authorization_details_types_supported" => {
            (each(&|text| !text.trim().is_empty()), "text")
        }
        _ => (!value.is_null(), "a value other than null"),
    };
    match is_usable {
        true => Ok(()),
        false => Err(unusable(&format!("{name} needs {rule}"))),
    }
}

pub(crate) fn unusable(reason: &str) -> Error {
    Error::configuration(format!("protected_resource: {reason}"))
}

/// The form of a BCP 47 tag.
fn is_language(tag: &str) -> bool {
    let is_subtag = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    tag.len() <= 35
        && tag.starts_with(|first: char| first.is_ascii_alphabetic())
        && tag.split('-').all(is_subtag)
}
