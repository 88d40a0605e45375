//! Requests to an OAuth token endpoint and their responses, for APIs that exchange tokens.
//!
//! A [`TokenClient`] is an endpoint and the client's authentication there. It takes the parameters
//! of a [`TokenExchange`] (RFC 8693), an [`OnBehalfOf`] exchange, or a [`ConnectionToken`] of
//! Auth0's Token Vault, validates them, and returns a [`TokenRequest`]:
//!
//! ```text
//! TokenExchange   ──► TokenClient::exchange         ──► TokenRequest<TokenResponse>
//! OnBehalfOf      ──► TokenClient::on_behalf_of     ──► TokenRequest<IssuedToken>
//! ConnectionToken ──► TokenClient::connection_token ──► TokenRequest<IssuedToken>
//! ```
//!
//! There are two ways to send a [`TokenRequest`]:
//!
//! - [`TokenRequest::start`] returns a conversation for `a0_http::drive` and any `HttpClient`. It
//!   repeats the request once if the endpoint asks for a DPoP nonce.
//! - [`TokenRequest::prepare`] returns the HTTP request for any other client, and
//!   [`TokenRequest::accept`] reads the response.
//!
//! The crate does no I/O and reads no clock.
//!
//! ```
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! use a0_token_exchange::{ClientAuth, OnBehalfOf, TokenClient};
//!
//! let auth = ClientAuth::basic("my-client", "my-secret")?;
//! let client = TokenClient::new("https://tenant.example/oauth/token", auth)?;
//! let request = client.on_behalf_of(
//!     &OnBehalfOf::new("the.access.token", "https://downstream.example/").scope("read:things"),
//! )?;
//!
//! let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
//! let http_request = request.prepare(now)?;
//! assert_eq!(http_request.method(), "POST");
//! assert!(http_request.body().starts_with(b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3A"));
//!
//! // Send it with any HTTP client that follows no redirect.
//! let response = http::Response::new(br#"{"access_token":"new","expires_in":300}"#.to_vec());
//! let token = request.accept(response, now)?;
//! assert_eq!(token.access_token(), "new");
//! assert_eq!(token.expires_at(), 1_700_000_300);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The caller's duties
//!
//! - An exchanged token belongs to one subject, actor, audience, scope and issuer. A cache of such
//!   tokens must use all of them as its key.
//! - Send a subject token only to the token endpoint of its own issuer. This crate does not know
//!   which endpoint belongs to which issuer.
//!
//! The server decides by its configuration whether this client may exchange a token.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `private-key-jwt` | no | `ClientAuth::private_key_jwt`: an assertion instead of a secret, signed with `a0-jose` (OpenSSL); and `WorkerKey`, the key of a privileged worker |

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

#[cfg(feature = "private-key-jwt")]
mod assertion;
mod auth;
mod client;
mod client_info;
mod conversation;
mod dpop;
mod endpoint;
mod error;
mod extra_parameters;
mod form;
mod parameters;
mod resource;
mod response;
mod secret;
mod token_request;
mod worker;

#[cfg(feature = "private-key-jwt")]
pub use assertion::ASSERTION_LIFETIME;
pub use auth::ClientAuth;
pub use client::TokenClient;
pub use client_info::{ClientInfo, MAX_CLIENT_INFO};
pub use conversation::Pending;
pub use dpop::ProofRequest;
pub use error::{ExchangeError, RequestError, SigningFailure};
pub use extra_parameters::{ExtraValue, MAX_EXTRA_VALUES};
pub use parameters::{ConnectionToken, OnBehalfOf, TokenExchange};
pub use response::{
    DEFAULT_EXPIRES_IN, ErrorResponse, InvalidResponse, IssuedToken, MAX_BODY_SIZE,
    MAX_MEMBERS_SIZE, TokenResponse,
};
pub use token_request::TokenRequest;
#[cfg(feature = "private-key-jwt")]
pub use worker::WorkerKey;
pub use worker::WorkerToken;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
