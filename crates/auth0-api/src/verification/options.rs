//! What one call asks for.

use crate::verification::request::RequestContext;

/// What one verification asks for beyond the client's own settings.
///
/// ```
/// let options = auth0_api::TokenOptions::new().require(["org_id"]);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
pub struct TokenOptions<'r> {
    pub(crate) required_claims: Vec<String>,
    pub(crate) request: RequestContext<'r>,
}

impl<'r> TokenOptions<'r> {
    /// Nothing more.
    pub fn new() -> Self {
        TokenOptions::default()
    }

    /// Claims that must be there, of whatever value, beside those of the client.
    #[must_use]
    pub fn require<S: Into<String>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.required_claims
            .extend(claims.into_iter().map(Into::into));
        self
    }

    /// The request that the token came with, for a domains resolver to look at.
    #[must_use]
    pub fn request(mut self, request: impl Into<RequestContext<'r>>) -> Self {
        self.request = request.into();
        self
    }
}
