//! What the feature `tracing` emits, as a subscriber sees it.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use a0_testkit::{Endpoint, Fault, LocalTenant, ProofKey};
use auth0_api::discovery::InMemoryCache;
use auth0_api::observer::TracingObserver;
use auth0_api::proof::{ReplayKey, ReplayStore, ReplayStoreError, Seen};
use auth0_api::{ApiClient, Builder, CacheAdapter, EntryKeys, RequestContext, TokenExchange};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

const AUDIENCE: &str = "https://api.example/";

/// Keeps every span and event as a line of text.
#[derive(Clone)]
struct Log(Arc<Mutex<Lines>>, Level);

#[derive(Default)]
struct Lines {
    /// Name, level and fields of each span, in the order of their creation.
    spans: Vec<String>,
    events: Vec<String>,
    /// The spans that are entered now.
    stack: Vec<u64>,
}

impl Log {
    fn up_to(level: Level) -> Self {
        Log(Arc::default(), level)
    }

    fn take(&self) -> (Vec<String>, Vec<String>) {
        let mut lines = self.0.lock().unwrap();
        assert!(lines.stack.is_empty(), "a span was not exited");
        let events = std::mem::take(&mut lines.events);
        // A span keeps its place, because its id is that place.
        let spans = lines.spans.iter_mut().map(std::mem::take);
        let spans = spans.filter(|span| !span.is_empty()).collect();
        (spans, events)
    }

    fn events(&self) -> Vec<String> {
        self.take().1
    }
}

/// The fields of a span or an event, and its message.
#[derive(Default)]
struct Fields(String, String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => write!(self.1, " {value:?}").unwrap(),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {}={value}", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "auth0_api" && *metadata.level() <= self.1
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut lines = self.0.lock().unwrap();
        let mut fields = Fields::default();
        span.record(&mut fields);
        let (level, name) = (span.metadata().level(), span.metadata().name());
        lines.spans.push(format!("{level} {name}{}", fields.0));
        Id::from_u64(lines.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut lines = self.0.lock().unwrap();
        let index = span.into_u64() as usize - 1;
        let mut fields = Fields::default();
        values.record(&mut fields);
        lines.spans[index].push_str(&fields.0);
    }

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, depth) = (event.metadata().level(), lines.stack.len());
        let Fields(fields, message) = fields;
        lines
            .events
            .push(format!("{level}{fields}{message} in {depth}"));
    }

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().stack.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let exited = self.0.lock().unwrap().stack.pop();
        assert_eq!(exited, Some(span.into_u64()));
    }
}

fn logged(level: Level, work: impl FnOnce(&Log)) {
    let log = Log::up_to(level);
    tracing::subscriber::with_default(log.clone(), || work(&log));
}

fn builder(tenant: &LocalTenant) -> Builder {
    let clock = tenant.clone();
    ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .http_client(tenant.client())
        .clock(move || clock.now())
}

fn tenant() -> LocalTenant {
    LocalTenant::new("tenant.example").unwrap()
}

fn bearer(token: &str) -> RequestContext<'static> {
    RequestContext::new().header("Authorization", format!("Bearer {token}"))
}

