//! `package:`: where a package comes from and which version of it.

use std::fmt;
use std::str::FromStr;

use boathouse_types::{GitRef, GitUrl, Identifier};
use serde::{Deserialize, Serialize};

use super::paths;

/// A package as a manifest names it: `https://github.com/diploi/addon-postgres#v17.2`, `postgres#17`, `./packages/queue`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageUrl {
    location: Location,
    reference: Option<GitRef>,
}

/// Where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// A git repository.
    Git(GitUrl),
    /// A name of the catalog.
    Catalog(Identifier),
    /// A folder of the source, `.` for its root.
    Folder(String),
}

impl PackageUrl {
    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Tag, branch, commit or version after the `#`.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_ref().map(GitRef::as_str)
    }

    /// Without the reference.
    pub fn url(&self) -> String {
        match &self.location {
            Location::Git(url) => url.to_string(),
            Location::Catalog(name) => name.to_string(),
            Location::Folder(folder) => format!("./{folder}"),
        }
    }
}

impl FromStr for PackageUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (url, reference) = match text.split_once('#') {
            Some((url, reference)) => (url, Some(reference)),
            None => (text, None),
        };
        let reference =
            reference.map(str::parse).transpose().map_err(|why: boathouse_types::InvalidName| why.to_string())?;
        if let Some(folder) = url.strip_prefix("./") {
            let folder = paths::inside(folder)?;
            return Ok(Self { location: Location::Folder(folder), reference });
        }
        if let Ok(name) = url.parse::<Identifier>() {
            return Ok(Self { location: Location::Catalog(name), reference });
        }
        match url.parse::<GitUrl>() {
            Ok(url) if !url.as_str().starts_with('/') => Ok(Self { location: Location::Git(url), reference }),
            _ => Err(format!(
                "\"{}\" is not a package: write https://HOST/REPOSITORY#TAG, a name of the catalog as in postgres#17, or a folder as in ./packages/queue",
                text.chars().take(200).collect::<String>().escape_debug()
            )),
        }
    }
}

impl fmt::Display for PackageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reference {
            Some(reference) => write!(f, "{}#{reference}", self.url()),
            None => f.write_str(&self.url()),
        }
    }
}

impl TryFrom<String> for PackageUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PackageUrl> for String {
    fn from(url: PackageUrl) -> Self {
        url.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_repositories_names_and_folders() {
        for (text, url, reference) in [
            (
                "https://github.com/diploi/addon-postgres#v17.2",
                "https://github.com/diploi/addon-postgres",
                Some("v17.2"),
            ),
            (
                "https://github.com/diploi/component-supabase#feature/migrations",
                "https://github.com/diploi/component-supabase",
                Some("feature/migrations"),
            ),
            ("postgres#17", "postgres", Some("17")),
            ("postgres", "postgres", None),
            ("./packages/queue", "./packages/queue", None),
            ("git@example.com:a/b.git#main", "git@example.com:a/b.git", Some("main")),
        ] {
            let parsed: PackageUrl = text.parse().unwrap();
            assert_eq!((parsed.url().as_str(), parsed.reference()), (url, reference), "{text}");
            assert_eq!(parsed.to_string(), text);
        }
        for text in ["", "#v1", "ext::sh#x", "../x", "./../x", "/srv/package", "Postgres", "https://a/b#-x", "a b"] {
            assert!(text.parse::<PackageUrl>().is_err(), "{text:?}");
        }
    }
}
