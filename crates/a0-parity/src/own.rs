//! A case through this SDK.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use auth0_api::discovery::max_age;
use auth0_api::jose::Jwk;
use auth0_api::{
    ApiClient, Builder, ConnectionToken, DpopMode, DpopProof, Error, ErrorKind, IssuedToken,
    OnBehalfOf, Refresh, RequestContext, TokenExchange, TokenOptions, get_current_actor,
    get_delegation_chain, normalize_domain,
};
use http::header::CACHE_CONTROL;
use http::{Method, Request, Response};
use serde_json::{Map, Value, json};

use crate::draft::METADATA;

/// What the servers and the clock of a call are, and what was sent to the token endpoint.
#[derive(Default)]
struct World {
    now: u64,
    documents: Value,
    sent: Vec<Value>,
}

type Shared = Arc<Mutex<World>>;

fn locked(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn outcome(case: &Value) -> Value {
    let world = Shared::default();
    let mut outcome = match calls(case, &world) {
        Ok(value) => json!({ "value": value }),
        Err(Refusal::Plain(kind, text)) => json!({"kind": kind, "text": text}),
        Err(Refusal::Sdk(error)) => json!({
            "kind": kind(&error),
            "text": error.error_description(),
            "status": error.status_code().as_u16(),
            "code": error.error_code(),
            "challenge": error.www_authenticate(),
        }),
    };
    outcome["sent"] = Value::Array(std::mem::take(&mut locked(&world).sent));
    outcome
}

enum Refusal {
    Sdk(Error),
    Plain(&'static str, String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Sdk(error)
    }
}

/// The calls before the one that counts, and that one. The outcomes of those before do not count.
fn calls(case: &Value, world: &Shared) -> Result<Value, Refusal> {
    if let Some(outcome) = helped(case) {
        return outcome;
    }
    let client = client(case, world)?;
    for step in case["before"].as_array().into_iter().flatten() {
        let mut earlier = case.clone();
        for (name, value) in step.as_object().into_iter().flatten() {
            earlier[name] = value.clone();
        }
        enter(world, &earlier);
        let _ = call(&client, &earlier);
    }
    enter(world, case);
    call(&client, case)
}

/// Whether the call that counts is accepted although a new client would refuse it with the metadata
/// of any of the calls and the keys of any. A client keeps documents; it does not mix them.
pub(crate) fn accepts_a_mixture(case: &Value, outcome: &Value) -> bool {
    let Some(steps) = case["before"].as_array() else {
        return false;
    };
    let documents = [case].into_iter().chain(steps);
    let documents: Vec<&Value> = documents.filter_map(|step| step.get("documents")).collect();
    let alone = |metadata: &Value, others: &Value| {
        let mut alone = case.clone();
        alone["before"] = Value::Null;
        alone["documents"] = others.clone();
        alone["documents"][METADATA] = metadata[METADATA].clone();
        is_acceptance(&self::outcome(&alone))
    };
    let mut pairs = documents
        .iter()
        .flat_map(|metadata| documents.iter().map(move |others| (metadata, others)));
    is_acceptance(outcome) && !pairs.any(|(metadata, others)| alone(metadata, others))
}

fn is_acceptance(outcome: &Value) -> bool {
    outcome["kind"].is_null()
}

fn enter(world: &Shared, case: &Value) {
    *locked(world) = World {
        now: case["now"].as_u64().unwrap_or_default(),
        documents: case["documents"].clone(),
        sent: Vec::new(),
    };
}

/// The functions beside the client.
fn helped(case: &Value) -> Option<Result<Value, Refusal>> {
    let no_claims = Map::new();
    let claims = case["claims"].as_object().unwrap_or(&no_claims);
    let plain = |error: &dyn std::fmt::Display| Refusal::Plain("BaseAuth", error.to_string());
    let actor =
        |error: auth0_api::act::ActError| Refusal::Plain("VerifyAccessToken", error.to_string());
    let outcome = match text(case, "call") {
        "normalize_domain" => normalize_domain(text(case, "text"))
            .map(|issuer| issuer.as_str().into())
            .map_err(|error| plain(&error)),
        "get_current_actor" => get_current_actor(claims)
            .map(|current| json!(current.map(|actor| actor.sub())))
            .map_err(actor),
        "get_delegation_chain" => get_delegation_chain(claims)
            .map(|chain| chain.iter().map(|actor| actor.sub()).collect())
            .map_err(actor),
        "calculate_jwk_thumbprint" => {
            let key = case["key"].as_object().unwrap_or(&no_claims);
            let key = Jwk::from_object(key).map_err(|error| plain(&error));
            key.map(|key| key.thumbprint().to_string().into())
        }
        "parse_cache_control_max_age" => {
            let fields = text(case, "text")
                .parse()
                .map(|field| (CACHE_CONTROL, field));
            let age = max_age(&fields.into_iter().collect());
            Ok(json!(age.map(|age| age.as_secs())))
        }
        _ => return None,
    };
    Some(outcome)
}

fn call(client: &ApiClient, case: &Value) -> Result<Value, Refusal> {
    let arguments = &case["arguments"];
    let argument = |name| text(arguments, name);
    match text(case, "call") {
        "verify_request" => {
            let token = client.verify_request(context(case))?;
            Ok(Value::Object(token.as_object().clone()))
        }
        "verify_access_token" => {
            let options = TokenOptions::new().require(texts(&case["required_claims"]));
            let token = client.verify_access_token_with(text(case, "token"), &options)?;
            Ok(Value::Object(token.as_object().clone()))
        }
        "verify_dpop_proof" => {
            let [token, proof, method, url] =
                ["token", "proof", "method", "url"].map(|name| text(case, name));
            let proof = DpopProof::new(token, proof, method, url);
            let claims = client.verify_dpop_proof(&proof)?;
            Ok(Value::Object(claims.as_object().clone()))
        }
        "get_access_token_for_connection" => {
            let request = ConnectionToken::new(argument("connection"), argument("access_token"))
                .login_hint(argument("login_hint"));
            let token = client.get_access_token_for_connection(&request)?;
            Ok(json!({
                "access_token": token.access_token(),
                "expires_at": token.expires_at(),
                "scope": token.scope().unwrap_or_default(),
            }))
        }
        "get_token_on_behalf_of" => {
            let request = OnBehalfOf::new(argument("access_token"), argument("audience"))
                .scope(argument("scope"));
            Ok(issued(&client.get_token_on_behalf_of(&request)?))
        }
        _ => {
            let request = exchange(arguments);
            let response = client.get_token_by_exchange_profile(&request)?;
            let mut value = issued(&response);
            for (name, text) in [
                ("id_token", response.id_token()),
                ("refresh_token", response.refresh_token()),
            ] {
                if let Some(text) = text {
                    value[name] = text.into();
                }
            }
            Ok(value)
        }
    }
}

fn exchange(arguments: &Value) -> TokenExchange<'_> {
    let argument = |name| text(arguments, name);
    let mut request = TokenExchange::new(argument("subject_token"), argument("subject_token_type"))
        .audience(argument("audience"))
        .scope(argument("scope"))
        .requested_token_type(argument("requested_token_type"));
    for (name, value) in arguments["extra"].as_object().into_iter().flatten() {
        request = match value {
            Value::Array(values) => {
                let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
                request.extra_list(name, values)
            }
            Value::Bool(value) => request.extra(name, *value),
            Value::Number(value) if value.is_f64() => {
                request.extra(name, value.as_f64().unwrap_or_default())
            }
            Value::Number(value) => request.extra(name, value.as_i64().unwrap_or_default()),
            value => request.extra(name, value.as_str().unwrap_or_default()),
        };
    }
    request
}

