//! The result of the layer, which extractors read.

use auth0_api::asynchronous::ApiClient;
use auth0_api::{Confirmation, Error, Policy, VerifiedToken};
use http::header::AUTHORIZATION;
use http::{Extensions, HeaderMap, HeaderValue};
use tokio::time::Instant;

use crate::answer::Answerer;
use crate::certificate::ClientCertificate;
use crate::fields::DPOP;
use crate::reading::TakenCertificate;
use crate::refusal::Refusal;
use crate::settings::both;

/// The result of the layer, in the extensions of a request. Only the layer inserts it, and no other crate
/// can name its type.
#[derive(Clone)]
pub(crate) struct Mark {
    pub(crate) layer: LayerPolicy,
    pub(crate) outcome: Outcome,
    /// The credentials that the outcome is about. Somebody may copy extensions to a request with others.
    pub(crate) credentials: Credentials,
    /// When the request came to the layer that verified it. Keys may have been fetched since.
    pub(crate) arrived: Instant,
}

/// The credentials of a request. Of the fields, there are for each name the first value, and how many there
/// are. A request that passed has no second one, so a further one shows in the number.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    fields: [(Option<HeaderValue>, usize); 2],
    certificate: Option<ClientCertificate>,
}

impl Credentials {
    pub(crate) fn of(headers: &HeaderMap, certificate: &TakenCertificate) -> Self {
        let fields = [AUTHORIZATION, DPOP].map(|name| {
            let values = headers.get_all(&name).iter();
            (headers.get(&name).cloned(), values.count())
        });
        let certificate = certificate.as_ref().ok().cloned().flatten();
        Credentials {
            fields,
            certificate,
        }
    }
}

/// The parts of the deciding layer that a handler needs.
#[derive(Clone)]
pub(crate) struct LayerPolicy {
    /// For refusals.
    pub(crate) answerer: Answerer,
    /// The policies of this layer and of those around it. The token satisfies all of them.
    pub(crate) policy: Option<Policy>,
}

#[derive(Clone)]
pub(crate) enum Outcome {
    Verified(VerifiedToken),
    /// The request has no credentials.
    NoCredentials {
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
            Outcome::NoCredentials { refusal, .. } => Err(refusal),
        }
    }
}

impl Mark {
    /// Whether the outcome is about these credentials. The certificate counts only if it confirmed the token:
    /// otherwise it had no part in the outcome, and a second verification would refuse the proof.
    pub(crate) fn is_about(&self, other: &Credentials) -> bool {
        let has_part = match &self.outcome {
            Outcome::Verified(token) => {
                !matches!(token.confirmed_by(), None | Some(Confirmation::DpopKey(_)))
            }
            Outcome::NoCredentials { .. } => false,
        };
        self.credentials.fields == other.fields
            && (!has_part || self.credentials.certificate == other.certificate)
    }

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
            Outcome::NoCredentials { refusal, .. } => Err(self.layer.refusal(refusal.clone())),
        }
    }

    /// Returns the token, or `None` if an optional layer let a request without credentials pass.
    pub(crate) fn optional_token(&self) -> Result<Option<&VerifiedToken>, Refusal> {
        match &self.outcome {
            Outcome::NoCredentials { admitted: true, .. } => Ok(None),
            _ => self.token().map(Some),
        }
    }
}

impl LayerPolicy {
    /// Requires a further policy. The refusal names what it and the layers require, so that a client can
    /// ask for all of it at once.
    pub(crate) fn require(&self, token: &VerifiedToken, policy: &Policy) -> Result<(), Refusal> {
        let client = &self.answerer.settings.client;
        judge(client, token, self.policy.as_ref(), policy).map_err(|error| self.refusal(error))
    }

    pub(crate) fn refusal(&self, error: Error) -> Refusal {
        Refusal::new(error, self.answerer.clone())
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
