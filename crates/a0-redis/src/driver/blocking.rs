//! The blocking driver.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redis::{Cmd, Value};

use super::pool::{Pool, ask_once};
use crate::address::Address;
use crate::call::{Call, Next, To};
use crate::driver::Plan;
use crate::error::{Failure, RedisError};
use crate::router::Ticket;

pub(crate) struct Driver(Arc<Shared>);

struct Shared {
    plan: Plan,
    pools: Mutex<HashMap<Address, Arc<Pool>>>,
}

impl Driver {
    pub(crate) fn new(plan: Plan) -> Self {
        Driver(Arc::new(Shared {
            plan,
            pools: Mutex::default(),
        }))
    }

    #[cfg(test)]
    pub(super) fn router(&self) -> &crate::router::Router {
        &self.0.plan.router
    }

    /// Sends a command to the server of this key. The time limit covers everything.
    ///
    /// If a connection turns out to be closed, the command is sent once more, on another. It may
    /// then be carried out twice.
    pub(crate) fn call(&self, key: &[u8], command: &Cmd) -> Result<Value, RedisError> {
        let deadline = self.deadline()?;
        let router = &self.0.plan.router;
        let (mut call, mut next) = Call::begin(router.slot(key), router, Instant::now());
        let end = loop {
            next = match next {
                Next::Send(to) => {
                    let answer = self.send(&to, command, deadline);
                    call.answered(router, to, answer)
                }
                Next::Learn => call.learned(router, self.0.learn(deadline)),
                Next::Refresh => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let half = deadline.checked_sub(left / 2).unwrap_or(deadline);
                    // Without an answer, the server that is known is used.
                    let _ = self.0.learn(half);
                    call.refreshed(router)
                }
                Next::Done(end) => break end,
            };
        };
        self.0.learn_in_background(end.is_err() || call.has_doubt());
        end
    }

    /// Sends a command to this server, within the time limit.
    pub(crate) fn call_server(&self, server: &Address, command: &Cmd) -> Result<Value, RedisError> {
        let to = To {
            server: server.clone(),
            is_asking: false,
            is_fresh: false,
        };
        let deadline = self.deadline()?;
        let answer = match self.send(&to, command, deadline) {
            Err(Failure::Error(RedisError::Closed)) => {
                let to = To {
                    is_fresh: true,
                    ..to
                };
                self.send(&to, command, deadline)
            }
            answer => answer,
        };
        answer.map_err(Failure::into_error)
    }

    /// All servers that have keys.
    pub(crate) fn servers(&self) -> Result<Vec<Address>, RedisError> {
        let learned = match self.0.plan.router.is_fixed() {
            true => Ok(()),
            false => self.0.learn(self.deadline()?),
        };
        let servers = self.0.plan.router.servers();
        match learned {
            Err(error) if servers.is_empty() => Err(error),
            _ => Ok(servers),
        }
    }

    fn deadline(&self) -> Result<Instant, RedisError> {
        let deadline = Instant::now().checked_add(self.0.plan.time_limit);
        deadline.ok_or(RedisError::NotInTime)
    }

    fn send(&self, to: &To, command: &Cmd, deadline: Instant) -> Result<Value, Failure> {
        let pool = self.0.pool(&to.server)?;
        if to.is_fresh {
            pool.drop_idle();
        }
        pool.call(command, to.is_asking, deadline)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Arc<Pool>>> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self, server: &Address) -> Result<Arc<Pool>, RedisError> {
        let mut pools = self.lock();
        if let Some(pool) = pools.get(server) {
            return Ok(Arc::clone(pool));
        }
        let client = self.plan.client(server)?;
        let pool = Arc::new(Pool::new(client, self.plan.observers.clone()));
        pools.insert(server.clone(), Arc::clone(&pool));
        Ok(pool)
    }

    /// Waits until it is known anew which server has which key.
    fn learn(self: &Arc<Self>, deadline: Instant) -> Result<(), RedisError> {
        let router = &self.plan.router;
        match router.ticket(true, Instant::now()) {
            Ticket::Recent(result) => result,
            Ticket::Wait(ticket) => router.wait(ticket, deadline),
            Ticket::Ask(ticket) => {
                self.ask();
                router.wait(ticket, deadline)
            }
        }
    }

    fn learn_in_background(self: &Arc<Self>, is_needed: bool) {
        if let Ticket::Ask(_) = self.plan.router.ticket(is_needed, Instant::now()) {
            self.ask();
        }
    }

    /// Asks in a thread, so that a call leaves in time whatever the servers do.
    fn ask(self: &Arc<Self>) {
        let asking = Asking(Arc::clone(self), Err(RedisError::NotConnected));
        let thread = std::thread::Builder::new().name("a0-redis".into());
        // A thread that cannot be spawned drops `asking`.
        let _ = thread.spawn(move || {
            let mut asking = asking;
            asking.1 = asking.0.ask_sources();
            if asking.1.is_ok() {
                let servers = asking.0.plan.router.servers();
                asking.0.lock().retain(|server, _| servers.contains(server));
            }
        });
    }

    fn ask_sources(&self) -> Result<(), RedisError> {
        let router = &self.plan.router;
        let question = router.question();
        let mut result = Err(RedisError::NotConnected);
        for source in router.sources() {
            let answer = self
                .plan
                .source(&source)
                .and_then(|client| ask_once(&client, &question));
            result = answer.and_then(|answer| router.learn(&source, &answer));
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// Ends the question when it is dropped, also by a panic.
struct Asking(Arc<Shared>, Result<(), RedisError>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.plan.router.end(self.1);
    }
}
