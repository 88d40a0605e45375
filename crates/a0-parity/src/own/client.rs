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
use serde_json::{Value, json};

use super::world::{Shared, Store, answer, locked};
use super::{string, text, texts};
use crate::tenant::{NONCE_PERIOD, NONCE_SECRET};

pub(super) fn client(case: &Value, world: &Shared) -> Result<ApiClient, Error> {
    let servers = Arc::clone(world);
    // Only the token endpoint is a server, and only if it is one that fails.
    let roots = case["endpoint"]["roots"].as_str();
    let server = roots.map(|roots| default_client(case, roots));
    let transport = move |request: Request<Vec<u8>>| match &server {
        Some(client) if request.method() == Method::POST => client.exchange(request),
        _ => answer(&mut locked(&servers), &request).map_err(TransportError::from),
    };
    options(case, world).http_client(transport).build()
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
    let own = &case["own"];
    let members = [case, own].into_iter().filter_map(Value::as_object);
    for (name, value) in members.flatten() {
        builder = match name.as_str() {
            "audience" => builder.audience(string(value)),
            "domain" => builder.domain(string(value)),
            "endpoint" => builder.trusted_endpoints(value["origin"].as_str()),
            "domains" => builder.domains(texts(value)),
            "client_id" => builder.client_id(string(value)),
            "client_secret" => builder.client_secret(string(value)),
            "cache_ttl_seconds" => builder.cache_ttl(seconds(value)),
            "cache_max_entries" => builder.cache_max_entries(count(value)),
            "token_cache" => builder.token_cache(count(value)),
            "dpop_iat_leeway" => builder.dpop_iat_leeway(seconds(value)),
            "dpop_iat_offset" => builder.dpop_iat_offset(seconds(value)),
            "resolver" => {
                let (domains, resolver) = (texts(value), Arc::clone(world));
                builder.domains_resolver(move |context| {
                    locked(&resolver).given = given(context);
                    Ok::<_, std::io::Error>(domains.clone())
                })
            }
            // The options in `own`. Where the audience is missing, this SDK has none either.
            "audiences" if case["audience"].is_string() => {
                texts(value).into_iter().fold(builder, Builder::audience)
            }
            "algorithms" => builder.algorithms(texts(value)),
            "leeway" => builder.leeway(seconds(value)),
            "token_profile" => builder.token_profile(TokenProfile::Rfc9068),
            "trusted_endpoints" => builder.trusted_endpoints(texts(value)),
            "dpop_algorithms" => builder.dpop_algorithms(texts(value)),
            "dpop_nonces" => builder.dpop_nonces(NonceIssuer::new(NONCE_SECRET, NONCE_PERIOD)),
            "replay_store_fails" => builder.replay_store(Broken),
            "replay_fail_open" if *value == true => builder.replay_fail_open(),
            _ => builder,
        };
    }
    if let Some(store) = Store::of(case, world) {
        // The cases write entries without a MAC, as the reference does.
        builder = builder.cache(store, EntryAuthentication::unauthenticated_entries());
    }
    builder
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap_or_default()).unwrap_or_default()
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or_default())
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
    let mut given = json!({"iss": context.unverified_iss(), "url": context.request_url()});
    for (name, value) in context.request_headers() {
        let field = &mut given[format!("field {name}")];
        let mut values = field.as_array().cloned().unwrap_or_default();
        values.push(value.into());
        *field = values.into();
    }
    given
}
