//! Redirects by the edge: from a path, the paths below it or another host name, to where the manifest says and nowhere else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::HostName;

/// Characters that either side of a redirect may have.
const LONGEST: usize = 2000;

/// What is sent elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RedirectFrom {
    /// This path alone.
    Path(String),
    /// Every path that begins so.
    Below(String),
    /// Every path of this host name.
    Host(HostName),
}

/// Where it is sent. The part behind a last `*` is what the request's path had in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RedirectTo {
    /// A path of the same host.
    Path(String, bool),
    /// An address elsewhere: scheme, host, path.
    Address(String, bool),
    /// The same path of another host name.
    Host(HostName),
}

/// One redirect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// What is sent elsewhere.
    pub from: RedirectFrom,
    /// Where to.
    pub to: RedirectTo,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// The status unless one is given: for good, and with the request's method.
pub const USUAL_REDIRECT: u16 = 308;
/// The statuses that a redirect may have.
pub const REDIRECT_STATUSES: [&str; 5] = ["301", "302", "303", "307", "308"];

/// Where one request is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elsewhere {
    /// Path and query of the same host.
    Here(String),
    /// Path and query of another host name, with the scheme and port of this one.
    Host(HostName, String),
    /// A whole address.
    Address(String),
}

impl Redirect {
    /// Both sides, where they fit each other.
    ///
    /// # Errors
    /// Why they do not, in words.
    pub fn new(from: RedirectFrom, to: RedirectTo, status: u16) -> Result<Self, String> {
        match (&from, &to) {
            (RedirectFrom::Below(_), _) | (_, RedirectTo::Path(_, false) | RedirectTo::Address(_, false)) => {}
            (RedirectFrom::Host(_), RedirectTo::Host(_)) => {}
            (_, RedirectTo::Host(_)) => {
                return Err(
                    "a path is sent to a path or to an address with https://, not to a host name alone".to_owned()
                );
            }
            (_, RedirectTo::Path(_, true) | RedirectTo::Address(_, true)) => {
                return Err("`*` stands for what `from` has in its place, and `from` does not end in `*`".to_owned());
            }
        }
        if let (RedirectFrom::Below(_), RedirectTo::Host(_)) = (&from, &to) {
            return Err("a path is sent to a path or to an address with https://, not to a host name alone".to_owned());
        }
        Ok(Self { from, to, status })
    }

    /// Where a request is sent, if it is one of those. `host` has no port and is lower case, `path` begins with `/`.
    pub fn apply(&self, host: &str, path: &str, query: Option<&str>) -> Option<Elsewhere> {
        let rest = match &self.from {
            RedirectFrom::Path(from) => (from == path).then_some("")?,
            RedirectFrom::Below(from) => path.strip_prefix(from.as_str())?,
            RedirectFrom::Host(from) => (from.as_str() == host).then_some(path)?,
        };
        Some(match &self.to {
            RedirectTo::Path(to, all) => Elsewhere::Here(with_query(filled(to, *all, rest), query)),
            RedirectTo::Address(to, all) => Elsewhere::Address(with_query(filled(to, *all, rest), query)),
            RedirectTo::Host(to) => Elsewhere::Host(to.clone(), with_query(path.to_owned(), query)),
        })
    }
}

/// A rest that began with a slash could make `//other.host` of `/`, which browsers take for another host.
fn filled(to: &str, all: bool, rest: &str) -> String {
    match all {
        false => to.to_owned(),
        true if to.ends_with('/') => format!("{to}{}", rest.trim_start_matches(['/', '\\'])),
        true => format!("{to}{rest}"),
    }
}

fn with_query(to: String, query: Option<&str>) -> String {
    match query {
        None => to,
        Some(query) if to.contains('?') => format!("{to}&{query}"),
        Some(query) => format!("{to}?{query}"),
    }
}

