//! The options.

use std::fmt;
use std::time::Duration;

use crate::error::InvalidOption;
use crate::pool::Pool;
use crate::replay::{RedisReplayStore, WhenAway};

/// The time limit of a call, unless [`RedisBuilder::time_limit`] sets another: 250 ms.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_millis(250);

/// The options of a connection to one Redis or Valkey server.
#[derive(Clone)]
#[must_use]
pub struct RedisBuilder {
    url: String,
    prefix: String,
    time_limit: Duration,
    clock_difference: Duration,
}

impl RedisBuilder {
    /// Begins with the URL of the server: `redis://[user:password@]host[:port][/database]`, or
    /// `rediss://` for TLS. TLS trusts the certificates that the system trusts, and uses rustls.
    pub fn new(url: impl Into<String>) -> Self {
        RedisBuilder {
            url: url.into(),
            prefix: "a0:".to_owned(),
            time_limit: DEFAULT_TIME_LIMIT,
            clock_difference: Duration::from_secs(1),
        }
    }

    /// Sets how all keys begin. Defaults to `a0:`. Processes that share what they saw have the same
    /// prefix, and APIs that do not have different ones.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the longest time of one call, connecting included. Defaults to 250 ms. A request of the
    /// API waits for it.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets the largest difference between the clocks of the processes. Defaults to 1 s. Proofs are
    /// remembered for that much longer.
    pub fn clock_difference(mut self, difference: Duration) -> Self {
        self.clock_difference = difference;
        self
    }

    /// Builds a replay store. It connects with its first call, so a server that is away is no error
    /// here.
    ///
    /// # Errors
    ///
    /// [`InvalidOption`] names the option.
    pub fn replay_store(self, when_away: WhenAway) -> Result<RedisReplayStore, InvalidOption> {
        if self.prefix.contains('{') {
            return Err(InvalidOption::Prefix);
        }
        if self.time_limit.is_zero() {
            return Err(InvalidOption::TimeLimit);
        }
        // The error of `redis` may hold parts of the URL, and with them a password.
        let client = redis::Client::open(self.url).map_err(|_| InvalidOption::Url)?;
        let pool = Pool::new(client, self.time_limit);
        Ok(RedisReplayStore::new(
            pool,
            self.prefix,
            self.clock_difference,
            when_away,
        ))
    }
}

/// Leaves out the URL, which may hold a password.
impl fmt::Debug for RedisBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisBuilder")
            .field("prefix", &self.prefix)
            .field("time_limit", &self.time_limit)
            .field("clock_difference", &self.clock_difference)
            .finish_non_exhaustive()
    }
}
