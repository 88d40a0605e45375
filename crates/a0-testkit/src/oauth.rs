//! The token endpoint and the discovery document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, PRAGMA, WWW_AUTHENTICATE};
use http::{Request, Response};
use serde_json::{Map, Value, json};

use crate::token::LIFETIME;
use crate::{AccessTokenBuilder, Error, LocalTenant, form, jws, reply, thumbprint};

const CLIENT_CREDENTIALS: &str = "client_credentials";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const CONNECTION_EXCHANGE: &str =
    "urn:auth0:params:oauth:grant-type:token-exchange:federated-connection-access-token";
const CONNECTION_TOKEN_TYPE: &str =
    "http://auth0.com/oauth/token-type/federated-connection-access-token";

/// The members of the discovery document (OpenID Connect Discovery 1.0, RFC 8414).
pub(crate) fn metadata(issuer: &str) -> Map<String, Value> {
    let members = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}authorize"),
        "token_endpoint": format!("{issuer}oauth/token"),
        "userinfo_endpoint": format!("{issuer}userinfo"),
        "jwks_uri": format!("{issuer}.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "grant_types_supported": [CLIENT_CREDENTIALS, TOKEN_EXCHANGE, CONNECTION_EXCHANGE],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "dpop_signing_alg_values_supported": ["ES256"],
    });
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

pub(crate) fn answer(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    let mut answer = match grant(tenant, request) {
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
    let status = answer.status();
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    // RFC 6749 section 5.2: a client that tried Basic is told so.
    if status == 401 && request.headers().contains_key(AUTHORIZATION) {
        headers.insert(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"oauth\""),
        );
    }
    answer
}

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

fn grant(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Result<Value, Refusal> {
    let form = Form::read(request.body())?;
    let client_id = authenticate(tenant, request, &form)?;
    let grant_type = form.required("grant_type", "grant_type is missing")?;
    let (token, issued_token_type) = match grant_type {
        CLIENT_CREDENTIALS => (own_behalf(tenant, &form, &client_id)?, None),
        TOKEN_EXCHANGE => (
            exchange(tenant, &form, &client_id)?,
            Some(ACCESS_TOKEN_TYPE),
        ),
        CONNECTION_EXCHANGE => return connection_token(&form),
        _ => {
            return Err(Refusal {
                status: 400,
                error: "unsupported_grant_type",
                description: "This grant type is not supported",
            });
        }
    };
    let (token, token_type) = bind(token, request)?;

    let mut body = Map::new();
    body.insert("access_token".into(), token.mint()?.into());
    body.insert("token_type".into(), token_type.into());
    body.insert("expires_in".into(), LIFETIME.into());
    if let Some(scope) = form.get("scope") {
        body.insert("scope".into(), scope.into());
    }
    if let Some(issued) = issued_token_type {
        body.insert("issued_token_type".into(), issued.into());
    }
    Ok(Value::Object(body))
}

/// Basic with form-encoded credentials, or both in the form (RFC 6749 section 2.3.1).
fn authenticate(
    tenant: &LocalTenant,
    request: &Request<Vec<u8>>,
    form: &Form,
) -> Result<String, Refusal> {
    let (id, secret) = match request.headers().get(AUTHORIZATION) {
        Some(_) if form.get("client_secret").is_some() => {
            return Err(Refusal::invalid_request(
                "Two kinds of client authentication",
            ));
        }
        Some(value) => basic(value).ok_or_else(Refusal::invalid_client)?,
        None => {
            let (id, secret) = (form.get("client_id"), form.get("client_secret"));
            let (id, secret) = id.zip(secret).ok_or_else(Refusal::invalid_client)?;
            (id.to_owned(), secret.to_owned())
        }
    };
    match tenant.is_secret_of(&id, &secret) {
        Some(true) => Ok(id),
        _ => Err(Refusal::invalid_client()),
    }
}

fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((
        form::decode(id.as_bytes())?,
        form::decode(secret.as_bytes())?,
    ))
}

