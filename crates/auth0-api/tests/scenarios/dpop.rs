//! Requests that prove possession of the key that their token is bound to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use a0_testkit::{Algorithm, ProofBuilder, ProofKey};
use auth0_api::jose::NumericDate;
use auth0_api::proof::{
    InMemoryReplayStore, NonceIssuer, ReplayKey, ReplayStore, ReplayStoreError, Seen,
};
use auth0_api::{Builder, DpopMode, DpopProof, Error, ErrorKind, RequestContext, VerifiedToken};
use serde_json::{Value, json};

use super::{Driver, NOW, World};

pub const METHOD: &str = "POST";
pub const URL: &str = "https://api.example/v1/orders";

/// A world, a client's key, and a token that is bound to it.
pub struct Bound<D> {
    pub world: World<D>,
    pub key: ProofKey,
    pub token: String,
}

impl<D: Driver> Bound<D> {
    pub fn new() -> Self {
        Bound::with(|builder| builder)
    }

    pub fn with(options: impl FnOnce(Builder) -> Builder) -> Self {
        let world = World::<D>::with(options);
        let key = ProofKey::generate().unwrap();
        let token = world.token().bound_to(&key).mint().unwrap();
        Bound { world, key, token }
    }

    /// A good proof for [`METHOD`] and [`URL`].
    pub fn proof(&self) -> ProofBuilder {
        self.key
            .proof(METHOD, URL)
            .for_token(&self.token)
            .issued_at(NOW)
    }

    pub fn request<'a>(&self, token: &str, proof: &'a str) -> RequestContext<'a> {
        RequestContext::new()
            .method(METHOD)
            .url(URL)
            .header("Authorization", format!("DPoP {token}"))
            .header("DPoP", proof)
    }

    pub fn send(&self, proof: &str) -> Result<VerifiedToken, Error> {
        self.world
            .client
            .verify_request(self.request(&self.token, proof))
    }
}

fn described<T>(outcome: Result<T, Error>) -> Result<(), String> {
    outcome
        .map(|_| ())
        .map_err(|error| error.error_description())
}

pub fn rfc9449_11_1_a_proof_serves_once<D: Driver>() {
    // What is wrong with a claim is said on the challenge of the scheme that was used.
    let mut bound = Bound::<D>::new();
    let odd = bound.world.token().bound_to(&bound.key).claim("scope", 7);
    bound.token = odd.mint().unwrap();
    let token = bound.send(&bound.proof().mint().unwrap()).unwrap();
    let challenges = token.scopes().unwrap_err().www_authenticate().unwrap();
    let (bearer, dpop) = challenges.split_once("DPoP ").unwrap();
    assert!(!bearer.contains("invalid_token") && dpop.contains("invalid_token"));

    let bound = Bound::<D>::new();
    let proof = bound.proof().mint().unwrap();
    let token = bound.send(&proof).unwrap();
    assert_eq!(token.subject().unwrap(), Some("auth0|user"));
    let error = bound.send(&proof).unwrap_err();
    assert_eq!(error.status_code(), 401);
    assert_eq!(error.error_code(), "invalid_dpop_proof");
    assert_eq!(error.error_description(), "DPoP Proof has been used before");

    // Signed anew and written differently, it is the same proof by its jti.
    let again = |jti: &str, url: &str| {
        let proof = bound.key.proof(METHOD, url).for_token(&bound.token);
        let proof = proof.issued_at(NOW).jti(jti).mint().unwrap();
        described(bound.send(&proof))
    };
    let replayed = Err("DPoP Proof has been used before".to_owned());
    assert_eq!(again("one", URL), Ok(()));
    assert_eq!(again("one", URL), replayed);
    assert_eq!(
        again("one", "HTTPS://API.example:443/v1/%6frders?x#y"),
        replayed
    );
    assert_eq!(again("two", URL), Ok(()));

    // Another client's key and the same jti: nobody burns what is another's.
    let other = ProofKey::generate().unwrap();
    let token = bound.world.token().bound_to(&other).mint().unwrap();
    let proof = other.proof(METHOD, URL).for_token(&token).issued_at(NOW);
    let proof = proof.jti("one").mint().unwrap();
    let request = bound.request(&token, &proof);
    assert!(bound.world.client.verify_request(request).is_ok());

    // For as long as it would be accepted, the allowance for the future included.
    let bound = Bound::<D>::new();
    let early = bound.proof().issued_at(NOW + 30).mint().unwrap();
    assert!(bound.send(&early).is_ok());
    bound.world.advance(330);
    assert_eq!(described(bound.send(&early)), replayed);
    bound.world.advance(1);
    assert_eq!(
        described(bound.send(&early)),
        Err("DPoP Proof iat is too old".into())
    );

    // Clients of one builder have a store each, unless they are given one.
    let bound = Bound::<D>::new();
    let options = super::builder::<D>(&bound.world.tenant);
    let proof = bound.proof().mint().unwrap();
    for _ in 0..2 {
        let client = D::build(options.clone()).unwrap();
        assert!(
            client
                .verify_request(bound.request(&bound.token, &proof))
                .is_ok()
        );
    }

    let store = Arc::new(InMemoryReplayStore::default());
    let sharing = || D::build(D::replay_store(options.clone(), Arc::clone(&store))).unwrap();
    let (first, second) = (sharing(), sharing());
    let request = || bound.request(&bound.token, &proof);
    assert!(first.verify_request(request()).is_ok());
    assert_eq!(described(second.verify_request(request())), replayed);

    // Unless that is turned off, by name.
    let bound = Bound::<D>::with(Builder::without_replay_protection);
    let proof = bound.proof().mint().unwrap();
    assert!(bound.send(&proof).is_ok());
    assert!(bound.send(&proof).is_ok());
}

