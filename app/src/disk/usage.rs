//! What uses the disk, and what of it is safe to free: measured when somebody asks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use boathouse_types::{DeploymentId, DiskHolds, DiskKind, DiskUsage, DiskUse, ProjectId, ProjectName};

use super::shares::{Owner, Shares, shares, whole};
use super::{bytes_of, guard, image};
use crate::clock;
use crate::config::Paths;
use crate::db::disk::{self, Images, Owners};
use crate::docker::{Containers, EngineUse, labels};
use crate::error::{Result, internal};
use crate::logs;
use crate::snapshot::engine_error;
use crate::state::App;

/// Releases that a sentence names.
const NAMED: usize = 6;

/// Measures everything; what cannot be measured is told in its place.
pub async fn measure(app: &App, engine: &dyn Containers) -> Result<DiskUsage> {
    let (owners, images) = app.db.read(|c| Ok((disk::owners(c)?, disk::images(c)?))).await?;
    let mut problems = Vec::new();
    let (paths, known) = (app.paths.clone(), owners.clone());
    let walked = tokio::task::spawn_blocking(move || of_files(&paths, &known));
    let (mut uses, unread) = walked.await.map_err(|error| internal("measuring was cut short").caused_by(error))?;
    problems.extend(unread);
    match image::measure(engine, &app.instance, &images).await {
        Ok(found) => uses.extend(of_images(&found, &owners, &images)),
        Err(error) => problems.push(format!("images: {error}")),
    }
    match engine.usage().await.map_err(engine_error) {
        Ok(used) => uses.extend(of_engine(&app.instance, &used, &owners)),
        Err(error) => problems.push(format!("volumes, containers and build cache: {error}")),
    }
    let uses = merged(uses);
    let (file_systems, settings) = guard::look(app).await?;
    let state = guard::worst(&file_systems);
    Ok(DiskUsage { measured_at: clock::now(), file_systems, state, uses, problems, settings })
}

/// One use per kind and owner, the largest of each kind first; what takes nothing is left out.
fn merged(uses: Vec<DiskUse>) -> Vec<DiskUse> {
    let mut all: Vec<DiskUse> = Vec::new();
    for one in uses.into_iter().filter(|one| one.bytes > 0) {
        let same = |other: &&mut DiskUse| {
            (other.kind, &other.project, &other.deployment) == (one.kind, &one.project, &one.deployment)
        };
        match all.iter_mut().find(same) {
            Some(known) => {
                known.bytes += one.bytes;
                known.freeable_bytes += one.freeable_bytes;
            }
            None => all.push(one),
        }
    }
    all.sort_by(|a, b| (a.kind, b.bytes).cmp(&(b.kind, a.bytes)));
    all
}

fn used(kind: DiskKind, on: DiskHolds, bytes: u64, why: impl Into<String>) -> DiskUse {
    DiskUse { kind, on, project: None, deployment: None, bytes, freeable_bytes: 0, why: why.into() }
}

fn used_by(owners: &Owners, id: DeploymentId, one: DiskUse) -> DiskUse {
    let place = owners.deployments.get(&id);
    DiskUse {
        project: place.map(|place| place.project.clone()),
        deployment: place.map(|place| place.deployment.clone()),
        ..one
    }
}

fn used_in(project: &ProjectName, one: DiskUse) -> DiskUse {
    DiskUse { project: Some(project.clone()), ..one }
}

/// Uses of what several may share.
fn of_shares(
    kind: DiskKind,
    on: DiskHolds,
    found: &Shares,
    owners: &Owners,
    why: impl Fn(DeploymentId) -> String,
) -> Vec<DiskUse> {
    let of = found.of.iter().map(|(id, bytes)| used_by(owners, *id, used(kind, on, *bytes, why(*id))));
    let several = used(kind, on, found.several, "several deployments share it");
    of.chain([several]).collect()
}

fn of_images(found: &Shares, owners: &Owners, images: &Images) -> Vec<DiskUse> {
    let engine = DiskHolds::Engine;
    let mut uses = of_shares(DiskKind::Images, engine, found, owners, |id| needed_by(images, id));
    let nobody = used(DiskKind::LeftoverImages, engine, found.nobody, "no release refers to them: safe to free");
    uses.push(DiskUse { freeable_bytes: found.nobody, ..nobody });
    uses.push(used(DiskKind::Foreign, engine, found.foreign, FOREIGN));
    uses
}

