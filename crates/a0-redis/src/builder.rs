//! The options.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "async")]
use crate::asynchronous;
use crate::cache::RedisCache;
use crate::driver::{Plan, blocking};
use crate::error::InvalidOption;
use crate::replay::{Policy, RedisReplayStore, WhenAway};
use crate::router::{Router, Topology};
use crate::settings::{Settings, Tls, Url};
use crate::watch::{Observers, RedisObserver};

/// The time limit of a call, unless [`RedisBuilder::time_limit`] sets another: 250 ms.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_millis(250);

/// The longest time limit of a call.
const LONGEST_LIMIT: Duration = Duration::from_secs(60);

/// The options of the connections to Redis or Valkey: one server, a cluster, or a primary that
/// Sentinels watch.
///
/// A store or cache that is built connects with its first call, so a server that is away is no
/// error of the builder. Each has connections of its own.
///
/// ```
/// use std::time::Duration;
/// use a0_redis::{RedisBuilder, WhenAway};
///
/// let nodes = ["rediss://a.redis.example:6379", "rediss://b.redis.example:6379"];
/// let builder = RedisBuilder::cluster(nodes)
///     .credentials("orders-api", "the password")
///     .prefix("orders-api:")
///     .time_limit(Duration::from_millis(100));
/// let replay = builder.clone().replay_store(WhenAway::Refuse)?;
/// let cache = builder.cache()?;
/// # let _ = (replay, cache);
/// # Ok::<(), a0_redis::InvalidOption>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct RedisBuilder {
    servers: Servers,
    credentials: Option<(String, String)>,
    tls: Tls,
    prefix: String,
    time_limit: Duration,
    clock_difference: Duration,
    observers: Observers,
}

#[derive(Clone)]
enum Servers {
    Single(String),
    Cluster(Vec<String>),
    Sentinel(Vec<String>, String),
}

impl RedisBuilder {
    /// Begins with the URL of one server: `redis://[user:password@]host[:port][/database]`,
    /// `rediss://` for TLS, or `redis+unix:///path`. TLS uses rustls and trusts Mozilla's
    /// authorities, as they were when the program was built.
    ///
    /// With TLS, building a store or a cache installs `ring` as rustls' provider of the process,
    /// unless the program has installed one.
    pub fn new(url: impl Into<String>) -> Self {
        RedisBuilder::of(Servers::Single(url.into()))
    }

    /// Begins with the URLs of some nodes of a cluster. One that answers is enough to find the
    /// others. All have the same scheme and credentials, and no database.
    ///
    /// With TLS, the nodes must announce names that are in their certificates
    /// (`cluster-announce-hostname`, `cluster-preferred-endpoint-type hostname`).
    pub fn cluster<U: Into<String>>(nodes: impl IntoIterator<Item = U>) -> Self {
        RedisBuilder::of(Servers::Cluster(
            nodes.into_iter().map(Into::into).collect(),
        ))
    }

    /// Begins with the URLs of the Sentinels, whose default port is 26379, and the name by which
    /// they know the primary. If their scheme is `rediss://`, the primary has TLS too. Credentials in
    /// the URLs are those of the Sentinels. Those of the primary are set by
    /// [`credentials`](RedisBuilder::credentials).
    pub fn sentinel<U: Into<String>>(
        sentinels: impl IntoIterator<Item = U>,
        primary: impl Into<String>,
    ) -> Self {
        let sentinels = sentinels.into_iter().map(Into::into).collect();
        RedisBuilder::of(Servers::Sentinel(sentinels, primary.into()))
    }

    fn of(servers: Servers) -> Self {
        RedisBuilder {
            servers,
            credentials: None,
            tls: Tls::default(),
            prefix: "a0:".to_owned(),
            time_limit: DEFAULT_TIME_LIMIT,
            clock_difference: Duration::from_secs(1),
            observers: Observers::default(),
        }
    }

