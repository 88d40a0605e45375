//! The servers and the clock of a call, and a record of its requests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Method, Request, Response};
use serde_json::{Value, json};

use super::text;

#[derive(Default)]
pub(super) struct World {
    pub(super) now: u64,
    pub(super) documents: Value,
    /// The requests to the token endpoint.
    pub(super) sent: Vec<Value>,
    /// The arguments of the resolver, by names that both sides share.
    pub(super) given: Value,
}

pub(super) type Shared = Arc<Mutex<World>>;

pub(super) fn locked(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn enter(world: &Shared, case: &Value) {
    *locked(world) = World {
        now: case["now"].as_u64().unwrap_or_default(),
        documents: case["documents"].clone(),
        ..World::default()
    };
}

pub(super) fn answer(
    world: &mut World,
    request: &Request<Vec<u8>>,
) -> std::io::Result<Response<Vec<u8>>> {
    if request.method() == Method::POST {
        let authorization = request.headers().get("authorization");
        world.sent.push(json!({
            "form": String::from_utf8_lossy(request.body()),
            "authorization": authorization.and_then(|value| value.to_str().ok()),
        }));
    }
    let document = &world.documents[request.uri().to_string()];
    let Some(status) = document["status"].as_u64() else {
        return Err(std::io::ErrorKind::ConnectionRefused.into());
    };
    let mut response = Response::builder()
        .status(u16::try_from(status).unwrap_or_default())
        .header("content-type", text(document, "type"));
    if let Some(cache) = document["cache"].as_str() {
        response = response.header("cache-control", cache);
    }
    response
        .body(text(document, "body").as_bytes().to_vec())
        .map_err(std::io::Error::other)
}
