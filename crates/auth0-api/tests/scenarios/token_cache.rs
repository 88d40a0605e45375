//! The cache of verified tokens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use a0_testkit::{Endpoint, Fault, LocalNetwork, ProofBuilder, ProofKey};
use auth0_api::{
    ApiClient, Builder, Error, Refresh, RequestContext, ResolverContext, TokenCacheStatus,
    TokenOptions, VerifiedToken,
};

use super::dpop::{Bound, METHOD, URL};
use super::{AUDIENCE, Driver, NOW, World, at};

fn described(outcome: Result<VerifiedToken, Error>) -> Result<(), String> {
    outcome
        .map(|_| ())
        .map_err(|error| error.error_description())
}

fn refused(text: &str) -> Result<(), String> {
    Err(text.to_owned())
}

fn with_cache(builder: Builder) -> Builder {
    builder.token_cache(100)
}

impl<D: Driver> World<D> {
    fn status(&self) -> TokenCacheStatus {
        self.client.token_cache_status().unwrap()
    }

    /// Verifies a valid token. Returns whether it was in the cache.
    fn is_cached(&self, token: &str) -> bool {
        let before = self.status().hits;
        assert_eq!(described(self.verify(token)), Ok(()));
        self.status().hits > before
    }
}

pub fn the_token_cache_is_off_by_default<D: Driver>() {
    let world = World::<D>::new();
    assert_eq!(world.client.token_cache_status(), None);
}

pub fn a_cached_token_has_the_same_claims<D: Driver>() {
    let world = World::<D>::with(with_cache);
    let token = world.token().claim("permissions", vec!["read:things"]);
    let token = token.mint().unwrap();
    let first = world.verify(&token).unwrap();
    for _ in 0..3 {
        let again = world.verify(&token).unwrap();
        assert_eq!(again, first);
        assert_eq!(again.permissions().unwrap(), ["read:things"]);
    }
    let TokenCacheStatus {
        entries,
        capacity,
        hits,
        misses,
        ..
    } = world.status();
    assert_eq!((entries, capacity, hits, misses), (1, 100, 3, 1));
    assert_eq!(world.fetches(), (1, 1));
}

/// The whole token is the key of the cache: with another signature, it is another token.
pub fn refused_tokens_are_not_cached<D: Driver>() {
    let world = World::<D>::with(with_cache);
    let genuine = world.token().mint().unwrap();
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(signature.len()));
    for _ in 0..2 {
        let expected = refused("Signature verification failed");
        assert_eq!(described(world.verify(&forged)), expected);
        assert_eq!(described(world.verify(&genuine)), Ok(()));
    }
    for token in [
        world.token().audience("https://other.example/"),
        world.token().expires_in(-1),
        world.token().kid("unknown"),
    ] {
        assert!(world.verify(&token.mint().unwrap()).is_err());
    }
    assert!(world.verify("garbage").is_err());
    assert_eq!(world.status().entries, 1);
}

/// The time, the call and the request may differ for the same token.
pub fn every_check_except_the_signature_runs_for_cached_tokens<D: Driver>() {
    let world =
        World::<D>::with(|builder| with_cache(builder).cache_ttl(Duration::from_secs(86_400)));
    let token = world.token().claim("nbf", NOW).expires_in(60);
    let token = token.mint().unwrap();
    assert!(!world.is_cached(&token));
    assert!(world.is_cached(&token));

    let options = TokenOptions::new().require(["org_id"]);
    let missing = world.client.verify_access_token(&token, &options);
    assert_eq!(
        described(missing),
        refused("Missing required claim: org_id")
    );
    for (now, expected) in [
        (NOW - 1, refused("Token is not yet valid")),
        (NOW + 59, Ok(())),
        (NOW + 60, refused("Token is expired")),
    ] {
        world.tenant.set_now(at(now));
        assert_eq!(described(world.verify(&token)), expected, "{}", now - NOW);
    }
    assert_eq!(world.fetches(), (1, 1));
}

