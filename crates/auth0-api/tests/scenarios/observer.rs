//! What observers are told, and that they decide nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use a0_testkit::{Endpoint, Fault, LocalTenant, ProofKey};
use auth0_api::discovery::InMemoryCache;
use auth0_api::jose::NumericDate;
use auth0_api::observer::{Event, Observer, Span, Work};
use auth0_api::proof::{ReplayKey, ReplayStore, ReplayStoreError, Seen};
use auth0_api::{
    ConnectionToken, DpopMode, DpopProof, Error, OnBehalfOf, Policy, RequestContext,
    ResolverContext, TokenExchange, TokenOptions,
};

use super::dpop::{Bound, METHOD, URL};
use super::exchange::{DOWNSTREAM, ID, PROFILE, SECRET};
use super::{AUDIENCE, Driver, World, builder};

/// Writes down what it is told, one line each.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    events: Vec<String>,
    spans: Vec<String>,
    /// Everything as `Debug` shows it.
    debug: String,
}

impl Recorder {
    /// The events since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().events)
    }

    pub fn take_spans(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().spans)
    }

    fn debug(&self) -> String {
        self.0.lock().unwrap().debug.clone()
    }

    fn span_line(&self, line: String) {
        self.0.lock().unwrap().spans.push(line);
    }
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Verification(end) => format!(
            "{:?} {} {} {} {} {}",
            end.subject,
            end.outcome.as_str(),
            or_dash(end.scheme.map(|scheme| scheme.label())),
            or_dash(end.reason),
            or_dash(end.status),
            or_dash(end.issuer_host),
        ),
        Event::Denial(denial) => format!(
            "denial {} {} {} {}",
            denial.outcome.as_str(),
            denial.scheme.label(),
            denial.reason,
            denial.status,
        ),
        Event::KeysRefresh(end) => format!(
            "keys {} {} {} {}",
            end.issuer_host,
            end.result.as_str(),
            or_dash(end.reason),
            or_dash(end.keys_age.map(|age| age.as_secs())),
        ),
        Event::Replay(result) => format!("replay {}", result.as_str()),
        Event::TokenCache(lookup) => format!("token cache {}", lookup.as_str()),
        Event::TokenExchange(end) => format!(
            "{} {} {} {}",
            end.flow.as_str(),
            end.result.as_str(),
            or_dash(end.reason),
            or_dash(end.issuer_host),
        ),
        Event::RequestWithoutUrl { is_first } => format!("no url, first: {is_first}"),
        _ => "unknown".to_owned(),
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        lines.events.push(line(event));
        lines.debug.push_str(&format!("{event:?}\n"));
    }

    fn begin(&self, work: &Work<'_>) -> Option<Box<dyn Span>> {
        let name = match work {
            Work::Verification(_) => "verify",
            Work::KeysRefresh { .. } => "keys",
            Work::TokenExchange { .. } => "exchange",
            _ => "unknown",
        };
        self.0
            .lock()
            .unwrap()
            .debug
            .push_str(&format!("{work:?}\n"));
        self.span_line(format!("begin {name}"));
        Some(Box::new(Recorded(self.clone(), name)))
    }
}

