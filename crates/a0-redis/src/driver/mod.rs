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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU16, Ordering};
    use std::thread;

    use redis::{RedisConnectionInfo, Value};

    use super::*;
    use crate::router::Topology;

    /// A server that answers every command of every client. Returns its port.
    fn serve(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            while let Ok((mut client, _)) = listener.accept() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || {
                    let mut octets = [0; 4096];
                    while let Ok(length @ 1..) = client.read(&mut octets) {
                        let text = String::from_utf8_lossy(&octets[..length]).into_owned();
                        // Each command is an array.
                        for command in text.split('*').skip(1) {
                            let _ = client.write_all(answer(command).as_bytes());
                        }
                    }
                });
            }
        });
        port
    }

    /// The call of a process that was idle goes to the new primary, in both drivers.
    #[test]
    fn an_idle_process_asks_for_the_primary_first() {
        let (old, new) = (serve(|_| ":1\r\n".into()), serve(|_| ":2\r\n".into()));
        let primary = Arc::new(AtomicU16::new(old));
        let told = Arc::clone(&primary);
        let sentinel = serve(move |command| {
            let port = told.load(Ordering::SeqCst).to_string();
            match command.contains("SENTINEL") {
                true => format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len()),
                false => "+OK\r\n".into(),
            }
        });
        let plan = || {
            let sentinels = vec![Address::Host("127.0.0.1".to_owned(), sentinel)];
            let settings = || Settings::new(RedisConnectionInfo::default(), None).unwrap();
            Plan {
                router: Router::new(Topology::Sentinel(sentinels, "main".to_owned())),
                servers: settings(),
                sentinels: settings(),
                time_limit: Duration::from_secs(10),
                observers: None,
            }
        };
        let ping = redis::cmd("PING");
        let scenario = |call: &dyn Fn() -> Result<Value, RedisError>, router: &Router| {
            primary.store(old, Ordering::SeqCst);
            assert_eq!(call(), Ok(Value::Int(1)));
            primary.store(new, Ordering::SeqCst);
            assert_eq!(call(), Ok(Value::Int(1)));
            router.let_time_pass();
            assert_eq!(call(), Ok(Value::Int(2)));
        };
        let driver = blocking::Driver::new(plan());
        scenario(&|| driver.call(b"a", &ping), driver.router());
        #[cfg(feature = "async")]
        {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            let driver = asynchronous::Driver::new(plan());
            let call = || runtime.block_on(driver.call(b"a", &ping));
            scenario(&call, driver.router());
        }
    }
}
