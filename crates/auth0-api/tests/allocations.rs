//! How often a warm verification asks for memory. OpenSSL's own requests are not counted: they do not
//! go through Rust's allocator.

use a0_testkit::{AccessTokenBuilder, LocalTenant, ProofKey};
use auth0_api::ApiClient;
use http::Request;
use serde_json::json;

const AUDIENCE: &str = "https://api.example/";

fn client(tenant: &LocalTenant, known_tokens: usize) -> ApiClient {
    let client = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .public_url("https://api.example")
        .token_cache(known_tokens)
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

fn token_of(tenant: &LocalTenant) -> String {
    builder(tenant).mint().unwrap()
}

/// The fewest of so many requests that some part of the replay store is met twice: the first proof in
/// a part asks for its table, and now and then a table grows.
fn allocations(client: &ApiClient, request: impl Fn() -> Request<()>) -> u64 {
    let counted = (0..64).map(|_| {
        let request = request();
        let verify = || drop(client.verify_request(&request).unwrap());
        allocation_counter::measure(verify).count_total
    });
    counted.min().unwrap()
}

/// What is written in docs/performance.md: a figure that goes up is to be explained there. The one of a
/// known token with a proof goes up where the header of its proof is judged again.
#[test]
fn a_verification_asks_for_memory_so_often() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let key = ProofKey::generate().unwrap();
    let bound = builder(&tenant).bound_to(&key).mint().unwrap();
    let token = token_of(&tenant);
    let bearer = request("Bearer", &token).body(()).unwrap();
    let dpop = || {
        let proof = key.proof("GET", "https://api.example/v1/orders");
        let proof = proof.for_token(&bound).mint().unwrap();
        request("DPoP", &bound)
            .header("dpop", proof)
            .body(())
            .unwrap()
    };

    let cold = client(&tenant, 0);
    let warm = client(&tenant, 100);
    for client in [&cold, &warm] {
        for _ in 0..3 {
            client.verify_request(&bearer).unwrap();
            client.verify_request(&dpop()).unwrap();
        }
    }
    // What a known token keeps, in bytes: one that comes for the first time, in a table with room.
    for _ in 0..40 {
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        warm.verify_access_token(&token).unwrap();
    }
    let kept = allocation_counter::measure(|| drop(warm.verify_request(&bearer).unwrap()));
    assert_eq!(kept.bytes_current, 0, "a known token keeps nothing more");
    let other = request("Bearer", &token_of(&tenant)).body(()).unwrap();
    let kept = allocation_counter::measure(|| drop(warm.verify_request(&other).unwrap()));
    println!("an entry: {} bytes", kept.bytes_current);
    assert!(kept.bytes_current <= 1536, "{}", kept.bytes_current);

    let bearer = || bearer.clone();
    for (what, counted, most) in [
        ("Bearer", allocations(&cold, bearer), 5),
        ("Bearer, seen before", allocations(&warm, bearer), 0),
        ("DPoP", allocations(&cold, dpop), 10),
        ("DPoP, seen before", allocations(&warm, dpop), 3),
    ] {
        println!("{what}: {counted}");
        assert!(counted <= most, "{what}: {counted}, at most {most}");
    }
}
