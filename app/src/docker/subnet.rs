//! Address ranges for our networks (pure): the engine's own default pool is exhausted after about 30 networks and
//! may collide with the VPN or LAN of the machine, so we choose, and choose only what conflicts with nothing.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A private range that neither home routers nor common VPNs use.
const DEFAULT_POOL: Subnet = Subnet { base: u32::from_be_bytes([10, 231, 0, 0]), bits: 16 };
/// 61 containers per deployment; 1024 deployments in the default pool.
const DEFAULT_NETWORK_BITS: u8 = 26;
/// The smallest network that has room for a gateway and some containers.
const MAX_NETWORK_BITS: u8 = 29;

/// An IPv4 range, `10.231.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    base: u32,
    bits: u8,
}

/// Where our networks come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The whole range.
    pub range: Subnet,
    /// Prefix length of each network.
    pub network_bits: u8,
}

impl Default for Pool {
    fn default() -> Self {
        Self { range: DEFAULT_POOL, network_bits: DEFAULT_NETWORK_BITS }
    }
}

impl FromStr for Pool {
    type Err = String;

    /// A range with networks of the usual size, or one network where it is smaller than that.
    fn from_str(text: &str) -> Result<Self, String> {
        let range: Subnet = text.parse()?;
        Self::new(range, DEFAULT_NETWORK_BITS.max(range.bits))
    }
}

impl Pool {
    /// A pool, or why it cannot be one.
    pub fn new(range: Subnet, network_bits: u8) -> Result<Self, String> {
        if !(range.bits..=MAX_NETWORK_BITS).contains(&network_bits) {
            return Err(format!(
                "networks of /{network_bits} do not fit into {range}; use a length from {} to {MAX_NETWORK_BITS}",
                range.bits
            ));
        }
        Ok(Self { range, network_bits })
    }

    /// The first network of the pool that overlaps none of `taken`.
    pub fn choose(&self, taken: &[Subnet]) -> Option<Subnet> {
        let step = 1u64 << (32 - self.network_bits);
        let end = self.range.end();
        let mut base = u64::from(self.range.base);
        while base + step - 1 <= end {
            let candidate = Subnet { base: u32::try_from(base).ok()?, bits: self.network_bits };
            match taken.iter().filter(|other| candidate.overlaps(other)).map(Subnet::end).max() {
                None => return Some(candidate),
                // Skip all that the taken range covers, or a /8 route would cost a walk through every network.
                Some(end) => base = (end + 1).next_multiple_of(step).max(base + step),
            }
        }
        None
    }
}

impl Pool {
    /// How many containers have room in each of its networks.
    pub fn room(&self) -> usize {
        Subnet { base: self.range.base, bits: self.network_bits }.room()
    }
}

impl Subnet {
    /// The range that starts at `base` (cut to the prefix).
    pub fn new(base: Ipv4Addr, bits: u8) -> Option<Self> {
        (bits <= 32).then(|| Self { base: u32::from(base) & mask(bits), bits })
    }

    /// Whether the two share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        let bits = mask(self.bits.min(other.bits));
        self.base & bits == other.base & bits
    }

    /// The first usable address; the engine's bridge gets it.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// How many containers have room in it, besides the bridge.
    pub fn room(&self) -> usize {
        let all = 1_usize << (32 - self.bits);
        all.saturating_sub(3)
    }

    fn end(&self) -> u64 {
        u64::from(self.base) + (1u64 << (32 - self.bits)) - 1
    }
}

fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.bits)
    }
}

impl FromStr for Subnet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an IPv4 range like 10.231.0.0/16");
        let (base, bits) = text.split_once('/').ok_or_else(wrong)?;
        Self::new(base.parse().map_err(|_| wrong())?, bits.parse().map_err(|_| wrong())?).ok_or_else(wrong)
    }
}

/// The destinations of the host's routing table, from the text of `/proc/net/route`. The default route says
/// nothing about who uses which range and is left out.
pub fn routes(proc_net_route: &str) -> Vec<Subnet> {
    proc_net_route.lines().skip(1).filter_map(route).filter(|subnet| subnet.bits > 0).collect()
}

fn route(line: &str) -> Option<Subnet> {
    let mut fields = line.split_whitespace();
    let (destination, netmask) = (fields.nth(1)?, fields.nth(5)?);
    // The kernel prints network byte order as a little-endian number.
    let number = |hex: &str| u32::from_str_radix(hex, 16).ok().map(u32::swap_bytes);
    let bits = u8::try_from(number(netmask)?.count_ones()).ok()?;
    Some(Subnet { base: number(destination)? & mask(bits), bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_overlap_or_not() {
        for (a, b, overlap) in [
            ("10.0.0.0/8", "10.231.0.0/26", true),
            ("10.231.0.64/26", "10.231.0.0/26", false),
            ("0.0.0.0/0", "10.0.0.0/8", true),
            ("10.231.0.0/26", "10.231.0.32/32", true),
        ] {
            assert_eq!(subnet(a).overlaps(&subnet(b)), overlap, "{a} {b}");
            assert_eq!(subnet(b).overlaps(&subnet(a)), overlap, "{b} {a}");
        }
    }

    #[test]
    fn a_network_has_room_beside_its_own_addresses() {
        assert_eq!((Pool::default().room(), subnet("10.0.0.0/29").room()), (61, 5));
        assert_eq!((subnet("10.0.0.0/31").room(), subnet("10.0.0.0/32").room()), (0, 0));
    }

    #[test]
    fn the_first_free_network_is_chosen() {
        let pool = Pool::default();
        assert_eq!(pool.choose(&[]), Some(subnet("10.231.0.0/26")));
        assert_eq!(pool.choose(&[subnet("10.231.0.0/26")]), Some(subnet("10.231.0.64/26")));
        assert_eq!(pool.choose(&[subnet("10.231.0.0/24"), subnet("10.231.1.0/28")]), Some(subnet("10.231.1.64/26")));
        assert_eq!(pool.choose(&[subnet("10.0.0.0/8")]), None);
    }

    #[test]
    fn a_pool_holds_as_many_networks_as_it_says() {
        let pool = Pool::new(subnet("10.231.0.0/22"), 26).unwrap();
        let mut taken = Vec::new();
        while let Some(next) = pool.choose(&taken) {
            assert!(taken.iter().all(|other: &Subnet| !other.overlaps(&next)));
            taken.push(next);
        }
        assert_eq!(taken.len(), 16);
    }

    #[test]
    fn the_last_range_of_all_does_not_overflow() {
        let pool = Pool::new(subnet("255.255.255.0/24"), 24).unwrap();
        assert_eq!(pool.choose(&[]), Some(subnet("255.255.255.0/24")));
        assert_eq!(pool.choose(&[subnet("255.255.255.0/24")]), None);
    }

    #[test]
    fn host_routes_are_read() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                    eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                    wg0\t0000E70A\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\nbroken\n";
        assert_eq!(routes(text), vec![subnet("10.231.0.0/20")]);
        assert_eq!(Pool::default().choose(&routes(text)), Some(subnet("10.231.16.0/26")));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0/8"] {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
        assert!(Pool::new(subnet("10.0.0.0/16"), 15).is_err());
        assert!(Pool::new(subnet("10.0.0.0/16"), 30).is_err());
    }
}