/// A request with every fault, mended one after the other.
pub fn rfc9449_7_1_the_first_failure_in_order_is_the_one_reported<D: Driver>() {
    let bound = Bound::<D>::new();
    let world = &bound.world;
    let other = ProofKey::generate().unwrap();
    let unbound = |token: a0_testkit::AccessTokenBuilder| token.mint().unwrap();
    let stale = unbound(world.token().expires_in(-1));
    let free = unbound(world.token());
    let odd = unbound(world.token().claim("cnf", json!({"jkt": 7})));
    let forged = unbound(world.token().bound_to(&bound.key).with_signature([1; 256]));
    let for_token = |token: &str| bound.proof().for_token(token);
    let good = |token: &str| for_token(token).mint().unwrap();
    let no_jkt = "JWT Access Token has no jkt confirmation claim";
    for (token, proof, description) in [
        (&stale, "x".to_owned(), "Token is expired"),
        (&free, "x".to_owned(), no_jkt),
        (&odd, "x".to_owned(), no_jkt),
        (&bound.token, "x".to_owned(), "Failed to verify DPoP proof"),
        (
            &bound.token,
            for_token(&bound.token).claim("htm", "GET").mint().unwrap(),
            "DPoP Proof htm mismatch",
        ),
        (
            &bound.token,
            other
                .proof(METHOD, URL)
                .for_token(&bound.token)
                .issued_at(NOW)
                .mint()
                .unwrap(),
            "JWT Access Token confirmation mismatch",
        ),
        (
            &forged,
            for_token(&forged).with_signature([1; 64]).mint().unwrap(),
            "Signature verification failed",
        ),
        (
            &bound.token,
            for_token(&bound.token)
                .with_signature([1; 64])
                .mint()
                .unwrap(),
            "JWT signature verification failed",
        ),
    ] {
        let request = bound.request(token, &proof);
        let outcome = described(world.client.verify_request(request));
        assert_eq!(outcome, Err(description.to_owned()));
    }
    let mismatch = other
        .proof(METHOD, URL)
        .for_token(&bound.token)
        .issued_at(NOW);
    let error = bound.send(&mismatch.mint().unwrap()).unwrap_err();
    assert_eq!(
        (error.status_code().as_u16(), error.error_code()),
        (401, "invalid_token")
    );
    assert_eq!(described(bound.send(&good(&bound.token))), Ok(()));
}

pub fn nothing_is_spent_or_fetched_for_a_request_that_is_refused<D: Driver>() {
    let store = Arc::new(InMemoryReplayStore::default());
    let bound = Bound::<D>::with(|builder| D::replay_store(builder, Arc::clone(&store)));
    let refused = bound.proof().claim("ath", "x").mint().unwrap();
    assert!(bound.send(&refused).is_err());
    assert!(
        bound
            .send(&bound.proof().claim("htu", "https://x/").mint().unwrap())
            .is_err()
    );
    let jwk = |name: &str, value: &str| {
        let mut jwk = bound.key.public_jwk();
        jwk[name] = value.into();
        bound.proof().header("jwk", jwk).mint().unwrap()
    };
    let off_curve = bound.key.public_jwk()["x"].as_str().unwrap().to_owned();
    for unusable in [jwk("use", "enc"), jwk("alg", "ES384"), jwk("y", &off_curve)] {
        assert_eq!(
            described(bound.send(&unusable)),
            Err("Missing or invalid jwk in header".into())
        );
    }
    let other = ProofKey::generate().unwrap();
    let stolen = other.proof(METHOD, URL).for_token(&bound.token);
    assert_eq!(
        described(bound.send(&stolen.issued_at(NOW).mint().unwrap())),
        Err("JWT Access Token confirmation mismatch".into())
    );
    assert_eq!(bound.world.fetches(), (0, 0));
    let unsigned = bound
        .proof()
        .jti("one")
        .with_signature([1; 64])
        .mint()
        .unwrap();
    assert!(bound.send(&unsigned).is_err());
    assert_eq!(store.len(), 0);

    // The forgery did not burn the jti of the proof that it was made after.
    assert!(
        bound
            .send(&bound.proof().jti("one").mint().unwrap())
            .is_ok()
    );
    assert_eq!(store.len(), 1);
    assert_eq!(bound.world.fetches(), (1, 1));
}

