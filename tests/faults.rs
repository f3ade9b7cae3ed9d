//! `kill -9` at every step boundary: after the restart each release comes to its end, the app was never down, and nothing is
//! left behind.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use boathouse::db::Db;
use boathouse::fault::POINTS;
use boathouse_types::{Intent, NewRelease, Project, Release, ReleaseState, Source};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder};
use http::Method;

use crate::harness::{Client, Engine, GitRepo, Server, TestApp, app, at, seconds, tar_gz, upload, wait_for};
use crate::lifecycle_dev::developed;

/// From the restart to a terminal state.
const RECOVERY: Duration = Duration::from_secs(30);
/// Until the chosen point is reached.
const REACHED: Duration = Duration::from_secs(90);
const SHOP: &str = "shop";
const REPO: &str = "repo";

/// What passes a point.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Story {
    Redeploy,
    Git,
    First,
    RollBack,
    Cancel,
    Fail,
    Delete,
    Recycle,
    Promote,
    Clone,
    Expire,
    Develop,
    Code,
}

impl Story {
    /// Whether somebody is served all the time.
    fn serves(self) -> bool {
        !matches!(self, Self::First | Self::Delete | Self::Recycle | Self::Expire | Self::Develop | Self::Code)
    }
}

fn story(point: &str) -> Story {
    match point {
        "source.fetched" | "source.checked_out" => Story::Git,
        "rollback.checked" => Story::RollBack,
        "fail.recorded" => Story::Fail,
        "network.removed" => Story::Redeploy,
        _ if point.starts_with("network.") => Story::First,
        _ if point.starts_with("cancel.") => Story::Cancel,
        _ if point.starts_with("delete.") => Story::Delete,
        _ if point.starts_with("recycle.") => Story::Recycle,
        "expiry.stopped" => Story::Expire,
        _ if point.starts_with("develop.") => Story::Develop,
        _ if point.starts_with("code.") => Story::Code,
        _ if point.starts_with("clone.") => Story::Clone,
        "promote.checked" => Story::Promote,
        _ => Story::Redeploy,
    }
}

/// Walked by stories of their own, which can tell what must be true there: those of what their names begin with, in files named alike.
fn is_elsewhere(point: &str) -> bool {
    let mut kinds =
        "restart. rotate. migrate. clone.dumped push. catalog. hook. preview. status. load. folder. run. command. schedule. guard. sleep. wake. backup. restore. policy."
            .split(' ');
    kinds.any(|kind| point.starts_with(kind))
}

