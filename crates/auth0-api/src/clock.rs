//! The one clock of a client.

use std::sync::Arc;
use std::time::SystemTime;

use a0_jose::NumericDate;

/// Tells a client the time: the system clock, unless [`Builder::clock`](crate::Builder::clock) overrides
/// it.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    pub(crate) fn now(&self) -> NumericDate {
        self.system_time().into()
    }

    pub(crate) fn system_time(&self) -> SystemTime {
        (self.0)()
    }
}
