//! What a warm verification costs by the number of issuers in memory, and by the keys in one set:
//! all of them interleaved in one run, medians of many rounds.
//!
//! `cargo bench -p auth0-api --bench issuers`

use std::hint::black_box;
use std::time::{Instant, SystemTime};

use a0_testkit::{LocalNetwork, LocalTenant};
use auth0_api::ApiClient;

const AUDIENCE: &str = "https://api.example/";
const ISSUERS: [usize; 4] = [1, 100, 1_000, 10_000];
const KEYS: [usize; 3] = [1, 100, 1_000];
const ROUNDS: usize = 400;
/// Verifications in one measurement, of as many issuers as there are.
const BATCH: usize = 64;

struct Candidate {
    name: String,
    api: ApiClient,
    tokens: Vec<String>,
}

fn main() {
    let network = LocalNetwork::new();
    let model = network.tenant("issuer-0.example").expect("a tenant");
    println!(
        "making {} issuers and their tokens",
        ISSUERS.iter().sum::<usize>()
    );
    let mut candidates: Vec<Candidate> = Vec::new();
    for issuers in ISSUERS {
        candidates.push(of_issuers(issuers, &model));
    }
    for keys in KEYS {
        candidates.push(of_keys(keys));
    }

    let mut times = vec![Vec::with_capacity(ROUNDS); candidates.len()];
    for round in 0..ROUNDS {
        for (candidate, times) in candidates.iter().zip(&mut times) {
            times.push(measure(candidate, round));
        }
    }
    println!("{ROUNDS} rounds of {BATCH} verifications; microseconds are medians");
    println!("{:<16}{:>10}{:>10}", "", "us", "to first");
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    for (number, (candidate, median)) in candidates.iter().zip(&medians).enumerate() {
        let first = if number < ISSUERS.len() {
            0
        } else {
            ISSUERS.len()
        };
        let ratio = median / medians[first];
        println!(
            "{:<16}{:>10.2}{:>10.3}",
            candidate.name,
            median * 1e6,
            ratio
        );
    }
}

/// Issuers that differ in their name alone: one key serves them all, since a cache cannot know it.
fn of_issuers(issuers: usize, model: &LocalTenant) -> Candidate {
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
        .build()
        .expect("a client");
    api.warm_up().expect("keys of all issuers");
    let step = (issuers / BATCH).max(1);
    let tokens = domains.iter().step_by(step).take(BATCH).map(|domain| {
        let token = model.access_token().audience(AUDIENCE).expires_in(86_400);
        let token = token.claim("iss", format!("https://{domain}/"));
        token.mint().expect("a token")
    });
    Candidate {
        name: format!("{issuers} issuers"),
        tokens: tokens.collect(),
        api,
    }
}

fn of_keys(keys: usize) -> Candidate {
    let tenant = LocalTenant::new("keys.example").expect("a tenant");
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
        .clock(SystemTime::now)
        .build()
        .expect("a client");
    api.warm_up().expect("the tenant's keys");
    let token = tenant.access_token().audience(AUDIENCE).expires_in(86_400);
    Candidate {
        name: format!("{keys} keys"),
        tokens: vec![token.mint().expect("a token")],
        api,
    }
}

fn measure(candidate: &Candidate, round: usize) -> f64 {
    let start = Instant::now();
    for number in 0..BATCH {
        let token = &candidate.tokens[(round + number) % candidate.tokens.len()];
        let verified = candidate.api.verify_access_token(black_box(token));
        black_box(verified.expect("a good token"));
    }
    start.elapsed().as_secs_f64() / BATCH as f64
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
