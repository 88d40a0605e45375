//! What is reported beside the answers of calls.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{Cmd, Value};

use crate::error::RedisError;
use crate::slots::text;

/// Is told what an operator should know. Its methods run on the threads that call or connect, and
/// must return soon. Panics are caught.
///
/// ```
/// use a0_redis::{RedisBuilder, RedisError, RedisObserver, WhenAway};
///
/// struct Log;
///
/// impl RedisObserver for Log {
///     fn server_evicts(&self, policy: &'static str) {
///         eprintln!("Redis drops used proofs when it is full: maxmemory-policy is {policy}");
///     }
///
///     fn answered_alone(&self, error: RedisError) {
///         eprintln!("this process alone saw a proof: {error}");
///     }
/// }
///
/// let replay = RedisBuilder::new("redis://127.0.0.1:6379")
///     .observer(Log)
///     .replay_store(WhenAway::UseThisProcess)?;
/// # let _ = replay;
/// # Ok::<(), a0_redis::InvalidOption>(())
/// ```
pub trait RedisObserver: Send + Sync {
    /// A server of a replay store has this `maxmemory-policy`, and so drops used proofs when its
    /// memory is full. Reported when the first connection to the server is opened.
    fn server_evicts(&self, policy: &'static str) {
        let _ = policy;
    }

    /// A replay store [accepted a proof without Redis](crate::WhenAway::UseThisProcess), for this
    /// reason.
    fn answered_alone(&self, error: RedisError) {
        let _ = error;
    }
}

/// The observer, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Observers(pub(crate) Option<Arc<dyn RedisObserver>>);

impl Observers {
    pub(crate) fn tell(&self, event: impl FnOnce(&dyn RedisObserver)) {
        if let Some(observer) = &self.0 {
            let _ = catch_unwind(AssertUnwindSafe(|| event(&**observer)));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}",
            if self.0.is_some() { "set" } else { "none" }
        )
    }
}

/// Looks at the options of one server, when it is first connected.
pub(crate) struct ServerWatch {
    observers: Observers,
    is_done: AtomicBool,
}

/// One look at a server. Unless it [ends](Look::end) with an answer, the next connection looks again.
pub(crate) struct Look<'a>(&'a ServerWatch, bool);

impl ServerWatch {
    /// `CONFIG GET` is forbidden in many hosted services, `INFO` is not.
    pub(crate) fn question() -> Cmd {
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        command
    }

    pub(crate) fn new(observers: Observers) -> Self {
        ServerWatch {
            observers,
            is_done: AtomicBool::new(false),
        }
    }

    /// Begins to look, unless somebody has done so.
    pub(crate) fn begin(&self) -> Option<Look<'_>> {
        (!self.is_done.swap(true, Ordering::Relaxed)).then_some(Look(self, false))
    }
}

impl Look<'_> {
    pub(crate) fn end(mut self, answer: Result<Value, RedisError>) {
        let policy = match answer {
            Ok(answer) => evicting_policy(&answer),
            // The user may not ask.
            Err(RedisError::Refused) => Ok(None),
            Err(_) => return,
        };
        self.1 = true;
        if let Ok(Some(policy)) = policy {
            self.0
                .observers
                .tell(|observer| observer.server_evicts(policy));
        }
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        self.0.is_done.store(self.1, Ordering::Relaxed);
    }
}

/// The `maxmemory-policy` in an answer to `INFO memory`, if it drops keys.
///
/// # Errors
///
/// The answer names no policy.
pub(crate) fn evicting_policy(answer: &Value) -> Result<Option<&'static str>, RedisError> {
    let policy = match answer {
        Value::VerbatimString { text, .. } => Some(&**text),
        answer => text(answer),
    };
    let mut lines = policy.unwrap_or_default().lines();
    let found = lines.find_map(|line| line.strip_prefix("maxmemory_policy:"));
    let found = found.ok_or(RedisError::UnexpectedAnswer)?;
    let known = [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-lrm",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-lrm",
        "volatile-random",
        "volatile-ttl",
    ];
    Ok(match found.trim() {
        "noeviction" => None,
        found => known
            .into_iter()
            .find(|known| *known == found)
            .or(Some("unknown")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_but_noeviction_drops_keys() {
        for (info, expected) in [
            (
                "maxmemory:0\r\nmaxmemory_policy:noeviction\r\nx:1\r\n",
                None,
            ),
            (
                "# Memory\r\nmaxmemory_policy:volatile-ttl\r\n",
                Some("volatile-ttl"),
            ),
            ("maxmemory_policy:allkeys-lru", Some("allkeys-lru")),
            ("maxmemory_policy:<script>\r\n", Some("unknown")),
        ] {
            let answer = Value::BulkString(info.as_bytes().to_vec());
            assert_eq!(evicting_policy(&answer), Ok(expected), "{info}");
        }
        for answer in [Value::Nil, Value::BulkString(b"maxmemory:0\r\n".to_vec())] {
            assert_eq!(evicting_policy(&answer), Err(RedisError::UnexpectedAnswer));
        }
    }

    #[test]
    fn a_server_that_did_not_answer_is_looked_at_again() {
        let answer = || Ok(Value::BulkString(b"maxmemory_policy:noeviction".to_vec()));
        for (end, expected) in [
            (Err(RedisError::NotConnected), true),
            (Err(RedisError::NotInTime), true),
            (Err(RedisError::Refused), false),
            (answer(), false),
        ] {
            let watch = ServerWatch::new(Observers::default());
            let look = watch.begin().unwrap();
            assert!(watch.begin().is_none());
            look.end(end.clone());
            assert_eq!(watch.begin().is_some(), expected, "{end:?}");
        }
        let watch = ServerWatch::new(Observers::default());
        drop(watch.begin());
        assert!(watch.begin().is_some());
    }
}
