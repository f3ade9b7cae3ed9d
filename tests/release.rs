//! Releases inside one process: the worker, the supervisor, the edge and the real engine, without the API between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use boathouse::config::ServeArgs;
use boathouse::db::release::ReleaseRow;
use boathouse::db::{deployment, env, event, host, object, project, release};
use boathouse::docker::subnet::Pool;
use boathouse::docker::{Containers, Engine};
use boathouse::error::Error;
use boathouse::logs::LogEvent;
use boathouse::observed::Phase;
use boathouse::release::{self as releases, Request, upload};
use boathouse::state::App;
use boathouse::supervisor::{self, Supervisor};
use boathouse::{edge, logs, serve};
use boathouse_types::{DeploymentId, DeploymentStage, Intent, ReleaseComponent, ReleaseState, Source, Stage, Trigger};
use bytes::Bytes;
use clap::Parser;
use futures_util::StreamExt;

use crate::engine_support::TestEngine;
use crate::harness::{GitRepo, Slot, TestApp, app, seconds, tar_gz, wait_for};

/// Builds run beside each other on two cores.
const DONE: Duration = Duration::from_secs(120);

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: ServeArgs,
}

/// A server without its API.
struct World {
    app: App,
    engine: Arc<Engine>,
    deployment: DeploymentId,
    _edge: edge::run::Running,
    _cleaner: TestEngine,
    _slot: Slot,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(source: Source) -> Self {
        Self::with(source, &[]).await
    }

    async fn with(source: Source, flags: &[&str]) -> Self {
        let (slot, folder) = (Slot::lease(), tempfile::tempdir().unwrap());
        let data = folder.path().join("data");
        let (http, https, pool) = (slot.address(0).to_string(), slot.address(1).to_string(), slot.network_pool());
        let mut args = vec!["test", "--data-dir", data.to_str().unwrap(), "--http", &http, "--https", &https];
        args.extend(["--network-pool", &pool, "--drain-timeout", "3", "--build-cache", "0"]);
        args.extend(flags);
        let app = serve::open(Flags::parse_from(args).serve).unwrap();
        let engine = Arc::new(Engine::new("/var/run/docker.sock", Pool::new(pool.parse().unwrap(), 24).unwrap()));
        let edge = edge::run::start(&app).await.unwrap();
        supervisor::start(Supervisor::new(&app, engine.clone()));
        releases::start(&app, engine.clone());
        logs::start(&app, engine.clone());
        let deployment = app
            .db
            .write(move |tx| {
                let project = project::create(tx, &"shop".parse()?, &source)?;
                deployment::create(tx, project, &"production".parse()?, DeploymentStage::Production, None)
            })
            .await
            .unwrap();
        let cleaner = TestEngine::of(app.instance.clone());
        Self { app, engine, deployment, _edge: edge, _cleaner: cleaner, _slot: slot, _folder: folder }
    }