pub fn rfc7800_3_1_and_rfc9449_6_the_token_names_the_key_of_the_proof<D: Driver>() {
    let bound = Bound::<D>::new();
    let jkt = bound.key.thumbprint();
    let missing = "JWT Access Token has no jkt confirmation claim";
    let mismatch = "JWT Access Token confirmation mismatch";
    let other = ProofKey::generate().unwrap();
    for (cnf, description) in [
        (json!({"jkt": jkt}), None),
        (json!({"jkt": jkt, "unknown": {"a": 1}}), None),
        (json!({"jkt": other.thumbprint()}), Some(mismatch)),
        (json!({"jkt": format!("{jkt}=")}), Some(mismatch)),
        (json!({"jkt": jkt.to_lowercase()}), Some(mismatch)),
        (json!({"jkt": &jkt[..42]}), Some(mismatch)),
        (json!({"jkt": format!("{jkt}A")}), Some(mismatch)),
        (json!({"jkt": ""}), Some(mismatch)),
        (json!({"jkt": null}), Some(missing)),
        (json!({"jkt": [jkt]}), Some(missing)),
        (json!({"JKT": jkt}), Some(missing)),
        (json!({"x5t#S256": "x"}), Some(missing)),
        (
            json!({"jkt": jkt, "x5t#S256": "x"}),
            Some("Certificate-bound tokens are not supported"),
        ),
        (
            json!({"jkt": jkt, "x5t#S256": null}),
            Some("Certificate-bound tokens are not supported"),
        ),
        (json!({}), Some(missing)),
        (Value::Null, Some(missing)),
        (json!(jkt), Some(missing)),
        (json!([]), Some(missing)),
    ] {
        let token = bound
            .world
            .token()
            .claim("cnf", cnf.clone())
            .mint()
            .unwrap();
        let proof = bound.proof().for_token(&token).mint().unwrap();
        let outcome = bound
            .world
            .client
            .verify_request(bound.request(&token, &proof));
        if let Err(error) = &outcome {
            assert_eq!(error.error_code(), "invalid_token");
        }
        let described = outcome.err().map(|error| error.error_description());
        assert_eq!(described.as_deref(), description, "{cnf}");
    }
    let token = bound.world.token().without_claim("cnf").mint().unwrap();
    let proof = bound.proof().for_token(&token).mint().unwrap();
    let request = bound.request(&token, &proof);
    assert_eq!(
        described(bound.world.client.verify_request(request)),
        Err(missing.into())
    );
}

pub fn rfc9449_4_3_1_there_is_one_proof<D: Driver>() {
    let bound = Bound::<D>::new();
    let proof = bound.proof().mint().unwrap();
    let several = Err("Multiple DPoP proofs are not allowed".to_owned());
    for second in [proof.as_str(), "", "x"] {
        let request = bound.request(&bound.token, &proof).header("dpop", second);
        assert_eq!(
            described(bound.world.client.verify_request(request)),
            several
        );
    }
    for list in [format!("{proof},{proof}"), format!("{proof},"), ",".into()] {
        assert_eq!(described(bound.send(&list)), several);
    }
    let mut map = http::HeaderMap::new();
    map.insert("dpop", proof.parse().unwrap());
    let request = bound.request(&bound.token, &proof).headers(&map);
    assert_eq!(
        described(bound.world.client.verify_request(request)),
        several
    );

    let none = bound.send("").unwrap_err();
    assert_eq!(
        none.kind(),
        &ErrorKind::InvalidDpopProof(auth0_api::proof::ProofError::Missing)
    );
    assert!(bound.send(&proof).is_ok(), "none of this spent the proof");
}

