//! A case through this SDK.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use auth0_api::{
    ApiClient, ConnectionToken, DpopMode, DpopProof, Error, ErrorKind, IssuedToken, OnBehalfOf,
    RequestContext, TokenExchange, TokenOptions, get_current_actor, get_delegation_chain,
    normalize_domain,
};
use http::{Method, Request, Response};
use serde_json::{Map, Value, json};

type Sent = Arc<Mutex<Vec<Value>>>;

pub(crate) fn outcome(case: &Value) -> Value {
    let sent = Sent::default();
    let mut outcome = match call(case, &sent) {
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
    let sent = std::mem::take(&mut *sent.lock().unwrap_or_else(PoisonError::into_inner));
    outcome["sent"] = Value::Array(sent);
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

fn call(case: &Value, sent: &Sent) -> Result<Value, Refusal> {
    let no_claims = Map::new();
    let claims = case["claims"].as_object().unwrap_or(&no_claims);
    let plain = |error: &dyn std::fmt::Display| Refusal::Plain("BaseAuth", error.to_string());
    let actor =
        |error: auth0_api::act::ActError| Refusal::Plain("VerifyAccessToken", error.to_string());
    match text(case, "call") {
        "normalize_domain" => {
            let domain = normalize_domain(text(case, "text"));
            return domain
                .map(|issuer| issuer.as_str().into())
                .map_err(|error| plain(&error));
        }
        "get_current_actor" => {
            let current = get_current_actor(claims).map_err(actor)?;
            return Ok(json!(current.map(|actor| actor.sub())));
        }
        "get_delegation_chain" => {
            let chain = get_delegation_chain(claims).map_err(actor)?;
            return Ok(chain.iter().map(|actor| actor.sub()).collect());
        }
        _ => {}
    }
    let client = client(case, sent)?;
    let arguments = &case["arguments"];
    let argument = |name| text(arguments, name);
    match text(case, "call") {
        "verify_request" => {
            if case["twice"] == true {
                client.verify_request(context(case))?;
            }
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
            if case["twice"] == true {
                client.verify_dpop_proof(&proof)?;
            }
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

fn client(case: &Value, sent: &Sent) -> Result<ApiClient, Error> {
    let now = UNIX_EPOCH + Duration::from_secs(case["now"].as_u64().unwrap_or_default());
    let documents = case["documents"].clone();
    let sent = Arc::clone(sent);
    let mut builder = ApiClient::builder()
        .audience(text(case, "audience"))
        .clock(move || now)
        .dpop(match text(case, "mode") {
            "disabled" => DpopMode::Disabled,
            "required" => DpopMode::Required,
            _ => DpopMode::Allowed,
        })
        .http_client(move |request: Request<Vec<u8>>| answer(&documents, &sent, &request));
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

fn answer(
    documents: &Value,
    sent: &Sent,
    request: &Request<Vec<u8>>,
) -> std::io::Result<Response<Vec<u8>>> {
    if request.method() == Method::POST {
        let authorization = request.headers().get("authorization");
        sent.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(json!({
                "form": String::from_utf8_lossy(request.body()),
                "authorization": authorization.and_then(|value| value.to_str().ok()),
            }));
    }
    let document = &documents[request.uri().to_string()];
    let Some(status) = document["status"].as_u64() else {
        return Err(std::io::ErrorKind::ConnectionRefused.into());
    };
    Response::builder()
        .status(u16::try_from(status).unwrap_or_default())
        .header("content-type", text(document, "type"))
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
