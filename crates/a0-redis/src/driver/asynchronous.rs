//! The driver for async callers, on tokio.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Cmd, Value};
use tokio::time::{Instant, timeout_at};

use super::node::{Node, ask_once, has_runtime};
use crate::address::Address;
use crate::call::{Call, Next, To};
use crate::driver::Plan;
use crate::error::{Failure, RedisError};
use crate::router::Ticket;

pub(crate) struct Driver(Arc<Shared>);

struct Shared {
    plan: Plan,
    nodes: Mutex<HashMap<Address, Arc<Node>>>,
}

impl Driver {
    pub(crate) fn new(plan: Plan) -> Self {
        Driver(Arc::new(Shared {
            plan,
            nodes: Mutex::default(),
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
    pub(crate) async fn call(&self, key: &[u8], command: &Cmd) -> Result<Value, RedisError> {
        let deadline = self.deadline()?;
        let router = &self.0.plan.router;
        let (mut call, mut next) = Call::begin(router.slot(key), router, Instant::now().into_std());
        let end = loop {
            next = match next {
                Next::Send(to) => {
                    let answer = self.send(&to, command, deadline).await;
                    call.answered(router, to, answer)
                }
                Next::Learn => call.learned(router, self.0.learn(deadline).await),
                Next::Refresh => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let half = deadline.checked_sub(left / 2).unwrap_or(deadline);
                    // Without an answer, the server that is known is used.
                    let _ = self.0.learn(half).await;
                    call.refreshed(router)
                }
                Next::Done(end) => break end,
            };
        };
        self.0.learn_in_background(end.is_err() || call.has_doubt());
        end
    }

    /// Sends a command to this server, within the time limit.
    pub(crate) async fn call_server(
        &self,
        server: &Address,
        command: &Cmd,
    ) -> Result<Value, RedisError> {
        let to = To {
            server: server.clone(),
            is_asking: false,
            is_fresh: false,
        };
        let deadline = self.deadline()?;
        let answer = match self.send(&to, command, deadline).await {
            Err(Failure::Error(RedisError::Closed)) => self.send(&to, command, deadline).await,
            answer => answer,
        };
        answer.map_err(Failure::into_error)
    }

    /// All servers that have keys.
    pub(crate) async fn servers(&self) -> Result<Vec<Address>, RedisError> {
        let learned = match self.0.plan.router.is_fixed() {
            true => Ok(()),
            false => self.0.learn(self.deadline()?).await,
        };
        let servers = self.0.plan.router.servers();
        match learned {
            Err(error) if servers.is_empty() => Err(error),
            _ => Ok(servers),
        }
    }

    fn deadline(&self) -> Result<Instant, RedisError> {
        if !has_runtime() {
            return Err(RedisError::NoRuntime);
        }
        let deadline = Instant::now().checked_add(self.0.plan.time_limit);
        deadline.ok_or(RedisError::NotInTime)
    }

    async fn send(&self, to: &To, command: &Cmd, deadline: Instant) -> Result<Value, Failure> {
        // A closed connection was dropped when that was noticed, so any other is fresh.
        let node = self.0.node(&to.server)?;
        node.call(command, to.is_asking, deadline).await
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Arc<Node>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self, server: &Address) -> Result<Arc<Node>, RedisError> {
        let mut nodes = self.lock();
        if let Some(node) = nodes.get(server) {
            return Ok(Arc::clone(node));
        }
        let client = self.plan.client(server)?;
        let node = Arc::new(Node::new(client, self.plan.observers.clone()));
        nodes.insert(server.clone(), Arc::clone(&node));
        Ok(node)
    }

    /// Waits until it is known anew which server has which key.
    async fn learn(self: &Arc<Self>, deadline: Instant) -> Result<(), RedisError> {
        let router = &self.plan.router;
        let ticket = match router.ticket(true, Instant::now().into_std()) {
            Ticket::Recent(result) => return result,
            Ticket::Wait(ticket) => ticket,
            Ticket::Ask(ticket) => {
                self.ask();
                ticket
            }
        };
        let wait = async {
            loop {
                let mut changed = pin!(router.notify.notified());
                changed.as_mut().enable();
                if let Some(end) = router.ended(ticket) {
                    return end;
                }
                changed.await;
            }
        };
        let end = timeout_at(deadline, wait).await;
        end.unwrap_or(Err(RedisError::NotInTime))
    }

    fn learn_in_background(self: &Arc<Self>, is_needed: bool) {
        let now = Instant::now().into_std();
        if let Ticket::Ask(_) = self.plan.router.ticket(is_needed, now) {
            self.ask();
        }
    }

    /// Asks in a task, which a caller that leaves does not take along.
    fn ask(self: &Arc<Self>) {
        let asking = Asking(Arc::clone(self), Err(RedisError::NotConnected));
        tokio::spawn(async move {
            let mut asking = asking;
            asking.1 = asking.0.ask_sources().await;
            if asking.1.is_ok() {
                let servers = asking.0.plan.router.servers();
                asking.0.lock().retain(|server, _| servers.contains(server));
            }
        });
    }

    async fn ask_sources(&self) -> Result<(), RedisError> {
        let router = &self.plan.router;
        let question = router.question();
        let mut result = Err(RedisError::NotConnected);
        for source in router.sources() {
            let answer = match self.plan.source(&source) {
                Ok(client) => ask_once(&client, &question).await,
                Err(error) => Err(error),
            };
            result = answer.and_then(|answer| router.learn(&source, &answer));
            if result.is_ok() {
                break;
            }
        }
        result
    }
}

/// Ends the question when it is dropped, also with its runtime.
struct Asking(Arc<Shared>, Result<(), RedisError>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.plan.router.end(self.1);
    }
}
