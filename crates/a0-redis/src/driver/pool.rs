//! The connections of one process to one server.
//!
//! A call takes an idle connection, or waits for one. Threads open connections in the background,
//! so that a call leaves in time whatever a connection attempt does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redis::{Client, Cmd, Connection, ConnectionLike, Value};

use crate::driver::{ASK_LIMIT, CONNECT_LIMIT};
use crate::error::{Failure, RedisError};
use crate::watch::ServerWatch;

/// The most connections to one server. More calls at once wait for each other, within their time
/// limits.
const MAX_CONNECTIONS: usize = 16;

pub(super) struct Pool(Arc<Shared>);

struct Shared {
    client: Client,
    watch: Option<Arc<ServerWatch>>,
    is_watched: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// Connections that are idle, in use, or being opened.
    open: usize,
    /// Connections that are being opened.
    connecting: usize,
    /// The number of attempts that failed, and the last failure.
    failures: u64,
    last_failure: Option<RedisError>,
}

/// A place among the open connections. Dropping it gives the place back.
struct Place(Option<Arc<Shared>>);

impl Pool {
    pub(super) fn new(client: Client, watch: Option<Arc<ServerWatch>>) -> Self {
        Pool(Arc::new(Shared {
            client,
            watch,
            is_watched: AtomicBool::new(false),
            state: Mutex::default(),
            changed: Condvar::new(),
        }))
    }

    /// Sends a command and returns its answer, after `ASKING` if the server has the key only for
    /// those who ask.
    pub(super) fn call(
        &self,
        command: &Cmd,
        is_asking: bool,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let (mut connection, place) = self.0.take(deadline)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.0.give_back(connection, place);
            return Err(RedisError::NotInTime.into());
        }
        let limits = connection
            .set_write_timeout(Some(left))
            .and_then(|()| connection.set_read_timeout(Some(left)));
        let answer = limits
            .and_then(|()| match is_asking {
                true => connection.req_command(&redis::cmd("ASKING")).map(drop),
                false => Ok(()),
            })
            .and_then(|()| connection.req_command(command))
            .and_then(Value::extract_error);
        match answer {
            Ok(answer) => {
                self.0.give_back(connection, place);
                Ok(answer)
            }
            Err(error) => {
                let failure = Failure::from(&error);
                // After a timeout, the late answer would be taken for that of the next command.
                let is_answer =
                    !matches!(failure, Failure::Error(error) if error != RedisError::Refused);
                if is_answer && connection.is_open() {
                    self.0.give_back(connection, place);
                }
                Err(failure)
            }
        }
    }

    pub(super) fn drop_idle(&self) {
        let mut state = self.0.lock();
        let idle = std::mem::take(&mut state.idle);
        state.open = state.open.saturating_sub(idle.len());
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an idle connection, or waits for one.
    fn take(self: &Arc<Self>, deadline: Instant) -> Result<(Connection, Place), RedisError> {
        let mut state = self.lock();
        let failures_before = state.failures;
        let mut asked = false;
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok((connection, Place(Some(Arc::clone(self)))));
            }
            if state.failures != failures_before {
                return Err(state.last_failure.unwrap_or(RedisError::NotConnected));
            }
            // Another call may have taken the connection that this one asked for.
            if (!asked || state.connecting == 0) && state.open < MAX_CONNECTIONS {
                asked = true;
                state.open = state.open.saturating_add(1);
                state.connecting = state.connecting.saturating_add(1);
                drop(state);
                self.connect();
                state = self.lock();
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RedisError::NotInTime);
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn give_back(&self, connection: Connection, mut place: Place) {
        // The idle connection keeps the place.
        place.0 = None;
        self.lock().idle.push(connection);
        self.changed.notify_one();
    }

    /// Opens a connection in a thread, for which a place is taken already.
    fn connect(self: &Arc<Self>) {
        let (shared, place) = (Arc::clone(self), Place(Some(Arc::clone(self))));
        let thread = std::thread::Builder::new().name("a0-redis".into());
        let spawned = thread.spawn(move || {
            let connected = shared.client.get_connection_with_timeout(CONNECT_LIMIT);
            shared.end_attempt(connected.as_ref().err().map(RedisError::from));
            if let Ok(connection) = connected {
                shared.give_back(connection, place);
                shared.watch_server();
            }
        });
        if spawned.is_err() {
            self.end_attempt(Some(RedisError::NotConnected));
        }
    }

    /// Looks at the options of the server, once.
    fn watch_server(&self) {
        if let Some(watch) = &self.watch
            && !self.is_watched.swap(true, Ordering::Relaxed)
        {
            let answer = ask_once(&self.client, &ServerWatch::question());
            watch.take_answer(answer.ok().as_ref());
        }
    }

    fn end_attempt(&self, failure: Option<RedisError>) {
        let mut state = self.lock();
        state.connecting = state.connecting.saturating_sub(1);
        if let Some(failure) = failure {
            state.failures = state.failures.wrapping_add(1);
            state.last_failure = Some(failure.of_connecting());
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// Sends one command on a connection of its own, in the background.
pub(super) fn ask_once(client: &Client, command: &Cmd) -> Result<Value, RedisError> {
    let ask = || {
        let mut connection = client.get_connection_with_timeout(ASK_LIMIT)?;
        connection.set_write_timeout(Some(ASK_LIMIT))?;
        connection.set_read_timeout(Some(ASK_LIMIT))?;
        connection.req_command(command)?.extract_error()
    };
    ask().map_err(|error: redis::RedisError| RedisError::from(&error).of_connecting())
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            let mut state = shared.lock();
            state.open = state.open.saturating_sub(1);
            drop(state);
            shared.changed.notify_one();
        }
    }
}
