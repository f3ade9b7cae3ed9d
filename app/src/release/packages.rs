//! Packages that a manifest names and the catalog does not have: fetched from their own repositories, or read from a folder of
//! the source. Data alone is read; what a package builds is built like everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use boathouse_types::{GitRef, GitUrl, Identifier};

use super::blocking;
use super::pipeline::Run;
use super::source::subfolder;
use crate::catalog;
use crate::db::deployment;
use crate::db::release::ReleaseRow;
use crate::error::{Error, Result, invalid, unavailable};
use crate::git;
use crate::stack::package::Package;
use crate::stack::package_manifest::{self, PACKAGE_FILE_NAMES, PackageSource};
use crate::stack::package_url::Location;
use crate::stack::{PackageUrl, Stack};

/// Repositories of one manifest.
const MAX_PACKAGES: usize = 20;
/// A package's manifest or Dockerfile longer than this is not one, in bytes.
const MAX_FILE: u64 = 256 * 1024;
/// A package is small; one whose host does not answer must not hold the release.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the repositories of packages are called before the name of what they make.
const PREFIXES: [&str; 2] = ["component-", "addon-"];

/// The packages at hand, with the commit of those that were fetched.
#[derive(Debug, Default, Clone)]
pub struct Packages(BTreeMap<PackageUrl, (Package, Option<String>)>);

impl Packages {
    /// The package behind that name: the catalog's, else one that was fetched or read.
    pub fn find(&self, url: &PackageUrl) -> Option<Package> {
        catalog::find(&url.to_string()).or_else(|| self.0.get(url).map(|(package, _)| package.clone()))
    }

    /// Notes in the stack at which commit each was fetched, so that it says what it was made from.
    pub fn pin(&self, stack: &mut Stack) {
        for part in stack.components.iter_mut().chain(&mut stack.addons) {
            let Some(used) = &mut part.package else { continue };
            used.commit = self.0.get(&used.url).and_then(|(_, commit)| commit.clone());
        }
    }
}

/// Fetches and reads what the manifest names, and what those packages depend on. One that cannot be had is told in the log:
/// a component is then what its own Dockerfile says, and an add-on is refused with its place.
pub async fn fetch(run: &Run, row: &ReleaseRow, root: &Path, named: BTreeSet<PackageUrl>) -> Result<Packages> {
    let mut packages = Packages::default();
    let mut open: Vec<PackageUrl> = named.into_iter().collect();
    let mut seen: BTreeSet<PackageUrl> = open.iter().cloned().collect();
    while let Some(url) = open.pop() {
        if let Some(known) = catalog::find(&url.to_string()) {
            open.extend(dependencies(&known, &mut seen));
            continue;
        }
        if packages.0.len() >= MAX_PACKAGES {
            return Err(invalid(format!(
                "a manifest names at most {MAX_PACKAGES} packages that are not in the catalog"
            )));
        }
        let number = packages.0.len();
        let had = match url.location() {
            Location::Catalog(_) => continue,
            Location::Folder(folder) => of_folder(root, folder, &url).await.map(|package| (package, None)),
            Location::Git(remote) => of_git(run, row, remote, &url, number).await,
        };
        match had {
            Ok((package, commit)) => {
                let told =
                    commit.as_ref().map_or_else(String::new, |sha| format!(" at commit {}", &sha[..12.min(sha.len())]));
                run.log.say(format!("package {}{told}: {}", git::without_password(&url.to_string()), package.name));
                open.extend(dependencies(&package, &mut seen));
                packages.0.insert(url, (package, commit));
            }
            Err(error) => {
                run.log.say(format!("the package {} cannot be used: {error}", git::without_password(&url.to_string())))
            }
        }
    }
    Ok(packages)
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
    run: &Run,
    row: &ReleaseRow,
    remote: &GitUrl,
    url: &PackageUrl,
    number: usize,
) -> Result<(Package, Option<String>)> {
    let deployment = row.deployment_id;
    let project = run.app.db.read(move |c| Ok(deployment::by_id(c, deployment)?.project_id)).await?;
    let reference = url.reference().map(str::parse::<GitRef>).transpose().map_err(Error::from)?;
    let folder = run.work().join("packages").join(number.to_string());
    fs::create_dir_all(&folder)?;
    // The project's deploy key is for its own remote: no package's host gets to see it.
    let remote = git::Remote { project, url: remote, deploy_key: None, config: &run.app.config, paths: &run.app.paths };
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
fn text(folder: &Path, name: &str) -> Option<String> {
    let path: PathBuf = folder.join(name);
    let real = fs::canonicalize(&path).ok()?;
    let about = fs::symlink_metadata(&path).ok()?;
    let inside = real.starts_with(fs::canonicalize(folder).ok()?);
    (inside && about.is_file() && about.len() <= MAX_FILE).then(|| fs::read_to_string(real).ok()).flatten()
}

/// `queue` of `https://example.com/acme/addon-queue.git`.
fn identifier(url: &str) -> Identifier {
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
