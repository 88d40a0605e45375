//! The authorization endpoint, and the login page behind it.

mod browser;
mod page;
mod request;

use http::header::{CACHE_CONTROL, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use http::{Method, Request, Response};

use super::grants::{Code, Grant};
use super::options::{Feature, Login};
use super::store::Store;
use super::{LocalTenant, form};
use crate::signing::random;
use crate::{minting, reply};
pub(super) use browser::Browser;
pub(crate) use browser::is_cross_site;
use request::{Answer, AuthorizationRequest};

/// How long a login page can be used, in seconds.
const PAGE_LIFETIME: i64 = 600;

/// Logins that began, and browsers that have a cookie.
pub(super) struct Logins {
    transactions: Store<Transaction>,
    browsers: Store<Browser>,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            transactions: Store::new(1_000),
            browsers: Store::new(1_000),
        }
    }
}

/// A login page that was sent to a browser.
struct Transaction {
    request: AuthorizationRequest,
    /// The cookie of the browser.
    browser: String,
    expires_at: i64,
}

/// Why a request gets no code.
enum Refusal {
    Page {
        message: String,
        received: String,
    },
    Redirect {
        answer: Answer,
        error: &'static str,
        description: String,
    },
    Failure,
}

impl Refusal {
    fn page(message: &str, received: &str) -> Self {
        Self::Page {
            message: message.to_owned(),
            received: received.to_owned(),
        }
    }

    fn redirect(answer: Answer, error: &'static str, description: impl Into<String>) -> Self {
        Self::Redirect {
            answer,
            error,
            description: description.into(),
        }
    }
}

impl From<crate::Error> for Refusal {
    fn from(_: crate::Error) -> Self {
        Self::Failure
    }
}

type Answered = Result<Response<Vec<u8>>, Refusal>;

/// The authorization endpoint (OAuth 2.1 section 4.1).
pub(super) fn authorize(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    let encoded = if request.method() == Method::POST {
        request.body().as_slice()
    } else {
        request.uri().query().unwrap_or_default().as_bytes()
    };
    let answered = AuthorizationRequest::parse(tenant, encoded).and_then(|wanted| {
        match tenant.with_state(|state| state.options.login) {
            Login::Automatic => log_in_first(tenant, &wanted),
            Login::Page => silently_or_by_page(tenant, wanted, browser::cookie(request)),
        }
    });
    answered.unwrap_or_else(|refusal| refuse(tenant, request, refusal))
}

fn log_in_first(tenant: &LocalTenant, wanted: &AuthorizationRequest) -> Answered {
    let users = tenant.with_state(|state| state.directory.users());
    let hint = wanted.login_hint.as_deref();
    let hinted = users
        .iter()
        .find(|user| hint.is_some_and(|hint| user.is_named(hint)));
    let user = hinted.or(users.first()).ok_or(Refusal::Failure)?;
    issue_code(tenant, 302, wanted, &user.subject, tenant.unix_now())
}

fn silently_or_by_page(
    tenant: &LocalTenant,
    wanted: AuthorizationRequest,
    cookie: Option<&str>,
) -> Answered {
    let now = tenant.unix_now();
    let known = cookie.and_then(|id| {
        let browser = tenant.with_state(|state| state.logins.browsers.get(id).cloned());
        Some((id.to_owned(), browser?))
    });
    let browser = known.as_ref().map(|(_, browser)| browser);
    let user = browser.and_then(|browser| {
        let user = browser.logged_in(&wanted, now)?;
        tenant.with_state(|state| state.directory.user(user))
    });
    let consented = browser
        .zip(user.as_ref())
        .is_some_and(|(browser, user)| browser.consented(&wanted, &user.subject));
    match (user, browser) {
        (Some(user), Some(browser)) if consented => {
            return issue_code(tenant, 302, &wanted, &user.subject, browser.auth_time);
        }
        (user, _) if wanted.prompts("none") => {
            let (error, description) = match user {
                Some(_) => ("consent_required", "The user did not allow this yet"),
                None => ("login_required", "No user is logged in"),
            };
            return Err(Refusal::redirect(wanted.answer, error, description));
        }
        _ => {}
    }

    let (transaction, fresh) = (secret()?, secret()?);
    let id = known.map_or(fresh, |(id, _)| id);
    let users = tenant.with_state(|state| state.directory.users());
    let mut response = page::login(tenant, &transaction, &wanted, &users);
    if let Some(cookie) = browser::set_cookie(&id) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    tenant.with_state(|state| {
        if state.logins.browsers.get(&id).is_none() {
            state.logins.browsers.insert(id.clone(), Browser::default());
        }
        let entry = Transaction {
            request: wanted,
            browser: id,
            expires_at: now.saturating_add(PAGE_LIFETIME),
        };
        state.logins.transactions.insert(transaction, entry);
    });
    Ok(response)
}

