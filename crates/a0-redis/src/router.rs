//! Which server has a key, and how that is learned.
//!
//! The router does no I/O. A driver asks it for a [`Ticket`], puts the [`question`](Router::question)
//! to the [`sources`](Router::sources) in the background, and hands the answer in.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use crate::address::Address;
use crate::error::RedisError;
use crate::slots::{self, Slots};

/// The shortest time from one question to the next.
const SHORTEST: Duration = Duration::from_millis(100);

/// The age at which the answer is asked for again, although nothing failed: so long at most do
/// processes on the two sides of a healed partition use two primaries.
const LONGEST: Duration = Duration::from_secs(5);

/// The age at which a call waits for a new answer, if the sources are Sentinels: a primary that is
/// cut off from them goes on accepting. Calls that follow each other find a newer answer, which was
/// asked for in the background.
const STALE: Duration = Duration::from_secs(10);

/// The age of a question that nobody carries on: the runtime of its task is not driven any more.
const ABANDONED: Duration = Duration::from_secs(60);

pub(crate) enum Topology {
    /// One server.
    Single(Address),
    /// A cluster, and some of its nodes.
    Cluster(Vec<Address>),
    /// Sentinels, and the name by which they know the primary.
    Sentinel(Vec<Address>, String),
}

pub(crate) struct Router {
    topology: Topology,
    map: Mutex<Map>,
    /// A question was answered, or all servers failed to answer it.
    pub(crate) changed: Condvar,
    #[cfg(feature = "async")]
    pub(crate) notify: tokio::sync::Notify,
}

#[derive(Default)]
struct Map {
    targets: Targets,
    is_asking: bool,
    began: Option<Instant>,
    learned: Option<Instant>,
    /// The source of the last answer.
    source: Option<Address>,
    /// The number of questions that ended, and the last failure.
    ended: u64,
    failure: Option<RedisError>,
}

#[derive(Default)]
enum Targets {
    #[default]
    Unknown,
    One(Address),
    Slots(Slots),
}

/// The answer to a driver that wants to know more.
#[derive(Debug, PartialEq)]
pub(crate) enum Ticket {
    /// The driver begins to ask, and hands the end in.
    Ask(u64),
    /// Somebody asks already.
    Wait(u64),
    /// A question ended just now, with this result, or nothing can be learned.
    Recent(Result<(), RedisError>),
}

impl Router {
    pub(crate) fn new(topology: Topology) -> Self {
        Router {
            topology,
            map: Mutex::default(),
            changed: Condvar::new(),
            #[cfg(feature = "async")]
            notify: tokio::sync::Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.topology, Topology::Cluster(_))
    }

    /// Whether the server is always the same.
    pub(crate) fn is_fixed(&self) -> bool {
        matches!(self.topology, Topology::Single(_))
    }

    /// Whether the sources are Sentinels, and not servers with keys.
    pub(crate) fn asks_sentinels(&self) -> bool {
        matches!(self.topology, Topology::Sentinel(..))
    }

    /// Whether the server may be another by now, so that it is asked for before a call. Sentinels
    /// that failed to answer are not waited for again.
    pub(crate) fn is_stale(&self, now: Instant) -> bool {
        let map = self.lock();
        let is_old = |time: Instant| now.saturating_duration_since(time) >= STALE;
        self.asks_sentinels() && map.failure.is_none() && map.learned.is_some_and(is_old)
    }

    /// The slot of a key, where it matters.
    pub(crate) fn slot(&self, key: &[u8]) -> u16 {
        if self.is_cluster() {
            slots::slot(key)
        } else {
            0
        }
    }

    /// The server of a slot, if it is known.
    pub(crate) fn server(&self, slot: u16) -> Option<Address> {
        if let Topology::Single(address) = &self.topology {
            return Some(address.clone());
        }
        match &self.lock().targets {
            Targets::Unknown => None,
            Targets::One(address) => Some(address.clone()),
            Targets::Slots(slots) => slots.primary(slot).cloned(),
        }
    }

