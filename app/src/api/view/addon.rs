//! An add-on as the API shows it.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use boathouse_types::{
    Addon, AddonConnection, AddonParameter, AddonSecrets, ContainerStatus, EnvKey, Health, Identifier, PublicPort,
    Rotation, RotationState, Volume,
};

use super::{status, volume};
use crate::addon::{self, Values};
use crate::db::deployment::DeploymentRow;
use crate::db::public_port::{self, PublicPortRow};
use crate::db::rotation::{self, RotationRow};
use crate::db::{Connection, release};
use crate::error::{Result, not_found};
use crate::stack::package::ParameterKind;
use crate::stack::template::{Piece, Template};
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
        let mine =
            |status: &&(ContainerStatus, _)| status.0.identifier == part.identifier && status.0.release == live.number;
        let status = statuses.iter().find(mine).map(|(status, _)| status);
        let port = ports.iter().find(|port| port.identifier == part.identifier);
        let (parameters, connection_strings) = told(part, &addon::current(&app.key, &live, &part.identifier)?, false);
        Ok(Addon {
            parameters,
            connection_strings,
            rotation: rotation::newest(connection, row.id, &part.identifier)?.map(rotation_of),
            ..show(app, part, status, &volumes, port)
        })
    });
    shown.collect()
}

/// Its credentials and connection strings, in the clear.
pub fn secrets(
    connection: &Connection,
    app: &App,
    row: &DeploymentRow,
    identifier: &Identifier,
) -> Result<AddonSecrets> {
    one(connection, app, row, identifier)?;
    let live = release::live(connection, row.id)?.ok_or_else(|| not_found("no release is live"))?;
    let part = live.manifest.as_ref().and_then(|stack| stack.find(identifier));
    let part = part.ok_or_else(|| not_found("the live release has no such add-on"))?;
    let (parameters, connection_strings) = told(part, &addon::current(&app.key, &live, identifier)?, true);
    Ok(AddonSecrets { parameters, connection_strings })
}

/// Variables and connection strings of an add-on, secrets masked unless they are to be shown.
fn told(part: &Component, values: &Values, clear: bool) -> (Vec<AddonParameter>, Vec<AddonConnection>) {
    let is_secret = |one: &&crate::stack::package::Parameter| one.kind == ParameterKind::Secret;
    let secrets: BTreeSet<&EnvKey> = part.parameters.iter().filter(is_secret).map(|one| &one.key).collect();
    let parameters = part.parameters.iter().map(|one| {
        let secret = secrets.contains(&one.key);
        let value = values.get(&one.key).filter(|_| clear || !secret).cloned();
        AddonParameter { key: one.key.clone(), name: one.name.clone(), value, secret }
    });
    let connections = part.connection_strings.iter().map(|one| {
        let hidden = |key: &EnvKey| !clear && secrets.contains(key);
        let value = expanded(&one.value, values, hidden);
        AddonConnection { name: one.name.clone(), value, description: one.description.clone() }
    });
    (parameters.collect(), connections.collect())
}

/// A connection string with its variables put in; percent-encoded in a URL (RFC 3986 §2.1).
fn expanded(text: &str, values: &Values, hidden: impl Fn(&EnvKey) -> bool) -> String {
    let Ok(template) = Template::parse(text) else { return text.to_owned() };
    let put = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Variable(key) if hidden(key) => "***".to_owned(),
        Piece::Variable(key) => {
            let value = values.get(key).cloned().unwrap_or_default();
            if template.is_url() { percent_encoded(&value) } else { value }
        }
        // A connection string generates nothing.
        Piece::Generated(_) | Piece::Jwt { .. } => String::new(),
    };
    template.pieces().iter().map(put).collect()
}

fn percent_encoded(value: &str) -> String {
    let put = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(put).collect()
}

fn rotation_of(row: RotationRow) -> Rotation {
    let message = match row.state {
        RotationState::Begin => "the new credentials are being made valid",
        RotationState::Wire => "a release brings the new credentials to all who use them; old and new are valid",
        RotationState::End => "the old credentials are being ended",
        RotationState::Done => "only the new credentials are valid",
        RotationState::Failed => "nothing has changed",
    };
    Rotation {
        state: row.state,
        message: message.to_owned(),
        actor: row.actor,
        release: row.release_number,
        problem: row.problem,
        started_at: row.started_at,
        finished_at: row.finished_at,
    }
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
    status: Option<&ContainerStatus>,
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
        package: part.package.as_ref().map(|package| package.url.to_string()),
        version: image.as_deref().and_then(tag).map(str::to_owned),
        image,
        health: status.map_or(Health::Off, |status| status.health),
        reason: status.map_or_else(|| "has no container".to_owned(), |status| status.reason.clone()),
        port: part.port,
        size_bytes: volumes.iter().any(|volume| volume.size_bytes.is_some()).then(|| sizes.sum()),
        volumes,
        parameters: Vec::new(),
        connection_strings: Vec::new(),
        rotatable: part.rotate.is_some(),
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
