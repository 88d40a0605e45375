//! What the tenant knows about a browser, by its cookie.

use http::Request;
use http::header::{COOKIE, HeaderName, HeaderValue, ORIGIN};

use super::request::AuthorizationRequest;
use crate::LocalTenant;

/// With this prefix, a browser takes the cookie from `https` pages of this host alone.
const COOKIE_NAME: &str = "__Host-a0-tenant";

/// A browser in which a user logged in.
#[derive(Clone, Default)]
pub(in crate::tenant) struct Browser {
    pub(super) user: Option<String>,
    pub(super) auth_time: i64,
    consents: Vec<Consent>,
}

#[derive(Clone, PartialEq, Eq)]
struct Consent {
    user: String,
    client_id: String,
    redirect_uri: String,
    audience: Option<String>,
    scopes: Vec<String>,
}

impl Consent {
    fn to(request: &AuthorizationRequest, user: &str) -> Self {
        Self {
            user: user.to_owned(),
            client_id: request.client.client_id.clone(),
            redirect_uri: request.answer.redirect_uri.clone(),
            audience: request.audience.clone(),
            scopes: request.scopes.clone(),
        }
    }
}

impl Browser {
    /// The user, if the request accepts the login that this browser has.
    pub(super) fn logged_in(&self, request: &AuthorizationRequest, now: i64) -> Option<&str> {
        let too_old = request
            .max_age
            .is_some_and(|max| now.saturating_sub(self.auth_time) > max);
        let again = request.prompts("login") || request.prompts("select_account");
        self.user.as_deref().filter(|_| !too_old && !again)
    }

    /// Whether this user allowed the client all of this before.
    pub(super) fn consented(&self, request: &AuthorizationRequest, user: &str) -> bool {
        let wanted = Consent::to(request, user);
        !request.prompts("consent")
            && self.consents.iter().any(|given| {
                let scopes = wanted.scopes.iter();
                let covered = scopes.clone().all(|scope| given.scopes.contains(scope));
                let same = Consent {
                    scopes: wanted.scopes.clone(),
                    ..given.clone()
                } == wanted;
                covered && same
            })
    }

    pub(super) fn log_in(&mut self, request: &AuthorizationRequest, user: &str, now: i64) {
        const MOST: usize = 100;
        self.user = Some(user.to_owned());
        self.auth_time = now;
        if self.consents.len() >= MOST {
            self.consents.remove(0);
        }
        self.consents.push(Consent::to(request, user));
    }
}

/// The value of the tenant's cookie.
pub(super) fn cookie(request: &Request<Vec<u8>>) -> Option<&str> {
    let fields = request.headers().get_all(COOKIE).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
        .filter(|value| !value.is_empty())
}

pub(super) fn set_cookie(value: &str) -> Option<HeaderValue> {
    let attributes = "Path=/; Secure; HttpOnly; SameSite=Lax";
    HeaderValue::from_str(&format!("{COOKIE_NAME}={value}; {attributes}")).ok()
}

/// Whether a page of another origin made the browser send this request.
pub(crate) fn is_cross_site(tenant: &LocalTenant, request: &Request<Vec<u8>>) -> bool {
    let headers = request.headers();
    let own = tenant.issuer().trim_end_matches('/');
    let fetch_site = headers.get(HeaderName::from_static("sec-fetch-site"));
    headers.get(ORIGIN).is_some_and(|origin| origin != own)
        || fetch_site.is_some_and(|site| site != "same-origin" && site != "none")
}
