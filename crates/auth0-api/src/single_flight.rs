//! One call at a time for each key, whose outcome all who want it share.

use std::num::NonZeroUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

/// Outcomes by key, the least recently used of which is dropped at the limit.
pub(crate) struct SingleFlight<T> {
    calls: Mutex<LruCache<String, Arc<Call<T>>>>,
    limit: NonZeroUsize,
}

struct Call<T> {
    state: Mutex<State<T>>,
    ended: Condvar,
    /// The same for async callers.
    #[cfg(feature = "async")]
    async_ended: tokio::sync::Notify,
}

enum State<T> {
    UnderWay,
    Ended(T),
    /// It came to nothing, as when its thread panics.
    Abandoned,
}

impl<T: Clone> SingleFlight<T> {
    pub(crate) fn new(limit: NonZeroUsize) -> Self {
        // Bounded by hand: a bounded map takes the room for all its entries at once.
        let calls = Mutex::new(LruCache::unbounded());
        SingleFlight { calls, limit }
    }

    /// The outcome of `key`: the one that is kept, if it `is_good` still; that of a call under way;
    /// or that of `call`.
    pub(crate) fn get(
        &self,
        key: &str,
        is_good: impl Fn(&T) -> bool,
        call: impl FnOnce() -> T,
    ) -> T {
        loop {
            let shared = match self.join_or_lead(key, &is_good) {
                Ok(own) => {
                    let mut duty = Duty::new(self, key, &own);
                    let outcome = call();
                    duty.end(&outcome, is_good(&outcome));
                    return outcome;
                }
                Err(shared) => shared,
            };
            if let Some(outcome) = shared.wait() {
                return outcome;
            }
        }
    }

    /// The same for async callers. If the future that carries out the call is dropped, one of those who
    /// wait carries out its own.
    #[cfg(feature = "async")]
    pub(crate) async fn get_async(
        &self,
        key: &str,
        is_good: impl Fn(&T) -> bool,
        call: impl Future<Output = T>,
    ) -> T {
        loop {
            let shared = match self.join_or_lead(key, &is_good) {
                Ok(own) => {
                    let mut duty = Duty::new(self, key, &own);
                    let outcome = call.await;
                    duty.end(&outcome, is_good(&outcome));
                    return outcome;
                }
                Err(shared) => shared,
            };
            if let Some(outcome) = shared.wait_async().await {
                return outcome;
            }
        }
    }

    /// Only what is good takes a place from another. Those who wait for the call have it by
    /// themselves.
    fn keep(&self, key: &str, call: &Arc<Call<T>>, is_good: bool) {
        let mut calls = lock(&self.calls);
        let is_own = |kept: &Arc<Call<T>>| Arc::ptr_eq(kept, call);
        if !is_good && calls.peek(key).is_some_and(is_own) {
            calls.pop(key);
        }
        while calls.len() > self.limit.get() {
            calls.pop_lru();
        }
    }

    /// A new call to carry out, or one to share.
    fn join_or_lead(
        &self,
        key: &str,
        is_good: impl Fn(&T) -> bool,
    ) -> Result<Arc<Call<T>>, Arc<Call<T>>> {
        let mut calls = lock(&self.calls);
        if let Some(call) = calls.get(key).filter(|call| call.may_be_shared(is_good)) {
            return Err(Arc::clone(call));
        }
        let call = Arc::new(Call {
            state: Mutex::new(State::UnderWay),
            ended: Condvar::new(),
            #[cfg(feature = "async")]
            async_ended: tokio::sync::Notify::new(),
        });
        calls.put(key.to_owned(), Arc::clone(&call));
        Ok(call)
    }
}

impl<T: Clone> Call<T> {
    fn may_be_shared(&self, is_good: impl Fn(&T) -> bool) -> bool {
        match &*self.lock() {
            State::UnderWay => true,
            State::Ended(outcome) => is_good(outcome),
            State::Abandoned => false,
        }
    }

    fn wait(&self) -> Option<T> {
        let under_way = |state: &mut State<T>| matches!(state, State::UnderWay);
        let state = self.ended.wait_while(self.lock(), under_way);
        state.unwrap_or_else(PoisonError::into_inner).outcome()
    }

    #[cfg(feature = "async")]
    async fn wait_async(&self) -> Option<T> {
        let mut ended = std::pin::pin!(self.async_ended.notified());
        // Before the look: whatever ends the call after it is noticed.
        ended.as_mut().enable();
        if matches!(*self.lock(), State::UnderWay) {
            ended.await;
        }
        self.lock().outcome()
    }
}

impl<T: Clone> State<T> {
    fn outcome(&self) -> Option<T> {
        match self {
            State::Ended(outcome) => Some(outcome.clone()),
            State::UnderWay | State::Abandoned => None,
        }
    }
}

impl<T> Call<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        lock(&self.state)
    }
}

/// The duty to end a call, so that nobody waits for ever and nothing is kept of it in vain.
struct Duty<'c, T: Clone> {
    flights: &'c SingleFlight<T>,
    key: &'c str,
    call: &'c Arc<Call<T>>,
    is_good: bool,
}

impl<'c, T: Clone> Duty<'c, T> {
    fn new(flights: &'c SingleFlight<T>, key: &'c str, call: &'c Arc<Call<T>>) -> Self {
        Duty {
            flights,
            key,
            call,
            is_good: false,
        }
    }

    fn end(&mut self, outcome: &T, is_good: bool) {
        *self.call.lock() = State::Ended(outcome.clone());
        self.is_good = is_good;
    }
}

impl<T: Clone> Drop for Duty<'_, T> {
    fn drop(&mut self) {
        let mut state = self.call.lock();
        if matches!(*state, State::UnderWay) {
            *state = State::Abandoned;
        }
        drop(state);
        self.flights.keep(self.key, self.call, self.is_good);
        self.call.ended.notify_all();
        #[cfg(feature = "async")]
        self.call.async_ended.notify_waiters();
    }
}

/// A thread that panicked while it held the lock left a value that is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
