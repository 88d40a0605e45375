//! Types for the handlers of an `rmcp` server: the caller, calls of other APIs, errors, lists.

mod caller;
mod config;
mod downstream;
mod error;
mod lists;

pub use caller::Caller;
pub use downstream::Downstream;
pub use error::ToolError;
