//! Single flight: one caller, the leader, does the work, and the others wait for its result.
//!
//! One attempt at the work is a *round*. The crate decides who leads a round and how long others
//! may depend on the leader. It has three parts and no dependencies:
//!
//! - [`Rounds`] tracks the running round and how earlier rounds ended. An overdue round
//!   cannot be joined, and its late result cannot replace a newer one.
//! - [`Monitor`] is a mutex with a way to wait for a change until a deadline, on a thread or in a
//!   task.
//! - [`Timer`] makes timers for tasks on any async runtime, with one short-lived thread.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use a0_single_flight::{Moment, Monitor, Rounds};
//!
//! #[derive(Default)]
//! struct Shared { rounds: Rounds, answer: Option<u32> }
//!
//! let shared = Monitor::new(Shared::default());
//! let now = Moment::now(0.0);
//!
//! // The first caller finds no running round and becomes the leader.
//! assert!(shared.lock().rounds.running(&now).is_none());
//! let round = shared.lock().rounds.begin(now, Duration::from_secs(10));
//!
//! // A second caller joins the round and waits until its deadline.
//! assert_eq!(shared.lock().rounds.running(&now).map(|running| running.round()), Some(round));
//! let deadline = Instant::now() + Duration::from_millis(1);
//! assert_eq!(shared.wait(deadline, |shared| shared.answer), None);
//!
//! // The leader ends the round and wakes all waiters.
//! let mut state = shared.lock();
//! state.rounds.end(round, true, &now);
//! state.answer = Some(7);
//! drop(state);
//! shared.notify_all();
//! assert_eq!(shared.wait(deadline, |shared| shared.answer), Some(7));
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(missing_docs)]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::dbg_macro,
    clippy::print_stdout,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

mod monitor;
mod rounds;
mod sync;
mod timer;

pub use monitor::{Monitor, Sleep};
pub use rounds::{Ending, Moment, Round, Rounds, Running};
pub use timer::Timer;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