    /// All servers that are known to have keys.
    pub(crate) fn servers(&self) -> Vec<Address> {
        if let Topology::Single(address) = &self.topology {
            return vec![address.clone()];
        }
        match &self.lock().targets {
            Targets::Unknown => Vec::new(),
            Targets::One(address) => vec![address.clone()],
            Targets::Slots(slots) => slots.primaries(),
        }
    }

    pub(crate) fn moved(&self, slot: u16, to: Address) {
        if let Targets::Slots(slots) = &mut self.lock().targets {
            slots.set_moved(slot, to);
        }
    }

    /// Asks for a question. If nothing failed, only an old answer is asked for again.
    pub(crate) fn ticket(&self, is_needed: bool, now: Instant) -> Ticket {
        if self.is_fixed() {
            return Ticket::Recent(Ok(()));
        }
        let mut map = self.lock();
        let is_within = |time: Option<Instant>, length| {
            time.is_some_and(|time| now.saturating_duration_since(time) < length)
        };
        if map.is_asking && is_within(map.began, ABANDONED) {
            return Ticket::Wait(map.ended);
        }
        let is_fresh = !is_needed && is_within(map.learned, LONGEST);
        if is_fresh || is_within(map.began, SHORTEST) {
            return Ticket::Recent(map.failure.map_or(Ok(()), Err));
        }
        map.is_asking = true;
        map.began = Some(now);
        Ticket::Ask(map.ended)
    }

    /// The end of the question that this ticket waits for, or `None` if it has not ended.
    #[cfg(feature = "async")]
    pub(crate) fn ended(&self, ticket: u64) -> Option<Result<(), RedisError>> {
        let map = self.lock();
        (map.ended != ticket).then(|| map.failure.map_or(Ok(()), Err))
    }

