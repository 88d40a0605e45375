//! The faults of each endpoint, and the requests that they hold.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use super::LocalTenant;
use super::gate::Barrier;
use crate::{Endpoint, Fault};

impl LocalTenant {
    /// Makes an endpoint misbehave until [`recover`](Self::recover) is called.
    pub fn misbehave(&self, endpoint: Endpoint, fault: Fault) {
        self.with_state(|state| state.faults.plan(endpoint).lasting = Some(fault));
    }

    /// Makes an endpoint misbehave for the next `times` requests. They follow the faults that are
    /// already scripted.
    pub fn misbehave_times(&self, endpoint: Endpoint, times: usize, fault: Fault) {
        self.misbehave_script(endpoint, std::iter::repeat_n(fault, times));
    }

    /// Scripts one fault for each of the next requests to an endpoint. They follow the faults that
    /// are already scripted. After the script, the fault set by [`misbehave`](Self::misbehave)
    /// applies again.
    pub fn misbehave_script(&self, endpoint: Endpoint, faults: impl IntoIterator<Item = Fault>) {
        let faults: Vec<Fault> = faults.into_iter().collect();
        self.with_state(|state| state.faults.plan(endpoint).script.extend(faults));
    }

    /// Removes all faults of an endpoint, scripted and lasting ones. It does not release requests
    /// held at a [`Gate`](crate::Gate).
    pub fn recover(&self, endpoint: Endpoint) {
        self.with_state(|state| *state.faults.plan(endpoint) = Plan::default());
    }

    pub(super) fn hold(&self, gate: &Arc<Barrier>) {
        self.with_state(|state| {
            state.held.retain(|gate| gate.strong_count() > 0);
            state.held.push(Arc::downgrade(gate));
            if state.closing {
                gate.open();
            }
        });
        gate.pass();
    }

    /// Releases every request that is held now or later, so that a server can stop.
    pub(crate) fn release_held(&self) {
        self.with_state(|state| {
            state.closing = true;
            state
                .held
                .iter()
                .filter_map(Weak::upgrade)
                .for_each(|gate| gate.open());
        });
    }
}

/// The faults of each endpoint.
#[derive(Default)]
pub(super) struct Faults(HashMap<Endpoint, Plan>);

#[derive(Default)]
struct Plan {
    script: VecDeque<Fault>,
    lasting: Option<Fault>,
}

impl Faults {
    fn plan(&mut self, endpoint: Endpoint) -> &mut Plan {
        self.0.entry(endpoint).or_default()
    }

    pub(super) fn next(&mut self, endpoint: Endpoint) -> Fault {
        let plan = self.plan(endpoint);
        plan.script
            .pop_front()
            .or_else(|| plan.lasting.clone())
            .unwrap_or(Fault::none())
    }
}
