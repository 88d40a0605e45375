//! Two processes with one Redis.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use a0_dpop::Seen;
use a0_redis::{RedisBuilder, WhenAway};

use crate::servers::{Server, until};
use crate::stores::{PATIENT, ask, stores};

const PROOFS: usize = 10_000;
const THREADS: usize = 8;

/// The processes meet before each block, so that they compete for all of them.
const BLOCKS: usize = 20;

/// Tells a process of this program which server to use, and which store.
const TASK: &str = "A0_REDIS_TEST_TASK";

/// Two processes with eight threads each: every proof is sent to both.
#[test]
fn ten_thousand_proofs_are_accepted_once_by_two_processes() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let kinds = stores(&RedisBuilder::new(server.url()), WhenAway::Refuse).len();
    for number in 0..kinds {
        server.send(&["FLUSHALL"]);
        let process = || {
            Command::new(env::current_exe().unwrap())
                .args(["--exact", "processes::a_process", "--nocapture"])
                .env(TASK, format!("{} {number}", server.port))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let processes = [process(), process()];
        let mut firsts = vec![0; PROOFS];
        for process in processes {
            let output = process.wait_with_output().unwrap();
            assert!(output.status.success());
            let output = String::from_utf8(output.stdout).unwrap();
            let line = output.lines().find_map(|line| line.split_once("firsts:"));
            let answers: Vec<usize> = line
                .unwrap()
                .1
                .split_whitespace()
                .map(|number| number.parse().unwrap())
                .collect();
            for answer in answers {
                firsts[answer] += 1;
            }
        }
        assert!(firsts.iter().all(|count| *count == 1));
    }
}

/// The task of one process. In a usual run of the tests it does nothing.
#[test]
fn a_process() {
    let Ok(task) = env::var(TASK) else {
        return;
    };
    let (port, number) = task.split_once(' ').unwrap();
    let url = format!("redis://127.0.0.1:{port}");
    let builder = RedisBuilder::new(&url).time_limit(PATIENT);
    let (_, store) = stores(&builder, WhenAway::Refuse).swap_remove(number.parse().unwrap());
    let port: u16 = port.parse().unwrap();
    let send = |command: &[&str]| crate::servers::exchange(port, &[command]).unwrap();
    let meet = |block: usize| {
        let point = format!("point {block}");
        send(&["INCR", &point]);
        until("the other process is there", || {
            send(&["GET", &point]).contains("\r\n2\r\n")
        });
    };

    let next: Vec<AtomicUsize> = (0..BLOCKS).map(|_| AtomicUsize::new(0)).collect();
    let firsts = Mutex::new(Vec::new());
    let threads = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for (block, next) in next.iter().enumerate() {
                    if threads.wait().is_leader() {
                        meet(block);
                    }
                    threads.wait();
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= PROOFS / BLOCKS {
                            break;
                        }
                        let number = block * (PROOFS / BLOCKS) + number;
                        if ask(&*store, number).unwrap() == Seen::First {
                            firsts.lock().unwrap().push(number.to_string());
                        }
                    }
                }
            });
        }
    });
    let firsts = firsts.into_inner().unwrap().join(" ");
    let mut output = std::io::stdout().lock();
    writeln!(output, "firsts:{firsts}").unwrap();
}
