//! Whatever is deployed, rolled back, promoted, taken back, deleted and cleaned up, in whatever order: what a release that is kept or
//! being made, or a container, needs is there, and what is somebody else's is as it was.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use boathouse_types::{
    CleanKind, DeploymentId, DeploymentStage, Failure, Identifier, Intent, ReleaseId, ReleaseState, Serves, Source,
    Stage, Trigger,
};

use super::clean::tests::app;
use super::free::Keeper;
use super::{clean, pull};
use crate::db::release::{self, NewRow, ReleaseRow};
use crate::db::{Transaction, deployment, event, object, project, setting};
use crate::docker::{ContainerSpec, Containers, ErrorKind, Fake, ImageInfo, NetworkSpec, VolumeSpec, labels};
use crate::stack::default::of_image;
use crate::state::App;

const STEPS: usize = 10_000;
const DEPLOYMENTS: usize = 4;

/// Random enough, and the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }

    fn one_of<T: Clone>(&mut self, things: &[T]) -> Option<T> {
        (!things.is_empty()).then(|| things[self.roll(things.len())].clone())
    }
}

/// What lies at the engine that is not ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Foreign {
    names: BTreeMap<String, String>,
    containers: BTreeSet<String>,
    volumes: BTreeSet<String>,
    networks: BTreeSet<String>,
}

struct World {
    _folder: tempfile::TempDir,
    app: App,
    fake: Arc<Fake>,
    keeper: Keeper,
    files: Arc<tokio::sync::RwLock<()>>,
    dice: Dice,
    images: u64,
    deployments: u64,
    foreign: Foreign,
    /// Budgets may give up more than the number of kept releases says.
    by_budget: bool,
}

fn web() -> Identifier {
    "web".parse().unwrap()
}

impl World {
    async fn new(seed: u64) -> Self {
        // Thousands of transactions, none of which has to outlive the test.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let app = app(folder.path());
        let (fake, files) = (Arc::new(Fake::default()), Arc::default());
        let keeper = Keeper::new(&app, fake.clone(), Arc::clone(&files));
        let mut world = Self {
            _folder: folder,
            app,
            fake,
            keeper,
            files,
            dice: Dice(seed),
            images: 0,
            deployments: 0,
            foreign: Foreign::default(),
            by_budget: false,
        };
        world.others().await;
        world
    }

    /// Things of others, some of which look like ours.
    async fn others(&mut self) {
        for name in ["debian:bookworm-slim", "boathouse-ffffffff/shop-production-web:1", "boathouse:latest"] {
            let id = self.make_image(Some(name), Some("ffffffff"));
            self.foreign.names.insert(name.to_owned(), id);
        }
        let nameless = self.make_image(None, Some("ffffffff"));
        self.foreign.names.insert(nameless.clone(), nameless);
        for name in ["bh-ffffffff-shop-production-1-web", "theirs"] {
            let spec = ContainerSpec { name: name.into(), image: "debian:bookworm-slim".into(), ..Default::default() };
            self.fake.create(&spec).await.unwrap();
            self.foreign.containers.insert(name.to_owned());
            let labels = BTreeMap::new();
            self.fake.create_volume(&VolumeSpec { name: name.into(), labels }).await.unwrap();
            self.foreign.volumes.insert(name.to_owned());
            self.fake.create_network(&NetworkSpec { name: name.into(), ..Default::default() }).await.unwrap();
            self.foreign.networks.insert(name.to_owned());
        }
    }

    fn make_image(&mut self, name: Option<&str>, instance: Option<&str>) -> String {
        self.images += 1;
        let id = format!("sha256:{:064x}", self.images);
        let label = |of: &str| (labels::INSTANCE.to_owned(), of.to_owned());
        self.fake.add_image(ImageInfo {
            id: id.clone(),
            architecture: "amd64".into(),
            os: "linux".into(),
            workdir: None,
            exposed_ports: Vec::new(),
            labels: instance.map(label).into_iter().collect(),
            tags: name.map(str::to_owned).into_iter().collect(),
            digests: Vec::new(),
            size: 1 << 20,
        });
        id
    }

    fn name(&self, row: &ReleaseRow) -> String {
        super::build::image_name(&self.app.instance, row, &web())
    }

    async fn rows(&self) -> Vec<ReleaseRow> {
        self.app
            .db
            .read(|c| {
                let mut rows = release::keeping(c)?;
                let known: HashSet<ReleaseId> = rows.iter().map(|row| row.id).collect();
                rows.extend(release::unfinished(c)?.into_iter().filter(|row| !known.contains(&row.id)));
                Ok(rows)
            })
            .await
            .unwrap()
    }