fn issued(token: &IssuedToken) -> Value {
    let mut value = json!({
        "access_token": token.access_token(),
        "expires_in": token.expires_in(),
        "expires_at": token.expires_at(),
    });
    for (name, text) in [
        ("scope", token.scope()),
        ("token_type", token.token_type()),
        ("issued_token_type", token.issued_token_type()),
    ] {
        if let Some(text) = text {
            value[name] = text.into();
        }
    }
    value
}

type Set = fn(Builder, Duration) -> Builder;

fn client(case: &Value, world: &Shared) -> Result<ApiClient, Error> {
    let [clock, servers] = [world, world].map(Arc::clone);
    let mut builder = ApiClient::builder()
        .clock(move || UNIX_EPOCH + Duration::from_secs(locked(&clock).now))
        // A refresh on a thread would end when it likes.
        .cache_refresh(Refresh::Inline)
        .http_client(move |request: Request<Vec<u8>>| answer(&mut locked(&servers), &request));
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
        // Two flags are what the environment has.
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
        let domains = texts(&case["resolver"]);
        builder = builder.domains_resolver(move |_| Ok::<_, std::io::Error>(domains.clone()));
    }
    if let Some(id) = case["client_id"].as_str() {
        builder = builder.client_id(id);
    }
    if let Some(secret) = case["client_secret"].as_str() {
        builder = builder.client_secret(secret);
    }
    builder.build()
}

