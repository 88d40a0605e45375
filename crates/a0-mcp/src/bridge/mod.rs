//! What the handlers of an `rmcp` server use.

mod caller;
mod config;
mod downstream;
mod error;
mod lists;

pub use caller::Caller;
pub use downstream::Downstream;
pub use error::ToolError;
