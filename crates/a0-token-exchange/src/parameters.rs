//! The parameters of each kind of token request.

use crate::RequestError;
use crate::extra_parameters::{ExtraParameters, ExtraValue, MAX_EXTRA_VALUES};
use crate::form::Form;
use crate::resource::is_absolute_uri;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const CONNECTION_GRANT: &str =
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const CONNECTION_ACCESS_TOKEN: &str =
    "http://auth0.com/oauth/token-type/federated-connection-access-token";

/// The parameters of a token exchange (RFC 8693 section 2.1). The type of the subject token selects
/// Auth0's Token Exchange Profile.
///
/// An optional parameter that is empty is not sent. `Debug` shows no values.
///
/// ```
/// use a0_token_exchange::TokenExchange;
///
/// let request = TokenExchange::new("the-subject-token", "urn:example:legacy")
///     .audience("https://downstream.example/")
///     .scope("read:things")
///     .extra("device", "kiosk 4");
/// # let _ = request;
/// ```
#[derive(Clone)]
#[must_use]
pub struct TokenExchange<'a> {
    subject_token: &'a str,
    subject_token_type: &'a str,
    audience: &'a str,
    resources: Vec<&'a str>,
    scope: &'a str,
    requested_token_type: &'a str,
    organization: &'a str,
    actor_token: &'a str,
    actor_token_type: &'a str,
    extra: ExtraParameters<'a>,
}

impl<'a> TokenExchange<'a> {
    /// Exchanges this token. `subject_token` is the bare token without `Bearer `, and
    /// `subject_token_type` the URI of its type.
    pub fn new(subject_token: &'a str, subject_token_type: &'a str) -> Self {
        TokenExchange {
            subject_token,
            subject_token_type,
            audience: "",
            resources: Vec::new(),
            scope: "",
            requested_token_type: "",
            organization: "",
            actor_token: "",
            actor_token_type: "",
            extra: ExtraParameters::default(),
        }
    }

    /// Sets the API that the new token is for. Auth0 issues a token for one API: a token for several
    /// needs a request for each.
    pub fn audience(mut self, audience: &'a str) -> Self {
        self.audience = audience;
        self
    }

    /// Adds a resource that the new token is for (RFC 8707 section 2): an absolute URI without
    /// fragment. Each call adds one, at most [`MAX_EXTRA_VALUES`](crate::MAX_EXTRA_VALUES).
    ///
    /// Auth0 reads it if the tenant's Resource Parameter Compatibility Profile is on and the request has
    /// no [`audience`](Self::audience). It documents a single resource for each request; RFC 8707 allows
    /// several.
    pub fn resource(mut self, resource: &'a str) -> Self {
        self.resources.push(resource);
        self
    }

    /// Sets the requested scopes, separated by spaces.
    pub fn scope(mut self, scope: &'a str) -> Self {
        self.scope = scope;
        self
    }

    /// Sets the URI of the requested token's type. Servers issue an access token by default.
    pub fn requested_token_type(mut self, token_type: &'a str) -> Self {
        self.requested_token_type = token_type;
        self
    }

    /// Sets the organization that the user acts in.
    pub fn organization(mut self, organization: &'a str) -> Self {
        self.organization = organization;
        self
    }

    /// Sets the actor: a token of the party that acts for the subject, and the URI of its type.
    /// Both are required.
    pub fn actor(mut self, actor_token: &'a str, actor_token_type: &'a str) -> Self {
        self.actor_token = actor_token;
        self.actor_token_type = actor_token_type;
        self
    }

    /// Sets an extra parameter, and replaces its earlier value.
    ///
    /// Its name consists of ASCII letters, digits, `-`, `.` and `_` (RFC 6749 section 8.2). The
    /// names of the protocol's own parameters are reserved, in upper and lower case.
    pub fn extra(self, name: &'a str, value: impl Into<ExtraValue<'a>>) -> Self {
        self.extra_list(name, [value])
    }

    /// Sets an extra parameter with several values, at most
    /// [`MAX_EXTRA_VALUES`](crate::MAX_EXTRA_VALUES). It is sent once for each value, so an empty
    /// list sends nothing.
    pub fn extra_list<V: Into<ExtraValue<'a>>>(
        mut self,
        name: &'a str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.extra.set(name, values.into_iter().map(Into::into));
        self
    }

    /// Validates the parameters without an endpoint.
    ///
    /// # Errors
    ///
    /// Returns the same [`RequestError`] as the method of [`TokenClient`](crate::TokenClient).
    pub fn validate(&self) -> Result<(), RequestError> {
        self.form().map(|_| ())
    }

    pub(crate) fn form(&self) -> Result<Form, RequestError> {
        require("subject_token", self.subject_token)?;
        require("subject_token_type", self.subject_token_type)?;
        require_bare("subject_token", self.subject_token)?;
        if self.actor_token.is_empty() != self.actor_token_type.is_empty() {
            return Err(RequestError::ActorPair);
        }
        if !self.actor_token.is_empty() {
            require_bare("actor_token", self.actor_token)?;
        }
        let resources = || {
            self.resources
                .iter()
                .filter(|resource| !resource.is_empty())
        };
        if !resources().all(|resource| is_absolute_uri(resource)) {
            return Err(RequestError::Resource);
        }
        if resources().count() > MAX_EXTRA_VALUES {
            return Err(RequestError::TooManyValues("resource".to_owned()));
        }
        self.extra.validate()?;

        let mut parameters = vec![
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", self.subject_token),
            ("subject_token_type", self.subject_token_type),
        ];
        let optional = [
            ("audience", self.audience),
            ("scope", self.scope),
            ("requested_token_type", self.requested_token_type),
            ("organization", self.organization),
            ("actor_token", self.actor_token),
            ("actor_token_type", self.actor_token_type),
        ];
        parameters.extend(optional.into_iter().filter(|(_, value)| !value.is_empty()));
        parameters.extend(resources().map(|resource| ("resource", *resource)));
        parameters.extend(self.extra.pairs());
        Ok(Form::new(&parameters))
    }
}

