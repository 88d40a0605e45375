//! A gzip stream of a JSON object made of one long run of spaces (RFC 1951, RFC 1952).

/// At least `decoded` bytes once decoded.
pub(crate) fn bomb(decoded: usize) -> Vec<u8> {
    let matches = decoded.saturating_sub(3).div_ceil(LONGEST_MATCH);
    let mut bits = Bits::default();
    // One final block with the fixed code.
    bits.push(0b011, 3);
    bits.literal(b'{');
    bits.literal(b' ');
    for _ in 0..matches {
        // Length 258 is symbol 285, code 1100_0101; distance 1 is code 00000.
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.literal(b'}');
    bits.code(0, 7);

    let spaces = 1 + matches * LONGEST_MATCH;
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    stream.extend(bits.finish());
    let content = std::iter::once(b'{')
        .chain(std::iter::repeat_n(b' ', spaces))
        .chain(std::iter::once(b'}'));
    stream.extend(crc32(content).to_le_bytes());
    let length = u32::try_from((spaces + 2) & 0xffff_ffff).unwrap_or(u32::MAX);
    stream.extend(length.to_le_bytes());
    stream
}

const LONGEST_MATCH: usize = 258;

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    /// The lowest bit first: how deflate packs numbers.
    fn push(&mut self, value: u32, width: u32) {
        self.pending |= value << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push((self.pending & 0xff) as u8);
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    /// The highest bit first: how deflate packs Huffman codes.
    fn code(&mut self, code: u32, width: u32) {
        self.push(code.reverse_bits() >> (32 - width), width);
    }

    /// Literals below 144 have codes of eight bits from 0011_0000 on.
    fn literal(&mut self, byte: u8) {
        self.code(0x30 + u32::from(byte), 8);
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push((self.pending & 0xff) as u8);
        }
        self.bytes
    }
}

fn crc32(bytes: impl Iterator<Item = u8>) -> u32 {
    let mut table = [0u32; 256];
    for (entry, start) in table.iter_mut().zip(0u32..) {
        *entry = (0..8).fold(start, |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)));
    }
    !bytes.fold(u32::MAX, |crc, byte| {
        let index = usize::from(byte ^ (crc & 0xff) as u8);
        (crc >> 8) ^ table.get(index).copied().unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_check_value() {
        assert_eq!(crc32(b"123456789".iter().copied()), 0xcbf4_3926);
    }

    /// As decoded by zlib: 261 bytes, `{`, 259 spaces, `}`.
    #[test]
    fn one_match() {
        let expected = [
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 0xab, 0x56, 0x18, 0x05, 0xb5, 0, 0x68, 0x3b,
            0x30, 0xba, 0x05, 0x01, 0, 0,
        ];
        assert_eq!(bomb(261), expected);
    }

    #[test]
    fn small_on_the_wire() {
        let bytes = bomb(1 << 20);
        assert!(bytes.len() < (1 << 20) / 100, "{}", bytes.len());
    }
}
