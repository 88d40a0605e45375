//! The options of observers.

use std::sync::Arc;

use crate::observer::Observer;

use super::builder::Builder;

impl Builder {
    /// Adds an observer, which is told what the client does: see [`observer`](crate::observer). Call it
    /// once for each observer. An `Arc` of an observer is an observer too.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// The claims of accepted tokens that observers see, such as `azp` or `org_id`; none by default. Only
    /// claims whose value is a string are passed on.
    ///
    /// They end up in logs and traces. A claim that identifies a person, such as `sub` or `email`, is
    /// personal data there.
    pub fn observed_claims<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.observed_claims = names.into_iter().map(Into::into).collect();
        self
    }
}
