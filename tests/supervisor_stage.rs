//! What tests of the supervisor share: a data directory with one deployment, releases written as the release worker
//! writes them, and a supervisor that is run pass by pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use boathouse::config::ServeArgs;
use boathouse::db::{Transaction, deployment, object, project, release, volume};
use boathouse::docker::Containers;
use boathouse::observed::{Container, Phase};
use boathouse::serve;
use boathouse::stack::{Component, Origin, Stack, Volume};
use boathouse::state::App;
use boathouse::supervisor::Supervisor;
use boathouse_types::{DeploymentId, DeploymentStage, Identifier, Intent, ReleaseId, ReleaseState, Serves, Source};
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::engine_support::PATIENCE;
use crate::harness::by_hand;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    serve: ServeArgs,
}

/// One deployment and its supervisor.
pub struct Stage {
    pub app: App,
    pub supervisor: Arc<Supervisor>,
    pub deployment: DeploymentId,
    _folder: tempfile::TempDir,
}

/// A release as the worker would have built it.
pub struct Plan {
    pub components: Vec<Component>,
    pub addons: Vec<Component>,
    /// Identifier → image.
    pub images: BTreeMap<String, String>,
    /// Identifier → variables.
    pub env: BTreeMap<String, BTreeMap<String, String>>,
}

pub fn identifier(text: &str) -> Identifier {
    text.parse().unwrap()
}

/// A component that is a container.
pub fn component(name: &str, command: &[&str]) -> Component {
    Component {
        // Nobody listens there, so probes of the engine in memory fail at once.
        port: Some(9),
        command: (!command.is_empty()).then(|| command.iter().map(|word| (*word).to_owned()).collect()),
        ..Component::new(identifier(name), Origin::Folder { folder: ".".to_owned() })
    }
}

/// A port that is open on every loopback address, and so in every container of the engine in memory.
pub async fn open_port() -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { while listener.accept().await.is_ok() {} });
    (port, tasks)
}

/// One that is open all the while, and answers well only while it is told to, as at first.
pub async fn moody_port() -> (u16, Arc<AtomicBool>, JoinSet<()>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (port, answers) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(true)));
    let (mut tasks, is_well) = (JoinSet::new(), answers.clone());
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let status = if is_well.load(SeqCst) { "200 OK" } else { "503 Not Yet" };
            // Whoever only connects and goes has asked for nothing.
            if stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {
                stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).await.ok();
            }
        }
    });
    (port, answers, tasks)
}

/// With a volume at `/data`.
pub fn with_volume(mut component: Component) -> Component {
    component.volumes = vec![Volume::new(identifier("data"), "/data".to_owned())];
    component
}

impl Plan {
    /// Components that run `image`.
    pub fn of(image: &str, components: Vec<Component>) -> Self {
        let images = components.iter().map(|one| (one.identifier.to_string(), image.to_owned())).collect();
        Self { components, addons: Vec::new(), images, env: BTreeMap::new() }
    }

    pub fn with_addon(mut self, image: &str, addon: Component) -> Self {
        self.images.insert(addon.identifier.to_string(), image.to_owned());
        self.addons.push(addon);
        self
    }
}

impl Stage {
    pub async fn new(engine: Arc<dyn Containers>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let flags = Flags::parse_from(["test", "--drain-timeout", "5", "--data-dir", data.to_str().unwrap()]);
        let app = serve::open(flags.serve).unwrap();
        let deployment = app.db.write(|tx| {
            let project = project::create(tx, &"shop".parse()?, &Source::Upload)?;
            deployment::create(tx, project, &"production".parse()?, DeploymentStage::Production, None)
        });
        let deployment = deployment.await.unwrap();
        // The edge has a table, and routes to nothing.
        app.observed.set_routed(BTreeSet::new());
        let supervisor = Supervisor::new(&app, engine);
        Self { app, supervisor, deployment, _folder: folder }
    }

    /// A release in the state `starting`, recorded as the worker records it.
    pub async fn release(&self, plan: Plan) -> ReleaseId {
        let (deployment, instance, key) = (self.deployment, self.app.instance.clone(), self.app.key.clone());
        let made = self.app.db.write(move |tx| {
            let id = release::create(tx, deployment, &by_hand())?;
            let number = release::by_id(tx, id)?.number;
            let stack =
                Stack { name: None, components: plan.components, addons: plan.addons, sleep: None, backup: None };
            release::transition(tx, id, ReleaseState::Queued, ReleaseState::Building)?;
            release::set_manifest(tx, id, &stack)?;
            for (name, image) in &plan.images {
                release::set_digest(tx, id, &identifier(name), Serves::Container, image)?;
            }
            for component in stack.in_start_order() {
                for replica in component.replicas(DeploymentStage::Production) {
                    let identifier = &component.identifier;
                    let name = object::container_name(&instance, "shop-production", number, identifier, replica);
                    object::record_container(tx, id, identifier, replica, &name)?;
                }
                for volume in &component.volumes {
                    let name = volume::name(&instance, "shop-production", &volume.identifier);
                    volume::record(tx, deployment, &volume.identifier, &name)?;
                }
            }
            let sealed = key.seal(&release::env_aad(id), &serde_json::to_vec(&plan.env)?);
            release::set_env(tx, id, &sealed)?;
            release::transition(tx, id, ReleaseState::Building, ReleaseState::Starting)?;
            Ok(id)
        });
        made.await.unwrap()
    }

    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> boathouse::error::Result<T> + Send + 'static,
    ) -> T {
        self.app.db.write(work).await.unwrap()
    }

    /// Makes a starting release live, as the worker does, and tells what the edge would: it routes to this one alone.
    pub async fn go_live(&self, id: ReleaseId) {
        self.write(move |tx| release::go_live(tx, &release::by_id(tx, id)?)).await;
        self.app.observed.set_routed(BTreeSet::from([id]));
    }

    pub async fn set_intent(&self, intent: Intent) {
        let deployment = self.deployment;
        self.write(move |tx| deployment::set_intent(tx, deployment, intent)).await;
        self.app.observed.set_routed(BTreeSet::new());
    }

    pub fn name(&self, number: i64, component: &str) -> String {
        object::container_name(&self.app.instance, "shop-production", number, &identifier(component), None)
    }

    /// One of several.
    pub fn name_of(&self, number: i64, component: &str, replica: u32) -> String {
        object::container_name(&self.app.instance, "shop-production", number, &identifier(component), Some(replica))
    }

    pub fn observed(&self, number: i64, component: &str) -> Option<Container> {
        self.app.observed.container(&self.name(number, component))
    }

    pub fn phase(&self, number: i64, component: &str) -> Option<Phase> {
        self.observed(number, component).map(|one| one.phase)
    }

    /// Runs passes until the condition holds; as in the server, but without waiting for the period.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let reached = async {
            loop {
                self.supervisor.reconcile().await.ok();
                if holds().await {
                    return;
                }
                tokio::time::timeout(Duration::from_millis(100), self.app.pokes.supervisor.poked()).await.ok();
            }
        };
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            panic!("waited in vain for {what}: {:#?}", self.app.observed.containers());
        }
    }

    /// Passes until nothing is done any more.
    pub async fn settle(&self) {
        for _ in 0..5 {
            self.supervisor.reconcile().await.unwrap();
            tokio::time::timeout(Duration::from_millis(50), self.app.pokes.supervisor.poked()).await.ok();
        }
    }
}
