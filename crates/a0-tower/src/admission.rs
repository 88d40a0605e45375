//! Decides whether a request may go on to the inner service.

use std::sync::Arc;

use auth0_api::{Error, ErrorKind, Policy, SchemeError, VerifiedToken};
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, Entry, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};
use tokio::time::Instant;

use crate::answer::Answerer;
use crate::fields::DPOP;
use crate::mark::{Credentials, LayerPolicy, Mark, Outcome, judge};
use crate::nonce;
use crate::settings::{Settings, both};

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
    let arrived = Instant::now();
    let taken = settings.reading.take_token(&mut parts.headers);
    let answerer = Answerer::new(Arc::clone(&settings), &parts);
    let certificate = settings.reading.take_certificate(&mut parts);
    let credentials = Credentials::of(&parts.headers, &certificate);
    let outer = outer.filter(|mark| {
        let outer = &mark.layer.answerer.settings;
        outer.shares_verification(&settings)
            && mark.is_about(&credentials)
            && matches!(taken, Ok(None))
    });
    let (before, verified, unknown_url, arrived) = match outer {
        Some(mark) => (
            mark.layer.policy,
            mark.outcome.into_result(),
            None,
            mark.arrived,
        ),
        None => {
            let (context, unknown_url) = settings.reading.context(&parts, &taken, &certificate);
            let verified = settings.client.verify_request(context).await;
            (None, verified, unknown_url, arrived)
        }
    };
    let outcome = match verified {
        Ok(token) => authorize(&settings, before.as_ref(), token),
        Err(refusal) => admit(&settings, &parts, refusal),
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(refusal) => {
            let mut answer = answerer.answer(&refusal);
            let extensions = answer.extensions_mut();
            unknown_url.map(|reason| extensions.insert(reason));
            taken.err().map(|reason| extensions.insert(reason));
            certificate.err().map(|reason| extensions.insert(reason));
            return Decision::Refuse(answer);
        }
    };
    let policy = match &settings.policy {
        Some(policy) => Some(both(before, policy.clone())),
        None => before,
    };
    let nonce = match &outcome {
        Outcome::Verified(token) => nonce::to_send(&settings.client, token, &parts.headers),
        Outcome::NoCredentials { .. } => None,
    };
    let layer = LayerPolicy { answerer, policy };
    parts.extensions.insert(Mark {
        layer,
        outcome,
        credentials,
        arrived,
    });
    Decision::Pass { parts, nonce }
}

impl Settings {
    /// Whether both layers would come to the same result about one request, apart from their policies.
    fn shares_verification(&self, other: &Settings) -> bool {
        self.client.is_clone_of(&other.client) && self.reading.is_same(&other.reading)
    }
}

fn authorize(
    settings: &Settings,
    before: Option<&Policy>,
    token: VerifiedToken,
) -> Result<Outcome, Error> {
    if let Some(policy) = &settings.policy {
        judge(&settings.client, &token, before, policy)?;
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
    let has_none = is_missing && !has_credentials(&parts.headers);
    let admitted = settings.optional;
    if has_none && (admitted || settings.allow_preflight && is_preflight(parts)) {
        return Ok(Outcome::NoCredentials { refusal, admitted });
    }
    Err(refusal)
}

/// Whether the client tried to authenticate.
fn has_credentials(headers: &HeaderMap) -> bool {
    let is_blank = |value: &HeaderValue| value.as_bytes().iter().all(|b| matches!(b, b' ' | b'\t'));
    let mut fields = [AUTHORIZATION, DPOP].into_iter();
    fields.any(|name| headers.get_all(name).iter().any(|value| !is_blank(value)))
}

/// Keeps the credentials out of the `Debug` of the request, which layers that trace requests log.
pub(crate) fn hide_credentials(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, DPOP] {
        if let Entry::Occupied(mut values) = headers.entry(name) {
            values
                .iter_mut()
                .for_each(|value| value.set_sensitive(true));
        }
    }
}

/// Whether the request is a CORS preflight (Fetch section 3.2.2). Any client can send one.
fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}
