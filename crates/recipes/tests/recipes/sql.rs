//! The stores in a SQL database.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_discovery::asynchronous::AsyncCacheAdapter;
use a0_discovery::{CacheAdapter, CacheAdapterError, contract_tests as cache_tests};
use a0_dpop::asynchronous::AsyncReplayStore;
use a0_dpop::contract_tests::{Time, check_async};
use a0_dpop::{Htu, ReplayKey, Seen};
use a0_jose::NumericDate;
use recipes::sql::SqlStore;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

static FILES: AtomicU64 = AtomicU64::new(0);

/// A database file, removed when it is dropped.
struct File(PathBuf);

impl File {
    fn new() -> File {
        let number = FILES.fetch_add(1, Ordering::SeqCst);
        let name = format!("recipes-{}-{number}.sqlite", std::process::id());
        File(std::env::temp_dir().join(name))
    }

    /// A store of a process.
    fn store(&self) -> SqlStore {
        let options = SqliteConnectOptions::new()
            .filename(&self.0)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(20));
        let pool = SqlitePoolOptions::new().max_connections(4);
        let connected = async { SqlStore::new(pool.connect_with(options).await?).await };
        RUNTIME.block_on(connected).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

#[test]
fn the_replay_store_keeps_the_contract() {
    let file = File::new();
    let now = SystemTime::now();
    let store = file.store().clock(move || now);
    check_async(&store, Time::Own(now.into()), |future| {
        RUNTIME.block_on(future)
    })
    .unwrap();
}

#[test]
fn the_cache_keeps_the_contract() {
    let file = File::new();
    let seconds = Arc::new(AtomicU64::new(1_900_000_000));
    let clock = Arc::clone(&seconds);
    let now = move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst));
    let cache = Blocking(file.store().clock(now));
    let advance = |time: Duration| _ = seconds.fetch_add(time.as_secs(), Ordering::SeqCst);
    cache_tests::check(&cache, Some(&advance)).unwrap();
}

/// Two stores, as in two processes. What one accepted, the other refuses, until long after its end.
#[test]
fn two_processes_accept_a_proof_once() {
    let file = File::new();
    let seconds = Arc::new(AtomicU64::new(1_900_000_000));
    let [one, other] = [(), ()].map(|()| {
        let clock = Arc::clone(&seconds);
        let store = file.store();
        store.clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)))
    });
    let url = Htu::parse("https://api.example/orders").unwrap();
    let thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        .parse()
        .unwrap();
    let ask = |store: &SqlStore, jti: &str| {
        let key = ReplayKey::new(&thumbprint, &url, jti);
        let now = NumericDate::from_unix_seconds(seconds.load(Ordering::SeqCst) as i64);
        let end = now.plus(Duration::from_secs(300));
        RUNTIME
            .block_on(store.check_and_insert(&key, end, now))
            .unwrap()
    };
    for (first, second) in [(&one, &other), (&other, &one)] {
        let jti = format!("{:p}", first);
        assert_eq!(ask(first, &jti), Seen::First);
        assert_eq!(ask(second, &jti), Seen::Before);
        RUNTIME.block_on(second.remove_expired()).unwrap();
        assert_eq!(ask(first, &jti), Seen::Before);
    }
    assert_eq!(ask(&one, "old"), Seen::First);
    seconds.fetch_add(4000, Ordering::SeqCst);
    RUNTIME.block_on(one.remove_expired()).unwrap();
    assert_eq!(ask(&other, "old"), Seen::First);
}

/// Runs the calls of an async adapter to their ends.
struct Blocking<A>(A);

impl<A: AsyncCacheAdapter> CacheAdapter for Blocking<A> {
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
