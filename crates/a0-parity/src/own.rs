//! Puts a case through this SDK.

mod client;
mod exchange;
mod helpers;
mod transport;
mod world;

use auth0_api::{
    ApiClient, ConnectionToken, DpopProof, Error, ErrorKind, OnBehalfOf, RequestContext,
    TokenOptions,
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::tenant::METADATA;
use client::client;
use exchange::{exchange, issued};
use helpers::helped;
pub(crate) use transport::{ALONE, alone_in_its_process};
use world::{Shared, enter, locked};

pub(crate) fn outcome(case: &Value) -> Value {
    if case["network"].is_string() {
        return json!({ "network": transport::seen(case) });
    }
    let world = Shared::default();
    let mut outcome = match calls(case, &world) {
        Ok(value) => json!({ "value": value }),
        Err(Refusal::Plain(kind, text)) => json!({"kind": kind, "text": text}),
        Err(Refusal::Sdk(error)) => json!({
            "kind": kind(&error),
            "text": error.error_description(),
            "status": status(&error).as_u16(),
            "code": error.error_code(),
            "challenge": error.www_authenticate(),
        }),
    };
    let mut world = locked(&world);
    outcome["sent"] = Value::Array(std::mem::take(&mut world.sent));
    outcome["given"] = world.given.take();
    outcome
}

enum Refusal {
    Sdk(Error),
    Plain(&'static str, String),
}

/// Returns what the reference calls the status: for an error of the token endpoint, the endpoint's.
fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Api(api) => api.endpoint_status(),
        _ => error.status_code(),
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::Sdk(error)
    }
}

/// Makes the calls of a case. Only the outcome of the last one counts.
fn calls(case: &Value, world: &Shared) -> Result<Value, Refusal> {
    match helped(case)? {
        Some(value) => Ok(value),
        None => calls_of(&client(case, world)?, case, world),
    }
}

fn calls_of(client: &ApiClient, case: &Value, world: &Shared) -> Result<Value, Refusal> {
    for step in case["before"].as_array().into_iter().flatten() {
        let mut earlier = case.clone();
        for (name, value) in step.as_object().into_iter().flatten() {
            earlier[name] = value.clone();
        }
        enter(world, &earlier);
        let _ = call(client, &earlier);
    }
    enter(world, case);
    call(client, case)
}

/// Returns whether the last call is accepted although a new client without a store refuses it with the
/// metadata of each call and the keys of each. The documents of a store that both sides take count as
/// those of one call more. A client keeps documents, but must not accept more because of that.
pub(crate) fn accepts_a_mixture(case: &Value, outcome: &Value) -> bool {
    let stored = world::documents(case);
    if case["before"] == json!([]) && stored.is_none() {
        return false;
    }
    let steps = case["before"].as_array().into_iter().flatten();
    let documents = std::iter::once(case).chain(steps);
    let documents = documents.filter_map(|step| step.get("documents"));
    let documents: Vec<&Value> = documents.chain(&stored).collect();
    let alone = |metadata: &Value, others: &Value| {
        let mut alone = case.clone();
        alone["before"] = json!([]);
        alone["store"] = Value::Null;
        alone["documents"] = others.clone();
        alone["documents"][METADATA] = metadata[METADATA].clone();
        is_acceptance(&self::outcome(&alone))
    };
    let accepts = |metadata: &&Value| documents.iter().any(|others| alone(metadata, others));
    is_acceptance(outcome) && !documents.iter().any(accepts)
}

/// Returns whether the last call is accepted, while the plain case is refused: the option let in more
/// than it is for.
pub(crate) fn accepts_beyond_its_options(plain: &Value, outcome: &Value) -> bool {
    is_acceptance(outcome) && !is_acceptance(&self::outcome(plain))
}

pub(crate) fn is_acceptance(outcome: &Value) -> bool {
    outcome["kind"].is_null() && outcome["failed"].is_null()
}

