//! The `act` claim of [RFC 8693 section 4.1]: who acts now, and who acted before.
//!
//! A token that one service got on behalf of somebody else names in `act` the party that uses
//! it. When that party passes the work on, the next token's `act` holds the new party, and the
//! former one moves inside:
//!
//! ```json
//! {"sub": "alice", "act": {"sub": "reports", "act": {"sub": "gateway"}}}
//! ```
//!
//! Here `alice` is the subject, `reports` acts for her now, and `gateway` did so before.
//!
//! **Only the outermost actor may decide access.** The standard says that nested actors "are not
//! to be considered in access control decisions". The types keep the two apart:
//! [`CurrentActor`] is made by [`get_current_actor`] and [`DelegationChain::current`] alone, so a
//! function that takes one cannot be called with an entry of the history, which is an [`Actor`].
//!
//! ```
//! use a0_act::{CurrentActor, get_current_actor, get_delegation_chain};
//! use serde_json::json;
//!
//! fn may_export(actor: CurrentActor<'_>) -> bool {
//!     actor.sub() == "reports"
//! }
//!
//! let claims = json!({"sub": "alice", "act": {"sub": "reports", "act": {"sub": "gateway"}}});
//! let claims = claims.as_object().ok_or("not an object")?;
//!
//! let actor = get_current_actor(claims)?.ok_or("nobody acts for alice")?;
//! assert!(may_export(actor));
//!
//! let history = get_delegation_chain(claims)?;
//! let subjects: Vec<&str> = history.iter().map(|actor| actor.sub()).collect();
//! assert_eq!(subjects, ["reports", "gateway"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The history cannot decide anything by mistake:
//!
//! ```compile_fail,E0308
//! # use a0_act::{CurrentActor, get_delegation_chain};
//! # fn may_export(actor: CurrentActor<'_>) -> bool { actor.sub() == "reports" }
//! # let claims = serde_json::Map::new();
//! # let history = get_delegation_chain(&claims).unwrap_or_default();
//! for former in history.prior() {
//!     may_export(*former); // expected `CurrentActor`, found `Actor`
//! }
//! ```
//!
//! # What is not here
//!
//! The claims must come from a token that was verified: this crate checks no signature and no
//! time. `exp`, `nbf` and `aud` inside `act` are members like any other there; they validate
//! nothing (RFC 8693 section 4.1). What an actor may do is for the caller to say.
//!
//! [RFC 8693 section 4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro,
    clippy::print_stdout
)]
#![deny(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod actor;
mod error;
mod read;

pub use actor::{Actor, CurrentActor, DelegationChain};
pub use error::ActError;
pub use read::{MAX_ACTORS, get_current_actor, get_delegation_chain};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
