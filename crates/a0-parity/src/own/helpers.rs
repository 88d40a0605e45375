//! The functions that need no client.

use auth0_api::discovery::max_age;
use auth0_api::jose::Jwk;
use auth0_api::{get_current_actor, get_delegation_chain, normalize_domain};
use http::header::CACHE_CONTROL;
use serde_json::{Map, Value, json};

use super::{Refusal, text};

/// Returns the outcome of a helper, or `None` for a call of the client.
pub(super) fn helped(case: &Value) -> Option<Result<Value, Refusal>> {
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
