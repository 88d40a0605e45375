//! What can be asked of a token endpoint.

use std::fmt;

use crate::RequestError;
use crate::extra::{Extra, ExtraValue};
use crate::form::Form;

const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const CONNECTION_GRANT: &str =
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const CONNECTION_ACCESS_TOKEN: &str =
    "http://auth0.com/oauth/token-type/federated-connection-access-token";

/// A token exchange (RFC 8693 section 2.1), by the profile that the type of its subject token
/// selects.
///
/// What is empty and optional is not sent. `Debug` shows none of the values.
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
    scope: &'a str,
    requested_token_type: &'a str,
    organization: &'a str,
    actor_token: &'a str,
    actor_token_type: &'a str,
    extra: Extra<'a>,
}

impl<'a> TokenExchange<'a> {
    /// For this token, bare and without `Bearer `, and the URI of its type.
    pub fn new(subject_token: &'a str, subject_token_type: &'a str) -> Self {
        TokenExchange {
            subject_token,
            subject_token_type,
            audience: "",
            scope: "",
            requested_token_type: "",
            organization: "",
            actor_token: "",
            actor_token_type: "",
            extra: Extra::default(),
        }
    }

    /// The API that the new token is for.
    pub fn audience(mut self, audience: &'a str) -> Self {
        self.audience = audience;
        self
    }

    /// The scopes that are asked for, with spaces between them.
    pub fn scope(mut self, scope: &'a str) -> Self {
        self.scope = scope;
        self
    }

    /// The URI of the type of token that is asked for; an access token, if it is not said.
    pub fn requested_token_type(mut self, token_type: &'a str) -> Self {
        self.requested_token_type = token_type;
        self
    }

    /// The organization that the user acts in.
    pub fn organization(mut self, organization: &'a str) -> Self {
        self.organization = organization;
        self
    }

    /// Who acts for the subject: a token and the URI of its type, which go together.
    pub fn actor(mut self, actor_token: &'a str, actor_token_type: &'a str) -> Self {
        self.actor_token = actor_token;
        self.actor_token_type = actor_token_type;
        self
    }

    /// A further parameter. Set again, it replaces what it had.
    ///
    /// Its name is of ASCII letters, digits, `-`, `.` and `_` (RFC 6749 section 8.2), and none of
    /// the names that this crate gives a meaning to, in whatever case.
    pub fn extra(self, name: &'a str, value: impl Into<ExtraValue<'a>>) -> Self {
        self.extra_list(name, [value])
    }

    /// A further parameter that is sent once for each value, of which there are at most
    /// [`MAX_VALUES`](crate::MAX_VALUES). Without one it is not sent.
    pub fn extra_list<V: Into<ExtraValue<'a>>>(
        mut self,
        name: &'a str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.extra.set(name, values.into_iter().map(Into::into));
        self
    }

    /// Judges what was given, before there is an endpoint to send it to.
    ///
    /// # Errors
    ///
    /// [`RequestError`], as the method of [`TokenClient`](crate::TokenClient) gives it.
    pub fn validate(&self) -> Result<(), RequestError> {
        self.form().map(|_| ())
    }

    pub(crate) fn form(&self) -> Result<Form, RequestError> {
        required("subject_token", self.subject_token)?;
        required("subject_token_type", self.subject_token_type)?;
        bare("subject_token", self.subject_token)?;
        if self.actor_token.is_empty() != self.actor_token_type.is_empty() {
            return Err(RequestError::ActorPair);
        }
        if !self.actor_token.is_empty() {
            bare("actor_token", self.actor_token)?;
        }
        self.extra.validate()?;

        let mut pairs = vec![
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
        pairs.extend(optional.into_iter().filter(|(_, value)| !value.is_empty()));
        pairs.extend(self.extra.pairs());
        Ok(Form::new(&pairs))
    }
}

/// An access token of this API for one of a downstream API, in the name of the same user: an
/// exchange of an access token for an access token.
///
/// The answer has no ID token and no refresh token. `Debug` shows none of the values.
#[derive(Clone, Copy)]
#[must_use]
pub struct OnBehalfOf<'a> {
    access_token: &'a str,
    audience: &'a str,
    scope: &'a str,
}

