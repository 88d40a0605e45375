//! The answers to refused requests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use auth0_api::Error;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

use crate::fields::DPOP_NONCE;
use crate::grpc;
use crate::hook::{Asked, Refused};
use crate::settings::Settings;

/// The fields of an answer without which a client, or a cache, does the wrong thing.
const KEPT: [HeaderName; 4] = [WWW_AUTHENTICATE, DPOP_NONCE, CACHE_CONTROL, RETRY_AFTER];

/// Answers a request if it is refused: by the layer, or later by an extractor.
#[derive(Clone)]
pub(crate) struct Answerer {
    pub(crate) settings: Arc<Settings>,
    is_grpc: bool,
    /// `None` without a hook, which alone needs it.
    asked: Option<Arc<Asked>>,
}

impl Answerer {
    pub(crate) fn new(settings: Arc<Settings>, parts: &request::Parts) -> Self {
        let hook = settings.hook.as_ref();
        let asked = hook.map(|_| Arc::new(Asked::new(parts)));
        Answerer {
            settings,
            is_grpc: is_grpc_call(parts),
            asked,
        }
    }

    /// The answer, as the hook shapes it. Its extensions hold the error, for a middleware that writes a log.
    pub(crate) fn answer(&self, error: &Error) -> Response<String> {
        let error = &self.with_scopes(error);
        let mut answer = match self.is_grpc {
            true => grpc_answer(error),
            false => self.shaped(error),
        };
        answer.extensions_mut().insert(error.clone());
        answer
    }

    /// Tells a client that has to get a token which scopes to ask for.
    fn with_scopes(&self, error: &Error) -> Error {
        let mut error = error.clone();
        let scope = self.settings.challenge_scope.as_deref();
        let scope = scope.filter(|_| error.status_code() == StatusCode::UNAUTHORIZED);
        if let Some(scope) = scope {
            for challenge in error.challenges_mut() {
                if challenge.get("scope").is_none() {
                    // Only scopes are configured, which are valid values.
                    let _ = challenge.set("scope", scope);
                }
            }
        }
        error
    }

    fn shaped(&self, error: &Error) -> Response<String> {
        let answer = error.response();
        let (Some(hook), Some(request)) = (&self.settings.hook, &self.asked) else {
            return answer;
        };
        let refused = Refused { error, request };
        let (needed, body) = answer.into_parts();
        let shaped = catch_unwind(AssertUnwindSafe(|| {
            hook(&refused, Response::from_parts(needed.clone(), body.clone()))
        }));
        match shaped {
            Ok(shaped) => restored(shaped, needed),
            Err(_) => Response::from_parts(needed, body),
        }
    }
}

/// Whether the refusal must have the form of gRPC, which hides the status from everything else: the method
/// and the version must be those of gRPC too.
fn is_grpc_call(parts: &request::Parts) -> bool {
    parts.method == Method::POST
        && parts.version >= Version::HTTP_2
        && grpc::is_grpc(&parts.headers)
}

/// The answer where no layer is known.
pub(crate) fn default_answer(error: &Error) -> Response<String> {
    let mut answer = error.response();
    answer.extensions_mut().insert(error.clone());
    answer
}

/// The answer to a gRPC call. As in HTTP, a server error is not described.
fn grpc_answer(error: &Error) -> Response<String> {
    let status = error.status_code();
    let description = match status.is_server_error() {
        true => String::new(),
        false => error.to_string(),
    };
    let answer = grpc::refusal(status, &error.headers(), &description);
    answer.map(|()| String::new())
}

/// Puts back what a hook must not lose.
fn restored(mut shaped: Response<String>, needed: Parts) -> Response<String> {
    let class = |status: StatusCode| status.as_u16() / 100;
    if class(shaped.status()) != class(needed.status) {
        *shaped.status_mut() = needed.status;
    }
    let status = shaped.status();
    for name in KEPT {
        restore_field(shaped.headers_mut(), &needed.headers, &name);
    }
    // Caches may store 404, for one, without being told to, and then serve it to clients with a token (RFC
    // 9111 section 4.2.2).
    if status != needed.status {
        let fields = shaped.headers_mut();
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    shaped
}

/// Values that the hook added stay, after those that are needed.
fn restore_field(shaped: &mut HeaderMap, needed: &HeaderMap, name: &HeaderName) {
    let needed: Vec<_> = needed.get_all(name).iter().cloned().collect();
    if needed.is_empty() {
        return;
    }
    let may_add = *name == WWW_AUTHENTICATE;
    let present = shaped.get_all(name).iter().cloned();
    let added: Vec<_> = present
        .filter(|value| may_add && !needed.contains(value))
        .collect();
    shaped.remove(name);
    for value in needed.into_iter().chain(added) {
        shaped.append(name, value);
    }
}
