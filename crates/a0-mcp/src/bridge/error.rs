//! Errors in the answer to a tool call.

use std::fmt;

use auth0_api::Error;
use http::StatusCode;
use rmcp::ErrorData;

/// An [`Error`] that a tool returns with `?`. The client is told what it may know, as in the HTTP response of the
/// error: nothing of a server error or of the answer of a token endpoint.
#[derive(Clone)]
pub struct ToolError(Error);

impl ToolError {
    /// The error, for a log.
    pub fn error(&self) -> &Error {
        &self.0
    }
}

impl From<Error> for ToolError {
    fn from(error: Error) -> Self {
        ToolError(error)
    }
}

impl From<ToolError> for ErrorData {
    fn from(error: ToolError) -> Self {
        match error.0.status_code() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                ErrorData::invalid_request(error.0.error_description(), None)
            }
            _ => ErrorData::internal_error("the server could not carry out the call", None),
        }
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for ToolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl std::error::Error for ToolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
