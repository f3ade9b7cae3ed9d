//! How a package is named: a well-known URL, or the short form of our own.

use crate::stack::package::PackageKind;

/// Where the well-known packages live; what follows is `component-NAME` or `addon-NAME`.
const WELL_KNOWN: &str = "github.com/diploi/";

/// A package's name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it is called: `postgres`.
    pub name: String,
    /// What the URL says that it is.
    pub kind: Option<PackageKind>,
    /// What follows `#`, unless that is a branch.
    pub version: Option<String>,
    /// Written as a URL: the version is a tag of a repository.
    pub is_url: bool,
}

impl Reference {
    /// Takes a name apart; `None` where it is the URL of some other repository.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, version) = text.trim().split_once('#').map_or((text.trim(), None), |(a, v)| (a, Some(v)));
        let version =
            version.filter(|version| !matches!(*version, "" | "main" | "master" | "latest")).map(str::to_owned);
        let is_url = address.contains('/') || address.contains(':');
        if !is_url {
            return Some(Self { name: address.to_ascii_lowercase(), kind: None, version, is_url });
        }
        let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
        let repository = rest.strip_prefix(WELL_KNOWN)?.trim_end_matches('/');
        let repository = repository.strip_suffix(".git").unwrap_or(repository);
        let (kind, name) = match repository.split_once('-')? {
            ("component", name) => (PackageKind::Component, name),
            ("addon", name) => (PackageKind::Addon, name),
            _ => return None,
        };
        Some(Self { name: name.to_ascii_lowercase(), kind: Some(kind), version, is_url })
    }
}