/// The parameters of an exchange on behalf of a user: an access token of this API for an access
/// token of a downstream API, with the same user as subject.
///
/// The result has no ID token and no refresh token. `Debug` shows no values.
#[derive(Clone, Copy)]
#[must_use]
pub struct OnBehalfOf<'a> {
    access_token: &'a str,
    audience: &'a str,
    scope: &'a str,
}

impl<'a> OnBehalfOf<'a> {
    /// Exchanges this access token for one of the downstream API `audience`.
    pub fn new(access_token: &'a str, audience: &'a str) -> Self {
        OnBehalfOf {
            access_token,
            audience,
            scope: "",
        }
    }

    /// Returns the access token to exchange.
    pub fn access_token(&self) -> &'a str {
        self.access_token
    }

    /// Returns the downstream API.
    pub fn requested_audience(&self) -> &'a str {
        self.audience
    }

    /// Returns the requested scopes, or an empty string.
    pub fn requested_scope(&self) -> &'a str {
        self.scope
    }

    /// Sets the requested scopes, separated by spaces.
    pub fn scope(mut self, scope: &'a str) -> Self {
        self.scope = scope;
        self
    }

    /// Validates the parameters without an endpoint.
    ///
    /// # Errors
    ///
    /// Returns the same [`RequestError`] as the method of [`TokenClient`](crate::TokenClient).
    pub fn validate(&self) -> Result<(), RequestError> {
        self.form().map(|_| ())
    }

    pub(crate) fn form(&self) -> Result<Form, RequestError> {
        require("audience", self.audience)?;
        TokenExchange::new(self.access_token, ACCESS_TOKEN)
            .audience(self.audience)
            .scope(self.scope)
            .requested_token_type(ACCESS_TOKEN)
            .form()
    }
}

/// The parameters of a request for an external provider's access token, which Auth0's Token Vault
/// stores for a user.
///
/// `Debug` shows no values.
#[derive(Clone, Copy)]
#[must_use]
pub struct ConnectionToken<'a> {
    connection: &'a str,
    access_token: &'a str,
    login_hint: &'a str,
}

impl<'a> ConnectionToken<'a> {
    /// Requests the token of the connection with this name, for the user of this access token.
    pub fn new(connection: &'a str, access_token: &'a str) -> Self {
        ConnectionToken {
            connection,
            access_token,
            login_hint: "",
        }
    }

    /// Returns the user's access token.
    pub fn access_token(&self) -> &'a str {
        self.access_token
    }

    /// Selects one of the user's accounts with the provider.
    pub fn login_hint(mut self, login_hint: &'a str) -> Self {
        self.login_hint = login_hint;
        self
    }

    /// Validates the parameters without an endpoint.
    ///
    /// # Errors
    ///
    /// Returns the same [`RequestError`] as the method of [`TokenClient`](crate::TokenClient).
    pub fn validate(&self) -> Result<(), RequestError> {
        self.form().map(|_| ())
    }

    pub(crate) fn form(&self) -> Result<Form, RequestError> {
        require("connection", self.connection)?;
        require("access_token", self.access_token)?;
        let mut parameters = vec![
            ("connection", self.connection),
            ("requested_token_type", CONNECTION_ACCESS_TOKEN),
            ("grant_type", CONNECTION_GRANT),
            ("subject_token", self.access_token),
            ("subject_token_type", ACCESS_TOKEN),
        ];
        if !self.login_hint.is_empty() {
            parameters.push(("login_hint", self.login_hint));
        }
        Ok(Form::new(&parameters))
    }
}

pub(crate) fn require(name: &'static str, value: &str) -> Result<(), RequestError> {
    if value.is_empty() {
        return Err(RequestError::MissingArgument(name));
    }
    Ok(())
}

/// Refuses the value of an `Authorization` header, or a line of a file, in place of a bare token.
pub(crate) fn require_bare(name: &'static str, token: &str) -> Result<(), RequestError> {
    let is_blank = |character: char| character.is_whitespace() || character.is_control();
    let prefix = token.get(..7).unwrap_or_default();
    match token.trim_matches(is_blank) {
        "" => Err(RequestError::Blank(name)),
        trimmed if trimmed.len() < token.len() => Err(RequestError::Whitespace(name)),
        _ if prefix.eq_ignore_ascii_case("bearer ") => Err(RequestError::BearerPrefix(name)),
        _ => Ok(()),
    }
}

macro_rules! debug_without_values {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name<'_> {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

debug_without_values!(TokenExchange, OnBehalfOf, ConnectionToken);
pub(crate) use debug_without_values;
