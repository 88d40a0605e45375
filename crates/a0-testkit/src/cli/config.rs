//! The configuration file.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Api, ClientRegistration, Error, LocalTenant, Login, User};

pub(super) const EXAMPLE: &str = include_str!("example.toml");

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Config {
    pub(super) port: Option<u16>,
    login: LoginKind,
    users: Vec<UserEntry>,
    apis: Vec<ApiEntry>,
    clients: Vec<ClientEntry>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LoginKind {
    #[default]
    Page,
    Automatic,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    sub: String,
    name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    access_token_claims: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApiEntry {
    identifier: String,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    client_id: String,
    client_secret: Option<String>,
    name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    grant_types: Option<Vec<String>>,
}

impl std::fmt::Debug for ClientEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientEntry")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

impl Config {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            // The full message quotes the line, which may hold a secret.
            let line = error.span().map_or(0, |span| {
                text.bytes()
                    .take(span.start)
                    .filter(|it| *it == b'\n')
                    .count()
                    + 1
            });
            format!("line {line}: {}", error.message())
        })
    }

    pub(super) fn apply(self, tenant: &LocalTenant) -> Result<(), Error> {
        tenant.set_login(match self.login {
            LoginKind::Page => Login::Page,
            LoginKind::Automatic => Login::Automatic,
        });
        for entry in self.users {
            tenant.add_user(entry.into());
        }
        for entry in self.apis {
            let scopes = entry.scopes.iter().map(String::as_str);
            tenant.add_api(Api::new(&entry.identifier).scopes(scopes));
        }
        for entry in self.clients {
            tenant.register(entry.into())?;
        }
        Ok(())
    }

    /// The identifier of the first API, for the variables to set.
    pub(super) fn first_api(&self) -> Option<String> {
        self.apis.first().map(|api| api.identifier.clone())
    }
}

impl From<UserEntry> for User {
    fn from(entry: UserEntry) -> Self {
        let mut user = User::new(&entry.sub);
        if let Some(name) = &entry.name {
            user = user.name(name);
        }
        if let Some(email) = &entry.email {
            user = user.email(email);
        }
        for (name, value) in entry.claims {
            user = user.claim(&name, value);
        }
        for (name, value) in entry.access_token_claims {
            user = user.access_token_claim(&name, value);
        }
        user
    }
}

impl From<ClientEntry> for ClientRegistration {
    fn from(entry: ClientEntry) -> Self {
        let mut client = match &entry.client_secret {
            Some(secret) => Self::confidential(&entry.client_id, secret),
            None => Self::public(&entry.client_id),
        };
        if let Some(name) = &entry.name {
            client = client.name(name);
        }
        for uri in &entry.redirect_uris {
            client = client.redirect_uri(uri);
        }
        for grant_type in entry.grant_types.iter().flatten() {
            client = client.grant_type(grant_type);
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_valid_and_mistakes_have_a_line() {
        let config = Config::parse(EXAMPLE).unwrap();
        assert_eq!(config.first_api().unwrap(), "https://api.example/");
        let tenant = LocalTenant::new("tenant.example").unwrap();
        config.apply(&tenant).unwrap();
        for (text, part) in [
            ("prot = 1", "line 1: unknown field"),
            ("\nlogin = \"never\"", "line 2: unknown variant"),
            ("[[users]]\nname = \"x\"", "missing field `sub`"),
            ("port = 70000", "line 1"),
            (
                "[[clients]]\nclient_id = \"a\"\nclient_secret = \"hush",
                "line 3",
            ),
        ] {
            let error = Config::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let bad = "[[clients]]\nclient_id = \"a\"\nredirect_uris = [\"http://evil.example/\"]";
        let error = Config::parse(bad).unwrap().apply(&tenant).unwrap_err();
        assert!(matches!(error, Error::RedirectUri));
    }
}
