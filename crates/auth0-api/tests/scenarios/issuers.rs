//! Accepted issuers: one domain, a list of domains, or the domains of a resolver.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use a0_testkit::{
    AccessTokenBuilder, Algorithm, Endpoint, Fault, LocalNetwork, LocalTenant, SigningKey,
};
use auth0_api::discovery::DomainError;
use auth0_api::{
    ApiClient, Builder, ErrorKind, IssuerError, Refresh, RequestContext, ResolverContext,
    ResolverFault, TokenError, TokenOptions,
};
use http::Request;

use super::{AUDIENCE, Driver, NOW, at};

const NOT_ALLOWED: ErrorKind =
    ErrorKind::VerifyAccessToken(TokenError::Issuer(IssuerError::NotAllowed));

/// Three tenants on one network.
struct World {
    network: LocalNetwork,
    tenants: [LocalTenant; 3],
}

impl World {
    fn new() -> Self {
        let network = LocalNetwork::new();
        let domains = ["a.example", "b.example", "evil.example"];
        let tenants = domains.map(|domain| network.tenant(domain).unwrap());
        for tenant in &tenants {
            tenant.set_now(at(NOW));
        }
        World { network, tenants }
    }

    fn builder<D: Driver>(&self) -> Builder {
        let builder = ApiClient::builder()
            .audience(AUDIENCE)
            .cache_refresh(Refresh::Inline)
            .clock(|| at(NOW));
        D::http_client(builder, self.network.client())
    }
}

fn token(tenant: &LocalTenant) -> AccessTokenBuilder {
    tenant.access_token().audience(AUDIENCE)
}

fn verify<D: Driver>(client: &D, token: &str) -> Result<String, ErrorKind> {
    match client.verify_access_token(token, &TokenOptions::new()) {
        Ok(verified) => Ok(verified.issuer().unwrap().unwrap().to_owned()),
        Err(error) => Err(error.kind().clone()),
    }
}

pub fn only_tokens_of_listed_domains_are_accepted<D: Driver>() {
    let world = World::new();
    let [a, b, evil] = &world.tenants;
    let builder = world
        .builder::<D>()
        .domains([" A.example/", "https://b.example"]);
    let client = D::build(builder).unwrap();
    for tenant in [a, b, a, b] {
        let outcome = verify(&client, &token(tenant).mint().unwrap());
        assert_eq!(outcome, Ok(tenant.issuer().to_owned()));
        assert_eq!(tenant.request_count(Endpoint::Jwks), 1);
    }
    for (iss, expected) in [
        ("https://evil.example/", IssuerError::NotAllowed),
        // Other spellings are other issuers (RFC 8414 section 3.3).
        ("https://a.example", IssuerError::NotAllowed),
        ("https://A.example/", IssuerError::NotAllowed),
        ("https://a.example:443/", IssuerError::NotAllowed),
        ("https://a.example./", IssuerError::NotAllowed),
        ("a.example", IssuerError::NotAllowed),
        ("http://a.example/", IssuerError::Format),
        ("https://a.example/x", IssuerError::Format),
        ("https://x@a.example/", IssuerError::Format),
        ("https://a.example\\", IssuerError::Format),
        ("", IssuerError::Format),
    ] {
        for signer in [a, evil] {
            let forged = token(signer).claim("iss", iss).mint().unwrap();
            let expected = ErrorKind::VerifyAccessToken(TokenError::Issuer(expected));
            assert_eq!(verify(&client, &forged), Err(expected), "{iss}");
        }
    }
    assert!(
        evil.requests().is_empty(),
        "no request goes to an unknown issuer"
    );
    let error = client.verify_access_token(&token(evil).mint().unwrap(), &TokenOptions::new());
    let error = error.unwrap_err();
    assert_eq!(*error.kind(), NOT_ALLOWED);
    assert_eq!(
        error.error_description(),
        "Token issuer is not in the list of allowed domains"
    );
    assert_eq!(error.status_code(), 401);
}

