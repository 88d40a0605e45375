//! How the cost grows with the issuers in memory, the keys in one set, the size of a token, and the
//! proofs in the replay store.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use a0_testkit::LocalTenant;
use auth0_api::ApiClient;
use auth0_api::jose::{NumericDate, Thumbprint};
use auth0_api::proof::{Htu, InMemoryReplayStore, ReplayKey, ReplayStore, Seen};

use crate::fixture::{AUDIENCE, Failure, TOKENS};
use crate::measure::Candidate;

const ISSUERS: [usize; 3] = [1, 100, 10_000];
const KEYS: [usize; 3] = [1, 100, 1_000];
const CALLS: usize = 96;

/// Bytes of a claim that makes a token larger.
const PADDING: [usize; 3] = [0, 2_400, 9_600];
/// Proofs that are in the store when one more arrives.
const HELD: [usize; 3] = [1_000, 100_000, 900_000];

/// The bar for a cost that is not to grow.
const FLAT: f64 = 1.2;

type Family = (Option<f64>, Vec<Candidate<'static>>);

pub(crate) fn families() -> Result<[Family; 4], Failure> {
    let issuers = ISSUERS.into_iter().map(of_issuers);
    let keys = KEYS.into_iter().map(of_keys);
    let sizes = PADDING.into_iter().map(of_size);
    let proofs = HELD.into_iter().map(of_proofs);
    Ok([
        (Some(FLAT), issuers.collect::<Result<_, _>>()?),
        (Some(FLAT), keys.collect::<Result<_, _>>()?),
        (None, sizes.collect::<Result<_, _>>()?),
        (None, proofs.collect::<Result<_, _>>()?),
    ])
}

/// Issuers that differ only in their name. They share one key, which the cache cannot tell.
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
    let api = client(&tenant)?;
    let token = tenant.access_token().audience(AUDIENCE).expires_in(86_400);
    let tokens = vec![token.mint()?];
    Ok(verifying(&format!("keys in one set: {keys}"), api, tokens))
}

fn client(tenant: &LocalTenant) -> Result<ApiClient, Failure> {
    let client = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .http_client(tenant.client())
        .build()?;
    client.warm_up()?;
    Ok(client)
}

fn of_size(padding: usize) -> Result<Candidate<'static>, Failure> {
    let tenant = LocalTenant::new("sizes.example")?;
    let api = client(&tenant)?;
    let token = tenant.access_token().audience(AUDIENCE).expires_in(86_400);
    let token = token.claim("roles", "r".repeat(padding)).mint()?;
    let name = format!("bytes of a token: {}", token.len());
    Ok(verifying(&name, api, vec![token]))
}

/// Inserts one more proof into a store with `held` proofs. Each call inserts a new one.
fn of_proofs(held: usize) -> Result<Candidate<'static>, Failure> {
    let store = InMemoryReplayStore::default();
    let url = Htu::parse("https://api.example/v1/orders")?;
    let thumbprint: Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".parse()?;
    let now = NumericDate::from_unix_seconds(1_700_000_000);
    let next = AtomicUsize::new(0);
    let insert = move || {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let key = ReplayKey::new(&thumbprint, &url, &number.to_string());
        // The proofs of honest clients expire one after the other.
        let until = now.plus(Duration::from_millis(number as u64));
        let seen = store.check_and_insert(&key, until, now);
        assert_eq!(seen.expect("a store"), Seen::First);
    };
    (0..held).for_each(|_| insert());
    Ok(Candidate::repeated(
        &format!("proofs remembered: {held}"),
        64,
        move |_| insert(),
    ))
}

fn verifying(name: &str, api: ApiClient, tokens: Vec<String>) -> Candidate<'static> {
    Candidate::repeated(name, CALLS, move |n| {
        let verified = api.verify_access_token(black_box(&tokens[n % tokens.len()]));
        black_box(verified.expect("a good token"));
    })
}
