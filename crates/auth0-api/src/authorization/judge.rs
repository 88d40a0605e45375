//! The decision about one verified token.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use a0_jose::json::Node;
use a0_jose::{ClaimError, Claims, NumericDate};
use serde_json::Value;

use crate::error::refusal::Refusal;
use crate::error::{ErrorKind, TokenError};
use crate::verification::diagnosis::Diagnosis;
use crate::verification::verified::VerifiedToken;

use super::denial::{DeniedBy, PolicyPanicked};
use super::policy::{Policy, Rule};
use super::principal::Principal;
use super::resource_server::ResourceServer;

/// Why a rule refuses a token. The order is that in which failures are reported: first those that no new
/// token helps against, last the one against which any new token helps.
enum Failure {
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

    /// Whether the operator is at fault, so that no other rule may make up for it.
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
            rule => subject.check(rule).map_err(Denial::from),
        }
    }

    fn refusal(&self, denial: Denial, server: &ResourceServer) -> Refusal {
        let kind = match denial.failure {
            Failure::Unusable(reason) => ErrorKind::Configuration(format!("policy: {reason}")),
            Failure::Panicked(panicked) => ErrorKind::PolicyPanicked(panicked),
            Failure::Claim(error) => ErrorKind::VerifyAccessToken(error),
            Failure::Denied(by) => {
                let diagnosis = Diagnosis::of_policy(by.to_string());
                return Refusal::from(ErrorKind::Forbidden(by)).with_diagnosis(diagnosis);
            }
            Failure::StepUp => {
                let mut step_up = self.step_up();
                if denial.lacks_scope {
                    step_up.scopes = self.owned_scopes();
                }
                let diagnosis = Diagnosis::of_policy(format!(
                    "the policy requires {:?} in `{}`, and {:?} as the age of `{}`",
                    step_up.acr_values,
                    server.acr_claim(),
                    step_up.max_age,
                    server.auth_time_claim(),
                ));
                let kind = ErrorKind::InsufficientUserAuthentication(step_up);
                return Refusal::from(kind).with_diagnosis(diagnosis);
            }
            Failure::Scope => ErrorKind::InsufficientScope {
                scopes: self.owned_scopes(),
            },
            Failure::TooOld => ErrorKind::VerifyAccessToken(TokenError::TooOld),
        };
        kind.into()
    }
}

/// Checks every policy, so that the failure does not depend on their order.
fn all(policies: &[Policy], subject: &Subject<'_>) -> Result<(), Denial> {
    let mut worst: Option<Denial> = None;
    for policy in policies {
        let Err(denial) = policy.judge(subject) else {
            continue;
        };
        if denial.failure.is_fatal() {
            return Err(denial);
        }
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

/// The token that is judged, and the API that judges.
struct Subject<'s> {
    token: &'s VerifiedToken,
    server: &'s ResourceServer,
}

impl<'s> Subject<'s> {
    fn claims(&self) -> &'s Claims {
        self.token.claims()
    }

    fn check(&self, rule: &Rule) -> Result<(), Failure> {
        let claims = self.claims();
        match rule {
            // `Policy::judge` has decided about these.
            Rule::All(_) | Rule::Any(_) => Err(Failure::Unusable("a nested list".to_owned())),
            Rule::Unusable(reason) => Err(Failure::Unusable(reason.clone())),
            Rule::Verified => Ok(()),
            Rule::Scope(name) => self.has_scope(name)?.or_fail(Failure::Scope),
            Rule::Permission(name) => has_permission(claims, name)?
                .or_fail_with(|| Failure::Denied(DeniedBy::Permission(name.clone()))),
            Rule::ClaimEquals(name, value) => {
                (claims.get(name) == Some(value)).or_fail_with(|| denied_by_claim(name))
            }
            Rule::ClaimIncludes(name, value) => {
                let items = claims.get(name).and_then(Value::as_array);
                items
                    .is_some_and(|items| items.contains(value))
                    .or_fail_with(|| denied_by_claim(name))
            }
            Rule::Claim(name, test) => {
                let Some(value) = claims.get(name) else {
                    return Err(denied_by_claim(name));
                };
                run(name, || test(value))?.or_fail_with(|| denied_by_claim(name))
            }
            Rule::Test(name, test) => run(name, || test(self.token))?
                .or_fail_with(|| Failure::Denied(DeniedBy::Test(name.clone()))),
            Rule::Organization(id) => (claims.string("org_id")? == Some(id))
                .or_fail_with(|| Failure::Denied(DeniedBy::Organization(id.clone()))),
            Rule::Clients(ids) => {
                is_client_in(claims, ids)?.or_fail(Failure::Denied(DeniedBy::Client))
            }
            Rule::Principal(kinds) => kinds
                .contains(&Principal::of(claims)?)
                .or_fail(Failure::Denied(DeniedBy::Principal)),
            Rule::CurrentActor(sub) => is_current_actor(claims, sub)?
                .or_fail_with(|| Failure::Denied(DeniedBy::Actor(sub.clone()))),
            Rule::MaxTokenAge(age) => self
                .is_recent(claims.issued_at()?, *age)
                .or_fail(Failure::TooOld),
            Rule::AcrValues(values) => {
                let acr = claims.members().get(self.server.acr_claim());
                let acr = acr.and_then(Node::as_str);
                values
                    .iter()
                    .any(|value| acr == Some(value))
                    .or_fail(Failure::StepUp)
            }
            Rule::MaxAuthAge(age) => {
                let time = claims.members().get(self.server.auth_time_claim());
                let time = time.and_then(NumericDate::from_node);
                self.is_recent(time, *age).or_fail(Failure::StepUp)
            }
        }
    }

    fn has_scope(&self, required: &str) -> Result<bool, ClaimError> {
        let granted = self.claims().string("scope")?.unwrap_or_default();
        let mut granted = granted.split(' ').filter(|scope| !scope.is_empty());
        Ok(granted.any(|scope| self.server.grants(scope, required)))
    }

    /// Whether a time is neither too long ago nor in the future.
    fn is_recent(&self, time: Option<NumericDate>, age: Duration) -> bool {
        let now = self.token.verified_at();
        let leeway = self.server.leeway;
        let oldest = now.minus(age).minus(leeway);
        time.is_some_and(|time| time >= oldest && time <= now.plus(leeway))
    }
}

