//! The token endpoint: authorization codes, refresh tokens, client credentials, token exchange
//! (RFC 8693) and the exchange for the token of a connection.

mod client;
mod parameters;
mod proof;
mod user;
mod worker;

use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use http::{Request, Response};
use serde_json::{Map, Value, json};

use super::grant_types::{
    self, AUTHORIZATION_CODE, CLIENT_CREDENTIALS, CONNECTION_EXCHANGE, REFRESH_TOKEN,
    TOKEN_EXCHANGE,
};
use super::registration::ClientRegistration;
use super::target;
use crate::minting::{LIFETIME, decode_unverified};
use crate::{AccessTokenBuilder, Error, LocalTenant, reply};
use parameters::Parameters;

const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";
const CONNECTION_TOKEN_TYPE: &str =
    "http://auth0.com/oauth/token-type/federated-connection-access-token";

pub(super) fn respond(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    let mut response = match issue(tenant, request) {
        Ok(body) => reply::json(200, &body),
        Err(refusal) => {
            let Refusal {
                status,
                error,
                description,
            } = refusal;
            let body = json!({ "error": error, "error_description": description });
            reply::json(status, &body)
        }
    };
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    // RFC 6749 section 5.2: a client that used the Authorization header gets a challenge.
    if status == 401 && request.headers().contains_key(AUTHORIZATION) {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"oauth\""),
        );
    }
    response
}

/// An error response (RFC 6749 section 5.2).
struct Refusal {
    status: u16,
    error: &'static str,
    description: &'static str,
}

impl Refusal {
    /// With status 400.
    fn of(error: &'static str, description: &'static str) -> Self {
        Self {
            status: 400,
            error,
            description,
        }
    }

    fn invalid_request(description: &'static str) -> Self {
        Self::of("invalid_request", description)
    }

    fn invalid_client() -> Self {
        Self {
            status: 401,
            error: "invalid_client",
            description: "Client authentication failed",
        }
    }
}

impl From<Error> for Refusal {
    fn from(_: Error) -> Self {
        Self {
            status: 500,
            error: "server_error",
            description: "No token could be minted",
        }
    }
}

