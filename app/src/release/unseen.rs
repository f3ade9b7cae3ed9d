//! What of a source is in nothing that is made of it: files that `.dockerignore` leaves out of every image.

use std::collections::BTreeSet;

use crate::db::folder::Digests;
use crate::docker::IgnoreFile;
use crate::stack::package_url::Location;
use crate::stack::{Component, FILE_NAMES, Origin, Stack};

const IGNORE: &str = ".dockerignore";

/// A source as it is now, by what must be known of it.
pub struct Source<'s> {
    /// All files and links.
    pub files: &'s Digests,
    /// The text of a regular file.
    pub text: &'s dyn Fn(&str) -> Option<String>,
    /// Whether that is a link.
    pub is_link: &'s dyn Fn(&str) -> bool,
}

/// A path that is other than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: String,
    /// It is new, or gone: its folder may have come or gone with it.
    pub comes_or_goes: bool,
}

/// Whether a release of that stack would be made of the same as before these changes. Where that is not certain, it would not.
pub fn all(stack: &Stack, changes: &[Change], source: &Source<'_>) -> bool {
    // A source of nothing but one folder is taken for that folder.
    let begins_here = source.files.keys().any(|name| !name.contains('/'));
    let views: Option<Vec<Vec<View>>> = stack.in_start_order().map(|part| views(part, source)).collect();
    let (true, Some(views)) = (begins_here, views) else { return false };
    let views = views.concat();
    let paths: BTreeSet<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    let is_unseen = |change: &Change| {
        let held: Vec<bool> = views.iter().filter_map(|view| view.holds(change, &paths, source.files)).collect();
        !FILE_NAMES.contains(&change.path.as_str()) && !held.is_empty() && !held.contains(&true)
    };
    changes.iter().all(is_unseen)
}

/// A folder that something is made from.
#[derive(Clone)]
struct View {
    folder: String,
    ignore: IgnoreFile,
    /// Read whatever the patterns say.
    always: Vec<String>,
}

/// What a part is made from; none where that cannot be told.
fn views(part: &Component, source: &Source<'_>) -> Option<Vec<View>> {
    let mut views = Vec::new();
    if let Some(Location::Folder(folder)) = part.package.as_ref().map(|package| package.url.location()) {
        views.push(View::of_all(folder));
    }
    match &part.origin {
        Origin::Image { .. } => {}
        Origin::Folder { folder } => views.push(site(folder, source)?),
        Origin::Build { folder, dockerfile, .. } => views.push(context(part, folder, dockerfile, source)?),
    }
    (!views.iter().any(|view| is_behind_link(&view.folder, source))).then_some(views)
}

/// Links in a site are followed, so it holds what they lead to.
fn site(folder: &str, source: &Source<'_>) -> Option<View> {
    let has_links = source.files.keys().any(|name| below(folder, name).is_some() && (source.is_link)(name));
    (!has_links).then(|| View::of_all(folder))
}

fn context(part: &Component, folder: &str, dockerfile: &str, source: &Source<'_>) -> Option<View> {
    let at = |name: &str| if folder == "." { name.to_owned() } else { format!("{folder}/{name}") };
    let text = |name: &str| (source.text)(&at(name));
    let own = format!("{dockerfile}{IGNORE}");
    let provided = part.provided.as_ref();
    // A link to the Dockerfile, or one that the project keeps: what it is made from is not seen here.
    if (provided.is_none() && text(dockerfile).is_none()) || (source.is_link)(&at(IGNORE)) {
        return None;
    }
    let patterns = text(&own).or_else(|| text(IGNORE)).or_else(|| provided?.ignore.clone()).unwrap_or_default();
    let ignore = IgnoreFile::parse(&patterns).ok()?;
    Some(View { folder: folder.to_owned(), ignore, always: vec![dockerfile.to_owned(), own, IGNORE.to_owned()] })
}

/// Whether the folder, or one above it, is a link: what lies below it lies elsewhere.
fn is_behind_link(folder: &str, source: &Source<'_>) -> bool {
    let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
    ends.into_iter().any(|end| source.files.contains_key(&folder[..end]))
}

/// The path inside a folder.
fn below<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    if folder == "." { Some(path) } else { path.strip_prefix(folder)?.strip_prefix('/') }
}

impl View {
    fn of_all(folder: &str) -> Self {
        Self { folder: folder.to_owned(), ignore: IgnoreFile::default(), always: Vec::new() }
    }

    /// Whether a change is seen in it; none where it lies elsewhere.
    fn holds(&self, change: &Change, changed: &BTreeSet<&str>, files: &Digests) -> Option<bool> {
        let inner = below(&self.folder, &change.path)?;
        let itself = self.always.iter().any(|name| name == inner) || !self.ignore.ignores(inner);
        Some(itself || (change.comes_or_goes && self.folder_comes_or_goes(inner, changed, files)))
    }