struct Recorded(Recorder, &'static str);

impl Span for Recorded {
    fn enter(&mut self) {
        self.0.span_line(format!("enter {}", self.1));
    }

    fn exit(&mut self) {
        self.0.span_line(format!("exit {}", self.1));
    }

    fn end(&mut self, event: &Event<'_>) {
        self.0.span_line(format!("end {}: {}", self.1, line(event)));
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.0.span_line(format!("drop {}", self.1));
    }
}

pub fn each_outcome_of_a_verification_is_one_event<D: Driver>() {
    let seen = Recorder::default();
    let world = World::<D>::with(|builder| builder.observer(seen.clone()));
    let good = world.token().mint().unwrap();
    world.verify_bearer(&good).unwrap();
    assert_eq!(
        seen.take(),
        [
            "keys tenant.example fetched - 0",
            "Request accepted bearer - - -"
        ]
    );

    let expired = world.token().expires_in(-5).mint().unwrap();
    let forged = world.token().with_signature([7; 256]).mint().unwrap();
    let other = world
        .tenant
        .access_token()
        .audience("https://other.example/");
    let other = other.mint().unwrap();
    let request = |field: &str| RequestContext::new().header("Authorization", field.to_owned());
    for (request, expected) in [
        (
            request(&format!("Bearer {good}")),
            "Request accepted bearer - - -",
        ),
        (
            RequestContext::new(),
            "Request missing - credentials_missing 401 -",
        ),
        (
            request("Basic dXNlcjpwYXNz"),
            "Request missing - credentials_missing 401 -",
        ),
        (
            request("Bearer opaque"),
            "Request refused bearer token_not_a_jwt 401 -",
        ),
        (
            request(&format!("Bearer {expired}")),
            "Request refused bearer token_expired 401 -",
        ),
        (
            request(&format!("Bearer {forged}")),
            "Request refused bearer signature_invalid 401 -",
        ),
        (
            request(&format!("Bearer {other}")),
            "Request refused bearer audience_mismatch 401 -",
        ),
        (
            request(&format!("DPoP {good}")).method(METHOD).url(URL),
            "Request refused dpop proof_missing 401 -",
        ),
        (
            request(&format!("Bearer {good}")).header("DPoP", "x"),
            "Request refused bearer proof_with_bearer 400 -",
        ),
        (
            request("Bearer a").header("Authorization", "Bearer b"),
            "Request refused - authorization_repeated 400 -",
        ),
    ] {
        let result = world.client.verify_request(request);
        assert_eq!(seen.take(), [expected]);
        // The event has what the error says.
        if let Err(error) = result {
            let shown = [error.reason(), error.status_code().as_str()].join(" ");
            assert!(expected.contains(&shown), "{expected}: {shown}");
        }
    }
    world.verify(&good).unwrap();
    assert_eq!(seen.take(), ["AccessToken accepted bearer - - -"]);
    world.verify("").unwrap_err();
    assert_eq!(
        seen.take(),
        ["AccessToken refused bearer argument_missing 400 -"]
    );
    let proof = DpopProof::new(&good, "x", METHOD, URL);
    world.client.verify_dpop_proof(&proof).unwrap_err();
    assert_eq!(
        seen.take(),
        ["DpopProof refused dpop proof_not_a_jwt 401 -"]
    );

    let counts = world.client.counts();
    let counts = [counts.accepted, counts.missing, counts.refused];
    assert_eq!(counts, [3, 2, 9]);
}

pub fn outages_and_misconfiguration_are_told_apart_from_refusals<D: Driver>() {
    let seen = Recorder::default();
    let world = World::<D>::with(|builder| builder.observer(seen.clone()));
    let token = world.token().mint().unwrap();
    for (fault, reason) in [
        (Fault::status(500), "keys_status"),
        (
            Fault::transport(std::io::ErrorKind::ConnectionReset),
            "keys_transport",
        ),
        (
            Fault::transport(std::io::ErrorKind::TimedOut),
            "keys_timeout",
        ),
    ] {
        world.tenant.misbehave(Endpoint::Discovery, fault);
        world.verify_bearer(&token).unwrap_err();
        assert_eq!(
            seen.take(),
            [
                format!("keys tenant.example failed {reason} -"),
                format!("Request unavailable bearer {reason} 503 tenant.example"),
            ]
        );
        world.advance(120);
    }
    assert_eq!(world.client.counts().unavailable, 3);
    assert_eq!(world.client.counts().keys_refresh_failures, 3);

    let seen = Recorder::default();
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let options = builder::<D>(&tenant).observer(seen.clone());
    let client = D::build(D::domains_resolver(options, |_: &ResolverContext<'_>| {
        Err::<Vec<String>, _>("canary")
    }));
    let client = client.unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let options = TokenOptions::new();
    client.verify_access_token(&token, &options).unwrap_err();
    assert_eq!(
        seen.take(),
        ["AccessToken misconfigured bearer resolver_failed 500 -"]
    );
    assert_eq!(client.counts().misconfigured, 1);
}