    async fn digest(&self, id: ReleaseId) -> Option<String> {
        let parts = self.app.db.read(move |c| release::components(c, id)).await.unwrap();
        parts.into_iter().next().and_then(|part| part.digest)
    }

    async fn living(&self) -> Vec<DeploymentId> {
        let all = self.app.db.read(deployment::all).await.unwrap();
        all.into_iter().filter(|row| row.intent != Intent::Deleted).map(|row| row.id).collect()
    }

    async fn step(&mut self) {
        self.by_budget = false;
        match self.dice.roll(22) {
            0..=3 => self.deploy().await,
            4..=10 => self.go_on().await,
            11..=12 => self.repeat(false).await,
            13 => self.repeat(true).await,
            14..=16 => clean::run(&self.app, &*self.fake, &HashSet::new()).await.unwrap(),
            17 => {
                let what = CleanKind::ALL[self.dice.roll(CleanKind::ALL.len())];
                self.keeper.free(what).await.unwrap();
            }
            18 => {
                let budget = (1 + self.dice.roll(12) as u64) << 20;
                self.by_budget = true;
                self.keeper.give_up_beyond(budget).await.unwrap();
            }
            19 => {
                let keep = format!("{{\"keep_releases\":{}}}", 1 + self.dice.roll(4));
                self.app.db.write(move |tx| setting::set(tx, setting::DISK, &keep)).await.unwrap();
            }
            20 => {
                clean::sweep(&self.app, &self.files).await.unwrap();
                pull::forget_unused(&self.app, &*self.fake, &self.files).await.unwrap();
            }
            _ if self.dice.roll(3) == 0 => self.delete().await,
            _ => self.somebody_else().await,
        }
    }

    async fn some_deployment(&mut self) -> DeploymentId {
        let living = self.living().await;
        if living.len() >= DEPLOYMENTS {
            return self.dice.one_of(&living).unwrap();
        }
        self.deployments += 1;
        let (name, stage) = (format!("shop-{}", self.deployments).parse().unwrap(), DeploymentStage::Production);
        let made = self.app.db.write(move |tx| {
            let project = project::create(tx, &name, &Source::Upload)?;
            deployment::create(tx, project, &"production".parse().unwrap(), stage, None)
        });
        made.await.unwrap()
    }

    /// A queued release, unless one is under way.
    async fn queue(&self, of: DeploymentId, trigger: Trigger) -> Option<ReleaseId> {
        self.app
            .db
            .write(move |tx| {
                if release::unfinished(tx)?.iter().any(|row| row.deployment_id == of) {
                    return Ok(None);
                }
                let new = NewRow {
                    trigger: &trigger,
                    actor: "",
                    source: &Source::Upload,
                    reference: None,
                    upload: None,
                    no_cache: false,
                };
                let id = release::create(tx, of, &new)?;
                release::set_manifest(tx, id, &of_image("nginx:1".parse().unwrap()))?;
                Ok(Some(id))
            })
            .await
            .unwrap()
    }

    async fn deploy(&mut self) {
        let of = self.some_deployment().await;
        self.queue(of, Trigger::Manual).await;
    }

    /// A rollback, or a promotion from another deployment.
    async fn repeat(&mut self, elsewhere: bool) {
        let living: HashSet<DeploymentId> = self.living().await.into_iter().collect();
        let mut kept = self.rows().await;
        kept.retain(|row| {
            let was_live = matches!(row.state, ReleaseState::Live | ReleaseState::Retired);
            was_live && row.discarded_at.is_none() && living.contains(&row.deployment_id)
        });
        let Some(old) = self.dice.one_of(&kept) else { return };
        let to = if elsewhere { self.some_deployment().await } else { old.deployment_id };
        let Some(id) = self.queue(to, Trigger::Rollback { to: old.number }).await else { return };
        let digest = self.digest(old.id).await.unwrap();
        self.app.db.write(move |tx| release::set_digest(tx, id, &web(), Serves::Container, &digest)).await.unwrap();
    }

