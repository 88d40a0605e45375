//! Requests to the token endpoint, and their results.

use std::marker::PhantomData;

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
    // Once the types accept such a value, this tool has to pass it on, and a row of the ledger goes.
    let unless = |taken, what: &str| {
        if taken {
            Refusal::Plain("Untried", format!("{what} is an extra value by now"))
        } else {
            let text = format!("{what} is no extra value by type");
            Refusal::Plain("CannotBeWritten", text)
        }
    };
    match value {
        Value::Null => Err(unless(Type::<Option<&str>>::IS_EXTRA_VALUE, "None")),
        Value::Array(_) => Err(unless(
            Type::<Vec<&str>>::IS_EXTRA_VALUE,
            "a list in a list",
        )),
        Value::Object(_) => Err(unless(Type::<Value>::IS_EXTRA_VALUE, "an object")),
        Value::Bool(value) => Ok((*value).into()),
        Value::Number(value) if value.is_f64() => Ok(value.as_f64().unwrap_or_default().into()),
        Value::Number(value) => Ok(value.as_i64().unwrap_or_default().into()),
        Value::String(value) => Ok(value.as_str().into()),
    }
}

/// Lets the compiler say whether a type can be an extra value.
struct Type<T>(PhantomData<T>);

/// For such a type this constant takes precedence over that of the trait.
impl<T: Into<ExtraValue<'static>>> Type<T> {
    const IS_EXTRA_VALUE: bool = true;
}

trait OfAnyType {
    const IS_EXTRA_VALUE: bool = false;
}

impl<T> OfAnyType for Type<T> {}

// The constant can be true.
const _: () = assert!(Type::<&str>::IS_EXTRA_VALUE);

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