pub fn each_refresh_of_keys_is_an_event<D: Driver>() {
    let shared = Arc::new(InMemoryCache::new(10));
    let seen = Recorder::default();
    let world =
        World::<D>::with(|builder| D::cache(builder.observer(seen.clone()), Arc::clone(&shared)));
    world.client.warm_up().unwrap();
    assert_eq!(seen.take(), ["keys tenant.example fetched - 0"]);
    world.client.reload("tenant.example").unwrap();
    assert_eq!(seen.take(), ["keys tenant.example fetched - 0"]);

    // Another client finds the keys in the shared cache. They are as old as their request.
    let second = Recorder::default();
    let options = builder::<D>(&world.tenant).observer(second.clone());
    let client = D::build(D::cache(options, shared)).unwrap();
    world.advance(7);
    client.warm_up().unwrap();
    assert_eq!(second.take(), ["keys tenant.example shared - 7"]);

    let token = world.token().kid("canary").mint().unwrap();
    world.advance(60);
    world.verify_bearer(&token).unwrap_err();
    assert_eq!(
        seen.take(),
        [
            "keys tenant.example fetched - 0",
            "Request refused bearer key_unknown 401 -"
        ]
    );
    assert_eq!(world.client.counts().keys_refreshes, 3);
    assert_eq!(client.counts().keys_refreshes, 1);
}

/// Fails as long as it is told to.
struct Failing(Arc<Mutex<bool>>);

impl ReplayStore for Failing {
    fn check_and_insert(
        &self,
        _key: &ReplayKey,
        _until: NumericDate,
        _now: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        match *self.0.lock().unwrap() {
            true => Err(ReplayStoreError::new("canary")),
            false => Ok(Seen::First),
        }
    }
}

pub fn a_replay_check_that_failed_open_is_told<D: Driver>() {
    let seen = Recorder::default();
    let bound = Bound::<D>::with(|builder| builder.observer(seen.clone()));
    bound.world.client.warm_up().unwrap();
    let proof = bound.proof().mint().unwrap();
    seen.take();
    bound.send(&proof).unwrap();
    bound.send(&proof).unwrap_err();
    assert_eq!(
        seen.take(),
        [
            "replay first",
            "Request accepted dpop - - -",
            "replay replayed",
            "Request refused dpop proof_replayed 401 -",
        ]
    );
    assert_eq!(bound.world.client.counts().proofs_replayed, 1);

    for (is_open, expected) in [
        (
            false,
            [
                "replay failed",
                "Request unavailable dpop replay_store_failed 503 -",
            ],
        ),
        (true, ["replay failed_open", "Request accepted dpop - - -"]),
    ] {
        let seen = Recorder::default();
        let fails = Arc::new(Mutex::new(true));
        let bound = Bound::<D>::with(|builder| {
            let builder = D::replay_store(builder, Failing(Arc::clone(&fails)));
            let builder = builder.observer(seen.clone());
            if is_open {
                builder.replay_fail_open()
            } else {
                builder
            }
        });
        bound.world.client.warm_up().unwrap();
        seen.take();
        let _ = bound.send(&bound.proof().mint().unwrap());
        assert_eq!(seen.take(), expected);
        let counts = bound.world.client.counts();
        assert_eq!(counts.replay_store_failures, 1);
        assert_eq!(counts.proofs_not_recorded, u64::from(is_open));
    }
}

pub fn lookups_in_the_token_cache_are_events<D: Driver>() {
    let seen = Recorder::default();
    let world = World::<D>::with(|builder| builder.observer(seen.clone()).token_cache(10));
    let token = world.token().mint().unwrap();
    world.client.warm_up().unwrap();
    seen.take();
    for lookup in ["token cache miss", "token cache hit"] {
        world.verify(&token).unwrap();
        assert_eq!(seen.take(), [lookup, "AccessToken accepted bearer - - -"]);
    }
}

pub fn a_policy_that_does_not_allow_a_token_is_an_event<D: Driver>() {
    let seen = Recorder::default();
    let bound = Bound::<D>::with(|builder| builder.observer(seen.clone()));
    let client = &bound.world.client;
    let token = bound.world.token().scope("read:a").mint().unwrap();
    let bearer = bound.world.verify_bearer(&token).unwrap();
    let dpop = bound.send(&bound.proof().mint().unwrap()).unwrap();
    seen.take();
    client.authorize(&bearer, &Policy::scope("read:a")).unwrap();
    assert!(seen.take().is_empty());
    let panics = Policy::test("panics", |_| panic!("by a policy"));
    for (token, policy, expected) in [
        (
            &bearer,
            Policy::scope("read:ab"),
            "refused bearer insufficient_scope 403",
        ),
        (
            &dpop,
            Policy::scope("read:a"),
            "refused dpop insufficient_scope 403",
        ),
        (
            &bearer,
            Policy::acr_values(["mfa"]),
            "refused bearer insufficient_user_authentication 401",
        ),
        (
            &bearer,
            Policy::clients(["other"]),
            "refused bearer policy_client 403",
        ),
        (&bearer, panics, "misconfigured bearer policy_panicked 500"),
    ] {
        let error = client.authorize(token, &policy).unwrap_err();
        assert_eq!(error, token.authorize(&policy).unwrap_err());
        assert_eq!(seen.take(), [format!("denial {expected}")]);
    }
    assert_eq!((client.counts().denied, client.counts().refused), (5, 0));
}

