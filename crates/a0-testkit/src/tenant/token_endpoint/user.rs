//! Tokens for a user who logged in: the grants `authorization_code` and `refresh_token`.

use http::Request;
use serde_json::{Map, Value, json};

use super::Refusal;
use super::parameters::Parameters;
use crate::LocalTenant;
use crate::minting::LIFETIME;
use crate::tenant::authorization;
use crate::tenant::grant_types::REFRESH_TOKEN;
use crate::tenant::grants::{CodeUse, Grant, NewRefresh, RefreshUse};
use crate::tenant::registration::ClientRegistration;
use crate::tenant::target;

fn invalid_grant(description: &'static str) -> Refusal {
    Refusal::of("invalid_grant", description)
}

/// RFC 6749 section 4.1.3, RFC 7636 section 4.5.
pub(super) fn redeem_code(
    tenant: &LocalTenant,
    request: &Request<Vec<u8>>,
    parameters: &Parameters,
    client: &ClientRegistration,
) -> Result<Value, Refusal> {
    let code = parameters.required("code", "code is missing")?;
    let redirect_uri = parameters.required("redirect_uri", "redirect_uri is missing")?;
    let verifier = parameters.required("code_verifier", "code_verifier is missing")?;
    if !is_verifier(verifier) {
        return Err(invalid_grant("code_verifier is malformed"));
    }
    let jkt = super::proof::proven_key(tenant, request)?;
    let now = tenant.unix_now();
    let attempt = CodeUse {
        code,
        client_id: &client.client_id,
        redirect_uri,
        verifier,
        jkt: jkt.as_deref(),
        now,
    };
    let mut new = new_refresh(tenant, now)?;
    new.jkt = jkt.clone().filter(|_| client.is_public());
    let redeemed = tenant.with_state(|state| {
        state.grants.redeem(&attempt, |grant| {
            let wanted = grant.has_scope("offline_access") && client.allows(REFRESH_TOKEN);
            wanted.then_some(new)
        })
    });
    let (grant, refresh) = redeemed.map_err(invalid_grant)?;
    check_target(parameters, &grant)?;
    let scopes = grant.scopes.clone();
    answer(tenant, &grant, &scopes, jkt, refresh)
}

/// RFC 6749 section 6.
pub(super) fn refresh(
    tenant: &LocalTenant,
    request: &Request<Vec<u8>>,
    parameters: &Parameters,
    client: &ClientRegistration,
) -> Result<Value, Refusal> {
    let token = parameters.required("refresh_token", "refresh_token is missing")?;
    let jkt = super::proof::proven_key(tenant, request)?;
    // A request for too much does not use up the refresh token.
    let known = tenant.with_state(|state| state.grants.peek(token, &client.client_id).cloned());
    let mut scopes = Vec::new();
    if let Some(grant) = &known {
        check_target(parameters, grant)?;
        scopes = narrowed(parameters, grant)?;
    }
    let now = tenant.unix_now();
    let attempt = RefreshUse {
        token,
        client_id: &client.client_id,
        jkt: jkt.as_deref(),
        now,
    };
    let successor = new_refresh(tenant, now)?;
    let refreshed = tenant.with_state(|state| {
        let policy = state.options.refresh_tokens;
        state.grants.refresh(&attempt, policy, successor)
    });
    let (grant, refresh) = refreshed.map_err(invalid_grant)?;
    answer(tenant, &grant, &scopes, jkt, refresh)
}

fn new_refresh(tenant: &LocalTenant, now: i64) -> Result<NewRefresh, Refusal> {
    let lifetime = tenant.with_state(|state| state.options.refresh_lifetime);
    Ok(NewRefresh {
        token: authorization::secret()?,
        expires_at: now.saturating_add(lifetime),
        jkt: None,
    })
}

/// A token request may name the audience that the user allowed, and no other (RFC 8707 section
/// 2.2).
fn check_target(parameters: &Parameters, grant: &Grant) -> Result<(), Refusal> {
    let named = parameters.all("resource").into_iter();
    let mut named = named.chain(parameters.get("audience"));
    if named.all(|named| Some(named) == grant.audience.as_deref()) {
        Ok(())
    } else {
        Err(Refusal::of(
            "invalid_target",
            "The user did not allow this audience",
        ))
    }
}

