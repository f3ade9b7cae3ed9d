//! Frees the disk: what somebody asked for, what is above a budget, and what is safe where it fills.
//!
//! Invariant: what a kept release, a release in the making or a container needs stays, and so does everything of somebody else's.
//! Besides what is recorded, only names that bear this instance's id and images that bear its label go, and nothing by the engine's
//! own pruning but its build cache.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use boathouse_types::{
    CleanKind, CleanedDisk, DiskHolds, DiskSettings, DiskState, FileSystem, Freed, Millis, ReleaseComponent, ReleaseId,
    ReleaseState,
};
use tokio::sync::RwLock;

use super::clean;
use crate::db::disk as rows;
use crate::db::event::{self, About};
use crate::db::release::{self, ReleaseRow};
use crate::disk::{self, guard, image};
use crate::docker::{CacheCut, Containers, ErrorKind, Layer};
use crate::error::{Result, internal};
use crate::observed::{CleanWish, Cleaned};
use crate::snapshot::engine_error;
use crate::state::App;

/// What was freed by itself does not come back at once: it is looked again no sooner.
const AGAIN: Duration = Duration::from_secs(10 * 60);
/// On a disk that fills, the build cache that was not used for so long goes first.
const WARM: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Keeper {
    app: App,
    engine: Arc<dyn Containers>,
    files: Arc<RwLock<()>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    relieved_at: Option<Instant>,
    // Budgets are looked at after a release.
    last_end: Option<Millis>,
}

/// Starts the task; it is poked by the release worker's own sweep and after each release.
pub fn start(app: &App, engine: Arc<dyn Containers>, files: Arc<RwLock<()>>) {
    let keeper = Arc::new(Keeper::new(app, engine, files));
    let description = "looks how full the disk is, frees what is safe, and measures what uses it when asked";
    app.tasks.reconcile("disk", description, None, app.pokes.disk.clone(), move || {
        let keeper = keeper.clone();
        async move { keeper.run().await }
    });
}

impl Keeper {
    pub fn new(app: &App, engine: Arc<dyn Containers>, files: Arc<RwLock<()>>) -> Self {
        Self { app: app.clone(), engine, files, state: Mutex::default() }
    }

    async fn run(&self) -> Result<()> {
        if let Some(wish) = self.app.observed.take_clean_wish() {
            self.carry_out(wish).await?;
        }
        let (systems, limits) = match guard::note(&self.app).await {
            Ok(noted) => noted,
            Err(error) => {
                // On a full disk nothing can be noted, and space is needed most.
                tracing::warn!(%error, "how full the disk is could not be told");
                guard::look(&self.app).await?
            }
        };
        if guard::worst(&systems) >= DiskState::Cleaning && self.is_due() {
            self.relieve(&systems, &limits).await;
        }
        if self.app.observed.take_disk_asked() {
            self.app.observed.set_disk(disk::measure(&self.app, &*self.engine).await?);
        }
        self.keep_budgets(&limits).await
    }

    fn is_due(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = state.relieved_at.is_none_or(|at| at.elapsed() > AGAIN);
        if due {
            state.relieved_at = Some(Instant::now());
        }
        due
    }

    async fn carry_out(&self, wish: CleanWish) -> Result<()> {
        let mut freed = Vec::new();
        for what in &wish.what {
            freed.push(freed_of(*what, self.free(*what).await));
        }
        let done = CleanedDisk { dry_run: false, done: true, freed };
        self.tell(&wish.actor, &done).await;
        self.app.observed.set_cleaned(Cleaned { wanted_at: wish.wanted_at, done });
        Ok(())
    }

    /// What is safe, on the file systems that are too full: the cache first.
    async fn relieve(&self, systems: &[FileSystem], limits: &DiskSettings) {
        let mut freed = Vec::new();
        if is_full(systems, DiskHolds::Engine) {
            if limits.build_cache_bytes > 0 {
                freed.push(freed_of(CleanKind::BuildCache, self.cut_cache(CacheCut::UnusedFor(WARM)).await));
            }
            let now = guard::look(&self.app).await.map(|(systems, _)| systems).unwrap_or_default();
            if limits.build_cache_bytes > 0 && is_full(&now, DiskHolds::Engine) {
                freed.push(freed_of(CleanKind::BuildCache, self.free(CleanKind::BuildCache).await));
            }
            freed.push(freed_of(CleanKind::Images, self.free(CleanKind::Images).await));
        }
        if is_full(systems, DiskHolds::Data) {
            if let Err(error) = clean::sweep(&self.app, &self.files).await {
                tracing::warn!(%error, "what nothing refers to could not be removed yet");
            }
            for what in [CleanKind::Logs, CleanKind::Backups] {
                freed.push(freed_of(what, self.free(what).await));
            }
        }
        self.tell("system", &CleanedDisk { dry_run: false, done: true, freed }).await;
    }

