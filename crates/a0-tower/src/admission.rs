//! Decides whether a request may go on to the inner service.

use std::sync::Arc;

use auth0_api::{Error, ErrorKind, Policy, RequestContext, SchemeError, VerifiedToken};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use crate::auth::{Settings, both};
use crate::mark::{LayerPolicy, Mark, Outcome, judge};
use crate::nonce;

pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The layer's decision about one request.
pub(crate) enum Decision {
    Pass {
        parts: Parts,
        /// A nonce that the client does not have yet, for the response.
        nonce: Option<HeaderValue>,
    },
    Refuse(Response<String>),
}

/// Verifies the request and marks it for the extractors. `outer` is the result of an outer layer.
pub(crate) async fn decide(
    settings: Arc<Settings>,
    mut parts: Parts,
    outer: Option<Mark>,
) -> Decision {
    let outer = outer.filter(|mark| mark.layer.settings.client.is_clone_of(&settings.client));
    let (before, verified) = match outer {
        Some(mark) => (mark.layer.policy, mark.outcome.into_result()),
        None => (None, settings.client.verify_request(context(&parts)).await),
    };
    let outcome = match verified {
        Ok(token) => authorize(&settings, before.as_ref(), token),
        Err(refusal) => admit(&settings, &parts, refusal),
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(refusal) => return Decision::Refuse(settings.answer(&refusal)),
    };
    let policy = match &settings.policy {
        Some(policy) => Some(both(before, policy.clone())),
        None => before,
    };
    let nonce = match &outcome {
        Outcome::Verified(token) => nonce::to_send(&settings.client, token, &parts.headers),
        Outcome::Anonymous { .. } => None,
    };
    let layer = LayerPolicy { settings, policy };
    parts.extensions.insert(Mark { layer, outcome });
    Decision::Pass { parts, nonce }
}

fn authorize(
    settings: &Settings,
    before: Option<&Policy>,
    token: VerifiedToken,
) -> Result<Outcome, Error> {
    if let Some(policy) = &settings.policy {
        judge(&token, before, policy)?;
    }
    Ok(Outcome::Verified(token))
}

/// Lets a request pass that was refused for the lack of credentials alone, if the layer allows it.
fn admit(settings: &Settings, parts: &Parts, refusal: Error) -> Result<Outcome, Error> {
    let is_missing = matches!(
        refusal.kind(),
        ErrorKind::MissingAuthorization | ErrorKind::InvalidAuthScheme(SchemeError::NoCredentials)
    );
    // The kind alone does not decide: it is the same for an unsupported scheme.
    let is_anonymous = is_missing && !has_credentials(&parts.headers);
    let admitted = settings.optional;
    if is_anonymous && (admitted || settings.allow_preflight && is_preflight(parts)) {
        return Ok(Outcome::Anonymous { refusal, admitted });
    }
    Err(refusal)
}

/// Whether the client tried to authenticate.
fn has_credentials(headers: &HeaderMap) -> bool {
    let is_blank = |value: &HeaderValue| value.as_bytes().iter().all(|b| matches!(b, b' ' | b'\t'));
    let mut fields = [AUTHORIZATION, DPOP].into_iter();
    fields.any(|name| headers.get_all(name).iter().any(|value| !is_blank(value)))
}

/// Whether the request is a CORS preflight (Fetch section 3.2.2). Any client can send one.
fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The request with the path that its client used.
fn context(parts: &Parts) -> RequestContext<'_> {
    let context = RequestContext::from(parts);
    #[cfg(feature = "axum")]
    if let Some(original) = parts.extensions.get::<axum::extract::OriginalUri>() {
        return context.path(original.0.path());
    }
    context
}