    /// One step of a release that is under way.
    async fn go_on(&mut self) {
        let unfinished = self.app.db.read(release::unfinished).await.unwrap();
        let Some(row) = self.dice.one_of(&unfinished) else { return };
        if row.state != ReleaseState::Live && self.dice.roll(8) == 0 {
            return self.give_up(row).await;
        }
        match row.state {
            ReleaseState::Queued => {
                let begin = move |tx: &Transaction<'_>| {
                    release::transition(tx, row.id, ReleaseState::Queued, ReleaseState::Building)
                };
                assert!(self.app.db.write(begin).await.unwrap());
            }
            ReleaseState::Building => self.build(row).await,
            ReleaseState::Starting => {
                self.app.db.write(move |tx| release::go_live(tx, &row)).await.unwrap();
            }
            _ if self.dice.roll(4) == 0 => self.take_back(row).await,
            _ => {
                self.remove_containers(row.deployment_id, Some(row.id)).await;
                self.app.db.write(move |tx| release::set_finished(tx, row.id)).await.unwrap();
            }
        }
    }

    /// What a repeated release needs must be there; what is built is there before it is recorded.
    async fn build(&mut self, row: ReleaseRow) {
        let name = self.name(&row);
        let digest = match self.digest(row.id).await {
            Some(digest) => digest,
            None => {
                let instance = self.app.instance.clone();
                let built = self.make_image(None, Some(&instance));
                self.fake.tag(&built, &name).await.unwrap();
                if self.dice.roll(6) == 0 {
                    // It crashed before it was recorded: it is built again.
                    return;
                }
                let (id, digest) = (row.id, built.clone());
                let record =
                    move |tx: &Transaction<'_>| release::set_digest(tx, id, &web(), Serves::Container, &digest);
                self.app.db.write(record).await.unwrap();
                built
            }
        };
        self.fake.tag(&digest, &name).await.expect("what is repeated is there");
        let container = object::container_name(&self.app.instance, &row.slug, row.number, &web(), None);
        let (id, recorded) = (row.id, container.clone());
        self.app
            .db
            .write(move |tx| {
                object::record_container(tx, id, &web(), None, &recorded)?;
                release::transition(tx, id, ReleaseState::Building, ReleaseState::Starting)
            })
            .await
            .unwrap();
        let spec = ContainerSpec { name: container, image: digest, ..Default::default() };
        self.fake.create(&spec).await.unwrap();
    }

    async fn give_up(&mut self, row: ReleaseRow) {
        let fresh = row.clone();
        self.app.db.write(move |tx| release::cancel(tx, &fresh, "by the dice")).await.unwrap();
        self.remove_containers_of(row.id).await;
    }

    async fn take_back(&mut self, row: ReleaseRow) {
        let failure = Failure { stage: Stage::Switch, message: String::new(), log_tail: Vec::new(), serving: None };
        let fresh = row.clone();
        let (taken, back) = self.app.db.write(move |tx| release::take_back(tx, &fresh, &failure)).await.unwrap();
        assert!(taken);
        if let Some(back) = back {
            assert_eq!(back.discarded_at, None, "#{} serves again and was given up", back.number);
        }
        self.remove_containers_of(row.id).await;
    }

    /// As the supervisor does: containers of a deployment but those of one release.
    async fn remove_containers(&self, of: DeploymentId, but: Option<ReleaseId>) {
        for row in self.app.db.read(object::containers).await.unwrap() {
            if row.deployment_id == of && Some(row.release_id) != but {
                self.fake.remove(&row.name).await.unwrap();
                self.app.db.write(move |tx| object::forget_container(tx, &row.name)).await.unwrap();
            }
        }
    }

    async fn remove_containers_of(&self, id: ReleaseId) {
        for row in self.app.db.read(object::containers).await.unwrap() {
            if row.release_id == id {
                self.fake.remove(&row.name).await.unwrap();
                self.app.db.write(move |tx| object::forget_container(tx, &row.name)).await.unwrap();
            }
        }
    }

    /// Its releases end, then its containers go; clean-up does the rest.
    async fn delete(&mut self) {
        let living = self.living().await;
        let Some(id) = self.dice.one_of(&living) else { return };
        let ended = self.app.db.write(move |tx| {
            deployment::set_intent(tx, id, Intent::Deleted)?;
            for row in release::unfinished(tx)?.into_iter().filter(|row| row.deployment_id == id) {
                match row.state {
                    ReleaseState::Live => release::set_finished(tx, row.id)?,
                    _ => _ = release::cancel(tx, &row, "it was deleted")?,
                }
            }
            Ok(())
        });
        ended.await.unwrap();
        self.remove_containers(id, None).await;
    }

    /// Gives an image of ours a name, or makes a container of it.
    async fn somebody_else(&mut self) {
        let rows = self.rows().await;
        let Some(row) = self.dice.one_of(&rows) else { return };
        let Some(digest) = self.digest(row.id).await else { return };
        let name = format!("theirs:{}", self.dice.roll(6));
        if self.fake.tag(&digest, &name).await.is_ok() {
            self.foreign.names.insert(name, digest);
        }
    }

    /// What is kept is there, what is not ours is as it was, and nothing was given up that had to stay.
    async fn check(&self, before: &[ReleaseRow], step: usize) -> Vec<ReleaseRow> {
        let rows = self.rows().await;
        let ids: Vec<ReleaseId> = rows.iter().map(|row| row.id).collect();
        let parts = self.app.db.read(move |c| release::components_of(c, &ids)).await.unwrap();
        for row in rows.iter().filter(|row| row.discarded_at.is_none()) {
            let needs = matches!(row.state, ReleaseState::Live | ReleaseState::Retired) || row.finished_at.is_none();
            let part = parts.get(&row.id).and_then(|parts| parts.first()).filter(|_| needs);
            let Some(digest) = part.and_then(|part| part.digest.clone()) else { continue };
            let found = self.fake.image(&digest).await;
            assert!(found.is_ok(), "step {step}: the image of #{} ({:?}) is gone: {found:?}", row.number, row.state);
        }
        let foreign = &self.foreign;
        for (name, id) in &foreign.names {
            assert_eq!(self.fake.image(name).await.map(|image| image.id).as_ref(), Ok(id), "step {step}: {name}");
        }
        for name in &foreign.containers {
            assert!(self.fake.inspect(name).await.is_ok(), "step {step}: {name}");
        }
        let calls = self.fake.calls();
        let removed =
            calls.iter().filter(|call| call.starts_with("remove_volume") || call.starts_with("remove_network"));
        assert_eq!(removed.count(), 0, "step {step}: clean-up touches neither");
        self.fake.clear_calls();
        self.nothing_kept_was_given_up(before, &rows, step).await;
        rows
    }

    async fn nothing_kept_was_given_up(&self, before: &[ReleaseRow], now: &[ReleaseRow], step: usize) {
        let left: HashSet<ReleaseId> = now.iter().map(|row| row.id).collect();
        let living: HashSet<DeploymentId> = self.living().await.into_iter().collect();
        let app = self.app.clone();
        let limits = self.app.db.read(move |c| crate::disk::settings::effective(c, &app)).await.unwrap();
        let keep = if self.by_budget { 2 } else { limits.keep_releases as usize };
        let mut rank: BTreeMap<DeploymentId, usize> = BTreeMap::new();
        for row in before {
            if !matches!(row.state, ReleaseState::Live | ReleaseState::Retired) || !living.contains(&row.deployment_id)
            {
                continue;
            }
            let rank = rank.entry(row.deployment_id).or_default();
            *rank += 1;
            if *rank <= keep || row.state == ReleaseState::Live {
                assert!(left.contains(&row.id), "step {step}: #{} was given up, {rank} of {keep}", row.number);
            }
        }
    }
}

