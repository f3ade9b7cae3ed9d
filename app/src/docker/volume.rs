//! Volumes: what outlives containers and releases. Removed only when somebody says so.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{Volume, VolumeCreateRequest};
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};

use super::connection::{CHANGE_DEADLINE, Engine, QUERY_DEADLINE, gone_is_fine};
use super::{Label, Result};

/// A volume that is to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Its name, unique in the engine.
    pub name: String,
    /// Labels; see [`super::labels`].
    pub labels: BTreeMap<String, String>,
}

/// A volume as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its name.
    pub name: String,
    /// Its folder on the host.
    pub path: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

impl VolumeInfo {
    fn from_engine(volume: Volume) -> Self {
        Self { name: volume.name, path: volume.mountpoint, labels: volume.labels.into_iter().collect() }
    }
}

pub(super) async fn create(engine: &Engine, spec: &VolumeSpec) -> Result<VolumeInfo> {
    let body = VolumeCreateRequest {
        name: Some(spec.name.clone()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        ..Default::default()
    };
    let created = engine.call(format!("create volume {}", spec.name), CHANGE_DEADLINE, |docker| async move {
        docker.create_volume(body).await
    });
    Ok(VolumeInfo::from_engine(created.await?))
}

pub(super) async fn remove(engine: &Engine, volume: &str) -> Result<()> {
    let removed = engine.call(format!("remove volume {volume}"), CHANGE_DEADLINE, |docker| async move {
        docker.remove_volume(volume, None::<RemoveVolumeOptions>).await
    });
    gone_is_fine(removed.await)
}

pub(super) async fn list(engine: &Engine, label: &Label) -> Result<Vec<VolumeInfo>> {
    let filters = HashMap::from([("label", vec![label.filter()])]);
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let listed = engine
        .call("list volumes".into(), QUERY_DEADLINE, |docker| async move { docker.list_volumes(Some(options)).await });
    Ok(listed.await?.volumes.unwrap_or_default().into_iter().map(VolumeInfo::from_engine).collect())
}