/// `permissions` must be an array of strings. One wrong value makes all of them unusable.
fn has_permission(claims: &Claims, required: &str) -> Result<bool, ClaimError> {
    let Some(permissions) = claims.members().get("permissions") else {
        return Ok(false);
    };
    let error = ClaimError::new("permissions", "an array of strings");
    let mut found = false;
    for permission in permissions.as_array().ok_or(error)? {
        found |= permission.as_str().ok_or(error)? == required;
    }
    Ok(found)
}

/// The client must be allowed by each claim that names it.
fn is_client_in(claims: &Claims, ids: &[String]) -> Result<bool, ClaimError> {
    let named = [claims.string("azp")?, claims.string("client_id")?];
    let mut named = named.into_iter().flatten().peekable();
    Ok(named.peek().is_some() && named.all(|client| ids.iter().any(|id| id == client)))
}

/// An `iss` in `act` belongs to the identity of the actor (RFC 8693 section 4.1).
fn is_current_actor(claims: &Claims, sub: &str) -> Result<bool, Failure> {
    let actor = a0_act::get_current_actor(claims.as_object())
        .map_err(|error| Failure::Claim(TokenError::Actor(error)))?;
    let issuer = claims.issuer()?;
    Ok(actor.is_some_and(|actor| {
        actor.sub() == sub && actor.iss().is_none_or(|iss| issuer == Some(iss))
    }))
}

fn denied_by_claim(name: &str) -> Failure {
    Failure::Denied(DeniedBy::Claim(name.to_owned()))
}

/// Runs a closure of the API. A panic refuses the request, and the server goes on.
fn run(name: &str, test: impl FnOnce() -> bool) -> Result<bool, Failure> {
    catch_unwind(AssertUnwindSafe(test)).map_err(|payload| {
        // A payload may panic when it is dropped.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
        let name = name.to_owned();
        Failure::Panicked(PolicyPanicked { name })
    })
}

/// Turns the answer of a check into a failure.
trait OrFail {
    fn or_fail(self, failure: Failure) -> Result<(), Failure>;
    fn or_fail_with(self, failure: impl FnOnce() -> Failure) -> Result<(), Failure>;
}

impl OrFail for bool {
    fn or_fail(self, failure: Failure) -> Result<(), Failure> {
        if self { Ok(()) } else { Err(failure) }
    }

    fn or_fail_with(self, failure: impl FnOnce() -> Failure) -> Result<(), Failure> {
        if self { Ok(()) } else { Err(failure()) }
    }
}
