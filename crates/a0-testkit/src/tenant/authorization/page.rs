//! The login page, and the page of an error that must not be redirected.

use http::{Response, Uri};

use super::request::AuthorizationRequest;
use crate::LocalTenant;
use crate::tenant::directory::User;
use crate::tenant::html::{escape, page};

/// The form to choose a user and to allow what the client wants.
pub(super) fn login(
    tenant: &LocalTenant,
    transaction: &str,
    request: &AuthorizationRequest,
    users: &[User],
) -> Response<Vec<u8>> {
    let client = &request.client;
    let name = escape(client.name.as_deref().unwrap_or(&client.client_id));
    let client_id = escape(&client.client_id);
    let target = escape(&target(&request.answer.redirect_uri));
    let api = match &request.audience {
        Some(audience) => format!(
            "<p>It asks for access to <code>{}</code>.</p>",
            escape(audience)
        ),
        None => String::new(),
    };
    let scopes = if request.scopes.is_empty() {
        "<p>It asks for no scopes.</p>".to_owned()
    } else {
        let items = request.scopes.iter();
        let items: String = items
            .map(|scope| format!("<li><code>{}</code></li>", escape(scope)))
            .collect();
        format!("<p>It asks for these scopes:</p><ul>{items}</ul>")
    };
    let hint = request.login_hint.as_deref();
    let chosen = users
        .iter()
        .position(|user| hint.is_some_and(|hint| user.is_named(hint)))
        .unwrap_or_default();
    let users: String = users
        .iter()
        .enumerate()
        .map(|(index, user)| {
            let checked = if index == chosen { " checked" } else { "" };
            let (subject, label) = (escape(&user.subject), escape(user.label()));
            format!(
                "<label><input type=\"radio\" name=\"user\" value=\"{subject}\" required{checked}> \
                 {label} <code>{subject}</code></label>"
            )
        })
        .collect();
    let transaction = escape(transaction);
    let body = format!(
        "<p><strong>{name}</strong> (<code>{client_id}</code>) wants to log you in, and sends you \
         back to <code>{target}</code>.</p>\n{api}\n{scopes}\n\
         <form method=\"post\" action=\"/u/login\">\n\
         <input type=\"hidden\" name=\"transaction\" value=\"{transaction}\">\n\
         <fieldset><legend>Log in as</legend>{users}</fieldset>\n\
         <button type=\"submit\" name=\"decision\" value=\"allow\">Log in and allow</button>\n\
         <button type=\"submit\" name=\"decision\" value=\"deny\">Deny</button>\n</form>\n\
         <p>This is a tenant for development. It asks for no password.</p>"
    );
    page(200, &format!("Log in to {}", tenant.domain()), &body)
}

/// `received` is shown as it came; empty if there is nothing to show.
pub(super) fn error(status: u16, message: &str, received: &str) -> Response<Vec<u8>> {
    const MOST: usize = 500;
    let shown: String = received.chars().take(MOST).collect();
    let shown = if shown.is_empty() {
        String::new()
    } else {
        format!("<p>Received: <code>{}</code></p>", escape(&shown))
    };
    let body = format!(
        "<p class=\"error\" role=\"alert\">{}</p>\n{shown}\n<p>The request was not answered at the \
         redirect_uri.</p>",
        escape(message)
    );
    page(status, "This request cannot be carried out", &body)
}

/// The part of a redirect URI that tells a user where it leads.
fn target(redirect_uri: &str) -> String {
    let uri = redirect_uri.parse::<Uri>().ok();
    let authority = uri.and_then(|uri| Some(uri.authority()?.to_string()));
    authority.unwrap_or_else(|| redirect_uri.to_owned())
}
