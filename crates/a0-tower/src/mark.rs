//! What the layer tells extractors about a request.

use std::sync::Arc;

use auth0_api::asynchronous::ApiClient;
use auth0_api::{Error, Policy, VerifiedToken};
use http::Extensions;

use crate::auth::{Settings, both};
use crate::refusal::Refusal;

/// The result of the layer, in the extensions of a request. Only the layer inserts it, and no other crate
/// can name its type.
#[derive(Clone)]
pub(crate) struct Mark {
    pub(crate) layer: LayerPolicy,
    pub(crate) outcome: Outcome,
}

/// What a handler needs of the layer that decided last.
#[derive(Clone)]
pub(crate) struct LayerPolicy {
    pub(crate) settings: Arc<Settings>,
    /// What this layer and those around it require, all of which the token satisfies.
    pub(crate) policy: Option<Policy>,
    /// Whether the request is a gRPC call, for the form of a refusal.
    pub(crate) is_grpc: bool,
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

impl Outcome {
    /// The result of the verification.
    pub(crate) fn into_result(self) -> Result<VerifiedToken, Error> {
        match self {
            Outcome::Verified(token) => Ok(token),
            Outcome::Anonymous { refusal, .. } => Err(refusal),
        }
    }
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
            Outcome::Anonymous { refusal, .. } => Err(self.layer.refusal(refusal.clone())),
        }
    }

    /// Returns the token, or `None` if an optional layer let a request without credentials pass.
    pub(crate) fn optional_token(&self) -> Result<Option<&VerifiedToken>, Refusal> {
        match &self.outcome {
            Outcome::Anonymous { admitted: true, .. } => Ok(None),
            _ => self.token().map(Some),
        }
    }
}

impl LayerPolicy {
    /// Requires a further policy. The refusal names what it and the layers require, so that a client can
    /// ask for all of it at once.
    pub(crate) fn require(&self, token: &VerifiedToken, policy: &Policy) -> Result<(), Refusal> {
        let client = &self.settings.client;
        judge(client, token, self.policy.as_ref(), policy).map_err(|error| self.refusal(error))
    }

    pub(crate) fn refusal(&self, error: Error) -> Refusal {
        Refusal::new(error, Arc::clone(&self.settings), self.is_grpc)
    }
}

/// Judges a token that satisfies the policy `before`. A refusal names what both require, and the observers
/// of the client are told.
pub(crate) fn judge(
    client: &ApiClient,
    token: &VerifiedToken,
    before: Option<&Policy>,
    policy: &Policy,
) -> Result<(), Error> {
    let Err(refusal) = token.authorize(policy) else {
        return Ok(());
    };
    let both = both(before.cloned(), policy.clone());
    // A test of the API may decide differently now. The first decision stands.
    Err(client.authorize(token, &both).err().unwrap_or(refusal))
}
