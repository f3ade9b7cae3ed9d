//! Sources of packages: fetched at a commit, or read from a folder of the server; data alone. A source that cannot be had keeps what
//! was fetched last, and says why.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use boathouse_types::{Identifier, Millis, SourceLocation, StackFile};

use super::packages::{MAX_FILE, identifier, text};
use super::{blocking, look};
use crate::catalog::{self, Entry};
use crate::clock;
use crate::db::catalog::{self as rows, SourceRow};
use crate::db::event::{self, About};
use crate::error::{Result, conflict, invalid};
use crate::fault;
use crate::git;
use crate::stack::package_manifest::{self, PACKAGE_FILE_NAMES, PackageSource};
use crate::state::App;

/// Packages of one source.
const MAX_PACKAGES: usize = 200;
/// How deep a package's folder may lie.
const MAX_DEPTH: usize = 3;
/// Folders that are looked into.
const MAX_FOLDERS: usize = 5_000;
/// Files of one starter, and bytes of all texts of a source.
const MAX_STARTER: usize = 64;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The code of a new component, in the package's folder.
const STARTER: &str = "starter";
const ICON: usize = 64 * 1024;

/// Fetches the source that has waited longest; answers when to look again.
pub async fn refresh_next(app: &App) -> Result<Option<Millis>> {
    let Some(row) = app.db.read(rows::next_wanted).await? else { return Ok(None) };
    let had = fetch(app, &row).await;
    fault::point("catalog.fetched");
    let kept = match had {
        Ok((entries, commit)) => {
            let row = row.clone();
            app.db.write(move |tx| rows::keep(tx, &row, commit.as_deref(), &entries)).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        let problem = match &error.hint {
            Some(hint) => format!("{}. {hint}", error.message.trim_end_matches('.')),
            None => error.message.clone(),
        };
        app.db
            .write(move |tx| {
                rows::fail(tx, &row, &problem)?;
                let message = format!("The source {} cannot be used: {problem}", row.name);
                event::record(tx, "system", "catalog.problem", About::default(), &message)?;
                Ok(())
            })
            .await?;
    }
    fault::point("catalog.recorded");
    app.pokes.events.notify_waiters();
    Ok(Some(clock::now()))
}

async fn fetch(app: &App, row: &SourceRow) -> Result<(Vec<(Identifier, String)>, Option<String>)> {
    let (entries, commit) = match &row.location {
        SourceLocation::Git { url, reference } => {
            let laid = look::remote(app, url, reference.as_ref()).await?;
            let (commit, usual) = (laid.commit.as_ref().map(|commit| commit.sha.clone()), identifier(url.as_str()));
            (blocking::run(move |_| read(&laid.root, &usual)).await?, commit)
        }
        SourceLocation::Folder { path } => {
            let (folder, usual) = (path.clone(), identifier(path));
            (blocking::run(move |_| read(Path::new(&folder), &usual)).await?, None)
        }
    };
    let stored =
        entries.into_iter().map(|entry| Ok((entry.package.identifier.clone(), serde_json::to_string(&entry)?)));
    Ok((stored.collect::<Result<_>>()?, commit))
}

/// The packages of a folder: itself, or folders below it.
fn read(root: &Path, usual: &Identifier) -> Result<Vec<Entry>> {
    let is_folder = fs::symlink_metadata(root).is_ok_and(|about| about.is_dir());
    if !root.is_absolute() || !is_folder {
        return Err(invalid(format!("{} is not a folder on the server", root.display()))
            .hint("Name a folder by its absolute path; a link is not followed."));
    }
    let mut reading = Reading { root, entries: Vec::new(), folders: 0, bytes: 0 };
    reading.walk(root, usual, 0)?;
    if reading.entries.is_empty() {
        return Err(invalid("there is no package in it")
            .hint(format!("Each package is a folder with one of {}.", PACKAGE_FILE_NAMES.join(", "))));
    }
    refuse_taken_names(&reading.entries)?;
    Ok(reading.entries)
}

/// A name means one package: whoever reads `postgres` in a manifest must not get another one because of a source.
fn refuse_taken_names(entries: &[Entry]) -> Result<()> {
    let mut seen: BTreeMap<&str, &Identifier> = BTreeMap::new();
    for entry in entries {
        let own = &entry.package.identifier;
        for name in std::iter::once(own.as_str()).chain(entry.aliases.iter().map(String::as_str)) {
            if let Some(built_in) = catalog::entry(name) {
                return Err(conflict(format!(
                    "its package \"{own}\" has the name \"{name}\", which means the built-in {}",
                    built_in.package.name
                ))
                .hint("Give the package another `identifier:`, and no alias of a built-in one."));
            }
            if let Some(other) = seen.insert(name, own).filter(|other| *other != own) {
                return Err(conflict(format!("its packages \"{other}\" and \"{own}\" are both called \"{name}\"")));
            }
        }
    }
    let twice = entries
        .iter()
        .enumerate()
        .find(|(at, entry)| entries[..*at].iter().any(|before| before.package.identifier == entry.package.identifier));
    match twice {
        Some((_, entry)) => Err(conflict(format!("it has two packages \"{}\"", entry.package.identifier))),
        None => Ok(()),
    }
}

struct Reading<'a> {
    root: &'a Path,
    entries: Vec<Entry>,
    folders: usize,
    bytes: usize,
}