pub fn the_operator_is_told_once_that_requests_come_without_a_url<D: Driver>() {
    let seen = Recorder::default();
    let world = World::<D>::with(|builder| builder.observer(seen.clone()));
    let request = || {
        RequestContext::new()
            .method(METHOD)
            .header("Authorization", "DPoP canary")
            .header("DPoP", "canary")
    };
    for is_first in [true, false, false] {
        world.client.verify_request(request()).unwrap_err();
        assert_eq!(
            seen.take(),
            [
                format!("no url, first: {is_first}"),
                "Request refused dpop request_without_url 401 -".to_owned(),
            ]
        );
    }
    assert_eq!(world.client.counts().requests_without_url, 3);
    assert!(!seen.debug().contains("canary"));
}

pub fn each_client_flow_is_an_event<D: Driver>() {
    let seen = Recorder::default();
    let world = World::<D>::with(|builder| {
        let builder = builder.client_id(ID).client_secret(SECRET);
        builder.obo_cache(10).observer(seen.clone())
    });
    world.tenant.register_client(ID, SECRET);
    world.client.warm_up().unwrap();
    seen.take();
    let subject = world.token().mint().unwrap();
    let profile = |token: &str| {
        let request = TokenExchange::new(token, PROFILE).audience(DOWNSTREAM);
        drop(world.client.get_token_by_exchange_profile(&request));
    };
    let on_behalf_of = || {
        let request = OnBehalfOf::new(&subject, DOWNSTREAM);
        drop(world.client.get_token_on_behalf_of(&request));
    };
    profile("subject");
    profile("");
    on_behalf_of();
    on_behalf_of();
    let request = ConnectionToken::new("github", &subject);
    drop(world.client.get_access_token_for_connection(&request));
    assert_eq!(
        seen.take(),
        [
            "exchange_profile issued - tenant.example",
            "exchange_profile not_sent argument_missing tenant.example",
            "on_behalf_of issued - tenant.example",
            "on_behalf_of reused - tenant.example",
            "connection issued - tenant.example",
        ]
    );
    for (fault, expected) in [
        (
            Fault::body(400, "application/json", r#"{"error":"canary"}"#),
            "refused exchange_refused",
        ),
        (Fault::status(503), "failed exchange_refused"),
        (
            Fault::body(200, "application/json", "canary"),
            "failed exchange_response",
        ),
        (
            Fault::transport(std::io::ErrorKind::TimedOut),
            "failed exchange_timeout",
        ),
    ] {
        world.tenant.misbehave(Endpoint::Token, fault);
        profile("subject");
        let expected = format!("exchange_profile {expected} tenant.example");
        assert_eq!(seen.take(), [expected]);
    }
    let counts = world.client.counts();
    assert_eq!((counts.tokens_exchanged, counts.exchange_failures), (4, 5));
    assert!(!seen.debug().contains("canary"));
}

pub fn spans_surround_the_work<D: Driver>() {
    let seen = Recorder::default();
    let during = seen.clone();
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let handler = tenant.client();
    let options = builder::<D>(&tenant).observer(seen.clone());
    let options = D::http_client(options, move |request| {
        during.span_line("request".to_owned());
        handler(request)
    });
    let clock = tenant.clone();
    let client = D::build(options.clock(move || clock.now())).unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let options = TokenOptions::new();
    client.verify_access_token(&token, &options).unwrap();
    let lines = seen.take_spans();

    // Both spans begin, are entered and exited in pairs, end with their event, and are dropped last.
    for (name, end) in [
        ("verify", "end verify: AccessToken accepted bearer - - -"),
        ("keys", "end keys: keys tenant.example fetched - 0"),
    ] {
        let parts: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.split_once(' '))
            .filter(|(_, rest)| rest.split(':').next() == Some(name))
            .map(|(what, _)| what)
            .collect();
        assert_eq!(parts.first(), Some(&"begin"), "{lines:?}");
        assert_eq!(parts.last(), Some(&"drop"), "{lines:?}");
        assert_eq!(lines.iter().filter(|line| *line == end).count(), 1);
        let mut is_entered = false;
        for part in parts {
            match part {
                "enter" => assert!(!std::mem::replace(&mut is_entered, true)),
                "exit" => assert!(std::mem::replace(&mut is_entered, false)),
                _ => assert!(!is_entered, "{lines:?}"),
            }
        }
    }
    // Both requests for keys were made within the span of the refresh.
    let mut is_entered = false;
    let mut requests = 0;
    for line in &lines {
        match line.as_str() {
            "enter keys" => is_entered = true,
            "exit keys" => is_entered = false,
            "request" => {
                assert!(is_entered, "{lines:?}");
                requests += 1;
            }
            _ => {}
        }
    }
    assert_eq!(requests, 2);
}

