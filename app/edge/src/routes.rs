//! The route table: host, then longest path prefix, then what to do. Pure and immutable; a change is a new table.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::asleep::Asleep;
use super::files::Site;
use super::rules::Rules;
use crate::in_flight::InFlight;

/// How long an application may think before its first response byte, unless its route says otherwise.
pub const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);

/// Everything the edge serves at one moment.
#[derive(Debug, Default)]
pub struct Table {
    exact: HashMap<Box<str>, Paths>,
    /// Keyed by what follows `*.`; a wildcard covers exactly one label, as in certificates.
    wildcard: HashMap<Box<str>, Paths>,
}

/// The prefixes of one host, longest first.
#[derive(Debug, Default)]
pub struct Paths {
    entries: Vec<(Box<str>, Arc<Route>)>,
    /// A route for less than the whole host: then dot segments in a path could mean another route to the application
    /// than they mean here, and are refused.
    scoped: bool,
}

/// One row of the table.
#[derive(Debug)]
pub struct Route {
    /// Names the route in logs.
    pub id: String,
    /// What answers.
    pub target: Target,
    /// How it is answered.
    pub policy: Policy,
}

/// What answers a request.
#[derive(Debug)]
pub enum Target {
    /// An application, on one or several addresses.
    Upstreams(Vec<Arc<Upstream>>),
    /// A static component.
    Files(Arc<Site>),
    /// This process's own API and console.
    Console(Arc<Upstream>),
    /// Another address; the path and query are kept when it ends in no path.
    Redirect(String),
    /// A deployment that is stopped or sleeps, or starts after that.
    Asleep(Arc<Asleep>),
    /// Nothing can answer now. The reason is for logs, never for the page.
    Unavailable(String),
}

impl Target {
    /// Whether an application answers, not the edge; also one that is woken by that.
    pub fn is_forwarded(&self) -> bool {
        match self {
            Self::Upstreams(_) | Self::Console(_) => true,
            Self::Asleep(asleep) => asleep.holds(),
            Self::Files(_) | Self::Redirect(_) | Self::Unavailable(_) => false,
        }
    }
}

/// How a route is answered.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Plain HTTP is answered by 308 to HTTPS.
    pub https: bool,
    /// The most a request body may have, in bytes.
    pub max_body: Option<u64>,
    /// The most an application may think before its first response byte.
    pub response_timeout: Duration,
    /// What else is done with its requests and answers; nothing where absent.
    pub rules: Option<Arc<Rules>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self { https: false, max_body: None, response_timeout: DEFAULT_RESPONSE_TIMEOUT, rules: None }
    }
}

/// Where an upstream listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// One place that answers for an application.
#[derive(Debug)]
pub struct Upstream {
    /// Distinguishes this upstream from a later one that got the same address: connections are never shared.
    pub key: u64,
    /// Where it listens.
    pub address: Address,
    /// Who is using it.
    pub in_flight: Arc<InFlight>,
}

impl Upstream {
    /// An upstream with a key of its own.
    pub fn new(address: Address, in_flight: Arc<InFlight>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Arc::new(Self { key: NEXT.fetch_add(1, Ordering::Relaxed), address, in_flight })
    }

    /// The same for an address and port, with a fresh counter.
    pub fn tcp(address: SocketAddr) -> Arc<Self> {
        Self::new(Address::Tcp(address), InFlight::new())
    }
}

/// Why a host or a prefix cannot be in the table.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TableError {
    /// Not a host name or an IP literal.
    #[error("`{0}` is not a host name: use letters, digits, hyphens and dots, such as app.example.org")]
    Host(String),
    /// Not an absolute path.
    #[error("`{0}` is not a path prefix: it starts with / and has no query and no dot segments")]
    Prefix(String),
    /// Two routes for one place.
    #[error("{0}{1} is routed twice: remove one of the two routes")]
    Twice(String, String),
}

impl Table {
    /// Adds a route; refuses a second one for the same host and prefix, so that no application can take another's.
    pub fn insert(&mut self, host: &str, prefix: &str, route: Arc<Route>) -> Result<(), TableError> {
        let (map, key) = match host.strip_prefix("*.") {
            Some(rest) => (&mut self.wildcard, rest),
            None => (&mut self.exact, host),
        };
        let key = canonical_host(key).ok_or_else(|| TableError::Host(host.to_owned()))?;
        let prefix = canonical_prefix(prefix).ok_or_else(|| TableError::Prefix(prefix.to_owned()))?;
        let paths = map.entry(key.into()).or_default();
        if paths.entries.iter().any(|(existing, _)| **existing == *prefix) {
            return Err(TableError::Twice(host.to_owned(), prefix));
        }
        paths.scoped |= !prefix.is_empty();
        let at = paths.entries.partition_point(|(existing, _)| existing.len() >= prefix.len());
        paths.entries.insert(at, (prefix.into(), route));
        Ok(())
    }

    /// The prefixes of a host; `host` is canonical already.
    pub fn host(&self, host: &str) -> Option<&Paths> {
        self.exact.get(host).or_else(|| {
            if self.wildcard.is_empty() {
                return None;
            }
            self.wildcard.get(host.split_once('.')?.1)
        })
    }

