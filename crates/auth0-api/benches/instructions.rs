//! Warm verifications, for a program that counts instructions: `cargo xtask ci --only instructions`.
//!
//! What is counted is what happens in [`measured`] and not in OpenSSL's own check of a signature.

use std::hint::black_box;

use a0_testkit::{LocalTenant, ProofKey};
use auth0_api::ApiClient;
use http::Request;
use serde_json::json;

const AUDIENCE: &str = "https://api.example/";

fn main() {
    // `cargo bench` gives an argument of its own, which is no kind: one bearer token then.
    let kind = std::env::args().nth(1).unwrap_or_default();
    let calls = std::env::args().nth(2).and_then(|calls| calls.parse().ok());
    let with_proof = kind.starts_with("dpop");
    let tenant = LocalTenant::new("tenant.example").expect("a tenant");
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
    let token = match with_proof {
        true => token.bound_to(&key).mint().expect("a token"),
        false => token.mint().expect("a token"),
    };
    let request = || {
        let scheme = if with_proof { "DPoP" } else { "Bearer" };
        let request = Request::builder().method("GET").uri("/v1/orders");
        let request = request.header("authorization", format!("{scheme} {token}"));
        let request = match with_proof {
            true => {
                let proof = key.proof("GET", "https://api.example/v1/orders");
                let proof = proof.for_token(&token).at(tenant.now());
                request.header("dpop", proof.mint().expect("a proof"))
            }
            false => request,
        };
        request.body(()).expect("a request")
    };
    for _ in 0..4 {
        client.verify_request(&request()).expect("a good request");
    }
    for _ in 0..calls.unwrap_or(1_u32) {
        let request = request();
        measured(&client, &request);
    }
}

#[inline(never)]
fn measured(client: &ApiClient, request: &Request<()>) {
    drop(black_box(
        client
            .verify_request(black_box(request))
            .expect("a good request"),
    ));
}
