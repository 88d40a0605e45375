//! Verifications with cached keys, whose instructions `cargo xtask ci --only instructions` counts.
//!
//! It counts the instructions of [`measured`], without OpenSSL's own signature verification.

use std::hint::black_box;

use a0_testkit::{LocalTenant, ProofKey};
use auth0_api::ApiClient;
use http::Request;
use serde_json::json;

const AUDIENCE: &str = "https://api.example/";

/// The arguments are kinds, separated by commas, and how often each is verified. `cargo bench` passes an
/// argument that is not a kind. Then the benchmark verifies one bearer token.
fn main() {
    let kinds = std::env::args().nth(1).unwrap_or_default();
    let calls = std::env::args().nth(2).and_then(|calls| calls.parse().ok());
    // All kinds have one tenant, because making its key takes most of the time.
    let tenant = LocalTenant::new("tenant.example").expect("a tenant");
    for kind in kinds.split(',') {
        all_of_kind(&tenant, kind, calls.unwrap_or(1));
    }
}

/// Callgrind writes the counts of a kind when this returns.
#[inline(never)]
fn all_of_kind(tenant: &LocalTenant, kind: &str, calls: u32) {
    let with_proof = kind.starts_with("dpop");
    let client = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .public_url("https://api.example")
        .token_cache(if kind.ends_with("-known") { 100 } else { 0 })
        .http_client(tenant.client())
        .build()
        .expect("a client");
    let key = ProofKey::generate().expect("a key");
    let token = tenant
        .access_token()
        .audiences([AUDIENCE, "https://tenant.example/userinfo"])
        .subject("auth0|65f0c0ffee00000000000000")
        .scope("openid profile read:orders write:orders")
        .client("tQ5w8KdYpG3sXv9rUeZbNcJmLhAfRoIy")
        .claim("permissions", json!(["read:orders", "write:orders"]));
    let token = if with_proof {
        token.bound_to(&key)
    } else {
        token
    };
    let token = token.mint().expect("a token");
    let request = || {
        let scheme = if with_proof { "DPoP" } else { "Bearer" };
        let request = Request::builder().method("GET").uri("/v1/orders");
        let request = request.header("authorization", format!("{scheme} {token}"));
        let request = if with_proof {
            let proof = key.proof("GET", "https://api.example/v1/orders");
            let proof = proof.for_token(&token).at(tenant.now());
            request.header("dpop", proof.mint().expect("a proof"))
        } else {
            request
        };
        request.body(()).expect("a request")
    };
    for _ in 0..4 {
        client.verify_request(&request()).expect("a valid request");
    }
    for _ in 0..calls {
        let request = request();
        measured(&client, &request);
    }
}

#[inline(never)]
fn measured(client: &ApiClient, request: &Request<()>) {
    drop(black_box(
        client
            .verify_request(black_box(request))
            .expect("a valid request"),
    ));
}
