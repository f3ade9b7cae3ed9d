//! The folders of `app/catalog`, embedded: one per package.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{LazyLock, OnceLock};

use boathouse_types::Identifier;
use rust_embed::RustEmbed;

use super::Entry;
use crate::stack::package_manifest::{self, PackageSource};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/catalog"]
struct Files;

const MANIFEST: &str = "package.yaml";

/// A package's folder, read when somebody first asks for it: a command that needs one package does not read all.
pub struct Kept {
    folder: String,
    entry: OnceLock<Entry>,
}

impl Kept {
    /// Whether the folder has that name, which is the package's.
    pub fn is(&self, name: &str) -> bool {
        self.folder == name
    }

    /// What it holds.
    ///
    /// Invariant: each folder's manifest can be read; a test walks them, and they cannot change after the build.
    pub fn entry(&self) -> &Entry {
        self.entry.get_or_init(|| entry(&self.folder))
    }
}

/// All packages.
pub fn kept() -> &'static [Kept] {
    static KEPT: LazyLock<Vec<Kept>> = LazyLock::new(|| {
        let folders: BTreeSet<String> = Files::iter().filter_map(|path| folder(&path)).collect();
        folders.into_iter().map(|folder| Kept { folder, entry: OnceLock::new() }).collect()
    });
    &KEPT
}

/// A file of a package's folder, if it is text.
pub fn text(folder: &str, name: &str) -> Option<String> {
    file(&format!("{folder}/{name}"))
}

/// A file by its path, if it is text.
pub fn file(path: &str) -> Option<String> {
    let file = Files::get(path)?;
    match file.data {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok(),
    }
}

/// The files below a folder, as paths inside it, in order.
pub fn below(folder: &str) -> Vec<String> {
    let prefix = format!("{folder}/");
    let mut paths: Vec<String> =
        Files::iter().filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).collect();
    paths.sort();
    paths
}

fn folder(path: &str) -> Option<String> {
    path.strip_suffix(MANIFEST)?.strip_suffix('/').filter(|folder| !folder.contains('/')).map(str::to_owned)
}

fn entry(folder: &str) -> Entry {
    let identifier: Identifier = folder.parse().expect("folders of the catalog are identifiers");
    let manifest = text(folder, MANIFEST).expect("the folder was found by its manifest");
    let read = |name: &str| text(folder, name);
    let source = PackageSource { file: MANIFEST, text: &manifest, identifier: &identifier, version: None, read: &read };
    let parsed = package_manifest::parse(&source).unwrap_or_else(|error| panic!("catalog/{folder}/{error}"));
    Entry {
        package: parsed.package,
        category: parsed.category.unwrap_or_default(),
        aliases: parsed.aliases,
        icon: parsed.icon.and_then(|icon| text(folder, &icon)).unwrap_or_default(),
        readme: text(folder, "README.md").unwrap_or_default(),
        starter: parsed.starter,
        code: Vec::new(),
        origin: None,
    }
}
