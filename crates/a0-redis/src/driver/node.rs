//! The connection of one process to one server, which all calls share.
//!
//! Tasks open connections in the background, so that a call leaves in time whatever a connection
//! attempt does.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Value};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use crate::driver::{ASK_LIMIT, CONNECT_LIMIT};
use crate::error::{Failure, RedisError};
use crate::watch::{Observers, ServerWatch};

pub(super) struct Node {
    client: Client,
    watch: Option<ServerWatch>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    connection: Option<Shared>,
    /// When the attempt in progress began.
    connecting: Option<Instant>,
    /// The number of connections that were opened.
    opened: u64,
    /// The number of attempts that failed, and the last failure.
    failures: u64,
    last_failure: Option<RedisError>,
}

/// A connection, with its number.
#[derive(Clone)]
struct Shared(u64, MultiplexedConnection);

impl Node {
    pub(super) fn new(client: Client, observers: Option<Observers>) -> Self {
        Node {
            client,
            watch: observers.map(ServerWatch::new),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a command and returns its answer, after `ASKING` if the server has the key only for
    /// those who ask.
    pub(super) async fn call(
        self: &Arc<Self>,
        command: &Cmd,
        is_asking: bool,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let open = self.lock().connection.clone();
        let was_open = open.is_some();
        let Shared(number, mut connection) = match open {
            Some(open) => open,
            None => {
                let taken = timeout_at(deadline, self.take()).await;
                taken.unwrap_or(Err(RedisError::NotInTime))?
            }
        };
        let answer = async {
            if is_asking {
                let mut pipeline = redis::pipe();
                pipeline.cmd("ASKING").add_command(command.clone());
                let mut answers = connection.req_packed_commands(&pipeline, 1, 1).await?;
                return Ok(answers.pop().unwrap_or(Value::Nil));
            }
            connection.req_packed_command(command).await
        };
        let Ok(answer) = timeout_at(deadline, answer).await else {
            // The server may be gone without a word. Other calls keep their clones. A connection
            // that was opened just now answered, so the time went into opening it.
            if was_open {
                self.drop_connection(number);
            }
            return Err(RedisError::NotInTime.into());
        };
        answer.and_then(Value::extract_error).map_err(|error| {
            let failure = Failure::from(&error);
            if failure.ends_connection() {
                self.drop_connection(number);
            }
            failure
        })
    }

    fn drop_connection(&self, number: u64) {
        let mut state = self.lock();
        if state
            .connection
            .as_ref()
            .is_some_and(|shared| shared.0 == number)
        {
            state.connection = None;
        }
    }

    /// Returns the connection, or waits for one.
    async fn take(self: &Arc<Self>) -> Result<Shared, RedisError> {
        let mut failures_before = None;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let attempt = {
                let mut state = self.lock();
                if let Some(shared) = &state.connection {
                    return Ok(shared.clone());
                }
                let failures = state.failures;
                if *failures_before.get_or_insert(failures) != failures {
                    return Err(state.last_failure.unwrap_or(RedisError::NotConnected));
                }
                // A runtime that nobody drives leaves its attempt unfinished.
                let is_tried = |began: Instant| began.elapsed() < CONNECT_LIMIT.saturating_mul(2);
                if state.connecting.is_some_and(is_tried) {
                    None
                } else {
                    state.connecting = Some(Instant::now());
                    Some(Attempt(Arc::clone(self), None))
                }
            };
            // Not under the lock: a runtime that ends drops the attempt at once.
            if let Some(attempt) = attempt {
                connect_in_background(attempt);
            }
            changed.await;
        }
    }

    /// Looks at the options of the server, once.
    async fn watch_server(&self) {
        if let Some(watch) = &self.watch
            && self.lock().connection.is_some()
            && let Some(look) = watch.begin()
        {
            look.end(ask_once(&self.client, &ServerWatch::question()).await);
        }
    }
}

/// Opens a connection in a task. The caller has checked that there is a runtime.
fn connect_in_background(mut attempt: Attempt) {
    tokio::spawn(async move {
        let node = Arc::clone(&attempt.0);
        attempt.1 = Some(connect(&node.client, CONNECT_LIMIT).await);
        drop(attempt);
        node.watch_server().await;
    });
}

/// Sends one command on a connection of its own, in the background.
pub(super) async fn ask_once(client: &Client, command: &Cmd) -> Result<Value, RedisError> {
    let mut connection = connect(client, ASK_LIMIT).await?;
    let answer = timeout(ASK_LIMIT, connection.req_packed_command(command)).await;
    let answer = answer.map_err(|_| RedisError::NotConnected)?;
    let answer = answer.and_then(Value::extract_error);
    answer.map_err(|error| RedisError::of(&error).of_connecting())
}

async fn connect(
    client: &Client,
    limit: std::time::Duration,
) -> Result<MultiplexedConnection, RedisError> {
    // The limits of this crate are around the calls.
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limit))
        .set_response_timeout(None);
    let connected = client.get_multiplexed_async_connection_with_config(&config);
    let connected = connected.await;
    connected.map_err(|error| RedisError::of(&error).of_connecting())
}

/// Whether this code runs within a runtime, without which tokio panics.
pub(super) fn has_runtime() -> bool {
    Handle::try_current().is_ok()
}

/// Ends the attempt to connect when it is dropped, also with its runtime.
struct Attempt(Arc<Node>, Option<Result<MultiplexedConnection, RedisError>>);

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.connecting = None;
        match self.1.take() {
            Some(Ok(connection)) => {
                state.opened = state.opened.wrapping_add(1);
                state.connection = Some(Shared(state.opened, connection));
            }
            failed => {
                state.failures = state.failures.wrapping_add(1);
                state.last_failure = failed.and_then(Result::err);
            }
        }
        drop(state);
        self.0.changed.notify_waiters();
    }
}
