//! What a challenge asks the client for.

use std::time::Duration;

use super::check::Check;
use super::denial::StepUp;
use super::policy::{Policy, Rule};

impl Policy {
    /// The scopes that a challenge asks for: all that the policy requires, each once, in order. Of
    /// [`any`](Policy::any), those of the first alternative.
    ///
    /// ```
    /// use auth0_api::Policy;
    ///
    /// let layer = Policy::scope("read:orders");
    /// let handler = Policy::scopes_any(["write:orders", "admin:orders"]);
    /// let both = Policy::all([layer, handler]);
    /// assert_eq!(both.scopes(), ["read:orders", "write:orders"]);
    /// ```
    pub fn scopes(&self) -> Vec<&str> {
        let mut scopes = Vec::new();
        self.for_each_required(&mut |check| {
            if let Check::Scope(name) = check
                && !scopes.contains(&name.as_str())
            {
                scopes.push(name.as_str());
            }
        });
        scopes
    }

    pub(super) fn owned_scopes(&self) -> Vec<String> {
        self.scopes().into_iter().map(str::to_owned).collect()
    }

    /// The authentication that the policy requires: the contexts that every rule accepts, and the shortest
    /// time.
    pub(super) fn step_up(&self) -> StepUp {
        let mut acr_values: Option<Vec<String>> = None;
        let mut max_age: Option<Duration> = None;
        self.for_each_required(&mut |check| match check {
            Check::AcrValues(values) => {
                let common = acr_values.take().map(|mut common| {
                    common.retain(|value| values.contains(value));
                    common
                });
                // No token satisfies rules without a common value. The last rule is as good as any.
                let common = common.filter(|common| !common.is_empty());
                acr_values = Some(common.unwrap_or_else(|| values.clone()));
            }
            Check::MaxAuthAge(age) => {
                max_age = Some(max_age.map_or(*age, |shortest| shortest.min(*age)));
            }
            _ => {}
        });
        StepUp {
            acr_values: acr_values.unwrap_or_default(),
            max_age: max_age.map(|age| Duration::from_secs(age.as_secs())),
            scopes: Vec::new(),
        }
    }

    /// Visits the checks that a challenge may name, in order.
    fn for_each_required<'p>(&'p self, visit: &mut impl FnMut(&'p Check)) {
        match &*self.rule {
            Rule::All(policies) => {
                for policy in policies {
                    policy.for_each_required(visit);
                }
            }
            Rule::Any(policies) => {
                if let Some(first) = policies.first() {
                    first.for_each_required(visit);
                }
            }
            Rule::Check(check) => visit(check),
            Rule::Unusable(_) => {}
        }
    }
}