/// One failing issuer does not keep the others from being warmed up.
pub fn warm_up_and_reload_fetch_the_keys_of_listed_domains<D: Driver>() {
    let world = World::new();
    let [a, b, evil] = &world.tenants;
    for failing in [a, b] {
        failing.misbehave_times(Endpoint::Jwks, 1, Fault::status(500));
        let client = D::build(world.builder::<D>().domains(["a.example", "b.example"])).unwrap();
        let expected = [a, b].map(|tenant| tenant.request_count(Endpoint::Jwks) + 1);
        assert!(client.warm_up().is_err());
        assert_eq!(
            [a, b].map(|tenant| tenant.request_count(Endpoint::Jwks)),
            expected
        );
    }
    for tenant in [a, b] {
        tenant.reset_requests();
    }
    let client = D::build(world.builder::<D>().domains(["a.example", "b.example"])).unwrap();
    client.warm_up().unwrap();
    for tenant in [a, b] {
        assert_eq!(tenant.request_count(Endpoint::Jwks), 1);
    }
    // A reload of an unknown domain sends no request.
    let error = client.reload("evil.example").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Configuration(_)));
    assert!(evil.requests().is_empty());
    assert!(client.reload("A.example").is_ok());
}

/// A resolver needs a request, so a reload takes any domain. The tokens of that domain are accepted only
/// if the resolver returns it.
pub fn reload_fetches_the_keys_of_any_domain_if_there_is_a_resolver<D: Driver>() {
    let world = World::new();
    let [a, _, evil] = &world.tenants;
    let calls = Arc::new(AtomicUsize::new(0));
    let resolver = {
        let calls = Arc::clone(&calls);
        move |_: &ResolverContext<'_>| {
            calls.fetch_add(1, Ordering::SeqCst);
            Ok::<_, io::Error>(vec!["a.example".to_owned()])
        }
    };
    let client = D::build(D::domains_resolver(world.builder::<D>(), resolver)).unwrap();
    let revoked = token(a).mint().unwrap();
    assert!(verify(&client, &revoked).is_ok());

    a.replace_keys().unwrap();
    client.reload("HTTPS://A.example/").unwrap();
    assert_eq!(a.request_count(Endpoint::Jwks), 2);
    assert!(verify(&client, &token(a).mint().unwrap()).is_ok());
    assert_eq!(a.request_count(Endpoint::Jwks), 2);
    assert!(verify(&client, &revoked).is_err());

    client.reload("evil.example").unwrap();
    assert_eq!(evil.request_count(Endpoint::Jwks), 1);
    assert_eq!(client.key_status().len(), 2);
    assert_eq!(
        verify(&client, &token(evil).mint().unwrap()),
        Err(NOT_ALLOWED)
    );
    assert_eq!(
        calls.load(Ordering::SeqCst),
        4,
        "the resolver is called for tokens only"
    );

    let error = client.reload("http://a.example").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Configuration(_)));
    a.misbehave(Endpoint::Jwks, Fault::status(500));
    let error = client.reload("a.example").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable(_)));
    assert!(verify(&client, &token(a).mint().unwrap()).is_ok());
}

pub fn rfc8725_3_8_issuers_with_the_same_kid_do_not_share_keys<D: Driver>() {
    let world = World::new();
    let [a, b, _] = &world.tenants;
    for tenant in [a, b] {
        let mut jwks = tenant.jwks();
        jwks["keys"][0]["kid"] = "shared".into();
        tenant.set_jwks_body(Some(jwks.to_string().as_bytes()));
    }
    let client = D::build(world.builder::<D>().domains(["a.example", "b.example"])).unwrap();
    let shared_kid = |tenant: &LocalTenant| token(tenant).kid("shared");
    for tenant in [a, b] {
        assert!(verify(&client, &shared_kid(tenant).mint().unwrap()).is_ok());
    }
    for (signer, issuer) in [(a, b), (b, a)] {
        let forged = shared_kid(signer)
            .claim("iss", issuer.issuer())
            .mint()
            .unwrap();
        assert!(verify(&client, &forged).is_err());
    }
}

pub fn the_domain_is_not_trusted_unless_domains_lists_it<D: Driver>() {
    let world = World::new();
    let [a, b, _] = &world.tenants;
    let builder = world
        .builder::<D>()
        .domain("a.example")
        .domains(["b.example"]);
    let client = D::build(builder).unwrap();
    assert!(verify(&client, &token(b).mint().unwrap()).is_ok());
    assert_eq!(verify(&client, &token(a).mint().unwrap()), Err(NOT_ALLOWED));
    assert!(a.requests().is_empty());
}