impl<'a> OnBehalfOf<'a> {
    /// For this access token, and the API downstream.
    pub fn new(access_token: &'a str, audience: &'a str) -> Self {
        OnBehalfOf {
            access_token,
            audience,
            scope: "",
        }
    }

    /// The access token that is exchanged.
    pub fn access_token(&self) -> &'a str {
        self.access_token
    }

    /// The API downstream.
    pub fn requested_audience(&self) -> &'a str {
        self.audience
    }

    /// The scopes that are asked for; empty where none are.
    pub fn requested_scope(&self) -> &'a str {
        self.scope
    }

    /// The scopes that are asked for, with spaces between them.
    pub fn scope(mut self, scope: &'a str) -> Self {
        self.scope = scope;
        self
    }

    /// Judges what was given, before there is an endpoint to send it to.
    ///
    /// # Errors
    ///
    /// [`RequestError`], as the method of [`TokenClient`](crate::TokenClient) gives it.
    pub fn validate(&self) -> Result<(), RequestError> {
        self.form().map(|_| ())
    }

    pub(crate) fn form(&self) -> Result<Form, RequestError> {
        required("audience", self.audience)?;
        TokenExchange::new(self.access_token, ACCESS_TOKEN)
            .audience(self.audience)
            .scope(self.scope)
            .requested_token_type(ACCESS_TOKEN)
            .form()
    }
}

/// The access token of an external provider that Auth0 keeps for a user (Token Vault).
///
/// `Debug` shows none of the values.
#[derive(Clone, Copy)]
#[must_use]
pub struct ConnectionToken<'a> {
    connection: &'a str,
    access_token: &'a str,
    login_hint: &'a str,
}

impl<'a> ConnectionToken<'a> {
    /// For the connection of this name, and the user of this access token.
    pub fn new(connection: &'a str, access_token: &'a str) -> Self {
        ConnectionToken {
            connection,
            access_token,
            login_hint: "",
        }
    }

    /// Which of several accounts that the user has with the provider.
    pub fn login_hint(mut self, login_hint: &'a str) -> Self {
        self.login_hint = login_hint;
        self
    }

    /// Judges what was given, before there is an endpoint to send it to.
    ///
    /// # Errors
    ///
    /// [`RequestError`], as the method of [`TokenClient`](crate::TokenClient) gives it.
    pub fn validate(&self) -> Result<(), RequestError> {
        self.form().map(|_| ())
    }

    pub(crate) fn form(&self) -> Result<Form, RequestError> {
        required("connection", self.connection)?;
        required("access_token", self.access_token)?;
        let mut pairs = vec![
            ("connection", self.connection),
            ("requested_token_type", CONNECTION_ACCESS_TOKEN),
            ("grant_type", CONNECTION_GRANT),
            ("subject_token", self.access_token),
            ("subject_token_type", ACCESS_TOKEN),
        ];
        if !self.login_hint.is_empty() {
            pairs.push(("login_hint", self.login_hint));
        }
        Ok(Form::new(&pairs))
    }
}

fn required(name: &'static str, value: &str) -> Result<(), RequestError> {
    match value {
        "" => Err(RequestError::MissingArgument(name)),
        _ => Ok(()),
    }
}

/// A token as such, and not a header field or a line of a file.
fn bare(name: &'static str, token: &str) -> Result<(), RequestError> {
    let outside = |character: char| character.is_whitespace() || character.is_control();
    let prefix = token.get(..7).unwrap_or_default();
    match token.trim_matches(outside) {
        "" => Err(RequestError::Blank(name)),
        trimmed if trimmed.len() < token.len() => Err(RequestError::Whitespace(name)),
        _ if prefix.eq_ignore_ascii_case("bearer ") => Err(RequestError::BearerPrefix(name)),
        _ => Ok(()),
    }
}

macro_rules! debug_without_values {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

debug_without_values!(TokenExchange, OnBehalfOf, ConnectionToken);