    async fn store(&self, archive: Vec<u8>) -> Result<String, Error> {
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(archive))]);
        upload::store(&self.app, stream, upload::Holds::Code).await
    }

    async fn request(&self, reference: Option<&str>, upload: Option<String>) -> Result<ReleaseRow, Error> {
        let (id, reference) = (self.deployment, reference.map(str::to_owned));
        let row = self
            .app
            .db
            .write(move |tx| {
                let deployment = deployment::by_id(tx, id)?;
                let asked = Request {
                    deployment: &deployment,
                    actor: "anna",
                    reference: reference.as_deref(),
                    upload: upload.as_deref(),
                    no_cache: false,
                };
                let id = releases::request(tx, &asked)?;
                release::by_id(tx, id)
            })
            .await?;
        self.app.pokes.release.poke();
        Ok(row)
    }

    async fn row(&self, number: i64) -> ReleaseRow {
        let id = self.deployment;
        self.app.db.read(move |c| release::by_number(c, id, number)).await.unwrap()
    }

    async fn parts(&self, number: i64) -> Vec<ReleaseComponent> {
        let id = self.row(number).await.id;
        self.app.db.read(move |c| release::components(c, id)).await.unwrap()
    }

    async fn reaches(&self, number: i64, what: &str, wanted: impl Fn(&ReleaseRow) -> bool) -> ReleaseRow {
        wait_for(DONE, what, || async {
            let row = self.row(number).await;
            wanted(&row).then_some(row)
        })
        .await
    }

    async fn ends(&self, number: i64) -> ReleaseRow {
        let row = self.reaches(number, "the release has ended", |row| row.finished_at.is_some()).await;
        // The row ends first; folder and log follow at once.
        wait_for(seconds(10), "the work folder is gone", || async {
            (!self.app.paths.work().join(row.id.to_string()).exists()).then_some(())
        })
        .await;
        row
    }

    async fn lives(&self, number: i64) -> ReleaseRow {
        let row = self.ends(number).await;
        assert_eq!(row.state, ReleaseState::Live, "{:#?}\n{}", row.failure, self.log(number).await);
        row
    }

    async fn deploy(&self, app: &TestApp) -> ReleaseRow {
        let name = self.store(app.archive()).await.unwrap();
        let row = self.request(None, Some(name)).await.unwrap();
        self.ends(row.number).await
    }

    async fn roll_back(&self, to: i64) -> Result<ReleaseRow, Error> {
        let (app, id) = (self.app.clone(), self.deployment);
        let row = self
            .app
            .db
            .write(move |tx| {
                let old = release::by_number(tx, id, to)?;
                let new = releases::rollback(tx, &app, &deployment::by_id(tx, id)?, &old, "anna")?;
                release::by_id(tx, new)
            })
            .await?;
        self.app.pokes.release.poke();
        Ok(row)
    }

    async fn cancel(&self, number: i64) {
        let row = self.row(number).await;
        self.app.db.write(move |tx| releases::cancel(tx, &row, "anna")).await.unwrap();
        self.app.pokes.release.poke();
    }

    async fn log(&self, number: i64) -> String {
        let id = self.row(number).await.id;
        let lines = self.app.logs.read(id, 0, 10_000).await.unwrap();
        lines.into_iter().map(|line| format!("{}\n", line.text)).collect()
    }

    async fn visit(&self, host: &str, path: &str) -> (u16, String) {
        let address = self.app.config.https;
        let client = reqwest::Client::builder()
            .danger_accept_invalid_certs(true)
            .resolve(host, address)
            .no_proxy()
            .build()
            .unwrap();
        let url = format!("https://{host}:{}{path}", address.port());
        match client.get(url).send().await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        }
    }

    async fn set_env(&self, key: &str, value: &str) {
        let (app, id, key, value) = (self.app.clone(), self.deployment, key.parse().unwrap(), value.to_owned());
        self.app
            .db
            .write(move |tx| {
                let sealed = app.key.seal(&env::aad(id, None, &key), value.as_bytes());
                env::set(tx, id, None, &key, &sealed, true)
            })
            .await
            .unwrap();
    }

    async fn set_intent(&self, intent: Intent) {
        let id = self.deployment;
        self.app.db.write(move |tx| deployment::set_intent(tx, id, intent)).await.unwrap();
        self.app.pokes.supervisor.poke();
        self.app.pokes.edge.poke();
        self.app.pokes.release.poke();
    }

    async fn containers(&self) -> BTreeSet<String> {
        let label = boathouse::docker::Label::instance(&self.app.instance);
        self.engine.list(&label).await.unwrap().into_iter().map(|one| one.name).collect()
    }
}

