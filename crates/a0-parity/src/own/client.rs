//! Builds the client of a case.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use auth0_api::proof::{NonceIssuer, ReplayKey, ReplayStore, ReplayStoreError, Seen};
use auth0_api::transport::ClientBuilder;
use auth0_api::{
    ApiClient, Builder, DpopMode, EntryAuthentication, Error, HttpClient as _, NumericDate,
    Refresh, ResolverContext, TokenProfile, TransportError, UreqClient,
};
use http::{Method, Request};
use serde_json::{Map, Value, json};

use super::store::Store;
use super::world::{Shared, answer, locked};
use super::{text, texts};
use crate::draft::{NONCE_PERIOD, NONCE_SECRET};

type Set = fn(Builder, Duration) -> Builder;

pub(super) fn client(case: &Value, world: &Shared) -> Result<ApiClient, Error> {
    let servers = Arc::clone(world);
    let answered = move |request: &Request<Vec<u8>>| answer(&mut locked(&servers), request);
    let builder = options(case, world);
    let endpoint = &case["endpoint"];
    if !endpoint.is_object() {
        let transport = move |request| answered(&request);
        return builder.http_client(transport).build();
    }
    // Only the token endpoint is a server.
    let posts = default_client(case, text(endpoint, "roots"));
    let transport = move |request: Request<Vec<u8>>| match *request.method() {
        Method::POST => posts.exchange(request),
        _ => answered(&request).map_err(TransportError::from),
    };
    let builder = builder.trusted_endpoints([text(endpoint, "origin")]);
    builder.http_client(transport).build()
}

/// Returns the client that is the default, which trusts this authority.
fn default_client(case: &Value, roots: &str) -> UreqClient {
    let timeout = Duration::from_secs_f64(case["timeout"].as_f64().unwrap_or_default());
    let builder = UreqClient::builder().timeout(timeout);
    let trusting = builder.root_certificates_pem(roots.as_bytes());
    // Without the authority each case ends in a failure of TLS, where the reference has another.
    trusting.map(ClientBuilder::build).unwrap_or_default()
}

/// Returns a builder with every option but the transport.
pub(super) fn options(case: &Value, world: &Shared) -> Builder {
    let clock = Arc::clone(world);
    // The reference builds a client without a URL in every mode.
    let mut builder = ApiClient::builder()
        .url_in_requests()
        .clock(move || UNIX_EPOCH + Duration::from_secs(locked(&clock).now))
        // The end of a refresh on a thread would depend on chance.
        .cache_refresh(Refresh::Inline);
    if let Some(audience) = case["audience"].as_str() {
        builder = builder.audience(audience);
    }
    let seconds = |name: &str| case[name].as_u64().map(Duration::from_secs);
    for (value, set) in [
        (seconds("cache_ttl_seconds"), Builder::cache_ttl as Set),
        (seconds("dpop_iat_leeway"), Builder::dpop_iat_leeway),
        (seconds("dpop_iat_offset"), Builder::dpop_iat_offset),
    ] {
        if let Some(value) = value {
            builder = set(builder, value);
        }
    }
    if let Some(entries) = case["cache_max_entries"].as_u64() {
        builder = builder.cache_max_entries(usize::try_from(entries).unwrap_or_default());
    }
    if let Some(entries) = case["token_cache"].as_u64() {
        builder = builder.token_cache(usize::try_from(entries).unwrap_or_default());
    }
    let flags = ["dpop_enabled", "dpop_required"].map(|name| case[name].as_bool());
    builder = match (flags, text(case, "mode")) {
        // Only the environment has the two flags.
        ([Some(enabled), Some(required)], _) => builder.from_vars(|name| match name {
            "AUTH0_DPOP_ENABLED" => Some(enabled.to_string()),
            "AUTH0_DPOP_REQUIRED" => Some(required.to_string()),
            _ => None,
        }),
        (_, "disabled") => builder.dpop(DpopMode::Disabled),
        (_, "required") => builder.dpop(DpopMode::Required),
        _ => builder.dpop(DpopMode::Allowed),
    };
    if let Some(domain) = case["domain"].as_str() {
        builder = builder.domain(domain);
    }
    if case["domains"].is_array() {
        builder = builder.domains(texts(&case["domains"]));
    }
    if case["resolver"].is_array() {
        let (domains, resolver) = (texts(&case["resolver"]), Arc::clone(world));
        builder = builder.domains_resolver(move |context| {
            locked(&resolver).given = given(context);
            Ok::<_, std::io::Error>(domains.clone())
        });
    }
    if let Some(id) = case["client_id"].as_str() {
        builder = builder.client_id(id);
    }
    if let Some(secret) = case["client_secret"].as_str() {
        builder = builder.client_secret(secret);
    }
    if let Some(store) = Store::of(case, world) {
        // The cases write entries without a MAC, as the reference does.
        builder = builder.cache(store, EntryAuthentication::unauthenticated_entries());
    }
    own_options(builder, case)
}

/// Sets the options that the reference does not have.
fn own_options(mut builder: Builder, case: &Value) -> Builder {
    let own = &case["own"];
    // Without the option that both have, an audience has to be missing on both sides.
    if case["audience"].is_string() {
        for audience in texts(&own["audiences"]) {
            builder = builder.audience(audience);
        }
    }
    if own["algorithms"].is_array() {
        builder = builder.algorithms(texts(&own["algorithms"]));
    }
    if let Some(seconds) = own["leeway"].as_u64() {
        builder = builder.leeway(Duration::from_secs(seconds));
    }
    if text(own, "token_profile") == "rfc9068" {
        builder = builder.token_profile(TokenProfile::Rfc9068);
    }
    if own["dpop_algorithms"].is_array() {
        builder = builder.dpop_algorithms(texts(&own["dpop_algorithms"]));
    }
    if own["dpop_nonces"] == true {
        builder = builder.dpop_nonces(NonceIssuer::new(NONCE_SECRET, NONCE_PERIOD));
    }
    if own["trusted_endpoints"].is_array() {
        builder = builder.trusted_endpoints(texts(&own["trusted_endpoints"]));
    }
    if own["replay_store_fails"] == true {
        builder = builder.replay_store(Broken);
    }
    if own["replay_fail_open"] == true {
        builder = builder.replay_fail_open();
    }
    builder
}

struct Broken;

impl ReplayStore for Broken {
    fn check_and_insert(
        &self,
        _: &ReplayKey,
        _: NumericDate,
        _: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        Err(ReplayStoreError::new("out of order"))
    }
}

/// Returns what a resolver sees of the request, with the values of each field by its name.
fn given(context: &ResolverContext<'_>) -> Value {
    let mut given = Map::new();
    given.insert("iss".to_owned(), context.unverified_iss().into());
    given.insert("url".to_owned(), context.request_url().into());
    for (name, value) in context.request_headers() {
        let values = given.entry(format!("field {name}")).or_insert(json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(value.into());
        }
    }
    Value::Object(given)
}
