//! What tests against the real container engine share: the engine, an image of one static program, and names that
//! are removed again whatever the test does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use boathouse::docker::subnet::Pool;
use boathouse::docker::{
    BuildRequest, Builder, ContainerSpec, Containers, Engine, ImageInfo, Label, Line, NetworkSpec, labels,
};
use tokio::sync::mpsc;

use crate::harness::wait_for;

/// How long a test waits for something that should happen at once.
pub const PATIENCE: Duration = Duration::from_secs(30);
const SOCKET: &str = "/var/run/docker.sock";

/// The static test program, compiled once per run of the tests.
pub fn probe_binary() -> &'static Path {
    static BINARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = BINARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/images/probe.c");
        let done = Command::new("cc").args(["-static", "-O1", "-o"]).arg(&path).arg(source).status().unwrap();
        assert!(done.success(), "cc could not build the test program");
        (folder, path)
    });
    path
}

/// The engine of this machine, and a label of this test alone; what carries it is removed in the end.
pub struct TestEngine {
    pub engine: Arc<Engine>,
    pub instance: String,
}

impl TestEngine {
    pub fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self::of(format!("t{}x{number}", std::process::id()))
    }

    /// The objects of an instance that exists already.
    pub fn of(instance: String) -> Self {
        Self { engine: Arc::new(Engine::new(SOCKET, Pool::default())), instance }
    }

    pub fn label(&self) -> Label {
        Label::instance(&self.instance)
    }

    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(labels::INSTANCE.to_owned(), self.instance.clone())])
    }

    pub fn name(&self, name: &str) -> String {
        format!("bhtest-{}-{name}", self.instance)
    }

    /// A build of `dockerfile` in a folder that holds the test program as `probe`.
    pub fn request(&self, folder: &Path, dockerfile: &str) -> BuildRequest {
        std::fs::write(folder.join("Dockerfile"), dockerfile).unwrap();
        std::fs::copy(probe_binary(), folder.join("probe")).unwrap();
        BuildRequest {
            context: folder.to_owned(),
            dockerfile: "Dockerfile".into(),
            tag: format!("{}:1", self.name("image")),
            labels: self.labels(),
            builder: Builder::BuildKit,
            ..Default::default()
        }
    }

    /// An image whose entry point is the test program.
    pub async fn probe_image(&self) -> ImageInfo {
        let folder = tempfile::tempdir().unwrap();
        let request =
            self.request(folder.path(), "FROM scratch\nCOPY probe /probe\nEXPOSE 8080\nENTRYPOINT [\"/probe\"]\n");
        let (lines, _) = mpsc::channel::<Line>(1);
        self.engine.build(&request, lines).await.unwrap()
    }

    pub async fn network(&self, name: &str) -> String {
        let spec = NetworkSpec { name: self.name(name), labels: self.labels(), ..Default::default() };
        self.engine.create_network(&spec).await.unwrap().name
    }

    /// A container of the test program with these arguments.
    pub fn spec(&self, name: &str, image: &ImageInfo, arguments: &[&str]) -> ContainerSpec {
        ContainerSpec {
            name: self.name(name),
            image: image.id.clone(),
            command: Some(arguments.iter().map(|argument| (*argument).to_owned()).collect()),
            labels: self.labels(),
            ..Default::default()
        }
    }

    async fn remove_all(engine: &Engine, label: &Label, tag: &str) {
        for container in engine.list(label).await.unwrap_or_default() {
            engine.remove(&container.id).await.ok();
        }
        for network in engine.list_networks(label).await.unwrap_or_default() {
            engine.remove_network(&network.id).await.ok();
        }
        for volume in engine.list_volumes(label).await.unwrap_or_default() {
            engine.remove_volume(&volume.name).await.ok();
        }
        engine.remove_image(tag).await.ok();
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        let (instance, tag) = (self.instance.clone(), format!("{}:1", self.name("image")));
        // A runtime of its own: the test's may be gone or be this very thread.
        let cleaner = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let engine = Engine::new(SOCKET, Pool::default());
            runtime.block_on(Self::remove_all(&engine, &Label::instance(&instance), &tag));
        });
        cleaner.join().ok();
    }
}

/// Asks until the answer is something, or fails with what was waited for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    wait_for(PATIENCE, what, ask).await
}
