//! IP networks.

use std::net::IpAddr;

/// All addresses of one family that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    is_ipv4: bool,
    bits: u128,
    mask: u128,
}

impl Network {
    /// Parses `10.0.0.0/8` or a single address. Bits beyond the network's length are a mistake:
    /// `10.0.0.1/8` may be meant as one address. IPv4-mapped IPv6 addresses are refused, because peers
    /// are compared as IPv4 addresses and such a network would contain none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        if address.to_canonical() != address {
            return None;
        }
        let longest: u32 = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            Some(text) => parse_length(text).filter(|length| *length <= longest)?,
            None => longest,
        };
        let free = u128::BITS.checked_sub(length)?;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        let bits = first_bits(address);
        (bits & mask == bits).then_some(Network {
            is_ipv4: address.is_ipv4(),
            bits,
            mask,
        })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        self.is_ipv4 == address.is_ipv4() && first_bits(address) & self.mask == self.bits
    }
}

/// The bits of an address, from the highest bit on.
fn first_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// A number without sign and leading zeros.
fn parse_length(text: &str) -> Option<u32> {
    let length: u32 = text.parse().ok()?;
    (length.to_string() == text).then_some(length)
}