#[test]
fn spans_and_events_have_the_documented_names_levels_and_fields() {
    logged(Level::TRACE, |log| {
        let tenant = tenant();
        tenant.register_client("id", "secret");
        let client = builder(&tenant)
            .client_id("id")
            .client_secret("secret")
            .observed_claims(["azp"])
            .observer(TracingObserver::new())
            .build()
            .unwrap();
        let token = tenant.access_token().audience(AUDIENCE);
        let azp = format!("app\n{}", "x".repeat(500));
        let good = token.clone().claim("azp", azp).mint().unwrap();
        client.verify_request(bearer(&good)).unwrap();
        let (spans, events) = log.take();
        let azp = format!("azp=\"app\\n{}\"", "x".repeat(196));
        assert_eq!(
            spans,
            [
                format!(
                    "DEBUG auth0_api.verify auth.scheme=bearer auth.claims={azp} auth.outcome=accepted"
                ),
                "INFO auth0_api.keys_refresh server.address=tenant.example auth.outcome=fetched"
                    .to_owned(),
            ]
        );
        assert_eq!(
            events,
            [
                // Within the verification that caused it.
                "INFO auth.outcome=fetched server.address=tenant.example keys refresh in 2",
                "DEBUG auth.outcome=accepted auth.scheme=bearer verification in 1",
            ]
        );

        let expired = token.clone().expires_in(-5).mint().unwrap();
        for (request, span, event) in [
            (
                RequestContext::new(),
                "auth.status=401 auth.outcome=missing auth.reason=credentials_missing",
                "DEBUG auth.outcome=missing auth.reason=credentials_missing auth.status=401 \
                 verification in 1",
            ),
            (
                bearer(&expired),
                "auth.scheme=bearer auth.status=401 auth.outcome=refused auth.reason=token_expired",
                "WARN auth.outcome=refused auth.scheme=bearer auth.reason=token_expired \
                 auth.status=401 left_out=0 verification in 1",
            ),
        ] {
            client.verify_request(request).unwrap_err();
            let (spans, events) = log.take();
            assert_eq!(spans, [format!("DEBUG auth0_api.verify {span}")]);
            assert_eq!(events, [event]);
        }

        let exchange = TokenExchange::new("subject", "urn:example:legacy").audience("a");
        client.get_token_by_exchange_profile(&exchange).unwrap();
        let (spans, events) = log.take();
        assert_eq!(
            spans,
            ["INFO auth0_api.token_exchange auth.flow=exchange_profile \
              server.address=tenant.example auth.outcome=issued"]
        );
        assert_eq!(
            events,
            ["INFO auth.flow=exchange_profile auth.outcome=issued \
              server.address=tenant.example token exchange in 1"]
        );
        for (fault, end) in [
            (
                Fault::status(403),
                "WARN auth.flow=exchange_profile auth.outcome=refused \
                 auth.reason=exchange_refused server.address=tenant.example left_out=0",
            ),
            (
                Fault::transport(std::io::ErrorKind::TimedOut),
                "ERROR auth.flow=exchange_profile auth.outcome=failed \
                 auth.reason=exchange_timeout error.type=exchange_timeout \
                 server.address=tenant.example left_out=0",
            ),
        ] {
            tenant.misbehave(Endpoint::Token, fault);
            client.get_token_by_exchange_profile(&exchange).unwrap_err();
            assert_eq!(log.events(), [format!("{end} token exchange in 1")]);
        }
    });
}

#[test]
fn an_outage_is_an_error_that_names_the_host_and_the_cause() {
    logged(Level::TRACE, |log| {
        let tenant = tenant();
        tenant.misbehave(Endpoint::Jwks, Fault::status(500));
        let client = builder(&tenant).observer(TracingObserver::new());
        let client = client.build().unwrap();
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        client.verify_request(bearer(&token)).unwrap_err();
        let (spans, events) = log.take();
        assert_eq!(
            spans,
            [
                "DEBUG auth0_api.verify auth.scheme=bearer auth.status=503 \
                 server.address=tenant.example auth.outcome=unavailable auth.reason=keys_status \
                 error.type=keys_status",
                "INFO auth0_api.keys_refresh server.address=tenant.example auth.outcome=failed \
                 auth.reason=keys_status error.type=keys_status",
            ]
        );
        assert_eq!(
            events,
            [
                "ERROR auth.outcome=failed auth.reason=keys_status error.type=keys_status \
                 server.address=tenant.example left_out=0 keys refresh in 2",
                "ERROR auth.outcome=unavailable auth.scheme=bearer auth.reason=keys_status \
                 auth.status=503 error.type=keys_status server.address=tenant.example left_out=0 \
                 verification in 1",
            ]
        );
    });
}

