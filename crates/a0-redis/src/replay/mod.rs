//! The replay stores: what they have in common, and the one for blocking callers.

#[cfg(feature = "async")]
pub(crate) mod asynchronous;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use a0_dpop::{InMemoryReplayStore, ReplayKey, ReplayStore, ReplayStoreError, Seen};
use a0_jose::{NumericDate, base64url_encode};
use redis::{Cmd, Value};

use crate::driver::blocking::Driver;
use crate::error::RedisError;
use crate::watch::{Observers, ServerWatch, evicting_policy};

/// The longest time for which a proof is remembered: a year. Only a broken clock asks for more.
const MAX_HELD: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What a replay store does while Redis cannot answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenAway {
    /// The store fails, and the API answers 503. No proof is accepted that Redis did not record.
    Refuse,
    /// The store goes on with the memory of this process. A proof can then be used once in each
    /// process. Redis does not learn of it, so another process accepts it until its window ends,
    /// also when Redis is back. [`RedisReplayStore::answered_alone`] counts these answers.
    ///
    /// The store always keeps the proofs of this process in memory too, so that this process refuses
    /// them without Redis. That memory is an [`InMemoryReplayStore`] of a million proofs, which
    /// evicts when it is full.
    UseThisProcess,
}

/// A [`ReplayStore`] in Redis: one proof is accepted once by all processes together.
///
/// A call is one command, `SET key "" NX PX ttl`, which is atomic in the server. The time to live
/// is what is left of the proof's window, rounded up, and at least one second; one second more; and
/// the [clock difference](crate::RedisBuilder::clock_difference).
///
/// # What is forgotten
///
/// - Redis replicates asynchronously. If a primary is lost, proofs that it accepted in its last
///   moments, usually less than a second, can be used once more on its successor. A primary that is
///   cut off from its replicas, and not from all processes, accepts proofs that its successor does
///   not know, until it notices (`min-replicas-to-write` in Redis makes it stop). With the URL of one
///   server, the store asks nobody which server is the primary: it leaves a server that says that
///   it is read-only, or that closes the connection.
/// - A server that restarts without `appendonly yes` forgets all proofs since its last snapshot, at
///   worst all. They can be used once more until their windows end. With `appendonly yes` and
///   `appendfsync everysec` it forgets the last second.
/// - A server with an evicting `maxmemory-policy` drops proofs when it is full. Set `noeviction`:
///   it then refuses to write, and [`WhenAway`] applies. A [`RedisObserver`](crate::RedisObserver)
///   is told of such a server, and [`evicting_policy`](RedisReplayStore::evicting_policy) asks.
pub struct RedisReplayStore {
    driver: Driver,
    policy: Policy,
}

impl RedisReplayStore {
    pub(crate) fn new(driver: Driver, policy: Policy) -> Self {
        RedisReplayStore { driver, policy }
    }

    /// The number of proofs that were accepted without Redis, since the store was built. Each of
    /// them could have been used in another process too. Zero with [`WhenAway::Refuse`].
    pub fn answered_alone(&self) -> u64 {
        self.policy.answered_alone.load(Ordering::Relaxed)
    }

    /// Asks each server for its `maxmemory-policy`, and returns one that drops used proofs when the
    /// memory is full, or `None` if no server does. A program can call it when it starts. It also
    /// shows whether Redis can be reached.
    ///
    /// # Errors
    ///
    /// [`RedisError`] if a server does not answer within the time limit, which is that of one
    /// server.
    pub fn evicting_policy(&self) -> Result<Option<&'static str>, RedisError> {
        for server in self.driver.servers()? {
            let answer = self.driver.call_server(&server, &ServerWatch::question())?;
            if let Some(policy) = evicting_policy(&answer)? {
                return Ok(Some(policy));
            }
        }
        Ok(None)
    }
}

impl ReplayStore for RedisReplayStore {
    fn check_and_insert(
        &self,
        key: &ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        if self.policy.is_known(key, expires_at, now)? {
            return Ok(Seen::Before);
        }
        let (name, command) = self.policy.command(key, expires_at, now);
        self.policy
            .judge(self.driver.call(name.as_bytes(), &command))
    }
}

impl fmt::Debug for RedisReplayStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.debug("RedisReplayStore", formatter)
    }
}

/// The decisions of a store, without its calls.
pub(crate) struct Policy {
    prefix: String,
    clock_difference: Duration,
    /// The proofs of this process, if it may go on alone.
    own: Option<InMemoryReplayStore>,
    answered_alone: AtomicU64,
    observers: Observers,
}

impl Policy {
    pub(crate) fn new(
        prefix: String,
        clock_difference: Duration,
        when_away: WhenAway,
        observers: Observers,
    ) -> Self {
        Policy {
            prefix,
            clock_difference,
            own: match when_away {
                WhenAway::Refuse => None,
                WhenAway::UseThisProcess => Some(InMemoryReplayStore::default()),
            },
            answered_alone: AtomicU64::new(0),
            observers,
        }
    }

    /// The memory of this process is asked first: of two copies in one process, one is refused even
    /// if Redis goes away between them.
    fn is_known(
        &self,
        key: &ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> Result<bool, ReplayStoreError> {
        match &self.own {
            Some(own) => Ok(own.check_and_insert(key, expires_at, now)? == Seen::Before),
            None => Ok(false),
        }
    }

    /// The name of the key in Redis, and the command.
    fn command(&self, key: &ReplayKey, expires_at: NumericDate, now: NumericDate) -> (String, Cmd) {
        let name = format!("{}replay:{}", self.prefix, base64url_encode(key.as_bytes()));
        let mut command = redis::cmd("SET");
        command.arg(&name).arg("").arg("NX").arg("PX");
        command.arg(held_milliseconds(expires_at, now, self.clock_difference));
        (name, command)
    }

    fn judge(&self, answer: Result<Value, RedisError>) -> Result<Seen, ReplayStoreError> {
        let seen = answer.and_then(|answer| match answer {
            Value::Okay => Ok(Seen::First),
            // The key has a value, of whatever type.
            Value::Nil => Ok(Seen::Before),
            _ => Err(RedisError::UnexpectedAnswer),
        });
        match seen {
            Ok(seen) => Ok(seen),
            Err(error) if self.own.is_some() => {
                self.answered_alone.fetch_add(1, Ordering::Relaxed);
                self.observers
                    .tell(|observer| observer.answered_alone(error));
                Ok(Seen::First)
            }
            Err(error) => Err(ReplayStoreError::new(error)),
        }
    }

    fn debug(&self, name: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct(name)
            .field("prefix", &self.prefix)
            .field(
                "answered_alone",
                &self.answered_alone.load(Ordering::Relaxed),
            )
            .finish_non_exhaustive()
    }
}

/// The time to live of a proof's key, in milliseconds.
fn held_milliseconds(expires_at: NumericDate, now: NumericDate, difference: Duration) -> u64 {
    let left = (expires_at.as_seconds() - now.as_seconds()).ceil().max(1.0);
    let left = Duration::try_from_secs_f64(left).unwrap_or(MAX_HELD);
    let held = left
        .saturating_add(Duration::from_secs(1))
        .saturating_add(difference)
        .min(MAX_HELD);
    u64::try_from(held.as_millis()).unwrap_or(u64::MAX)
}
