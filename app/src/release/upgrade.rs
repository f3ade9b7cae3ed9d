//! Another version of an add-on: what it may become, and the release that brings it there.

use boathouse_types::{AddonVersion, AddonVersions, CloneState, Identifier, ImageRef, Intent, ReleaseId, Trigger};

use super::request::repeat;
use crate::catalog;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, Transaction, clone, public_port, rotation, volume};
use crate::error::{Error, Result, conflict, invalid, not_found};
use crate::snapshot;
use crate::stack::package::PackageImage;
use crate::stack::upgrade::{self, Step};
use crate::stack::{Component, Stack};
use crate::state::App;

/// The basis of a deployment's next release: what is live, or what a clone begins with.
pub fn basis(connection: &Connection, deployment: &DeploymentRow) -> Result<Option<Stack>> {
    if let Some(live) = release::live(connection, deployment.id)? {
        return Ok(live.manifest);
    }
    let cloned = clone::of_target(connection, deployment.id)?.and_then(|row| row.release);
    Ok(cloned.map(|id| release::by_id(connection, id)).transpose()?.and_then(|row| row.manifest))
}

/// The versions that an add-on may go to.
pub fn versions(connection: &Connection, deployment: &DeploymentRow, addon: &Identifier) -> Result<AddonVersions> {
    let (_, part) = find(connection, deployment, addon)?;
    let (repository, current) = upgrade::image(&part).ok_or_else(|| no_version(addon))?;
    let package = part.package.as_ref().and_then(|package| catalog::find(&package.url.to_string()));
    let known = match package.map(|package| package.image) {
        Some(PackageImage::Image { versions, .. }) => versions,
        _ => Vec::new(),
    };
    let newer = known.into_iter().filter(|version| !upgrade::is_older(&part, version));
    let choice = |version: String| AddonVersion {
        image: format!("{repository}:{version}"),
        migrates: upgrade::step(&part, &version) == Step::Migrates,
        warning: warning(&part, &version),
        refusal: refusal(&part, &version).map(|error| error.to_string()),
        version,
    };
    Ok(AddonVersions { current: current.to_owned(), choices: newer.map(choice).collect() })
}

/// What to mind about that version.
fn warning(part: &Component, version: &str) -> Option<String> {
    match upgrade::step(part, version) {
        Step::Migrates => Some(format!(
            "{} {version} cannot read the files of now, so the data of {} is dumped and restored into a new volume. From the dump until the new version serves, the components of this deployment are stopped and visitors get 503: what is written meanwhile would be lost. The disk needs room for the data twice. The dump has the database of the package alone: other logins, rights and databases of the server are not in it. If anything fails, the version of now goes on with its own files; they are kept until you delete them.",
            part.name, part.identifier
        )),
        Step::SameFiles if upgrade::is_older(part, version) => Some(format!(
            "{version} is older than what runs: it may not be able to read the files of {}, and there is no copy of them",
            part.identifier
        )),
        Step::SameFiles | Step::Back => None,
    }
}

/// Why the part can never become that version.
fn refusal(part: &Component, version: &str) -> Option<Error> {
    match upgrade::step(part, version) {
        Step::Back => Some(
            invalid(format!(
                "{} {version} is an older major version: it cannot read what a newer one wrote",
                part.name
            ))
            .hint("Add the older version as an add-on with another identifier and bring the data over yourself."),
        ),
        Step::Migrates if part.backup.is_none() => Some(
            invalid(format!(
                "the package of {} has no commands that take its data out and put it back, so it cannot be moved",
                part.identifier
            ))
            .hint("Add the new version as an add-on with another identifier and bring the data over yourself."),
        ),
        _ => None,
    }
}