#[test]
fn an_ignored_entry_of_a_shared_cache_is_a_warning() {
    logged(Level::TRACE, |log| {
        let tenant = tenant();
        let shared = InMemoryCache::new(10);
        let name = format!("a0-discovery:2:metadata:{}", tenant.issuer());
        shared
            .set(&name, "planted", Duration::from_secs(60))
            .unwrap();
        let keys = EntryKeys::new([7; 32]).unwrap();
        let client = builder(&tenant).cache(shared, keys);
        let client = client.observer(TracingObserver::new()).build().unwrap();
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        client.verify_request(bearer(&token)).unwrap();
        assert_eq!(
            log.events(),
            [
                "INFO auth.outcome=fetched server.address=tenant.example keys refresh in 2",
                "WARN auth.reason=not_authentic server.address=tenant.example left_out=0 \
                 shared keys refused in 2",
                "DEBUG auth.outcome=accepted auth.scheme=bearer verification in 1",
            ]
        );
    });
}

/// A clock that stands still until it is moved on.
#[derive(Clone)]
struct Still(Arc<Mutex<Instant>>);

impl Still {
    fn new() -> Self {
        Still(Arc::new(Mutex::new(Instant::now())))
    }

    fn observer(&self) -> TracingObserver {
        let still = self.clone();
        TracingObserver::with_clock(move || *still.0.lock().unwrap())
    }

    fn advance(&self, milliseconds: u64) {
        *self.0.lock().unwrap() += Duration::from_millis(milliseconds);
    }
}

#[test]
fn a_flood_of_forgeries_is_one_warning_a_second() {
    logged(Level::WARN, |log| {
        let (tenant, clock) = (tenant(), Still::new());
        let client = builder(&tenant).observer(clock.observer()).build().unwrap();
        let token = tenant.access_token().audience(AUDIENCE);
        let forged = token.clone().with_signature([7; 256]).mint().unwrap();
        let expired = token.clone().expires_in(-5).mint().unwrap();
        let good = token.mint().unwrap();
        let flood = |token: &str, times: usize| {
            for _ in 0..times {
                client.verify_request(bearer(token)).unwrap_err();
            }
        };
        let warning = |reason: &str, left_out: u64| {
            format!(
                "WARN auth.outcome=refused auth.scheme=bearer auth.reason={reason} \
                 auth.status=401 left_out={left_out} verification in 0"
            )
        };
        flood(&forged, 1000);
        assert_eq!(log.events(), [warning("signature_invalid", 0)]);
        // Each reason has a limit of its own.
        flood(&expired, 3);
        assert_eq!(log.events(), [warning("token_expired", 0)]);
        clock.advance(999);
        flood(&forged, 1);
        assert_eq!(log.events(), [""; 0]);
        // The next warning tells how many were left out, and the end of the other flood is told too.
        clock.advance(1);
        flood(&forged, 2);
        assert_eq!(
            log.events(),
            [
                warning("signature_invalid", 1000),
                "WARN auth.reason=token_expired left_out=2 verification in 0".to_owned(),
            ]
        );
        // After the flood, any event tells the rest.
        clock.advance(1000);
        client.verify_request(bearer(&good)).unwrap();
        assert_eq!(
            log.events(),
            ["WARN auth.reason=signature_invalid left_out=1 verification in 0"]
        );
        // That was the line of this second.
        flood(&forged, 1);
        assert_eq!(log.events(), [""; 0]);
        clock.advance(1000);
        flood(&forged, 1);
        assert_eq!(log.events(), [warning("signature_invalid", 1)]);
        clock.advance(1000);
        client.verify_request(bearer(&good)).unwrap();
        flood(&forged, 1);
        assert_eq!(log.events(), [warning("signature_invalid", 0)]);
    });
}