pub fn rfc9449_4_2_the_url_is_the_one_that_clients_know<D: Driver>() {
    let path = "/orders?page=2";
    let of = |public_url: &str| Bound::<D>::with(|builder| builder.public_url(public_url));
    for (public_url, htu, accepted) in [
        (
            "https://api.example/v1",
            "https://api.example/v1/orders",
            true,
        ),
        (
            "https://API.example:443/v1//",
            "https://api.example/v1/orders",
            true,
        ),
        ("https://api.example", "https://api.example/orders", true),
        ("https://api.example", "https://evil.example/orders", false),
        ("https://api.example", "http://api.example/orders", false),
        (
            "http://localhost:3000",
            "http://localhost:3000/orders",
            true,
        ),
    ] {
        let bound = of(public_url);
        let proof = bound
            .key
            .proof("GET", htu)
            .for_token(&bound.token)
            .issued_at(NOW);
        let request = http::Request::get(path)
            .header("authorization", format!("DPoP {}", bound.token))
            .header("dpop", proof.mint().unwrap())
            // What the client writes counts for nothing.
            .header("host", "evil.example")
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "host=evil.example;proto=http")
            .body(())
            .unwrap();
        let outcome = bound.world.client.verify_request((&request).into());
        assert_eq!(outcome.is_ok(), accepted, "{public_url} {htu}");
    }

    let outcome_at = |bound: &Bound<D>, target: &str, htu: &str| {
        let proof = bound.key.proof("GET", htu).for_token(&bound.token);
        let request = http::Request::get(target)
            .header("authorization", format!("DPoP {}", bound.token))
            .header("dpop", proof.issued_at(NOW).mint().unwrap())
            .body(())
            .unwrap();
        bound.world.client.verify_request((&request).into())
    };
    let mismatch = || Err("DPoP Proof htu mismatch".to_owned());

    // A path does not climb out of the prefix, nor out and back in: a proof for one API opens no
    // other, and one for a resource no other of the same API.
    let bound = of("https://api.example/v1");
    for (target, htu, expected) in [
        ("/../admin", "https://api.example/admin", mismatch()),
        ("/%2e%2e/admin", "https://api.example/admin", mismatch()),
        ("/a/../../admin", "https://api.example/admin", mismatch()),
        ("/..", "https://api.example/", mismatch()),
        ("/../v1/admin", "https://api.example/v1/admin", mismatch()),
        ("/a/../admin", "https://api.example/v1/admin", Ok(())),
    ] {
        assert_eq!(
            described(outcome_at(&bound, target, htu)),
            expected,
            "{target}"
        );
    }
    // What clients send although no URL holds it.
    let base = "https://api.example/v1";
    for (target, htu, expected) in [
        ("/a|b", "/a|b", Ok(())),
        ("/a|c", "/a%7Cc", Ok(())),
        ("/a%7cd", "/a|d", Ok(())),
        ("/{id}\"^", "/%7Bid%7D%22%5E", Ok(())),
        ("/[e]", "/[e]", Ok(())),
        ("/[f]", "/%5Bf%5D", mismatch()),
        ("/a|g", "/ag", mismatch()),
        ("/a|h", "/a%257Ch", mismatch()),
        ("/\u{e9}", "/%c3%a9", Ok(())),
        ("/a%C3%A9", "/a\u{e9}", Ok(())),
        ("/\u{e9}", "/e\u{301}", mismatch()),
    ] {
        let outcome = outcome_at(&bound, target, &format!("{base}{htu}"));
        assert_eq!(described(outcome), expected, "{target} {htu}");
    }
    // What is no path of a URL is the client's fault, and no proof is for it.
    for target in ["/a\\b", "/100%", "/a%zz", "*"] {
        let htu = format!("https://api.example/v1{target}");
        let error = outcome_at(&bound, target, &htu).unwrap_err();
        assert_eq!(
            (error.status_code().as_u16(), error.error_code()),
            (401, "invalid_dpop_proof")
        );
        assert_eq!(described(Err::<(), _>(error)), mismatch(), "{target}");
    }

    // A URL that is given stands for itself, and is the API's fault: no path is put behind
    // `public_url` in its place.
    let request = |url: &'static str| {
        let htu = "https://api.example/v1/orders";
        let proof = bound.key.proof("GET", htu).for_token(&bound.token);
        let request = http::Request::get("/orders")
            .header("authorization", format!("DPoP {}", bound.token))
            .header("dpop", proof.issued_at(NOW).mint().unwrap());
        let request = request.body(()).unwrap();
        let context = RequestContext::from(&request).url(url);
        bound.world.client.verify_request(context)
    };
    for url in ["/v1/orders", "", "https://api.example/v1/100%"] {
        assert_eq!(
            request(url).unwrap_err().argument(),
            Some("http_url"),
            "{url}"
        );
    }
    assert!(request("https://api.example/v1/orders").is_ok());

    // A nested router strips its prefix. The caller says the path that the client sent.
    let nested = |prefix: &str, htu: &str| {
        let proof = bound.key.proof("GET", htu).for_token(&bound.token);
        let request = http::Request::get("/orders")
            .header("authorization", format!("DPoP {}", bound.token))
            .header("dpop", proof.issued_at(NOW).mint().unwrap())
            .body(())
            .unwrap();
        let context = RequestContext::from(&request).path(format!("{prefix}/orders?page=2"));
        described(bound.world.client.verify_request(context))
    };
    let htu = "https://api.example/v1/admin/orders";
    assert_eq!(nested("/admin", htu), Ok(()));
    assert_eq!(nested("", htu), mismatch());
    assert_eq!(
        nested("/admin", "https://api.example/v1/orders"),
        mismatch()
    );
    // It goes behind `public_url` and never around it.
    for path in [".evil.example", "@evil.example", "//evil.example", "/../.."] {
        let htu = format!("https://api.example/v1{path}/orders");
        let at_other_host = format!("https://evil.example/{path}/orders");
        assert!(nested(path, &at_other_host).is_err(), "{path}");
        assert!(
            path.starts_with("//") || nested(path, &htu).is_err(),
            "{path}"
        );
    }

    // Without it the URL is not known, and a request with an absolute one is not believed either.
    let bound = Bound::<D>::new();
    for target in [path, "https://api.example/orders", "*"] {
        let proof = bound
            .key
            .proof("GET", "https://api.example/orders")
            .for_token(&bound.token);
        let request = http::Request::get(target)
            .header("authorization", format!("DPoP {}", bound.token))
            .header("dpop", proof.issued_at(NOW).mint().unwrap())
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        let error = bound
            .world
            .client
            .verify_request((&parts).into())
            .unwrap_err();
        assert_eq!(error.argument(), Some("http_url"), "{target}");
        assert_eq!(error.status_code(), 401);
    }
    for bad in [
        "",
        "api.example",
        "ftp://x",
        "https://u@x",
        "https://x?y",
        "https://x/#y",
        "https:///",
    ] {
        let world = a0_testkit::LocalTenant::new("tenant.example").unwrap();
        let error = D::build(super::builder::<D>(&world).public_url(bad))
            .err()
            .unwrap();
        assert!(
            error.error_description().starts_with("public_url must be"),
            "{bad}"
        );
    }
}

