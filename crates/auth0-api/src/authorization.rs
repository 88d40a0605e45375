//! The `Authorization` field, RFC 9110 section 11.6.2 and RFC 6750 section 2.1.

use std::borrow::Cow;

use crate::error::ErrorKind;
use crate::request::RequestContext;

/// Credentials in the scheme `Bearer`.
pub(crate) struct Bearer<'c> {
    field: Cow<'c, str>,
    token_at: usize,
}

impl<'c> Bearer<'c> {
    /// Reads the one `Authorization` field: scheme, spaces (and nothing else that is white), token.
    pub(crate) fn read(context: &'c RequestContext<'_>) -> Result<Self, ErrorKind> {
        let mut fields = context.field("authorization");
        let field = fields.next().unwrap_or_default();
        if fields.next().is_some() {
            return Err(ErrorKind::InvalidAuthScheme(
                "Multiple Authorization headers are not allowed",
            ));
        }
        let scheme = field.split(' ').next().unwrap_or_default();
        let token = field
            .get(scheme.len()..)
            .unwrap_or_default()
            .trim_start_matches(' ');
        if token.is_empty() || !scheme.eq_ignore_ascii_case("bearer") {
            return Err(ErrorKind::MissingAuthorization);
        }
        let token_at = field.len() - token.len();
        Ok(Bearer { field, token_at })
    }

    pub(crate) fn token(&self) -> &str {
        self.field.get(self.token_at..).unwrap_or_default()
    }
}