/// The first of the redirects that a request meets again after it followed it and others: its place in the list.
pub fn circle(redirects: &[Redirect]) -> Option<usize> {
    redirects.iter().position(|one| {
        let (mut host, mut path) = match &one.from {
            RedirectFrom::Path(path) => (String::new(), path.clone()),
            RedirectFrom::Below(path) => (String::new(), format!("{path}x")),
            RedirectFrom::Host(host) => (host.to_string(), "/".to_owned()),
        };
        // A browser that is not done after as many steps as there are redirects has come to one of them twice.
        (0..=redirects.len()).all(|_| match redirects.iter().find_map(|next| next.apply(&host, &path, None)) {
            Some(Elsewhere::Here(to)) => {
                path = to.split('?').next().unwrap_or_default().to_owned();
                true
            }
            Some(Elsewhere::Host(to, _)) => {
                host = to.to_string();
                true
            }
            Some(Elsewhere::Address(_)) | None => false,
        })
    })
}

/// Visible characters of an address, without what begins a fragment or is read as a slash by some.
fn plain(text: &str) -> Result<(), String> {
    match text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '#' | '\\' | '<' | '>' | '"')) {
        _ if text.len() > LONGEST => Err(format!("it has more than {LONGEST} characters")),
        Some(c) => {
            Err(format!("it has the character \"{}\", which must be percent-encoded or left out", c.escape_debug()))
        }
        None => Ok(()),
    }
}

/// The text before a last `*`, and whether there was one.
fn starred(text: &str) -> Result<(String, bool), String> {
    let (head, all) = text.strip_suffix('*').map_or((text, false), |head| (head, true));
    if head.contains('*') || (all && head.contains('?')) {
        return Err("`*` may stand once, at the end of a path".to_owned());
    }
    Ok((head.to_owned(), all))
}

fn host(text: &str) -> Result<HostName, String> {
    let name: HostName = text.parse().map_err(|why: crate::InvalidName| why.to_string())?;
    if name.as_str().starts_with("*.") { Err("a wildcard is no host to send from or to".to_owned()) } else { Ok(name) }
}

impl FromStr for RedirectFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        plain(text)?;
        if !text.starts_with('/') {
            return host(text)
                .map(Self::Host)
                .map_err(|why| format!("{why}; write a path such as /old or /old/*, or a host name"));
        }
        if text.contains('?') {
            return Err("a path is compared without its query: leave `?` out".to_owned());
        }
        let (path, all) = starred(text)?;
        Ok(if all { Self::Below(path) } else { Self::Path(path) })
    }
}

impl FromStr for RedirectTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        plain(text)?;
        let (head, all) = starred(text)?;
        if head.starts_with("//") {
            return Err("two slashes begin another host: write https:// before it".to_owned());
        }
        if head.starts_with('/') {
            return Ok(Self::Path(head, all));
        }
        let Some(rest) = head.strip_prefix("https://").or_else(|| head.strip_prefix("http://")) else {
            return host(text).map(Self::Host).map_err(|why| {
                format!("{why}; write a path such as /new, an address such as https://example.com/new, or a host name")
            });
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (name, port) = authority.split_once(':').map_or((authority, None), |(name, port)| (name, Some(port)));
        host(name)?;
        if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port != 0)) {
            return Err("its port is no number from 1 to 65535".to_owned());
        }
        // `https://example.com*` would let a request choose the rest of the host.
        if all && !rest[authority.len()..].starts_with('/') {
            return Err("`*` may stand in the path only: write a slash behind the host".to_owned());
        }
        Ok(Self::Address(head, all))
    }
}

impl fmt::Display for RedirectFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Below(path) => write!(f, "{path}*"),
            Self::Host(host) => write!(f, "{host}"),
        }
    }
}

impl fmt::Display for RedirectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(to, all) | Self::Address(to, all) => write!(f, "{to}{}", if *all { "*" } else { "" }),
            Self::Host(host) => write!(f, "{host}"),
        }
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {} ({})", self.from, self.to, self.status)
    }
}

