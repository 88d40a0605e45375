//! The commands of a cache adapter, and how their answers are read.

use std::fmt;
use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use crate::error::RedisError;
use crate::slots::text;

/// Removes a key if it has a value. The comparison and the removal are one step in the server.
const DELETE_IF_EQUAL: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    return redis.call('DEL', KEYS[1]) else return 0 end";

/// Replaces the value of a key if it is the expected one.
const SET_IF_EQUAL: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1 else return 0 end";

/// The keys that the server looks at in one step of a sweep.
const STEP: usize = 1000;

/// The longest time of the sweeps of all servers together.
const LONGEST_SWEEP: Duration = Duration::from_secs(60);

/// Names the keys.
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        // Unlike the prefix of the replay store in the same place, so that `clear` leaves that.
        Names {
            prefix: format!("{prefix}cache:"),
        }
    }

    fn begin(&self, command: &str, key: &str) -> (String, Cmd) {
        let name = format!("{}{key}", self.prefix);
        let mut command = redis::cmd(command);
        command.arg(&name);
        (name, command)
    }

    pub(super) fn get(&self, key: &str) -> (String, Cmd) {
        self.begin("GET", key)
    }

    pub(super) fn set(&self, key: &str, value: &str, ttl: Duration) -> (String, Cmd) {
        let (name, mut command) = self.begin("SET", key);
        command.arg(value).arg("PX").arg(milliseconds(ttl));
        (name, command)
    }

    pub(super) fn set_if_absent(&self, key: &str, value: &str, ttl: Duration) -> (String, Cmd) {
        let (name, mut command) = self.set(key, value, ttl);
        command.arg("NX");
        (name, command)
    }

    pub(super) fn delete(&self, key: &str) -> (String, Cmd) {
        self.begin("DEL", key)
    }

    pub(super) fn delete_if_equal(&self, key: &str, value: &str) -> (String, Cmd) {
        let name = format!("{}{key}", self.prefix);
        let mut command = redis::cmd("EVAL");
        command.arg(DELETE_IF_EQUAL).arg(1).arg(&name).arg(value);
        (name, command)
    }

    pub(super) fn set_if_equal(
        &self,
        key: &str,
        expected: &str,
        value: &str,
        ttl: Duration,
    ) -> (String, Cmd) {
        let name = format!("{}{key}", self.prefix);
        let mut command = redis::cmd("EVAL");
        command.arg(SET_IF_EQUAL).arg(1).arg(&name).arg(expected);
        command.arg(value).arg(milliseconds(ttl));
        (name, command)
    }

    /// Matches the names, in the patterns of `SCAN`.
    fn pattern(&self) -> String {
        let mut pattern = String::new();
        for character in self.prefix.chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.push('*');
        pattern
    }

    pub(super) fn debug(&self, name: &str, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct(name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Redis takes no time to live of zero.
fn milliseconds(ttl: Duration) -> u64 {
    let milliseconds = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    // Redis adds the time of day, and refuses what overflows.
    milliseconds.clamp(1, 1 << 53)
}

/// A walk through the keys of one server.
pub(super) struct Sweep {
    began: Instant,
    /// `None` after the last step.
    cursor: Option<String>,
}

impl Sweep {
    /// Begins with one server. `began` is when the first one was begun with.
    pub(super) fn begin(began: Instant) -> Self {
        Sweep {
            began,
            cursor: Some("0".to_owned()),
        }
    }

    /// The next step, or `None` after the last.
    pub(super) fn next(&self, names: &Names) -> Result<Option<Cmd>, RedisError> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        self.check_time()?;
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(names.pattern());
        command.arg("COUNT").arg(STEP);
        Ok(Some(command))
    }

    /// Removes one key, unless the time is over.
    pub(super) fn delete(&self, name: &[u8]) -> Result<Cmd, RedisError> {
        self.check_time()?;
        let mut command = redis::cmd("DEL");
        command.arg(name);
        Ok(command)
    }

    fn check_time(&self) -> Result<(), RedisError> {
        match self.began.elapsed() > LONGEST_SWEEP {
            true => Err(RedisError::NotInTime),
            false => Ok(()),
        }
    }

    /// The names that a step found.
    pub(super) fn take_names(&mut self, answer: Value) -> Result<Vec<Vec<u8>>, RedisError> {
        let Value::Array(parts) = answer else {
            return Err(RedisError::UnexpectedAnswer);
        };
        let [cursor, Value::Array(names)] = &*parts else {
            return Err(RedisError::UnexpectedAnswer);
        };
        let cursor = text(cursor).ok_or(RedisError::UnexpectedAnswer)?;
        self.cursor = (cursor != "0").then(|| cursor.to_owned());
        let name = |name: &Value| match name {
            Value::BulkString(name) => Ok(name.clone()),
            _ => Err(RedisError::UnexpectedAnswer),
        };
        names.iter().map(name).collect()
    }
}

pub(super) fn read_value(answer: Value) -> Result<Option<String>, RedisError> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(octets) => match String::from_utf8(octets) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(RedisError::UnexpectedAnswer),
        },
        _ => Err(RedisError::UnexpectedAnswer),
    }
}

pub(super) fn read_okay(answer: Value) -> Result<(), RedisError> {
    match answer {
        Value::Okay => Ok(()),
        _ => Err(RedisError::UnexpectedAnswer),
    }
}

pub(super) fn read_is_set(answer: Value) -> Result<bool, RedisError> {
    match answer {
        Value::Okay => Ok(true),
        Value::Nil => Ok(false),
        _ => Err(RedisError::UnexpectedAnswer),
    }
}

/// Whether one key was changed.
pub(super) fn read_count(answer: Value) -> Result<bool, RedisError> {
    match answer {
        Value::Int(count) => Ok(count == 1),
        _ => Err(RedisError::UnexpectedAnswer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(
            Names::new("a*[b]?\\").pattern(),
            "a\\*\\[b\\]\\?\\\\cache:*"
        );
    }

    #[test]
    fn a_sweep_ends_in_time() {
        let (names, now) = (Names::new("a"), Instant::now());
        let sweep = Sweep::begin(now);
        assert!(sweep.next(&names).is_ok() && sweep.delete(b"a").is_ok());
        let began = now - LONGEST_SWEEP - Duration::from_secs(1);
        let sweep = Sweep::begin(began);
        assert_eq!(sweep.next(&names).err(), Some(RedisError::NotInTime));
        assert_eq!(sweep.delete(b"a").err(), Some(RedisError::NotInTime));
    }

    #[test]
    fn every_time_to_live_is_one_that_redis_takes() {
        for (ttl, expected) in [
            (Duration::ZERO, 1),
            (Duration::from_nanos(1), 1),
            (Duration::from_secs(60), 60_000),
            (Duration::MAX, 1 << 53),
        ] {
            assert_eq!(milliseconds(ttl), expected);
        }
    }
}
