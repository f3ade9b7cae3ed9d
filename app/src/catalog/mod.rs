//! The catalog: packages that are in the binary, and answer for the well-known package URLs without a network; and those of
//! sources that an administrator added.

mod embedded;
mod generate;
mod reference;
mod starters;

use boathouse_types::{ImageRef, PackageOrigin, StackFile};
use serde::{Deserialize, Serialize};

use crate::stack::package::{Package, PackageImage};
use crate::stack::package_manifest::StarterCode;

use embedded::Kept;

pub use generate::{MANIFEST, generate};
pub use reference::Reference;
pub use starters::starters;

/// A package with what people see of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// The package.
    pub package: Package,
    /// What it is for: `database`, `web framework`.
    pub category: String,
    /// Other names that it is found under.
    pub aliases: Vec<String>,
    /// A picture, SVG.
    pub icon: String,
    /// A page about it, Markdown.
    pub readme: String,
    /// How its starter counts visits, where it does.
    #[serde(skip)]
    pub starter: Option<StarterCode>,
    /// The code of a new component, where the package brings it; paths below the component's folder.
    #[serde(default)]
    pub code: Vec<StackFile>,
    /// The source that it comes from; none for what is in the binary.
    #[serde(skip)]
    pub origin: Option<PackageOrigin>,
}

impl Entry {
    /// Whether it is found under that name.
    pub fn is_named(&self, name: &str) -> bool {
        self.package.identifier.as_str() == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// The binary's packages, and those of the sources that were added. A name of the binary's always means the binary's.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    added: Vec<Entry>,
}

impl Catalog {
    /// With these besides.
    pub fn with(added: Vec<Entry>) -> Self {
        Self { added }
    }

    /// All entries, the binary's first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        // What lives as long as the program is taken for as long as this catalog does: a chain is of one kind.
        all().map(|entry| -> &Entry { entry }).chain(&self.added)
    }

    /// The entry of that identifier or alias.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        entry(name).or_else(|| self.added.iter().find(|entry| entry.is_named(name)))
    }

    /// The package that a well-known URL or a short form names, and the commit that it is pinned by; sources answer for short
    /// forms alone.
    pub fn find(&self, text: &str) -> Option<(Package, Option<String>)> {
        if let Some(package) = find(text) {
            return Some((package, None));
        }
        let reference = Reference::parse(text).filter(|reference| !reference.is_url)?;
        let entry = self.added.iter().find(|entry| entry.is_named(&reference.name))?;
        let commit = entry.origin.as_ref().and_then(|origin| origin.commit.clone());
        Some((in_version(entry, &reference)?, commit))
    }
}

/// The binary's own packages, by name.
pub fn all() -> impl Iterator<Item = &'static Entry> {
    let mut all: Vec<&Entry> = embedded::kept().iter().map(Kept::entry).collect();
    all.sort_by_cached_key(|entry| entry.package.name.to_ascii_lowercase());
    all.into_iter()
}

/// The entry of that identifier or alias.
pub fn entry(name: &str) -> Option<&'static Entry> {
    let kept = embedded::kept();
    let by_identifier = kept.iter().find(|one| one.is(name)).map(Kept::entry);
    by_identifier.or_else(|| kept.iter().map(Kept::entry).find(|entry| entry.is_named(name)))
}

/// The package that a well-known URL or a short form names, in the version that it asks for; `None` where the catalog has
/// no such package or not in that version.
pub fn find(text: &str) -> Option<Package> {
    let reference = Reference::parse(text)?;
    let entry = entry(&reference.name)?;
    if reference.kind.is_some_and(|kind| kind != entry.package.kind) {
        return None;
    }
    in_version(entry, &reference)
}

fn in_version(entry: &Entry, reference: &Reference) -> Option<Package> {
    let mut package = entry.package.clone();
    if let PackageImage::Image { image, versions, .. } = &mut package.image
        && let Some(asked) = &reference.version
        && let Some(tag) = version_tag(image, versions, asked, reference.is_url)?
    {
        *image = tag;
    }
    Some(package)
}

/// The image of the version that was asked for: `Some(None)` for the usual one, `None` where there is no such version.
///
/// What follows `#` in a URL is a tag of the package's repository, which may count otherwise than the image does
/// (`addon-mariadb#v1.0.0`), so a number that is not the image's means the usual image. In the short form it is an error.
#[expect(clippy::option_option, reason = "no such version and the usual version are different answers")]
fn version_tag(image: &ImageRef, versions: &[String], asked: &str, is_url: bool) -> Option<Option<ImageRef>> {
    let (repository, usual) = image.as_str().rsplit_once(':')?;
    let number = asked.strip_prefix('v').filter(|_| !usual.starts_with('v')).unwrap_or(asked);
    let known = versions.iter().map(String::as_str).chain([usual]);
    let is_known = known.clone().any(|version| number == version || number.starts_with(&format!("{version}.")));
    let is_number = number.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
    match (is_known && is_number, is_url) {
        (true, _) => format!("{repository}:{number}").parse().ok().map(Some),
        (false, true) => Some(None),
        (false, false) => None,
    }
}

#[cfg(test)]
#[path = "catalog_test.rs"]
mod tests;
