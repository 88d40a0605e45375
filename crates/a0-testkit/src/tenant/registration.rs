//! The clients of a tenant.

use std::fmt;

use super::{LocalTenant, redirect_uri};
use crate::Error;

/// A client of a tenant, for [`LocalTenant::register`].
///
/// ```
/// use a0_testkit::{ClientRegistration, LocalTenant};
///
/// # fn main() -> Result<(), a0_testkit::Error> {
/// let tenant = LocalTenant::new("tenant.example")?;
/// tenant.register(ClientRegistration::public("spa").redirect_uri("https://app.example/callback"))?;
/// # Ok(())
/// # }
/// ```
///
/// `Debug` hides the secret.
#[derive(Clone)]
pub struct ClientRegistration {
    pub(super) client_id: String,
    pub(super) name: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) authentication: Authentication,
    /// `None` allows all that the tenant supports.
    pub(super) grant_types: Option<Vec<String>>,
}

/// How a client authenticates at the token endpoint.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Authentication {
    /// `none`: a public client.
    None,
    Secret {
        secret: String,
        by: SecretBy,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretBy {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
    Either,
}

impl ClientRegistration {
    /// A public client: it has no secret (`token_endpoint_auth_method` `none`).
    #[must_use]
    pub fn public(client_id: &str) -> Self {
        Self::new(client_id, Authentication::None)
    }

    /// A client with a secret, which it sends by HTTP Basic or in the form.
    #[must_use]
    pub fn confidential(client_id: &str, client_secret: &str) -> Self {
        let secret = client_secret.to_owned();
        let by = SecretBy::Either;
        Self::new(client_id, Authentication::Secret { secret, by })
    }

    pub(super) fn new(client_id: &str, authentication: Authentication) -> Self {
        Self {
            client_id: client_id.to_owned(),
            name: None,
            redirect_uris: Vec::new(),
            authentication,
            grant_types: None,
        }
    }

    /// Sets the name that the login page shows.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Adds a redirect URI: `https`, `http` on `localhost`, `127.0.0.1` or `[::1]`, or a scheme with
    /// a dot. An authorization request has to name it octet for octet; only the port of an `http`
    /// URI may differ (RFC 8252 section 7.3).
    #[must_use]
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.redirect_uris.push(uri.to_owned());
        self
    }

    /// Allows this grant type. Without a call, a client may use all that the tenant supports.
    #[must_use]
    pub fn grant_type(mut self, grant_type: &str) -> Self {
        self.grant_types
            .get_or_insert_default()
            .push(grant_type.to_owned());
        self
    }

    pub(super) fn is_public(&self) -> bool {
        self.authentication == Authentication::None
    }

    pub(super) fn allows(&self, grant_type: &str) -> bool {
        match &self.grant_types {
            Some(allowed) => allowed.iter().any(|allowed| allowed == grant_type),
            None => true,
        }
    }

    pub(super) fn has_redirect_uri(&self, requested: &str) -> bool {
        self.redirect_uris
            .iter()
            .any(|registered| redirect_uri::matches(registered, requested))
    }
}

impl fmt::Debug for ClientRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRegistration")
            .field("client_id", &self.client_id)
            .field("redirect_uris", &self.redirect_uris)
            .field("grant_types", &self.grant_types)
            .finish_non_exhaustive()
    }
}

impl LocalTenant {
    /// Registers a client that may use the token endpoint with this secret.
    pub fn register_client(&self, client_id: &str, client_secret: &str) {
        self.insert_client(ClientRegistration::confidential(client_id, client_secret));
    }

    /// Registers a client, in place of an earlier one with the same `client_id`.
    ///
    /// # Errors
    ///
    /// [`Error::RedirectUri`] if a redirect URI is not one that a client may register.
    pub fn register(&self, client: ClientRegistration) -> Result<(), Error> {
        if !client
            .redirect_uris
            .iter()
            .all(|uri| redirect_uri::is_valid(uri))
        {
            return Err(Error::RedirectUri);
        }
        self.insert_client(client);
        Ok(())
    }

    fn insert_client(&self, client: ClientRegistration) {
        self.with_state(|state| state.clients.insert(client.client_id.clone(), client));
    }

    /// Keeps a client that registered itself.
    pub(super) fn insert_dynamic_client(&self, client: ClientRegistration) {
        self.with_state(|state| {
            state
                .dynamic_clients
                .insert(client.client_id.clone(), client)
        });
    }

    pub(super) fn find_client(&self, client_id: &str) -> Option<ClientRegistration> {
        self.with_state(|state| {
            let own = state.clients.get(client_id);
            own.or_else(|| state.dynamic_clients.get(client_id))
                .cloned()
        })
    }
}
