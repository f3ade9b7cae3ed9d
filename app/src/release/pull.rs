//! A ready image: pulled, checked, and given a name of ours; the name that a pull brought goes when nothing needs it any more.

use boathouse_types::ImageRef;
use tokio::sync::{RwLock, mpsc};

use super::build::{LINES, image_name, write_lines};
use super::login;
use super::pipeline::Run;
use super::stop::Step;
use crate::db::object;
use crate::db::release::ReleaseRow;
use crate::docker::{Containers, ErrorKind, ImageInfo};
use crate::error::{Result, invalid};
use crate::snapshot::engine_error;
use crate::stack::Component;
use crate::state::App;

/// The registry is asked first, because a tag may mean something new today; where it cannot answer, an image of that name
/// on this machine is used, and the log says so.
pub async fn image(run: &Run, row: &ReleaseRow, part: &Component, reference: &ImageRef) -> Step<ImageInfo> {
    // Until our own name is on it, clean-up must not look.
    let _making = run.files.read().await;
    let here = match run.engine.image(reference.as_str()).await {
        Ok(image) => Some(image),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    let pinned = reference.as_str().contains("@sha256:");
    let image = match here {
        Some(image) if pinned => image,
        here => pull(run, part, reference, here).await?,
    };
    let arch = run.engine.info().await?.arch;
    if image.architecture != arch {
        return Err(invalid(format!(
            "the image {reference} of \"{}\" is made for {}/{}, this machine is linux/{arch}",
            part.identifier, image.os, image.architecture
        ))
        .hint("Use an image that is built for this machine's architecture.")
        .into());
    }
    run.engine.tag(&image.id, &image_name(&run.app.instance, row, &part.identifier)).await?;
    run.log.about(&part.identifier, format!("{reference} is {}", image.id));
    Ok(image)
}

async fn pull(run: &Run, part: &Component, reference: &ImageRef, here: Option<ImageInfo>) -> Step<ImageInfo> {
    if here.is_none() {
        let name = reference.to_string();
        run.app.db.write(move |tx| object::record_pulled(tx, &name)).await?;
    }
    let login = login::of(&run.app, reference.registry()).await?;
    let signed_in = login.as_ref().map_or(String::new(), |login| format!(" as {}", login.username));
    run.log.about(&part.identifier, format!("pulling {reference}{signed_in}"));
    let (sender, receiver) = mpsc::channel(LINES);
    let pulling = run.engine.pull(reference.as_str(), login.as_ref(), sender);
    let (pulled, ()) = tokio::join!(pulling, write_lines(run, part, receiver));
    match (pulled, here) {
        (Ok(image), _) => Ok(image),
        (Err(error), Some(image)) if is_registry_trouble(&error.kind) => {
            let told = format!("{}; using the image {} that is on this machine", error.why, image.id);
            run.log.about(&part.identifier, told);
            Ok(image)
        }
        (Err(error), _) => Err(error.into()),
    }
}

fn is_registry_trouble(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::RegistryUnreachable
            | ErrorKind::PullDenied
            | ErrorKind::RateLimited
            | ErrorKind::Timeout
            | ErrorKind::NotFound
    )
}

/// Removes names that our pulls brought here and that no kept release has in its manifest. Names that were here before, and
/// images that somebody gave another name, stay.
pub async fn forget_unused(app: &App, engine: &dyn Containers, files: &RwLock<()>) -> Result<()> {
    // Somebody is just pulling one that has no name of ours yet: at the next look.
    let Ok(_alone) = files.try_write() else { return Ok(()) };
    for name in app.db.read(object::pulled_and_unused).await? {
        match engine.remove_image(&name).await {
            Ok(()) => {}
            // A container of somebody else's runs it; ours are made from the image's id.
            Err(error) if error.kind == ErrorKind::Conflict => continue,
            Err(error) if error.engine_is_gone() => return Err(engine_error(error)),
            Err(error) => tracing::warn!(image = name, %error, "a pulled image could not be removed; its name is left"),
        }
        app.db.write(move |tx| object::forget_pulled(tx, &name)).await?;
    }
    Ok(())
}
