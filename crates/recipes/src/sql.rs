//! Stores that processes share in a SQL database, here SQLite by `sqlx`, for async callers.
//!
//! [`SqlStore`] is a replay store for DPoP proofs and a cache adapter for the keys of issuers. Pass it to
//! the builder of the async client: `.async_replay_store(store.clone())` and
//! `.async_cache(store, EntryKeys::new(secret)?)`.
//!
//! A proof must be on the disk before its request is answered. In WAL mode, SQLite loses the last proofs
//! with the power if `synchronous` is `NORMAL`, so set `FULL` for this pool.
//!
//! In another database, the statements with `ON CONFLICT` may read otherwise; each must stay one atomic
//! statement.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_discovery::CacheAdapterError;
use a0_discovery::asynchronous::{AdapterFuture, AsyncCacheAdapter};
use a0_dpop::asynchronous::{AsyncReplayStore, ReplayFuture};
use a0_dpop::{ReplayKey, ReplayStoreError, Seen};
use a0_jose::NumericDate;
use sqlx::SqlitePool;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};

/// Both tables hold rows until a time, in milliseconds since 1970.
const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS proofs (
        hash BLOB NOT NULL PRIMARY KEY, held_until INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS entries (
        name BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL, held_until INTEGER NOT NULL)",
];

/// A replay store and a cache adapter. Clones share the pool.
///
/// A request of the API waits for each call, so give the pool short limits: `acquire_timeout`, and
/// `busy_timeout` of its connections.
#[derive(Clone)]
pub struct SqlStore {
    pool: SqlitePool,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl SqlStore {
    /// Creates the tables if they are missing.
    pub async fn new(pool: SqlitePool) -> Result<Self, sqlx::Error> {
        for table in TABLES {
            sqlx::query(table).execute(&pool).await?;
        }
        Ok(SqlStore {
            pool,
            now: Arc::new(SystemTime::now),
        })
    }

    /// Overrides the system clock.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.now = Arc::new(now);
        self
    }

    /// Removes rows that are not held any more. Call it every few minutes, in one process.
    pub async fn remove_expired(&self) -> Result<(), sqlx::Error> {
        // A clock that is set back must not find a proof gone.
        let now = self.milliseconds(Duration::ZERO).saturating_sub(3_600_000);
        for statement in [
            "DELETE FROM proofs WHERE held_until < ?",
            "DELETE FROM entries WHERE held_until < ?",
        ] {
            sqlx::query(statement).bind(now).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// The time after this duration.
    fn milliseconds(&self, after: Duration) -> i64 {
        let now = (self.now)().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.saturating_add(after).as_millis()).unwrap_or(i64::MAX)
    }

    /// Runs a statement, and returns whether it changed a row.
    async fn changes<'q>(
        &self,
        statement: Query<'q, Sqlite, SqliteArguments<'q>>,
    ) -> Result<bool, sqlx::Error> {
        let done = statement.execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }
}

impl AsyncReplayStore for SqlStore {
    fn check_and_insert<'a>(
        &'a self,
        key: &'a ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> ReplayFuture<'a> {
        // At least a second, rounded up, and two more: one by the contract, one for the clocks.
        let left = (expires_at.as_seconds() - now.as_seconds()).ceil().max(1.0) + 2.0;
        let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
        let statement = sqlx::query("INSERT INTO proofs VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(&key.as_bytes()[..])
            .bind(self.milliseconds(left));
        Box::pin(async move {
            match self.changes(statement).await {
                Ok(true) => Ok(Seen::First),
                Ok(false) => Ok(Seen::Before),
                Err(error) => Err(ReplayStoreError::new(error)),
            }
        })
    }
}

impl AsyncCacheAdapter for SqlStore {
    fn get<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, Option<String>> {
        let statement =
            sqlx::query_scalar("SELECT value FROM entries WHERE name = ? AND held_until > ?")
                .bind(key.as_bytes())
                .bind(self.milliseconds(Duration::ZERO));
        Box::pin(async move {
            let value: Option<Vec<u8>> = statement
                .fetch_optional(&self.pool)
                .await
                .map_err(CacheAdapterError::new)?;
            let value = value.map(String::from_utf8).transpose();
            value.map_err(CacheAdapterError::new)
        })
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterFuture<'a, ()> {
        let statement = sqlx::query(
            "INSERT INTO entries VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE
             SET value = excluded.value, held_until = excluded.held_until",
        )
        .bind(key.as_bytes())
        .bind(value.as_bytes())
        .bind(self.milliseconds(ttl));
        Box::pin(async move {
            let changed = self.changes(statement).await;
            changed.map(drop).map_err(CacheAdapterError::new)
        })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        let statement = sqlx::query(
            "INSERT INTO entries VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE
             SET value = excluded.value, held_until = excluded.held_until
             WHERE entries.held_until <= ?",
        )
        .bind(key.as_bytes())
        .bind(value.as_bytes())
        .bind(self.milliseconds(ttl))
        .bind(self.milliseconds(Duration::ZERO));
        Box::pin(async move {
            self.changes(statement)
                .await
                .map_err(CacheAdapterError::new)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, ()> {
        let statement = sqlx::query("DELETE FROM entries WHERE name = ?").bind(key.as_bytes());
        Box::pin(async move {
            let changed = self.changes(statement).await;
            changed.map(drop).map_err(CacheAdapterError::new)
        })
    }

    fn clear(&self) -> AdapterFuture<'_, ()> {
        Box::pin(async move {
            let changed = self.changes(sqlx::query("DELETE FROM entries")).await;
            changed.map(drop).map_err(CacheAdapterError::new)
        })
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn set_if_equal<'a>(
        &'a self,
        key: &'a str,
        expected: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        let statement = sqlx::query(
            "UPDATE entries SET value = ?, held_until = ?
             WHERE name = ? AND value = ? AND held_until > ?",
        )
        .bind(value.as_bytes())
        .bind(self.milliseconds(ttl))
        .bind(key.as_bytes())
        .bind(expected.as_bytes())
        .bind(self.milliseconds(Duration::ZERO));
        Box::pin(async move {
            self.changes(statement)
                .await
                .map_err(CacheAdapterError::new)
        })
    }

    fn delete_if_equal<'a>(&'a self, key: &'a str, value: &'a str) -> AdapterFuture<'a, bool> {
        let statement =
            sqlx::query("DELETE FROM entries WHERE name = ? AND value = ? AND held_until > ?")
                .bind(key.as_bytes())
                .bind(value.as_bytes())
                .bind(self.milliseconds(Duration::ZERO));
        Box::pin(async move {
            self.changes(statement)
                .await
                .map_err(CacheAdapterError::new)
        })
    }
}