pub fn a_nonce_is_asked_for_where_the_api_wants_one<D: Driver>() {
    let nonces = NonceIssuer::new([7; 32], Duration::from_secs(60));
    // Where tokens are kept, a known header of a proof asks for no less.
    for known_tokens in [100, 0] {
        nonces_are_asked_for::<D>(&nonces, known_tokens);
    }
    let bound = Bound::<D>::with(|builder| builder.dpop_nonces(nonces.clone()));
    let now = NumericDate::from_unix_seconds(NOW);
    assert_eq!(bound.world.client.dpop_nonce(), Some(nonces.issue(now)));
    assert_eq!(Bound::<D>::new().world.client.dpop_nonce(), None);

    // One fault more, and the nonce is not what is talked about.
    let error = bound
        .send(&bound.proof().claim("htm", "GET").mint().unwrap())
        .unwrap_err();
    assert_eq!(error.error_code(), "invalid_dpop_proof");
    assert!(error.headers().get("dpop-nonce").is_none());
}

fn nonces_are_asked_for<D: Driver>(nonces: &NonceIssuer, known_tokens: usize) {
    let bound = Bound::<D>::with(|builder| {
        let builder = builder.dpop_nonces(nonces.clone());
        builder.token_cache(known_tokens)
    });
    let now = NumericDate::from_unix_seconds(NOW);
    let stale = nonces.issue(NumericDate::from_unix_seconds(NOW - 120));
    for proof in [
        bound.proof(),
        bound.proof().nonce("x"),
        bound.proof().nonce(&stale),
    ] {
        let error = bound.send(&proof.mint().unwrap()).unwrap_err();
        assert_eq!(
            (error.status_code().as_u16(), error.error_code()),
            (401, "use_dpop_nonce")
        );
        let headers = error.headers();
        assert_eq!(headers["cache-control"], "no-store");
        let challenge = r#"DPoP error="use_dpop_nonce", error_description="DPoP proof requires a current nonce", algs="ES256""#;
        assert_eq!(error.challenges()[0].to_string(), challenge);
        assert!(!format!("{error:?}").contains(headers["dpop-nonce"].to_str().unwrap()));

        // The client's second try, with what it was given.
        let given = headers["dpop-nonce"].to_str().unwrap();
        assert_eq!(given, nonces.issue(now));
        assert_eq!(headers.get_all("dpop-nonce").iter().count(), 1);
        assert!(
            bound
                .send(&bound.proof().nonce(given).mint().unwrap())
                .is_ok()
        );
    }
}

struct Broken;

impl ReplayStore for Broken {
    fn check_and_insert(
        &self,
        _: &ReplayKey,
        _: NumericDate,
        _: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        Err(ReplayStoreError::new("canary"))
    }
}

