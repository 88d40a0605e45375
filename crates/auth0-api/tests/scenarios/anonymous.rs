//! Anonymous sessions: refused, unless the API allows them.

use a0_testkit::{AccessTokenBuilder, Algorithm, EncryptionKey, ProofKey, SigningKey};
use auth0_api::{
    Builder, DecryptionKey, DpopMode, ErrorKind, Policy, Principal, RequestContext,
    ResolverContext, Step, TokenError, TokenOptions,
};
use serde_json::json;

use super::dpop::{METHOD, URL, described};
use super::{Driver, NOW, World};

const REFUSED: &str = "Anonymous sessions are not allowed";

fn refused() -> Result<(), String> {
    Err(REFUSED.to_owned())
}

/// The same refusal on every way in, and nothing is fetched for it.
pub fn an_anonymous_session_is_refused_unless_it_is_allowed<D: Driver>() {
    let world = World::<D>::new();
    let token = world.token().anonymous("7b0c").mint().unwrap();
    for outcome in [world.verify(&token), world.verify_bearer(&token)] {
        let error = outcome.unwrap_err();
        assert_eq!(error.error_description(), REFUSED);
        assert_eq!(error.status_code(), 401);
        assert_eq!(error.error_code(), "invalid_token");
        assert_eq!(error.reason(), "anonymous_session");
        assert_eq!(
            error.kind(),
            &ErrorKind::VerifyAccessToken(TokenError::Anonymous)
        );
        let diagnosis = error.diagnosis();
        assert_eq!(diagnosis.step(), Some(Step::Claims));
        assert_eq!(diagnosis.claim(), Some("sub"));
        let details = diagnosis.details().unwrap();
        assert!(details.contains("allow_anonymous"), "{details}");
        let all = format!("{error:?} {error} {diagnosis} {:?}", error.headers());
        assert!(!all.contains("7b0c"), "{all}");
    }
    assert_eq!(world.fetches(), (0, 0));

    let allowed = World::<D>::with(Builder::allow_anonymous);
    for outcome in [allowed.verify(&token), allowed.verify_bearer(&token)] {
        let token = outcome.unwrap();
        assert_eq!(token.subject(), Ok(Some("anon@7b0c")));
        assert_eq!(token.principal(), Ok(Principal::Anonymous));
    }
}

/// What only looks like an anonymous session, and what is one despite its other claims.
pub fn only_the_beginning_of_sub_makes_a_session_anonymous<D: Driver>() {
    type Edit = fn(AccessTokenBuilder) -> AccessTokenBuilder;
    let cases: [(Edit, bool); 24] = [
        (|token| token.subject("anon@"), true),
        (|token| token.subject("anon@1"), true),
        (|token| token.subject("anon@1@clients"), true),
        (|token| token.subject("anon@auth0|1"), true),
        (|token| token.subject("anon@\u{0}"), true),
        (
            |token| token.anonymous("1").claim("sub_profile", "user"),
            true,
        ),
        (
            |token| token.anonymous("1").claim("sub_profile", "ai_agent"),
            true,
        ),
        (|token| token.anonymous("1").claim("sub_profile", 7), true),
        (
            |token| token.anonymous("1").claim("gty", "client-credentials"),
            true,
        ),
        (|token| token.anonymous("1").claim("gty", json!(null)), true),
        (
            |token| token.anonymous("1").claim("act", json!({"sub": "auth0|1"})),
            true,
        ),
        (|token| token.anonymous("1").claim("azp", "anon@1"), true),
        (
            |token| token.anonymous("1").claim("permissions", vec!["admin"]),
            true,
        ),
        // Others than Auth0's anonymous sessions.
        (|token| token.subject("anon"), false),
        (|token| token.subject("anon|1"), false),
        (|token| token.subject("anonymous@1"), false),
        (|token| token.subject("ANON@1"), false),
        (|token| token.subject(" anon@1"), false),
        (|token| token.subject("auth0|anon@1"), false),
        (|token| token.subject("\u{430}non@1"), false),
        (|token| token.subject(""), false),
        (|token| token.without_claim("sub"), false),
        (|token| token.client("anon@1"), false),
        (|token| token.claim("act", json!({"sub": "anon@1"})), false),
    ];
    let world = World::<D>::new();
    let allowed = World::<D>::with(Builder::allow_anonymous);
    for (index, (edit, is_anonymous)) in cases.into_iter().enumerate() {
        let token = edit(world.token()).mint().unwrap();
        let expected = if is_anonymous { refused() } else { Ok(()) };
        assert_eq!(described(world.verify(&token)), expected, "case {index}");
        let expected = if is_anonymous { refused() } else { Ok(()) };
        assert_eq!(
            described(world.verify_bearer(&token)),
            expected,
            "case {index}"
        );
        assert_eq!(described(allowed.verify(&token)), Ok(()), "case {index}");
    }
    // A `sub` of a wrong type is refused as ever, and never passes for a user's.
    for sub in [
        json!(["anon@1"]),
        json!({"anon@1": 1}),
        json!(null),
        json!(7),
    ] {
        let token = world.token().claim("sub", sub).mint().unwrap();
        for world in [&world, &allowed] {
            let error = world.verify(&token).unwrap_err();
            assert_eq!(error.reason(), "claim_type");
        }
    }
}

