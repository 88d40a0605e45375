//! The rules of an API as values.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::verification::token::VerifiedToken;

use super::check::Check;
use super::principal::Principal;
use super::resource_server::{SCOPE_RULE, is_scope_token};

/// A larger policy is refused, so that its depth bounds the recursion, and its size the time of a decision.
const MAX_RULES: usize = 1000;

/// Who may do something: rules about a verified token, combined by [`all`](Policy::all) and
/// [`any`](Policy::any). [`VerifiedToken::authorize`](crate::VerifiedToken::authorize) decides.
///
/// Values are compared exactly, never by prefix, case or substring. A claim that is absent, or that has a
/// wrong type, satisfies no rule. A policy is cheap to clone.
///
/// A value that no token can satisfy makes the whole policy unusable: a scope with a space, an empty list.
/// [`validate`](Policy::validate) reports it. Until it is corrected, every request is answered 500.
///
/// ```
/// use auth0_api::{Policy, VerifiedToken};
///
/// # fn handler(token: &VerifiedToken) -> Result<(), auth0_api::Error> {
/// let may_refund = Policy::all([
///     Policy::scope("write:orders"),
///     Policy::any([
///         Policy::permission("orders:refund"),
///         Policy::clients(["back-office"]),
///     ]),
/// ]);
/// may_refund.validate()?;
/// token.authorize(&may_refund)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Policy {
    pub(super) rule: Arc<Rule>,
    /// The number of rules, this one included.
    size: usize,
}

pub(super) enum Rule {
    Check(Check),
    All(Vec<Policy>),
    Any(Vec<Policy>),
    /// A value of the policy cannot be used.
    Unusable(String),
}

impl Policy {
    /// Every verified token. It is for code that needs a policy where nothing more is required.
    pub fn verified() -> Self {
        Policy::check(Check::Verified)
    }

    /// `scope` contains this scope (RFC 8693 section 4.2), or one that
    /// [implies](crate::Builder::scope_implies) it. Otherwise: 403 `insufficient_scope`.
    pub fn scope(name: impl Into<String>) -> Self {
        let name = name.into();
        if is_scope_token(&name) {
            Policy::check(Check::Scope(name))
        } else {
            Policy::unusable(format!("{name:?} is not a scope: {SCOPE_RULE}"))
        }
    }