    /// Sets the user and the password for the servers that hold keys. They replace those in the
    /// URL. A server with `requirepass` alone has the user `default`.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((user.into(), password.into()));
        self
    }

    /// Trusts only the authorities in this PEM text, and not Mozilla's.
    pub fn root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots = Some(pem.into());
        self
    }

    /// Sets the certificate chain of this client and its private key, both PEM text, for servers
    /// that ask for one (`tls-auth-clients`, which is on by default).
    pub fn client_certificate_pem(
        mut self,
        chain: impl Into<Vec<u8>>,
        private_key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.client = Some((chain.into(), private_key.into()));
        self
    }

    /// Sets how all keys begin. Defaults to `a0:`. Processes that share what they saw have the same
    /// prefix, and APIs that do not have different ones. A cache has the keys that begin with the
    /// prefix and `cache:`, so no other API may have a prefix that begins like that: `clear` would
    /// remove its proofs.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the longest time of one call, connecting and redirections included. Defaults to 250 ms,
    /// and is at most 60 s. A request of the API waits for it. Nothing is tried again beyond it. A
    /// blocking call whose answer arrives in pieces waits for each of them as long as it had left;
    /// the answer of a replay check is 5 bytes.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Sets the largest difference between the clocks of the processes and the Redis servers.
    /// Defaults to 1 s. Proofs are remembered for that much longer.
    pub fn clock_difference(mut self, difference: Duration) -> Self {
        self.clock_difference = difference;
        self
    }

    /// Sets who is told of servers that drop keys, and of proofs that were accepted without Redis.
    pub fn observer(mut self, observer: impl RedisObserver + 'static) -> Self {
        self.observers = Observers(Some(Arc::new(observer)));
        self
    }

    /// Builds a replay store for blocking callers.
    ///
    /// # Errors
    ///
    /// [`InvalidOption`] names the option.
    pub fn replay_store(self, when_away: WhenAway) -> Result<RedisReplayStore, InvalidOption> {
        let driver = blocking::Driver::new(self.plan(true)?);
        Ok(RedisReplayStore::new(driver, self.policy(when_away)))
    }

    /// Builds a cache adapter for blocking callers.
    ///
    /// # Errors
    ///
    /// [`InvalidOption`] names the option.
    pub fn cache(self) -> Result<RedisCache, InvalidOption> {
        let driver = blocking::Driver::new(self.plan(false)?);
        Ok(RedisCache::new(driver, &self.prefix))
    }

    /// Builds a replay store for async callers.
    ///
    /// # Errors
    ///
    /// [`InvalidOption`] names the option.
    #[cfg(feature = "async")]
    pub fn async_replay_store(
        self,
        when_away: WhenAway,
    ) -> Result<asynchronous::RedisReplayStore, InvalidOption> {
        let driver = crate::driver::asynchronous::Driver::new(self.plan(true)?);
        let policy = self.policy(when_away);
        Ok(asynchronous::RedisReplayStore::new(driver, policy))
    }

    /// Builds a cache adapter for async callers.
    ///
    /// # Errors
    ///
    /// [`InvalidOption`] names the option.
    #[cfg(feature = "async")]
    pub fn async_cache(self) -> Result<asynchronous::RedisCache, InvalidOption> {
        let driver = crate::driver::asynchronous::Driver::new(self.plan(false)?);
        Ok(asynchronous::RedisCache::new(driver, &self.prefix))
    }

    fn policy(self, when_away: WhenAway) -> Policy {
        Policy::new(
            self.prefix,
            self.clock_difference,
            when_away,
            self.observers,
        )
    }

    fn plan(&self, is_watched: bool) -> Result<Plan, InvalidOption> {
        if self.prefix.contains('{') {
            return Err(InvalidOption::Prefix);
        }
        if self.time_limit.is_zero() {
            return Err(InvalidOption::TimeLimit);
        }
        let urls = match &self.servers {
            Servers::Single(url) => std::slice::from_ref(url),
            Servers::Cluster(urls) | Servers::Sentinel(urls, _) => urls,
        };
        let default_port = match self.servers {
            Servers::Sentinel(..) => 26379,
            _ => 6379,
        };
        let urls: Vec<Url> = urls
            .iter()
            .map(|url| Url::parse(url, default_port))
            .collect::<Result<_, _>>()?;
        let first = urls.first().ok_or(InvalidOption::Nodes)?;
        if !matches!(self.servers, Servers::Single(_)) {
            let fits = |url: &Url| {
                url.has_tls == first.has_tls
                    && url.login.db() == 0
                    && (url.has_login_of(first) || url.is_bare())
            };
            if !urls.iter().all(fits) {
                return Err(InvalidOption::Nodes);
            }
        }
        let has_certificates = self.tls.roots.is_some() || self.tls.client.is_some();
        if has_certificates && !first.has_tls {
            return Err(InvalidOption::Certificates);
        }
        let tls = || first.has_tls.then(|| self.tls.clone());
        let of_url = first.login.clone();
        let mut login = match self.servers {
            Servers::Sentinel(..) => redis::RedisConnectionInfo::default(),
            _ => of_url.clone(),
        };
        if let Some((user, password)) = &self.credentials {
            login = login.set_username(user).set_password(password);
        }
        let addresses = urls.iter().map(|url| url.address.clone());
        let topology = match &self.servers {
            Servers::Single(_) => Topology::Single(first.address.clone()),
            Servers::Cluster(_) => Topology::Cluster(addresses.collect()),
            Servers::Sentinel(_, name) => Topology::Sentinel(addresses.collect(), name.clone()),
        };
        Ok(Plan {
            router: Router::new(topology),
            servers: Settings::new(login, tls())?,
            sentinels: Settings::new(of_url, tls())?,
            time_limit: self.time_limit.min(LONGEST_LIMIT),
            observers: is_watched.then(|| self.observers.clone()),
        })
    }
}

/// Leaves out URLs, credentials and certificates.
impl fmt::Debug for RedisBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisBuilder")
            .field("prefix", &self.prefix)
            .field("time_limit", &self.time_limit)
            .field("clock_difference", &self.clock_difference)
            .field("observer", &self.observers)
            .finish_non_exhaustive()
    }
}