pub fn a_replay_store_that_fails_is_an_outage_unless_said_otherwise<D: Driver>() {
    let bound = Bound::<D>::with(|builder| D::replay_store(builder, Broken));
    let error = bound.send(&bound.proof().mint().unwrap()).unwrap_err();
    assert_eq!(error.status_code(), 503);
    assert_eq!(error.error_code(), "temporarily_unavailable");
    assert!(error.challenges().is_empty());
    assert!(!format!("{error} {error:?}").contains("canary"));
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "canary"
    );
    assert_eq!(error.headers()["retry-after"], "1");
    let counts = bound.world.client.counts();
    let failures = (counts.replay_store_failures, counts.proofs_not_recorded);
    assert_eq!(failures, (1, 0));

    let bound = Bound::<D>::with(|builder| D::replay_store(builder, Broken).replay_fail_open());
    assert!(bound.send(&bound.proof().mint().unwrap()).is_ok());
    let counts = bound.world.client.counts();
    let failures = (counts.replay_store_failures, counts.proofs_not_recorded);
    assert_eq!(failures, (1, 1), "an operator sees it");
}

pub fn a_proof_alone_can_be_verified<D: Driver>() {
    let bound = Bound::<D>::new();
    let client = &bound.world.client;
    let jkt = bound.key.thumbprint();
    let fresh = || bound.proof().mint().unwrap();
    let proof = fresh();
    let whole = DpopProof::new("opaque token", &proof, METHOD, URL);
    let opaque = bound.proof().for_token("opaque token").mint().unwrap();
    let claims = client
        .verify_dpop_proof(&DpopProof::new("opaque token", &opaque, METHOD, URL))
        .unwrap();
    assert_eq!(claims.get("htm").unwrap(), METHOD);
    assert_eq!(
        described(client.verify_dpop_proof(&whole)),
        Err("DPoP Proof ath mismatch".into())
    );
    for (expected, description) in [
        (jkt, None),
        (
            &jkt[1..],
            Some("DPoP Proof key does not match the expected key"),
        ),
        ("", Some("DPoP Proof key does not match the expected key")),
    ] {
        let proof = fresh();
        let request = DpopProof::new(&bound.token, &proof, METHOD, URL).expect_thumbprint(expected);
        let error = client.verify_dpop_proof(&request).err();
        if let Some(error) = &error {
            assert_eq!(error.error_code(), "invalid_dpop_proof");
            assert_eq!(
                error.challenges()[0].get("error"),
                Some("invalid_dpop_proof")
            );
        }
        let error = error.map(|error| error.error_description());
        assert_eq!(error.as_deref(), description);
        // The last that was accepted is spent.
        let again = client.verify_dpop_proof(&request).unwrap_err();
        assert_eq!(again.status_code(), 401);
    }
    let token = bound.token.as_str();
    for (request, argument) in [
        (DpopProof::new(token, "", METHOD, URL), "dpop_proof"),
        (DpopProof::new("", &proof, METHOD, URL), "access_token"),
        (DpopProof::new(token, &proof, "", URL), "http_method"),
        (DpopProof::new(token, &proof, METHOD, ""), "http_url"),
    ] {
        let error = client.verify_dpop_proof(&request).unwrap_err();
        assert_eq!(error.argument(), Some(argument));
    }
    for url in [
        "/v1/orders",
        "api.example/v1/orders",
        "https://u@api.example/v1/orders",
    ] {
        let error = client.verify_dpop_proof(&DpopProof::new(token, &proof, METHOD, url));
        assert_eq!(error.unwrap_err().argument(), Some("http_url"), "{url}");
    }
    let list = format!("{proof},{proof}");
    let several = client.verify_dpop_proof(&DpopProof::new(token, &list, METHOD, URL));
    assert_eq!(
        described(several),
        Err("Multiple DPoP proofs are not allowed".into())
    );
    assert!(!client.is_dpop_required());
    let required = World::<D>::with(|builder| builder.dpop(DpopMode::Required).url_in_requests());
    assert!(required.client.is_dpop_required());
    assert_eq!(bound.world.fetches(), (0, 0));
}

/// Whoever calls it asks for it by name, so the mode does not matter but for the challenge.
pub fn a_proof_alone_is_verified_where_dpop_is_disabled_too<D: Driver>() {
    let bound = Bound::<D>::with(|builder| builder.dpop(DpopMode::Disabled));
    let verify = |proof: &str| {
        let request = DpopProof::new(&bound.token, proof, METHOD, URL);
        bound.world.client.verify_dpop_proof(&request)
    };
    let proof = bound.proof().mint().unwrap();
    assert!(verify(&proof).is_ok());
    let error = verify(&proof).unwrap_err();
    assert_eq!(error.error_code(), "invalid_dpop_proof");
    let challenge = concat!(
        r#"Bearer realm="api", error="invalid_dpop_proof", "#,
        r#"error_description="DPoP Proof has been used before""#
    );
    assert_eq!(error.www_authenticate().as_deref(), Some(challenge));
    assert_eq!(
        error.headers().get_all("www-authenticate").iter().count(),
        1
    );
}

