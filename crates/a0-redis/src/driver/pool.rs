//! The connections of one process to one server.
//!
//! A call takes an idle connection, or waits for one. Threads open connections in the background,
//! so that a call leaves in time whatever a connection attempt does.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redis::{Client, Cmd, Connection, ConnectionLike, Value};

use crate::driver::{ASK_LIMIT, CONNECT_LIMIT};
use crate::error::{Failure, RedisError};
use crate::watch::{Observers, ServerWatch};

/// The most connections to one server. More calls at once wait for each other, within their time
/// limits.
const MAX_CONNECTIONS: usize = 16;

pub(super) struct Pool(Arc<Shared>);

struct Shared {
    client: Client,
    watch: Option<ServerWatch>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Idle>,
    /// Connections that are idle, in use, or being opened.
    open: usize,
    /// Connections that are being opened.
    connecting: usize,
    /// The number of attempts that failed, and the last failure.
    failures: u64,
    last_failure: Option<RedisError>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl State {
    fn add_idle(&mut self, connection: Connection) {
        self.idle.push(Idle {
            connection,
            since: Instant::now(),
        });
    }

    /// Whether calls use connections, which they will give back.
    fn has_in_use(&self) -> bool {
        self.open > self.idle.len().saturating_add(self.connecting)
    }
}

/// A place among the open connections. Dropping it gives the place back.
struct Place(Option<Arc<Shared>>);

impl Pool {
    pub(super) fn new(client: Client, observers: Option<Observers>) -> Self {
        Pool(Arc::new(Shared {
            client,
            watch: observers.map(ServerWatch::new),
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
        let began = Instant::now();
        if began >= deadline {
            self.0.give_back(connection, place);
            return Err(RedisError::NotInTime.into());
        }
        let asking = match is_asking {
            // Its answer does not matter: without it, the command is redirected.
            true => exchange(&mut connection, &redis::cmd("ASKING"), deadline).map(drop),
            false => Ok(()),
        };
        let answer = asking
            .and_then(|()| exchange(&mut connection, command, deadline))
            .and_then(Value::extract_error);
        let failure = match answer {
            Ok(answer) => {
                self.0.give_back(connection, place);
                return Ok(answer);
            }
            Err(error) => Failure::from(&error),
        };
        // After a timeout, the late answer would be taken for that of the next command.
        if !failure.ends_connection() && connection.is_open() {
            self.0.give_back(connection, place);
        }
        if matches!(
            failure,
            Failure::ReadOnly | Failure::Error(RedisError::NotInTime)
        ) {
            // They were idle all the while, and lead to the same server.
            self.drop_idle_since(began);
        }
        Err(failure)
    }

    pub(super) fn drop_idle(&self) {
        self.drop_idle_since(Instant::now());
    }

    /// Drops the connections that are idle since this time or longer.
    fn drop_idle_since(&self, time: Instant) {
        let mut state = self.0.lock();
        let idle = std::mem::take(&mut state.idle);
        let (dropped, kept): (Vec<_>, _) = idle.into_iter().partition(|idle| idle.since <= time);
        state.idle = kept;
        state.open = state.open.saturating_sub(dropped.len());
        drop(state);
        self.0.changed.notify_all();
    }
}

/// Sends a command and reads its answer. The deadline bounds each write and each read.
fn exchange(
    connection: &mut Connection,
    command: &Cmd,
    deadline: Instant,
) -> redis::RedisResult<Value> {
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(std::io::Error::from(std::io::ErrorKind::TimedOut)),
            false => Ok(Some(left)),
        }
    };
    connection.set_write_timeout(left()?)?;
    connection.send_packed_command(&command.get_packed_command())?;
    loop {
        connection.set_read_timeout(left()?)?;
        // With RESP3, the server may say more than answers.
        match connection.recv_response()? {
            Value::Push { .. } => {}
            answer => return Ok(answer),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an idle connection, or waits for one.
    fn take(self: &Arc<Self>, deadline: Instant) -> Result<(Connection, Place), RedisError> {
        let mut state = self.lock();
        let mut failures_before = state.failures;
        let (mut asked, mut failed) = (false, false);
        loop {
            if let Some(idle) = state.idle.pop() {
                return Ok((idle.connection, Place(Some(Arc::clone(self)))));
            }
            if state.failures != failures_before {
                if !state.has_in_use() {
                    return Err(state.last_failure.unwrap_or(RedisError::NotConnected));
                }
                // The server may have as many connections as it takes.
                (failures_before, failed) = (state.failures, true);
            }
            // Another call may have taken the connection that this one asked for.
            let asks = !asked || state.connecting == 0;
            let waits = failed && state.has_in_use();
            if asks && !waits && state.open < MAX_CONNECTIONS {
                asked = true;
                state.open = state.open.saturating_add(1);
                state.connecting = state.connecting.saturating_add(1);
                drop(state);
                connect(Attempt(Arc::clone(self), None));
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
        self.lock().add_idle(connection);
        self.changed.notify_one();
    }

    /// Looks at the options of the server, once.
    fn watch_server(&self) {
        if let Some(watch) = &self.watch
            && let Some(look) = watch.begin()
        {
            look.end(ask_once(&self.client, &ServerWatch::question()));
        }
    }
}

/// Opens a connection in a thread.
fn connect(mut attempt: Attempt) {
    let thread = std::thread::Builder::new().name("a0-redis".into());
    // A thread that cannot be spawned drops the attempt.
    let _ = thread.spawn(move || {
        let shared = Arc::clone(&attempt.0);
        attempt.1 = Some(shared.client.get_connection_with_timeout(CONNECT_LIMIT));
        drop(attempt);
        shared.watch_server();
    });
}

/// An attempt to connect, which has a place. Ends when it is dropped, also by a panic.
struct Attempt(Arc<Shared>, Option<redis::RedisResult<Connection>>);

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.connecting = state.connecting.saturating_sub(1);
        match self.1.take() {
            Some(Ok(connection)) => state.add_idle(connection),
            failed => {
                let error = failed.and_then(Result::err);
                let error = error.map_or(RedisError::NotConnected, |error| RedisError::of(&error));
                state.open = state.open.saturating_sub(1);
                state.failures = state.failures.wrapping_add(1);
                state.last_failure = Some(error.of_connecting());
            }
        }
        drop(state);
        self.0.changed.notify_all();
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
    ask().map_err(|error: redis::RedisError| RedisError::of(&error).of_connecting())
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    /// A server that answers each command after most of the limit.
    #[test]
    fn one_deadline_covers_a_command_and_its_asking() {
        const LIMIT: Duration = Duration::from_millis(600);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let (end, ended) = channel::<()>();
        let server = std::thread::spawn(move || {
            let mut octets = [0; 1024];
            let (mut client, _) = listener.accept().unwrap();
            loop {
                let length = client.read(&mut octets).unwrap_or(0);
                let is_setup = octets[..length].windows(6).any(|word| word == b"CLIENT");
                let answer: &[u8] = if is_setup {
                    b"+OK\r\n+OK\r\n"
                } else {
                    b"+OK\r\n"
                };
                let pause = if is_setup {
                    Duration::ZERO
                } else {
                    LIMIT * 2 / 3
                };
                let _ = ended.recv_timeout(pause);
                if length == 0 || client.write_all(answer).is_err() {
                    return;
                }
            }
        });
        let pool = Pool::new(Client::open(url).unwrap(), None);
        let call = |is_asking| {
            let deadline = Instant::now() + LIMIT;
            pool.call(&redis::cmd("PING"), is_asking, deadline)
        };
        assert_eq!(call(false), Ok(Value::Okay));
        assert_eq!(call(true), Err(RedisError::NotInTime.into()));
        drop(end);
        server.join().unwrap();
    }

    /// A server that takes one connection and closes all others: a call that can wait for the one
    /// tries once.
    #[test]
    fn a_call_that_can_wait_does_not_try_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://:password@{}", listener.local_addr().unwrap());
        let (accept, accepted) = channel();
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let _ = accept.send(client);
            }
        });
        let deadline = Instant::now() + Duration::from_secs(30);
        let info = redis::IntoConnectionInfo::into_connection_info(url).unwrap();
        let login = info.redis_settings().clone().set_skip_set_lib_name();
        let client = Client::open(info.set_redis_settings(login)).unwrap();
        let pool = Pool::new(client, None);
        let call = || pool.call(&redis::cmd("PING"), false, deadline);
        std::thread::scope(|scope| {
            let first = scope.spawn(call);
            let mut client = accepted.recv().unwrap();
            let mut octets = [0; 1024];
            // The login, and then the command.
            assert_ne!(client.read(&mut octets).unwrap(), 0);
            client.write_all(b"+OK\r\n").unwrap();
            assert_ne!(client.read(&mut octets).unwrap(), 0);
            let second = scope.spawn(call);
            drop(accepted.recv().unwrap());
            let third = accepted.recv_timeout(Duration::from_millis(300));
            assert!(third.is_err());
            client.write_all(b"+OK\r\n").unwrap();
            assert_ne!(client.read(&mut octets).unwrap(), 0);
            client.write_all(b"+OK\r\n").unwrap();
            assert_eq!(first.join().unwrap(), Ok(Value::Okay));
            assert_eq!(second.join().unwrap(), Ok(Value::Okay));
        });
    }
}
