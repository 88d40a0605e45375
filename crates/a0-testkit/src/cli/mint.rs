//! Any token, by `POST /mint` or by the page.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{AccessTokenBuilder, Algorithm, LocalTenant, SigningKey};

/// A token to mint. Members that are absent have the defaults of [`AccessTokenBuilder`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Order {
    pub(super) sub: Option<String>,
    /// A string or an array of strings.
    pub(super) aud: Option<Value>,
    pub(super) scope: Option<String>,
    pub(super) client_id: Option<String>,
    /// In seconds.
    pub(super) expires_in: Option<i64>,
    pub(super) issued_at: Option<i64>,
    /// A claim of the value `null` is removed.
    pub(super) claims: Map<String, Value>,
    /// A header parameter of the value `null` is removed.
    pub(super) header: Map<String, Value>,
    pub(super) alg: Option<String>,
    pub(super) signature: Signature,
    /// Binds the token to a key (RFC 9449 section 6.1).
    pub(super) dpop_jkt: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Signature {
    #[default]
    Good,
    /// By a key that is not the tenant's.
    Stranger,
    /// Of other bytes.
    Broken,
    /// Empty, with `alg` none.
    None,
}

pub(super) fn mint(tenant: &LocalTenant, order: Order) -> Result<String, String> {
    let failed = |error: crate::Error| error.to_string();
    let mut token = tenant.access_token();
    if let Some(name) = &order.alg {
        let known = Algorithm::ALL.into_iter().find(|it| it.name() == name);
        let algorithm = known.ok_or_else(|| format!("alg {name:?} is unknown"))?;
        if algorithm == Algorithm::Es256 && tenant.key_for(algorithm).is_none() {
            tenant.publish_es256().map_err(failed)?;
        }
        token = token.algorithm(algorithm);
    }
    if let Some(sub) = &order.sub {
        token = token.subject(sub);
    }
    if let Some(aud) = order.aud {
        token = token.claim("aud", aud);
    }
    token = match order.scope.as_deref() {
        Some("") => token.without_claim("scope"),
        Some(scope) => token.scope(scope),
        None => token,
    };
    if let Some(client_id) = &order.client_id {
        token = token.client(client_id);
    }
    if let Some(seconds) = order.expires_in {
        token = token.expires_in(seconds);
    }
    if let Some(seconds) = order.issued_at {
        token = token.issued_at(seconds);
    }
    if let Some(jkt) = order.dpop_jkt {
        token = token.claim("cnf", json!({ "jkt": jkt }));
    }
    sign(edit(token, order.claims, order.header), order.signature)
        .and_then(AccessTokenBuilder::mint)
        .map_err(failed)
}

fn edit(
    mut token: AccessTokenBuilder,
    claims: Map<String, Value>,
    header: Map<String, Value>,
) -> AccessTokenBuilder {
    for (name, value) in claims {
        token = match value {
            Value::Null => token.without_claim(&name),
            value => token.claim(&name, value),
        };
    }
    for (name, value) in header {
        token = match value {
            Value::Null => token.without_header(&name),
            value => token.header(&name, value),
        };
    }
    token
}

fn sign(
    token: AccessTokenBuilder,
    signature: Signature,
) -> Result<AccessTokenBuilder, crate::Error> {
    Ok(match signature {
        Signature::Good => token,
        Signature::Stranger => token
            .algorithm(Algorithm::Rs256)
            .signed_with(&SigningKey::cached_rsa("stranger")?),
        Signature::Broken => token.with_signature([1; 256]),
        Signature::None => token.header("alg", "none").unsigned(),
    })
}
