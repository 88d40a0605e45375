//! Async stores, runtimes and callers that leave.

use std::error::Error;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use a0_dpop::asynchronous::AsyncReplayStore;
use a0_dpop::{ReplayKey, Seen};
use a0_jose::NumericDate;
use a0_redis::asynchronous::RedisReplayStore;
use a0_redis::{RedisBuilder, RedisError, WhenAway};
use tokio::runtime::{Builder, Runtime};

use crate::servers::Server;
use crate::stores::{PATIENT, key};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn store(url: String) -> RedisReplayStore {
    let builder = RedisBuilder::new(url).time_limit(PATIENT);
    builder.async_replay_store(WhenAway::Refuse).unwrap()
}

async fn ask(store: &RedisReplayStore, key: &ReplayKey) -> Result<Seen, RedisError> {
    let now = NumericDate::from(SystemTime::now());
    let answer = store.check_and_insert(key, now.plus(Duration::from_secs(300)), now);
    let answer = answer.await;
    answer.map_err(|error| *error.source().unwrap().downcast_ref().unwrap())
}

#[test]
fn a_call_outside_of_a_runtime_is_an_error() {
    let (store, key) = (store("redis://127.0.0.1:1".to_owned()), key("a"));
    let call = pin!(ask(&store, &key));
    let answer = call.poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(answer, Poll::Ready(Err(RedisError::NoRuntime)));
}

/// A connection belongs to the runtime that opened it. The next runtime opens its own.
#[test]
fn a_store_outlives_a_runtime() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = store(server.url());
    for expected in [Seen::First, Seen::Before, Seen::Before] {
        assert_eq!(runtime().block_on(ask(&store, &key("a"))), Ok(expected));
    }
    // A runtime that ends while it connects.
    let other = runtime();
    other.block_on(async {
        let key = key("b");
        let mut call = pin!(ask(&store, &key));
        let waker = Waker::noop();
        let _ = call.as_mut().poll(&mut Context::from_waker(waker));
    });
    drop(other);
    let answer = runtime().block_on(ask(&store, &key("c")));
    assert_eq!(answer, Ok(Seen::First));
}

/// A client that leaves drops its call. The calls of others get their own answers.
#[test]
fn dropped_calls_disturb_no_other() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let store = store(server.url());
    runtime().block_on(async {
        assert_eq!(ask(&store, &key("seen")).await, Ok(Seen::First));
        for number in 0..1000 {
            let dropped = key(format!("dropped {number}"));
            {
                let mut call = pin!(ask(&store, &dropped));
                let waker = Waker::noop();
                let _ = call.as_mut().poll(&mut Context::from_waker(waker));
            }
            assert_eq!(ask(&store, &key("seen")).await, Ok(Seen::Before));
        }
    });
}