    /// Everything of that kind that is safe to free; returns the bytes.
    pub async fn free(&self, what: CleanKind) -> Result<u64> {
        match what {
            CleanKind::BuildCache => self.cut_cache(CacheCut::All).await,
            CleanKind::Images => self.remove_leftovers().await,
            CleanKind::Logs => self.clear_logs(0).await,
            CleanKind::Backups => self.remove_backups().await,
        }
    }

    async fn cut_cache(&self, cut: CacheCut) -> Result<u64> {
        self.engine.prune_build_cache(cut).await.map_err(engine_error)
    }

    async fn remove_leftovers(&self) -> Result<u64> {
        // Listed first: what is made meanwhile is not in the list, and what is in it is recorded by the time of the look.
        let listed = self.engine.images().await.map_err(engine_error)?;
        let known = self.app.db.read(rows::images).await?;
        let found = image::leftovers(&self.app.instance, &listed, &known);
        if found.is_empty() {
            return Ok(0);
        }
        let before = image::measure(&*self.engine, &self.app.instance, &known).await?.nobody;
        for leftover in found {
            match self.engine.remove_image(&leftover.remove).await {
                Ok(()) => {}
                // A container was made from it: then it is not left over.
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) if error.engine_is_gone() => return Err(engine_error(error)),
                Err(error) => tracing::warn!(image = leftover.remove, %error, "an image could not be removed"),
            }
        }
        let after = image::measure(&*self.engine, &self.app.instance, &known).await?.nobody;
        Ok(before.saturating_sub(after))
    }

    /// Clears logs of releases that were given up, the oldest first, until all logs of releases take no more than `budget`.
    async fn clear_logs(&self, budget: u64) -> Result<u64> {
        let logged = self.app.db.read(rows::logged).await?;
        let folder = self.app.paths.releases();
        let total = tokio::task::spawn_blocking(move || disk::bytes_of(&folder)).await;
        let mut left = total.map_err(|error| internal("measuring was cut short").caused_by(error))??;
        let mut freed = 0;
        for release in logged {
            if !release.given_up {
                continue;
            }
            if left <= budget {
                break;
            }
            let bytes = self.app.logs.clear_pipeline(release.id).await?;
            (left, freed) = (left.saturating_sub(bytes), freed + bytes);
        }
        Ok(freed)
    }

    async fn remove_backups(&self) -> Result<u64> {
        let folder = self.app.paths.backups();
        let removed = tokio::task::spawn_blocking(move || remove_all(disk::old_backups(&folder))).await;
        removed.map_err(|error| internal("removing was cut short").caused_by(error))?
    }

    /// After a release; nothing is looked at where none has ended since.
    async fn keep_budgets(&self, limits: &DiskSettings) -> Result<()> {
        let last = self.app.db.read(rows::last_end).await?;
        let is_news = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut state.last_end, last) != last
        };
        if !is_news {
            return Ok(());
        }
        if limits.logs_bytes > 0 {
            self.clear_logs(limits.logs_bytes).await?;
        }
        self.give_up_beyond(limits.images_bytes).await?;
        if limits.build_cache_bytes > 0 {
            self.cut_cache(CacheCut::Above(limits.build_cache_bytes)).await?;
        }
        Ok(())
    }

    /// Gives up the oldest releases whose images are beyond the budget; clean-up removes them.
    pub async fn give_up_beyond(&self, budget: u64) -> Result<()> {
        if budget == 0 {
            return Ok(());
        }
        let (rows, parts) = self
            .app
            .db
            .read(|c| {
                let rows = release::keeping(c)?;
                let ids: Vec<ReleaseId> = rows.iter().map(|row| row.id).collect();
                Ok((rows, release::components_of(c, &ids)?))
            })
            .await?;
        let digests: BTreeSet<String> = parts.values().flatten().filter_map(|part| part.digest.clone()).collect();
        let layers =
            image::layers(&*self.engine, digests.into_iter().filter(|digest| digest.starts_with("sha256:"))).await?;
        let gone = beyond(&rows, &parts, &layers, budget);
        if gone.is_empty() {
            return Ok(());
        }
        tracing::info!(releases = gone.len(), budget, "releases are given up: the images of all are beyond the budget");
        self.app.db.write(move |tx| gone.iter().try_for_each(|id| release::discard(tx, *id))).await?;
        self.app.pokes.release.poke();
        Ok(())
    }

    /// An event where anything was freed, or went wrong; on a full disk it may be lost.
    async fn tell(&self, actor: &str, done: &CleanedDisk) {
        let parts = done.freed.iter().filter(|one| one.bytes > 0 || one.problem.is_some());
        let parts: Vec<String> = parts
            .map(|one| match &one.problem {
                None => format!("{} MiB of {}", one.bytes >> 20, one.what.words()),
                Some(problem) => format!("{} not, because {problem}", one.what.words()),
            })
            .collect();
        if parts.is_empty() {
            return;
        }
        let (actor, message) = (actor.to_owned(), format!("Freed on the disk: {}", parts.join(", ")));
        let told = self.app.db.write(move |tx| {
            event::record(tx, &actor, "disk.cleaned", About::default(), &message)?;
            Ok(())
        });
        if let Err(error) = told.await {
            tracing::warn!(%error, "what was freed on the disk could not be told");
        }
        self.app.pokes.events.notify_waiters();
    }
}