pub fn a_cached_bound_token_still_needs_a_proof<D: Driver>() {
    let bound = Bound::<D>::with(with_cache);
    let proof = |key: &ProofKey| {
        let proof = key.proof("POST", "https://api.example/v1/orders");
        let proof = proof.for_token(&bound.token).issued_at(NOW);
        proof.mint().unwrap()
    };
    let valid = proof(&bound.key);
    assert_eq!(described(bound.send(&valid)), Ok(()));
    let before = bound.world.status().hits;
    assert_eq!(
        described(bound.send(&valid)),
        refused("DPoP Proof has been used before")
    );
    let other_key = proof(&ProofKey::generate().unwrap());
    assert_eq!(
        described(bound.send(&other_key)),
        refused("JWT Access Token confirmation mismatch")
    );
    assert_eq!(
        described(bound.world.verify_bearer(&bound.token)),
        refused("DPoP-bound token requires the DPoP authentication scheme, not Bearer")
    );
    let without_proof =
        RequestContext::new().header("Authorization", format!("DPoP {}", bound.token));
    assert!(bound.world.client.verify_request(without_proof).is_err());
    assert_eq!(described(bound.send(&proof(&bound.key))), Ok(()));
    assert_eq!(bound.world.status().hits, before + 4);
}

/// The header of a verified proof is cached with its token. The cached header replaces only the checks of
/// the header.
pub fn the_signature_of_a_proof_with_a_cached_header_is_checked<D: Driver>() {
    let bound = Bound::<D>::with(with_cache);
    let mint = |proof: ProofBuilder| proof.mint().unwrap();
    assert_eq!(described(bound.send(&mint(bound.proof()))), Ok(()));

    let valid = mint(bound.proof());
    let (signed, signature) = valid.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(signature.len()));
    let (header, _) = valid.split_once('.').unwrap();
    let other = ProofKey::generate().unwrap();
    let other_key = other.proof(METHOD, URL).for_token(&bound.token);
    let other_key = mint(other_key.issued_at(NOW));
    let (_, rest) = other_key.split_once('.').unwrap();
    let foreign_payload = format!("{header}.{rest}");
    let other_method = bound.key.proof("GET", URL).for_token(&bound.token);
    let other_method = mint(other_method.issued_at(NOW));
    let other_header = mint(bound.proof().header("kid", "one"));
    let symmetric = mint(bound.proof().header("alg", "HS256"));
    for (proof, expected) in [
        (&forged, refused("JWT signature verification failed")),
        (
            &foreign_payload,
            refused("JWT signature verification failed"),
        ),
        (
            &other_key,
            refused("JWT Access Token confirmation mismatch"),
        ),
        (&other_method, refused("DPoP Proof htm mismatch")),
        (&symmetric, refused("Unsupported algorithm in DPoP proof")),
        (&other_header, Ok(())),
        (&valid, Ok(())),
        (&valid, refused("DPoP Proof has been used before")),
    ] {
        assert_eq!(described(bound.send(proof)), expected, "{proof}");
    }
}

pub fn the_resolver_is_called_for_cached_tokens_too<D: Driver>() {
    let network = LocalNetwork::new();
    let tenant = network.tenant("tenant.example").unwrap();
    tenant.set_now(at(NOW));
    let domains = Arc::new(Mutex::new(vec!["tenant.example".to_owned()]));
    let resolved = Arc::clone(&domains);
    let builder = ApiClient::builder()
        .audience(AUDIENCE)
        .token_cache(100)
        .clock(|| at(NOW));
    let builder = D::http_client(builder, network.client());
    let builder = D::domains_resolver(builder, move |_: &ResolverContext<'_>| {
        Ok::<_, std::io::Error>(resolved.lock().unwrap().clone())
    });
    let client = D::build(builder).unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let verify = || described(client.verify_access_token(&token, &TokenOptions::new()));
    assert_eq!(verify(), Ok(()));
    assert_eq!(verify(), Ok(()));
    *domains.lock().unwrap() = vec!["other.example".to_owned()];
    let not_listed = "Token issuer is not in the list of allowed domains";
    assert_eq!(verify(), refused(not_listed));
}