const FOREIGN: &str = "others made them, or named them too: never touched";

/// Which releases of a deployment need its images, in words.
fn needed_by(images: &Images, id: DeploymentId) -> String {
    let mut numbers: BTreeMap<i64, bool> = BTreeMap::new();
    for part in images.names.iter().filter(|part| part.deployment_id == id && !part.given_up) {
        numbers.insert(part.number, part.live);
    }
    let say = |(number, live): (&i64, &bool)| format!("#{number}{}", if *live { " (live)" } else { "" });
    let named: Vec<String> = numbers.iter().rev().take(NAMED).map(say).collect();
    let more = numbers.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("needed by {}{more}: kept for rollback", named.join(", "))
}

fn of_engine(instance: &str, found: &EngineUse, owners: &Owners) -> Vec<DiskUse> {
    let engine = DiskHolds::Engine;
    let why = "safe to free: the next builds do each step anew. The engine does not say who built";
    let cache = used(DiskKind::BuildCache, engine, found.cache_bytes, why);
    let mut uses = vec![DiskUse { freeable_bytes: found.cache_unused_bytes, ..cache }];
    for (name, bytes) in &found.volumes {
        uses.push(match owners.volumes.get(name) {
            Some(id) => used_by(
                owners,
                *id,
                used(DiskKind::Volumes, engine, *bytes, "data: goes only where somebody deletes it"),
            ),
            None => used(DiskKind::Foreign, engine, *bytes, FOREIGN),
        });
    }
    for (of, bytes) in &found.containers {
        let deployment = of.get(labels::DEPLOYMENT).and_then(|id| id.parse().ok()).map(DeploymentId);
        uses.push(match deployment.filter(|_| of.get(labels::INSTANCE).is_some_and(|of| of == instance)) {
            Some(id) => used_by(
                owners,
                id,
                used(DiskKind::Containers, engine, *bytes, "goes with the container, at the next release"),
            ),
            None => used(DiskKind::Foreign, engine, *bytes, FOREIGN),
        });
    }
    uses
}

/// Everything in the data directory, and what of it could not be read.
fn of_files(paths: &Paths, owners: &Owners) -> (Vec<DiskUse>, Vec<String>) {
    let mut walk = Walk { owners, uses: Vec::new(), problems: Vec::new() };
    walk.logs(paths);
    walk.shared(
        DiskKind::Sites,
        &paths.sites(),
        &owners.sites,
        |digest| digest.trim_start_matches("sha256:").to_owned(),
        "served, or kept for rollback",
    );
    walk.shared(DiskKind::Uploads, &paths.uploads(), &owners.uploads, str::to_owned, "a kept release was made from it");
    walk.shared(
        DiskKind::DataBackups,
        &paths.data_backups(),
        &owners.data_backups,
        str::to_owned,
        "data: goes by the policy of its deployment, or where somebody deletes it",
    );
    walk.repositories(paths);
    walk.add(DiskKind::Work, &paths.work(), "of releases that are being made");
    walk.database(paths);
    walk.backups(&paths.backups());
    (walk.uses, walk.problems)
}

struct Walk<'a> {
    owners: &'a Owners,
    uses: Vec<DiskUse>,
    problems: Vec<String>,
}

