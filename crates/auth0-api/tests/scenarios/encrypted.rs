//! Encrypted access tokens: a signed JWT in a compact JWE.

use a0_testkit::{AccessTokenBuilder, Algorithm, EncryptionKey, Endpoint, ProofKey, SigningKey};
use auth0_api::jose::jwe::JweError;
use auth0_api::{
    Builder, DecryptionKey, Error, ErrorKind, KeyEncryptionAlgorithm, OnBehalfOf, RequestContext,
    TokenError, VerifiedToken,
};
use serde_json::json;

use super::dpop::{METHOD, URL, described};
use super::{Driver, NOW, World};

const UNREADABLE: &str = "Failed to parse token: not a JWT; did the client request an audience?";

/// The key of the API in every scenario.
fn key() -> EncryptionKey {
    EncryptionKey::cached("api").unwrap().kid("k")
}

fn decryption_key(key: &EncryptionKey) -> DecryptionKey {
    DecryptionKey::from_pem(&key.private_pem().unwrap()).unwrap()
}

fn with_key(builder: Builder) -> Builder {
    builder.decryption_keys([decryption_key(&key()).with_key_id("k")])
}

fn mint(token: AccessTokenBuilder) -> String {
    token.encrypted_for(&key()).mint().unwrap()
}

fn refused(text: &str) -> Result<(), String> {
    Err(text.to_owned())
}

fn jwe_error(outcome: Result<VerifiedToken, Error>) -> JweError {
    match outcome.unwrap_err().kind() {
        ErrorKind::VerifyAccessToken(TokenError::Encryption(error)) => *error,
        other => panic!("{other:?}"),
    }
}

pub fn rfc7519_5_2_an_encrypted_token_is_decrypted_and_then_verified<D: Driver>() {
    let world = World::<D>::with(with_key);
    let token = mint(world.token().subject("auth0|ada"));
    for outcome in [world.verify(&token), world.verify_bearer(&token)] {
        assert_eq!(outcome.unwrap().subject(), Ok(Some("auth0|ada")));
    }
    // Signed tokens are accepted as before.
    let signed = world.token().mint().unwrap();
    assert_eq!(described(world.verify(&signed)), Ok(()));
    assert_eq!(world.fetches(), (1, 1));
}

