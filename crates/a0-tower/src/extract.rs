//! The extractors and responses for axum.

use axum::body::Body;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::response::{IntoResponse, Response};
use http::request::Parts;

use crate::refusal::Refusal;
use crate::scoped::{Scoped, Scopes};
use crate::verified::{ClaimsType, Verified};

impl<S: Sync, C: ClaimsType> FromRequestParts<S> for Verified<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        Verified::from_extensions(&parts.extensions)
    }
}

impl<S: Sync, C: ClaimsType> OptionalFromRequestParts<S> for Verified<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refusal> {
        Verified::optional_from_extensions(&parts.extensions)
    }
}

impl<St: Sync, S: Scopes, C: ClaimsType> FromRequestParts<St> for Scoped<S, C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &St) -> Result<Self, Refusal> {
        Scoped::from_extensions(&parts.extensions)
    }
}

impl<St: Sync, S: Scopes, C: ClaimsType> OptionalFromRequestParts<St> for Scoped<S, C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &St) -> Result<Option<Self>, Refusal> {
        Scoped::optional_from_extensions(&parts.extensions)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.response().map(Body::from)
    }
}