/// The place of the check among the others: after the claims of every token, before those of a call, the
/// sender, the keys and the signature.
pub fn a_session_is_refused_after_the_claims_and_before_the_sender<D: Driver>() {
    let world = World::<D>::new();
    let anonymous = || world.token().anonymous("1");
    let stranger = SigningKey::cached_rsa("attacker").unwrap();
    let key = ProofKey::generate().unwrap();
    for (token, expected) in [
        (anonymous().expires_in(-1), "Token is expired"),
        (
            anonymous().audience("https://other.example/"),
            "Audience mismatch",
        ),
        (
            anonymous().claim("iss", "https://other.example/"),
            "Token issuer does not match the discovery issuer",
        ),
        (
            anonymous().algorithm(Algorithm::None),
            "Algorithm is not allowed",
        ),
        // A forged session learns no more than a genuine one.
        (anonymous().signed_with(&stranger), REFUSED),
        (anonymous().kid("unknown"), REFUSED),
        (anonymous().bound_to(&key), REFUSED),
        (anonymous().claim("cnf", json!([])), REFUSED),
    ] {
        let token = token.mint().unwrap();
        let outcome = described(world.verify_bearer(&token));
        assert_eq!(outcome, Err(expected.to_owned()));
    }
    let token = anonymous().mint().unwrap();
    let options = TokenOptions::new().require(["absent"]);
    let outcome = world.client.verify_access_token(&token, &options);
    assert_eq!(described(outcome), refused());
    assert_eq!(world.fetches(), (0, 0));
}

pub fn a_session_with_a_proof_is_refused_too<D: Driver>() {
    for mode in [DpopMode::Allowed, DpopMode::Required] {
        let options = |builder: Builder| builder.dpop(mode).url_in_requests();
        let world = World::<D>::with(options);
        let allowed = World::<D>::with(|builder| options(builder).allow_anonymous());
        let key = ProofKey::generate().unwrap();
        let token = world.token().anonymous("1").bound_to(&key).mint().unwrap();
        let proof = key.proof(METHOD, URL).for_token(&token).issued_at(NOW);
        let proof = proof.mint().unwrap();
        let request = || {
            RequestContext::new()
                .method(METHOD)
                .url(URL)
                .header("Authorization", format!("DPoP {token}"))
                .header("DPoP", proof.as_str())
        };
        let error = world.client.verify_request(request()).unwrap_err();
        assert_eq!(error.error_description(), REFUSED);
        let challenges = format!("{:?}", error.headers());
        assert!(challenges.contains("DPoP"), "{challenges}");
        assert_eq!(world.fetches(), (0, 0));
        // The refused proof was not used up.
        assert_eq!(described(allowed.client.verify_request(request())), Ok(()));
    }
}

/// A resolver, a cache of verified tokens and an encryption change nothing.
pub fn a_session_is_refused_with_every_kind_of_client<D: Driver>() {
    let resolver = |builder: Builder| {
        let domains = |_: &ResolverContext<'_>| Ok::<_, &str>(vec!["tenant.example".to_owned()]);
        D::domains_resolver(builder, domains)
    };
    let key = EncryptionKey::cached("api").unwrap().kid("k");
    let pem = key.private_pem().unwrap();
    let decryption = |builder: Builder| {
        let key = DecryptionKey::from_pem(&pem).unwrap().with_key_id("k");
        builder.decryption_keys([key])
    };
    let everything = |builder: Builder| decryption(resolver(builder)).token_cache(100);
    let world = World::<D>::with(everything);
    let allowed = World::<D>::with(|builder| everything(builder).allow_anonymous());
    let signed = world.token().anonymous("1");
    let encrypted = signed.clone().encrypted_for(&key).mint().unwrap();
    let signed = signed.mint().unwrap();
    for token in [&signed, &encrypted] {
        for _ in 0..2 {
            assert_eq!(described(world.verify(token)), refused());
            assert_eq!(described(world.verify_bearer(token)), refused());
        }
        // The second verification finds the token in the cache.
        for _ in 0..2 {
            assert_eq!(described(allowed.verify(token)), Ok(()));
            assert_eq!(described(allowed.verify_bearer(token)), Ok(()));
        }
    }
    assert_eq!(world.client.token_cache_status().unwrap().entries, 0);
    let status = allowed.client.token_cache_status().unwrap();
    assert_eq!((status.entries, status.hits), (2, 6));
    assert_eq!(world.fetches(), (0, 0));
}

/// A session that is allowed in is not a user to a policy, and has the scopes of its token.
pub fn policies_tell_anonymous_sessions_from_users<D: Driver>() {
    let world = World::<D>::with(Builder::allow_anonymous);
    let user = world.verify(&world.token().mint().unwrap()).unwrap();
    let session = world.token().anonymous("1").scope("read:catalog");
    let session = world.verify(&session.mint().unwrap()).unwrap();
    let users = Policy::principal([Principal::User]);
    let everybody = Policy::principal([Principal::User, Principal::Anonymous]);
    assert!(user.authorize(&users).is_ok());
    assert!(user.authorize(&everybody).is_ok());
    assert!(session.authorize(&everybody).is_ok());
    assert!(session.authorize(&Policy::scope("read:catalog")).is_ok());
    let error = session.authorize(&users).unwrap_err();
    assert_eq!(error.status_code(), 403);
    assert_eq!(error.reason(), "policy_principal");
    assert_eq!(session.is_machine(), Ok(false));
}
