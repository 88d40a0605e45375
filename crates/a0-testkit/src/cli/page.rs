//! The page that mints tokens and explains them. It works without JavaScript.

use http::Response;
use serde_json::{Map, Value};

use super::explain::{Explanation, explain};
use super::mint::{self, Order, Signature};
use crate::LocalTenant;
use crate::tenant::form;
use crate::tenant::html::{escape, page};

/// What the page shows in its fields.
pub(super) struct Form {
    sub: String,
    audience: String,
    scope: String,
    expires_in: String,
    claims: String,
    signature: String,
    token: String,
    message: Option<String>,
    explain: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            sub: "auth0|user".into(),
            audience: "https://api.example/".into(),
            scope: "read:things".into(),
            expires_in: "3600".into(),
            claims: "{}".into(),
            signature: "good".into(),
            token: String::new(),
            message: None,
            explain: false,
        }
    }
}

/// The signatures to choose from: the value of the field, and its label.
const SIGNATURES: [(&str, &str, Signature); 4] = [
    ("good", "by the tenant's key", Signature::Good),
    ("stranger", "by a key of somebody else", Signature::Stranger),
    ("broken", "broken", Signature::Broken),
    ("none", "none", Signature::None),
];

pub(super) fn submit(tenant: &LocalTenant, body: &[u8]) -> Response<Vec<u8>> {
    let mut form = Form::default();
    let mut action = String::new();
    for (name, value) in form::parse(body).unwrap_or_default() {
        let field = match name.as_str() {
            "action" => &mut action,
            "sub" => &mut form.sub,
            "audience" => &mut form.audience,
            "scope" => &mut form.scope,
            "expires_in" => &mut form.expires_in,
            "claims" => &mut form.claims,
            "signature" => &mut form.signature,
            "token" => &mut form.token,
            _ => continue,
        };
        *field = value;
    }
    match action.as_str() {
        "mint" => match minted(tenant, &form) {
            Ok(token) => form.token = token,
            Err(message) => form.message = Some(message),
        },
        "rotate" => {
            form.message = Some(match tenant.rotate_keys() {
                Ok(kid) => format!("The tenant signs with the new key {kid}."),
                Err(error) => error.to_string(),
            });
        }
        "explain" => {}
        _ => form.message = Some("The form has no action".into()),
    }
    form.explain = form.message.is_none();
    show(tenant, &form)
}

fn minted(tenant: &LocalTenant, form: &Form) -> Result<String, String> {
    let claims: Map<String, Value> = match form.claims.trim() {
        "" => Map::new(),
        text => serde_json::from_str(text)
            .map_err(|error| format!("The claims are not a JSON object: {error}"))?,
    };
    let expires_in = form.expires_in.trim().parse();
    let chosen = SIGNATURES
        .into_iter()
        .find(|(value, ..)| *value == form.signature);
    let (_, _, signature) = chosen.ok_or("The signature is not one of the list")?;
    let order = Order {
        sub: Some(form.sub.clone()),
        aud: Some(form.audience.clone().into()),
        scope: Some(form.scope.clone()),
        expires_in: Some(expires_in.map_err(|_| "The lifetime is not a number of seconds")?),
        claims,
        signature,
        ..Order::default()
    };
    mint::mint(tenant, order)
}

pub(super) fn show(tenant: &LocalTenant, form: &Form) -> Response<Vec<u8>> {
    let message = match &form.message {
        Some(message) => format!("<p class=\"error\" role=\"alert\">{}</p>", escape(message)),
        None => String::new(),
    };
    let explanation = if form.explain {
        explanation(&explain(tenant, form.token.trim(), &form.audience))
    } else {
        String::new()
    };
    let options: String = SIGNATURES
        .iter()
        .map(|(value, label, _)| {
            let selected = if *value == form.signature {
                " selected"
            } else {
                ""
            };
            format!("<option value=\"{value}\"{selected}>{label}</option>")
        })
        .collect();
    let text = |name: &str, label: &str, value: &str| {
        let value = escape(value);
        format!("<label>{label}<input type=\"text\" name=\"{name}\" value=\"{value}\"></label>\n")
    };
    let fields = [
        text("sub", "Subject (sub)", &form.sub),
        text("audience", "API (aud)", &form.audience),
        text("scope", "Scope", &form.scope),
        text(
            "expires_in",
            "Lifetime in seconds; negative: expired",
            &form.expires_in,
        ),
    ]
    .concat();
    let (claims, token) = (escape(&form.claims), escape(&form.token));
    let body = format!(
        "<p>Issuer: <code>{}</code>. This tenant trusts everybody: use it for development alone.</p>\n\
         {message}\n{explanation}\n\
         <form method=\"post\" action=\"/\">\n<fieldset><legend>Mint a token</legend>\n{fields}\
         <label>Further claims, in JSON; null removes one\
         <textarea name=\"claims\" rows=\"3\">\n{claims}</textarea></label>\n\
         <label>Signature<select name=\"signature\">{options}</select></label>\n\
         <button type=\"submit\" name=\"action\" value=\"mint\">Mint</button>\n</fieldset>\n\
         <fieldset><legend>Explain a token</legend>\n\
         <label>Token, for the API above\
         <textarea name=\"token\" rows=\"8\" spellcheck=\"false\">\n{token}</textarea></label>\n\
         <button type=\"submit\" name=\"action\" value=\"explain\">Explain</button>\n</fieldset>\n\
         <button type=\"submit\" name=\"action\" value=\"rotate\">Rotate the keys</button>\n</form>",
        escape(tenant.issuer()),
    );
    page(200, "Local tenant", &body)
}

fn explanation(explanation: &Explanation) -> String {
    let reasons = &explanation.reasons;
    let verdict = if reasons.is_empty() {
        "<p role=\"status\">An API with this identifier would accept the token.</p>".to_owned()
    } else {
        let items: String = reasons
            .iter()
            .map(|reason| format!("<li>{}</li>", escape(reason)))
            .collect();
        format!(
            "<p class=\"error\" role=\"alert\">An API would refuse the token:</p><ul>{items}</ul>"
        )
    };
    let notes: String = explanation
        .notes
        .iter()
        .map(|note| format!("<p>{}</p>", escape(note)))
        .collect();
    let part = |title: &str, value: &Option<Value>| match value {
        Some(value) => format!(
            "<h2>{title}</h2><pre>{}</pre>",
            escape(&format!("{value:#}"))
        ),
        None => String::new(),
    };
    [
        verdict,
        notes,
        part("Header", &explanation.header),
        part("Claims", &explanation.claims),
    ]
    .concat()
}