    /// Whether a folder above it, which is not left out, is there for the sake of what changed alone.
    fn folder_comes_or_goes(&self, inner: &str, changed: &BTreeSet<&str>, files: &Digests) -> bool {
        let outer = if self.folder == "." { String::new() } else { format!("{}/", self.folder) };
        let stays = |above: &str| {
            let prefix = format!("{outer}{above}/");
            let mut inside = files.range(prefix.clone()..).take_while(|(name, _)| name.starts_with(&prefix));
            inside.any(|(name, _)| !changed.contains(name.as_str()))
        };
        let above = inner.match_indices('/').map(|(end, _)| &inner[..end]);
        above.into_iter().any(|above| !self.ignore.ignores(above) && !stays(above))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{read_manifest, resolve};

    const TWO: &str = "components:\n  - {identifier: web}\n  - {identifier: pages, static: .}\naddons:\n  - {identifier: db, image: postgres}\n";

    fn is_unseen(manifest: &str, files: &[(&str, &str)], changed: &[&str], moved: &[&str]) -> bool {
        let stack = resolve(&read_manifest("m", manifest).unwrap(), &|_: &_| None).unwrap();
        let digests: Digests = files.iter().map(|(name, _)| ((*name).to_owned(), String::new())).collect();
        let find = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| *text);
        let source = Source {
            files: &digests,
            text: &|path| find(path).filter(|text| !text.starts_with("-> ")).map(str::to_owned),
            is_link: &|path| find(path).is_some_and(|text| text.starts_with("-> ")),
        };
        let change = |comes_or_goes| move |path: &&str| Change { path: (*path).to_owned(), comes_or_goes };
        let changes: Vec<Change> = changed.iter().map(change(false)).chain(moved.iter().map(change(true))).collect();
        all(&stack, &changes, &source)
    }

    const FILES: &[(&str, &str)] = &[
        ("boathouse.yaml", ""),
        ("web/Dockerfile", "FROM x"),
        ("web/.dockerignore", "*.md\ndocs\nboathouse.yaml\n**/*.log\nDockerfile\n!KEEP.md\n"),
        ("web/README.md", ""),
        ("web/src/a.js", ""),
        ("pages/README.md", ""),
        ("pages/index.html", ""),
    ];

    #[test]
    fn what_every_image_leaves_out_is_unseen_and_all_else_is_not() {
        for (path, unseen) in [
            ("web/README.md", true),
            ("web/docs/deep/a", true),
            ("web/src/x.log", true),
            ("web/KEEP.md", false),
            ("web/src/a.js", false),
            ("web/Dockerfile", false),
            ("web/.dockerignore", false),
            ("web/Dockerfile.dockerignore", false),
            ("pages/README.md", false),
            ("boathouse.yaml", false),
            ("README.md", false),
            ("db/README.md", false),
        ] {
            assert_eq!(is_unseen(TWO, FILES, &[path], &[]), unseen, "{path}");
        }
        assert!(is_unseen(TWO, FILES, &["web/README.md", "web/a.md"], &["web/b.md"]));
        assert!(!is_unseen(TWO, FILES, &["web/README.md", "web/src/a.js"], &[]), "one that is seen is enough");
        let whole = "components:\n  - {identifier: web}\n  - {identifier: all, folder: /}\n";
        let with = [FILES, &[("Dockerfile", "FROM y")]].concat();
        assert!(!is_unseen(whole, &with, &["web/README.md"], &[]), "another one is made from it");
    }

    #[test]
    fn a_folder_that_comes_or_goes_with_its_only_file_is_seen() {
        assert!(is_unseen(TWO, FILES, &[], &["web/src/x.log"]), "src is there anyway");
        assert!(is_unseen(TWO, FILES, &[], &["web/docs/new/a"]), "docs is left out as a whole");
        assert!(!is_unseen(TWO, FILES, &[], &["web/logs/x.log"]));
        assert!(is_unseen(TWO, FILES, &["web/logs/x.log"], &[]), "its folder was there before");
    }

    #[test]
    fn where_it_is_not_certain_a_release_is_made() {
        let one = "components:\n  - {identifier: web}\n";
        let file = ("web/README.md", "");
        let ignore = ("web/.dockerignore", "*.md");
        for (files, why) in [
            (vec![("a", ""), ignore, file], "its Dockerfile is kept by the project"),
            (vec![("a", ""), ("web/Dockerfile", "-> docs/x"), ignore, file], "the Dockerfile is a link"),
            (vec![("a", ""), ("web/Dockerfile", "x"), ("web/.dockerignore", "-> y"), file], "so is what is left out"),
            (vec![("a", ""), ("web/Dockerfile", "x"), ("web/.dockerignore", "[a-"), file], "a pattern is wrong"),
            (vec![("web/Dockerfile", "x"), ignore, file], "nothing lies at the top"),
            (
                vec![("web", "-> other"), ("other/Dockerfile", "x"), ("other/.dockerignore", "*.md")],
                "its folder is a link",
            ),
        ] {
            assert!(!is_unseen(one, &files, &["web/README.md"], &[]), "{why}");
        }
        assert!(is_unseen(one, &[("a", ""), ("web/Dockerfile", "x"), ignore, file], &["web/README.md"], &[]));
        let linked = [FILES, &[("pages/link", "-> ../web/docs/x")]].concat();
        assert!(!is_unseen(TWO, &linked, &["web/docs/x"], &[]), "a site follows its links");
    }
}