    /// Blocks until the question ends.
    pub(crate) fn wait(&self, ticket: u64, deadline: Instant) -> Result<(), RedisError> {
        let mut map = self.lock();
        loop {
            if map.ended != ticket {
                return map.failure.map_or(Ok(()), Err);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(RedisError::NotInTime);
            }
            let woken = self.changed.wait_timeout(map, left);
            map = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The servers to ask, one after the other. The one that answered last comes first.
    pub(crate) fn sources(&self) -> Vec<Address> {
        let (known, given) = match &self.topology {
            Topology::Single(_) => return Vec::new(),
            Topology::Sentinel(sentinels, _) => (Vec::new(), sentinels),
            Topology::Cluster(nodes) => (self.servers(), nodes),
        };
        let last = self.lock().source.clone();
        let mut sources = Vec::new();
        for source in last.into_iter().chain(known).chain(given.iter().cloned()) {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }

    pub(crate) fn question(&self) -> Cmd {
        let mut command = match &self.topology {
            Topology::Sentinel(..) => redis::cmd("SENTINEL"),
            _ => redis::cmd("CLUSTER"),
        };
        match &self.topology {
            Topology::Sentinel(_, name) => command.arg("GET-MASTER-ADDR-BY-NAME").arg(name),
            _ => command.arg("SLOTS"),
        };
        command
    }

    /// Takes the answer of one source.
    ///
    /// # Errors
    ///
    /// It tells nothing, and the next source may be asked.
    pub(crate) fn learn(&self, source: &Address, answer: &Value) -> Result<(), RedisError> {
        let targets = match (&self.topology, answer) {
            (Topology::Sentinel(..), Value::Array(parts)) => {
                let [host, port] = &**parts else {
                    return Err(RedisError::UnexpectedAnswer);
                };
                let port = slots::text(port).and_then(|port| port.parse().ok());
                let address = slots::text(host)
                    .zip(port)
                    .and_then(|(host, port)| Address::of(host, port, source));
                address.map(Targets::One)
            }
            // The Sentinel does not know the name.
            (Topology::Sentinel(..), Value::Nil) => return Err(RedisError::Refused),
            (Topology::Cluster(_), answer) => Slots::parse(answer, source).map(Targets::Slots),
            _ => None,
        };
        let targets = targets.ok_or(RedisError::UnexpectedAnswer)?;
        let mut map = self.lock();
        map.targets = targets;
        map.source = Some(source.clone());
        Ok(())
    }

    /// Makes what is known older than any limit.
    #[cfg(test)]
    pub(crate) fn let_time_pass(&self) {
        let mut map = self.lock();
        let past = |time: Option<Instant>| time.and_then(|time| time.checked_sub(STALE));
        (map.learned, map.began) = (past(map.learned), past(map.began));
    }

    /// Ends the question of a [`Ticket::Ask`].
    pub(crate) fn end(&self, result: Result<(), RedisError>) {
        let mut map = self.lock();
        map.is_asking = false;
        map.ended = map.ended.wrapping_add(1);
        map.failure = result.err();
        if result.is_ok() {
            map.learned = Some(Instant::now());
        }
        drop(map);
        self.changed.notify_all();
        #[cfg(feature = "async")]
        self.notify.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentinel() -> Router {
        let sentinel = Address::Host("a".to_owned(), 9);
        Router::new(Topology::Sentinel(vec![sentinel], "main".to_owned()))
    }

    #[test]
    fn one_asks_and_the_others_wait() {
        let (router, now) = (sentinel(), Instant::now());
        assert_eq!(router.ticket(true, now), Ticket::Ask(0));
        for is_needed in [true, false] {
            assert_eq!(router.ticket(is_needed, now), Ticket::Wait(0));
        }
        // Somebody must ask if the first never ends.
        assert_eq!(router.ticket(true, now + ABANDONED), Ticket::Ask(0));
    }

    #[test]
    fn a_question_is_asked_again_after_a_pause() {
        let (router, error) = (sentinel(), RedisError::NotConnected);
        let now = Instant::now();
        assert_eq!(router.ticket(true, now), Ticket::Ask(0));
        router.end(Err(error));
        let soon = now + SHORTEST / 2;
        assert_eq!(router.ticket(true, soon), Ticket::Recent(Err(error)));
        assert_eq!(router.ticket(true, now + SHORTEST), Ticket::Ask(1));
        router.end(Ok(()));
        let later = Instant::now() + SHORTEST;
        assert_eq!(router.ticket(false, later), Ticket::Recent(Ok(())));
        assert_eq!(router.ticket(false, later + LONGEST), Ticket::Ask(2));
    }

    #[test]
    fn one_server_is_never_asked_for() {
        let router = Router::new(Topology::Single(Address::Host("a".to_owned(), 1)));
        let ticket = router.ticket(true, Instant::now());
        assert_eq!(ticket, Ticket::Recent(Ok(())));
        assert!(router.sources().is_empty());
    }

    /// The one that answered comes first, so that one that hangs delays nobody twice.
    #[test]
    fn the_last_source_is_asked_first() {
        let address = |port| Address::Host("a".to_owned(), port);
        let sentinels = vec![address(1), address(2)];
        let router = Router::new(Topology::Sentinel(sentinels, "main".to_owned()));
        assert_eq!(router.sources(), [address(1), address(2)]);
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = Value::Array(vec![text("b"), text("5")]);
        router.learn(&address(2), &answer).unwrap();
        assert_eq!(router.sources(), [address(2), address(1)]);
        assert_eq!(router.server(0), Some(Address::Host("b".to_owned(), 5)));
        for wrong in [
            Value::Nil,
            Value::Int(1),
            Value::Array(vec![text("b")]),
            Value::Array(vec![text("b"), text("0")]),
            Value::Array(vec![text("b"), text("x")]),
        ] {
            assert!(router.learn(&address(1), &wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(router.sources(), [address(2), address(1)]);
    }
}
