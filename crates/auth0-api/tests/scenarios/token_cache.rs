//! Verified tokens that come again: what is not done twice, and what is.

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

fn cached(builder: Builder) -> Builder {
    builder.token_cache(100)
}

impl<D: Driver> World<D> {
    fn status(&self) -> TokenCacheStatus {
        self.client.token_cache_status().unwrap()
    }

    /// Whether a good token was found.
    fn is_known(&self, token: &str) -> bool {
        let before = self.status().hits;
        assert_eq!(described(self.verify(token)), Ok(()));
        self.status().hits > before
    }
}

pub fn it_is_off_by_default<D: Driver>() {
    let world = World::<D>::new();
    assert_eq!(world.client.token_cache_status(), None);
}

pub fn a_token_that_comes_again_says_what_it_said<D: Driver>() {
    let world = World::<D>::with(cached);
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

/// The whole token is what counts: another signature makes another token.
pub fn nothing_is_kept_of_what_was_refused<D: Driver>() {
    let world = World::<D>::with(cached);
    let genuine = world.token().mint().unwrap();
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(signature.len()));
    for _ in 0..2 {
        let failed = refused("Signature verification failed");
        assert_eq!(described(world.verify(&forged)), failed);
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

/// What changes with the time, the call or the request is judged each time.
pub fn all_but_the_signature_is_judged_each_time<D: Driver>() {
    let world = World::<D>::with(|builder| cached(builder).cache_ttl(Duration::from_secs(86_400)));
    let token = world.token().claim("nbf", NOW).expires_in(60);
    let token = token.mint().unwrap();
    assert!(!world.is_known(&token));
    assert!(world.is_known(&token));

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

pub fn a_bound_token_needs_its_proof_each_time<D: Driver>() {
    let bound = Bound::<D>::with(cached);
    let proof = |key: &ProofKey| {
        let proof = key.proof("POST", "https://api.example/v1/orders");
        let proof = proof.for_token(&bound.token).issued_at(NOW);
        proof.mint().unwrap()
    };
    let good = proof(&bound.key);
    assert_eq!(described(bound.send(&good)), Ok(()));
    let before = bound.world.status().hits;
    assert_eq!(
        described(bound.send(&good)),
        refused("DPoP Proof has been used before")
    );
    let strangers = proof(&ProofKey::generate().unwrap());
    assert_eq!(
        described(bound.send(&strangers)),
        refused("JWT Access Token confirmation mismatch")
    );
    assert_eq!(
        described(bound.world.verify_bearer(&bound.token)),
        refused("DPoP-bound token requires the DPoP authentication scheme, not Bearer")
    );
    let bare = RequestContext::new().header("Authorization", format!("DPoP {}", bound.token));
    assert!(bound.world.client.verify_request(bare).is_err());
    assert_eq!(described(bound.send(&proof(&bound.key))), Ok(()));
    assert_eq!(bound.world.status().hits, before + 4);
}

/// The header of a proof is remembered beside its token. A proof with that header is judged by
/// everything else, and one with another header by all.
pub fn a_proof_whose_header_is_known_has_to_be_signed_too<D: Driver>() {
    let bound = Bound::<D>::with(cached);
    let minted = |proof: ProofBuilder| proof.mint().unwrap();
    assert_eq!(described(bound.send(&minted(bound.proof()))), Ok(()));

    let good = minted(bound.proof());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(signature.len()));
    let (header, _) = good.split_once('.').unwrap();
    let strangers = ProofKey::generate().unwrap();
    let strangers = strangers.proof(METHOD, URL).for_token(&bound.token);
    let strangers = minted(strangers.issued_at(NOW));
    let (_, rest) = strangers.split_once('.').unwrap();
    let borrowed = format!("{header}.{rest}");
    let elsewhere = bound.key.proof("GET", URL).for_token(&bound.token);
    let elsewhere = minted(elsewhere.issued_at(NOW));
    let other_header = minted(bound.proof().header("kid", "one"));
    let symmetric = minted(bound.proof().header("alg", "HS256"));
    for (proof, expected) in [
        (&forged, refused("JWT signature verification failed")),
        (&borrowed, refused("JWT signature verification failed")),
        (
            &strangers,
            refused("JWT Access Token confirmation mismatch"),
        ),
        (&elsewhere, refused("DPoP Proof htm mismatch")),
        (&symmetric, refused("Unsupported algorithm in DPoP proof")),
        (&other_header, Ok(())),
        (&good, Ok(())),
        (&good, refused("DPoP Proof has been used before")),
    ] {
        assert_eq!(described(bound.send(proof)), expected, "{proof}");
    }
}

pub fn a_resolver_is_asked_each_time<D: Driver>() {
    let network = LocalNetwork::new();
    let tenant = network.tenant("tenant.example").unwrap();
    tenant.set_now(at(NOW));
    let named = Arc::new(Mutex::new(vec!["tenant.example".to_owned()]));
    let domains = Arc::clone(&named);
    let builder = ApiClient::builder()
        .audience(AUDIENCE)
        .token_cache(100)
        .clock(|| at(NOW));
    let builder = D::http_client(builder, network.client());
    let builder = D::domains_resolver(builder, move |_: &ResolverContext<'_>| {
        Ok::<_, std::io::Error>(domains.lock().unwrap().clone())
    });
    let client = D::build(builder).unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let verify = || described(client.verify_access_token(&token, &TokenOptions::new()));
    assert_eq!(verify(), Ok(()));
    assert_eq!(verify(), Ok(()));
    *named.lock().unwrap() = vec!["other.example".to_owned()];
    let not_listed = "Token issuer is not in the list of allowed domains";
    assert_eq!(verify(), refused(not_listed));
}

/// A key that is withdrawn takes the tokens along that it vouched for.
pub fn keys_that_are_replaced_empty_it<D: Driver>() {
    let no_key = refused("No matching key found in JWKS");
    let world = World::<D>::with(cached);
    let old = world.token().mint().unwrap();
    assert!(!world.is_known(&old));
    assert!(world.is_known(&old));

    // A fetch that brings the same keys: the signature is checked once more.
    world.client.reload("tenant.example").unwrap();
    assert!(!world.is_known(&old));
    assert!(world.is_known(&old));

    // By a reload.
    world.tenant.replace_keys().unwrap();
    assert!(world.is_known(&old));
    world.client.reload("tenant.example").unwrap();
    assert_eq!(described(world.verify(&old)), no_key);

    // By a token of an unknown key.
    let newer = world.token().mint().unwrap();
    assert!(!world.is_known(&newer));
    world.tenant.replace_keys().unwrap();
    world.advance(60);
    assert!(!world.is_known(&world.token().mint().unwrap()));
    assert_eq!(described(world.verify(&newer)), no_key);

    // By age: the metadata is a minute older than the keys.
    let newest = world.token().expires_in(86_400).mint().unwrap();
    assert!(!world.is_known(&newest));
    world.tenant.replace_keys().unwrap();
    world.advance(239);
    assert!(world.is_known(&newest));
    world.advance(1);
    if D::SERVES_STALE {
        assert!(world.is_known(&newest));
    }
    assert_eq!(described(world.verify(&newest)), no_key);
}

/// Tokens that are known are served as long as the keys are, and no longer.
pub fn an_outage_is_outlived_as_long_as_by_the_keys<D: Driver>() {
    let world = World::<D>::with(cached);
    let token = world.token().expires_in(86_400).mint().unwrap();
    assert!(!world.is_known(&token));
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        world.tenant.misbehave(endpoint, Fault::status(503));
    }
    for _ in 0..36 {
        world.advance(99);
        assert!(world.is_known(&token));
    }
    world.advance(36);
    let error = world.verify(&token).unwrap_err();
    assert_eq!(error.error_code(), "temporarily_unavailable");

    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        world.tenant.recover(endpoint);
    }
    world.advance(60);
    assert_eq!(described(world.verify(&token)), Ok(()));
    assert!(world.is_known(&token));
    world.tenant.replace_keys().unwrap();
    world.client.reload("tenant.example").unwrap();
    let no_key = refused("No matching key found in JWKS");
    assert_eq!(described(world.verify(&token)), no_key);
}

pub fn its_bound_holds<D: Driver>() {
    for bound in [1, 3, 100] {
        let world = World::<D>::with(|builder| builder.token_cache(bound));
        let tokens: Vec<String> = (0..bound + 5)
            .map(|_| world.token().mint().unwrap())
            .collect();
        for token in &tokens {
            assert!(!world.is_known(token));
        }
        let TokenCacheStatus {
            entries, capacity, ..
        } = world.status();
        assert_eq!((entries, capacity), (bound, bound));
        // The last ones are there, the first ones are not.
        assert!(world.is_known(tokens.last().unwrap()));
        assert!(!world.is_known(&tokens[0]));
    }
    let world = World::<D>::with(|builder| builder.token_cache(1000));
    for _ in 0..1200 {
        let token = world.token().mint().unwrap();
        assert!(!world.is_known(&token));
    }
    let TokenCacheStatus {
        entries, capacity, ..
    } = world.status();
    assert!(capacity == 1000 && entries <= 1000, "{entries}");
}

/// An issuer that the key cache has no room for any more: its tokens are not served from memory either.
pub fn an_issuer_that_is_dropped_takes_its_tokens_along<D: Driver>() {
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
