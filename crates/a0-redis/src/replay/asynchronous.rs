//! The replay store for async callers.

use std::fmt;
use std::sync::atomic::Ordering;

use a0_dpop::asynchronous::{AsyncReplayStore, ReplayFuture};
use a0_dpop::{ReplayKey, Seen};
use a0_jose::NumericDate;

use super::Policy;
use crate::driver::asynchronous::Driver;
use crate::error::RedisError;
use crate::watch::{ServerWatch, evicting_policy};

/// As [`RedisReplayStore`](crate::RedisReplayStore), for async callers. Needs the feature `async`.
///
/// It runs on tokio, with I/O and time enabled, and shares one connection to each server between
/// all calls. A call outside of a runtime fails with [`RedisError::NoRuntime`].
///
/// ```no_run
/// use a0_dpop::asynchronous::AsyncReplayStore;
/// use a0_redis::{RedisBuilder, WhenAway};
///
/// let replay = RedisBuilder::new("redis://127.0.0.1:6379").async_replay_store(WhenAway::Refuse)?;
/// let replay: std::sync::Arc<dyn AsyncReplayStore> = std::sync::Arc::new(replay);
/// # Ok::<(), a0_redis::InvalidOption>(())
/// ```
pub struct RedisReplayStore {
    driver: Driver,
    policy: Policy,
}

impl RedisReplayStore {
    pub(crate) fn new(driver: Driver, policy: Policy) -> Self {
        RedisReplayStore { driver, policy }
    }

    /// As [`RedisReplayStore::answered_alone`](crate::RedisReplayStore::answered_alone).
    pub fn answered_alone(&self) -> u64 {
        self.policy.answered_alone.load(Ordering::Relaxed)
    }

    /// As [`RedisReplayStore::evicting_policy`](crate::RedisReplayStore::evicting_policy).
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn evicting_policy(&self) -> Result<Option<&'static str>, RedisError> {
        for server in self.driver.servers().await? {
            let question = ServerWatch::question();
            let answer = self.driver.call_server(&server, &question).await?;
            if let Some(policy) = evicting_policy(&answer)? {
                return Ok(Some(policy));
            }
        }
        Ok(None)
    }
}

impl AsyncReplayStore for RedisReplayStore {
    fn check_and_insert<'a>(
        &'a self,
        key: &'a ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> ReplayFuture<'a> {
        Box::pin(async move {
            if self.policy.is_known(key, expires_at, now)? {
                return Ok(Seen::Before);
            }
            let (name, command) = self.policy.command(key, expires_at, now);
            let answer = self.driver.call(name.as_bytes(), &command).await;
            self.policy.judge(answer)
        })
    }
}

impl fmt::Debug for RedisReplayStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.debug("RedisReplayStore", formatter)
    }
}