fn is_full(systems: &[FileSystem], holds: DiskHolds) -> bool {
    systems.iter().any(|one| one.holds.contains(&holds) && one.state >= DiskState::Cleaning)
}

fn freed_of(what: CleanKind, freed: Result<u64>) -> Freed {
    match freed {
        Ok(bytes) => Freed { what, bytes, problem: None },
        Err(error) => Freed { what, bytes: 0, problem: Some(error.message) },
    }
}

fn remove_all(files: Vec<PathBuf>) -> Result<u64> {
    let mut freed = 0;
    for file in files {
        let bytes = std::fs::metadata(&file)?.len();
        std::fs::remove_file(&file)?;
        freed += bytes;
    }
    Ok(freed)
}

/// The releases to give up, the oldest first, until the layers of all that are left take no more than `budget`. Never the live one,
/// nor the one before it: the rows come newest first per deployment.
fn beyond(
    rows: &[ReleaseRow],
    parts: &BTreeMap<ReleaseId, Vec<ReleaseComponent>>,
    layers: &BTreeMap<String, Vec<Layer>>,
    budget: u64,
) -> Vec<ReleaseId> {
    let layers_of = |id: ReleaseId| {
        let digests = parts.get(&id).into_iter().flatten().filter_map(|part| part.digest.as_ref());
        let found: BTreeMap<u64, u64> =
            digests.filter_map(|digest| layers.get(digest)).flatten().map(|layer| (layer.id, layer.bytes)).collect();
        found
    };
    let was_live = |row: &&ReleaseRow| matches!(row.state, ReleaseState::Live | ReleaseState::Retired);
    let mut needed: HashMap<u64, usize> = HashMap::new();
    let mut total = 0;
    for row in rows.iter().filter(was_live) {
        for (layer, bytes) in layers_of(row.id) {
            let users = needed.entry(layer).or_default();
            total += if *users == 0 { bytes } else { 0 };
            *users += 1;
        }
    }
    let mut before = BTreeSet::new();
    let is_old = |row: &&ReleaseRow| row.state == ReleaseState::Retired && !before.insert(row.deployment_id);
    let mut old: Vec<ReleaseId> = rows.iter().filter(was_live).filter(is_old).map(|row| row.id).collect();
    old.sort();
    let mut gone = Vec::new();
    for id in old {
        if total <= budget {
            break;
        }
        for (layer, bytes) in layers_of(id) {
            let users = needed.entry(layer).or_default();
            *users = users.saturating_sub(1);
            total -= if *users == 0 { bytes } else { 0 };
        }
        gone.push(id);
    }
    gone
}

#[cfg(test)]
mod tests {
    use boathouse_types::{Identifier, Serves};

    use super::*;
    use crate::disk::settings::tests::usual;
    use crate::docker::Fake;
    use crate::release::clean::tests::row;