#[test]
fn there_are_points_enough() {
    assert!(POINTS.len() >= 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_boundary_of_a_redeploy_it_recovers() {
    let points: Vec<&str> =
        POINTS.iter().copied().filter(|point| story(point) == Story::Redeploy && !is_elsewhere(point)).collect();
    let (first, second) = points.split_at(points.len() / 2);
    tokio::join!(walk(first), walk(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_other_boundary_it_recovers() {
    let points: Vec<&str> =
        POINTS.iter().copied().filter(|point| story(point) != Story::Redeploy && !is_elsewhere(point)).collect();
    walk(&points).await;
}

async fn walk(points: &[&'static str]) {
    let mut world = World::new().await;
    for point in points {
        world.survives(point).await;
    }
}

/// A container with a volume, one that is its sibling, files of the source, and files out of an image.
fn version(text: &str) -> TestApp {
    let manifest = "components:\n  - identifier: web\n    folder: /\n    health: {timeout: 20}\n    volumes: [{identifier: data, path: /data}]\n  - identifier: back\n    folder: /\n    health: {timeout: 20}\n  - identifier: site\n    folder: /\n    static: public\n  - identifier: taken\n    folder: /\n    static: /taken\n    build: {dockerfile: Dockerfile.taken}\n";
    app(text)
        .manifest(manifest)
        .file("public/index.html", text)
        .file("Dockerfile.taken", "FROM scratch\nCOPY public /taken\n")
}

struct World {
    server: Server,
    engine: Engine,
    fault: PathBuf,
    _folder: tempfile::TempDir,
    repo: GitRepo,
    versions: u32,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let fault = folder.path().join("fault");
        let server = Server::options()
            .flag("--fault", fault.display())
            .flag("--drain-timeout", 2)
            .flag("--recycle-period", 1)
            .start()
            .await;
        let repo = GitRepo::new(&version("git").files());
        let local = server.local();
        local.create_project(SHOP, &upload()).await;
        local.deploy_archive(SHOP, version("0").archive()).await;
        Self { server, engine: Engine::connect().await, fault, _folder: folder, repo, versions: 0 }
    }

    async fn survives(&mut self, point: &'static str) {
        self.versions += 1;
        let text = format!("{point}-{}", self.versions);
        let began = std::time::Instant::now();
        let (project, before) = self.prepare(point).await;
        std::fs::write(&self.fault, point).unwrap();
        self.trigger(point, &project, &text).await;
        wait_for(REACHED, &format!("the process dies at {point}"), || std::future::ready(self.server.ended())).await;
        std::fs::remove_file(&self.fault).unwrap();
        // One that is just being copied is paused until we are back.
        if story(point).serves() && story(point) != Story::Clone {
            self.answers_directly(&project, point).await;
        }
        self.server.kill();
        self.server.start_again().await;
        let watch = self.watch(&project, story(point).serves()).await;
        let newest = self.recovers(point, &project).await;
        if let Some(newest) = &newest {
            self.serves_what_is_live(point, &project, &before, &text, newest).await;
        }
        watch.ends(point).await;
        self.leaves_nothing(point).await;
        eprintln!("{point}: {} ms", began.elapsed().as_millis());
    }

    /// The project that the point is about, with a release that serves where one must; and what it serves.
    async fn prepare(&self, point: &str) -> (String, String) {
        let local = self.server.local();
        let number = self.versions;
        match story(point) {
            Story::First => {
                let name = format!("first-{number}");
                local.create_project(&name, &upload()).await;
                (name, String::new())
            }
            Story::Delete | Story::Recycle | Story::Expire => {
                let name = format!("gone-{number}");
                local.create_project(&name, &upload()).await;
                local.deploy_archive(&name, version("gone").archive()).await;
                (name, "gone".to_owned())
            }
            Story::Git => {
                let projects: Vec<Project> = local.read("/api/v1/projects").await;
                if !projects.iter().any(|project| project.name.as_str() == REPO) {
                    let url = self.repo.url().parse().unwrap();
                    local.create_project(REPO, &Source::Git { url, branch: None, folder: None }).await;
                    let release = local.deploy(REPO).await;
                    local.must_be_live(release).await;
                }
                (REPO.to_owned(), self.text(REPO).await)
            }
            Story::Develop | Story::Code => {
                let name = format!("code-{number}");
                local.create_project(&name, &upload()).await;
                let stage = serde_json::json!({ "stage": "development" });
                local.patch(&at(&name, "production"), &stage).await.ok();
                if story(point) == Story::Code {
                    local.deploy_archive(&name, developed()).await;
                }
                (name, String::new())
            }
            Story::Promote => {
                let new = serde_json::json!({ "name": "next", "stage": "staging" });
                local.post(&format!("/api/v1/projects/{SHOP}/deployments"), &new).await.ok();
                let path = format!("{}/releases/upload", at(SHOP, "next"));
                let body = Some(("application/gzip", version(&format!("{point}-{number}")).archive()));
                let release: Release = local.send(Method::POST, &path, body).await.json();
                local.must_be_live(local.ended(&release).await).await;
                (SHOP.to_owned(), self.text(SHOP).await)
            }
            Story::RollBack => {
                let text = format!("next-{number}");
                local.deploy_archive(SHOP, version(&text).archive()).await;
                (SHOP.to_owned(), text)
            }
            Story::Clone => {
                self.server.visit("shop.localhost", "/write?data").await.ok();
                (SHOP.to_owned(), self.text(SHOP).await)
            }
            _ => (SHOP.to_owned(), self.text(SHOP).await),
        }
    }

    /// The text of `web`, as a visitor sees it.
    async fn text(&self, project: &str) -> String {
        self.server.visit(&format!("{project}.localhost"), "/").await.text()
    }

    /// Sends what makes the process pass the point; it may die before it answers.
    async fn trigger(&self, point: &str, project: &str, text: &str) {
        let local = self.server.local();
        let releases = format!("{}/releases", at(project, "production"));
        match story(point) {
            Story::Redeploy | Story::First => send(&local, project, version(text).archive()).await,
            Story::Fail => send(&local, project, version(text).exits_at_once(1).archive()).await,
            Story::Git => {
                self.repo.commit(&version(text).files(), text);
                let body = serde_json::to_vec(&NewRelease::default()).unwrap();
                drop(local.try_send(Method::POST, &releases, Some(("application/json", body))).await);
            }
            Story::RollBack => {
                let live = local.deployment(project, "production").await.live.unwrap().number;
                let all: Vec<Release> = local.read(&releases).await;
                let older = all.iter().find(|release| release.number < live && release.can_roll_back).unwrap().number;
                drop(local.try_send(Method::POST, &format!("{releases}/{older}/rollback"), None).await);
            }
            Story::Cancel => {
                let release = local.upload(project, version(text).slow_start(60_000).archive()).await;
                wait_for(REACHED, "it starts", || async {
                    (local.release(&release).await.state == ReleaseState::Starting).then_some(())
                })
                .await;
                drop(local.try_send(Method::POST, &format!("{releases}/{}/cancel", release.number), None).await);
            }
            Story::Develop => send(&local, project, developed()).await,
            Story::Code => {
                let deployment = at(project, "production");
                if point == "code.removed" {
                    let body = serde_json::to_vec(&serde_json::json!({ "paths": ["gone.txt"] })).unwrap();
                    let body = Some(("application/json", body));
                    drop(local.try_send(Method::POST, &format!("{deployment}/code/delete"), body).await);
                } else {
                    let changed = tar_gz(&[("kept.txt".to_owned(), b"changed".to_vec())]);
                    let body = Some(("application/gzip", changed));
                    drop(local.try_send(Method::PUT, &format!("{deployment}/code"), body).await);
                }
            }
            Story::Expire => {
                let db =
                    Db::open(&self.server.data().join("boathouse.db"), &self.server.data().join("backups")).unwrap();
                let sql = format!("update deployment set expires_at = 1 where slug = '{project}-production'");
                db.write(move |tx| Ok(tx.execute_batch(&sql)?)).await.unwrap();
                // The task sleeps until it is told that something has changed.
                let body = Some(("application/json", b"{}".to_vec()));
                drop(local.try_send(Method::PATCH, &at(project, "production"), body).await);
            }
            Story::Clone => {
                let body =
                    serde_json::to_vec(&serde_json::json!({ "name": format!("copy-{}", self.versions) })).unwrap();
                let path = format!("{}/clone", at(project, "production"));
                drop(local.try_send(Method::POST, &path, Some(("application/json", body))).await);
            }
            Story::Promote => {
                let body = serde_json::to_vec(&serde_json::json!({ "from": { "deployment": "next" } })).unwrap();
                drop(
                    local
                        .try_send(Method::POST, &format!("{releases}/promote"), Some(("application/json", body)))
                        .await,
                );
            }
            Story::Delete | Story::Recycle => {
                let now = story(point) == Story::Delete;
                let path = format!("/api/v1/projects/{project}?confirm={project}&now={now}");
                drop(local.try_send(Method::DELETE, &path, None).await);
            }
        }
    }

    /// While the process is dead the app goes on: a container of the deployment answers at its own address.
    async fn answers_directly(&self, project: &str, point: &str) {
        let marker = format!("-{project}-production-");
        let mut tried = Vec::new();
        for name in self.engine.container_names(&self.server.instance()).await {
            if !name.contains(&marker) {
                continue;
            }
            let inspected = self.engine.docker.inspect_container(&name, None::<InspectContainerOptions>).await.unwrap();
            let networks = inspected.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
            let address = networks.into_values().find_map(|network| network.ip_address?.parse::<IpAddr>().ok());
            tried.push((name, address));
            if let Some(address) = address
                && reqwest::get(format!("http://{}/", SocketAddr::new(address, 8080)))
                    .await
                    .is_ok_and(|a| a.status().is_success())
            {
                return;
            }
        }
        panic!("{point}: no container of {project} answers while the process is dead: {tried:?}");
    }

    /// The newest release, once it has ended; nothing for a project that is gone.
    async fn recovers(&self, point: &str, project: &str) -> Option<Release> {
        let local = self.server.local();
        let what = format!("{point}: a terminal state");
        if matches!(story(point), Story::Delete | Story::Recycle) {
            wait_for(RECOVERY, &what, || async {
                (local.get(&format!("/api/v1/projects/{project}")).await.status == 404).then_some(())
            })
            .await;
            return None;
        }
        if matches!(story(point), Story::Develop | Story::Code) {
            self.code_arrives(project, point).await;
            return None;
        }
        if story(point) == Story::Expire {
            wait_for(RECOVERY, &what, || async {
                let now = local.deployment(project, "production").await;
                (now.intent == Intent::Stopped).then_some(())
            })
            .await;
            self.removes(project).await;
            return None;
        }
        if story(point) == Story::Clone {
            self.clone_is_whole(project, &format!("copy-{}", self.versions), point).await;
            return None;
        }
        let releases = format!("{}/releases", at(project, "production"));
        let newest: Vec<Release> = local.read(&releases).await;
        let newest = newest.into_iter().next()?;
        Some(local.ended_within(RECOVERY, &newest).await)
    }

    /// Its development server has the code that was sent last; then it goes.
    async fn code_arrives(&self, project: &str, point: &str) {
        let host = format!("{project}.localhost");
        let kept = if matches!(point, "code.put" | "code.arrived") { "changed" } else { "kept" };
        let gone = if point == "code.removed" { 404 } else { 200 };
        let (local, path) = (self.server.local(), at(project, "production"));
        wait_for(RECOVERY, &format!("{point}: the code is there"), || async {
            // Before it is live its name has no certificate.
            let releases: Vec<Release> = local.read(&format!("{path}/releases")).await;
            let newest = releases.first()?;
            if newest.state != ReleaseState::Live || newest.finished_at.is_none() {
                return None;
            }
            let kept_now = self.server.visit(&host, "/kept.txt").await;
            let gone_now = self.server.visit(&host, "/gone.txt").await;
            (kept_now.text() == kept && gone_now.status == gone).then_some(())
        })
        .await;
        self.removes(project).await;
    }

    async fn removes(&self, project: &str) {
        self.server.local().delete(&format!("/api/v1/projects/{project}?confirm={project}&now=true")).await.ok();
    }

    /// It serves the data of its source, and goes again.
    async fn clone_is_whole(&self, project: &str, name: &str, point: &str) {
        let (local, path) = (self.server.local(), at(project, name));
        wait_for(RECOVERY, &format!("{point}: the clone is live"), || async {
            let releases: Vec<Release> = local.read(&format!("{path}/releases")).await;
            releases
                .first()
                .is_some_and(|one| one.state == ReleaseState::Live && one.finished_at.is_some())
                .then_some(())
        })
        .await;
        let data = async |host: String| self.server.visit(&host, "/read").await.text();
        let (source, copy) =
            (data(format!("{project}.localhost")).await, data(format!("web-{name}-{project}.localhost")).await);
        assert!(!source.is_empty() && source == copy, "{point}: {source:?} and {copy:?}");
        local.delete(&format!("{path}?confirm={name}&now=true")).await.ok();
        wait_for(RECOVERY, &format!("{point}: the clone is gone"), || async {
            (local.get(&format!("{path}/releases")).await.status == 404).then_some(())
        })
        .await;
    }

    async fn serves_what_is_live(&self, point: &str, project: &str, before: &str, text: &str, newest: &Release) {
        let expected = match (story(point), newest.state) {
            (Story::Redeploy, ReleaseState::Live) if point == "upload.stored" => before,
            (Story::Redeploy | Story::Git | Story::First | Story::Promote, ReleaseState::Live) => text,
            (Story::Fail, ReleaseState::Failed) | (Story::Cancel, ReleaseState::Cancelled) => before,
            (Story::RollBack, ReleaseState::Live) => {
                wait_for(seconds(10), &format!("{point}: the older version is served"), || async {
                    let answer = self.server.visit(&format!("{project}.localhost"), "/").await;
                    (answer.status == 200 && answer.text() != before).then_some(())
                })
                .await;
                return;
            }
            _ => panic!("{point}: release {} is {:?}: {:#?}", newest.number, newest.state, newest.failure),
        };
        // It may still be switching; the watch counts every failure meanwhile.
        wait_for(seconds(10), &format!("{point}: {expected} is served"), || async {
            (self.text(project).await == expected).then_some(())
        })
        .await;
        let site = self.server.visit(&format!("site-production-{project}.localhost"), "/").await;
        assert_eq!(site.text(), expected, "{point}");
    }

    /// Only what serves is left: containers, networks, folders.
    async fn leaves_nothing(&self, point: &str) {
        let local = self.server.local();
        let projects: Vec<Project> = local.read("/api/v1/projects").await;
        let live = projects.iter().flat_map(|p| &p.deployments).filter(|d| d.live.is_some()).count();
        let instance = self.server.instance();
        let (data, prefix) = (self.server.data(), format!("bh-{instance}-"));
        let last = std::sync::Mutex::new(String::new());
        let began = std::time::Instant::now();
        wait_for(seconds(40), &format!("{point}: only what serves is left"), || async {
            if began.elapsed() > seconds(20) {
                panic!("{point}: after 20 s there is more left than what serves: {}", last.lock().unwrap());
            }
            let options = ListContainersOptionsBuilder::new().all(true).build();
            let all = self.engine.docker.list_containers(Some(options)).await.unwrap();
            let named = |name: &String| name.trim_start_matches('/').starts_with(&prefix);
            let ours = all.iter().filter(|one| one.names.iter().flatten().any(named)).count();
            let networks = self.engine.network_names(&instance).await.len();
            let volumes = self.engine.volume_names(&instance).await.len();
            let work = std::fs::read_dir(data.join("work")).unwrap().count();
            let mut sites = std::fs::read_dir(data.join("sites")).unwrap().flatten();
            let staging = sites.any(|entry| entry.file_name().to_string_lossy().starts_with('.'));
            let found = (ours, networks, volumes, work, staging);
            let names: Vec<_> =
                all.iter().flat_map(|one| one.names.iter().flatten()).filter(|name| named(name)).collect();
            *last.lock().unwrap() =
                format!("containers, networks, volumes, work, staging: {found:?} of {live}; {names:?}");
            // Two containers, the deployment's network and the release's, one volume.
            (found == (2 * live, 2 * live, live, 0, false)).then_some(())
        })
        .await;
    }

    /// Visits the app through the edge until told to stop: from the process's first moment on it must never fail.
    async fn watch(&self, project: &str, serves: bool) -> Watch {
        let (stop, bad) = (Arc::new(AtomicBool::new(!serves)), Arc::new(AtomicU32::new(0)));
        let client = self.server.visitor().await;
        let url = self.server.url(&format!("{project}.localhost"), "/");
        let task = tokio::spawn({
            let (stop, bad) = (stop.clone(), bad.clone());
            async move {
                let mut pace = tokio::time::interval(Duration::from_millis(20));
                while !stop.load(Ordering::Relaxed) {
                    let good = client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success());
                    if !good {
                        bad.fetch_add(1, Ordering::Relaxed);
                    }
                    pace.tick().await;
                }
            }
        });
        Watch { stop, bad, task }
    }
}

struct Watch {
    stop: Arc<AtomicBool>,
    bad: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    async fn ends(self, point: &str) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        assert_eq!(self.bad.load(Ordering::Relaxed), 0, "{point}: requests failed while it recovered");
    }
}

async fn send(local: &Client, project: &str, archive: Vec<u8>) {
    let path = format!("{}/releases/upload", at(project, "production"));
    // The process may die before it answers.
    drop(local.try_send(Method::POST, &path, Some(("application/gzip", archive))).await);
}
