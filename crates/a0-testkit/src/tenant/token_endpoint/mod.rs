//! The token endpoint: client credentials, token exchange (RFC 8693) and the exchange for the token
//! of a connection.

mod client;
mod parameters;
mod worker;

use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use http::{Request, Response};
use serde_json::{Map, Value, json};

use crate::minting::{LIFETIME, decode_unverified};
use crate::{AccessTokenBuilder, Error, LocalTenant, reply, thumbprint};
use parameters::Parameters;

const CLIENT_CREDENTIALS: &str = "client_credentials";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const CONNECTION_EXCHANGE: &str =
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const JWT_TYPE: &str = "urn:ietf:params:oauth:token-type:jwt";
const CONNECTION_TOKEN_TYPE: &str =
    "http://auth0.com/oauth/token-type/federated-connection-access-token";

pub(super) const GRANT_TYPES: [&str; 3] = [CLIENT_CREDENTIALS, TOKEN_EXCHANGE, CONNECTION_EXCHANGE];

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
    fn invalid_request(description: &'static str) -> Self {
        Self {
            status: 400,
            error: "invalid_request",
            description,
        }
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
    let client_id = client::authenticate(tenant, request, &parameters)?;
    let grant_type = parameters.required("grant_type", "grant_type is missing")?;
    let (token, issued_token_type) = match grant_type {
        CLIENT_CREDENTIALS => (client_credentials(tenant, &parameters, &client_id)?, None),
        TOKEN_EXCHANGE => (
            token_exchange(tenant, &parameters, &client_id)?,
            Some(ACCESS_TOKEN_TYPE),
        ),
        CONNECTION_EXCHANGE if parameters.get("subject_token_type") == Some(JWT_TYPE) => {
            return worker::exchange(tenant, &parameters, &client_id);
        }
        CONNECTION_EXCHANGE => return connection_exchange(&parameters),
        _ => {
            return Err(Refusal {
                status: 400,
                error: "unsupported_grant_type",
                description: "This grant type is not supported",
            });
        }
    };
    let (token, token_type) = bind_to_proof(token, request)?;

    let mut body = Map::new();
    body.insert("access_token".into(), token.mint()?.into());
    body.insert("token_type".into(), token_type.into());
    body.insert("expires_in".into(), LIFETIME.into());
    if let Some(scope) = parameters.get("scope") {
        body.insert("scope".into(), scope.into());
    }
    if let Some(issued) = issued_token_type {
        body.insert("issued_token_type".into(), issued.into());
    }
    Ok(Value::Object(body))
}

fn client_credentials(
    tenant: &LocalTenant,
    parameters: &Parameters,
    client_id: &str,
) -> Result<AccessTokenBuilder, Refusal> {
    let subject = format!("{client_id}@clients");
    let token = requested_token(tenant, parameters, client_id)?.subject(&subject);
    Ok(token.claim("gty", "client-credentials"))
}

/// Reads the subject token without verifying it. The new token has its subject, and the client as
/// the outermost actor.
fn token_exchange(
    tenant: &LocalTenant,
    parameters: &Parameters,
    client_id: &str,
) -> Result<AccessTokenBuilder, Refusal> {
    let subject_token = parameters.required("subject_token", "subject_token is missing")?;
    parameters.required("subject_token_type", "subject_token_type is missing")?;
    let claims = decode_unverified(subject_token, 1).unwrap_or_default();

    let mut actor = Map::new();
    actor.insert("sub".into(), client_id.into());
    if let Some(prior) = claims.get("act") {
        actor.insert("act".into(), prior.clone());
    }
    let token = requested_token(tenant, parameters, client_id)?.claim("act", actor);
    Ok(match claims.get("sub").and_then(Value::as_str) {
        Some(subject) => token.subject(subject),
        // An opaque token has no readable subject, so the default one stays.
        None => token,
    })
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
) -> Result<AccessTokenBuilder, Refusal> {
    // As with Auth0's compatibility profile: the audience is checked first, then the resource.
    let audience = match (parameters.get("audience"), &*parameters.all("resource")) {
        (Some(audience), _) => audience,
        (None, [resource]) => resource,
        (None, []) => return Err(Refusal::invalid_request("audience is missing")),
        (None, _) => {
            return Err(Refusal {
                status: 400,
                error: "invalid_target",
                description: "A token is for one resource",
            });
        }
    };
    let token = tenant.access_token().audience(audience).client(client_id);
    Ok(match parameters.get("scope") {
        Some(scope) => token.scope(scope),
        None => token.without_claim("scope"),
    })
}

/// Binds the token to the key of the request's DPoP proof, if there is one (RFC 9449 section 5).
/// The proof is not verified.
fn bind_to_proof(
    token: AccessTokenBuilder,
    request: &Request<Vec<u8>>,
) -> Result<(AccessTokenBuilder, &'static str), Refusal> {
    let Some(proof) = request.headers().get("dpop") else {
        return Ok((token, "Bearer"));
    };
    let thumbprint = proof
        .to_str()
        .ok()
        .and_then(|proof| decode_unverified(proof, 0))
        .and_then(|header| thumbprint(header.get("jwk")?).ok())
        .ok_or(Refusal {
            status: 400,
            error: "invalid_dpop_proof",
            description: "The DPoP proof has no usable key",
        })?;
    Ok((token.claim("cnf", json!({ "jkt": thumbprint })), "DPoP"))
}
