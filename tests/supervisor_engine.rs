//! The supervisor with its own tasks and the real engine: what is done behind its back is undone within ten seconds.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boathouse::docker::subnet::Pool;
use boathouse::docker::{Containers, Engine, ImageInfo};
use boathouse::observed::{Container, Phase};
use boathouse::stack::Component;
use boathouse::supervisor::{self, Supervisor};
use boathouse_types::Intent;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::engine_support::{TestEngine, until};
use crate::supervisor_stage::{Plan, Stage, component};

/// How fast the supervisor must be.
const CONVERGENCE: Duration = Duration::from_secs(10);

/// A stage whose supervisor runs as in the server, and the engine's view of it.
struct Live {
    stage: Stage,
    test: TestEngine,
    image: ImageInfo,
}

impl Live {
    async fn new() -> Self {
        Self::over(Arc::new(Engine::new("/var/run/docker.sock", Pool::default()))).await
    }

    async fn over(engine: Arc<Engine>) -> Self {
        let stage = Stage::new(engine.clone()).await;
        let test = TestEngine::of(stage.app.instance.clone());
        let image = test.probe_image().await;
        supervisor::start(Supervisor::new(&stage.app, engine));
        Self { stage, test, image }
    }

    /// Makes a release of one component `web` live and waits until it answers.
    async fn deploy(&self, arguments: &[&str]) -> String {
        let id = self.stage.release(self.plan(component("web", arguments))).await;
        self.stage.go_live(id).await;
        self.stage.app.pokes.supervisor.poke();
        let name = self.stage.name(1, "web");
        self.healthy(&name).await;
        name
    }

    fn plan(&self, mut web: Component) -> Plan {
        web.port = web.port.filter(|port| *port != 9);
        Plan::of(&self.image.id, vec![web])
    }

    async fn healthy(&self, name: &str) -> Container {
        until("health", || async {
            let seen = self.stage.app.observed.container(name)?;
            let at = (seen.address?, seen.port?);
            (seen.phase == Phase::Healthy && TcpStream::connect(at).await.is_ok()).then_some(seen)
        })
        .await
    }

    /// Waits for words in what is shown as the problem of `web`.
    async fn problem(&self, words: &str) -> Container {
        let shown = || async {
            self.stage
                .observed(1, "web")
                .filter(|one| one.problem.as_ref().is_some_and(|problem| problem.contains(words)))
        };
        until(words, shown).await
    }

    async fn end(self) {
        self.stage.app.tasks.shut_down(Duration::from_secs(5)).await;
    }
}

fn docker(arguments: &[&str]) {
    assert!(Command::new("docker").args(arguments).output().unwrap().status.success(), "docker {arguments:?}");
}

#[tokio::test]
async fn whatever_is_done_behind_its_back_is_undone() {
    let live = Live::new().await;
    let name = live.deploy(&["serve", "8080"]).await;
    let network = format!("bh-{}-shop-production", live.stage.app.instance);
    let tricks: [(&str, Vec<&str>); 6] = [
        ("kill", vec!["kill", &name]),
        ("stop", vec!["stop", "-t", "0", &name]),
        ("remove", vec!["rm", "-f", &name]),
        ("rename", vec!["rename", &name, "bhtest-renamed-behind-its-back"]),
        ("pause", vec!["pause", &name]),
        ("disconnect", vec!["network", "disconnect", &network, &name]),
    ];
    for (trick, arguments) in tricks {
        let begin = Instant::now();
        docker(&arguments);
        until(trick, || async {
            let seen = live.test.engine.inspect(&name).await.ok()?;
            let published = live.stage.app.observed.container(&name)?;
            let same = published.engine_id.as_ref() == Some(&seen.id)
                && published.address == seen.addresses.get(&network).copied();
            (seen.is_running() && same && published.phase == Phase::Healthy).then_some(())
        })
        .await;
        let took = begin.elapsed();
        assert!(took < CONVERGENCE, "{trick} took {took:?}");
    }
    live.end().await;
}

#[tokio::test]
async fn the_network_comes_back_too() {
    let live = Live::new().await;
    let name = live.deploy(&["serve", "8080"]).await;
    let network = format!("bh-{}-shop-production", live.stage.app.instance);
    docker(&["rm", "-f", &name]);
    Command::new("docker").args(["network", "rm", &network]).output().unwrap();
    until("the container on its network", || async {
        let seen = live.test.engine.inspect(&name).await.ok()?;
        (seen.is_running() && seen.addresses.contains_key(&network)).then_some(())
    })
    .await;
    live.healthy(&name).await;
    live.end().await;
}

