//! One fetch: its requests, the origins they may go to, and the checks on the documents.

mod cache_control;
mod conversation;
mod documents;
mod metadata;
mod origin;
mod retry_after;

pub use cache_control::max_age;
pub(crate) use conversation::FetchMetadata;
pub use conversation::{FetchKeys, FetchedKeys, MAX_BODY_SIZE};
pub(crate) use documents::{DocumentText, KeySource, ServerMetadata};
pub use documents::{FetchRules, IssuerKeys};
pub use metadata::Metadata;
pub use origin::{InvalidOrigin, Origin};