/// The form of the login page.
pub(super) fn log_in(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Response<Vec<u8>> {
    decide(tenant, request).unwrap_or_else(|refusal| refuse(tenant, request, refusal))
}

fn decide(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> Answered {
    let stale = || {
        let message = "This login page is not of this browser, was used before, or is too old";
        Refusal::page(message, "")
    };
    // The transaction is a secret that only the page has, and it works only with the cookie of the
    // browser that got the page. The origin is checked besides.
    if is_cross_site(tenant, request) {
        return Err(Refusal::page("Another site sent this form", ""));
    }
    let fields = form::parse(request.body()).ok_or_else(stale)?;
    let field = |name: &str| {
        let mut values = fields.iter().filter(|(other, _)| other == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value.as_str())
    };
    let cookie = browser::cookie(request).ok_or_else(stale)?;
    let id = field("transaction").ok_or_else(stale)?;
    let now = tenant.unix_now();
    let transaction = tenant.with_state(|state| {
        let open = &mut state.logins.transactions;
        let is_of_browser = open.get(id).is_some_and(|it| it.browser == cookie);
        is_of_browser.then(|| open.remove(id)).flatten()
    });
    let transaction = transaction
        .filter(|it| now < it.expires_at)
        .ok_or_else(stale)?;
    let wanted = transaction.request;
    let user = field("user").and_then(|user| tenant.with_state(|state| state.directory.user(user)));
    match (field("decision"), user) {
        (Some("allow"), Some(user)) => {
            // A browser gets another cookie with its login, so that one that somebody planted is
            // worth nothing.
            let fresh = secret()?;
            tenant.with_state(|state| {
                let browsers = &mut state.logins.browsers;
                let mut browser = browsers.remove(cookie).unwrap_or_default();
                browser.log_in(&wanted, &user.subject, now);
                browsers.insert(fresh.clone(), browser);
            });
            let mut response = issue_code(tenant, 303, &wanted, &user.subject, now)?;
            if let Some(cookie) = browser::set_cookie(&fresh) {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            Ok(response)
        }
        (Some("deny"), _) => {
            let description = "The user denied the request";
            Err(Refusal::redirect(
                wanted.answer,
                "access_denied",
                description,
            ))
        }
        _ => Err(Refusal::page("The form lacks a user or a decision", "")),
    }
}

fn issue_code(
    tenant: &LocalTenant,
    status: u16,
    wanted: &AuthorizationRequest,
    subject: &str,
    auth_time: i64,
) -> Answered {
    let code = secret()?;
    let now = tenant.unix_now();
    tenant.with_state(|state| {
        let family = state.grants.new_family();
        let lifetime = state.options.code_lifetime;
        let entry = Code {
            grant: Grant {
                client_id: wanted.client.client_id.clone(),
                subject: subject.to_owned(),
                audience: wanted.audience.clone(),
                scopes: wanted.scopes.clone(),
                nonce: wanted.nonce.clone(),
                auth_time,
            },
            redirect_uri: wanted.answer.redirect_uri.clone(),
            challenge: wanted.challenge.clone(),
            dpop_jkt: wanted.dpop_jkt.clone(),
            expires_at: now.saturating_add(lifetime),
            family,
            used: false,
        };
        state.grants.insert_code(code.clone(), entry);
    });
    Ok(redirect(tenant, status, &wanted.answer, &[("code", &code)]))
}

fn refuse(tenant: &LocalTenant, request: &Request<Vec<u8>>, refusal: Refusal) -> Response<Vec<u8>> {
    // After a form, 303 makes the browser send a GET (RFC 9700 section 4.12).
    let status = if request.method() == Method::POST {
        303
    } else {
        302
    };
    match refusal {
        Refusal::Page { message, received } => page::error(400, &message, &received),
        Refusal::Failure => page::error(500, "The tenant could not make a random number", ""),
        Refusal::Redirect {
            answer,
            error,
            description,
        } => {
            let parameters = [("error", error), ("error_description", &description)];
            redirect(tenant, status, &answer, &parameters)
        }
    }
}

/// A response at the redirect URI, with `state` and `iss` (RFC 9207), which errors have too.
fn redirect(
    tenant: &LocalTenant,
    status: u16,
    answer: &Answer,
    parameters: &[(&str, &str)],
) -> Response<Vec<u8>> {
    let mut parameters = parameters.to_vec();
    parameters.extend(answer.state.as_deref().map(|state| ("state", state)));
    if tenant.supports(Feature::AuthorizationResponseIss) {
        parameters.push(("iss", tenant.issuer()));
    }
    let uri = &answer.redirect_uri;
    let separator = match uri.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let location = format!("{uri}{separator}{}", form::encode(&parameters));
    let mut response = reply::response(status, Vec::new());
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(LOCATION, location);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// 256 random bits in base64url.
pub(super) fn secret() -> Result<String, crate::Error> {
    Ok(minting::base64url(&random::<32>()?))
}