/// An operator may keep errors alone.
#[test]
fn what_is_left_out_is_told_at_the_level_of_its_events() {
    logged(Level::ERROR, |log| {
        let (tenant, clock) = (tenant(), Still::new());
        tenant.misbehave(Endpoint::Discovery, Fault::status(500));
        let client = builder(&tenant).observer(clock.observer()).build().unwrap();
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        for _ in 0..5 {
            client.verify_request(bearer(&token)).unwrap_err();
        }
        assert_eq!(log.events().len(), 2);
        clock.advance(1000);
        client.verify_request(RequestContext::new()).unwrap_err();
        assert_eq!(
            log.events(),
            ["ERROR auth.reason=keys_status left_out=4 verification in 0"]
        );
    });
}

struct Away;

impl ReplayStore for Away {
    fn check_and_insert(
        &self,
        _key: &ReplayKey,
        _until: auth0_api::NumericDate,
        _now: auth0_api::NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        Err(ReplayStoreError::new("canary"))
    }
}

#[test]
fn what_no_response_shows_is_an_error() {
    logged(Level::WARN, |log| {
        let (tenant, clock) = (tenant(), Still::new());
        let client = builder(&tenant)
            .replay_store(Away)
            .replay_fail_open()
            .observer(clock.observer())
            .build()
            .unwrap();
        let key = ProofKey::generate().unwrap();
        let token = tenant.access_token().audience(AUDIENCE).bound_to(&key);
        let token = token.mint().unwrap();
        let send = |url: Option<&'static str>| {
            let proof = key.proof("GET", "https://api.example/a").for_token(&token);
            let request = RequestContext::new()
                .method("GET")
                .header("Authorization", format!("DPoP {token}"))
                .header("DPoP", proof.at(tenant.now()).mint().unwrap());
            let request = match url {
                Some(url) => request.url(url),
                None => request,
            };
            client.verify_request(request).is_ok()
        };
        for _ in 0..3 {
            assert!(send(Some("https://api.example/a")));
        }
        let events = log.events();
        assert_eq!(
            events,
            [
                "ERROR auth.reason=replay_failed_open error.type=replay_failed_open left_out=0 \
              a proof was accepted without a replay check, because the store failed in 0"
            ]
        );
        for _ in 0..3 {
            assert!(!send(None));
            clock.advance(5000);
        }
        let events = log.events();
        let once: Vec<_> = events
            .iter()
            .filter(|line| line.contains("public_url"))
            .collect();
        assert_eq!(once.len(), 1, "{events:?}");
        assert!(once[0].starts_with("ERROR"));
    });
}

/// Whatever a stranger sends, nothing of it is in a span or an event.
#[test]
fn no_span_or_event_contains_a_part_of_a_token() {
    logged(Level::TRACE, |log| {
        let (tenant, clock) = (tenant(), Still::new());
        let client = builder(&tenant).observer(clock.observer()).build().unwrap();
        let mut secrets = vec!["canary".to_owned(), tenant.kid()];
        for index in 0..200 {
            clock.advance(2000);
            let mark = format!("canary-{index}\r\n\u{1b}[31m\u{202e}\0");
            let token = tenant
                .access_token()
                .audience(AUDIENCE)
                .subject(&mark)
                .claim("jti", &*mark)
                .claim("nonce", &*mark);
            let hostile = match index % 4 {
                0 => token.kid(&mark),
                1 => token.claim("iss", format!("https://{mark}/")),
                2 => token.claim("aud", &*mark),
                _ => token,
            };
            let token = hostile.mint().unwrap();
            let key = ProofKey::generate().unwrap();
            let proof = key.proof("GET", "https://api.example/").jti(&mark);
            let proof = proof.for_token(&token).mint().unwrap();
            let _ = client.verify_request(bearer(&token));
            let request = RequestContext::new()
                .method("GET")
                .url("https://api.example/")
                .header("Authorization", format!("DPoP {token}"))
                .header("DPoP", &*proof);
            let _ = client.verify_request(request);
            secrets.extend([token, proof]);
        }
        let (spans, events) = log.take();
        let lines = [spans, events].concat();
        assert!(lines.len() > 600, "{}", lines.len());
        for line in &lines {
            assert!(
                line.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "{line:?}"
            );
            for secret in &secrets {
                assert!(!line.contains(secret), "{line}");
            }
        }
    });
}