impl Reading<'_> {
    fn walk(&mut self, folder: &Path, usual: &Identifier, depth: usize) -> Result<()> {
        self.folders += 1;
        if self.folders > MAX_FOLDERS {
            return Err(
                invalid(format!("it has more than {MAX_FOLDERS} folders")).hint("Name the folder of the packages.")
            );
        }
        if let Some(file) = PACKAGE_FILE_NAMES.into_iter().find(|name| text(folder, name).is_some()) {
            return self.package(folder, file, usual);
        }
        if depth == MAX_DEPTH {
            return Ok(());
        }
        for name in folders(folder)? {
            // A folder whose name is none needs the identifier in its manifest.
            let usual = name.to_ascii_lowercase().parse().unwrap_or_else(|_| usual.clone());
            self.walk(&folder.join(&name), &usual, depth + 1)?;
        }
        Ok(())
    }

    fn package(&mut self, folder: &Path, file: &str, usual: &Identifier) -> Result<()> {
        if self.entries.len() == MAX_PACKAGES {
            return Err(invalid(format!("it has more than {MAX_PACKAGES} packages")));
        }
        let inside = folder.strip_prefix(self.root).unwrap_or(folder).join(file);
        let (shown, manifest) = (inside.to_string_lossy(), text(folder, file).unwrap_or_default());
        let read = |name: &str| text(folder, name);
        let source = PackageSource { file: &shown, text: &manifest, identifier: usual, version: None, read: &read };
        let parsed = package_manifest::parse(&source)?;
        let icon = parsed.icon.and_then(|icon| text(folder, &icon)).filter(|icon| icon.len() <= ICON);
        let mut code = Vec::new();
        if fs::symlink_metadata(folder.join(STARTER)).is_ok_and(|about| about.is_dir()) {
            starter(&folder.join(STARTER), "", &mut code)?;
        }
        self.bytes += manifest.len() + code.iter().map(|file: &StackFile| file.text.len()).sum::<usize>();
        if self.bytes > MAX_BYTES {
            return Err(invalid(format!("its packages have more than {} MiB", MAX_BYTES >> 20)));
        }
        self.entries.push(Entry {
            package: parsed.package,
            category: parsed.category.unwrap_or_default(),
            aliases: parsed.aliases,
            icon: icon.unwrap_or_default(),
            readme: text(folder, "README.md").unwrap_or_default(),
            starter: None,
            code,
            origin: None,
        });
        Ok(())
    }
}

/// The names of the folders in a folder, in order; links are not followed.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        names.extend(name.to_str().filter(|name| !name.starts_with('.') && is_folder(&entry)).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn is_folder(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// The texts of a starter; what is no text, or too long, refuses the source instead of being left out.
fn starter(folder: &Path, prefix: &str, code: &mut Vec<StackFile>) -> Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = format!("{prefix}{name}");
        if is_folder(&entry) {
            starter(&entry.path(), &format!("{path}/"), code)?;
            continue;
        }
        let refused = || {
            invalid(format!("the file {STARTER}/{path} is no text of at most {} KiB", MAX_FILE / 1024))
                .hint("A starter has regular files of text alone.")
        };
        let text = text(folder, name).ok_or_else(refused)?;
        code.push(StackFile { path, text });
        if code.len() > MAX_STARTER {
            return Err(invalid(format!("the starter has more than {MAX_STARTER} files")));
        }
    }
    Ok(())
}

/// The address as it may be shown.
pub fn shown(location: SourceLocation) -> SourceLocation {
    match location {
        SourceLocation::Git { url, reference } => {
            let masked = git::without_password(url.as_str()).parse();
            SourceLocation::Git { url: masked.unwrap_or(url), reference }
        }
        folder => folder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn names(root: &Path) -> Result<Vec<String>> {
        let entries = read(root, &"packages".parse().unwrap())?;
        Ok(entries.iter().map(|entry| entry.package.identifier.to_string()).collect())
    }

    const QUEUE: &str = "type: addon\nname: Queue\nimages: [{image: 'acme/queue:1'}]\n";

    #[test]
    fn packages_are_found_in_folders_and_links_are_not_followed() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert!(names(dir.path()).unwrap_err().message.contains("no package"));
        write(dir.path(), "queue/package.yaml", QUEUE);
        write(dir.path(), "queue/starter/src/main.txt", "hello");
        write(dir.path(), "more/deep/cache/diploi.yaml", &QUEUE.replace("Queue", "Cache"));
        write(outside.path(), "package.yaml", &QUEUE.replace("Queue", "Secret"));
        std::os::unix::fs::symlink(outside.path(), dir.path().join("secret")).unwrap();
        assert_eq!(names(dir.path()).unwrap(), ["cache", "queue"]);
        let entries = read(dir.path(), &"x".parse().unwrap()).unwrap();
        assert_eq!(entries[1].code[0].path, "src/main.txt");
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("queue/starter/passwd")).unwrap();
        assert!(names(dir.path()).unwrap_err().message.contains("starter/passwd"));
        let link = outside.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(names(&link).is_err(), "the source itself is a link");
    }

    #[test]
    fn a_name_means_one_package() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "postgres/package.yaml", QUEUE);
        let error = names(dir.path()).unwrap_err();
        assert!(error.message.contains("the built-in PostgreSQL") && error.hint.is_some(), "{error}");
        write(dir.path(), "postgres/package.yaml", &format!("{QUEUE}identifier: queue\naliases: [mysql]\n"));
        assert!(names(dir.path()).unwrap_err().message.contains("\"mysql\""));
        write(dir.path(), "postgres/package.yaml", &format!("{QUEUE}identifier: queue\n"));
        write(dir.path(), "other/package.yaml", &format!("{QUEUE}identifier: queue\n"));
        assert!(names(dir.path()).unwrap_err().message.contains("two packages"));
        write(dir.path(), "other/package.yaml", "type: addon\nnmae: x\n");
        assert!(names(dir.path()).unwrap_err().message.contains("other/package.yaml:"));
    }
}