/// Queues the release that brings an add-on to another version. The caller pokes.
///
/// # Errors
/// It cannot go there, or something stands in the way; or there is a warning that was not confirmed.
pub fn request(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    addon: &Identifier,
    version: &str,
    confirmed: bool,
    actor: &str,
) -> Result<ReleaseId> {
    let (live, part) = find(tx, deployment, addon)?;
    let (repository, _) = upgrade::image(&part).ok_or_else(|| no_version(addon))?;
    let image: ImageRef = format!("{repository}:{version}").parse()?;
    if let Some(refusal) = refusal(&part, version) {
        return Err(refusal);
    }
    refuse_busy(tx, deployment, addon)?;
    let migrates = upgrade::step(&part, version) == Step::Migrates;
    if migrates
        && let Some(port) = public_port::of_deployment(tx, deployment.id)?.iter().find(|row| row.identifier == *addon)
    {
        return Err(conflict(format!(
            "{addon} can be written to from outside, on port {}: that would be lost while its data moves",
            port.port
        ))
        .hint(format!("Close it first: boathouse addon unexpose {addon}")));
    }
    if let Some(warning) = warning(&part, version).filter(|_| !confirmed) {
        return Err(conflict(warning).hint("Confirm it: `--yes` on the command line, `\"confirm\": true` in the API."));
    }
    let trigger = Trigger::Upgrade { addon: addon.clone(), version: version.to_owned() };
    let id = repeat(tx, app, deployment, &live, actor, &trigger)?;
    let volumes = if migrates { fresh_volumes(tx, deployment, &part, version)? } else { Vec::new() };
    let mut stack = release::by_id(tx, id)?.manifest.unwrap_or_else(|| Stack {
        name: None,
        components: vec![],
        addons: vec![],
        sleep: None,
        backup: None,
    });
    stack
        .addons
        .iter_mut()
        .filter(|one| one.identifier == *addon)
        .for_each(|one| upgrade::change(one, image.clone(), &volumes));
    release::set_manifest(tx, id, &stack)?;
    release::clear_digest(tx, id, addon)?;
    // What runs goes on with the variables that it has.
    let environment = snapshot::open(&app.key, &live)?;
    release::set_env(tx, id, &snapshot::seal(&app.key, id, &environment)?)?;
    Ok(id)
}

/// A part cannot become another one while something else is done with what is live.
pub(super) fn refuse_busy(tx: &Transaction<'_>, deployment: &DeploymentRow, addon: &Identifier) -> Result<()> {
    if deployment.intent != Intent::Running {
        return Err(conflict(format!("{addon} does not run")).hint("Start the deployment first."));
    }
    if let Some(pending) = release::pending(tx, deployment.id)? {
        return Err(conflict(format!("release #{} is {}", pending.number, pending.state.as_str()))
            .hint("Wait for its end: this is a release of what is live then."));
    }
    if rotation::open(tx)?.iter().any(|row| row.deployment_id == deployment.id) {
        return Err(conflict("credentials of this deployment are being rotated")
            .hint("`boathouse addon show` says how far that is; it goes on by itself."));
    }
    let copying = |row: &clone::CloneRow| row.status.state == CloneState::Copying;
    let clones = clone::of_source(tx, deployment.id)?;
    if let Some(row) = clones.iter().find(|row| copying(row)) {
        let to = deployment::by_id(tx, row.target)?.name;
        return Err(conflict(format!("the data of this deployment is being copied to {to}")).hint("Wait for its end."));
    }
    Ok(())
}

/// Volumes that do not exist yet, for those that the part has: `db-data-16`.
fn fresh_volumes(
    tx: &Transaction<'_>,
    deployment: &DeploymentRow,
    part: &Component,
    version: &str,
) -> Result<Vec<(Identifier, Identifier)>> {
    let taken = volume::of_deployment(tx, deployment.id)?;
    let is_free = |name: &Identifier| !taken.iter().any(|row| row.identifier == *name);
    let major: String = version.trim_start_matches('v').chars().take_while(char::is_ascii_digit).collect();
    let fresh = |of: &Identifier| {
        let word = of.as_str();
        let of_manifest = part.upgraded.iter().flat_map(|upgraded| &upgraded.volumes).find(|(_, now)| *now == of);
        let base = of_manifest.map_or(word, |(name, _)| name.as_str());
        let names = std::iter::once(format!("{base}-{major}")).chain((2..).map(|n| format!("{base}-{major}-{n}")));
        let mut names = names.take(taken.len() + 2).filter_map(|name| name.parse::<Identifier>().ok());
        names.find(|name| is_free(name)).ok_or_else(|| {
            invalid(format!("the volume \"{of}\" cannot get a name for its next version: it is too long"))
        })
    };
    part.volumes.iter().map(|one| Ok((one.identifier.clone(), fresh(&one.identifier)?))).collect()
}

fn find(connection: &Connection, deployment: &DeploymentRow, addon: &Identifier) -> Result<(ReleaseRow, Component)> {
    let live = release::live(connection, deployment.id)?
        .ok_or_else(|| conflict("no release is live, so there is no add-on yet").hint("Deploy first."))?;
    let part = live.manifest.iter().flat_map(|stack| &stack.addons).find(|part| part.identifier == *addon).cloned();
    let part = part.ok_or_else(|| {
        not_found(format!("the live release has no add-on \"{addon}\"")).hint("`boathouse addon list` shows them.")
    })?;
    Ok((live, part))
}

fn no_version(addon: &Identifier) -> Error {
    invalid(format!("the image of {addon} has no tag, so it has no version to go on from"))
        .hint("Name a tag in the manifest and deploy it.")
}
