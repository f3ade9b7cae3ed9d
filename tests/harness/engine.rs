//! The container engine as a bystander sees it: to look behind the server's back, to make trouble, and to clean up.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
};

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
            panic!("no container engine answers at {SOCKET} ({error}): run ./tests/run, which starts one, or start Docker")
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
    }
}

fn labelled(instance: &str) -> HashMap<&'static str, Vec<String>> {
    HashMap::from([("label", vec![format!("{INSTANCE_LABEL}={instance}")])])
}

/// Removes everything of an instance from where nothing can be awaited.
pub(super) fn clean_up(instance: String) {
    let cleaning = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            if let Ok(engine) = Engine::try_connect().await {
                engine.remove_instance(&instance).await;
            }
        });
    });
    drop(cleaning.join());
}
