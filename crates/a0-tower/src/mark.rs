//! What the layer tells extractors about a request.

use std::sync::Arc;

use auth0_api::{Error, VerifiedToken};
use http::Extensions;

use crate::auth::Settings;
use crate::refusal::Refusal;

/// The result of the layer, in the extensions of a request. Only the layer inserts it, and no other crate
/// can name its type.
#[derive(Clone)]
pub(crate) struct Mark {
    /// The layer that decided last, for the answers of extractors.
    pub(crate) settings: Arc<Settings>,
    pub(crate) outcome: Outcome,
}

#[derive(Clone)]
pub(crate) enum Outcome {
    Verified(VerifiedToken),
    /// The request has no credentials.
    Anonymous {
        /// The answer for a handler that needs a token.
        refusal: Error,
        /// Whether the layer is optional. Otherwise only a preflight comes this far.
        admitted: bool,
    },
}

impl Mark {
    /// Reads the mark. Without one, the route is not behind the layer.
    pub(crate) fn of(extensions: &Extensions) -> Result<&Mark, Refusal> {
        extensions.get().ok_or_else(Refusal::no_layer)
    }

    /// Removes the mark of an outer layer.
    pub(crate) fn take(extensions: &mut Extensions) -> Option<Mark> {
        extensions.remove()
    }

    /// Returns the token. A request without credentials is refused.
    pub(crate) fn token(&self) -> Result<&VerifiedToken, Refusal> {
        match &self.outcome {
            Outcome::Verified(token) => Ok(token),
            Outcome::Anonymous { refusal, .. } => Err(self.refusal(refusal.clone())),
        }
    }

    /// Returns the token, or `None` if an optional layer let a request without credentials pass.
    pub(crate) fn optional_token(&self) -> Result<Option<&VerifiedToken>, Refusal> {
        match &self.outcome {
            Outcome::Anonymous { admitted: true, .. } => Ok(None),
            _ => self.token().map(Some),
        }
    }

    pub(crate) fn refusal(&self, error: Error) -> Refusal {
        Refusal::new(error, Arc::clone(&self.settings))
    }
}
