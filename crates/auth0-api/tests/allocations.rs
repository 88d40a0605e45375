//! Counts the allocations of a verification. OpenSSL's own allocations are not counted, because they do
//! not go through Rust's allocator.
//! The counting allocator belongs to the whole process, so this is a program of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use a0_testkit::{AccessTokenBuilder, LocalTenant, ProofKey, SigningKey};
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
    assert!(retained.bytes_current <= 1100, "{}", retained.bytes_current);

    let bearer = || bearer.clone();
    for (case, counted, limit) in [
        ("Bearer", allocations(&without_cache, bearer), KNOWN),
        ("Bearer, seen before", allocations(&with_cache, bearer), 0),
        ("DPoP", allocations(&without_cache, dpop), 9),
        ("DPoP, seen before", allocations(&with_cache, dpop), 3),
    ] {
        println!("{case}: {counted}");
        assert!(counted <= limit, "{case}: {counted}, limit {limit}");
    }
}

/// The allocations of a token whose header is known, and of one whose header has to be decoded.
const KNOWN: u64 = 3;
const DECODED: u64 = 6;

/// A client keeps the first headers of verified tokens. Tokens that one key signs usually share a header.
#[test]
fn the_first_headers_of_verified_tokens_are_known() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let client = client(&tenant, 0);
    // A segment of `length` letters.
    let token = |n: usize, length: usize| {
        let padded = |padding: usize| {
            let token = builder(&tenant)
                .header("n", n)
                .header("x", "x".repeat(padding));
            token.mint().unwrap()
        };
        let segment = |token: &str| token.find('.').unwrap();
        let token = padded(length * 3 / 4 - segment(&padded(0)) * 3 / 4);
        assert_eq!(segment(&token), length);
        token
    };
    let counted = |n: usize, length: usize| {
        let request = request("Bearer", &token(n, length)).body(()).unwrap();
        allocations(&client, || request.clone())
    };
    // Too long to be kept, while there is room and after.
    assert_eq!(counted(0, 514), DECODED);
    for n in [0, 0, 1, 2, 3, 4, 5, 6, 7, 0, 8, 9] {
        client.verify_access_token(&token(n, 512)).unwrap();
    }
    for n in 0..10 {
        let expected = if n < 8 { KNOWN } else { DECODED };
        assert_eq!(counted(n, 512), expected, "{n}");
    }
    assert_eq!(counted(0, 514), DECODED);
}

/// Two calls that decode the same new header at the same time keep it once. A resolver runs after the token is
/// decoded, so a call inside it stands in for a concurrent one.
#[test]
fn a_header_takes_one_place() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let token = |n: usize| builder(&tenant).header("n", n).mint().unwrap();
    let shared: Arc<OnceLock<(ApiClient, String)>> = Arc::default();
    let (inner, is_first) = (Arc::clone(&shared), AtomicBool::new(true));
    let domain = tenant.domain().to_owned();
    let client = ApiClient::builder()
        .domains_resolver(move |_| {
            if is_first.swap(false, Ordering::Relaxed) {
                let (client, token) = inner.get().unwrap();
                client.verify_access_token(token).unwrap();
            }
            Ok::<_, String>(vec![domain.clone()])
        })
        .audience(AUDIENCE)
        .http_client(tenant.client())
        .build()
        .unwrap();
    assert!(shared.set((client.clone(), token(0))).is_ok());
    for n in 0..8 {
        client.verify_access_token(&token(n)).unwrap();
    }
    let counted = (0..9).map(|n| {
        let request = request("Bearer", &token(n)).body(()).unwrap();
        allocations(&client, || request.clone())
    });
    let counted: Vec<_> = counted.collect();
    let [first, .., last] = counted[..] else {
        panic!("{counted:?}");
    };
    assert_eq!(counted[..8], [first; 8]);
    assert_eq!(last - first, DECODED - KNOWN);
}

#[test]
fn a_refused_token_does_not_decide_which_headers_are_known() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let forger = SigningKey::cached_rsa("forger").unwrap();
    let cases: [(_, &Spoil<'_>); 3] = [
        ("another key", &|token, _| token.signed_with(&forger)),
        ("an unknown kid", &|token, n| {
            token.kid(&format!("unknown {n}"))
        }),
        ("a wrong audience", &|token, _| token.audience("other")),
    ];
    for (case, spoil) in cases {
        let client = client(&tenant, 0);
        for n in 0..8 {
            let token = spoil(builder(&tenant).header("n", n), n).mint().unwrap();
            client.verify_access_token(&token).unwrap_err();
        }
        let request = request("Bearer", &mint(&tenant)).body(()).unwrap();
        assert_eq!(allocations(&client, || request.clone()), KNOWN, "{case}");
    }
}

type Spoil<'s> = dyn Fn(AccessTokenBuilder, usize) -> AccessTokenBuilder + 's;

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
