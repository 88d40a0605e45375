//! One fetch: its requests, the origins they may go to, and the checks on the documents.

mod conversation;
mod documents;
mod rules;

pub(crate) use conversation::FetchMetadata;
pub use conversation::{FetchKeys, FetchedKeys, max_age};
pub(crate) use documents::{DocumentText, KeySource, ServerMetadata};
pub use documents::{IssuerKeys, Metadata};
pub use rules::{FetchRules, MAX_BODY_SIZE};