impl Walk<'_> {
    /// Bytes of a tree; 0 where it is not there, or cannot be read, which is told.
    fn bytes(&mut self, path: &Path) -> u64 {
        match bytes_of(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => {
                self.problems.push(format!("{}: {error}", path.display()));
                0
            }
        }
    }

    fn add(&mut self, kind: DiskKind, path: &Path, why: &str) {
        let bytes = self.bytes(path);
        self.uses.push(used(kind, DiskHolds::Data, bytes, why));
    }

    fn logs(&mut self, paths: &Paths) {
        const WHY: &str = "of containers, commands and kept releases: have limits of their own";
        let owners = self.owners;
        for id in owners.deployments.keys() {
            let bytes = self.bytes(&paths.logs().join(id.to_string()));
            self.uses.push(used_by(owners, *id, used(DiskKind::Logs, DiskHolds::Data, bytes, WHY)));
        }
        for release in &owners.releases {
            let folder = paths.releases().join(release.id.to_string());
            let bytes = self.bytes(&folder);
            let freeable_bytes = if release.given_up { logs::freeable(&folder) } else { 0 };
            let one = used_by(owners, release.deployment_id, used(DiskKind::Logs, DiskHolds::Data, bytes, WHY));
            self.uses.push(DiskUse { freeable_bytes, ..one });
        }
    }

    /// Trees or archives in a folder, each by a name that a release knows.
    fn shared(
        &mut self,
        kind: DiskKind,
        folder: &Path,
        known: &[(String, DeploymentId)],
        file: impl Fn(&str) -> String,
        why: &str,
    ) {
        let mut of: BTreeMap<String, BTreeSet<Owner>> = BTreeMap::new();
        for (name, id) in known {
            of.entry(file(name)).or_default().insert(Owner::Deployment(*id));
        }
        let nobody = BTreeSet::from([Owner::Nobody]);
        let mut things = Vec::new();
        for path in entries(folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let bytes = self.bytes(&path);
            things.push((of.get(&name).unwrap_or(&nobody).clone(), [whole(&name, bytes)]));
        }
        let found = shares(things.iter().map(|(owners, layer)| (owners, layer.as_slice())));
        let uses = of_shares(kind, DiskHolds::Data, &found, self.owners, |_| why.to_owned());
        self.uses.extend(uses);
        self.uses.push(used(kind, DiskHolds::Data, found.nobody, "no release refers to it: goes by itself"));
    }

    fn repositories(&mut self, paths: &Paths) {
        const WHY: &str = "mirror of the remote, or the code itself: goes with the project";
        let owners = self.owners;
        let mut of_projects: BTreeMap<PathBuf, &ProjectName> = BTreeMap::new();
        for (id, name, local) in &owners.projects {
            let ProjectId(id) = id;
            of_projects.insert(paths.git().join(format!("{id}.git")), name);
            if let Some(local) = local {
                of_projects.insert(PathBuf::from(local), name);
            }
        }
        for path in [entries(&paths.git()), entries(&paths.repositories())].concat() {
            let bytes = self.bytes(&path);
            let one = used(DiskKind::Repositories, DiskHolds::Data, bytes, WHY);
            self.uses.push(match of_projects.get(&path) {
                Some(project) => used_in(project, one),
                None => DiskUse { why: "no project refers to it: goes by itself".to_owned(), ..one },
            });
        }
    }

    fn database(&mut self, paths: &Paths) {
        let file = paths.database();
        let beside = ["-wal", "-shm"].map(|end| {
            let mut name = file.clone().into_os_string();
            name.push(end);
            PathBuf::from(name)
        });
        let bytes = [file].into_iter().chain(beside).map(|path| self.bytes(&path)).sum();
        self.uses.push(used(DiskKind::Database, DiskHolds::Data, bytes, "what Boathouse knows"));
    }

    fn backups(&mut self, folder: &Path) {
        let old: BTreeSet<PathBuf> = old_backups(folder).into_iter().collect();
        let (mut bytes, mut freeable) = (0, 0);
        for path in entries(folder) {
            let of_file = self.bytes(&path);
            bytes += of_file;
            freeable += if old.contains(&path) { of_file } else { 0 };
        }
        let why = "from before migrations; all but the newest are safe to free";
        self.uses.push(DiskUse { freeable_bytes: freeable, ..used(DiskKind::Backups, DiskHolds::Data, bytes, why) });
    }
}

/// The copies of the database but the newest.
pub fn old_backups(folder: &Path) -> Vec<PathBuf> {
    let modified = |path: &PathBuf| std::fs::metadata(path).and_then(|about| about.modified()).ok();
    let mut files: Vec<PathBuf> = entries(folder).into_iter().filter(|path| path.is_file()).collect();
    files.sort_by_key(modified);
    files.pop();
    files
}