fn answer(world: &mut World, request: &Request<Vec<u8>>) -> std::io::Result<Response<Vec<u8>>> {
    if request.method() == Method::POST {
        let authorization = request.headers().get("authorization");
        world.sent.push(json!({
            "form": String::from_utf8_lossy(request.body()),
            "authorization": authorization.and_then(|value| value.to_str().ok()),
        }));
    }
    let document = &world.documents[request.uri().to_string()];
    let Some(status) = document["status"].as_u64() else {
        return Err(std::io::ErrorKind::ConnectionRefused.into());
    };
    let mut response = Response::builder()
        .status(u16::try_from(status).unwrap_or_default())
        .header("content-type", text(document, "type"));
    if let Some(cache) = document["cache"].as_str() {
        response = response.header("cache-control", cache);
    }
    response
        .body(text(document, "body").as_bytes().to_vec())
        .map_err(std::io::Error::other)
}

fn context(case: &Value) -> RequestContext<'_> {
    let mut context = RequestContext::new();
    for pair in case["headers"].as_array().into_iter().flatten() {
        if let (Some(name), Some(value)) = (pair[0].as_str(), pair[1].as_str()) {
            context = context.header(name, value);
        }
    }
    if let Some(method) = case["method"].as_str() {
        context = context.method(method);
    }
    match case["url"].as_str() {
        Some(url) => context.url(url),
        None => context,
    }
}

/// The reference's name of the kind, without `Error`.
fn kind(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::MissingAuthorization => "MissingAuthorization",
        ErrorKind::InvalidAuthScheme(_) => "InvalidAuthScheme",
        ErrorKind::MissingRequiredArgument { .. } => "MissingRequiredArgument",
        ErrorKind::VerifyAccessToken(_) => "VerifyAccessToken",
        ErrorKind::InvalidDpopProof(_) => "InvalidDpopProof",
        ErrorKind::UseDpopNonce { .. } => "UseDpopNonce",
        ErrorKind::Unavailable(_) => "Unavailable",
        ErrorKind::Configuration(_) => "Configuration",
        ErrorKind::DomainsResolver(_) => "DomainsResolver",
        ErrorKind::GetTokenByExchangeProfile(_) => "GetTokenByExchangeProfile",
        ErrorKind::GetAccessTokenForConnection(_) => "GetAccessTokenForConnection",
        ErrorKind::Api(_) => "Api",
        _ => "a kind that is new",
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Generator;

    #[test]
    fn what_no_new_client_accepts_is_a_mixture() {
        let generator = Generator::new().unwrap();
        let accepted = json!({"value": {}});
        for (name, expected) in [
            ("token: later by 20 s", false),
            ("token: documents keys cannot be had; later by 700 s", false),
            // The metadata of one call, the keys of the other.
            (
                "token: documents keys: a stranger's, and signed with it; \
                 documents metadata cannot be had; later by 20 s",
                false,
            ),
            ("token: token signature is zero; later by 20 s", true),
            ("dpop: proof signature is zero; later by 20 s", true),
            ("token: token signature is zero", false),
        ] {
            let case = generator.named(name).unwrap().input;
            assert_eq!(accepts_a_mixture(&case, &accepted), expected, "{name}");
            assert!(!accepts_a_mixture(&case, &json!({"kind": "X"})), "{name}");
        }
    }
}
