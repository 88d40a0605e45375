//! One call: to which server its command goes, and what happens if that fails.
//!
//! The call does no I/O. A driver does what [`Next`] says and resumes the call with the result,
//! until the time limit of the call or [`Next::Done`].

use std::time::Instant;

use redis::Value;

use crate::address::Address;
use crate::error::{Failure, RedisError};
use crate::router::Router;

/// The redirections that one call follows.
const MAX_REDIRECTIONS: u8 = 4;

pub(crate) struct Call {
    slot: u16,
    redirections: u8,
    has_retried: bool,
    has_learned: bool,
    /// The server that failed, while the call waits to learn of another.
    failed: Option<(Address, RedisError)>,
}

#[derive(Debug, PartialEq)]
#[must_use]
pub(crate) enum Next {
    Send(To),
    /// Learn anew which server has the key.
    Learn,
    /// The same, for half of the time that is left: the server is known, but for long.
    Refresh,
    Done(Result<Value, RedisError>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct To {
    pub(crate) server: Address,
    /// Send `ASKING` first.
    pub(crate) is_asking: bool,
    /// Use no connection that was idle.
    pub(crate) is_fresh: bool,
}

impl Call {
    pub(crate) fn begin(slot: u16, router: &Router, now: Instant) -> (Self, Next) {
        let call = Call {
            slot,
            redirections: 0,
            has_retried: false,
            has_learned: false,
            failed: None,
        };
        let next = match router.server(slot) {
            Some(_) if router.is_stale(now) => Next::Refresh,
            Some(server) => send(server),
            None => Next::Learn,
        };
        (call, next)
    }

    pub(crate) fn refreshed(&self, router: &Router) -> Next {
        router.server(self.slot).map_or(Next::Learn, send)
    }

    pub(crate) fn learned(&mut self, router: &Router, result: Result<(), RedisError>) -> Next {
        self.has_learned = true;
        match (router.server(self.slot), self.failed.take()) {
            (Some(server), Some((failed, error))) if server == failed => Next::Done(Err(error)),
            (Some(server), _) => send(server),
            (None, Some((_, error))) => Next::Done(Err(error)),
            (None, None) => Next::Done(Err(result.err().unwrap_or(RedisError::Refused))),
        }
    }

    pub(crate) fn answered(
        &mut self,
        router: &Router,
        to: To,
        answer: Result<Value, Failure>,
    ) -> Next {
        let failure = match answer {
            Ok(answer) => return Next::Done(Ok(answer)),
            Err(failure) => failure,
        };
        let from = to.server;
        match failure {
            Failure::Moved(_) | Failure::Ask(_) if !router.is_cluster() => {
                Next::Done(Err(RedisError::Cluster))
            }
            Failure::Moved(place) => {
                let Some(server) = self.follow(&place, &from) else {
                    return Next::Done(Err(RedisError::UnexpectedAnswer));
                };
                router.moved(self.slot, server.clone());
                send(server)
            }
            Failure::Ask(place) => match self.follow(&place, &from) {
                Some(server) => Next::Send(To {
                    server,
                    is_asking: true,
                    is_fresh: false,
                }),
                None => Next::Done(Err(RedisError::UnexpectedAnswer)),
            },
            // The name of a fixed server may have another address by now, so a new connection may
            // reach the new primary. The old one did not carry the command out.
            Failure::ReadOnly if router.is_fixed() && !self.has_retried => {
                self.retry(from, to.is_asking)
            }
            Failure::ReadOnly => self.learn(router, from, RedisError::Refused),
            // The command may have been carried out, and a replay check that is repeated would then
            // refuse a new proof.
            Failure::Interrupted => Next::Done(Err(RedisError::Closed)),
            // The server closed an idle connection: if it restarted, all of them.
            Failure::Error(RedisError::Closed) if !self.has_retried => {
                self.retry(from, to.is_asking)
            }
            Failure::Error(error @ (RedisError::Closed | RedisError::NotConnected)) => {
                self.learn(router, from, error)
            }
            Failure::Error(error) => Next::Done(Err(error)),
        }
    }

    /// Whether a redirection or a failure says that the servers may have changed.
    pub(crate) fn has_doubt(&self) -> bool {
        self.redirections != 0 || self.has_retried
    }

    /// Sends once more, on a connection that was not idle.
    fn retry(&mut self, server: Address, is_asking: bool) -> Next {
        self.has_retried = true;
        Next::Send(To {
            server,
            is_asking,
            is_fresh: true,
        })
    }

    fn follow(&mut self, place: &str, from: &Address) -> Option<Address> {
        self.redirections = self.redirections.saturating_add(1);
        let is_within = self.redirections <= MAX_REDIRECTIONS;
        Address::parse(place, from).filter(|_| is_within)
    }

    fn learn(&mut self, router: &Router, from: Address, error: RedisError) -> Next {
        if self.has_learned || router.is_fixed() {
            return Next::Done(Err(error));
        }
        self.failed = Some((from, error));
        Next::Learn
    }
}

fn send(server: Address) -> Next {
    Next::Send(To {
        server,
        is_asking: false,
        is_fresh: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Topology;

    fn address(port: u16) -> Address {
        Address::Host("a".to_owned(), port)
    }

    /// A cluster whose slots are all at port 1.
    fn cluster() -> Router {
        let router = Router::new(Topology::Cluster(vec![address(1)]));
        let place = Value::Array(vec![Value::Nil, Value::Int(1)]);
        let range = Value::Array(vec![Value::Int(0), Value::Int(16383), place]);
        router
            .learn(&address(1), &Value::Array(vec![range]))
            .unwrap();
        router
    }

    fn to(next: Next) -> To {
        match next {
            Next::Send(to) => to,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn redirections_are_followed_and_end() {
        let router = cluster();
        let (mut call, mut next) = Call::begin(7, &router, Instant::now());
        for port in 2..=5 {
            let moved = Failure::Moved(format!("a:{port}"));
            next = call.answered(&router, to(next), Err(moved));
            assert_eq!(router.server(7), Some(address(port)));
            assert_eq!(router.server(8), Some(address(1)));
        }
        let last = call.answered(&router, to(next), Err(Failure::Moved("a:6".to_owned())));
        assert_eq!(last, Next::Done(Err(RedisError::UnexpectedAnswer)));
        assert!(call.has_doubt());
    }

    #[test]
    fn an_ask_is_followed_and_not_kept() {
        let router = cluster();
        let (mut call, next) = Call::begin(7, &router, Instant::now());
        let asked = to(call.answered(&router, to(next), Err(Failure::Ask("b:2".to_owned()))));
        assert!(asked.is_asking);
        assert_eq!(asked.server, Address::Host("b".to_owned(), 2));
        assert_eq!(router.server(7), Some(address(1)));
    }

    #[test]
    fn a_closed_connection_is_replaced_once() {
        let router = Router::new(Topology::Single(address(1)));
        let (mut call, next) = Call::begin(0, &router, Instant::now());
        let closed = || Err(Failure::Error(RedisError::Closed));
        let again = to(call.answered(&router, to(next), closed()));
        assert!(again.is_fresh);
        let end = call.answered(&router, again, closed());
        assert_eq!(end, Next::Done(Err(RedisError::Closed)));
    }

    #[test]
    fn a_fixed_server_that_is_read_only_is_connected_anew_once() {
        let router = Router::new(Topology::Single(address(1)));
        let (mut call, next) = Call::begin(0, &router, Instant::now());
        let again = to(call.answered(&router, to(next), Err(Failure::ReadOnly)));
        assert!(again.is_fresh);
        let end = call.answered(&router, again, Err(Failure::ReadOnly));
        assert_eq!(end, Next::Done(Err(RedisError::Refused)));
    }

    #[test]
    fn an_interrupted_command_is_not_repeated() {
        for router in [Router::new(Topology::Single(address(1))), cluster()] {
            let (mut call, next) = Call::begin(0, &router, Instant::now());
            let end = call.answered(&router, to(next), Err(Failure::Interrupted));
            assert_eq!(end, Next::Done(Err(RedisError::Closed)));
        }
    }

    #[test]
    fn a_lost_primary_is_asked_for_once() {
        let sentinels = vec![address(9)];
        let router = Router::new(Topology::Sentinel(sentinels, "m".to_owned()));
        let answer = |port: &str| {
            let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
            Value::Array(vec![text("a"), text(port)])
        };
        for failure in [
            || Failure::ReadOnly,
            || Failure::Error(RedisError::NotConnected),
        ] {
            router.learn(&address(9), &answer("1")).unwrap();
            let (mut call, next) = Call::begin(0, &router, Instant::now());
            assert_eq!(
                call.answered(&router, to(next), Err(failure())),
                Next::Learn
            );
            router.learn(&address(9), &answer("2")).unwrap();
            let next = to(call.learned(&router, Ok(())));
            assert_eq!(next.server, address(2));
            assert!(matches!(
                call.answered(&router, next, Err(failure())),
                Next::Done(Err(_))
            ));
        }
        // The Sentinels have not noticed yet.
        let (mut call, next) = Call::begin(0, &router, Instant::now());
        let error = RedisError::NotConnected;
        let next = call.answered(&router, to(next), Err(error.into()));
        assert_eq!(next, Next::Learn);
        assert_eq!(call.learned(&router, Ok(())), Next::Done(Err(error)));
    }

    /// A process that was idle does not use a primary of long ago, unless no Sentinel answers.
    #[test]
    fn a_stale_primary_is_asked_for_first() {
        let router = Router::new(Topology::Sentinel(vec![address(9)], "m".to_owned()));
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = |port: &str| Value::Array(vec![text("a"), text(port)]);
        router.learn(&address(9), &answer("1")).unwrap();
        router.end(Ok(()));
        let now = Instant::now();
        let seconds = std::time::Duration::from_secs;
        assert_eq!(
            to(Call::begin(0, &router, now + seconds(9)).1).server,
            address(1)
        );
        let (mut call, next) = Call::begin(0, &router, now + seconds(11));
        assert_eq!(next, Next::Refresh);
        router.learn(&address(9), &answer("2")).unwrap();
        let next = to(call.refreshed(&router));
        assert_eq!(next.server, address(2));
        // A failure is still a reason to ask.
        let failure = RedisError::NotConnected.into();
        assert_eq!(call.answered(&router, next, Err(failure)), Next::Learn);

        router.end(Err(RedisError::NotConnected));
        let (_, next) = Call::begin(0, &router, now + seconds(11));
        assert_eq!(to(next).server, address(2));
        let (_, next) = Call::begin(7, &cluster(), now + seconds(11));
        assert_eq!(to(next).server, address(1));
    }

    #[test]
    fn a_redirection_outside_a_cluster_is_an_error_of_the_options() {
        let router = Router::new(Topology::Single(address(1)));
        let (mut call, next) = Call::begin(0, &router, Instant::now());
        let moved = Failure::Moved("b:2".to_owned());
        let end = call.answered(&router, to(next), Err(moved));
        assert_eq!(end, Next::Done(Err(RedisError::Cluster)));
    }
}
