//! What was built before from the same is not built again.

use std::collections::BTreeMap;

use boathouse_edge::site;
use boathouse_types::Serves;

use super::build::image_name;
use super::pipeline::Run;
use super::stop::Step;
use crate::db::release::{self, ReleaseRow};
use crate::docker::{BuildRequest, DockerError, ImageInfo};
use crate::error::Result;
use crate::snapshot::engine_error;
use crate::stack::Component;

/// What the component is made from, as one digest.
pub async fn input(run: &Run, part: &Component, request: &BuildRequest) -> Result<String> {
    let mut bases = BTreeMap::new();
    for name in request.base_images().await.map_err(engine_error)? {
        // One that is not here is asked for at its registry by the build alone: what it is now is not known without.
        match run.engine.image(&name).await {
            Ok(image) => _ = bases.insert(name, image.id),
            Err(error) if error.is_not_found() => {}
            Err(error) => tracing::debug!(%error, name, "a base image could not be looked at"),
        }
    }
    let mut input = request.input(&bases).await.map_err(engine_error)?;
    if request.adds_from_elsewhere().await.map_err(engine_error)? {
        // Nothing else was made from this.
        input = format!("{input} {}", run.id);
    }
    Ok(part.files.as_ref().map_or_else(|| input.clone(), |files| format!("{input} {}", files.path)))
}

/// The image that an earlier release of this deployment built from the same, under the name of this release.
pub async fn image(run: &Run, row: &ReleaseRow, part: &Component, input: &str) -> Step<Option<ImageInfo>> {
    let Some((number, digest)) = made(run, row, part, Serves::Container, input).await? else { return Ok(None) };
    let named = async {
        let image = run.engine.image(&digest).await?;
        run.engine.tag(&image.id, &image_name(&run.app.instance, row, &part.identifier)).await?;
        Ok::<_, DockerError>(image)
    };
    match named.await {
        Ok(image) => {
            tell(run, part, number, &digest);
            Ok(Some(image))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The tree of files that an earlier release of this deployment made from the same. The caller keeps clean-up from it.
pub async fn files(run: &Run, row: &ReleaseRow, part: &Component, input: &str) -> Step<Option<String>> {
    let Some((number, digest)) = made(run, row, part, Serves::Files, input).await? else { return Ok(None) };
    if !site::folder(&run.app.paths.sites(), &digest).is_dir() {
        return Ok(None);
    }
    tell(run, part, number, &digest);
    Ok(Some(digest))
}

async fn made(
    run: &Run,
    row: &ReleaseRow,
    part: &Component,
    serves: Serves,
    input: &str,
) -> Result<Option<(i64, String)>> {
    if row.no_cache || part.is_built_anew() {
        return Ok(None);
    }
    let (deployment, identifier, input) = (row.deployment_id, part.identifier.clone(), input.to_owned());
    run.app.db.read(move |c| release::made_from(c, deployment, &identifier, serves, &input)).await
}

fn tell(run: &Run, part: &Component, number: i64, digest: &str) {
    run.log.about(
        &part.identifier,
        format!("nothing that {} is built from has changed since release #{number}: {digest} again", part.identifier),
    );
}