    /// How many hosts are routed.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcard.len()
    }

    /// Whether nothing is routed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Paths {
    /// The route with the longest prefix that ends on a segment boundary of `path`.
    pub fn find(&self, path: &str) -> Option<&Arc<Route>> {
        self.entries.iter().find(|(prefix, _)| covers(prefix, path)).map(|(_, route)| route)
    }

    /// Whether some route covers less than the whole host.
    pub fn is_scoped(&self) -> bool {
        self.scoped
    }
}

fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// `/docs/` and `/docs` are one prefix, and `/` is the empty one.
fn canonical_prefix(prefix: &str) -> Option<String> {
    let valid = prefix.is_empty()
        || (prefix.starts_with('/')
            && !prefix.contains(['?', '#', '\\', '%'])
            && !prefix.bytes().any(|byte| byte <= b' ' || byte >= 0x7f)
            && !has_dot_segment(prefix));
    valid.then(|| prefix.trim_end_matches('/').to_owned())
}

/// Whether a path has a `.` or `..` segment, plain or percent-encoded.
pub fn has_dot_segment(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        let mut rest = segment.as_bytes();
        let mut dots = 0;
        loop {
            rest = match rest {
                [] => return dots == 1 || dots == 2,
                [b'.', tail @ ..] | [b'%', b'2', b'e' | b'E', tail @ ..] => tail,
                // A path parameter after the dots, as in `/..;/`: some servers drop it and climb.
                [b';', ..] => return dots == 1 || dots == 2,
                _ => return false,
            };
            dots += 1;
        }
    })
}

/// A host as the table knows it: lower case, no trailing dot, no port. `None` for what is no host.
pub fn canonical_host(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    is_host(host).then(|| host.to_ascii_lowercase())
}

/// Letters, digits, hyphens and underscores in labels of at most 63; or a bracketed IPv6 literal.
pub fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[') {
        return literal.strip_suffix(']').is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    }
    if host.is_empty() || host.len() > 253 {
        return false;
    }
    let mut label = 0_usize;
    for byte in host.bytes() {
        match byte {
            b'.' if label == 0 => return false,
            b'.' => label = 0,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' if label < 63 => label += 1,
            _ => return false,
        }
    }
    label > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(id: &str) -> Arc<Route> {
        Arc::new(Route { id: id.to_owned(), target: Target::Unavailable("test".to_owned()), policy: Policy::default() })
    }

    fn found<'a>(table: &'a Table, host: &str, path: &str) -> Option<&'a str> {
        table.host(host)?.find(path).map(|route| route.id.as_str())
    }

    #[test]
    fn the_longest_prefix_on_a_segment_boundary_wins() {
        let mut table = Table::default();
        for (host, prefix, id) in [
            ("App.Test.", "/", "root"),
            ("app.test", "/api", "api"),
            ("app.test", "/api/v2/", "v2"),
            ("*.preview.test", "/", "wild"),
            ("a.preview.test", "/", "exact"),
            ("only.test", "/docs", "docs"),
        ] {
            table.insert(host, prefix, route(id)).expect("valid");
        }
        for (host, path, expected) in [
            ("app.test", "/", Some("root")),
            ("app.test", "*", Some("root")),
            ("app.test", "/apix", Some("root")),
            ("app.test", "/api", Some("api")),
            ("app.test", "/api/", Some("api")),
            ("app.test", "/api/v2", Some("v2")),
            ("app.test", "/api/v2/users", Some("v2")),
            ("app.test", "/api/v20", Some("api")),
            ("other.test", "/", None),
            ("a.preview.test", "/", Some("exact")),
            ("b.preview.test", "/", Some("wild")),
            ("c.b.preview.test", "/", None),
            ("preview.test", "/", None),
            ("only.test", "/", None),
            ("only.test", "/docs/x", Some("docs")),
        ] {
            assert_eq!(found(&table, host, path), expected, "{host}{path}");
        }
        assert!(table.host("app.test").is_some_and(Paths::is_scoped));
        assert!(!table.host("a.preview.test").is_some_and(Paths::is_scoped));
    }

    #[test]
    fn what_cannot_be_routed_is_refused() {
        let mut table = Table::default();
        table.insert("app.test", "/a", route("first")).expect("valid");
        for (host, prefix) in [("APP.test", "/a/"), ("app.test", "/a")] {
            assert!(
                matches!(table.insert(host, prefix, route("second")), Err(TableError::Twice(..))),
                "{host}{prefix}"
            );
        }
        for host in ["", ".", "a..b", "a b", "a/b", "a:80", "user@a", "ä.test", "[::1", "a%2e.test", "*.*.x"] {
            assert!(matches!(table.insert(host, "/", route("x")), Err(TableError::Host(_))), "{host:?}");
        }
        for prefix in ["api", "/a?b", "/a#b", "/a/../b", "/%61", "/a b", "/./a", "/a\\b"] {
            assert!(matches!(table.insert("b.test", prefix, route("x")), Err(TableError::Prefix(_))), "{prefix:?}");
        }
    }

    #[test]
    fn dot_segments_are_seen_in_every_disguise() {
        for path in ["/..", "/../x", "/a/./b", "/%2e%2E/x", "/.%2e/", "/..;/x", "/a/..", "/a\\..\\b", "/.;v=1/"] {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in ["/", "/a.b", "/...", "/.well-known/x", "/a..b/", "/%2e%2e%2e", "/;x", "//"] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }
}
