//! What is asked of the token endpoint, and what comes of it.

use auth0_api::{IssuedToken, TokenExchange};
use serde_json::{Value, json};

use super::text;

pub(super) fn exchange(arguments: &Value) -> TokenExchange<'_> {
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

pub(super) fn issued(token: &IssuedToken) -> Value {
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
