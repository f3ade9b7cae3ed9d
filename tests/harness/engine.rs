//! The container engine as a bystander sees it: to look behind the server's back, to make trouble, and to clean up.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    BuildImageOptionsBuilder, ImportImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptions,
    ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use futures_util::StreamExt;

use super::TestApp;

/// Where it listens.
pub const SOCKET: &str = "/var/run/docker.sock";
const INSTANCE_LABEL: &str = "boathouse.instance";
/// Seconds for one call.
const DEADLINE: u64 = 60;

/// A connection to the engine.
pub struct Engine {
    /// The client itself, for what this type does not offer.
    pub docker: Docker,
}

impl Engine {
    /// Connects; panics with what to do when no engine answers.
    pub async fn connect() -> Self {
        Self::try_connect().await.unwrap_or_else(|error| {
            panic!(
                "no container engine answers at {SOCKET} ({error}): run ./tests/run, which starts one, or start Docker"
            )
        })
    }

    async fn try_connect() -> Result<Self, bollard::errors::Error> {
        let docker = Docker::connect_with_unix(SOCKET, DEADLINE, bollard::API_DEFAULT_VERSION)?;
        Ok(Self { docker: docker.negotiate_version().await? })
    }

    /// The containers of an instance, stopped ones too.
    pub async fn containers(&self, instance: &str) -> Vec<ContainerSummary> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&labelled(instance)).build();
        self.docker.list_containers(Some(options)).await.unwrap()
    }

    /// The names of an instance's containers, without the engine's leading slash, in order.
    pub async fn container_names(&self, instance: &str) -> Vec<String> {
        let containers = self.containers(instance).await;
        let mut names: Vec<String> = containers
            .into_iter()
            .flat_map(|container| container.names.unwrap_or_default())
            .map(|name| name.trim_start_matches('/').to_owned())
            .collect();
        names.sort();
        names
    }

    /// The names of an instance's networks, in order.
    pub async fn network_names(&self, instance: &str) -> Vec<String> {
        let options = ListNetworksOptionsBuilder::new().filters(&labelled(instance)).build();
        let networks = self.docker.list_networks(Some(options)).await.unwrap();
        let mut names: Vec<String> = networks.into_iter().filter_map(|network| network.name).collect();
        names.sort();
        names
    }

    /// The names of an instance's volumes, in order.
    pub async fn volume_names(&self, instance: &str) -> Vec<String> {
        let options = ListVolumesOptionsBuilder::new().filters(&labelled(instance)).build();
        let listed = self.docker.list_volumes(Some(options)).await.unwrap();
        let mut names: Vec<String> = listed.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect();
        names.sort();
        names
    }

    /// Builds an image of the test app by the classic builder; returns its id.
    pub async fn build_image(&self, name: &str, app: &TestApp) -> String {
        // Its cache is shared with stories that remove their images, and with them what a cached step stands on.
        let options = BuildImageOptionsBuilder::new().t(name).rm(true).nocache(true).build();
        let context = bollard::body_full(app.archive().into());
        let mut progress = self.docker.build_image(options, None, Some(context));
        while let Some(step) = progress.next().await {
            step.unwrap();
        }
        self.docker.inspect_image(name).await.unwrap().id.unwrap()
    }

    /// Loads an image whose configuration says that it is made for another processor.
    pub async fn load_foreign_image(&self, name: &str, architecture: &str) {
        let archive = foreign_image(name, architecture);
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let mut progress = self.docker.import_image(options, bollard::body_full(archive.into()), None);
        while let Some(step) = progress.next().await {
            step.unwrap();
        }
    }

    /// Whether there is an image of that name.
    pub async fn has_image(&self, name: &str) -> bool {
        self.docker.inspect_image(name).await.is_ok()
    }

    /// Removes images; those that are gone already are no matter.
    pub async fn remove_images(&self, images: &[String]) {
        for image in images {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            drop(self.docker.remove_image(image, Some(options), None).await);
        }
    }

    /// Removes everything of an instance; what cannot be removed is left, the next run is not disturbed by it.
    pub(super) async fn remove_instance(&self, instance: &str) {
        for name in self.container_names(instance).await {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            drop(self.docker.remove_container(&name, Some(options)).await);
        }
        for name in self.network_names(instance).await {
            drop(self.docker.remove_network(&name).await);
        }
        for name in self.volume_names(instance).await {
            let options = RemoveVolumeOptionsBuilder::new().force(true).build();
            drop(self.docker.remove_volume(&name, Some(options)).await);
        }
        let options = ListImagesOptionsBuilder::new().filters(&labelled(instance)).build();
        for image in self.docker.list_images(Some(options)).await.unwrap_or_default() {
            let options = RemoveImageOptionsBuilder::new().force(true).build();
            drop(self.docker.remove_image(&image.id, Some(options), None).await);
        }
        // A pulled image carries no label of ours, only a name.
        self.remove_named(&format!("boathouse-{instance}/")).await;
    }

    /// Removes all names of images that begin so.
    pub(super) async fn remove_named(&self, beginning: &str) {
        let images = self.docker.list_images(None::<ListImagesOptions>).await.unwrap_or_default();
        let names = images.into_iter().flat_map(|image| image.repo_tags).filter(|name| name.starts_with(beginning));
        self.remove_images(&names.collect::<Vec<_>>()).await;
    }
}

fn labelled(instance: &str) -> HashMap<&'static str, Vec<String>> {
    HashMap::from([("label", vec![format!("{INSTANCE_LABEL}={instance}")])])
}

/// Removes everything of an instance from where nothing can be awaited.
pub(super) fn clean_up(instance: String) {
    from_a_drop(async move |engine| engine.remove_instance(&instance).await);
}

/// Removes all names of images that begin so from where nothing can be awaited.
pub(super) fn clean_up_names(beginning: String) {
    from_a_drop(async move |engine| engine.remove_named(&beginning).await);
}

fn from_a_drop(clean: impl AsyncFnOnce(Engine) + Send + 'static) {
    let cleaning = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            if let Ok(engine) = Engine::try_connect().await {
                clean(engine).await;
            }
        });
    });
    drop(cleaning.join());
}

/// An image archive as `docker save` writes it: one layer with one file.
fn foreign_image(name: &str, architecture: &str) -> Vec<u8> {
    let layer = plain_tar(&[("app", b"not for this machine".to_vec())]);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &layer);
    let hex = hex::encode(digest);
    let config = serde_json::json!({
        "architecture": architecture, "os": "linux",
        "config": { "Entrypoint": ["/app"], "ExposedPorts": { "8080/tcp": {} } },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{hex}")] },
    });
    let manifest = serde_json::json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"] }]);
    plain_tar(&[
        ("config.json", config.to_string().into_bytes()),
        ("layer.tar", layer),
        ("manifest.json", manifest.to_string().into_bytes()),
    ])
}

fn plain_tar(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        tar.append_data(&mut header, path, content.as_slice()).unwrap();
    }
    tar.into_inner().unwrap()
}
