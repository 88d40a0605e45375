//! Counts the allocations of a verification. OpenSSL's own allocations are not counted, because they do
//! not go through Rust's allocator.
//! The counting allocator belongs to the whole process, so this is a program of its own.

use a0_testkit::{AccessTokenBuilder, LocalTenant, ProofKey};
use auth0_api::{ApiClient, Policy};
use http::Request;
use serde_json::json;

const AUDIENCE: &str = "https://api.example/";

fn client(tenant: &LocalTenant, cached_tokens: usize) -> ApiClient {
    let client = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .public_url("https://api.example")
        .token_cache(cached_tokens)
        .http_client(tenant.client())
        .build()
        .unwrap();
    client.warm_up().unwrap();
    client
}

fn request(scheme: &str, token: &str) -> http::request::Builder {
    Request::builder()
        .method("GET")
        .uri("/v1/orders")
        .header("authorization", format!("{scheme} {token}"))
}

fn builder(tenant: &LocalTenant) -> AccessTokenBuilder {
    tenant
        .access_token()
        .audiences([AUDIENCE, "https://tenant.example/userinfo"])
        .scope("openid profile read:orders write:orders")
        .claim("permissions", json!(["read:orders", "write:orders"]))
}

fn mint(tenant: &LocalTenant) -> String {
    builder(tenant).mint().unwrap()
}

/// The fewest allocations of many requests. The replay store has parts. The first proof in a part
/// allocates its table, and a table grows now and then.
fn allocations(client: &ApiClient, request: impl Fn() -> Request<()>) -> u64 {
    let counted = (0..64).map(|_| {
        let request = request();
        let verify = || drop(client.verify_request(&request).unwrap());
        allocation_counter::measure(verify).count_total
    });
    counted.min().unwrap()
}

/// docs/performance.md states these limits and explains each increase. The limit for a cached token with
/// a proof does not allow the header of the proof to be validated again.
#[test]
fn a_verification_stays_within_its_allocation_limits() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let key = ProofKey::generate().unwrap();
    let bound = builder(&tenant).bound_to(&key).mint().unwrap();
    let token = mint(&tenant);
    let bearer = request("Bearer", &token).body(()).unwrap();
    let dpop = || {
        let proof = key.proof("GET", "https://api.example/v1/orders");
        let proof = proof.for_token(&bound).mint().unwrap();
        request("DPoP", &bound)
            .header("dpop", proof)
            .body(())
            .unwrap()
    };

    let without_cache = client(&tenant, 0);
    let with_cache = client(&tenant, 100);
    for client in [&without_cache, &with_cache] {
        for _ in 0..3 {
            client.verify_request(&bearer).unwrap();
            client.verify_request(&dpop()).unwrap();
        }
    }
    // The memory of a cache entry, in bytes: of a new token, in a table with room for it.
    for _ in 0..40 {
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        with_cache.verify_access_token(&token).unwrap();
    }
    let retained =
        allocation_counter::measure(|| drop(with_cache.verify_request(&bearer).unwrap()));
    assert_eq!(
        retained.bytes_current, 0,
        "a cached token allocates nothing more"
    );
    let other = request("Bearer", &mint(&tenant)).body(()).unwrap();
    let retained = allocation_counter::measure(|| drop(with_cache.verify_request(&other).unwrap()));
    println!("an entry: {} bytes", retained.bytes_current);
    assert!(retained.bytes_current <= 1536, "{}", retained.bytes_current);

    let bearer = || bearer.clone();
    for (case, counted, limit) in [
        ("Bearer", allocations(&without_cache, bearer), 5),
        ("Bearer, seen before", allocations(&with_cache, bearer), 0),
        ("DPoP", allocations(&without_cache, dpop), 10),
        ("DPoP, seen before", allocations(&with_cache, dpop), 3),
    ] {
        println!("{case}: {counted}");
        assert!(counted <= limit, "{case}: {counted}, limit {limit}");
    }
}

/// A policy about a claim by name builds the JSON object of all claims, once for each token. The others
/// read the claims as they are.
#[test]
fn a_satisfied_policy_allocates_nothing() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let client = client(&tenant, 0);
    let token = client.verify_access_token(&mint(&tenant)).unwrap();
    let policy = Policy::all([
        Policy::scopes_all(["read:orders", "write:orders"]),
        Policy::scopes_any(["read:orders", "admin"]),
        Policy::permission("write:orders"),
        Policy::max_token_age(std::time::Duration::from_secs(3600)),
        Policy::principal([token.principal().unwrap()]),
    ]);
    let counted = allocation_counter::measure(|| token.authorize(&policy).unwrap());
    assert_eq!(counted.count_total, 0);
}

/// A token over the limit is refused by its length: none of it is copied, decoded or hashed.
#[test]
fn a_token_that_is_too_large_costs_almost_nothing() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let client = client(&tenant, 100);
    let token = tenant
        .access_token()
        .claim("iss", "https://other.example/")
        .claim("data", "x".repeat(40_000))
        .mint()
        .unwrap();
    let request = request("Bearer", &token).body(()).unwrap();
    let refuse = || drop(client.verify_request(&request).unwrap_err());
    refuse();
    let refused = allocation_counter::measure(refuse);
    assert!(refused.bytes_total < 2048, "{}", refused.bytes_total);
}
