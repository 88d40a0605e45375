use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Where a request waits inside the tenant until the test lets it go on.
///
/// Two-sided: the tenant [arrives](Self::wait_arrived), the test [releases](Self::release). Once
/// released a gate stays open. Dropping it releases it too, so that a failing test leaves no
/// request waiting; so does dropping the server that the request came in by.
///
/// ```
/// use a0_testkit::{Endpoint, Fault, Gate, LocalTenant};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tenant = LocalTenant::new("tenant.example")?;
/// let gate = Gate::new();
/// tenant.misbehave_times(Endpoint::Jwks, 1, Fault::hold_at(&gate));
///
/// let client = tenant.client();
/// let request = http::Request::get("https://tenant.example/.well-known/jwks.json").body(vec![])?;
/// let fetch = std::thread::spawn(move || client(request));
///
/// assert!(gate.wait_arrived());
/// // Here the request is under way, for as long as the test likes.
/// gate.release();
/// assert!(fetch.join().is_ok_and(|answer| answer.is_ok()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Gate(Arc<Waiting>);

impl Gate {
    /// How long [`wait_arrived`](Self::wait_arrived) waits at most.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until a request stands at the gate, or has stood there. `false` if none came within
    /// [`PATIENCE`](Self::PATIENCE).
    #[must_use]
    pub fn wait_arrived(&self) -> bool {
        self.wait_arrivals(1)
    }

    /// Waits until `count` requests have arrived, all told. `false` if they did not within
    /// [`PATIENCE`](Self::PATIENCE).
    #[must_use]
    pub fn wait_arrivals(&self, count: usize) -> bool {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, Self::PATIENCE, |state| state.arrived < count);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.arrived >= count
    }

    /// How many requests have arrived so far.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.0
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .arrived
    }

    /// Lets every request pass, those that wait and those to come.
    pub fn release(&self) {
        self.0.open();
    }

    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.0)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// The tenant's side of a gate.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    arrived: usize,
    open: bool,
}

impl Waiting {
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.arrived += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_while(state, |state| !state.open);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn open(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open = true;
        self.changed.notify_all();
    }
}