pub fn observers_see_only_the_claims_that_are_named<D: Driver>() {
    #[derive(Default)]
    struct Claims(Arc<Mutex<Vec<(String, String)>>>);
    impl Observer for Claims {
        fn event(&self, event: &Event<'_>) {
            if let Event::Verification(end) = event {
                let claims = end.claims.iter();
                let claims = claims.map(|(name, value)| (name.to_string(), value.to_string()));
                self.0.lock().unwrap().extend(claims);
            }
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let world = World::<D>::with(|builder| {
        let names = ["azp", "org_id", "aud", "absent"];
        let builder = builder.observed_claims(names);
        builder.observer(Claims(Arc::clone(&seen)))
    });
    let token = world.token().claim("azp", "app").claim("org_id", "org_1");
    let token = token.claim("aud", [AUDIENCE, "second"]);
    world.verify_bearer(&token.mint().unwrap()).unwrap();
    let expected = [("azp", "app"), ("org_id", "org_1")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), expected);
    // A token that is refused may be anybody's.
    let forged = world.token().claim("azp", "app").with_signature([7; 256]);
    world.verify_bearer(&forged.mint().unwrap()).unwrap_err();
    assert_eq!(*seen.lock().unwrap(), []);
}

/// Panics whenever it is called.
struct Panicking;

impl Observer for Panicking {
    fn event(&self, _event: &Event<'_>) {
        std::panic::panic_any(Payload);
    }

    fn begin(&self, _work: &Work<'_>) -> Option<Box<dyn Span>> {
        Some(Box::new(PanickingSpan))
    }
}

/// What it panics with. It panics again when it is dropped.
struct Payload;

impl Drop for Payload {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

struct PanickingSpan;

impl Span for PanickingSpan {
    fn enter(&mut self) {
        panic!("enter");
    }

    fn exit(&mut self) {
        panic!("exit");
    }

    fn end(&mut self, _event: &Event<'_>) {
        panic!("end");
    }
}

impl Drop for PanickingSpan {
    fn drop(&mut self) {
        panic!("drop");
    }
}

struct PanickingAtBegin;

impl Observer for PanickingAtBegin {
    fn event(&self, _event: &Event<'_>) {}

    fn begin(&self, _work: &Work<'_>) -> Option<Box<dyn Span>> {
        panic!("begin");
    }
}

pub fn a_panicking_observer_changes_no_decision<D: Driver>() {
    let seen = Recorder::default();
    let worlds = [false, true].map(|is_observed| {
        Bound::<D>::with(|builder| {
            let builder = builder.client_id(ID).client_secret(SECRET).token_cache(8);
            match is_observed {
                true => builder
                    .observer(Panicking)
                    .observer(PanickingAtBegin)
                    .observer(seen.clone()),
                false => builder,
            }
        })
    });
    let outcomes = worlds.each_ref().map(|bound| {
        let world = &bound.world;
        world.tenant.register_client(ID, SECRET);
        let proof = bound.proof().mint().unwrap();
        let good = world.token().mint().unwrap();
        let forged = world.token().with_signature([7; 256]).mint().unwrap();
        let exchange = TokenExchange::new("subject", PROFILE).audience(DOWNSTREAM);
        let describe = |result: Result<(), Error>| result.map_err(|error| error.reason());
        [
            describe(world.verify_bearer(&good).map(drop)),
            describe(world.verify_bearer(&good).map(drop)),
            describe(world.verify_bearer(&forged).map(drop)),
            describe(bound.send(&proof).map(drop)),
            describe(bound.send(&proof).map(drop)),
            describe(world.client.verify_request(RequestContext::new()).map(drop)),
            describe(
                world
                    .client
                    .get_token_by_exchange_profile(&exchange)
                    .map(drop),
            ),
            describe(world.client.reload("tenant.example")),
        ]
    });
    assert_eq!(
        outcomes[1],
        [
            Ok(()),
            Ok(()),
            Err("signature_invalid"),
            Ok(()),
            Err("proof_replayed"),
            Err("credentials_missing"),
            Ok(()),
            Ok(()),
        ]
    );
    assert_eq!(outcomes[0], outcomes[1]);
    let [quiet, observed] = worlds.each_ref().map(|bound| bound.world.client.counts());
    assert_eq!(quiet.observer_panics, 0);
    assert!(observed.observer_panics > 50, "{observed:?}");
    // The observer beside it is told everything.
    assert_eq!(seen.take().len(), 16);
    // Without the number of panics, the counts are the same.
    let mut observed = observed;
    observed.observer_panics = 0;
    assert_eq!(quiet, observed);
}

/// While a thread unwinds, a second panic that is not caught would abort the process.
pub fn a_panicking_http_client_is_an_abandoned_refresh<D: Driver>() {
    let seen = Recorder::default();
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let options = builder::<D>(&tenant)
        .observer(Panicking)
        .observer(seen.clone());
    let client = D::build(D::http_client(options, |_| panic!("canary"))).unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let options = TokenOptions::new();
    let verify = || client.verify_access_token(&token, &options);
    let result = catch_unwind(AssertUnwindSafe(verify));
    assert!(!matches!(result, Ok(Ok(_))));
    let event = "keys tenant.example abandoned keys_abandoned -";
    assert!(seen.take().iter().any(|line| line == event));
    assert!(client.counts().keys_refresh_failures >= 1);
    assert!(!seen.debug().contains("canary"));
}

/// Nothing of a token, a proof or a nonce is in an event or in the work that a span is begun for.
pub fn no_event_contains_a_part_of_a_token<D: Driver>() {
    let seen = Recorder::default();
    let nonces = auth0_api::proof::NonceIssuer::new([7; 32], std::time::Duration::from_secs(60));
    let bound = Bound::<D>::with(|builder| {
        let builder = builder.observer(seen.clone()).dpop(DpopMode::Allowed);
        builder.dpop_nonces(nonces)
    });
    let world = &bound.world;
    let mut secrets = Vec::new();
    let mut send = |request: RequestContext<'_>, parts: &[&str]| {
        let _ = world.client.verify_request(request);
        secrets.extend(parts.iter().map(|part| (*part).to_owned()));
    };
    for index in 0..50 {
        let mark = format!("canary-{index}\r\n\u{1b}[31m\u{202e}");
        let token = world
            .token()
            .kid(&mark)
            .subject(&mark)
            .claim("jti", &*mark)
            .claim("nonce", &*mark);
        let foreign = token.clone().claim("iss", format!("https://{mark}/"));
        for token in [token.mint().unwrap(), foreign.mint().unwrap()] {
            let field = format!("Bearer {token}");
            let request = RequestContext::new().header("Authorization", &*field);
            send(request, &["canary", &token]);
            let key = ProofKey::generate().unwrap();
            let proof = key.proof(METHOD, URL).for_token(&token).jti(&mark);
            let proof = proof.mint().unwrap();
            send(bound.request(&token, &proof), &[&proof]);
        }
    }
    // With the nonce of this API.
    let nonce = world.client.dpop_nonce().unwrap();
    let proof = bound.proof().nonce(&nonce).mint().unwrap();
    bound.send(&proof).unwrap();
    secrets.extend([nonce, proof, bound.token.clone(), world.tenant.kid()]);
    secrets.push("auth0|user".to_owned());
    let debug = seen.debug();
    assert!(debug.lines().count() > 100);
    for secret in secrets {
        assert!(!debug.contains(&secret), "{secret}");
    }
}
