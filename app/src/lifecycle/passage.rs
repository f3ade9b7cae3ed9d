//! A way to the files of a volume: a container that never runs and mounts it. No program of ours needs to be in any image.

use std::collections::BTreeMap;

use crate::docker::{ContainerSpec, Mount, labels};

/// The folder in which the volume lies; what is written goes there.
pub const PLACE: &str = "/boathouse";
/// Where the volume lies in the container; what is read comes from there, as the folder `volume`.
pub const MOUNT: &str = "/boathouse/volume";

/// The container, of any image that is there.
pub fn passage(name: String, instance: &str, image: &str, volume: &str, read_only: bool) -> ContainerSpec {
    ContainerSpec {
        name,
        image: image.to_owned(),
        // It never runs, but an image of files only has no command, and the engine wants one.
        entrypoint: Some(vec!["/never-runs".to_owned()]),
        labels: BTreeMap::from([(labels::INSTANCE.to_owned(), instance.to_owned())]),
        mounts: vec![Mount { volume: volume.to_owned(), path: MOUNT.to_owned(), read_only }],
        ..ContainerSpec::default()
    }
}