pub fn a_resolver_chooses_the_domains_of_each_request<D: Driver>() {
    let world = World::new();
    let [a, b, evil] = &world.tenants;
    type Seen = (Option<String>, Vec<(String, String)>, String);
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let resolver = {
        let seen = Arc::clone(&seen);
        move |context: &ResolverContext<'_>| {
            // A log must not show values of the request by accident.
            assert!(!format!("{context:?}").contains("canary"));
            let fields = context.request_headers();
            let fields = fields
                .map(|(name, value)| (name, value.into_owned()))
                .collect();
            seen.lock().unwrap().push((
                context.request_url().map(str::to_owned),
                fields,
                context.unverified_iss().to_owned(),
            ));
            let tenant = context.request_header("X-Tenant");
            let domains = match tenant.as_deref() {
                Some("a") => vec!["A.example/".to_owned()],
                Some("b") => vec!["b.example".to_owned(), "c.example".to_owned()],
                _ => vec!["nobody.example".to_owned()],
            };
            Ok::<_, io::Error>(domains)
        }
    };
    let builder = D::domains_resolver(world.builder::<D>(), resolver);
    let client = D::build(builder.public_url("https://api.example/v1")).unwrap();
    for (tenant, name, accepted) in [
        (a, "a", true),
        (b, "b", true),
        (a, "b", false),
        (b, "a", false),
        (evil, "a", false),
        (a, "", false),
    ] {
        let token = token(tenant).mint().unwrap();
        let field = format!("Bearer {token}");
        let request = Request::get("/orders?page=2")
            .header("Authorization", &field)
            .header("X-Tenant", name)
            .header("X-Secret", "canary")
            .body(())
            .unwrap();
        let outcome = client.verify_request((&request).into());
        assert_eq!(outcome.is_ok(), accepted, "{} {name}", tenant.domain());
        let (url, fields, iss) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(url.as_deref(), Some("https://api.example/v1/orders"));
        assert_eq!(iss, tenant.issuer());
        let value_of = |wanted: &str| {
            let field = fields.iter().find(|(name, _)| name == wanted);
            field.map(|(_, value)| value.clone())
        };
        assert_eq!(value_of("authorization"), Some(format!("Bearer {token}")));
        assert_eq!(value_of("x-tenant").as_deref(), Some(name));

        // The same for `verify_access_token`.
        let options = TokenOptions::new().request(&request);
        assert_eq!(
            client.verify_access_token(&token, &options).is_ok(),
            accepted
        );
        assert!(
            seen.lock().unwrap().pop().is_some(),
            "the resolver is called each time"
        );
        let context = RequestContext::new()
            .header("x-TENANT", name)
            .url("https://X.example/?canary");
        let options = TokenOptions::new().request(context);
        assert_eq!(
            client.verify_access_token(&token, &options).is_ok(),
            accepted
        );
        let (url, fields, _) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(url.as_deref(), Some("https://x.example/"));
        assert_eq!(fields[0].0, "x-tenant");
    }
    assert!(evil.requests().is_empty());

    // The resolver is not called for a token that no domain could make valid.
    for token in [
        token(a).header("alg", "HS256").mint().unwrap(),
        token(a).claim("iss", "https://A.example/").mint().unwrap(),
        token(a).claim("iss", "http://a.example/").mint().unwrap(),
        token(a).claim("iss", 7).mint().unwrap(),
    ] {
        assert!(verify(&client, &token).is_err());
        assert!(seen.lock().unwrap().is_empty());
    }
    // With a resolver, there is nothing to warm up.
    assert!(client.warm_up().is_ok());
}

