//! How a tenant logs users in, and what it supports.

use std::time::Duration;

use openssl::x509::X509;

use super::LocalTenant;
use crate::Error;

/// How the authorization endpoint lets users log in; set by [`LocalTenant::set_login`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Login {
    /// Logs in without a page, and approves every valid request. The user is the one whose `sub` or
    /// e-mail address the request has as `login_hint`, otherwise the first.
    #[default]
    Automatic,
    /// Shows a page with the client, its wishes and the users to choose from. It works without
    /// JavaScript. There are no passwords.
    Page,
}

/// What happens to a refresh token that is used; set by [`LocalTenant::set_refresh_tokens`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RefreshTokens {
    /// It is replaced by a new one. If it is used again, all refresh tokens of the same login are
    /// revoked (RFC 9700 section 4.14.2).
    #[default]
    RotatingWithReuseDetection,
    /// It is replaced by a new one. If it is used again, only that request is refused.
    Rotating,
    /// It stays, and the response contains no refresh token.
    NonRotating,
}

/// A feature of the authorization server that can be disabled; see [`LocalTenant::disable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Feature {
    /// `registration_endpoint`: clients register themselves (RFC 7591).
    Registration,
    /// `client_id_metadata_document_supported`: a `client_id` is the URL of the client's metadata.
    ClientIdMetadataDocuments,
    /// `authorization_response_iss_parameter_supported`: authorization responses have `iss`
    /// (RFC 9207).
    AuthorizationResponseIss,
}

impl Feature {
    /// The member of the metadata that announces the feature, and its value.
    fn member(self, issuer: &str) -> (&'static str, serde_json::Value) {
        match self {
            Self::Registration => (
                "registration_endpoint",
                format!("{issuer}oidc/register").into(),
            ),
            Self::ClientIdMetadataDocuments => {
                ("client_id_metadata_document_supported", true.into())
            }
            Self::AuthorizationResponseIss => (
                "authorization_response_iss_parameter_supported",
                true.into(),
            ),
        }
    }
}

/// How long an authorization code can be used, in seconds.
const CODE_LIFETIME: i64 = 60;
/// How long a refresh token can be used, in seconds: 30 days, as with Auth0.
const REFRESH_LIFETIME: i64 = 30 * 24 * 60 * 60;
/// The longest that a fetch of a client metadata document takes.
const DOCUMENT_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Options {
    pub(super) login: Login,
    pub(super) refresh_tokens: RefreshTokens,
    pub(super) code_lifetime: i64,
    pub(super) refresh_lifetime: i64,
    disabled: Vec<Feature>,
    /// Authorities for client metadata documents, beside those of the system.
    pub(super) document_roots: Vec<X509>,
    pub(super) document_patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            login: Login::default(),
            refresh_tokens: RefreshTokens::default(),
            code_lifetime: CODE_LIFETIME,
            refresh_lifetime: REFRESH_LIFETIME,
            disabled: Vec::new(),
            document_roots: Vec::new(),
            document_patience: DOCUMENT_PATIENCE,
        }
    }
}

impl LocalTenant {
    /// Sets how users log in. The default is [`Login::Automatic`].
    pub fn set_login(&self, login: Login) {
        self.with_state(|state| state.options.login = login);
    }

    /// Sets what happens to a refresh token that is used.
    pub fn set_refresh_tokens(&self, policy: RefreshTokens) {
        self.with_state(|state| state.options.refresh_tokens = policy);
    }

    /// Sets how long authorization codes and refresh tokens that are issued from now on can be used,
    /// in whole seconds of the tenant's clock. The defaults are 60 seconds and 30 days.
    pub fn set_grant_lifetimes(&self, code: Duration, refresh_token: Duration) {
        let seconds = |lifetime: Duration| i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self.with_state(|state| {
            state.options.code_lifetime = seconds(code);
            state.options.refresh_lifetime = seconds(refresh_token);
        });
    }

    /// Disables a feature, and removes its member from the metadata. All are enabled at first.
    ///
    /// [`remove_metadata`](Self::remove_metadata) removes only the member.
    pub fn disable(&self, feature: Feature) {
        let (name, _) = feature.member(self.issuer());
        self.with_state(|state| {
            state.options.disabled.push(feature);
            state.metadata.remove(name)
        });
    }

    /// Enables a feature again, with its member of the metadata.
    pub fn enable(&self, feature: Feature) {
        let (name, value) = feature.member(self.issuer());
        self.with_state(|state| {
            state.options.disabled.retain(|other| *other != feature);
            state.metadata.insert(name.to_owned(), value)
        });
    }

    /// Trusts these certificates, in PEM, when the tenant fetches client metadata documents. It
    /// trusts the authorities of the system too, and a [`TenantServer`](crate::TenantServer) trusts
    /// its own.
    ///
    /// # Errors
    ///
    /// [`Error::Crypto`] if OpenSSL cannot read them, [`Error::Authority`] if there are none.
    pub fn trust_client_documents(&self, pem: impl AsRef<[u8]>) -> Result<(), Error> {
        let roots = X509::stack_from_pem(pem.as_ref())?;
        if roots.is_empty() {
            return Err(Error::Authority);
        }
        self.with_state(|state| state.options.document_roots.extend(roots));
        Ok(())
    }

    /// Sets how long the tenant waits for a whole client metadata document; 5 seconds by default.
    pub fn set_client_document_timeout(&self, timeout: Duration) {
        self.with_state(|state| state.options.document_patience = timeout);
    }

    pub(super) fn supports(&self, feature: Feature) -> bool {
        self.with_state(|state| !state.options.disabled.contains(&feature))
    }
}