/// The scopes that a refresh asks for: all, or some of those that the user allowed.
fn narrowed(parameters: &Parameters, grant: &Grant) -> Result<Vec<String>, Refusal> {
    let Some(scope) = parameters.get("scope") else {
        return Ok(grant.scopes.clone());
    };
    let wanted = target::scopes(scope).unwrap_or_default();
    if wanted.is_empty() || !wanted.iter().all(|scope| grant.has_scope(scope)) {
        return Err(Refusal::of(
            "invalid_scope",
            "The user did not allow all of these scopes",
        ));
    }
    Ok(wanted.into_iter().map(str::to_owned).collect())
}

/// 43 to 128 unreserved characters (RFC 7636 section 4.1).
fn is_verifier(text: &str) -> bool {
    let unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

fn answer(
    tenant: &LocalTenant,
    grant: &Grant,
    scopes: &[String],
    jkt: Option<String>,
    refresh: Option<String>,
) -> Result<Value, Refusal> {
    let scope = scopes.join(" ");
    let has = |name: &str| scopes.iter().any(|scope| scope == name);
    let mut body = Map::new();
    body.insert(
        "token_type".into(),
        if jkt.is_some() { "DPoP" } else { "Bearer" }.into(),
    );
    body.insert("expires_in".into(), LIFETIME.into());
    if !scope.is_empty() {
        body.insert("scope".into(), scope.clone().into());
    }
    if let Some(refresh) = refresh {
        body.insert("refresh_token".into(), refresh.into());
    }
    if has("openid") {
        body.insert("id_token".into(), id_token(tenant, grant, &has)?.into());
    }
    let token = access_token(tenant, grant, &scope, has("openid"), jkt)?;
    body.insert("access_token".into(), token.into());
    Ok(Value::Object(body))
}

fn access_token(
    tenant: &LocalTenant,
    grant: &Grant,
    scope: &str,
    openid: bool,
    jkt: Option<String>,
) -> Result<String, Refusal> {
    let userinfo = format!("{}userinfo", tenant.issuer());
    let token = tenant
        .access_token()
        .subject(&grant.subject)
        .client(&grant.client_id);
    // As with Auth0: a token for an API that the user's profile can be read with has both audiences.
    let mut token = match &grant.audience {
        Some(audience) if openid => token.audiences([audience.as_str(), &userinfo]),
        Some(audience) => token.audience(audience),
        None => token.audience(&userinfo),
    };
    token = if scope.is_empty() {
        token.without_claim("scope")
    } else {
        token.scope(scope)
    };
    let user = tenant.with_state(|state| state.directory.user(&grant.subject));
    for (name, value) in user
        .map(|user| user.access_token_claims)
        .unwrap_or_default()
    {
        token = token.claim(&name, value);
    }
    if let Some(jkt) = jkt {
        token = token.claim("cnf", json!({ "jkt": jkt }));
    }
    Ok(token.mint()?)
}

/// OpenID Connect Core section 2.
fn id_token(
    tenant: &LocalTenant,
    grant: &Grant,
    has: &dyn Fn(&str) -> bool,
) -> Result<String, Refusal> {
    let mut token = tenant
        .access_token()
        .subject(&grant.subject)
        .audience(&grant.client_id)
        .without_claim("azp")
        .without_claim("scope")
        .without_claim("jti")
        .claim("auth_time", grant.auth_time);
    if let Some(nonce) = &grant.nonce {
        token = token.claim("nonce", nonce.as_str());
    }
    if let Some(user) = tenant.with_state(|state| state.directory.user(&grant.subject)) {
        if let Some(name) = user.name.filter(|_| has("profile")) {
            token = token.claim("name", name);
        }
        if let Some(email) = user.email.filter(|_| has("email")) {
            token = token.claim("email", email);
        }
        for (name, value) in user.claims {
            token = token.claim(&name, value);
        }
    }
    Ok(token.mint()?)
}
