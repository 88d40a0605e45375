//! What is asked of the token endpoint, and what comes of it.

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
    // If the types take it one day, this tool has to hand it over, and a row of the ledger goes.
    let unless = |taken, what: &str| match taken {
        false => Refusal::Plain(
            "CannotBeWritten",
            format!("{what} is no extra value by type"),
        ),
        true => Refusal::Plain("Untried", format!("{what} is an extra value by now")),
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

/// Asks the compiler whether a type can be an extra value.
struct Type<T>(PhantomData<T>);

/// Where it can be, this comes before the constant of the trait.
impl<T: Into<ExtraValue<'static>>> Type<T> {
    const IS_EXTRA_VALUE: bool = true;
}

trait OfAnyType {
    const IS_EXTRA_VALUE: bool = false;
}

impl<T> OfAnyType for Type<T> {}

// It can say yes.
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
