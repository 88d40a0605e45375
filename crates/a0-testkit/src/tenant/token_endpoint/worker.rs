//! The exchange of a privileged worker: a JWT that the client signed names the user.

use serde_json::{Map, Value};

use super::Refusal;
use super::parameters::Parameters;
use crate::LocalTenant;
use crate::minting::{LIFETIME, decode_unverified, unix_seconds};

const TOKEN_VAULT_TOKEN_TYPE: &str = "http://auth0.com/oauth/token-type/token-vault-access-token";

/// A JWT may be this old, in seconds.
const MAX_AGE: i64 = 60;

/// Issues a token of another provider. It is opaque, and made of the connection and the user. Neither the
/// signature of the JWT is verified, nor whether its `jti` came before; its type and its claims are.
pub(super) fn exchange(
    tenant: &LocalTenant,
    parameters: &Parameters,
    client_id: &str,
) -> Result<Value, Refusal> {
    let connection = parameters.required("connection", "connection is missing")?;
    let token = parameters.required("subject_token", "subject_token is missing")?;
    if parameters.get("requested_token_type") != Some(TOKEN_VAULT_TOKEN_TYPE) {
        return Err(Refusal::invalid_request(
            "The token types do not belong to this exchange",
        ));
    }
    let user = user(tenant, token, client_id).ok_or(Refusal::invalid_request(
        "The subject token names no user for this client",
    ))?;
    let mut body = Map::new();
    body.insert("access_token".into(), format!("{connection}:{user}").into());
    body.insert("token_type".into(), "Bearer".into());
    body.insert("expires_in".into(), LIFETIME.into());
    body.insert("issued_token_type".into(), TOKEN_VAULT_TOKEN_TYPE.into());
    if let Some(scope) = parameters.get("scope") {
        body.insert("scope".into(), scope.into());
    }
    Ok(Value::Object(body))
}

fn user(tenant: &LocalTenant, token: &str, client_id: &str) -> Option<String> {
    let (header, claims) = (decode_unverified(token, 0)?, decode_unverified(token, 1)?);
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let age = unix_seconds(tenant.now()).checked_sub(claims.get("iat")?.as_i64()?)?;
    let context = text("audit_context")?.chars().count();
    let is_for_this_client = header.get("typ")? == "token-vault-req+jwt"
        && text("iss")? == client_id
        && text("aud")? == tenant.issuer()
        && !text("jti")?.is_empty()
        && (1..=256).contains(&context)
        && (0..=MAX_AGE).contains(&age);
    text("sub")
        .filter(|_| is_for_this_client)
        .map(str::to_owned)
}
