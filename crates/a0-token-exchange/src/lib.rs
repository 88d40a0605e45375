//! Requests to and answers from an OAuth token endpoint, for APIs that exchange tokens.
//!
//! A [`TokenClient`] is an endpoint and a way to authenticate there. What is asked of it is a
//! [`TokenExchange`] (RFC 8693), an [`OnBehalfOf`], or a [`ConnectionToken`] of Auth0's Token Vault.
//! It is judged before anything is sent, and becomes a [`TokenRequest`]:
//!
//! ```text
//! TokenExchange  ──► TokenClient::exchange         ──► TokenRequest<TokenResponse>
//! OnBehalfOf     ──► TokenClient::on_behalf_of     ──► TokenRequest<IssuedToken>
//! ConnectionToken──► TokenClient::connection_token ──► TokenRequest<IssuedToken>
//!
//! TokenRequest::start(now)        ──► a0_http::drive       any HttpClient; knows DPoP nonces
//! TokenRequest::prepare(now), then TokenRequest::accept(answer, now)   any client at all
//! ```
//!
//! Nothing here does input or output or reads a clock.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! use a0_token_exchange::{ClientAuth, OnBehalfOf, TokenClient};
//!
//! let auth = ClientAuth::basic("my-client", "my-secret")?;
//! let client = TokenClient::new("https://tenant.example/oauth/token", auth)?;
//! let call = client.on_behalf_of(
//!     &OnBehalfOf::new("the.access.token", "https://downstream.example/").scope("read:things"),
//! )?;
//!
//! // The two halves; in between, any HTTP client that follows no redirect.
//! let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let request = call.prepare(now)?;
//! assert_eq!(request.method(), "POST");
//! assert!(request.body().starts_with(b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3A"));
//!
//! let answer = http::Response::new(br#"{"access_token":"new","expires_in":300}"#.to_vec());
//! let token = call.accept(answer, now)?;
//! assert_eq!(token.access_token(), "new");
//! assert_eq!(token.expires_at(), 1_700_000_300);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What keeps a token with its owner
//!
//! - An exchanged token belongs to one subject, actor, audience, scope and issuer. Whoever keeps it
//!   for later has to look it up by all of them.
//! - A subject token goes to the endpoint of its own issuer and to no other. Which endpoint that is,
//!   is the caller's knowledge.
//! - That this client may exchange that token is the server's decision, made by its configuration.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `private-key-jwt` | no | `ClientAuth::private_key_jwt`: an assertion in place of a secret, signed through `a0-jose` (OpenSSL) |

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

mod answer;
#[cfg(feature = "private-key-jwt")]
mod assertion;
mod auth;
mod client;
mod error;
mod extra;
mod form;
mod request;
mod response;
mod secret;
mod token_request;

pub use answer::{DEFAULT_EXPIRES_IN, MAX_BODY};
#[cfg(feature = "private-key-jwt")]
pub use assertion::ASSERTION_LIFETIME;
pub use auth::ClientAuth;
pub use client::TokenClient;
pub use error::{ErrorResponse, ExchangeError, InvalidResponse, RequestError, SigningFailure};
pub use extra::{ExtraValue, MAX_VALUES};
pub use request::{ConnectionToken, OnBehalfOf, TokenExchange};
pub use response::{IssuedToken, TokenResponse};
pub use token_request::{Pending, ProofRequest, TokenRequest};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
