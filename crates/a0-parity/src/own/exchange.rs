//! Requests to the token endpoint, and their results.

use auth0_api::token_exchange::ExtraValue;
use auth0_api::{IssuedToken, TokenExchange};
use serde_json::{Value, json};

use super::{Refusal, text};

pub(super) fn exchange(arguments: &Value) -> Result<TokenExchange<'_>, Refusal> {
    let argument = |name| text(arguments, name);
    let mut request = TokenExchange::new(argument("subject_token"), argument("subject_token_type"))
        .audience(argument("audience"))
        .scope(argument("scope"))
        .requested_token_type(argument("requested_token_type"));
    for (name, value) in arguments["extra"].as_object().into_iter().flatten() {
        request = match value {
            Value::Array(values) => {
                let values: Result<Vec<ExtraValue<'_>>, Refusal> =
                    values.iter().map(extra_value).collect();
                request.extra_list(name, values?)
            }
            value => request.extra(name, extra_value(value)?),
        };
    }
    Ok(request)
}

fn extra_value(value: &Value) -> Result<ExtraValue<'_>, Refusal> {
    let none = |what| {
        let text = format!("{what} is no extra value by type");
        Err(Refusal::Plain("CannotBeWritten", text))
    };
    match value {
        Value::Null => none("None"),
        Value::Array(_) => none("a list in a list"),
        Value::Object(_) => none("an object"),
        Value::Bool(value) => Ok((*value).into()),
        Value::Number(value) if value.is_f64() => Ok(value.as_f64().unwrap_or_default().into()),
        Value::Number(value) => Ok(value.as_i64().unwrap_or_default().into()),
        Value::String(value) => Ok(value.as_str().into()),
    }
}

/// Does not compile once one of these types can be an extra value, since both constants are meant then.
/// This tool has to pass such a value on from then on, and a row of the ledger goes.
const _: () = {
    trait IsNone<A> {
        const IS_NONE: () = ();
    }
    impl<T> IsNone<()> for T {}
    impl<T: Into<ExtraValue<'static>>> IsNone<u8> for T {}
    let () = <Option<&str> as IsNone<_>>::IS_NONE;
    let () = <Vec<&str> as IsNone<_>>::IS_NONE;
    let () = <Value as IsNone<_>>::IS_NONE;
};

pub(super) fn issued(token: &IssuedToken, more: &[(&str, Option<&str>)]) -> Value {
    let mut value = json!({
        "access_token": token.access_token(),
        "expires_in": token.expires_in(),
        "expires_at": token.expires_at(),
    });
    let texts = [
        ("scope", token.scope()),
        ("token_type", token.token_type()),
        ("issued_token_type", token.issued_token_type()),
    ];
    for (name, text) in texts.iter().chain(more) {
        if let Some(text) = text {
            value[*name] = (*text).into();
        }
    }
    value
}
