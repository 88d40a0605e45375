//! One fetch: its requests, the origins they may go to, and the documents: their checks, their age and the
//! lease of the keys.

mod conversation;
mod documents;
mod endpoint;
mod rules;

pub use conversation::{FetchKeys, FetchedKeys, max_age};
pub(crate) use documents::{DocumentText, KeySource, Stamp, elapsed, elapsed_seconds, older};
pub use documents::{IssuerKeys, Lease, Metadata};
pub(crate) use endpoint::{FetchMetadata, ServerMetadata};
pub use rules::{FetchRules, MAX_BODY_SIZE};
