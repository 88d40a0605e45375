//! The extractors and responses for axum.

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;
use crate::verified::Verified;

impl<S: Sync, C: DeserializeOwned> FromRequestParts<S> for Verified<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Verified::from_extensions(&parts.extensions)
    }
}

impl<S: Sync, C: DeserializeOwned> OptionalFromRequestParts<S> for Verified<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refusal> {
        Verified::optional_from_extensions(&parts.extensions)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.response().map(Body::from)
    }
}
