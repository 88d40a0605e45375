//! One bounded HTTPS exchange for sans-IO protocol code.
//!
//! Protocol code never waits for the network. It is a [`Conversation`]: a value that yields a
//! request and is resumed with the response. [`drive`] sends the requests through an
//! [`HttpClient`], [`drive_async`] through an [`AsyncHttpClient`]. So you write a protocol once,
//! test it without a network, and use it with any client, blocking or async: [`UreqClient`],
//! [`ReqwestClient`], a closure, or your own.
//!
//! ```text
//!              Step::Fetch(request, conversation)
//!   protocol ────────────────────────────────────► drive ──► HttpClient::exchange
//!       ▲                                            │
//!       └─────── conversation.resume(response) ◄─────┘            Step::Done(output)
//! ```
//!
//! # A conversation of two exchanges
//!
//! The first exchange fetches the address of a document, the second one the document.
//!
//! ```
//! use a0_http::{Conversation, Step, TransportError, drive};
//!
//! type Request = http::Request<Vec<u8>>;
//! type Response = http::Response<Vec<u8>>;
//!
//! /// What the next response contains.
//! enum Lookup {
//!     Address,
//!     Document,
//! }
//!
//! impl Lookup {
//!     fn start() -> Result<Step<Self>, Box<dyn std::error::Error>> {
//!         let request = Request::new(Vec::new());
//!         Ok(Step::Fetch(to(request, "https://directory.example/address")?, Self::Address))
//!     }
//! }
//!
//! impl Conversation for Lookup {
//!     type Output = Vec<u8>;
//!     type Error = Box<dyn std::error::Error>;
//!
//!     fn resume(self, response: Result<Response, TransportError>) -> Result<Step<Self>, Self::Error> {
//!         let body = response?.into_body();
//!         match self {
//!             Self::Address => {
//!                 let request = to(Request::new(Vec::new()), &String::from_utf8(body)?)?;
//!                 Ok(Step::Fetch(request, Self::Document))
//!             }
//!             Self::Document => Ok(Step::Done(body)),
//!         }
//!     }
//! }
//!
//! fn to(mut request: Request, url: &str) -> Result<Request, http::uri::InvalidUri> {
//!     *request.uri_mut() = url.parse()?;
//!     Ok(request)
//! }
//!
//! // Any closure of this form is a client. This one acts as both servers.
//! let client = |request: Request| -> std::io::Result<Response> {
//!     Ok(match request.uri().host() {
//!         Some("directory.example") => Response::new(b"https://documents.example/7".to_vec()),
//!         _ => Response::new(b"the document".to_vec()),
//!     })
//! };
//!
//! assert_eq!(drive(&client, Lookup::start()?)?, b"the document");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `ureq` | yes | [`UreqClient`], a blocking client over the `ureq` crate |
//! | `async` | no | [`AsyncHttpClient`] and [`drive_async`], for any runtime; no dependency |
//! | `reqwest` | no | `async`, and [`ReqwestClient`], an async client for `tokio` over the `reqwest` crate |
//! | `platform-verifier` | no | [`TrustRoots::platform`], the platform's own verifier of certificates, for either client |
//!
//! Without these features the crate has [`HttpClient`], [`Conversation`], [`Step`], [`drive`] and
//! [`TransportError`], and depends only on the `http` crate.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]
#![deny(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![cfg_attr(
    not(all(feature = "ureq", feature = "reqwest", feature = "platform-verifier")),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "the documentation links to items that this build leaves out"
    )
)]

#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod builder;
mod client;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod connect;
mod conversation;
mod error;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod message;
#[cfg(feature = "reqwest")]
mod reqwest_client;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod roots;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
mod tls;
#[cfg(feature = "ureq")]
mod ureq_client;

#[cfg(any(feature = "ureq", feature = "reqwest"))]
pub use builder::{
    ClientBuilder, ClientOptionError, DEFAULT_MAX_BODY_SIZE, DEFAULT_TIMEOUT, MAX_HEADER_SIZE,
    MAX_TIMEOUT,
};
pub use client::HttpClient;
#[cfg(feature = "async")]
pub use client::{AsyncHttpClient, ResponseFuture};
#[cfg(feature = "async")]
pub use conversation::drive_async;
pub use conversation::{Conversation, MAX_EXCHANGES, Step, drive};
pub use error::{TransportError, TransportErrorKind};
#[cfg(feature = "reqwest")]
pub use reqwest_client::ReqwestClient;
#[cfg(any(feature = "ureq", feature = "reqwest"))]
pub use roots::TrustRoots;
#[cfg(feature = "ureq")]
pub use ureq_client::UreqClient;

#[cfg(all(doctest, feature = "ureq", feature = "reqwest"))]
#[doc = include_str!("../README.md")]
struct Readme;