    /// All of these scopes; see [`scope`](Policy::scope).
    pub fn scopes_all<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Policy::all(names.into_iter().map(Policy::scope))
    }

    /// One of these scopes or several; see [`scope`](Policy::scope). A challenge names the first.
    pub fn scopes_any<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Policy::any(names.into_iter().map(Policy::scope))
    }

    /// `permissions` contains this value. Auth0 adds the claim if role-based access control is enabled for
    /// the API. Otherwise: 403.
    pub fn permission(name: impl Into<String>) -> Self {
        let name = name.into();
        let usable = given("permission", &name);
        Policy::checked(usable, Check::Permission(name))
    }

    /// All of these permissions; see [`permission`](Policy::permission).
    pub fn permissions_all<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Policy::all(names.into_iter().map(Policy::permission))
    }

    /// One of these permissions or several; see [`permission`](Policy::permission).
    pub fn permissions_any<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Policy::any(names.into_iter().map(Policy::permission))
    }

    /// The claim equals this JSON value, type included: `1` is neither `"1"` nor `1.0`. Otherwise: 403.
    ///
    /// `null` cannot be compared with, because a number that is not finite converts to it.
    pub fn claim_equals(name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        let usable = given("claim_equals", &name).and_then(|()| not_null("claim_equals", &value));
        Policy::checked(usable, Check::ClaimEquals(name, value))
    }

    /// The claim is an array that contains this JSON value. Otherwise: 403. A string is not searched.
    pub fn claim_includes(name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        let usable =
            given("claim_includes", &name).and_then(|()| not_null("claim_includes", &value));
        Policy::checked(usable, Check::ClaimIncludes(name, value))
    }

    /// The claim is present, and the function returns `true` for its value. Otherwise: 403.
    ///
    /// The function also runs for tokens that another rule refuses. If it panics, the request is answered
    /// 500, also if another alternative of [`any`](Policy::any) would follow. With `panic = "abort"` the
    /// process ends. The same holds for [`test`](Policy::test).
    ///
    /// ```
    /// use auth0_api::Policy;
    ///
    /// let paid = Policy::claim("https://api.example/seats", |seats| {
    ///     seats.as_u64().is_some_and(|seats| seats >= 5)
    /// });
    /// # let _ = paid;
    /// ```
    pub fn claim<F>(name: impl Into<String>, test: F) -> Self
    where
        F: Fn(&Value) -> bool + Send + Sync + 'static,
    {
        let name = name.into();
        let usable = given("claim", &name);
        Policy::checked(usable, Check::Claim(name, Box::new(test)))
    }

    /// The function returns `true` for the token. Otherwise: 403. The name is for the operator:
    /// [`Error::diagnosis`](crate::Error::diagnosis) shows it.
    pub fn test<F>(name: impl Into<String>, test: F) -> Self
    where
        F: Fn(&VerifiedToken) -> bool + Send + Sync + 'static,
    {
        Policy::check(Check::Test(name.into(), Box::new(test)))
    }

    /// The user logged in to this Auth0 organization: `org_id` is this identifier. Otherwise: 403.
    pub fn organization(id: impl Into<String>) -> Self {
        let id = id.into();
        let usable = given("organization", &id);
        Policy::checked(usable, Check::Organization(id))
    }

    /// The token was issued to one of these clients: `azp` (Auth0's default profile) or `client_id` (RFC
    /// 9068) names it. If both are present, both must. Otherwise: 403.
    pub fn clients<S: Into<String>>(ids: impl IntoIterator<Item = S>) -> Self {
        let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
        let checked = not_empty("clients", &ids)
            .and_then(|()| ids.iter().try_for_each(|id| given("clients", id)));
        Policy::checked(checked, Check::Clients(ids))
    }

    /// The token belongs to one of these kinds of principals; see
    /// [`VerifiedToken::principal`](crate::VerifiedToken::principal). Otherwise: 403.
    pub fn principal(kinds: impl IntoIterator<Item = Principal>) -> Self {
        let kinds: Vec<Principal> = kinds.into_iter().collect();
        let usable = not_empty("principal", &kinds);
        Policy::checked(usable, Check::Principal(kinds))
    }

    /// The current actor, which is the outermost `act`, has this `sub` (RFC 8693 section 4.1). Prior actors
    /// do not count. If the actor has an `iss`, it must be the token's own issuer. Otherwise: 403.
    pub fn current_actor(sub: impl Into<String>) -> Self {
        let sub = sub.into();
        let usable = given("current_actor", &sub);
        Policy::checked(usable, Check::CurrentActor(sub))
    }

    /// `authorization_details` has an object of this type (RFC 9396), and the function returns `true` for one
    /// of them. Otherwise: 403. The type is compared octet for octet. As for [`claim`](Policy::claim), the
    /// function runs for each of them, and a panic is a 500.
    ///
    /// The type of the function's argument is your own. If an object of this type does not fit it, or if the
    /// claim is malformed, the answer is 401 `invalid_token`, also if another object would do.
    ///
    /// ```
    /// use auth0_api::Policy;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Payment {
    ///     currency: String,
    /// }
    ///
    /// let euros = Policy::authorization_detail("payment_initiation", |payment: &Payment| {
    ///     payment.currency == "EUR"
    /// });
    /// euros.validate()?;
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn authorization_detail<D, F>(kind: impl Into<String>, test: F) -> Self
    where
        D: DeserializeOwned,
        F: Fn(&D) -> bool + Send + Sync + 'static,
    {
        let kind = kind.into();
        let usable = given("authorization_detail", &kind);
        let test = move |object: &Value| D::deserialize(object).ok().map(|detail| test(&detail));
        Policy::checked(usable, Check::AuthorizationDetail(kind, Box::new(test)))
    }

    /// The token was issued at most this long ago, by `iat`, at the time of its verification. Otherwise: 401
    /// `invalid_token`, so that the client gets a new one. [`leeway`](crate::Builder::leeway) applies. At
    /// least one second.
    pub fn max_token_age(age: Duration) -> Self {
        let usable = at_least_a_second("max_token_age", age);
        Policy::checked(usable, Check::MaxTokenAge(age))
    }

    /// The user authenticated in one of these contexts: `acr`, or the claim of
    /// [`acr_claim`](crate::Builder::acr_claim), is one of them. Otherwise: 401
    /// `insufficient_user_authentication`, and the challenge names them in this order, the preferred one first
    /// (RFC 9470 section 3).
    pub fn acr_values<S: Into<String>>(values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        let unusable = values.iter().find(|value| !is_scope_token(value));
        match (not_empty("acr_values", &values), unusable) {
            (Ok(()), None) => Policy::check(Check::AcrValues(values)),
            (Err(reason), _) => Policy::unusable(reason),
            (_, Some(value)) => Policy::unusable(format!(
                "acr_values: {value:?} cannot be in a list that is separated by spaces: use \
                 printable ASCII without spaces, quotes and backslashes"
            )),
        }
    }

    /// The user authenticated at most this long ago: by `auth_time`, or the claim of
    /// [`auth_time_claim`](crate::Builder::auth_time_claim), at the time of the verification. Otherwise: 401
    /// `insufficient_user_authentication`, and the challenge has the whole seconds as `max_age` (RFC 9470
    /// section 3). [`leeway`](crate::Builder::leeway) applies; a time further in the future does not satisfy.
    /// At least one second: with zero, no token would ever pass, and clients would log their users in
    /// without end.
    pub fn max_auth_age(age: Duration) -> Self {
        let usable = at_least_a_second("max_auth_age", age);
        Policy::checked(usable, Check::MaxAuthAge(age))
    }

    /// All of these policies. An empty list is unusable, so that an empty configuration does not open an
    /// API: use [`verified`](Policy::verified) if nothing is required.
    pub fn all(policies: impl IntoIterator<Item = Policy>) -> Self {
        Policy::combine("all", policies, Rule::All)
    }

    /// One of these policies or several. If none is satisfied, the answer is that of the first one. An empty
    /// list is unusable.
    pub fn any(policies: impl IntoIterator<Item = Policy>) -> Self {
        Policy::combine("any", policies, Rule::Any)
    }

    /// Checks the values of the policy. Call it when the API starts.
    ///
    /// # Errors
    ///
    /// 500 `invalid_configuration` for a value that cannot be used: see [`Policy`].
    ///
    /// ```
    /// use auth0_api::Policy;
    ///
    /// assert!(Policy::scope("read:orders").validate().is_ok());
    /// assert!(Policy::scope("read:orders write:orders").validate().is_err());
    /// assert!(Policy::any([]).validate().is_err());
    /// ```
    pub fn validate(&self) -> Result<(), Error> {
        match &*self.rule {
            Rule::Unusable(reason) => Err(Error::configuration(format!("policy: {reason}"))),
            _ => Ok(()),
        }
    }

    fn checked(usable: Result<(), String>, check: Check) -> Self {
        match usable {
            Ok(()) => Policy::check(check),
            Err(reason) => Policy::unusable(reason),
        }
    }

    fn check(check: Check) -> Self {
        Policy::new(Rule::Check(check))
    }

    fn new(rule: Rule) -> Self {
        Policy {
            rule: Arc::new(rule),
            size: 1,
        }
    }

    fn unusable(reason: impl Into<String>) -> Self {
        Policy::new(Rule::Unusable(reason.into()))
    }

    /// An unusable part makes the whole unusable, so only the outermost rule can be.
    fn combine(
        name: &str,
        policies: impl IntoIterator<Item = Policy>,
        rule: fn(Vec<Policy>) -> Rule,
    ) -> Self {
        let policies: Vec<Policy> = policies.into_iter().collect();
        if let Err(reason) = not_empty(name, &policies) {
            return Policy::unusable(reason);
        }
        let is_unusable = |policy: &&Policy| matches!(&*policy.rule, Rule::Unusable(_));
        if let Some(unusable) = policies.iter().find(is_unusable) {
            return unusable.clone();
        }
        let sizes = policies.iter().map(|policy| policy.size);
        let size = sizes.fold(1, usize::saturating_add);
        if size > MAX_RULES {
            return Policy::unusable(format!("{name}: more than {MAX_RULES} rules"));
        }
        Policy {
            rule: Arc::new(rule(policies)),
            size,
        }
    }
}

fn given(rule: &str, value: &str) -> Result<(), String> {
    if value.trim().is_empty() {
        return Err(format!("{rule}: the value is blank"));
    }
    Ok(())
}

fn not_empty<T>(rule: &str, values: &[T]) -> Result<(), String> {
    if values.is_empty() {
        return Err(format!("{rule}: the list is empty"));
    }
    Ok(())
}

fn not_null(rule: &str, value: &Value) -> Result<(), String> {
    if value.is_null() {
        return Err(format!("{rule}: null cannot be compared with"));
    }
    Ok(())
}

fn at_least_a_second(rule: &str, age: Duration) -> Result<(), String> {
    if age < Duration::from_secs(1) {
        return Err(format!("{rule}: at least one second"));
    }
    Ok(())
}

/// Shows names, but no values of claims.
impl fmt::Debug for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, parts): (&str, &dyn fmt::Debug) = match &*self.rule {
            Rule::Check(check) => return check.fmt(formatter),
            Rule::All(policies) => ("all", policies),
            Rule::Any(policies) => ("any", policies),
            Rule::Unusable(reason) => ("unusable", reason),
        };
        formatter.debug_tuple(name).field(parts).finish()
    }
}