    fn part(digest: &str) -> Vec<ReleaseComponent> {
        let identifier: Identifier = "web".parse().unwrap();
        vec![ReleaseComponent {
            identifier,
            serves: Serves::Container,
            digest: Some(digest.into()),
            port: None,
            size_bytes: None,
        }]
    }

    #[test]
    fn the_oldest_go_until_the_budget_is_kept_and_what_a_rollback_needs_stays() {
        let (live, retired) = (ReleaseState::Live, ReleaseState::Retired);
        let rows = [
            row(1, 9, ReleaseState::Failed),
            row(1, 8, live),
            row(1, 7, retired),
            row(1, 6, retired),
            row(1, 5, retired),
            row(2, 3, retired),
            row(2, 2, retired),
        ];
        let parts = rows.iter().map(|row| (row.id, part(&format!("d{}", row.number)))).collect();
        let base = Layer { id: 1, bytes: 1000 };
        let own = |number: u64| (format!("d{number}"), vec![base, Layer { id: number * 10, bytes: 100 }]);
        let layers = [2, 3, 5, 6, 7, 8, 9].map(own).into_iter().collect();
        let gone = |budget| beyond(&rows, &parts, &layers, budget).iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(gone(1600), [0i64; 0], "1000 and six times 100: what failed is none of it");
        assert_eq!(gone(1599), [1005]);
        assert_eq!(gone(1450), [1005, 1006]);
        assert_eq!(gone(1), [1005, 1006, 2002], "the live one and the newest that was live stay");
    }

    fn full(holds: DiskHolds) -> FileSystem {
        let (total_bytes, free_bytes) = (100, 8);
        FileSystem {
            holds: vec![holds],
            path: "/".into(),
            total_bytes,
            free_bytes,
            used_percent: 92,
            state: DiskState::Cleaning,
        }
    }

    #[tokio::test]
    async fn what_is_freed_by_itself_lies_on_the_disk_that_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let app = crate::serve::test::app(folder.path());
        let fake = Arc::new(Fake::default());
        let keeper = Keeper::new(&app, fake.clone(), Arc::default());
        for name in ["1.db", "2.db"] {
            std::fs::write(app.paths.backups().join(name), [1; 5000]).unwrap();
        }
        let prunes = || fake.calls().iter().filter(|call| call.starts_with("prune_build_cache")).count();
        let copies = || std::fs::read_dir(app.paths.backups()).unwrap().count();
        let untouched = DiskSettings { build_cache_bytes: 0, ..usual() };
        keeper.relieve(&[full(DiskHolds::Engine)], &untouched).await;
        assert_eq!((prunes(), copies()), (0, 2), "without a budget the cache is never touched unasked");
        keeper.relieve(&[full(DiskHolds::Data)], &usual()).await;
        assert_eq!((prunes(), copies()), (0, 1));
        keeper.relieve(&[full(DiskHolds::Engine)], &usual()).await;
        let calls = fake.calls();
        assert!(prunes() >= 1 && calls.iter().any(|call| call.contains("UnusedFor(86400s)")), "{calls:?}");
        let events = app.db.read(|c| event::before(c, None, &event::Of::default(), 10)).await.unwrap();
        assert!(events.iter().all(|event| event.kind == "disk.cleaned") && events.len() == 1, "{events:?}");
    }

    /// A wish is carried out once, and what was wanted meanwhile with it.
    #[tokio::test]
    async fn what_is_asked_for_is_done_and_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let app = crate::serve::test::app(folder.path());
        let fake = Arc::new(Fake::default());
        fake.set_build_cache(3 << 30);
        let keeper = Keeper::new(&app, fake.clone(), Arc::default());
        let wish =
            |what: CleanKind, wanted_at| CleanWish { what: BTreeSet::from([what]), actor: "ada".into(), wanted_at };
        app.observed.ask_clean(wish(CleanKind::Logs, 1));
        app.observed.ask_clean(wish(CleanKind::BuildCache, 2));
        app.observed.ask_disk();
        keeper.run().await.unwrap();
        let cleaned = app.observed.cleaned().unwrap();
        assert_eq!((cleaned.wanted_at, cleaned.done.freed.len(), cleaned.done.bytes()), (2, 2, 3 << 30));
        assert!(app.observed.take_clean_wish().is_none() && app.observed.disk().is_some());
        let events = app.db.read(|c| event::before(c, None, &event::Of::default(), 10)).await.unwrap();
        assert_eq!(events.iter().filter(|event| event.actor == "ada").count(), 1);
    }
}