fn call(client: &ApiClient, case: &Value) -> Result<Value, Refusal> {
    let arguments = &case["arguments"];
    let argument = |name| text(arguments, name);
    match text(case, "call") {
        "verify_request" => {
            let token = client.verify_request(context(case))?;
            Ok(token.as_object().clone().into())
        }
        "verify_access_token" => {
            let options = TokenOptions::new()
                .require(texts(&case["required_claims"]))
                .request(context(case));
            let token = client.verify_access_token_with(text(case, "token"), &options)?;
            Ok(token.as_object().clone().into())
        }
        "verify_dpop_proof" => {
            let [token, proof, method, url] =
                ["token", "proof", "method", "url"].map(|name| text(case, name));
            let proof = DpopProof::new(token, proof, method, url);
            let claims = client.verify_dpop_proof(&proof)?;
            Ok(claims.as_object().clone().into())
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
            Ok(issued(&client.get_token_on_behalf_of(&request)?, &[]))
        }
        _ => {
            let request = exchange(arguments)?;
            let response = client.get_token_by_exchange_profile(&request)?;
            let more = [
                ("id_token", response.id_token()),
                ("refresh_token", response.refresh_token()),
            ];
            Ok(issued(&response, &more))
        }
    }
}

fn context(case: &Value) -> RequestContext<'_> {
    let mut context = RequestContext::new();
    for pair in case["headers"].as_array().into_iter().flatten() {
        context = context.header(string(&pair[0]), string(&pair[1]));
    }
    if let Some(method) = case["method"].as_str() {
        context = context.method(method);
    }
    match case["url"].as_str() {
        Some(url) => context.url(url),
        None => context,
    }
}

