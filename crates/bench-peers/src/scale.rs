//! What a warm verification costs by the number of issuers in memory, and by the keys in one set.

use std::hint::black_box;

use a0_testkit::LocalTenant;
use auth0_api::ApiClient;

use crate::candidates::simple;
use crate::fixture::{AUDIENCE, Failure, TOKENS};
use crate::measure::Candidate;

const ISSUERS: [usize; 3] = [1, 100, 10_000];
const KEYS: [usize; 3] = [1, 100, 1_000];
const CALLS: usize = 96;

pub(crate) fn families() -> Result<[Vec<Candidate<'static>>; 2], Failure> {
    let issuers = ISSUERS.into_iter().map(of_issuers);
    let keys = KEYS.into_iter().map(of_keys);
    Ok([
        issuers.collect::<Result<_, _>>()?,
        keys.collect::<Result<_, _>>()?,
    ])
}

/// Issuers that differ in their name alone: one key serves them all, since a cache cannot know it.
fn of_issuers(issuers: usize) -> Result<Candidate<'static>, Failure> {
    let model = LocalTenant::new("issuer-0.example")?;
    let domains: Vec<String> = (0..issuers)
        .map(|n| format!("issuer-{n}.example"))
        .collect();
    let jwks = model.jwks().to_string();
    let client = move |request: http::Request<Vec<u8>>| {
        let host = request.uri().host().unwrap_or_default();
        let body = match request.uri().path() {
            "/.well-known/openid-configuration" => format!(
                r#"{{"issuer":"https://{host}/","jwks_uri":"https://{host}/.well-known/jwks.json"}}"#
            ),
            _ => jwks.clone(),
        };
        Ok::<_, std::io::Error>(http::Response::new(body.into_bytes()))
    };
    let api = ApiClient::builder()
        .domains(&domains)
        .audience(AUDIENCE)
        .cache_max_entries(issuers.max(2))
        .http_client(client)
        .build()?;
    api.warm_up()?;
    let step = (issuers / TOKENS).max(1);
    let tokens = domains.iter().step_by(step).take(TOKENS).map(|domain| {
        let token = model.access_token().audience(AUDIENCE).expires_in(86_400);
        let token = token.claim("iss", format!("https://{domain}/"));
        token.mint()
    });
    let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
    Ok(verifying(
        &format!("issuers in memory: {issuers}"),
        api,
        tokens,
    ))
}

fn of_keys(keys: usize) -> Result<Candidate<'static>, Failure> {
    let tenant = LocalTenant::new("keys.example")?;
    let own = tenant.signing_key().public_jwk();
    for number in 1..keys {
        let mut jwk = own.clone();
        jwk["kid"] = format!("key {number}").into();
        tenant.publish_jwk(jwk);
    }
    let api = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .http_client(tenant.client())
        .build()?;
    api.warm_up()?;
    let token = tenant.access_token().audience(AUDIENCE).expires_in(86_400);
    let tokens = vec![token.mint()?];
    Ok(verifying(&format!("keys in one set: {keys}"), api, tokens))
}

fn verifying(name: &str, api: ApiClient, tokens: Vec<String>) -> Candidate<'static> {
    simple(name, CALLS, move |n| {
        let verified = api.verify_access_token(black_box(&tokens[n % tokens.len()]));
        black_box(verified.expect("a good token"));
    })
}
