//! Token Vault for a privileged worker: a service that acts for a user who is not present.

#[cfg(feature = "private-key-jwt")]
use std::fmt;
#[cfg(feature = "private-key-jwt")]
use std::time::SystemTime;

#[cfg(feature = "private-key-jwt")]
use serde_json::Map;
#[cfg(feature = "private-key-jwt")]
use zeroize::Zeroizing;

#[cfg(feature = "private-key-jwt")]
use crate::ExchangeError;
use crate::RequestError;
#[cfg(feature = "private-key-jwt")]
use crate::assertion::Assertion;
use crate::form::Form;
use crate::parameters::{CONNECTION_GRANT, debug_without_values, require, require_bare};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const TOKEN_VAULT_ACCESS_TOKEN: &str = "http://auth0.com/oauth/token-type/token-vault-access-token";

#[cfg(feature = "private-key-jwt")]
const SUBJECT_TOKEN_TYPE: &str = "token-vault-req+jwt";

/// The longest reason that Auth0 accepts, in characters.
#[cfg(feature = "private-key-jwt")]
const MAX_AUDIT_CONTEXT: usize = 256;

/// The parameters of a request for an external provider's access token by a privileged worker: the
/// user is not present, and a signed JWT names the user instead of an access token.
///
/// The tenant must allow it to this client, by IP address, connection and scope. Auth0 recommends
/// `ClientAuth::private_key_jwt` (feature `private-key-jwt`) for it; a secret works too.
///
/// `Debug` shows no values.
#[derive(Clone, Copy)]
#[must_use]
pub struct WorkerToken<'a> {
    connection: &'a str,
    subject_token: &'a str,
    scope: &'a str,
}

impl<'a> WorkerToken<'a> {
    /// Requests the token of the connection with this name. `subject_token` is a JWT of the type
    /// `token-vault-req+jwt`, such as `WorkerKey::sign` makes with the feature `private-key-jwt`. Use it
    /// once: its `jti` is remembered.
    pub fn new(connection: &'a str, subject_token: &'a str) -> Self {
        WorkerToken {
            connection,
            subject_token,
            scope: "",
        }
    }

    /// Returns the signed JWT.
    pub fn subject_token(&self) -> &'a str {
        self.subject_token
    }

    /// Requests these scopes of the provider, separated by spaces, instead of all that the tenant allows
    /// to this client.
    pub fn scope(mut self, scope: &'a str) -> Self {
        self.scope = scope;
        self
    }

    /// Validates the parameters without an endpoint.
    ///
    /// # Errors
    ///
    /// Returns the same [`RequestError`] as
    /// [`TokenClient::worker_token`](crate::TokenClient::worker_token).
    pub fn validate(&self) -> Result<(), RequestError> {
        self.form().map(|_| ())
    }

    pub(crate) fn form(&self) -> Result<Form, RequestError> {
        require("connection", self.connection)?;
        require("subject_token", self.subject_token)?;
        require_bare("subject_token", self.subject_token)?;
        let mut parameters = vec![
            ("grant_type", CONNECTION_GRANT),
            ("subject_token", self.subject_token),
            ("subject_token_type", JWT),
            ("requested_token_type", TOKEN_VAULT_ACCESS_TOKEN),
            ("connection", self.connection),
        ];
        if !self.scope.is_empty() {
            parameters.push(("scope", self.scope));
        }
        Ok(Form::new(&parameters))
    }
}

debug_without_values!(WorkerToken);

/// The key with which a privileged worker names users, and its place: one client of one issuer.
/// Needs the feature `private-key-jwt`.
///
/// Whoever has the key can get tokens of every user who has connected an account, so keep it apart
/// from the client's other keys. `Debug` shows the client's identifier.
///
/// ```
/// use std::time::SystemTime;
/// use a0_token_exchange::{RequestError, WorkerKey, WorkerToken};
///
/// # let key = a0_jose::SigningKey::generate_es256()?;
/// let worker = WorkerKey::new("my-client", "https://tenant.example/", None, key)?;
/// let subject_token = worker.sign("auth0|ada", "nightly sync", None, SystemTime::now())?;
/// let request = WorkerToken::new("google-oauth2", &subject_token);
/// # let _ = request;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "private-key-jwt")]
pub struct WorkerKey {
    client_id: String,
    assertion: Assertion,
}

#[cfg(feature = "private-key-jwt")]
impl WorkerKey {
    /// `issuer` is the tenant's issuer identifier, such as `https://tenant.example/`. `key_id` is the
    /// key's `kid`, if the client has several keys.
    ///
    /// # Errors
    ///
    /// - [`RequestError::MissingArgument`] if the client's identifier is empty
    /// - [`RequestError::Issuer`] if the issuer is not an https URL
    /// - [`RequestError::Algorithm`] if the signer's algorithm is not RS256, PS256 or ES256
    pub fn new(
        client_id: impl Into<String>,
        issuer: impl Into<String>,
        key_id: Option<&str>,
        signer: impl a0_jose::Signer + 'static,
    ) -> Result<Self, RequestError> {
        let client_id = client_id.into();
        require("client_id", &client_id)?;
        let assertion = Assertion::new(issuer.into(), key_id, Box::new(signer))?;
        Ok(WorkerKey {
            client_id,
            assertion,
        })
    }

    /// Signs a JWT that names a user, for one [`WorkerToken`]. It is valid for
    /// [`ASSERTION_LIFETIME`](crate::ASSERTION_LIFETIME), which is as long as Auth0 accepts it.
    ///
    /// `user_id` is the user's identifier at Auth0, and `organization` the identifier of an organization if
    /// the request belongs to one. `audit_context` is the reason for the access, of 1 to 256
    /// characters. It is written to the tenant's logs, so it must name no person.
    ///
    /// # Errors
    ///
    /// [`ExchangeError::Signing`] if the key cannot sign, or with a [`RequestError`] as its source if
    /// `user_id` is empty or `audit_context` is not such a reason.
    pub fn sign(
        &self,
        user_id: &str,
        audit_context: &str,
        organization: Option<&str>,
        now: SystemTime,
    ) -> Result<Zeroizing<String>, ExchangeError> {
        let refused = |error: RequestError| ExchangeError::signing("worker's token", error);
        require("user_id", user_id).map_err(refused)?;
        let length = audit_context.chars().count();
        let is_blank = audit_context.trim().is_empty();
        if is_blank || length > MAX_AUDIT_CONTEXT || audit_context.contains(char::is_control) {
            return Err(refused(RequestError::AuditContext));
        }
        let mut claims = Map::new();
        claims.insert("sub".into(), user_id.into());
        claims.insert("audit_context".into(), audit_context.into());
        if let Some(organization) = organization.filter(|organization| !organization.is_empty()) {
            claims.insert("org_id".into(), organization.into());
        }
        self.assertion
            .sign_claims(SUBJECT_TOKEN_TYPE, &self.client_id, claims, now.into())
            .map(Zeroizing::new)
            .map_err(|error| ExchangeError::signing("worker's token", error))
    }
}

#[cfg(feature = "private-key-jwt")]
impl fmt::Debug for WorkerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WorkerKey")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