/// Returns the name of the kind. The reference's error has the same name with `Error` behind it.
fn kind(error: &Error) -> String {
    let variant = format!("{:?}", error.kind());
    let name = variant.split(|it: char| !it.is_alphanumeric()).next();
    name.unwrap_or_default().to_owned()
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    string(&value[name])
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.map(|it| string(it).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Generator;

    /// The first word of each line, and the rest.
    fn lines(table: &str) -> impl Iterator<Item = (&str, &str)> {
        let lines = table.trim().lines();
        lines.map(|line| line.trim().split_once(' ').unwrap())
    }

    #[test]
    fn what_no_new_client_accepts_is_a_mixture() {
        // In the third case the metadata is that of one call, and the keys are those of the other.
        const MIXTURES: &str = r#"
            false token: later by 20 s
            false token: documents keys cannot be had; later by 700 s
            false token: documents keys: a stranger's, and signed with it; documents metadata cannot be had; later by 20 s
            true token: token signature is zero; later by 20 s
            true dpop: proof signature is zero; later by 20 s
            false token: token signature is zero
            false token: store has nothing
            false token: store has the documents; documents metadata cannot be had
            false token: documents keys: a stranger's, and signed with it; store has the documents
            true token: documents keys: a stranger's, and signed with it; store has the documents; token signature is zero
            false exchange: store has a token endpoint elsewhere
            true exchange: store has a token endpoint elsewhere; endpoint metadata token_endpoint="https://other.example/token"
        "#;
        let generator = Generator::new().unwrap();
        let accepted = json!({"value": {}});
        for (expected, name) in lines(MIXTURES) {
            let case = generator.named(name).unwrap().input;
            let found = accepts_a_mixture(&case, &accepted);
            assert_eq!(found.to_string(), expected, "{name}");
            assert!(!accepts_a_mixture(&case, &json!({"kind": "X"})), "{name}");
        }
    }

    #[test]
    fn what_an_option_lets_in_is_accepted_without_it_once_it_is_put_right() {
        const BEYOND: &str = r#"
            false token: own audiences=["https://old.example/"], and the token names it
            true token: own audiences=["https://old.example/"], and the token names it; token claim aud=["other"]
            true token: own audiences=["https://old.example/"], and the token names it; token signature is zero
            false token: own leeway=60 s, and the token expired 59 s ago
            true token: own leeway=60 s, and the token expired 60 s ago
            true token: own leeway=60 s, and the token expired 59 s ago; token claim iat="x"
            false token: own leeway=60 s; token claim nbf=1800000060
            true token: own leeway=1 s; token claim nbf=1800000060
            false token: own algorithms=["RS256","RS512"], and such a token and key
            false token: own algorithms=["RS256","ES256"], and such a token and key
            true token: own algorithms=["RS256","RS512"], and such a token and key; token signature is zero
            true token: own algorithms=["RS256","RS512"], and such a token and key; token signed with nothing
            true token: own algorithms=["RS256","ES256"], and such a token and key; token signed with a proof's key, and says so
            true token: own algorithms=["RS256","PS256"], and such a token and key; documents keys: a stranger's
            false token: own algorithms=["RS256","RS512"], and such a token and key; documents keys: the own without alg
            true token: own algorithms=["RS256","RS512"], and such a token and key; documents keys: the own without use
            true token: own algorithms=["RS256","ES256"]; documents keys: the own without alg; token signed with RS512 of the tenant's key, and says so
            false dpop: own-dpop algorithms=["ES256","ES384"], and such a proof
            true dpop: own-dpop algorithms=["ES256","ES384"], and such a proof; proof signature is zero
            true dpop: own-dpop algorithms=["ES256","ES384"], and such a proof; proof header jwk is another key
            false bearer: store has metadata of another issuer
            true token: store has metadata with keys elsewhere, and signed with one
        "#;
        let generator = Generator::new().unwrap();
        let (accepted, refused) = (json!({"value": {}}), json!({"kind": "X"}));
        for (beyond, name) in lines(BEYOND) {
            let plain = generator.named(name).unwrap().plain.unwrap();
            let found = accepts_beyond_its_options(&plain, &accepted);
            assert_eq!(found.to_string(), beyond, "{name}");
            assert!(!accepts_beyond_its_options(&plain, &refused), "{name}");
        }
        for name in [
            "token: token claim exp=-1",
            "token: own token_profile=rfc9068",
        ] {
            assert!(generator.named(name).unwrap().plain.is_none(), "{name}");
        }
    }

    #[test]
    fn a_token_endpoint_that_fails_is_a_network_error_or_a_timeout() {
        const CODES: &str = "
            network_error 502 refuses connections
            network_error 502 closes in the TLS handshake
            network_error 502 has an unknown certificate
            network_error 502 closes before an answer
            network_error 502 closes within its answer
            network_error 502 says gzip and sends text
            network_error 502 sends a content coding of its own
            invalid_response 502 sends 2 MiB
            timeout_error 504 stops within its answer
            timeout_error 504 sends its answer slowly
        ";
        let generator = Generator::new().unwrap();
        for flow in ["exchange", "obo", "connection"] {
            for (code, rest) in lines(CODES) {
                let (status, endpoint) = rest.split_once(' ').unwrap();
                // One flow is enough to wait for.
                if code == "timeout_error" && flow != "exchange" {
                    continue;
                }
                let name = format!("{flow}: endpoint-that {endpoint}");
                let outcome = outcome(&generator.named(&name).unwrap().input);
                assert_eq!(outcome["code"], code, "{name}");
                assert_eq!(outcome["status"].to_string(), status, "{name}");
                // The text names no cause: that is the error's source.
                let text = outcome["text"].as_str().unwrap();
                assert!(!text.contains(':'), "{name}: {text}");
            }
        }
    }

    #[test]
    fn the_store_of_a_case_is_read_and_what_keeps_nobody_out_is_accepted() {
        let generator = Generator::new().unwrap();
        for name in [
            "token: store has the documents; documents metadata cannot be had",
            "token: store has the documents; documents keys cannot be had",
            "token: own token_profile=rfc9068, and such a token",
            "dpop: own-dpop nonces, and the proof has one",
            "dpop: own-dpop the replay store fails, and is passed over",
        ] {
            let outcome = outcome(&generator.named(name).unwrap().input);
            assert!(is_acceptance(&outcome), "{name}: {outcome}");
        }
    }
}
