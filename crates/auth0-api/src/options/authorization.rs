//! The options of authorization and of challenges.

use crate::resource_metadata::options::ProtectedResource;

use super::builder::Builder;

/// The options of authorization that a builder holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuthorizationOptions {
    pub(crate) realm: Option<String>,
    pub(crate) resource_metadata: Option<String>,
    pub(crate) protected_resource: Option<ProtectedResource>,
    /// A scope, and the scopes that it implies.
    pub(crate) implications: Vec<(String, Vec<String>)>,
    pub(crate) acr_claim: Option<String>,
    pub(crate) auth_time_claim: Option<String>,
    pub(crate) allow_anonymous: bool,
}

impl Builder {
    /// The `realm` in challenges (RFC 9110 section 11.5): a name for this API; `api` by default. It must be
    /// printable ASCII without quotes and backslashes.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.authorization.realm = Some(realm.into());
        self
    }

    /// The URL of this API's protected resource metadata (RFC 9728). Every challenge of a 401, and of a 403
    /// `insufficient_scope`, names it as `resource_metadata`. It must be an https URL; http is allowed for
    /// `localhost`. It is for a document that something else serves; for one of this API, call
    /// [`protected_resource`](Self::protected_resource) instead.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.authorization.resource_metadata = Some(url.into());
        self
    }

    /// What this API tells clients about itself: its protected resource metadata (RFC 9728). Challenges name
    /// its URL, as with [`resource_metadata`](Self::resource_metadata), and
    /// [`ApiClient::protected_resource_metadata`](crate::ApiClient::protected_resource_metadata) returns the
    /// document to serve.
    ///
    /// # Errors
    ///
    /// [`build`](Self::build) refuses a resource that is none of the audiences, values that RFC 9728 does not
    /// allow, and authorization servers that this API does not trust.
    pub fn protected_resource(mut self, resource: ProtectedResource) -> Self {
        self.authorization.protected_resource = Some(resource);
        self
    }

    /// Declares that a token with the first scope also has the others, for every
    /// [`Policy`](crate::Policy). Implications are transitive: what an implied scope implies is implied
    /// too. Without a declaration, scopes are compared exactly.
    ///
    /// It changes neither [`scopes`](crate::VerifiedToken::scopes) nor
    /// [`has_scope`](crate::VerifiedToken::has_scope), which read the claim.
    ///
    /// ```
    /// use auth0_api::ApiClient;
    ///
    /// ApiClient::builder()
    ///     .domain("tenant.example")
    ///     .audience("https://api.example/")
    ///     .scope_implies("admin:orders", ["write:orders"])
    ///     .scope_implies("write:orders", ["read:orders"])
    ///     .build()?;
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn scope_implies<S: Into<String>>(
        mut self,
        scope: impl Into<String>,
        implied: impl IntoIterator<Item = S>,
    ) -> Self {
        let implied = implied.into_iter().map(Into::into).collect();
        self.authorization
            .implications
            .push((scope.into(), implied));
        self
    }

    /// The claim with the authentication context for [`Policy::acr_values`](crate::Policy::acr_values);
    /// `acr` by default. Auth0 restricts a custom `acr`, so a tenant may add a claim with a namespace, such as
    /// `https://api.example/acr`.
    pub fn acr_claim(mut self, name: impl Into<String>) -> Self {
        self.authorization.acr_claim = Some(name.into());
        self
    }

    /// The claim with the time of the user's authentication for
    /// [`Policy::max_auth_age`](crate::Policy::max_auth_age), in seconds since 1970; `auth_time` by default.
    pub fn auth_time_claim(mut self, name: impl Into<String>) -> Self {
        self.authorization.auth_time_claim = Some(name.into());
        self
    }

    /// Accepts the tokens of Auth0's anonymous sessions, whose `sub` begins with `anon@`. Without this option,
    /// they are refused with 401 `invalid_token`, because nobody logged in.
    ///
    /// With it, [`VerifiedToken::principal`](crate::VerifiedToken::principal) is
    /// [`Principal::Anonymous`](crate::Principal::Anonymous) for such a token. Every route that needs a user
    /// must then say so, for example by [`Policy::principal`](crate::Policy::principal).
    ///
    /// ```
    /// use auth0_api::{ApiClient, Policy, Principal};
    ///
    /// let client = ApiClient::builder()
    ///     .domain("tenant.eu.auth0.com")
    ///     .audience("https://api.example/")
    ///     .allow_anonymous()
    ///     .build()?;
    /// let may_fill_cart = Policy::principal([Principal::User, Principal::Anonymous]);
    /// let may_order = Policy::principal([Principal::User]);
    /// # let _ = (client, may_fill_cart, may_order);
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn allow_anonymous(mut self) -> Self {
        self.authorization.allow_anonymous = true;
        self
    }
}
