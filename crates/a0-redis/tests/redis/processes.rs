//! Two processes with one Redis.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use a0_dpop::Seen;
use a0_redis::{RedisBuilder, WhenAway};

use crate::servers::{Server, until};
use crate::stores::{PATIENT, ask, stores};

const PROOFS: usize = 10_000;
const THREADS: usize = 8;

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
        // Both are ready, and begin together.
        until("both processes are ready", || {
            server.send(&["GET", "ready"]).contains("\r\n2\r\n")
        });
        server.send(&["SET", "begin", "1"]);
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
            // Each process came first sometimes, or they did not compete.
            assert!(!answers.is_empty());
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
    send(&["INCR", "ready"]);
    until("the other process is ready", || {
        send(&["GET", "begin"]).starts_with("$1")
    });

    let next = AtomicUsize::new(0);
    let firsts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    if number >= PROOFS {
                        return;
                    }
                    if ask(&*store, number).unwrap() == Seen::First {
                        firsts.lock().unwrap().push(number.to_string());
                    }
                }
            });
        }
    });
    assert!(next.into_inner() >= PROOFS);
    let firsts = firsts.into_inner().unwrap().join(" ");
    let mut output = std::io::stdout().lock();
    writeln!(output, "firsts:{firsts}").unwrap();
}