/// Anyone can encrypt: every check of a signed token runs.
pub fn every_check_runs_on_the_decrypted_token<D: Driver>() {
    let world = World::<D>::with(with_key);
    let attacker = SigningKey::cached_rsa("attacker").unwrap();
    let secret = SigningKey::secret("secret").unwrap();
    for (token, expected) in [
        (world.token().expires_in(-1), "Token is expired"),
        (
            world.token().audience("https://other.example/"),
            "Audience mismatch",
        ),
        (
            world.token().claim("iss", "https://attacker.example/"),
            "Token issuer does not match the discovery issuer",
        ),
        (
            world.token().header("typ", "dpop+jwt"),
            "Unexpected JWT 'typ'",
        ),
        (
            world.token().header("cty", "JWT"),
            "Nested tokens are not supported",
        ),
        (
            world.token().header("crit", json!([])),
            "Token header has a 'crit' parameter, which is not supported",
        ),
        (
            world.token().algorithm(Algorithm::None).with_signature([1]),
            "Algorithm is not allowed",
        ),
        (
            world
                .token()
                .algorithm(Algorithm::Hs256)
                .signed_with(&secret),
            "Symmetric algorithm 'HS256' is not supported. Only asymmetric algorithms (e.g., RS256) \
             are allowed.",
        ),
        (
            world.token().signed_with(&attacker),
            "Signature verification failed",
        ),
        // The `kid` of the JWE is not that of the signature.
        (world.token().kid("k"), "No matching key found in JWKS"),
        (
            world.token().raw_payload(br#"{"iss":"a","iss":"b"}"#),
            "Failed to parse token: the payload holds a member name twice",
        ),
    ] {
        let error = world.verify(&mint(token)).unwrap_err();
        assert_eq!(error.error_description(), expected);
        assert_eq!(error.status_code(), 401);
    }
}

pub fn what_is_not_one_signed_token_is_refused_before_anything_is_fetched<D: Driver>() {
    let world = World::<D>::with(with_key);
    let signed = world.token().mint().unwrap();
    let (unsigned, _) = signed.rsplit_once('.').unwrap();
    let encrypt = |key: EncryptionKey, content: &str| key.encrypt(content).unwrap();
    let claims = json!({"iss": "https://tenant.example/", "sub": "auth0|ada"}).to_string();
    let other = EncryptionKey::cached("other").unwrap();
    let good = encrypt(key(), &signed);
    let (start, _) = good.rsplit_once('.').unwrap();
    let forged_tag = format!("{start}.{}", "A".repeat(22));
    for (text, expected) in [
        (encrypt(key(), &claims), JweError::NotSigned),
        (encrypt(key(), &format!("{unsigned}.")), JweError::NotSigned),
        (encrypt(key(), &good), JweError::NotSigned),
        (encrypt(key(), "opaque"), JweError::NotSigned),
        (
            encrypt(key().without_header("cty"), &signed),
            JweError::ContentType,
        ),
        (
            encrypt(key().header("alg", "RSA-OAEP"), &signed),
            JweError::Algorithm,
        ),
        (
            encrypt(key().header("alg", "RSA1_5"), &signed),
            JweError::Algorithm,
        ),
        (
            encrypt(key().header("alg", "dir"), &signed),
            JweError::Algorithm,
        ),
        (
            encrypt(
                key()
                    .header("alg", "PBES2-HS256+A128KW")
                    .header("p2c", 2_000_000_000),
                &signed,
            ),
            JweError::Algorithm,
        ),
        (
            encrypt(key().header("enc", "A128CBC-HS256"), &signed),
            JweError::ContentEncryption,
        ),
        (
            encrypt(key().header("zip", "DEF"), &signed),
            JweError::UnsupportedParameter("zip"),
        ),
        (
            encrypt(key().header("epk", json!({"kty": "EC"})), &signed),
            JweError::UnsupportedParameter("epk"),
        ),
        (
            encrypt(key().kid("unknown"), &signed),
            JweError::NoMatchingKey,
        ),
        (
            encrypt(other.clone().kid("k"), &signed),
            JweError::Decryption,
        ),
        (encrypt(other, &signed), JweError::Decryption),
        (forged_tag, JweError::Decryption),
    ] {
        assert_eq!(jwe_error(world.verify(&text)), expected);
        let error = world.verify_bearer(&text).unwrap_err();
        assert_eq!(error.status_code(), 401);
        assert_eq!(error.error_description(), expected.to_string());
        let challenges = error.www_authenticate().unwrap();
        assert!(
            challenges.contains(r#"error="invalid_token""#),
            "{challenges}"
        );
    }
    assert_eq!(world.fetches(), (0, 0));
}

pub fn decryption_keys_are_chosen_by_kid_and_bound_to_their_alg<D: Driver>() {
    let [old, new] = ["api", "other"].map(|slot| EncryptionKey::cached(slot).unwrap());
    let world = World::<D>::with(|builder| {
        let new = decryption_key(&new).with_algorithm(KeyEncryptionAlgorithm::RsaOaep512);
        builder.decryption_keys([
            decryption_key(&old).with_key_id("old"),
            new.with_key_id("new"),
        ])
    });
    let signed = world.token().mint().unwrap();
    let verify = |key: EncryptionKey| described(world.verify(&key.encrypt(&signed).unwrap()));
    let (old, new) = (old.kid("old"), new.kid("new").header("alg", "RSA-OAEP-512"));
    assert_eq!(verify(old.clone()), Ok(()));
    assert_eq!(verify(old.header("alg", "RSA-OAEP-384")), Ok(()));
    assert_eq!(verify(new.clone()), Ok(()));
    assert_eq!(verify(new.clone().without_header("kid")), Ok(()));
    let no_key = refused("No matching decryption key found");
    assert_eq!(verify(new.clone().header("alg", "RSA-OAEP-256")), no_key);
    assert_eq!(verify(new.kid("old")), refused("Token decryption failed"));
}

pub fn encrypted_only_refuses_a_token_that_is_only_signed<D: Driver>() {
    for cached in [0, 100] {
        let world =
            World::<D>::with(|builder| with_key(builder).encrypted_only().token_cache(cached));
        let signed = world.token().mint().unwrap();
        let encrypted = key().encrypt(&signed).unwrap();
        for _ in 0..2 {
            assert_eq!(described(world.verify(&encrypted)), Ok(()));
            let error = world.verify_bearer(&signed).unwrap_err();
            assert_eq!(
                *error.kind(),
                ErrorKind::VerifyAccessToken(TokenError::NotEncrypted)
            );
            assert_eq!(error.error_description(), "Token is not encrypted");
        }
        assert_eq!(described(world.verify("opaque")), refused(UNREADABLE));
    }
}

pub fn without_decryption_keys_an_encrypted_token_is_refused_and_the_option_named<D: Driver>() {
    let world = World::<D>::new();
    let error = world.verify_bearer(&mint(world.token())).unwrap_err();
    assert_eq!(error.error_description(), UNREADABLE);
    assert!(error.diagnosis().to_string().contains("decryption_keys"));
    assert_eq!(world.fetches(), (0, 0));

    let world = World::<D>::with(with_key);
    let unknown = key().kid("secret-kid").encrypt("e30.e30.AAAA").unwrap();
    let error = world.verify(&unknown).unwrap_err();
    assert!(error.diagnosis().to_string().contains("decryption_keys"));
    assert!(!error.error_description().contains("decryption_keys"));
}

pub fn max_token_size_is_checked_before_decryption<D: Driver>() {
    let world = World::<D>::with(|builder| with_key(builder).max_token_size(1500));
    let fitting = mint(world.token());
    assert!(fitting.len() <= 1500, "{}", fitting.len());
    assert_eq!(described(world.verify(&fitting)), Ok(()));
    let long = mint(world.token().claim("x", "y".repeat(1000)));
    let expected = refused("Failed to parse token: larger than 1500 bytes");
    assert_eq!(described(world.verify(&long)), expected);
    // The option is set, so it is not what the operator should hear about.
    let error = world.verify(&long).unwrap_err();
    assert!(!error.diagnosis().to_string().contains("decryption_keys"));
}

/// The client hashes the text that it got, which it cannot decrypt.
pub fn rfc9449_4_2_ath_is_the_hash_of_the_encrypted_text<D: Driver>() {
    for cached in [0, 100] {
        let world = World::<D>::with(|builder| with_key(builder).token_cache(cached));
        let proof_key = ProofKey::generate().unwrap();
        let signed = world.token().bound_to(&proof_key).mint().unwrap();
        let encrypted = key().encrypt(&signed).unwrap();
        let again = key().encrypt(&signed).unwrap();
        let send = |for_token: &str| {
            let proof = proof_key.proof(METHOD, URL).for_token(for_token);
            let proof = proof.issued_at(NOW).mint().unwrap();
            let request = RequestContext::new()
                .method(METHOD)
                .url(URL)
                .header("Authorization", format!("DPoP {encrypted}"))
                .header("DPoP", proof);
            described(world.client.verify_request(request))
        };
        let mismatch = refused("DPoP Proof ath mismatch");
        for _ in 0..2 {
            assert_eq!(send(&signed), mismatch);
            assert_eq!(send(&again), mismatch);
            assert_eq!(send(&encrypted), Ok(()));
        }
        let bearer = world.verify_bearer(&encrypted);
        let expected = "DPoP-bound token requires the DPoP authentication scheme, not Bearer";
        assert_eq!(described(bearer), refused(expected));
    }
}

/// The cache knows the encrypted text, so that the signed one inside is another token.
pub fn the_token_cache_is_keyed_by_the_encrypted_text<D: Driver>() {
    let world = World::<D>::with(|builder| with_key(builder).token_cache(100));
    let hits = |token: &str| {
        assert_eq!(described(world.verify(token)), Ok(()));
        world.client.token_cache_status().unwrap().hits
    };
    let signed = world.token().mint().unwrap();
    let [first, second] = [(); 2].map(|()| key().encrypt(&signed).unwrap());
    assert_eq!([hits(&first), hits(&first), hits(&first)], [0, 1, 2]);
    assert_eq!([hits(&second), hits(&second)], [2, 3]);
    assert_eq!([hits(&signed), hits(&signed)], [3, 4]);

    // A change after the first look is noticed.
    let (start, tag) = first.rsplit_once('.').unwrap();
    let forged = format!("{start}.{}", "A".repeat(tag.len()));
    assert_eq!(jwe_error(world.verify(&forged)), JweError::Decryption);

    // With new keys, the token is decrypted and verified once more.
    world.client.reload("tenant.example").unwrap();
    assert_eq!([hits(&first), hits(&first)], [4, 5]);
    world.tenant.replace_keys().unwrap();
    world.client.reload("tenant.example").unwrap();
    let no_key = refused("No matching key found in JWKS");
    assert_eq!(described(world.verify(&first)), no_key);
}

/// Stale keys are replaced while a cached token is judged.
pub fn a_cached_encrypted_token_is_opened_again_when_its_keys_are_replaced<D: Driver>() {
    let world = World::<D>::with(|builder| with_key(builder).token_cache(100));
    let token = mint(world.token().expires_in(86_400));
    assert_eq!(described(world.verify(&token)), Ok(()));
    for _ in 0..3 {
        world.advance(400);
        assert_eq!(described(world.verify(&token)), Ok(()));
        assert_eq!(described(world.verify_bearer(&token)), Ok(()));
    }
    assert!(world.tenant.request_count(Endpoint::Jwks) > 1);
    world.tenant.replace_keys().unwrap();
    world.advance(400);
    let _ = world.verify(&token);
    let no_key = refused("No matching key found in JWKS");
    assert_eq!(described(world.verify(&token)), no_key);
}

/// Auth0 has the public key of the API alone, so it can read only the signed token.
pub fn on_behalf_of_sends_the_signed_token<D: Driver>() {
    for cached in [0, 100] {
        let world = World::<D>::with(|builder| {
            with_key(builder)
                .token_cache(cached)
                .keep_access_tokens()
                .client_id("api")
                .client_secret("secret")
        });
        world.tenant.register_client("api", "secret");
        let signed = world.token().subject("auth0|ada").mint().unwrap();
        let encrypted = key().encrypt(&signed).unwrap();
        for _ in 0..2 {
            let verified = world.verify_bearer(&encrypted).unwrap();
            let kept = verified.access_token().unwrap();
            assert_eq!(kept, signed);
            let request = OnBehalfOf::new(kept, "https://other.example/");
            world.client.get_token_on_behalf_of(&request).unwrap();
        }
        let kept = world.verify(&signed).unwrap();
        assert_eq!(kept.access_token(), Some(&*signed));
    }
    let world = World::<D>::with(|builder| with_key(builder).token_cache(100));
    let token = mint(world.token());
    for _ in 0..2 {
        assert_eq!(world.verify(&token).unwrap().access_token(), None);
    }
}
