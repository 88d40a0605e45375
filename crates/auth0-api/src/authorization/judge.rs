//! The decision about one verified token.

use a0_jose::ClaimError;

use crate::error::refusal::Refusal;
use crate::error::{ErrorKind, TokenError};
use crate::verification::detail::Detail;
use crate::verification::token::VerifiedToken;

use super::check::Subject;
use super::denial::{DeniedBy, PolicyPanicked, StepUp};
use super::policy::{Policy, Rule};
use super::resource_server::ResourceServer;

/// Why a rule refuses a token. The order is that in which failures are reported: first those that no new
/// token helps against, last the one against which any new token helps.
pub(super) enum Failure {
    Unusable(String),
    Panicked(PolicyPanicked),
    /// A claim has a wrong type.
    Claim(TokenError),
    Denied(DeniedBy),
    StepUp,
    Scope,
    TooOld,
}

impl Failure {
    fn rank(&self) -> u8 {
        match self {
            Failure::Unusable(_) => 0,
            Failure::Panicked(_) => 1,
            Failure::Claim(_) => 2,
            Failure::Denied(_) => 3,
            Failure::StepUp => 4,
            Failure::Scope => 5,
            Failure::TooOld => 6,
        }
    }

    /// Whether the API is at fault, so that no alternative may make up for it.
    fn is_fatal(&self) -> bool {
        matches!(self, Failure::Unusable(_) | Failure::Panicked(_))
    }
}

/// What is wrong with a token.
struct Denial {
    failure: Failure,
    /// Whether a required scope is missing, whatever the failure.
    lacks_scope: bool,
}

impl From<Failure> for Denial {
    fn from(failure: Failure) -> Self {
        let lacks_scope = matches!(failure, Failure::Scope);
        Denial {
            failure,
            lacks_scope,
        }
    }
}

impl From<ClaimError> for Failure {
    fn from(error: ClaimError) -> Self {
        Failure::Claim(TokenError::ClaimType(error))
    }
}

impl Policy {
    pub(crate) fn decide(
        &self,
        token: &VerifiedToken,
        server: &ResourceServer,
    ) -> Result<(), Refusal> {
        let subject = Subject { token, server };
        self.judge(&subject)
            .map_err(|denial| self.refusal(denial, server))
    }

    fn judge(&self, subject: &Subject<'_>) -> Result<(), Denial> {
        match &*self.rule {
            Rule::All(policies) => all(policies, subject),
            Rule::Any(policies) => any(policies, subject),
            Rule::Check(check) => subject.check(check).map_err(Denial::from),
            Rule::Unusable(reason) => Err(Failure::Unusable(reason.clone()).into()),
        }
    }

    fn refusal(&self, denial: Denial, server: &ResourceServer) -> Refusal {
        let kind = match denial.failure {
            Failure::Unusable(reason) => ErrorKind::Configuration(format!("policy: {reason}")),
            Failure::Panicked(panicked) => ErrorKind::PolicyPanicked(panicked),
            Failure::Claim(error) => ErrorKind::VerifyAccessToken(error),
            Failure::Denied(by) => {
                let detail = Detail::of_policy(by.to_string());
                return Refusal::from(ErrorKind::Forbidden(by)).with_diagnosis(detail);
            }
            Failure::StepUp => {
                let mut step_up = self.step_up();
                if denial.lacks_scope {
                    step_up.scopes = self.owned_scopes();
                }
                let detail = Detail::of_policy(explain(&step_up, server));
                let kind = ErrorKind::InsufficientUserAuthentication(step_up);
                return Refusal::from(kind).with_diagnosis(detail);
            }
            Failure::Scope => ErrorKind::InsufficientScope {
                scopes: self.owned_scopes(),
            },
            Failure::TooOld => ErrorKind::VerifyAccessToken(TokenError::TooOld),
        };
        kind.into()
    }
}

/// Tells an operator which claims must have which values.
fn explain(step_up: &StepUp, server: &ResourceServer) -> String {
    let acr = match &step_up.acr_values[..] {
        [] => None,
        values => Some(format!("one of {values:?} in `{}`", server.acr_claim())),
    };
    let age = step_up.max_age.map(|age| {
        let seconds = age.as_secs();
        let claim = server.auth_time_claim();
        format!("a time in `{claim}` that is at most {seconds} seconds ago")
    });
    let required: Vec<String> = acr.into_iter().chain(age).collect();
    format!("the policy requires {}", required.join(", and "))
}

/// Checks every policy, so that the failure does not depend on their order.
fn all(policies: &[Policy], subject: &Subject<'_>) -> Result<(), Denial> {
    let mut worst: Option<Denial> = None;
    for policy in policies {
        let Err(denial) = policy.judge(subject) else {
            continue;
        };
        worst = Some(match worst {
            None => denial,
            Some(worst) => {
                let lacks_scope = worst.lacks_scope || denial.lacks_scope;
                let is_worse = denial.failure.rank() < worst.failure.rank();
                let Denial { failure, .. } = if is_worse { denial } else { worst };
                Denial {
                    failure,
                    lacks_scope,
                }
            }
        });
    }
    worst.map_or(Ok(()), Err)
}

/// Checks until one policy is satisfied. Otherwise the first failure is reported.
fn any(policies: &[Policy], subject: &Subject<'_>) -> Result<(), Denial> {
    let mut first = None;
    for policy in policies {
        match policy.judge(subject) {
            Ok(()) => return Ok(()),
            Err(denial) if denial.failure.is_fatal() => return Err(denial),
            Err(denial) => first = first.or(Some(denial)),
        }
    }
    // `Policy::any` refuses an empty list.
    let empty = || Failure::Unusable("any: the list is empty".to_owned()).into();
    Err(first.unwrap_or_else(empty))
}