fn issue(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Result<Value, Refusal> {
    let parameters = Parameters::parse(request.body())?;
    let client = client::authenticate(tenant, request, &parameters)?;
    let client_id = client.client_id.as_str();
    let grant_type = parameters.required("grant_type", "grant_type is missing")?;
    check_grant_type(&client, grant_type)?;
    let (token, issued_token_type) = match grant_type {
        AUTHORIZATION_CODE => {
            return user::redeem_code(tenant, request, &parameters, &client);
        }
        REFRESH_TOKEN => return user::refresh(tenant, request, &parameters, &client),
        CLIENT_CREDENTIALS => (client_credentials(tenant, &parameters, client_id)?, None),
        TOKEN_EXCHANGE => (
            token_exchange(tenant, &parameters, client_id)?,
            Some(ACCESS_TOKEN_TYPE),
        ),
        CONNECTION_EXCHANGE if parameters.get("subject_token_type") == Some(JWT_TYPE) => {
            return worker::exchange(tenant, &parameters, client_id);
        }
        CONNECTION_EXCHANGE => return connection_exchange(&parameters),
        _ => return Err(unsupported()),
    };
    let Requested { token, scope } = token;
    let (token, token_type) = match proof::proven_key(tenant, request)? {
        Some(jkt) => (token.claim("cnf", json!({ "jkt": jkt })), "DPoP"),
        None => (token, "Bearer"),
    };

    let mut body = Map::new();
    body.insert("access_token".into(), token.mint()?.into());
    body.insert("token_type".into(), token_type.into());
    body.insert("expires_in".into(), LIFETIME.into());
    if let Some(scope) = scope {
        body.insert("scope".into(), scope.into());
    }
    if let Some(issued) = issued_token_type {
        body.insert("issued_token_type".into(), issued.into());
    }
    Ok(Value::Object(body))
}

fn unsupported() -> Refusal {
    Refusal::of("unsupported_grant_type", "This grant type is not supported")
}

fn check_grant_type(client: &ClientRegistration, grant_type: &str) -> Result<(), Refusal> {
    if !grant_types::ALL.contains(&grant_type) {
        return Err(unsupported());
    }
    let needs_secret = grant_type == CLIENT_CREDENTIALS;
    if !client.allows(grant_type) || (needs_secret && client.is_public()) {
        let description = "The client may not use this grant type";
        return Err(Refusal::of("unauthorized_client", description));
    }
    Ok(())
}

/// A token, and the scope that the response names.
struct Requested {
    token: AccessTokenBuilder,
    scope: Option<String>,
}

impl Requested {
    fn map(self, change: impl FnOnce(AccessTokenBuilder) -> AccessTokenBuilder) -> Self {
        Self {
            token: change(self.token),
            ..self
        }
    }
}

fn client_credentials(
    tenant: &LocalTenant,
    parameters: &Parameters,
    client_id: &str,
) -> Result<Requested, Refusal> {
    let subject = format!("{client_id}@clients");
    let requested = requested_token(tenant, parameters, client_id)?;
    Ok(requested.map(|token| token.subject(&subject).claim("gty", "client-credentials")))
}

/// Reads the subject token without verifying it. The new token has its subject, and the client as
/// the outermost actor.
fn token_exchange(
    tenant: &LocalTenant,
    parameters: &Parameters,
    client_id: &str,
) -> Result<Requested, Refusal> {
    let subject_token = parameters.required("subject_token", "subject_token is missing")?;
    parameters.required("subject_token_type", "subject_token_type is missing")?;
    let claims = decode_unverified(subject_token, 1).unwrap_or_default();

    let mut actor = Map::new();
    actor.insert("sub".into(), client_id.into());
    if let Some(prior) = claims.get("act") {
        actor.insert("act".into(), prior.clone());
    }
    let requested = requested_token(tenant, parameters, client_id)?;
    Ok(requested.map(|token| {
        let token = token.claim("act", actor);
        match claims.get("sub").and_then(Value::as_str) {
            Some(subject) => token.subject(subject),
            // An opaque token has no readable subject, so the default one stays.
            None => token,
        }
    }))
}

/// Issues a token of another provider. It is opaque, and made of the connection and the account.
fn connection_exchange(parameters: &Parameters) -> Result<Value, Refusal> {
    let connection = parameters.required("connection", "connection is missing")?;
    parameters.required("subject_token", "subject_token is missing")?;
    if parameters.get("subject_token_type") != Some(ACCESS_TOKEN_TYPE)
        || parameters.get("requested_token_type") != Some(CONNECTION_TOKEN_TYPE)
    {
        return Err(Refusal::invalid_request(
            "The token types do not belong to this exchange",
        ));
    }
    let account = parameters.get("login_hint").unwrap_or("default");
    Ok(json!({
        "access_token": format!("{connection}:{account}"),
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "issued_token_type": CONNECTION_TOKEN_TYPE,
    }))
}

fn requested_token(
    tenant: &LocalTenant,
    parameters: &Parameters,
    client_id: &str,
) -> Result<Requested, Refusal> {
    let resources = parameters.all("resource");
    let audience = target::requested(tenant, parameters.get("audience"), &resources)
        .map_err(|description| Refusal::of("invalid_target", description))?
        .ok_or_else(|| Refusal::invalid_request("audience is missing"))?;
    let scope = granted(tenant, parameters, &audience)?;
    let token = tenant.access_token().audience(&audience).client(client_id);
    let token = match &scope {
        Some(scope) => token.scope(scope),
        None => token.without_claim("scope"),
    };
    Ok(Requested { token, scope })
}

/// The requested scope, without those that the API does not have.
fn granted(
    tenant: &LocalTenant,
    parameters: &Parameters,
    audience: &str,
) -> Result<Option<String>, Refusal> {
    let Some(scope) = parameters.get("scope") else {
        return Ok(None);
    };
    let malformed = || Refusal::of("invalid_scope", "scope is malformed");
    let requested = target::scopes(scope).ok_or_else(malformed)?;
    let granted = tenant.with_state(|state| state.directory.grantable(Some(audience), &requested));
    Ok((!granted.is_empty()).then(|| granted.join(" ")))
}