impl TryFrom<String> for RedirectFrom {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for RedirectTo {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RedirectFrom> for String {
    fn from(from: RedirectFrom) -> String {
        from.to_string()
    }
}

impl From<RedirectTo> for String {
    fn from(to: RedirectTo) -> String {
        to.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(from: &str, to: &str) -> Redirect {
        Redirect::new(from.parse().unwrap(), to.parse().unwrap(), USUAL_REDIRECT).unwrap()
    }

    #[test]
    fn a_request_is_sent_where_the_manifest_says() {
        let here = |to: &str| Some(Elsewhere::Here(to.to_owned()));
        let address = |to: &str| Some(Elsewhere::Address(to.to_owned()));
        for (from, to, path, query, expected) in [
            ("/old", "/new", "/old", None, here("/new")),
            ("/old", "/new", "/old", Some("a=b"), here("/new?a=b")),
            ("/old", "/new?x=1", "/old", Some("a=b"), here("/new?x=1&a=b")),
            ("/old", "/new", "/old/", None, None),
            ("/old", "/new", "/older", None, None),
            ("/a/*", "/b/*", "/a/c/d", Some("q"), here("/b/c/d?q")),
            ("/a/*", "/b", "/a/c", None, here("/b")),
            ("/a/*", "/b/*", "/a", None, None),
            ("/a/*", "https://x.test/b/*", "/a/c", None, address("https://x.test/b/c")),
            // Whatever the path is, no other host comes of it.
            ("/a/*", "/*", "/a//evil.test", None, here("/evil.test")),
            ("/a/*", "/*", "/a/\\evil.test", None, here("/evil.test")),
            ("/a*", "/*", "/a//evil.test/", None, here("/evil.test/")),
            ("/a/*", "https://x.test/*", "/a/@evil.test", None, address("https://x.test/@evil.test")),
        ] {
            assert_eq!(redirect(from, to).apply("app.test", path, query), expected, "{from} → {to}: {path}");
        }
        let apex = redirect("www.shop.test", "shop.test");
        let shop: HostName = "shop.test".parse().unwrap();
        assert_eq!(apex.apply("www.shop.test", "/a", Some("b")), Some(Elsewhere::Host(shop, "/a?b".to_owned())));
        assert_eq!(apex.apply("shop.test", "/a", None), None);
    }

    #[test]
    fn what_could_lead_anywhere_is_refused() {
        for to in [
            "//evil.test",
            "/\\evil.test",
            "https://a.test*",
            "https://*",
            "javascript:1",
            "a b",
            "/a*b",
            "/a#b",
            "/?a=*",
            "",
            "https://a.test:x/",
            "https://u@a.test/",
            "ftp://a.test/",
        ] {
            assert!(to.parse::<RedirectTo>().is_err(), "{to:?}");
        }
        for from in ["", "old", "/a?b", "/*/a", "*.a.test", "/a b", "/ä"] {
            assert!(from.parse::<RedirectFrom>().is_err() || from == "old", "{from:?}");
        }
        for (from, to) in [("/a", "/b/*"), ("/a", "b.test"), ("/a/*", "b.test"), ("a.test", "/b/*")] {
            assert!(Redirect::new(from.parse().unwrap(), to.parse().unwrap(), 308).is_err(), "{from} → {to}");
        }
    }

    #[test]
    fn circles_are_found() {
        let list = |pairs: &[(&str, &str)]| pairs.iter().map(|(from, to)| redirect(from, to)).collect::<Vec<_>>();
        for (pairs, found) in [
            (&[("/a", "/a")][..], true),
            (&[("/a", "/b"), ("/b", "/a")], true),
            (&[("/a", "/b"), ("/b", "/c")], false),
            (&[("/a/*", "/a/b/*")], true),
            (&[("/a*", "/aa*")], true),
            (&[("/a/*", "/b/*"), ("/b/x", "/c")], false),
            (&[("/*", "/new")], true),
            (&[("/a", "/a?b")], true),
            (&[("a.test", "b.test"), ("b.test", "a.test")], true),
            (&[("www.a.test", "a.test"), ("/x", "/y")], false),
            (&[("/*", "https://b.test/*")], false),
        ] {
            assert_eq!(circle(&list(pairs)).is_some(), found, "{pairs:?}");
        }
    }
}
