//! A network in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), parsed once.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `203.0.113.0/24`, `2001:db8::/32`; a bare address means that address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
#[serde(try_from = "String", into = "String")]
pub struct Cidr(Network);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// True where the address lies in it. An IPv4 address that came over an IPv6 socket (`::ffff:a.b.c.d`) is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = self.0.bits;
        match (self.0.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                masked(own.to_bits().into(), bits, 32) == masked(other.to_bits().into(), bits, 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                masked(own.to_bits(), bits, 128) == masked(other.to_bits(), bits, 128)
            }
            _ => false,
        }
    }

    /// True where it is everybody.
    pub fn is_all(&self) -> bool {
        self.0.bits == 0
    }
}

/// The bits of the network: of `width` bits the first `bits`.
fn masked(address: u128, bits: u8, width: u8) -> u128 {
    if bits == 0 { 0 } else { address >> (width - bits) }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = text.chars().take(80).collect::<String>().escape_debug().to_string();
        let (address, bits) = text.trim().split_once('/').map_or((text.trim(), None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("\"{shown}\" is not a network: write 203.0.113.0/24, 2001:db8::/32 or an address"))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let wrong = || format!("\"{shown}\" is not a network: what follows the slash is a number up to {width}");
        let is_number = |bits: &str| !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = match bits {
            None => width,
            Some(bits) if is_number(bits) => bits.parse().ok().filter(|bits| *bits <= width).ok_or_else(wrong)?,
            Some(_) => return Err(wrong()),
        };
        let base = network_of(address, bits);
        if base != address {
            return Err(format!(
                "\"{shown}\" is not a network: bits are set behind its prefix; you may mean {base}/{bits}"
            ));
        }
        Ok(Self(Network { address, bits }))
    }
}

fn network_of(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(one) => IpAddr::V4((one.to_bits() & u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)).into()),
        IpAddr::V6(one) => {
            IpAddr::V6((one.to_bits() & u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)).into())
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.address, self.0.bits)
    }
}

impl TryFrom<String> for Cidr {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> String {
        cidr.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;

    #[test]
    fn networks_contain_what_they_say() {
        #[rustfmt::skip]
        let table = [
            ("203.0.113.0/24", "203.0.113.255", true), ("203.0.113.0/24", "203.0.114.0", false),
            ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true), ("::/0", "8.8.8.8", false),
            ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3", "10.1.2.4", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
            ("10.0.0.0/8", "::ffff:10.9.9.9", true), ("128.0.0.0/1", "127.0.0.1", false),
        ];
        for (network, address, inside) in table {
            let cidr: Cidr = network.parse().unwrap();
            assert_eq!(cidr.contains(address.parse().unwrap()), inside, "{address} in {network}");
        }
    }

    #[test]
    fn what_is_no_network_says_why() {
        for (text, why) in [
            ("10.1.2.3/8", "you may mean 10.0.0.0/8"),
            ("2001:db8::1/32", "you may mean 2001:db8::/32"),
            ("10.0.0.0/33", "up to 32"),
            ("10.0.0.0/", "up to 32"),
            ("10.0.0.0/+8", "up to 32"),
            ("::/129", "up to 128"),
            ("example.com", "is not a network"),
            ("", "is not a network"),
        ] {
            let error = text.parse::<Cidr>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        for text in ["10.0.0.0/8", "::/0", "203.0.113.7/32"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
    }
}