fn git(repo: &GitRepo, branch: Option<&str>) -> Source {
    Source::Git { url: repo.url().parse().unwrap(), branch: branch.map(|b| b.parse().unwrap()), folder: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_becomes_live_is_replaced_and_rolled_back_to() {
    let world = World::new(Source::Upload).await;
    world.set_env("SECRET", "p4ss-w0rd-of-release-one").await;
    let first = world.deploy(&app("one")).await;
    assert_eq!(first.state, ReleaseState::Live, "{:#?}", first.failure);
    assert_eq!(world.visit("shop.localhost", "/").await, (200, "one".into()));
    assert_eq!(world.visit("shop.localhost", "/env?SECRET").await.1, "p4ss-w0rd-of-release-one");
    assert_eq!(world.visit("shop.localhost", "/env?PORT").await.1, "8080", "the port that the image declares");
    assert_eq!(world.visit("shop.localhost", "/env?STAGE").await.1, "production");
    let url = format!("https://shop.localhost:{}", world.app.config.https.port());
    assert_eq!(world.visit("shop.localhost", "/env?APP_PUBLIC_URL").await.1, url);
    assert_eq!(world.visit("shop.localhost", "/env?WEB_ENDPOINT").await.1, url);
    let id = first.id;
    let stages = world.app.db.read(move |c| release::brief::stages(c, &[id])).await.unwrap().remove(&id).unwrap();
    assert_eq!((stages.len(), stages[5].stage), (6, Stage::Drain), "it has no commands: {stages:?}");
    assert!(stages.iter().all(|times| times.finished_at.is_some()));

    world.set_env("SECRET", "another-value").await;
    assert_eq!(world.deploy(&app("two")).await.state, ReleaseState::Live);
    assert_eq!(world.visit("shop.localhost", "/").await.1, "two");
    assert_eq!(world.row(1).await.state, ReleaseState::Retired);
    let names = world.containers().await;
    assert_eq!(names.len(), 1, "the old release is gone: {names:?}");

    // Neither archive nor builder is needed any more: the same image, the same environment.
    std::fs::remove_dir_all(world.app.paths.uploads()).unwrap();
    let rolled = world.roll_back(1).await.unwrap();
    let rolled = world.lives(rolled.number).await;
    assert_eq!(rolled.trigger, Trigger::Rollback { to: 1 });
    assert_eq!(world.visit("shop.localhost", "/").await.1, "one");
    assert_eq!(world.visit("shop.localhost", "/env?SECRET").await.1, "p4ss-w0rd-of-release-one");
    assert_eq!(world.parts(3).await[0].digest, world.parts(1).await[0].digest);
    let first = world.parts(1).await.remove(0).digest.unwrap().replace("sha256:", "");
    let (app, row) = (world.app.clone(), world.row(3).await);
    let diff = world
        .app
        .db
        .read(move |c| {
            let of_one = boathouse::release::diff::of(c, &app, &row, Some(1))?;
            Ok((boathouse::release::diff::of(c, &app, &row, None)?, of_one))
        })
        .await;
    let (of_two, of_one) = diff.unwrap();
    assert_eq!((of_two.from, of_two.to, of_one.from), (2, 3, 1));
    assert!(of_one.steps.is_empty(), "code and configuration together: {:#?}", of_one.steps);
    let steps: Vec<String> = of_two.steps.iter().map(ToString::to_string).collect();
    assert!(steps.iter().any(|step| step.contains("SECRET") && !step.contains("release-one")), "{steps:#?}");
    assert!(steps.iter().any(|step| step.contains(&first[..12]) && step.contains(" instead of ")), "{steps:#?}");
    assert!(
        of_two.sizes.iter().all(|part| part.from_bytes > Some(1) && part.to_bytes > Some(1)),
        "{:#?}",
        of_two.sizes
    );
    let events = world.app.db.read(|c| event::before(c, None, &event::Of::default(), 100)).await.unwrap();
    for kind in ["release.queued", "release.building", "release.starting", "release.live", "release.finished"] {
        assert!(events.iter().any(|event| event.kind == kind && event.release == Some(3)), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_two_components_and_files_goes_live_together() {
    let manifest = "components:\n  - identifier: site\n    folder: /\n    static: public\n  - identifier: api\n    folder: /\n    health: {path: /}\n    volumes: [{identifier: data, path: /data}]\n  - identifier: taken\n    folder: /\n    static: /app\n    build: {dockerfile: Dockerfile.site}\n";
    let files = [
        app("api-1").files(),
        vec![
            ("boathouse.yaml".to_owned(), manifest.into()),
            ("public/index.html".to_owned(), "<h1>site</h1>".into()),
            ("public/.env".to_owned(), "SECRET=1".into()),
            ("Dockerfile.site".to_owned(), "FROM scratch\nCOPY public /app\n".into()),
        ],
    ]
    .concat();
    let repo = GitRepo::new(&files);
    let world = World::new(git(&repo, None)).await;
    world.request(None, None).await.unwrap();
    let row = world.lives(1).await;
    assert_eq!(row.commit.unwrap().sha, repo.git(&["rev-parse", "HEAD"]).trim());
    assert_eq!(world.visit("shop.localhost", "/").await, (200, "<h1>site</h1>".into()));
    assert_eq!(world.visit("shop.localhost", "/.env").await.0, 404);
    assert_eq!(world.visit("api-production-shop.localhost", "/").await.1, "api-1");
    assert_eq!(world.visit("taken-production-shop.localhost", "/index.html").await.1, "<h1>site</h1>");
    let parts = world.parts(1).await;
    assert_eq!(parts[1].digest, parts[2].digest, "the same files have the same digest: {parts:?}");
    world.visit("api-production-shop.localhost", "/write?kept").await;

    // A second commit; the volume stays, a vanished component's host goes.
    repo.commit(&[("boathouse.yaml".to_owned(), manifest.replace("  - identifier: taken\n    folder: /\n    static: /app\n    build: {dockerfile: Dockerfile.site}\n", "").into())], "less");
    world.request(None, None).await.unwrap();
    world.lives(2).await;
    assert_eq!(world.visit("api-production-shop.localhost", "/read").await.1.trim(), "kept");
    assert_ne!(world.visit("taken-production-shop.localhost", "/index.html").await.0, 200);
    let missing = world.request(Some("no-such-branch"), None).await.unwrap();
    let failed = world.ends(missing.number).await.failure.unwrap();
    assert_eq!(failed.stage, Stage::Source);
    assert!(failed.message.contains("no branch, tag or commit \"no-such-branch\""), "{}", failed.message);
    assert_eq!(world.visit("shop.localhost", "/").await.0, 200, "a failure never touches the old release");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_release_says_why_and_leaves_the_old_one_serving() {
    let world = World::new(Source::Upload).await;
    world.set_env("TOKEN", "t0ken-that-must-not-be-shown").await;
    assert_eq!(world.deploy(&app("good")).await.state, ReleaseState::Live);
    let before = world.containers().await;
    let short = "components:\n  - identifier: web\n    folder: /\n    health: {timeout: 3}\n";
    let leak = format!("{}RUN echo t0ken-that-must-not-be-shown\n", app("x").dockerfile());
    let cases: Vec<(Vec<u8>, Stage, &[&str])> = vec![
        (app("x").exits_at_once(3).archive(), Stage::Health, &["code 3", "cannot go on: configuration is missing"]),
        (app("x").manifest(short).never_listens().archive(), Stage::Health, &["did not become healthy", "3 s"]),
        (
            tar_gz(&[("boathouse.yaml", "components:\n  - identifier: web\n    hosst: []\n")]),
            Stage::Source,
            &["boathouse.yaml:3:5", "did you mean \"hosts\""],
        ),
        (
            tar_gz(&[("boathouse.yaml", "components:\n  - identifier: web\n")]),
            Stage::Build,
            &["\"web\" does not exist", "folder:"],
        ),
        (
            tar_gz(&[("boathouse.yaml", "components:\n  - {identifier: web, folder: /}\n")]),
            Stage::Build,
            &["no Dockerfile"],
        ),
        (tar_gz(&[("Dockerfile", leak.as_str())]), Stage::Build, &[]),
        (tar_gz(&[("README", "hello")]), Stage::Source, &["neither a boathouse.yaml nor a Dockerfile"]),
    ];
    for (number, (archive, stage, words)) in (2..).zip(cases) {
        let name = world.store(archive).await.unwrap();
        world.request(None, Some(name)).await.unwrap();
        let row = world.ends(number).await;
        let failure = row.failure.unwrap_or_else(|| panic!("#{number} is {:?}", row.state));
        let shown = format!("{}\n{}", failure.message, failure.log_tail.join("\n"));
        assert_eq!((failure.stage, failure.serving), (stage, Some(1)), "{shown}");
        for word in words {
            assert!(shown.contains(word), "#{number}: no {word:?} in {shown}");
        }
        assert!(!world.log(number).await.contains("t0ken-that"), "{}", world.log(number).await);
        assert_eq!(world.visit("shop.localhost", "/").await, (200, "good".into()));
    }
    wait_for(seconds(15), "only the good release's container is left", || async {
        (world.containers().await == before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_every_stage_and_leaves_nothing() {
    let world = World::new(Source::Upload).await;
    assert_eq!(world.deploy(&app("good")).await.state, ReleaseState::Live);
    let before = world.containers().await;
    let slow_build =
        app("slow").file("Dockerfile", "FROM scratch\nCOPY app /app\nRUN [\"/app\", \"--listen\", \"never\"]\n");
    for (number, app, state) in
        [(2, slow_build, ReleaseState::Building), (3, app("late").slow_start(60_000), ReleaseState::Starting)]
    {
        let name = world.store(app.archive()).await.unwrap();
        world.request(None, Some(name.clone())).await.unwrap();
        world.reaches(number, "it runs", |row| row.state == state).await;
        if state == ReleaseState::Building {
            wait_for(seconds(60), "the build runs", || async { world.log(number).await.contains("RUN").then_some(()) })
                .await;
        }
        let begun = std::time::Instant::now();
        world.cancel(number).await;
        let row = world.ends(number).await;
        assert_eq!((row.state, row.cancelled.as_deref()), (ReleaseState::Cancelled, Some("by anna")));
        assert!(begun.elapsed() < seconds(10));
        wait_for(seconds(10), "nothing of it runs", || async { (world.containers().await == before).then_some(()) })
            .await;
    }
    assert_eq!(world.visit("shop.localhost", "/").await.1, "good");
    let row = world.row(1).await;
    let refused = world.app.db.write(move |tx| releases::cancel(tx, &row, "anna")).await.unwrap_err();
    assert!(refused.message.contains("is live"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_release_supersedes_those_that_wait() {
    let world = World::new(Source::Upload).await;
    let slow = world.store(app("1").slow_start(5_000).archive()).await.unwrap();
    world.request(None, Some(slow)).await.unwrap();
    world.reaches(1, "the first is taken", |row| row.state != ReleaseState::Queued).await;
    for number in 2..5 {
        let name = world.store(app(&number.to_string()).archive()).await.unwrap();
        world.request(None, Some(name)).await.unwrap();
    }
    world.lives(4).await;
    for number in [2, 3] {
        let row = world.row(number).await;
        assert_eq!(row.cancelled.as_deref(), Some(format!("superseded by #{}", number + 1).as_str()));
    }
    assert_eq!(world.row(1).await.state, ReleaseState::Retired);
    assert_eq!(world.visit("shop.localhost", "/").await.1, "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_pipeline_and_containers_are_followed_to_their_end() {
    let world = World::new(Source::Upload).await;
    let name = world.store(app("v1").archive()).await.unwrap();
    let row = world.request(None, Some(name)).await.unwrap();
    let mut follower = Box::pin(world.app.logs.follow(row.id, 0));
    let mut lines = Vec::new();
    loop {
        match tokio::time::timeout(DONE, follower.next()).await.unwrap().unwrap().unwrap() {
            LogEvent::Line(line) => lines.push(line),
            LogEvent::Gap(gap) => panic!("{gap:?}"),
            LogEvent::End => break,
        }
    }
    assert_eq!(lines, world.app.logs.read(row.id, 0, 10_000).await.unwrap());
    assert!(lines.iter().any(|line| line.stream == "build") && lines.iter().any(|line| line.stream == "drain"));
    world.set_env("TOKEN", "s3cret-t0ken").await;
    assert_eq!(world.visit("shop.localhost", "/print?hello").await.0, 200);
    let read = || async {
        let lines = world.app.logs.tail(world.deployment, Default::default(), 100).await.unwrap();
        lines.iter().any(|line| line.text == "hello").then_some(lines)
    };
    let lines = wait_for(seconds(20), "the container's line is stored", read).await;
    assert_eq!(lines.iter().filter(|line| line.text.contains("version v1 starts")).count(), 1, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_deployment_leaves_nothing_and_old_releases_are_discarded() {
    let world = World::with(Source::Upload, &["--keep", "1"]).await;
    for version in ["1", "2", "3"] {
        assert_eq!(world.deploy(&app(version)).await.state, ReleaseState::Live);
    }
    wait_for(seconds(20), "the first release is discarded", || async { world.row(1).await.discarded_at }).await;
    let refused = world.roll_back(1).await.unwrap_err();
    assert!(refused.message.contains("cleaned away"), "{refused}");
    let digest = world.parts(3).await[0].digest.clone().unwrap();
    assert!(world.engine.image(&digest).await.is_ok(), "the live release's image stays");
    let gone = world.parts(1).await[0].digest.clone().unwrap();
    wait_for(seconds(20), "the first image is gone", || async {
        world.engine.image(&gone).await.is_err().then_some(())
    })
    .await;

    world.set_intent(Intent::Deleted).await;
    let id = world.deployment;
    wait_for(seconds(40), "the deployment is gone", || async {
        let found = world.app.db.read(move |c| deployment::by_id(c, id)).await;
        found.is_err().then_some(())
    })
    .await;
    assert_eq!(world.containers().await, BTreeSet::new());
    assert!(world.engine.image(&digest).await.is_err());
    let label = boathouse::docker::Label::instance(&world.app.instance);
    assert!(world.engine.list_networks(&label).await.unwrap().is_empty());
    assert_eq!(std::fs::read_dir(world.app.paths.releases()).unwrap().count(), 0);
    let hosts = world.app.db.read(host::all).await.unwrap();
    assert_eq!(hosts, []);
    let left = world.app.db.read(object::containers).await.unwrap();
    assert!(left.is_empty() && world.app.observed.containers().iter().all(|(_, c)| c.phase != Phase::Healthy));
}

/// What the edge cannot read, it cannot route by: it goes on with the table it has.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_the_edge_cannot_route_to_gives_way_to_the_one_before() {
    let world = World::new(Source::Upload).await;
    assert_eq!(world.deploy(&app("one")).await.state, ReleaseState::Live);
    let before = world.containers().await;
    let rename = |from: &'static str, to: &'static str| {
        world.app.db.write(move |tx| Ok(tx.execute_batch(&format!("alter table {from} rename to {to}"))?))
    };
    rename("certificate", "certificate_away").await.unwrap();

    let failed = world.deploy(&app("two")).await;
    assert_eq!(failed.state, ReleaseState::Failed);
    let failure = failed.failure.unwrap();
    assert_eq!(failure.stage, Stage::Switch);
    assert!(failure.message.contains("did not route") && failure.message.contains("the database"), "{failure:?}");
    assert_eq!(world.row(1).await.state, ReleaseState::Live);
    assert_eq!(world.visit("shop.localhost", "/").await, (200, "one".into()));
    wait_for(seconds(30), "only the containers of the first release are left", || async {
        (world.containers().await == before).then_some(())
    })
    .await;

    rename("certificate_away", "certificate").await.unwrap();
    assert_eq!(world.deploy(&app("three")).await.state, ReleaseState::Live);
    assert_eq!(world.visit("shop.localhost", "/").await, (200, "three".into()));
}
