//! The connections of one process.
//!
//! A call takes an idle connection, or waits for one. Threads open connections in the background,
//! so that a call leaves in time whatever a connection attempt does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Client, Cmd, Connection, ConnectionAddr, ConnectionLike, Value};

use crate::error::RedisError;

/// The most connections of one process. More calls at once wait for each other, within their time
/// limits.
const MAX_CONNECTIONS: usize = 16;

/// The time limit of a connection attempt in the background. A call does not wait that long.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

pub(crate) struct Pool {
    shared: Arc<Shared>,
    time_limit: Duration,
}

struct Shared {
    client: Client,
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
    pub(crate) fn new(client: Client, time_limit: Duration) -> Self {
        if let ConnectionAddr::TcpTls { .. } = client.get_connection_info().addr() {
            // `redis` takes the provider of the process, and rustls panics if there is none and two
            // are compiled in. This has no effect if the program chose one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Pool {
            shared: Arc::new(Shared {
                client,
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
            time_limit,
        }
    }

    /// Sends a command and returns its answer. The time limit covers everything.
    ///
    /// If a connection that was idle turns out to be closed, the command is sent once more, on
    /// another. It may then be carried out twice.
    pub(crate) fn call(&self, command: &Cmd) -> Result<Value, RedisError> {
        let deadline = Instant::now()
            .checked_add(self.time_limit)
            .ok_or(RedisError::NotInTime)?;
        match self.call_once(command, deadline) {
            Err(RedisError::Closed) => {
                // The server closed all of them if it restarted.
                self.shared.drop_idle();
                self.call_once(command, deadline)
            }
            answer => answer,
        }
    }

    fn call_once(&self, command: &Cmd, deadline: Instant) -> Result<Value, RedisError> {
        let (mut connection, place) = self.shared.take(deadline)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.shared.give_back(connection, place);
            return Err(RedisError::NotInTime);
        }
        let limits = connection
            .set_write_timeout(Some(left))
            .and_then(|()| connection.set_read_timeout(Some(left)));
        let answer = limits
            .and_then(|()| connection.req_command(command))
            .and_then(Value::extract_error);
        match answer {
            Ok(answer) => {
                self.shared.give_back(connection, place);
                Ok(answer)
            }
            Err(error) => {
                let failure = RedisError::from(&error);
                // After a timeout, the late answer would be taken for that of the next command.
                if failure == RedisError::Refused && connection.is_open() {
                    self.shared.give_back(connection, place);
                }
                Err(failure)
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drop_idle(self: &Arc<Self>) {
        let mut state = self.lock();
        let idle = std::mem::take(&mut state.idle);
        state.open = state.open.saturating_sub(idle.len());
        drop(state);
        self.changed.notify_all();
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
            }
        });
        if spawned.is_err() {
            self.end_attempt(Some(RedisError::NotConnected));
        }
    }

    fn end_attempt(&self, failure: Option<RedisError>) {
        let mut state = self.lock();
        state.connecting = state.connecting.saturating_sub(1);
        if let Some(failure) = failure {
            state.failures = state.failures.wrapping_add(1);
            state.last_failure = Some(match failure {
                RedisError::Authentication => failure,
                _ => RedisError::NotConnected,
            });
        }
        drop(state);
        self.changed.notify_all();
    }
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
