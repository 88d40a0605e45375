//! The `act` claim of [RFC 8693 section 4.1]: the current actor and the delegation chain.
//!
//! A service can get a token to act on behalf of a subject. The token's `act` claim names this
//! service, the actor. If the actor delegates to another service, the next token's `act` names the
//! new actor, and the previous `act` is nested inside:
//!
//! ```json
//! {"sub": "alice", "act": {"sub": "reports", "act": {"sub": "gateway"}}}
//! ```
//!
//! Here `alice` is the subject, `reports` is the current actor, and `gateway` a prior actor.
//!
//! **Access decisions must use only the outermost actor.** The standard says that nested actors
//! "are not to be considered in access control decisions". So there are two types: only
//! [`get_current_actor`] and [`DelegationChain::current`] return a [`CurrentActor`], while the
//! entries of the chain are [`Actor`]s. A function that takes a `CurrentActor` cannot be called
//! with a prior actor.
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
//! let actor = get_current_actor(claims)?.ok_or("no actor")?;
//! assert!(may_export(actor));
//!
//! let chain = get_delegation_chain(claims)?;
//! let subjects: Vec<&str> = chain.iter().map(|actor| actor.sub()).collect();
//! assert_eq!(subjects, ["reports", "gateway"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A prior actor does not compile in an access decision:
//!
//! ```compile_fail,E0308
//! # use a0_act::{CurrentActor, get_delegation_chain};
//! # fn may_export(actor: CurrentActor<'_>) -> bool { actor.sub() == "reports" }
//! # let claims = serde_json::Map::new();
//! # let chain = get_delegation_chain(&claims).unwrap_or_default();
//! for prior in chain.prior() {
//!     may_export(*prior); // expected `CurrentActor`, found `Actor`
//! }
//! ```
//!
//! A token can have an `act` that no exchange made: Auth0 names the agent there when a user logs in
//! through the client of an agent. The claim says who acts, and not how the token was made.
//!
//! # What is judged when
//!
//! | member | judged by | a wrong type |
//! |---|---|---|
//! | `act` itself, `sub`, `iss` | [`get_current_actor`] for the outermost level, [`get_delegation_chain`] for all levels | the whole result is an error |
//! | `client_id`, `sub_profile`, `client_profile` | the accessor of this name, at every level | this accessor returns an error, and the others still work |
//! | all others, also `exp`, `nbf` and `aud` | nobody | ignored |
//!
//! `sub` and `iss` identify an actor (RFC 8693 section 4.1), so an actor without them cannot be
//! returned. No accessor returns `None` for a member that is present: null is a wrong type too, except for
//! `act` itself.
//!
//! # Limits
//!
//! The claims must come from a verified token, because this crate checks no signature and no time.
//! It ignores `exp`, `nbf` and `aud` inside `act`, as the standard says (RFC 8693 section 4.1). The
//! caller decides what an actor may do.
//!
//! [RFC 8693 section 4.1]: https://www.rfc-editor.org/rfc/rfc8693#section-4.1
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

mod actor;
mod error;
mod profile;
mod read;

pub use actor::{Actor, CurrentActor, DelegationChain};
pub use error::{ActError, MAX_ACTORS};
pub use profile::EntityProfile;
pub use read::{get_current_actor, get_delegation_chain};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
