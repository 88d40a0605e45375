//! The rules of a policy about one claim each.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use a0_jose::json::Node;
use a0_jose::{ClaimError, Claims, NumericDate};
use serde_json::Value;

use crate::error::TokenError;
use crate::verification::token::VerifiedToken;

use super::denial::{DeniedBy, PolicyPanicked};
use super::details;
use super::judge::Failure;
use super::principal::Principal;
use super::resource_server::ResourceServer;

type ClaimTest = Box<dyn Fn(&Value) -> bool + Send + Sync>;
type DetailTest = Box<dyn Fn(&Value) -> Option<bool> + Send + Sync>;
type TokenTest = Box<dyn Fn(&VerifiedToken) -> bool + Send + Sync>;

/// A rule about one claim. `Policy` documents each.
pub(super) enum Check {
    Verified,
    Scope(String),
    Permission(String),
    ClaimEquals(String, Value),
    ClaimIncludes(String, Value),
    Claim(String, ClaimTest),
    Test(String, TokenTest),
    Organization(String),
    Clients(Vec<String>),
    Principal(Vec<Principal>),
    CurrentActor(String),
    /// A type, and a test that returns `None` for an object that does not fit the caller's type.
    AuthorizationDetail(String, DetailTest),
    MaxTokenAge(Duration),
    AcrValues(Vec<String>),
    MaxAuthAge(Duration),
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value): (&str, &dyn fmt::Debug) = match self {
            Check::Verified => return formatter.write_str("verified"),
            Check::Scope(name) => ("scope", name),
            Check::Permission(name) => ("permission", name),
            Check::ClaimEquals(name, _) => ("claim_equals", name),
            Check::ClaimIncludes(name, _) => ("claim_includes", name),
            Check::Claim(name, _) => ("claim", name),
            Check::Test(name, _) => ("test", name),
            Check::Organization(id) => ("organization", id),
            Check::Clients(ids) => ("clients", ids),
            Check::Principal(kinds) => ("principal", kinds),
            Check::CurrentActor(sub) => ("current_actor", sub),
            Check::AuthorizationDetail(kind, _) => ("authorization_detail", kind),
            Check::MaxTokenAge(age) => ("max_token_age", age),
            Check::AcrValues(values) => ("acr_values", values),
            Check::MaxAuthAge(age) => ("max_auth_age", age),
        };
        formatter.debug_tuple(name).field(value).finish()
    }
}

/// The token that is judged, and the API that judges.
pub(super) struct Subject<'s> {
    pub(super) token: &'s VerifiedToken,
    pub(super) server: &'s ResourceServer,
}

impl<'s> Subject<'s> {
    fn claims(&self) -> &'s Claims {
        self.token.claims()
    }

    pub(super) fn check(&self, check: &Check) -> Result<(), Failure> {
        let claims = self.claims();
        match check {
            Check::Verified => Ok(()),
            Check::Scope(name) => self.has_scope(name)?.or_fail(Failure::Scope),
            Check::Permission(name) => has_permission(claims, name)?
                .or_fail_with(|| Failure::Denied(DeniedBy::Permission(name.clone()))),
            Check::ClaimEquals(name, value) => {
                (claims.get(name) == Some(value)).or_fail_with(|| denied_by_claim(name))
            }
            Check::ClaimIncludes(name, value) => {
                let items = claims.get(name).and_then(Value::as_array);
                items
                    .is_some_and(|items| items.contains(value))
                    .or_fail_with(|| denied_by_claim(name))
            }
            Check::Claim(name, test) => {
                let Some(value) = claims.get(name) else {
                    return Err(denied_by_claim(name));
                };
                run(name, || test(value))?.or_fail_with(|| denied_by_claim(name))
            }
            Check::Test(name, test) => run(name, || test(self.token))?
                .or_fail_with(|| Failure::Denied(DeniedBy::Test(name.clone()))),
            Check::Organization(id) => (claims.string("org_id")? == Some(id))
                .or_fail_with(|| Failure::Denied(DeniedBy::Organization(id.clone()))),
            Check::Clients(ids) => {
                is_client_in(claims, ids)?.or_fail(Failure::Denied(DeniedBy::Client))
            }
            Check::Principal(kinds) => kinds
                .contains(&Principal::of(claims)?)
                .or_fail(Failure::Denied(DeniedBy::Principal)),
            Check::CurrentActor(sub) => is_current_actor(claims, sub)?
                .or_fail_with(|| Failure::Denied(DeniedBy::Actor(sub.clone()))),
            Check::AuthorizationDetail(kind, test) => is_authorized(claims, kind, test)?
                .or_fail_with(|| Failure::Denied(DeniedBy::AuthorizationDetail(kind.clone()))),
            Check::MaxTokenAge(age) => self
                .is_recent(claims.issued_at()?, *age)
                .or_fail(Failure::TooOld),
            Check::AcrValues(values) => {
                let acr = claims.members().get(self.server.acr_claim());
                let acr = acr.and_then(Node::as_str);
                values
                    .iter()
                    .any(|value| acr == Some(value))
                    .or_fail(Failure::StepUp)
            }
            Check::MaxAuthAge(age) => {
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

/// Whether an object of this type passes the test. All of them must fit the caller's type.
fn is_authorized(claims: &Claims, kind: &str, test: &DetailTest) -> Result<bool, Failure> {
    let mut found = false;
    let entries = details::entries(claims)?;
    for entry in entries.iter().filter(|entry| entry.kind == kind) {
        let passes = run(kind, || test(entry.object))?;
        found |= passes.ok_or(Failure::Claim(TokenError::ClaimsForm))?;
    }
    Ok(found)
}

fn denied_by_claim(name: &str) -> Failure {
    Failure::Denied(DeniedBy::Claim(name.to_owned()))
}

/// Runs a closure of the API. A panic refuses the request, and the server goes on.
fn run<T>(name: &str, test: impl FnOnce() -> T) -> Result<T, Failure> {
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
