//! The slots of a cluster: which primary holds a key.

use redis::Value;

use crate::address::Address;

/// The slots of every cluster.
pub(crate) const COUNT: u16 = 16384;

/// A range of slots, up to and including `last`, and their primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    first: u16,
    last: u16,
    primary: Address,
}

/// All ranges, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Slots {
    ranges: Vec<Range>,
    /// What redirections said since.
    moved: Vec<(u16, Address)>,
}

/// The slot of a key: the CRC-16 (XMODEM) of the key, or of the part between its first `{` and the
/// next `}`, if that part is not empty.
pub(crate) fn slot(key: &[u8]) -> u16 {
    let mut crc: u16 = 0;
    for octet in tag(key).unwrap_or(key) {
        crc ^= u16::from(*octet) << 8;
        for _ in 0..8 {
            let carries = crc & 0x8000 != 0;
            crc = (crc << 1) ^ if carries { 0x1021 } else { 0 };
        }
    }
    crc % COUNT
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let begin = key.iter().position(|octet| *octet == b'{')?;
    let rest = key.get(begin.checked_add(1)?..)?;
    let end = rest.iter().position(|octet| *octet == b'}')?;
    rest.get(..end).filter(|tag| !tag.is_empty())
}

impl Slots {
    /// Reads the answer to `CLUSTER SLOTS`.
    pub(crate) fn parse(answer: &Value, asked: &Address) -> Option<Slots> {
        let Value::Array(entries) = answer else {
            return None;
        };
        let parse = |entry: &Value| match entry {
            Value::Array(entry) => Range::parse(entry, asked),
            _ => None,
        };
        let ranges: Option<Vec<Range>> = entries.iter().map(parse).collect();
        let mut ranges = ranges?;
        ranges.sort_by_key(|range| range.first);
        (!ranges.is_empty()).then_some(Slots {
            ranges,
            moved: Vec::new(),
        })
    }

    pub(crate) fn primary(&self, slot: u16) -> Option<&Address> {
        if let Some((_, primary)) = self.moved.iter().find(|(moved, _)| *moved == slot) {
            return Some(primary);
        }
        let at = self.ranges.partition_point(|range| range.last < slot);
        let range = self.ranges.get(at)?;
        (range.first <= slot).then_some(&range.primary)
    }

    /// Keeps what a redirection said, until the next answer to `CLUSTER SLOTS`.
    pub(crate) fn set_moved(&mut self, slot: u16, primary: Address) {
        self.moved.retain(|(moved, _)| *moved != slot);
        self.moved.push((slot, primary));
    }

    pub(crate) fn primaries(&self) -> Vec<Address> {
        let ranges = self.ranges.iter().map(|range| &range.primary);
        let mut all = Vec::new();
        for primary in ranges.chain(self.moved.iter().map(|(_, primary)| primary)) {
            if !all.contains(primary) {
                all.push(primary.clone());
            }
        }
        all
    }
}

impl Range {
    fn parse(entry: &[Value], asked: &Address) -> Option<Range> {
        let [first, last, Value::Array(primary), ..] = entry else {
            return None;
        };
        let [host, port, ..] = &**primary else {
            return None;
        };
        let host = match host {
            Value::Nil => "",
            host => text(host)?,
        };
        let (first, last) = (number(first)?, number(last)?);
        (first <= last && last < COUNT).then_some(Range {
            first,
            last,
            primary: Address::of(host, number(port)?, asked)?,
        })
    }
}

/// The text of a string in an answer.
pub(crate) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(octets) => std::str::from_utf8(octets).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of `CLUSTER KEYSLOT` of Redis 7.0.
    #[test]
    fn a_key_has_the_slot_that_redis_computes() {
        for (key, expected) in [
            ("", 0),
            ("123456789", 12739),
            ("foo", 12182),
            ("a{foo}b", 12182),
            ("{foo}{bar}", 12182),
            ("foo{}", 5542),
            ("foo{", 7673),
            ("{}foo", 9500),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    fn entry(first: i64, last: i64, host: Value, port: i64) -> Value {
        let primary = Value::Array(vec![host, Value::Int(port)]);
        Value::Array(vec![Value::Int(first), Value::Int(last), primary])
    }

    fn host(name: &str) -> Value {
        Value::BulkString(name.as_bytes().to_vec())
    }

    #[test]
    fn slots_have_primaries() {
        let asked = Address::Host("asked".to_owned(), 1);
        let address = |host: &str, port| Address::Host(host.to_owned(), port);
        let answer = Value::Array(vec![
            entry(100, 199, host("b"), 2),
            entry(0, 99, host("a"), 1),
            entry(300, 16383, Value::Nil, 3),
        ]);
        let mut slots = Slots::parse(&answer, &asked).unwrap();
        for (slot, expected) in [
            (0, Some(address("a", 1))),
            (99, Some(address("a", 1))),
            (100, Some(address("b", 2))),
            (200, None),
            (16383, Some(address("asked", 3))),
        ] {
            assert_eq!(slots.primary(slot), expected.as_ref(), "{slot}");
        }
        slots.set_moved(200, address("c", 4));
        slots.set_moved(200, address("d", 4));
        slots.set_moved(0, address("b", 2));
        assert_eq!(slots.primary(200), Some(&address("d", 4)));
        assert_eq!(slots.primary(0), Some(&address("b", 2)));
        assert_eq!(slots.primaries().len(), 4);
    }

    #[test]
    fn a_malformed_answer_is_refused() {
        let asked = Address::Host("asked".to_owned(), 1);
        for answer in [
            Value::Nil,
            Value::Array(vec![]),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(1)])]),
            Value::Array(vec![entry(5, 4, host("a"), 1)]),
            Value::Array(vec![entry(0, 16384, host("a"), 1)]),
            Value::Array(vec![entry(-1, 1, host("a"), 1)]),
            Value::Array(vec![entry(0, 1, host("?"), 1)]),
            Value::Array(vec![entry(0, 1, host("a"), 65536)]),
            Value::Array(vec![entry(0, 1, Value::BulkString(vec![0xff]), 1)]),
        ] {
            assert_eq!(Slots::parse(&answer, &asked), None, "{answer:?}");
        }
    }
}
