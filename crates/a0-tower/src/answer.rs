//! The answers to refused requests.

use std::panic::{AssertUnwindSafe, catch_unwind};

use auth0_api::Error;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Response};

use crate::auth::Settings;
use crate::grpc;
use crate::nonce::DPOP_NONCE;

pub(crate) type Hook = dyn Fn(&Error, Response<String>) -> Response<String> + Send + Sync;

/// The fields of an answer without which a client, or a cache, does the wrong thing.
const KEPT: [HeaderName; 4] = [WWW_AUTHENTICATE, DPOP_NONCE, CACHE_CONTROL, RETRY_AFTER];

impl Settings {
    /// The answer to a refused request, as the hook shapes it.
    pub(crate) fn answer(&self, error: &Error, is_grpc: bool) -> Response<String> {
        if is_grpc {
            return grpc_answer(error);
        }
        let answer = default_answer(error);
        let Some(hook) = &self.hook else {
            return answer;
        };
        let (needed, body) = answer.into_parts();
        let shaped = catch_unwind(AssertUnwindSafe(|| {
            hook(error, Response::from_parts(needed.clone(), body.clone()))
        }));
        match shaped {
            Ok(shaped) => restored(shaped, needed),
            Err(_) => Response::from_parts(needed, body),
        }
    }
}

/// The answer without a hook. Its extensions hold the error, for a middleware that writes a log.
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
    let mut answer = answer.map(|()| String::new());
    answer.extensions_mut().insert(error.clone());
    answer
}

/// Puts back what a hook must not lose.
fn restored(mut shaped: Response<String>, needed: Parts) -> Response<String> {
    let class = |status: http::StatusCode| status.as_u16() / 100;
    if class(shaped.status()) != class(needed.status) {
        *shaped.status_mut() = needed.status;
    }
    for name in KEPT {
        restore_field(shaped.headers_mut(), &needed.headers, &name);
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
