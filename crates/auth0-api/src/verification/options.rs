//! The options of one call.

use super::request::RequestContext;

/// Options for one verification, in addition to those of the client.
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
    /// Creates options that add nothing.
    pub fn new() -> Self {
        TokenOptions::default()
    }

    /// Adds claims that the token must carry. Their values are not checked.
    #[must_use]
    pub fn require<S: Into<String>>(mut self, claims: impl IntoIterator<Item = S>) -> Self {
        self.required_claims
            .extend(claims.into_iter().map(Into::into));
        self
    }

    /// The request that the token came with. Only a domains resolver sees it.
    #[must_use]
    pub fn request(mut self, request: impl Into<RequestContext<'r>>) -> Self {
        self.request = request.into();
        self
    }
}
