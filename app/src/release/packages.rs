//! Packages that a manifest names and the catalog does not have: fetched from their own repositories, or read from a folder of
//! the source. Data alone is read; what a package builds is built like everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boathouse_types::{GitRef, GitUrl, Identifier, PackageOrigin, ProjectId};

use super::blocking;
use super::remote::Access;
use super::source::subfolder;
use crate::catalog::{Catalog, Entry};
use crate::db::{self, Connection};
use crate::error::{Error, Result, invalid, unavailable};
use crate::git;
use crate::stack::package::Package;
use crate::stack::package_manifest::{self, PACKAGE_FILE_NAMES, PackageSource};
use crate::stack::package_url::Location;
use crate::stack::{PackageUrl, Stack};
use crate::state::App;

/// Repositories of one manifest.
const MAX_PACKAGES: usize = 20;
/// A package's manifest or Dockerfile longer than this is not one, in bytes.
pub const MAX_FILE: u64 = 256 * 1024;
/// A package is small; one whose host does not answer must not hold the release.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the repositories of packages are called before the name of what they make.
const PREFIXES: [&str; 2] = ["component-", "addon-"];

/// The packages at hand, with the commit of those that were fetched.
#[derive(Debug, Default, Clone)]
pub struct Packages {
    catalog: Catalog,
    fetched: BTreeMap<PackageUrl, (Package, Option<String>)>,
}

impl Packages {
    /// The package behind that name: the catalog's, else one that was fetched or read.
    pub fn find(&self, url: &PackageUrl) -> Option<Package> {
        self.with_commit(url).map(|(package, _)| package)
    }

    fn with_commit(&self, url: &PackageUrl) -> Option<(Package, Option<String>)> {
        self.catalog.find(&url.to_string()).or_else(|| self.fetched.get(url).cloned())
    }

    /// What cannot be known of a stack because a package of it was never fetched, in sentences.
    pub fn missing(&self, stack: &Stack) -> Vec<String> {
        let parts = stack.in_start_order().filter_map(|part| Some((part, part.package.as_ref()?)));
        let unknown = parts.filter(|(_, used)| self.find(&used.url).is_none());
        unknown
            .map(|(part, used)| {
                format!(
                    "{}: the package {} was not fetched by any release yet, so what it brings is not in this plan",
                    part.identifier,
                    git::without_password(&used.url.to_string())
                )
            })
            .collect()
    }

    /// Notes in the stack at which commit each was fetched, so that it says what it was made from.
    pub fn pin(&self, stack: &mut Stack) {
        for part in stack.components.iter_mut().chain(&mut stack.addons) {
            let Some(used) = &mut part.package else { continue };
            used.commit = self.with_commit(&used.url).and_then(|(_, commit)| commit);
        }
    }
}

/// Where packages are fetched to, and for whom.
pub struct Fetching<'a> {
    /// The server's handles.
    pub app: &'a App,
    /// Whose ssh host keys count.
    pub project: ProjectId,
    /// A folder that somebody else removes.
    pub work: &'a Path,
    /// Hears what became of each.
    pub say: &'a (dyn Fn(String) + Send + Sync),
}

/// The catalog with the packages of all sources.
pub fn catalog(connection: &Connection) -> Result<Catalog> {
    let entry = |row: db::catalog::PackageRow| {
        let mut entry: Entry = serde_json::from_str(&row.entry)?;
        entry.origin = Some(PackageOrigin { source: row.source, commit: row.commit });
        Ok(entry)
    };
    Ok(Catalog::with(db::catalog::packages(connection)?.into_iter().map(entry).collect::<Result<_>>()?))
}

/// The packages that this server knows without fetching anything: the catalog's, and those that releases fetched before.
pub fn known(connection: &Connection) -> Result<Packages> {
    let fetched = db::catalog::fetched(connection)?.into_iter();
    let fetched = fetched.filter_map(|(url, package, commit)| Some((url.parse().ok()?, (package, commit)))).collect();
    Ok(Packages { catalog: catalog(connection)?, fetched })
}

/// Fetches and reads what the manifest names, and what those packages depend on. One that cannot be had is told in the log:
/// a component is then what its own Dockerfile says, and an add-on is refused with its place.
pub async fn fetch(into: &Fetching<'_>, root: &Path, named: BTreeSet<PackageUrl>) -> Result<Packages> {
    let mut packages = Packages { catalog: into.app.db.read(catalog).await?, ..Packages::default() };
    let mut open: Vec<PackageUrl> = named.into_iter().collect();
    let mut seen: BTreeSet<PackageUrl> = open.iter().cloned().collect();
    while let Some(url) = open.pop() {
        if let Some((known, _)) = packages.catalog.find(&url.to_string()) {
            open.extend(dependencies(&known, &mut seen));
            continue;
        }
        if packages.fetched.len() >= MAX_PACKAGES {
            return Err(invalid(format!(
                "a manifest names at most {MAX_PACKAGES} packages that are not in the catalog"
            )));
        }
        let number = packages.fetched.len();
        let had = match url.location() {
            Location::Catalog(_) => continue,
            Location::Folder(folder) => of_folder(root, folder, &url).await.map(|package| (package, None)),
            Location::Git(remote) => of_git(into, remote, &url, number).await,
        };
        match had {
            Ok((package, commit)) => {
                let told =
                    commit.as_ref().map_or_else(String::new, |sha| format!(" at commit {}", &sha[..12.min(sha.len())]));
                (into.say)(format!("package {}{told}: {}", git::without_password(&url.to_string()), package.name));
                open.extend(dependencies(&package, &mut seen));
                remember(into.app, &url, &package, commit.as_deref()).await?;
                packages.fetched.insert(url, (package, commit));
            }
            Err(error) => {
                (into.say)(format!("the package {} cannot be used: {error}", git::without_password(&url.to_string())))
            }
        }
    }
    Ok(packages)
}

