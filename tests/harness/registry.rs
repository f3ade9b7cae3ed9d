//! A real image registry on loopback, where engines speak plain HTTP.

use std::fs;
use std::process::{Child, Command, Stdio};

use bollard::auth::DockerCredentials;
use bollard::query_parameters::PushImageOptionsBuilder;
use futures_util::StreamExt;
use tempfile::TempDir;

use super::{Engine, Slot, engine, seconds, wait_for};

/// Who may use a registry that wants a login.
pub const REGISTRY_USER: &str = "ada";
/// The password.
pub const REGISTRY_PASSWORD: &str = "registry-password-of-ada";
/// Its bcrypt hash.
const HASH: &str = "$2b$04$RITC5vkdNCipdpP1.PdESeokEqTZlpP.gcAE4r5pe6t3Qsm.JcuN6";

/// Runs until dropped or stopped.
pub struct Registry {
    slot: Slot,
    child: Option<Child>,
    private: bool,
    _folder: TempDir,
}

impl Registry {
    /// One that anybody may use.
    pub async fn start() -> Self {
        Self::launch(false).await
    }

    /// One that wants a login for everything.
    pub async fn start_private() -> Self {
        Self::launch(true).await
    }

    async fn launch(private: bool) -> Self {
        let (slot, folder) = (Slot::lease(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        fs::write(at("users"), format!("{REGISTRY_USER}:{HASH}\n")).unwrap();
        let auth = if private {
            format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", at("users"))
        } else {
            String::new()
        };
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: {}}}\n{auth}",
            at("data"),
            slot.address(0)
        );
        fs::write(at("config.yml"), config).unwrap();
        let child = Command::new("docker-registry")
            .args(["serve", &at("config.yml")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("docker-registry cannot be started ({error}): ./tests/run installs it"));
        let address = slot.address(0);
        let registry = Self { slot, child: Some(child), private, _folder: folder };
        wait_for(seconds(20), "the registry answers", || async { std::net::TcpStream::connect(address).ok() }).await;
        registry
    }

    /// Its host as image names begin.
    pub fn host(&self) -> String {
        self.slot.address(0).to_string()
    }

    /// The name of an image in it.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// Brings an image of that name from the engine here, and removes the name there.
    pub async fn take(&self, engine: &Engine, image: &str) {
        self.copy(engine, image).await;
        engine.remove_images(&[image.to_owned()]).await;
    }

    /// Brings an image of that name from the engine here.
    pub async fn copy(&self, engine: &Engine, image: &str) {
        let (name, tag) = image.rsplit_once(':').unwrap();
        let login = self.private.then(|| DockerCredentials {
            username: Some(REGISTRY_USER.to_owned()),
            password: Some(REGISTRY_PASSWORD.to_owned()),
            ..Default::default()
        });
        let options = PushImageOptionsBuilder::new().tag(tag).build();
        let mut progress = Box::pin(engine.docker.push_image(name, Some(options), login));
        while let Some(step) = progress.next().await {
            step.unwrap();
        }
    }

    /// From now on nobody answers there.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
        engine::clean_up_names(self.image(""));
    }
}
