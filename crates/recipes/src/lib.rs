//! Servers of other frameworks than axum, protected by access tokens, and stores in a SQL database. See the
//! README.

#![forbid(unsafe_code)]

pub mod actix_web;
pub mod hyper;
pub mod lambda;
pub mod sql;
pub mod tiny_http;
pub mod tonic;
