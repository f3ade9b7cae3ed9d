//! The manifest.json of `docker save`.

use serde::Deserialize;

use super::{Parts, no_image, several, shown};
use crate::error::Result;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The parts of the one image that it names.
pub(super) fn parts(manifest: &[u8]) -> Result<Parts> {
    let mut images: Vec<Image> = serde_json::from_slice(manifest)
        .map_err(|error| no_image("its manifest.json is not the one of an image").caused_by(error))?;
    if images.len() > 1 {
        return Err(several(&images.iter().map(called).collect::<Vec<_>>()));
    }
    let image = images.pop().ok_or_else(|| no_image("its manifest.json names none"))?;
    let name = image.repo_tags.unwrap_or_default().into_iter().next().map(|name| shown(&name));
    Ok(Parts { config: image.config, layers: image.layers, name })
}

fn called(image: &Image) -> String {
    shown(image.repo_tags.iter().flatten().next().unwrap_or(&image.config))
}