/// So that a plan knows it; a folder of one source means nothing to another.
async fn remember(app: &App, url: &PackageUrl, package: &Package, commit: Option<&str>) -> Result<()> {
    if !matches!(url.location(), Location::Git(_)) {
        return Ok(());
    }
    let (url, package, commit) = (url.to_string(), package.clone(), commit.map(str::to_owned));
    app.db.write(move |tx| db::catalog::remember(tx, &url, commit.as_deref(), &package)).await
}

fn dependencies(package: &Package, seen: &mut BTreeSet<PackageUrl>) -> Vec<PackageUrl> {
    let urls = package.dependencies.iter().filter_map(|dependency| dependency.package.parse::<PackageUrl>().ok());
    urls.filter(|url| seen.insert(url.clone())).collect()
}

async fn of_folder(root: &Path, folder: &str, url: &PackageUrl) -> Result<Package> {
    let folder = subfolder(root, folder, "the package's folder")?;
    let url = url.clone();
    blocking::run(move |_| read(&folder, &url)).await
}

/// The tree of the named commit in the release's work folder; it goes with the release.
async fn of_git(
    into: &Fetching<'_>,
    remote: &GitUrl,
    url: &PackageUrl,
    number: usize,
) -> Result<(Package, Option<String>)> {
    let reference = url.reference().map(str::parse::<GitRef>).transpose().map_err(Error::from)?;
    let folder = into.work.join("packages").join(number.to_string());
    fs::create_dir_all(&folder)?;
    // What the project signs in with is for its own remote: no package's host gets to see it.
    let nothing = Access::default();
    let remote = nothing.to(into.app, into.project, remote);
    let fetched = async {
        let fetched = git::fetch_into(&remote, &folder.join("repository.git"), reference.as_ref()).await?;
        git::checkout(&fetched.git_dir, &fetched.commit.sha, &folder.join("tree")).await?;
        Ok::<_, Error>(fetched.commit.sha)
    };
    let too_slow = |_| Err(unavailable(format!("it was not fetched after {} s", PATIENCE.as_secs())));
    let sha = tokio::time::timeout(PATIENCE, fetched).await.unwrap_or_else(too_slow)?;
    let (tree, url) = (folder.join("tree"), url.clone());
    let package = blocking::run(move |_| read(&tree, &url)).await?;
    Ok((package, Some(sha)))
}

fn read(folder: &Path, url: &PackageUrl) -> Result<Package> {
    let read = |name: &str| text(folder, name);
    let found = PACKAGE_FILE_NAMES.into_iter().find_map(|name| Some((name, read(name)?)));
    let Some((file, manifest)) = found else {
        return Err(invalid(format!("it has none of {}", PACKAGE_FILE_NAMES.join(", "))));
    };
    let identifier = identifier(&url.url());
    let source =
        PackageSource { file, text: &manifest, identifier: &identifier, version: url.reference(), read: &read };
    Ok(package_manifest::parse(&source)?.package)
}

/// A regular file of the folder: a link could lead anywhere.
pub fn text(folder: &Path, name: &str) -> Option<String> {
    let path: PathBuf = folder.join(name);
    let real = fs::canonicalize(&path).ok()?;
    let about = fs::symlink_metadata(&path).ok()?;
    let inside = real.starts_with(fs::canonicalize(folder).ok()?);
    (inside && about.is_file() && about.len() <= MAX_FILE).then(|| fs::read_to_string(real).ok()).flatten()
}

/// `queue` of `https://example.com/acme/addon-queue.git`.
pub fn identifier(url: &str) -> Identifier {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or("").to_ascii_lowercase();
    let last = last.strip_suffix(".git").unwrap_or(&last);
    let name = PREFIXES.iter().find_map(|prefix| last.strip_prefix(prefix)).unwrap_or(last);
    name.parse().unwrap_or_else(|_| "package".parse().expect("`package` is an identifier"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_called_after_its_repository() {
        for (url, name) in [
            ("https://example.com/acme/addon-queue.git", "queue"),
            ("git@example.com:component-shop", "shop"),
            ("./packages/queue", "queue"),
            ("https://example.com/acme/My_Thing", "package"),
        ] {
            assert_eq!(identifier(url).as_str(), name);
        }
    }

    #[test]
    fn a_folder_is_read_and_links_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let url: PackageUrl = "./packages/queue".parse().unwrap();
        assert!(read(dir.path(), &url).unwrap_err().message.contains("none of package.yaml"));
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "FROM secret").unwrap();
        std::os::unix::fs::symlink(outside.path().join("secret"), dir.path().join("Dockerfile")).unwrap();
        std::fs::write(dir.path().join("diploi.yaml"), "type: addon\nname: Queue\nimages: [{image: 'a:[tag]'}]\n")
            .unwrap();
        let package = read(dir.path(), &url).unwrap();
        assert_eq!((package.name.as_str(), package.identifier.as_str()), ("Queue", "queue"));
        assert!(text(dir.path(), "Dockerfile").is_none());
        std::fs::write(dir.path().join("diploi.yaml"), "type: addon\nnmae: Queue\n").unwrap();
        assert!(read(dir.path(), &url).unwrap_err().message.starts_with("diploi.yaml:"));
    }
}
