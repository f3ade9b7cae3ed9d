//! An add-on as the API shows it.

use std::sync::atomic::Ordering;

use boathouse_types::{Addon, Health, Identifier, PublicPort, Volume};

use super::{status, volume};
use crate::db::deployment::DeploymentRow;
use crate::db::public_port::{self, PublicPortRow};
use crate::db::{Connection, release};
use crate::error::{Result, not_found};
use crate::stack::{Component, Origin};
use crate::state::App;

/// The servers of the catalog speak in the clear unless somebody sets them up otherwise.
const IN_THE_CLEAR: &str = "what is sent through this port is not encrypted unless the add-on itself does so: password and data can be read on the way. Keep the list of networks short, or use a tunnel.";

/// The add-ons of the live release.
pub fn of_deployment(connection: &Connection, app: &App, row: &DeploymentRow) -> Result<Vec<Addon>> {
    let Some(live) = release::live(connection, row.id)? else { return Ok(Vec::new()) };
    let statuses = status::containers(connection, app, row)?;
    let volumes = volume::of_deployment(connection, app, row)?;
    let ports = public_port::of_deployment(connection, row.id)?;
    let parts = live.manifest.iter().flat_map(|stack| &stack.addons);
    let shown = parts.map(|part| {
        let mine = |status: &&(boathouse_types::ContainerStatus, _)| {
            status.0.identifier == part.identifier && status.0.release == live.number
        };
        let status = statuses.iter().find(mine).map(|(status, _)| status);
        let port = ports.iter().find(|port| port.identifier == part.identifier);
        show(app, part, status, &volumes, port)
    });
    Ok(shown.collect())
}

/// One of them.
pub fn one(connection: &Connection, app: &App, row: &DeploymentRow, identifier: &Identifier) -> Result<Addon> {
    let all = of_deployment(connection, app, row)?;
    let names: Vec<String> = all.iter().map(|addon| addon.identifier.to_string()).collect();
    all.into_iter().find(|addon| addon.identifier == *identifier).ok_or_else(|| {
        let which = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        not_found(format!("the live release of {}/{} has no add-on \"{identifier}\"", row.project, row.name))
            .hint(format!("It has: {which}."))
    })
}

fn show(
    app: &App,
    part: &Component,
    status: Option<&boathouse_types::ContainerStatus>,
    volumes: &[Volume],
    port: Option<&PublicPortRow>,
) -> Addon {
    let image = match &part.origin {
        Origin::Image { image } => Some(image.to_string()),
        _ => None,
    };
    let is_mine = |volume: &&Volume| volume.mounts.iter().any(|mount| mount.component == part.identifier);
    let volumes: Vec<Volume> = volumes.iter().filter(is_mine).cloned().collect();
    let sizes = volumes.iter().filter_map(|volume| volume.size_bytes);
    Addon {
        identifier: part.identifier.clone(),
        name: part.name.clone(),
        package: None,
        version: image.as_deref().and_then(tag).map(str::to_owned),
        image,
        health: status.map_or(Health::Off, |status| status.health),
        reason: status.map_or_else(|| "has no container".to_owned(), |status| status.reason.clone()),
        port: part.port,
        size_bytes: volumes.iter().any(|volume| volume.size_bytes.is_some()).then(|| sizes.sum()),
        volumes,
        parameters: Vec::new(),
        connection_strings: Vec::new(),
        rotatable: false,
        rotation: None,
        public: port.map(|row| public(app, row)),
    }
}

/// `17` of `registry:5000/postgres:17@sha256:…`.
fn tag(image: &str) -> Option<&str> {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let (_, tag) = name.rsplit_once(':')?;
    (!tag.contains('/')).then_some(tag)
}

fn public(app: &App, row: &PublicPortRow) -> PublicPort {
    let seen = app.observed.port(row.port);
    let counts = seen.as_ref().and_then(|port| port.as_ref().ok());
    let problem = match &seen {
        Some(Err(problem)) => Some(problem.clone()),
        Some(Ok(_)) => None,
        None if row.is_wanted => Some("it is being opened".to_owned()),
        None => Some("the deployment is stopped".to_owned()),
    };
    let all = row.allow.iter().any(boathouse_types::Cidr::is_all);
    let everybody = if all { "everybody on the internet may try passwords here; " } else { "" };
    PublicPort {
        port: row.port,
        allow: row.allow.clone(),
        open: counts.is_some(),
        problem,
        warning: Some(format!("{everybody}{IN_THE_CLEAR}")),
        connections: counts.map_or(0, |counts| counts.open.load(Ordering::Relaxed)),
        forwarded: counts.map_or(0, |counts| counts.forwarded.load(Ordering::Relaxed)),
        refused: counts.map_or(0, |counts| counts.refused.load(Ordering::Relaxed)),
    }
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn the_tag_of_an_image_is_its_version() {
        for (image, expected) in [
            ("postgres:17", Some("17")),
            ("postgres", None),
            ("registry:5000/postgres", None),
            ("registry:5000/a/postgres:17.2@sha256:00", Some("17.2")),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }
}
