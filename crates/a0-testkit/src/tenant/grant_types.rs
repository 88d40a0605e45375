//! The grant types of the token endpoint: those of RFC 6749 sections 4 and 6, RFC 8693 section 2.1, and that of
//! Auth0's Token Vault.

pub(super) const AUTHORIZATION_CODE: &str = "authorization_code";
pub(super) const REFRESH_TOKEN: &str = "refresh_token";
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const CONNECTION_EXCHANGE: &str =
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";

pub(super) const ALL: [&str; 5] = [
    AUTHORIZATION_CODE,
    REFRESH_TOKEN,
    CLIENT_CREDENTIALS,
    TOKEN_EXCHANGE,
    CONNECTION_EXCHANGE,
];