/// Tokens that a removed key verified are no longer accepted.
pub fn replaced_keys_invalidate_cached_tokens<D: Driver>() {
    let no_key = refused("No matching key found in JWKS");
    let world = World::<D>::with(with_cache);
    let old = world.token().mint().unwrap();
    assert!(!world.is_cached(&old));
    assert!(world.is_cached(&old));

    // After a fetch of the same keys, the signature is checked once more.
    world.client.reload("tenant.example").unwrap();
    assert!(!world.is_cached(&old));
    assert!(world.is_cached(&old));

    // A reload replaces the keys.
    world.tenant.replace_keys().unwrap();
    assert!(world.is_cached(&old));
    world.client.reload("tenant.example").unwrap();
    assert_eq!(described(world.verify(&old)), no_key);

    // A token of an unknown key causes a fetch.
    let newer = world.token().mint().unwrap();
    assert!(!world.is_cached(&newer));
    world.tenant.replace_keys().unwrap();
    world.advance(60);
    assert!(!world.is_cached(&world.token().mint().unwrap()));
    assert_eq!(described(world.verify(&newer)), no_key);

    // The keys become stale. The metadata is a minute older than the keys.
    let newest = world.token().expires_in(86_400).mint().unwrap();
    assert!(!world.is_cached(&newest));
    world.tenant.replace_keys().unwrap();
    world.advance(239);
    assert!(world.is_cached(&newest));
    world.advance(1);
    if D::SERVES_STALE {
        assert!(world.is_cached(&newest));
    }
    assert_eq!(described(world.verify(&newest)), no_key);
}

pub fn cached_tokens_are_accepted_during_an_outage_as_long_as_the_keys<D: Driver>() {
    let world = World::<D>::with(with_cache);
    let token = world.token().expires_in(86_400).mint().unwrap();
    assert!(!world.is_cached(&token));
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        world.tenant.misbehave(endpoint, Fault::status(503));
    }
    for _ in 0..36 {
        world.advance(99);
        assert!(world.is_cached(&token));
    }
    world.advance(36);
    let error = world.verify(&token).unwrap_err();
    assert_eq!(error.error_code(), "temporarily_unavailable");

    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        world.tenant.recover(endpoint);
    }
    world.advance(60);
    assert_eq!(described(world.verify(&token)), Ok(()));
    assert!(world.is_cached(&token));
    world.tenant.replace_keys().unwrap();
    world.client.reload("tenant.example").unwrap();
    let no_key = refused("No matching key found in JWKS");
    assert_eq!(described(world.verify(&token)), no_key);
}

pub fn the_token_cache_keeps_to_its_capacity<D: Driver>() {
    for limit in [1, 3, 100] {
        let world = World::<D>::with(|builder| builder.token_cache(limit));
        let tokens: Vec<String> = (0..limit + 5)
            .map(|_| world.token().mint().unwrap())
            .collect();
        for token in &tokens {
            assert!(!world.is_cached(token));
        }
        let TokenCacheStatus {
            entries, capacity, ..
        } = world.status();
        assert_eq!((entries, capacity), (limit, limit));
        // The newest entry is in the cache, the oldest is not.
        assert!(world.is_cached(tokens.last().unwrap()));
        assert!(!world.is_cached(&tokens[0]));
    }
    let world = World::<D>::with(|builder| builder.token_cache(1000));
    for _ in 0..1200 {
        let token = world.token().mint().unwrap();
        assert!(!world.is_cached(&token));
    }
    let TokenCacheStatus {
        entries, capacity, ..
    } = world.status();
    assert!(capacity == 1000 && entries <= 1000, "{entries}");
}

/// The key cache has no room for the first issuer any more.
pub fn evicting_an_issuer_evicts_its_cached_tokens<D: Driver>() {
    let network = LocalNetwork::new();
    let domains = ["a.example", "b.example", "c.example"];
    let tenants = domains.map(|domain| network.tenant(domain).unwrap());
    tenants.iter().for_each(|tenant| tenant.set_now(at(NOW)));
    let builder = ApiClient::builder()
        .domains(domains)
        .audience(AUDIENCE)
        .cache_refresh(Refresh::Inline)
        .cache_max_entries(2)
        .token_cache(100)
        .clock(|| at(NOW));
    let client = D::build(D::http_client(builder, network.client())).unwrap();
    let tokens = tenants
        .each_ref()
        .map(|tenant| tenant.access_token().audience(AUDIENCE).mint().unwrap());
    let verify = |token: &str| described(client.verify_access_token(token, &TokenOptions::new()));
    for token in &tokens {
        assert_eq!(verify(token), Ok(()));
    }
    tenants[0].replace_keys().unwrap();
    assert_eq!(verify(&tokens[0]), refused("No matching key found in JWKS"));
}
