//! Every kind of store behind one interface, so that each scenario runs with all of them.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use a0_dpop::{Htu, ReplayKey, ReplayStore, ReplayStoreError, Seen};
use a0_jose::{NumericDate, base64url_encode};
use a0_redis::{RedisBuilder, RedisError, RedisReplayStore, WhenAway};

/// The tests share two cores with each other, so a limit that is not their subject is long.
pub(crate) const PATIENT: Duration = Duration::from_secs(10);

pub(crate) trait Store: ReplayStore {
    fn answered_alone(&self) -> u64;
    fn evicting_policy(&self) -> Result<Option<&'static str>, RedisError>;
}

impl Store for RedisReplayStore {
    fn answered_alone(&self) -> u64 {
        self.answered_alone()
    }

    fn evicting_policy(&self) -> Result<Option<&'static str>, RedisError> {
        self.evicting_policy()
    }
}

/// Builds the blocking store and the async one.
pub(crate) fn stores(
    builder: &RedisBuilder,
    when_away: WhenAway,
) -> Vec<(&'static str, Arc<dyn Store>)> {
    let blocking = builder.clone().replay_store(when_away).unwrap();
    vec![
        ("blocking", Arc::new(blocking)),
        #[cfg(feature = "async")]
        ("async", {
            let store = builder.clone().async_replay_store(when_away);
            Arc::new(tokio::OnTokio(store.unwrap()))
        }),
    ]
}

/// As [`stores`], each with keys of its own.
pub(crate) fn stores_apart(
    builder: &RedisBuilder,
    when_away: WhenAway,
) -> Vec<(&'static str, Arc<dyn Store>)> {
    let kinds = stores(builder, when_away).len();
    let apart = |number: usize| {
        let builder = builder.clone().prefix(format!("{when_away:?} {number}:"));
        stores(&builder, when_away).swap_remove(number)
    };
    (0..kinds).map(apart).collect()
}

pub(crate) fn key(jti: impl ToString) -> ReplayKey {
    let thumbprint = base64url_encode([1; 32]).parse().unwrap();
    let url = Htu::parse("https://api.example.com/orders").unwrap();
    ReplayKey::new(&thumbprint, &url, &jti.to_string())
}

/// The name of a proof in Redis.
pub(crate) fn name(jti: impl ToString) -> String {
    format!("a0:replay:{}", base64url_encode(key(jti).as_bytes()))
}

pub(crate) fn ask<S: ReplayStore + ?Sized>(
    store: &S,
    jti: impl ToString,
) -> Result<Seen, RedisError> {
    let now = NumericDate::from(SystemTime::now());
    let answer = store.check_and_insert(&key(jti), now.plus(Duration::from_secs(300)), now);
    answer.map_err(|error: ReplayStoreError| *error.source().unwrap().downcast_ref().unwrap())
}

#[cfg(feature = "async")]
pub(crate) mod tokio {
    use std::sync::LazyLock;
    use std::time::Duration;

    use a0_discovery::asynchronous::AsyncCacheAdapter;
    use a0_discovery::{CacheAdapter, CacheAdapterError};
    use a0_dpop::asynchronous::AsyncReplayStore;
    use a0_dpop::{ReplayKey, ReplayStore, ReplayStoreError, Seen};
    use a0_jose::NumericDate;
    use a0_redis::{RedisError, asynchronous};
    use tokio::runtime::{Builder, Runtime};

    pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    });

    /// Runs the calls of an async store or cache to their ends.
    pub(crate) struct OnTokio<S>(pub(crate) S);

    impl<S: AsyncReplayStore> ReplayStore for OnTokio<S> {
        fn check_and_insert(
            &self,
            key: &ReplayKey,
            expires_at: NumericDate,
            now: NumericDate,
        ) -> Result<Seen, ReplayStoreError> {
            RUNTIME.block_on(self.0.check_and_insert(key, expires_at, now))
        }
    }

    impl super::Store for OnTokio<asynchronous::RedisReplayStore> {
        fn answered_alone(&self) -> u64 {
            self.0.answered_alone()
        }

        fn evicting_policy(&self) -> Result<Option<&'static str>, RedisError> {
            RUNTIME.block_on(self.0.evicting_policy())
        }
    }

    impl<A: AsyncCacheAdapter> CacheAdapter for OnTokio<A> {
        fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
            RUNTIME.block_on(self.0.get(key))
        }

        fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
            RUNTIME.block_on(self.0.set(key, value, ttl))
        }

        fn set_if_absent(
            &self,
            key: &str,
            value: &str,
            ttl: Duration,
        ) -> Result<bool, CacheAdapterError> {
            RUNTIME.block_on(self.0.set_if_absent(key, value, ttl))
        }

        fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
            RUNTIME.block_on(self.0.delete(key))
        }

        fn clear(&self) -> Result<(), CacheAdapterError> {
            RUNTIME.block_on(self.0.clear())
        }

        fn has_leases(&self) -> bool {
            self.0.has_leases()
        }

        fn set_if_equal(
            &self,
            key: &str,
            expected: &str,
            value: &str,
            ttl: Duration,
        ) -> Result<bool, CacheAdapterError> {
            RUNTIME.block_on(self.0.set_if_equal(key, expected, value, ttl))
        }

        fn delete_if_equal(&self, key: &str, value: &str) -> Result<bool, CacheAdapterError> {
            RUNTIME.block_on(self.0.delete_if_equal(key, value))
        }
    }
}
