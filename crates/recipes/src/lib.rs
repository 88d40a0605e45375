//! Servers of other frameworks than axum, protected by access tokens. See the README.

#![forbid(unsafe_code)]

pub mod actix_web;
pub mod hyper;
pub mod lambda;
pub mod tiny_http;
pub mod tonic;