/// What is in a folder; one that cannot be read has nothing in it.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = std::fs::read_dir(folder).into_iter().flatten();
    read.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

#[cfg(test)]
mod tests {
    use boathouse_types::ReleaseId;

    use super::*;
    use crate::db::disk::{Logged, Place};

    fn owners() -> Owners {
        let place = Place { project: "shop".parse().unwrap(), deployment: "production".parse().unwrap() };
        let id = DeploymentId(1);
        Owners {
            deployments: BTreeMap::from([(id, place)]),
            projects: vec![(ProjectId(4), "shop".parse().unwrap(), None)],
            sites: vec![("sha256:aa".into(), id)],
            uploads: vec![("a.tar.gz".into(), id)],
            data_backups: vec![("3".into(), id)],
            volumes: BTreeMap::from([("bh-v".to_owned(), id)]),
            releases: vec![
                Logged { id: ReleaseId(1), deployment_id: id, given_up: true },
                Logged { id: ReleaseId(2), deployment_id: id, given_up: false },
            ],
        }
    }

    #[test]
    fn files_are_told_by_kind_and_owner_with_what_can_go() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths { root: folder.path().to_owned() };
        let write = |path: PathBuf, kib: usize| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![7; kib << 10]).unwrap();
        };
        write(paths.releases().join("1/log"), 100);
        write(paths.releases().join("2/log"), 200);
        write(paths.sites().join("aa/index.html"), 40);
        write(paths.uploads().join("a.tar.gz"), 80);
        write(paths.uploads().join("b.tar.gz"), 160);
        write(paths.git().join("4.git/pack"), 320);
        write(paths.data_backups().join("3/dump-db.sql.zst"), 96);
        write(paths.backups().join("1.db"), 64);
        write(paths.backups().join("2.db"), 128);
        let first = std::fs::File::options().write(true).open(paths.backups().join("1.db")).unwrap();
        first.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let (uses, problems) = of_files(&paths, &owners());
        assert_eq!(problems, Vec::<String>::new());
        let uses = merged(uses);
        let of = |kind, is_ours: bool| {
            let found = uses.iter().filter(|one| one.kind == kind && one.project.is_some() == is_ours);
            found.map(|one| (one.bytes >> 10, one.freeable_bytes >> 10)).next()
        };
        let near = |found: Option<(u64, u64)>, bytes: u64, freeable: u64| {
            let (a, b) = found.unwrap();
            assert!(
                (bytes..bytes + 24).contains(&a) && (freeable..freeable + 8).contains(&b),
                "{found:?} {bytes} {freeable}"
            );
        };
        near(of(DiskKind::Logs, true), 300, 100);
        near(of(DiskKind::Sites, true), 40, 0);
        near(of(DiskKind::Uploads, true), 80, 0);
        near(of(DiskKind::Uploads, false), 160, 0);
        near(of(DiskKind::Repositories, true), 320, 0);
        near(of(DiskKind::DataBackups, true), 96, 0);
        near(of(DiskKind::Backups, false), 192, 64);
        assert_eq!(of(DiskKind::Database, false), None, "what takes nothing is not told of");
    }

    #[test]
    fn what_the_engine_has_is_ours_by_record_or_not_ours() {
        let container = |instance: &str| {
            let labels = [(labels::INSTANCE, instance), (labels::DEPLOYMENT, "1")];
            (labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect(), 5)
        };
        let found = EngineUse {
            cache_bytes: 9,
            cache_unused_bytes: 7,
            volumes: BTreeMap::from([("bh-v".to_owned(), 11), ("bh-w".to_owned(), 13)]),
            containers: vec![container("aa"), container("bb")],
        };
        let uses = merged(of_engine("aa", &found, &owners()));
        let of: Vec<_> =
            uses.iter().map(|one| (one.kind, one.project.is_some(), one.bytes, one.freeable_bytes)).collect();
        assert_eq!(
            of,
            [
                (DiskKind::BuildCache, false, 9, 7),
                (DiskKind::Containers, true, 5, 0),
                (DiskKind::Volumes, true, 11, 0),
                (DiskKind::Foreign, false, 18, 0),
            ]
        );
    }
}