#[tokio::test]
async fn nothing_that_is_needed_goes_and_nothing_of_others_is_touched() {
    let mut world = World::new(0x9E37_79B9_7F4A_7C15).await;
    let (mut before, mut given_up) = (world.rows().await, 0);
    for step in 0..STEPS {
        world.step().await;
        let now = world.check(&before, step).await;
        let left: HashSet<ReleaseId> = now.iter().map(|row| row.id).collect();
        given_up += before.iter().filter(|row| !left.contains(&row.id)).count();
        before = now;
    }
    let events = world.app.db.read(event::newest).await.unwrap();
    assert!(events.0 > 10, "deployments were removed");
    assert!(given_up > 100 && world.images > 100, "{given_up} {}", world.images);
    // What is left over at the end goes, and the rest stays.
    let kept: BTreeSet<String> = world.foreign.names.values().cloned().collect();
    world.keeper.free(CleanKind::Images).await.unwrap();
    clean::run(&world.app, &*world.fake, &HashSet::new()).await.unwrap();
    for id in kept {
        assert!(world.fake.image(&id).await.is_ok(), "{id}");
    }
}

#[tokio::test]
async fn what_is_left_over_goes_once_no_container_was_made_from_it() {
    let mut world = World::new(1).await;
    let instance = world.app.instance.clone();
    let name = format!("boathouse-{instance}/shop-production-web:7");
    let id = world.make_image(Some(&name), Some(&instance));
    world.fake.create(&ContainerSpec { name: "runs".into(), image: id.clone(), ..Default::default() }).await.unwrap();
    assert_eq!(world.keeper.free(CleanKind::Images).await.unwrap(), 0);
    assert!(world.fake.image(&name).await.is_ok());
    world.fake.remove("runs").await.unwrap();
    assert_eq!(world.keeper.free(CleanKind::Images).await.unwrap(), 1 << 20);
    assert!(world.fake.image(&id).await.is_err());
    world.fake.set_build_cache(5 << 30);
    assert_eq!(world.keeper.free(CleanKind::BuildCache).await.unwrap(), 5 << 30);
    world.fake.fail_next("images", ErrorKind::Unreachable);
    let gone = world.keeper.free(CleanKind::Images).await.unwrap_err();
    assert_eq!(gone.kind, boathouse_types::ErrorKind::Unavailable);
}
