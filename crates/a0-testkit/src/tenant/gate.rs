use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Holds requests inside the tenant until the test releases them.
///
/// [`Fault::hold_at`](crate::Fault::hold_at) sends requests to the gate. The test waits for them with
/// [`wait_arrived`](Self::wait_arrived) and lets them pass with [`release`](Self::release). A
/// released gate stays open.
///
/// Dropping the gate releases it, so a failing test leaves no request waiting. Dropping the
/// [`TenantServer`](crate::TenantServer) that received the request releases it too.
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
/// // The tenant has received the request, and answers it when the gate is released.
/// gate.release();
/// assert!(fetch.join().is_ok_and(|response| response.is_ok()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Gate(Arc<Barrier>);

impl Gate {
    /// The longest that [`wait_arrived`](Self::wait_arrived) and
    /// [`wait_arrivals`](Self::wait_arrivals) wait.
    pub const PATIENCE: Duration = Duration::from_secs(30);

    /// Makes a closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits until a request has arrived at the gate. Returns `false` if none arrived within
    /// [`PATIENCE`](Self::PATIENCE).
    #[must_use]
    pub fn wait_arrived(&self) -> bool {
        self.wait_arrivals(1)
    }

    /// Waits until `count` requests have arrived in total. Returns `false` if they did not arrive
    /// within [`PATIENCE`](Self::PATIENCE).
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

    /// The number of requests that have arrived so far.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.0
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .arrived
    }

    /// Lets all requests pass, those that wait and later ones.
    pub fn release(&self) {
        self.0.open();
    }

    pub(super) fn barrier(&self) -> Arc<Barrier> {
        Arc::clone(&self.0)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// The part of a gate that the tenant holds. It does not open the gate when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    arrived: usize,
    open: bool,
}

impl Barrier {
    /// Waits until the gate is open.
    pub(super) fn pass(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.arrived += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_while(state, |state| !state.open);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn open(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open = true;
        self.changed.notify_all();
    }
}
