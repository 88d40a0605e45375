//! Why a policy refuses a verified token, as data.

use std::time::Duration;

/// The authentication that a policy requires of the user (RFC 9470 section 3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StepUp {
    /// The acceptable authentication contexts, the preferred one first. Empty if any will do.
    pub acr_values: Vec<String>,
    /// The longest time since the user authenticated, in whole seconds.
    pub max_age: Option<Duration>,
    /// The scopes that the policy requires, if the token lacks one of them too. A client can then ask for
    /// everything at once.
    pub scopes: Vec<String>,
}

/// The rule of a policy that a token failed and that no challenge names. It holds names of the API's own
/// configuration, and nothing of a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeniedBy {
    /// `permissions` does not contain this value.
    #[error("the policy requires the permission {0:?}")]
    Permission(String),
    /// The claim of this name is absent, or its value is not acceptable.
    #[error("the policy requires another value of the claim {0:?}")]
    Claim(String),
    /// The test of this name returned `false`.
    #[error("the test {0:?} of the policy refuses the token")]
    Test(String),
    /// `org_id` is absent, or another one.
    #[error("the policy requires the organization {0:?} in `org_id`")]
    Organization(String),
    /// `azp` or `client_id` names another client, or both are absent.
    #[error("the policy does not allow the client in `azp` or `client_id`")]
    Client,
    /// The token belongs to another kind of principal.
    #[error("the policy does not allow this kind of principal")]
    Principal,
    /// The outermost `act` names another actor, or there is none.
    #[error("the policy requires the actor {0:?} as the current one")]
    Actor(String),
    /// `authorization_details` has no object of this type, or the policy accepts none of them.
    #[error("the policy requires an authorization detail of the type {0:?}")]
    AuthorizationDetail(String),
}

/// A closure of a policy panicked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rule {name:?} of a policy panicked")]
#[non_exhaustive]
pub struct PolicyPanicked {
    /// The name of the rule.
    pub name: String,
}
