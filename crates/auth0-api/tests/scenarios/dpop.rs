//! Requests with DPoP proofs.

use std::sync::Arc;
use std::time::Duration;

use a0_testkit::{Algorithm, ProofBuilder, ProofKey};
use auth0_api::proof::InMemoryReplayStore;
use auth0_api::{Builder, DpopMode, DpopProof, Error, ErrorKind, RequestContext, VerifiedToken};
use serde_json::{Value, json};

use super::{Driver, NOW, World};

pub const METHOD: &str = "POST";
pub const URL: &str = "https://api.example/v1/orders";

/// A world, the key of a DPoP client, and a token bound to it.
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

    /// A valid proof for [`METHOD`] and [`URL`].
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

/// The description of the error, if there is one.
pub fn described<T>(outcome: Result<T, Error>) -> Result<(), String> {
    outcome
        .map(|_| ())
        .map_err(|error| error.error_description())
}

/// The rows are in the order of the checks.
pub fn rfc9449_7_1_the_first_failed_check_is_reported<D: Driver>() {
    let bound = Bound::<D>::new();
    let world = &bound.world;
    let other = ProofKey::generate().unwrap();
    let mint = |token: a0_testkit::AccessTokenBuilder| token.mint().unwrap();
    let expired = mint(world.token().expires_in(-1));
    let unbound = mint(world.token());
    let invalid_jkt = mint(world.token().claim("cnf", json!({"jkt": 7})));
    let forged = mint(world.token().bound_to(&bound.key).with_signature([1; 256]));
    let for_token = |token: &str| bound.proof().for_token(token);
    let no_jkt = "JWT Access Token has no jkt confirmation claim";
    for (token, proof, description) in [
        (&expired, "x".to_owned(), "Token is expired"),
        (&unbound, "x".to_owned(), no_jkt),
        (&invalid_jkt, "x".to_owned(), no_jkt),
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
    let valid = bound.proof().mint().unwrap();
    assert_eq!(described(bound.send(&valid)), Ok(()));
}

pub fn a_refused_request_fetches_nothing_and_does_not_use_up_its_proof<D: Driver>() {
    let store = Arc::new(InMemoryReplayStore::default());
    let bound = Bound::<D>::with(|builder| D::replay_store(builder, Arc::clone(&store)));
    let other_token = bound.proof().claim("ath", "x").mint().unwrap();
    assert!(bound.send(&other_token).is_err());
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
    let forged = bound
        .proof()
        .jti("one")
        .with_signature([1; 64])
        .mint()
        .unwrap();
    assert!(bound.send(&forged).is_err());
    assert_eq!(store.len(), 0);

    // The forged proof did not use up the `jti` of the genuine one.
    assert!(
        bound
            .send(&bound.proof().jti("one").mint().unwrap())
            .is_ok()
    );
    assert_eq!(store.len(), 1);
    assert_eq!(bound.world.fetches(), (1, 1));
}

/// The challenge of the scheme that the request used carries the error.
pub fn the_error_of_an_accessor_is_on_the_dpop_challenge<D: Driver>() {
    let mut bound = Bound::<D>::new();
    let token = bound.world.token().bound_to(&bound.key).claim("scope", 7);
    bound.token = token.mint().unwrap();
    let token = bound.send(&bound.proof().mint().unwrap()).unwrap();
    let challenges = token.scopes().unwrap_err().www_authenticate().unwrap();
    let (bearer, dpop) = challenges.split_once("DPoP ").unwrap();
    assert!(!bearer.contains("invalid_token") && dpop.contains("invalid_token"));
}

pub fn rfc7800_3_1_and_rfc9449_6_cnf_jkt_is_the_thumbprint_of_the_proof_key<D: Driver>() {
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

pub fn rfc9449_4_3_1_a_request_has_exactly_one_proof<D: Driver>() {
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

    let empty = bound.send("").unwrap_err();
    assert_eq!(
        empty.kind(),
        &ErrorKind::InvalidDpopProof(auth0_api::proof::ProofError::Missing)
    );
    let counts = bound.world.client.counts();
    assert_eq!(counts.requests_without_url, 0, "each request had its URL");
    // White space around the value of a field is not part of it (RFC 9110 section 5.5).
    let padded = format!(" \t{proof}\t ");
    assert!(bound.send(&padded).is_ok(), "the proof is still unused");
}

pub fn verify_dpop_proof_verifies_only_the_proof<D: Driver>() {
    let bound = Bound::<D>::new();
    let client = &bound.world.client;
    let jkt = bound.key.thumbprint();
    let fresh = || bound.proof().mint().unwrap();
    let proof = fresh();
    let other_token = DpopProof::new("opaque token", &proof, METHOD, URL);
    let opaque = bound.proof().for_token("opaque token").mint().unwrap();
    let claims = client
        .verify_dpop_proof(&DpopProof::new("opaque token", &opaque, METHOD, URL))
        .unwrap();
    assert_eq!(claims.get("htm").unwrap(), METHOD);
    assert_eq!(
        described(client.verify_dpop_proof(&other_token)),
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
        // An accepted proof is used up, and a refused one is refused again.
        let repeated = client.verify_dpop_proof(&request).unwrap_err();
        assert_eq!(repeated.status_code(), 401);
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

/// The mode affects only the scheme of the challenge.
pub fn verify_dpop_proof_works_with_dpop_disabled<D: Driver>() {
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

pub fn a_proof_with_a_bearer_token_is_refused<D: Driver>() {
    let bound = Bound::<D>::new();
    let proof = bound.proof().mint().unwrap();
    let unbound = bound.world.token().mint().unwrap();
    let bound_token = "DPoP-bound token requires the DPoP authentication scheme, not Bearer";
    let with_proof = "DPoP proof requires DPoP authentication scheme, not Bearer";
    for (token, fields, expected) in [
        (&bound.token, &[][..], Err(bound_token)),
        (&bound.token, &[""], Err(bound_token)),
        (&bound.token, &[&proof], Err(bound_token)),
        (&unbound, &[&proof], Err(with_proof)),
        (&unbound, &["x"], Err(with_proof)),
        (&unbound, &["", "x"], Err(with_proof)),
        // An empty field holds no proof.
        (&unbound, &[""], Ok(())),
        (&unbound, &[], Ok(())),
    ] {
        let request = RequestContext::new().header("Authorization", format!("Bearer {token}"));
        let request = fields
            .iter()
            .fold(request, |request, field| request.header("DPoP", *field));
        let outcome = described(bound.world.client.verify_request(request));
        assert_eq!(outcome, expected.map_err(str::to_owned), "{fields:?}");
    }
}

pub fn max_token_size_limits_proofs_too<D: Driver>() {
    let bound = Bound::<D>::with(|builder| builder.max_token_size(3000));
    let padded = |length: usize| bound.proof().claim("a", "a".repeat(length)).mint().unwrap();
    let (small, large) = (padded(1000), padded(3000));
    assert!(small.len() < 3000 && (3000..16 * 1024).contains(&large.len()));
    assert_eq!(described(bound.send(&small)), Ok(()));
    let refused = Err("Failed to verify DPoP proof".to_owned());
    assert_eq!(described(bound.send(&large)), refused);
}

pub fn the_iat_window_and_the_algorithms_of_proofs_are_configurable<D: Driver>() {
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
    for (offset, leeway, accepted) in [
        (seconds(3600), seconds(0), true),
        (seconds(3000), seconds(600), true),
        (seconds(3600), Duration::from_nanos(1), false),
        (seconds(0), seconds(3601), false),
        (Duration::MAX, Duration::MAX, false),
    ] {
        let tenant = a0_testkit::LocalTenant::new("tenant.example").unwrap();
        let builder = super::builder::<D>(&tenant).dpop_iat_offset(offset);
        let outcome = described(D::build(builder.dpop_iat_leeway(leeway)));
        let too_long = "dpop_iat_offset and dpop_iat_leeway must be at most 3600 seconds together";
        let expected = accepted.then_some(()).ok_or(too_long.to_owned());
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
