//! A newer image of a part that runs a ready one: the release that brings it.

use boathouse_types::{Identifier, ImageRef, ReleaseId, Trigger};

use super::request::repeat;
use super::upgrade::refuse_busy;
use crate::db::deployment::DeploymentRow;
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, Transaction, image_watch};
use crate::error::{Error, Result, conflict, internal, not_found};
use crate::snapshot;
use crate::stack::{Component, Origin, Stack, upgrade};
use crate::state::App;

/// The components and add-ons of a stack that run a ready image in a container, each with whether it is an add-on.
pub fn ready(stack: &Stack) -> impl Iterator<Item = (&Component, &ImageRef, bool)> {
    let components = stack.components.iter().map(|part| (part, false));
    let parts = components.chain(stack.addons.iter().map(|part| (part, true)));
    parts.filter_map(|(part, addon)| match &part.origin {
        Origin::Image { image } if part.files.is_none() => Some((part, image, addon)),
        _ => None,
    })
}

/// The image of a part of the live release.
pub fn running(connection: &Connection, deployment: &DeploymentRow, part: &Identifier) -> Result<(ImageRef, bool)> {
    let live = live(connection, deployment)?;
    let found = live.manifest.as_ref().and_then(|stack| {
        ready(stack).find(|(one, _, _)| one.identifier == *part).map(|(_, image, addon)| (image.clone(), addon))
    });
    found.ok_or_else(|| no_image(part))
}

/// Queues the release that brings what was found, and notes that it was made. The caller pokes.
pub fn deploy(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    part: &Identifier,
    actor: &str,
) -> Result<ReleaseId> {
    let row = image_watch::one(tx, deployment.id, part)?;
    let newer = row.and_then(|row| row.watch.newer).ok_or_else(|| {
        conflict(format!("no newer image of {part} is known"))
            .hint(format!("Look for one: boathouse image look {part}"))
    })?;
    let id = request(tx, app, deployment, part, &newer.to, actor)?;
    image_watch::set_tried(tx, deployment.id, part, &newer.to, id)?;
    Ok(id)
}

fn request(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    part: &Identifier,
    to: &ImageRef,
    actor: &str,
) -> Result<ReleaseId> {
    let live = live(tx, deployment)?;
    refuse_busy(tx, deployment, part)?;
    let trigger = Trigger::Image { part: part.clone(), image: to.clone() };
    let id = repeat(tx, app, deployment, &live, actor, &trigger)?;
    let mut stack = release::by_id(tx, id)?.manifest.ok_or_else(|| internal("a live release without its stack"))?;
    let parts = stack.components.iter_mut().chain(&mut stack.addons);
    let found = parts.into_iter().find(|one| one.identifier == *part && matches!(one.origin, Origin::Image { .. }));
    upgrade::renew(found.ok_or_else(|| no_image(part))?, to.clone());
    release::set_manifest(tx, id, &stack)?;
    release::clear_digest(tx, id, part)?;
    // What runs goes on with the variables that it has.
    let environment = snapshot::open(&app.key, &live)?;
    release::set_env(tx, id, &snapshot::seal(&app.key, id, &environment)?)?;
    Ok(id)
}

fn live(connection: &Connection, deployment: &DeploymentRow) -> Result<ReleaseRow> {
    release::live(connection, deployment.id)?
        .ok_or_else(|| conflict("no release is live, so no image runs yet").hint("Deploy first."))
}

fn no_image(part: &Identifier) -> Error {
    not_found(format!("the live release has no \"{part}\" that runs a ready image"))
        .hint("`boathouse image list` shows those that do.")
}