/// The API's own mistake is not told as the client's.
pub fn a_request_without_a_method_or_an_absolute_url_is_refused_as_such<D: Driver>() {
    let bound = Bound::<D>::new();
    let proof = bound.proof().mint().unwrap();
    let request = || bound.request(&bound.token, &proof);
    for (request, argument) in [
        (request().method(""), "http_method"),
        (request().url(""), "http_url"),
        (request().url("/v1/orders"), "http_url"),
        (request().url("api.example/v1/orders"), "http_url"),
        (request().url("//api.example/v1/orders"), "http_url"),
        (request().url("ftp://api.example/v1/orders"), "http_url"),
        (request().url("https://u@api.example/v1/orders"), "http_url"),
    ] {
        let error = bound.world.client.verify_request(request).unwrap_err();
        assert_eq!(error.argument(), Some(argument));
        assert_eq!(error.status_code(), 401);
        assert_eq!(
            error.www_authenticate().as_deref(),
            Some(r#"Bearer realm="api""#)
        );
        // The operator reads what to set.
        let hint = std::error::Error::source(&error).unwrap().to_string();
        assert!(hint.contains("RequestContext::"), "{hint}");
    }
    assert_eq!(bound.world.client.counts().requests_without_url, 7);
    assert_eq!(bound.world.fetches(), (0, 0));
    assert!(bound.send(&proof).is_ok());
}

pub fn a_proof_beside_a_bearer_token<D: Driver>() {
    let bound = Bound::<D>::new();
    let proof = bound.proof().mint().unwrap();
    let free = bound.world.token().mint().unwrap();
    let scheme = "DPoP-bound token requires the DPoP authentication scheme, not Bearer";
    let beside = "DPoP proof requires DPoP authentication scheme, not Bearer";
    for (token, fields, expected) in [
        (&bound.token, &[][..], Err(scheme)),
        (&bound.token, &[""], Err(scheme)),
        (&bound.token, &[&proof], Err(scheme)),
        (&free, &[&proof], Err(beside)),
        (&free, &["x"], Err(beside)),
        (&free, &["", "x"], Err(beside)),
        // An empty field holds no proof.
        (&free, &[""], Ok(())),
        (&free, &[], Ok(())),
    ] {
        let request = RequestContext::new().header("Authorization", format!("Bearer {token}"));
        let request = fields
            .iter()
            .fold(request, |request, field| request.header("DPoP", *field));
        let outcome = described(bound.world.client.verify_request(request));
        assert_eq!(outcome, expected.map_err(str::to_owned), "{}", fields.len());
    }
}

pub fn the_size_limit_is_for_proofs_too<D: Driver>() {
    let bound = Bound::<D>::with(|builder| builder.max_token_size(3000));
    let filled = |length: usize| bound.proof().claim("a", "a".repeat(length)).mint().unwrap();
    let (small, large) = (filled(1000), filled(3000));
    assert!(small.len() < 3000 && (3000..16 * 1024).contains(&large.len()));
    assert_eq!(described(bound.send(&small)), Ok(()));
    let refused = Err("Failed to verify DPoP proof".to_owned());
    assert_eq!(described(bound.send(&large)), refused);
}

/// A store with a clock of its own, which forgets a key at the very moment that it was told.
struct Forgetful {
    tenant: a0_testkit::LocalTenant,
    held: Mutex<Vec<(ReplayKey, NumericDate)>>,
    asked: AtomicU64,
}

impl ReplayStore for Forgetful {
    fn check_and_insert(
        &self,
        key: &ReplayKey,
        expires_at: NumericDate,
        _: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let now = NumericDate::from(self.tenant.now());
        let mut held = self.held.lock().unwrap();
        held.retain(|(_, expires_at)| now < *expires_at);
        if held.iter().any(|(other, _)| other == key) {
            return Ok(Seen::Before);
        }
        held.push((*key, expires_at));
        Ok(Seen::First)
    }
}

/// The window is inclusive, and the time at which a proof is judged is past when its store is asked.
pub fn a_proof_is_remembered_for_longer_than_it_is_accepted<D: Driver>() {
    let tenant = a0_testkit::LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(super::at(NOW));
    let exchange_takes = Arc::new(AtomicU64::new(0));
    let (slow, answers) = (Arc::clone(&exchange_takes), tenant.clone());
    let store = Arc::new(Forgetful {
        tenant: tenant.clone(),
        held: Mutex::default(),
        asked: AtomicU64::new(0),
    });
    let http = move |request: http::Request<Vec<u8>>| {
        let answer = answers.handle(request);
        let seconds = Duration::from_secs(slow.load(Ordering::SeqCst));
        answers.set_now(answers.now() + seconds);
        answer
    };
    let builder = super::builder::<D>(&tenant).cache_ttl(Duration::ZERO);
    let builder = D::http_client(D::replay_store(builder, Arc::clone(&store)), http);
    let client = D::build(builder).unwrap();
    let world = World { tenant, client };
    let key = ProofKey::generate().unwrap();
    let token = world
        .token()
        .expires_in(3600)
        .bound_to(&key)
        .mint()
        .unwrap();
    let bound = Bound { world, key, token };
    let replayed = Err("DPoP Proof has been used before".to_owned());
    let too_old = Err("DPoP Proof iat is too old".to_owned());
    // The second time, the proof is judged `late` after its `iat`, and then keys are fetched in two
    // exchanges.
    for (fetch, late, expected, asked) in [
        (0, 300, &replayed, 2),
        (29, 300, &replayed, 2),
        // The store has forgotten the proof by now, so it is not asked.
        (30, 300, &too_old, 1),
        (60, 240, &too_old, 1),
    ] {
        let before = store.asked.load(Ordering::SeqCst);
        bound.world.tenant.set_now(super::at(NOW));
        exchange_takes.store(0, Ordering::SeqCst);
        let proof = bound.proof().mint().unwrap();
        assert_eq!(described(bound.send(&proof)), Ok(()));
        bound.world.advance(late);
        exchange_takes.store(fetch, Ordering::SeqCst);
        assert_eq!(described(bound.send(&proof)), *expected, "{fetch} {late}");
        assert_eq!(store.asked.load(Ordering::SeqCst) - before, asked);
    }

    // A new proof may wait longer for its keys, and is then spent.
    bound.world.tenant.set_now(super::at(NOW));
    exchange_takes.store(150, Ordering::SeqCst);
    let proof = bound.proof().mint().unwrap();
    assert_eq!(described(bound.send(&proof)), Ok(()));
    bound.world.tenant.set_now(super::at(NOW));
    exchange_takes.store(0, Ordering::SeqCst);
    assert_eq!(described(bound.send(&proof)), replayed);

    // Also where nothing is fetched in between: a clock that leaps at each look.
    let looks = AtomicU64::new(0);
    let leaping = super::builder::<D>(&bound.world.tenant).clock(move || {
        super::at(NOW) + Duration::from_secs(360) * looks.fetch_add(1, Ordering::SeqCst) as u32
    });
    let leaping = D::replay_store(leaping, Arc::clone(&store));
    let leaping = D::build(leaping).unwrap();
    let proof = bound.proof().mint().unwrap();
    let request = DpopProof::new(&bound.token, &proof, METHOD, URL);
    assert_eq!(described(leaping.verify_dpop_proof(&request)), too_old);
}

pub fn the_window_and_the_algorithms_of_proofs_are_options<D: Driver>() {
    let seconds = Duration::from_secs;
    for (iat, accepted) in [
        (NOW - 10, true),
        (NOW - 11, false),
        (NOW + 5, true),
        (NOW + 6, false),
    ] {
        let bound = Bound::<D>::with(|builder| {
            builder
                .dpop_iat_offset(seconds(10))
                .dpop_iat_leeway(seconds(5))
        });
        let proof = bound.proof().issued_at(iat).mint().unwrap();
        assert_eq!(bound.send(&proof).is_ok(), accepted, "{iat}");
    }
    for (offset, leeway, usable) in [
        (seconds(3600), seconds(0), true),
        (seconds(3000), seconds(600), true),
        (seconds(3600), Duration::from_nanos(1), false),
        (seconds(0), seconds(3601), false),
        (Duration::MAX, Duration::MAX, false),
    ] {
        let world = a0_testkit::LocalTenant::new("tenant.example").unwrap();
        let builder = super::builder::<D>(&world).dpop_iat_offset(offset);
        let outcome = described(D::build(builder.dpop_iat_leeway(leeway)));
        let too_long = "dpop_iat_offset and dpop_iat_leeway must be at most 3600 seconds together";
        let expected = usable.then_some(()).ok_or(too_long.to_owned());
        assert_eq!(outcome, expected, "{offset:?} {leeway:?}");
    }
    let p384 = || a0_testkit::SigningKey::generate(Algorithm::Es384).unwrap();
    for (algorithms, algs, accepted) in [
        (&["ES256"][..], "ES256", false),
        (&["ES256", "ES256"], "ES256", false),
        (&["ES256", "ES384", "ES256"], "ES256 ES384", true),
    ] {
        let mut bound = Bound::<D>::with(|builder| builder.dpop_algorithms(algorithms.to_vec()));
        bound.key = ProofKey::new(p384(), Algorithm::Es384).unwrap();
        bound.token = bound.world.token().bound_to(&bound.key).mint().unwrap();
        let outcome = bound.send(&bound.proof().mint().unwrap());
        assert_eq!(outcome.is_ok(), accepted, "{algorithms:?}");
        let error = bound
            .world
            .client
            .verify_request(RequestContext::new().method(METHOD).url(URL))
            .unwrap_err();
        assert_eq!(error.challenges()[1].get("algs"), Some(algs));
    }
}