pub fn a_resolver_without_usable_domains_is_a_server_error<D: Driver>() {
    let world = World::new();
    let [a, ..] = &world.tenants;
    let token = token(a).mint().unwrap();
    type Resolver = fn() -> Result<Vec<&'static str>, &'static str>;
    for (resolve, fault, description) in [
        (
            (|| Err("canary")) as Resolver,
            ResolverFault::Failed,
            "Domains resolver function failed",
        ),
        (
            || Ok(vec![]),
            ResolverFault::NoDomains,
            "Domains resolver returned an empty list",
        ),
        (
            || Ok(vec!["a.example", " "]),
            ResolverFault::Blank,
            "Domains resolver must return a list of non-empty strings",
        ),
        (
            || Ok(vec!["a.example", "http://canary.example"]),
            ResolverFault::Domain(DomainError::NotHttps),
            "Domains resolver returned invalid domain: invalid domain URL (https required)",
        ),
    ] {
        let resolver = move |_: &ResolverContext<'_>| {
            resolve().map(|domains| domains.into_iter().map(str::to_owned).collect())
        };
        let client = D::build(D::domains_resolver(world.builder::<D>(), resolver)).unwrap();
        let error = client
            .verify_access_token(&token, &TokenOptions::new())
            .unwrap_err();
        let ErrorKind::DomainsResolver(kind) = error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!(kind.fault(), fault);
        assert_eq!(error.status_code(), 500);
        assert_eq!(error.error_code(), "domains_resolver_error");
        assert_eq!(error.error_description(), description);
        assert!(error.challenges().is_empty());
        assert!(!format!("{error} {error:?}").contains("canary"));
        // The resolver's own error is the source.
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let expected = (fault == ResolverFault::Failed).then(|| "canary".to_owned());
        assert_eq!(source, expected);
    }
    assert!(a.requests().is_empty());
}

/// The algorithms of one issuer do not extend those of another, neither for tokens nor for keys.
pub fn rfc8725_3_1_the_algorithms_of_an_issuer_are_its_own<D: Driver>() {
    let network = LocalNetwork::new();
    let [plain, modern] = ["plain.example", "modern.example"].map(|d| network.tenant(d).unwrap());
    for tenant in [&plain, &modern] {
        tenant.publish_es256().unwrap();
    }
    let builder = ApiClient::builder()
        .domains(["plain.example", "modern.example"])
        .issuer_algorithms("https://modern.example/", ["ES256"])
        .audience(super::AUDIENCE);
    let client = D::build(D::http_client(builder, network.client())).unwrap();
    for (tenant, algorithm, accepted) in [
        (&plain, Algorithm::Rs256, true),
        (&plain, Algorithm::Es256, false),
        (&modern, Algorithm::Rs256, false),
        (&modern, Algorithm::Es256, true),
    ] {
        let token = tenant
            .access_token()
            .audience(super::AUDIENCE)
            .algorithm(algorithm);
        let outcome = client.verify_access_token(&token.mint().unwrap(), &Default::default());
        assert_eq!(outcome.is_ok(), accepted, "{algorithm:?}: {outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.error_description(), "Algorithm is not allowed");
        }
    }
}

/// Two issuers may have keys with one `kid`, so that the headers of their tokens are equal. A header that was
/// accepted from one issuer is not thereby acceptable from another.
pub fn rfc8725_3_1_the_algorithms_of_an_issuer_hold_for_a_known_header<D: Driver>() {
    let network = LocalNetwork::new();
    let [plain, modern] = ["plain.example", "modern.example"].map(|domain| {
        let tenant = network.tenant(domain).unwrap();
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let mut entry = key.jwks_entry(Algorithm::Es256);
        entry["kid"] = "shared".into();
        tenant.publish_jwk(entry);
        let token = tenant.access_token().audience(super::AUDIENCE);
        let token = token.algorithm(Algorithm::Es256).signed_with(&key);
        token.kid("shared").mint().unwrap()
    });
    let builder = ApiClient::builder()
        .domains(["plain.example", "modern.example"])
        .issuer_algorithms("https://modern.example/", ["ES256"])
        .audience(super::AUDIENCE);
    let client = D::build(D::http_client(builder, network.client())).unwrap();
    assert_eq!(plain.split('.').next(), modern.split('.').next());
    for (token, accepted) in [(&modern, true), (&plain, false), (&modern, true)] {
        let outcome = client.verify_access_token(token, &Default::default());
        assert_eq!(outcome.is_ok(), accepted, "{outcome:?}");
        if let Err(error) = outcome {
            assert_eq!(error.error_description(), "Algorithm is not allowed");
        }
    }
}
