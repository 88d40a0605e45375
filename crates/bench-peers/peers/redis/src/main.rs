//! What a shared replay store costs. `cargo xtask bench --redis` starts it.
//!
//! It starts a Redis server of its own on a free loopback port, and measures checks per second against
//! `redis-benchmark` with the same command, the latency that the store adds to a request with a proof,
//! and the memory of a proof in Redis. What is compared takes turns.

mod request;
mod server;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use a0_dpop::asynchronous::AsyncReplayStore;
use a0_dpop::{Htu, ReplayKey, Seen};
use a0_jose::{NumericDate, base64url_encode};
use a0_redis::asynchronous::RedisReplayStore;
use a0_redis::{RedisBuilder, WhenAway};
use server::Server;
use tokio::runtime::{Builder, Runtime};

type Failure = Box<dyn Error + Send + Sync>;

/// The lowest ratio of checks per second to those of `redis-benchmark`.
const BAR: f64 = 0.8;

/// Proofs of one round.
const CHECKS: u32 = 40_000;

/// Proofs whose memory is measured. Between two powers of two, so that the hash table of the server is
/// neither at its smallest nor at its largest for them.
const HELD: u32 = 200_000;

const USAGE: &str = "use `peer-redis [--check] [--rounds N]`, or `cargo xtask bench --redis`";

fn main() -> Result<ExitCode, Failure> {
    let (mut rounds, mut is_checked) = (9, false);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        match name.as_str() {
            "--check" => is_checked = true,
            "--rounds" => rounds = given.next().ok_or(USAGE)?.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    let server = Server::start()?;
    let one_thread = Builder::new_current_thread().enable_all().build()?;
    let keys = Arc::new(Keys::new()?);

    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    let store = Arc::new(store(&server)?);
    for round in 0..rounds {
        server.flush()?;
        theirs.push(server.benchmark(CHECKS, 1)?);
        own.push(rate(&one_thread, &store, &keys, round)?);
        eprintln!("    {} of {rounds} rounds", round + 1);
    }
    let ratios: Vec<f64> = own
        .iter()
        .zip(&theirs)
        .map(|(own, their)| own / their)
        .collect();
    let ratio = middle(ratios);
    println!("| one connection, no pipelining | checks/s |");
    println!("|---|---|");
    println!(
        "| `redis-benchmark`, `SET key \"\" NX PX` | {:.0} |",
        middle(theirs)
    );
    println!("| `RedisReplayStore`, async | {:.0} |", middle(own));
    println!("\nratio, median of the rounds: {ratio:.2}; the bar is {BAR}");

    println!(
        "\n| callers at once | checks/s, one process | `redis-benchmark`, as many connections |"
    );
    println!("|---|---|---|");
    for callers in [8, 64, 256] {
        server.flush()?;
        let their = server.benchmark(4 * CHECKS, callers)?;
        let own = rate_of_many(&one_thread, &store, &keys, callers)?;
        println!("| {callers} | {own:.0} | {their:.0} |");
    }

    server.flush()?;
    let before = server.used_memory()?;
    hold(&one_thread, &store, &keys)?;
    let bytes = (server.used_memory()? - before) / f64::from(HELD);
    println!("\nmemory of Redis for each proof: {bytes:.0} bytes ({HELD} proofs)");

    request::latencies(&server)?;
    if is_checked && ratio < BAR {
        eprintln!("the bar is missed");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn store(server: &Server) -> Result<RedisReplayStore, Failure> {
    let builder = RedisBuilder::new(server.url()).time_limit(Duration::from_secs(5));
    Ok(builder.async_replay_store(WhenAway::Refuse)?)
}

struct Keys {
    thumbprint: a0_jose::Thumbprint,
    url: Htu,
}

impl Keys {
    fn new() -> Result<Self, Failure> {
        Ok(Keys {
            thumbprint: base64url_encode([1; 32]).parse()?,
            url: Htu::parse("https://api.example/orders")?,
        })
    }

    fn key(&self, jti: &str) -> ReplayKey {
        ReplayKey::new(&self.thumbprint, &self.url, jti)
    }
}

async fn check(store: &RedisReplayStore, key: &ReplayKey) -> Result<(), Failure> {
    let now = NumericDate::from(SystemTime::now());
    let end = now.plus(Duration::from_secs(300));
    match store.check_and_insert(key, end, now).await? {
        Seen::First => Ok(()),
        Seen::Before => Err("a new proof was seen before".into()),
    }
}

/// Checks per second of one caller.
fn rate(
    runtime: &Runtime,
    store: &RedisReplayStore,
    keys: &Keys,
    round: u32,
) -> Result<f64, Failure> {
    runtime.block_on(async {
        check(store, &keys.key(&format!("first of {round}"))).await?;
        let began = Instant::now();
        for number in 0..CHECKS {
            check(store, &keys.key(&format!("{round} {number}"))).await?;
        }
        Ok(f64::from(CHECKS) / began.elapsed().as_secs_f64())
    })
}

/// Checks per second of many callers at once, on one thread.
fn rate_of_many(
    runtime: &Runtime,
    store: &Arc<RedisReplayStore>,
    keys: &Arc<Keys>,
    callers: u32,
) -> Result<f64, Failure> {
    runtime.block_on(async {
        let began = Instant::now();
        let share = 4 * CHECKS / callers;
        let call = |caller: u32| {
            let (store, keys) = (Arc::clone(store), Arc::clone(keys));
            tokio::spawn(async move {
                for number in 0..share {
                    check(&store, &keys.key(&format!("{callers} {caller} {number}"))).await?;
                }
                Ok::<(), Failure>(())
            })
        };
        let callers_at_work: Vec<_> = (0..callers).map(call).collect();
        for caller in callers_at_work {
            caller.await??;
        }
        Ok(f64::from(share * callers) / began.elapsed().as_secs_f64())
    })
}

fn hold(runtime: &Runtime, store: &RedisReplayStore, keys: &Keys) -> Result<(), Failure> {
    runtime.block_on(async {
        for number in 0..HELD {
            check(store, &keys.key(&format!("held {number}"))).await?;
        }
        Ok(())
    })
}

pub(crate) fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
