//! The index.json of an OCI image layout (OCI image-spec, image-layout.md), with what it leads to.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::contents::Contents;
use super::{Parts, incomplete, no_image, other_machine, several, sha256, shown};
use crate::error::{Result, invalid};

/// An index may name indexes: one per tag, with one image per platform.
const MAX_DEPTH: usize = 3;
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const FULL_NAME: &str = "io.containerd.image.name";

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// An image that the index leads to.
struct Found {
    digest: String,
    name: Option<String>,
    /// Absent where the index says none: its configuration does.
    platform: Option<String>,
}

/// The parts of the one image for this machine.
pub(super) fn parts(contents: &Contents<'_>, index: &[u8], arch: &str) -> Result<Parts> {
    let index: Index = serde_json::from_slice(index)
        .map_err(|error| no_image("its index.json is not the one of an image").caused_by(error))?;
    let mut found = Vec::new();
    collect(contents, index, None, 0, &mut found)?;
    let here = format!("linux/{arch}");
    let (fits, others): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|image| image.platform.as_ref().is_none_or(|platform| *platform == here));
    match &fits[..] {
        [image] => {
            let manifest: Manifest = blob(contents, &image.digest)?;
            let layers = manifest.layers.iter().map(|layer| file(&layer.digest)).collect::<Result<_>>()?;
            Ok(Parts { config: file(&manifest.config.digest)?, layers, name: image.name.clone() })
        }
        [] if others.is_empty() => Err(no_image("its index.json names none")),
        [] => {
            let platforms: Vec<String> = others.into_iter().filter_map(|image| image.platform).collect();
            Err(other_machine(&platforms.join(", "), arch))
        }
        images => {
            let called = |image: &Found| image.name.clone().unwrap_or_else(|| shown(&image.digest));
            Err(several(&images.iter().map(called).collect::<Vec<_>>()))
        }
    }
}

fn collect(
    contents: &Contents<'_>,
    index: Index,
    name: Option<&String>,
    depth: usize,
    found: &mut Vec<Found>,
) -> Result<()> {
    for descriptor in index.manifests {
        let own = descriptor.annotations.get(FULL_NAME).or_else(|| descriptor.annotations.get(REF_NAME));
        let name = own.map(|name| shown(name)).or_else(|| name.cloned());
        if descriptor.media_type.contains("index") || descriptor.media_type.contains("manifest.list") {
            if depth == MAX_DEPTH {
                return Err(no_image("its index leads to indexes without end"));
            }
            collect(contents, blob(contents, &descriptor.digest)?, name.as_ref(), depth + 1, found)?;
            continue;
        }
        let platform = descriptor.platform.map(|platform| format!("{}/{}", platform.os, platform.architecture));
        // Attestations of a build stand beside the image as if they were one.
        if platform.as_deref() != Some("unknown/unknown") {
            let platform = platform.map(|platform| shown(&platform));
            found.push(Found { digest: descriptor.digest, name, platform });
        }
    }
    Ok(())
}

/// A document by its digest, which it must have.
fn blob<T: DeserializeOwned>(contents: &Contents<'_>, digest: &str) -> Result<T> {
    let name = file(digest)?;
    let bytes = contents.json(&name).ok_or_else(|| incomplete(&name))?;
    if format!("sha256:{}", sha256(bytes)) != digest {
        return Err(invalid(format!(
            "the image archive is damaged: \"{}\" has another content than its name says",
            name
        ))
        .hint("Save the image again and send that."));
    }
    serde_json::from_slice(bytes).map_err(|error| no_image(&format!("\"{name}\" cannot be read")).caused_by(error))
}

/// Where the layout has a blob.
fn file(digest: &str) -> Result<String> {
    let hex =
        digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    match hex {
        Some(hex) => Ok(format!("blobs/sha256/{hex}")),
        None => Err(no_image(&format!("\"{}\" is not a sha256 digest", shown(digest)))),
    }
}