fn own_behalf(
    tenant: &LocalTenant,
    form: &Form,
    client_id: &str,
) -> Result<AccessTokenBuilder, Refusal> {
    let subject = format!("{client_id}@clients");
    let token = requested(tenant, form, client_id)?.subject(&subject);
    Ok(token.claim("gty", "client-credentials"))
}

/// Mints for the subject of the subject token, which it reads without verifying anything.
fn exchange(
    tenant: &LocalTenant,
    form: &Form,
    client_id: &str,
) -> Result<AccessTokenBuilder, Refusal> {
    let subject_token = form.required("subject_token", "subject_token is missing")?;
    form.required("subject_token_type", "subject_token_type is missing")?;
    let claims = jws::peek(subject_token, 1).unwrap_or_default();

    let mut actor = Map::new();
    actor.insert("sub".into(), client_id.into());
    if let Some(prior) = claims.get("act") {
        actor.insert("act".into(), prior.clone());
    }
    let token = requested(tenant, form, client_id)?.claim("act", actor);
    Ok(match claims.get("sub").and_then(Value::as_str) {
        Some(subject) => token.subject(subject),
        // An opaque token says nothing about its subject: the default one stands in.
        None => token,
    })
}

/// A token of another provider, which is opaque here: it names connection and account.
fn connection_token(form: &Form) -> Result<Value, Refusal> {
    let connection = form.required("connection", "connection is missing")?;
    form.required("subject_token", "subject_token is missing")?;
    if form.get("subject_token_type") != Some(ACCESS_TOKEN_TYPE)
        || form.get("requested_token_type") != Some(CONNECTION_TOKEN_TYPE)
    {
        return Err(Refusal::invalid_request("Token types of another exchange"));
    }
    let account = form.get("login_hint").unwrap_or("default");
    Ok(json!({
        "access_token": format!("{connection}:{account}"),
        "token_type": "Bearer",
        "expires_in": LIFETIME,
        "issued_token_type": CONNECTION_TOKEN_TYPE,
    }))
}

fn requested(
    tenant: &LocalTenant,
    form: &Form,
    client_id: &str,
) -> Result<AccessTokenBuilder, Refusal> {
    let audience = form.required("audience", "audience is missing")?;
    let token = tenant.access_token().audience(audience).client(client_id);
    Ok(match form.get("scope") {
        Some(scope) => token.scope(scope),
        None => token.without_claim("scope"),
    })
}

/// A request with a DPoP proof gets a token bound to the key in it (RFC 9449 section 5). The proof
/// itself is not verified.
fn bind(
    token: AccessTokenBuilder,
    request: &Request<Vec<u8>>,
) -> Result<(AccessTokenBuilder, &'static str), Refusal> {
    let Some(proof) = request.headers().get("dpop") else {
        return Ok((token, "Bearer"));
    };
    let thumbprint = proof
        .to_str()
        .ok()
        .and_then(|proof| jws::peek(proof, 0))
        .and_then(|header| thumbprint(header.get("jwk")?).ok())
        .ok_or(Refusal {
            status: 400,
            error: "invalid_dpop_proof",
            description: "The DPoP proof has no usable key",
        })?;
    Ok((token.claim("cnf", json!({ "jkt": thumbprint })), "DPoP"))
}

struct Form(Vec<(String, String)>);

impl Form {
    fn read(body: &[u8]) -> Result<Self, Refusal> {
        let pairs =
            form::parse(body).ok_or_else(|| Refusal::invalid_request("The body is not a form"))?;
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        if names.len() < count {
            return Err(Refusal::invalid_request("A parameter is repeated"));
        }
        Ok(Self(pairs))
    }

    /// A parameter without value counts as left out (RFC 6749 section 3.2).
    fn get(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(other, _)| other == name);
        pair.map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str, missing: &'static str) -> Result<&str, Refusal> {
        self.get(name)
            .ok_or_else(|| Refusal::invalid_request(missing))
    }
}
