//! Responses of a token endpoint: an issued token, an error response, or one that is invalid.

mod body;
mod error;
mod invalid;
mod members;
mod retry_after;
mod token;

pub use body::MAX_BODY_SIZE;
pub(crate) use body::ResponseBody;
pub use error::ErrorResponse;
pub(crate) use error::RequestKind;
pub use invalid::InvalidResponse;
pub use members::MAX_MEMBERS_SIZE;
pub use token::{DEFAULT_EXPIRES_IN, IssuedToken, TokenResponse};