#[tokio::test]
async fn a_crash_loop_is_shown_with_its_exit_code() {
    let live = Live::new().await;
    live.stage.release(live.plan(component("web", &["exit", "3"]))).await;
    live.stage.app.pokes.supervisor.poke();
    let seen = live.problem("exit code 3").await;
    assert_eq!(seen.phase, Phase::Exited { code: 3, out_of_memory: false });
    until("the second restart", || async { (live.stage.observed(1, "web")?.restarts >= 2).then_some(()) }).await;
    live.end().await;
}

#[tokio::test]
async fn what_cannot_start_and_what_cannot_be_reached_is_explained() {
    for (arguments, port, words) in [
        (&["loopback", "8080"][..], None, "listens on 127.0.0.1 only"),
        (&["serve", "3000"][..], Some(8080), "it listens on 3000"),
        (&["sleep"][..], Some(8080), "nothing listens there yet"),
    ] {
        let live = Live::new().await;
        let mut web = component("web", arguments);
        web.port = port;
        live.stage.release(live.plan(web)).await;
        live.stage.app.pokes.supervisor.poke();
        let seen = live.problem(words).await;
        assert_eq!(seen.phase, Phase::Starting);
        live.end().await;
    }
}

#[tokio::test]
async fn a_health_path_must_answer_well() {
    let live = Live::new().await;
    let mut web = component("web", &["serve", "8080", "503 Service Unavailable"]);
    web.health.path = Some("/healthz".to_owned());
    live.stage.release(live.plan(web)).await;
    live.stage.app.pokes.supervisor.poke();
    let seen = live.problem("GET /healthz answered 503: hello").await;
    assert_eq!(seen.phase, Phase::Starting);
    live.end().await;
}

#[tokio::test]
async fn a_stubborn_container_is_killed_and_nothing_is_left() {
    let live = Live::new().await;
    live.stage.release(live.plan(component("web", &["stubborn"]))).await;
    live.stage.app.pokes.supervisor.poke();
    until("the start", || async { live.stage.observed(1, "web")?.address }).await;
    live.stage.set_intent(Intent::Deleted).await;
    live.stage.app.pokes.supervisor.poke();
    let label = live.test.label();
    until("nothing to be left", || async {
        let containers = live.test.engine.list(&label).await.ok()?;
        let networks = live.test.engine.list_networks(&label).await.ok()?;
        (containers.is_empty() && networks.is_empty()).then_some(())
    })
    .await;
    live.end().await;
}

#[tokio::test]
async fn an_engine_that_hangs_or_goes_is_said_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let cut = CancellationToken::new();
    let proxy = relay(&socket, cut.clone());
    let live = Live::over(Arc::new(Engine::new(&socket, Pool::default()))).await;
    let name = live.deploy(&["serve", "8080"]).await;
    let before = live.stage.app.observed.container(&name).unwrap();
    cut.cancel();
    until("the engine to be missed", || async { (!live.stage.app.observed.engine().reachable).then_some(()) }).await;
    let meanwhile = live.stage.app.observed.container(&name).unwrap();
    assert_eq!((meanwhile.address, meanwhile.phase), (before.address, Phase::Healthy));
    drop(proxy);
    std::fs::remove_file(&socket).ok();
    let _proxy = relay(&socket, CancellationToken::new());
    until("the engine to be found", || async { live.stage.app.observed.engine().reachable.then_some(()) }).await;
    assert_eq!(live.stage.app.observed.container(&name).unwrap().restarts, 0);
    live.end().await;
}

/// A socket in front of the engine's. Once cut, it accepts and never answers, as an engine that hangs.
fn relay(socket: &std::path::Path, cut: CancellationToken) -> tokio::task::JoinSet<()> {
    let listener = UnixListener::bind(socket).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let cut = cut.clone();
            connections.spawn(async move {
                let mut engine = UnixStream::connect("/var/run/docker.sock").await.unwrap();
                tokio::select! {
                    () = cut.cancelled() => std::future::pending().await,
                    copied = tokio::io::copy_bidirectional(&mut client, &mut engine) => drop(copied),
                }
            });
        }
    });
    tasks
}
