//! The drivers, which do the I/O: one for blocking callers, and one for async callers.

#[cfg(feature = "async")]
pub(crate) mod asynchronous;
pub(crate) mod blocking;
#[cfg(feature = "async")]
mod node;
mod pool;

use std::time::Duration;

use redis::Client;

use crate::address::Address;
use crate::error::RedisError;
use crate::router::Router;
use crate::settings::Settings;
use crate::watch::Observers;

/// The time limit of a connection attempt in the background, for each address of the name. A call
/// does not wait that long.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// The time limit to connect to one source in the background, and of its answer.
pub(crate) const ASK_LIMIT: Duration = Duration::from_secs(1);

pub(crate) struct Plan {
    pub(crate) router: Router,
    pub(crate) servers: Settings,
    pub(crate) sentinels: Settings,
    /// The longest time of a call.
    pub(crate) time_limit: Duration,
    /// Who is told of servers that drop keys.
    pub(crate) observers: Option<Observers>,
}

impl Plan {
    pub(crate) fn client(&self, server: &Address) -> Result<Client, RedisError> {
        let client = self.servers.client(server);
        client.map_err(|_| RedisError::NotConnected)
    }

    /// A client of a source of the router.
    pub(crate) fn source(&self, source: &Address) -> Result<Client, RedisError> {
        let settings = match self.router.asks_sentinels() {
            true => &self.sentinels,
            false => &self.servers,
        };
        settings
            .client(source)
            .map_err(|_| RedisError::NotConnected)
    }
}
