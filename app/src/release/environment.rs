//! The environment that a release of a deployment gets as things are now.

use std::collections::BTreeMap;

use boathouse_types::{self as types, DeploymentId, EnvKey, ErrorKind, Identifier, ReleaseState, TlsMode};

use super::build::Exposed;
use super::hosts::{self, Names, Planned};
use super::{domains, outward};
use crate::db::deployment::{self, DeploymentRow};
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, Transaction, env, host};
use crate::error::{Error, Result, not_found};
use crate::snapshot::{self, Pieces, Snapshot};
use crate::stack::environment::{self, BuildArgs, Endpoint, Environment, Facts};
use crate::stack::{self, Component, Stack};
use crate::state::App;

/// Works it out and keeps what was generated for it.
pub fn fix(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
    exposed: Exposed,
) -> Result<Environment> {
    let layers = snapshot::layers(tx, &app.key, deployment)?;
    let facts = facts(tx, app, deployment, stack, exposed)?;
    let mut pieces = Pieces::load(tx, &app.key, deployment.id)?;
    let environment = environment::resolve(stack, &facts, &layers, &mut pieces)?;
    pieces.keep(tx, &app.key, deployment.id)?;
    Ok(environment)
}

/// The environment of an earlier release, for one that repeats it. Credentials that were replaced since are the new ones.
pub fn repeat(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
    exposed: Exposed,
    earlier: Snapshot,
) -> Result<Snapshot> {
    if !earlier.has_generated() {
        return Ok(earlier);
    }
    let facts = facts(tx, app, deployment, stack, exposed)?;
    let mut pieces = Pieces::load(tx, &app.key, deployment.id)?;
    let mut layers = snapshot::credentials(tx, &app.key, deployment.id)?;
    layers.extend(earlier.layers());
    let now = environment::resolve(stack, &facts, &layers, &mut pieces)?;
    pieces.keep(tx, &app.key, deployment.id)?;
    Ok(earlier.with_credentials_of(&now))
}

/// Works it out and changes nothing: what is not generated yet is made up.
pub fn preview(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
    exposed: Exposed,
) -> Result<Environment> {
    let layers = snapshot::layers(connection, &app.key, deployment)?;
    let facts = facts(connection, app, deployment, stack, exposed)?;
    let mut pieces = Pieces::load(connection, &app.key, deployment.id)?;
    environment::resolve(stack, &facts, &layers, &mut pieces)
}

/// What the build of a part may know.
pub fn build_args(
    connection: &Connection,
    app: &App,
    deployment: DeploymentId,
    stack: &Stack,
    part: &Component,
) -> Result<BuildArgs> {
    let deployment = deployment::by_id(connection, deployment)?;
    let layers = snapshot::layers(connection, &app.key, &deployment)?;
    let facts = facts(connection, app, &deployment, stack, Exposed::new())?;
    environment::build_args(stack, part, &facts, &layers)
}

/// What the automatic variables are made from.
pub fn facts(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
    exposed: Exposed,
) -> Result<Facts> {
    let names = Names { project: deployment.project.as_str(), deployment: deployment.name.as_str() };
    let plan = hosts::planned(connection, app, deployment.id, names, stack)?;
    let endpoint = |host: &Planned| Endpoint {
        component: host.component.clone(),
        host: host.identifier.clone(),
        url: planned_url(app, host),
    };
    Ok(Facts {
        stage: deployment.stage,
        public_url: public_url(connection, app, deployment, stack, &plan)?,
        endpoints: plan.iter().map(endpoint).collect(),
        exposed,
        issued_at: deployment.created_at,
        outward: outward::of(&app.config, deployment.stage, stack),
    })
}

/// The address of the first component: a name that a user chose before one that we made up.
fn public_url(
    connection: &Connection,
    app: &App,
    deployment: &DeploymentRow,
    stack: &Stack,
    plan: &[Planned],
) -> Result<Option<String>> {
    let Some(first) = stack.components.first() else { return Ok(None) };
    let there = host::of_deployment(connection, deployment.id)?;
    let chosen = there
        .iter()
        .find(|row| !row.generated && row.component == first.identifier && !row.name.as_str().starts_with("*."))
        .map(|row| address(app, &row.name, &row.path, row.tls));
    let made_up = plan.iter().find(|host| host.component == first.identifier).map(|host| planned_url(app, host));
    let mut named = domains::of_stage(stack, deployment.stage).filter(|(component, _)| **component == first.identifier);
    let named = named.next().map(|(_, domain)| address(app, &domain.name, "/", hosts::tls_for(&domain.name)));
    Ok(chosen.or(named).or(made_up))
}

fn planned_url(app: &App, host: &Planned) -> String {
    address(app, &host.name, &host.path, hosts::tls_for(&host.name))
}

fn address(app: &App, name: &boathouse_types::HostName, path: &str, tls: TlsMode) -> String {
    hosts::url(name, path, tls, app.config.http.port(), app.config.https.port())
}

/// `PORT` of the components of a release, where neither manifest nor variable said it: what their images expose.
pub fn ports(app: &App, row: &ReleaseRow) -> Result<Exposed> {
    let key: EnvKey = "PORT".parse()?;
    let port =
        |(part, own): (Identifier, BTreeMap<EnvKey, String>)| Some((part, vec![own.get(&key)?.parse::<u16>().ok()?]));
    Ok(snapshot::open(&app.key, row)?.values().into_iter().filter_map(port).collect())
}

/// The environment as people may see it, and which parts restart when it is applied.
pub fn shown(connection: &Connection, app: &App, deployment: &DeploymentRow) -> Result<types::Environment> {
    let with_stack = release::with_stack(connection, deployment.id)?;
    let Some((row, stack)) = with_stack.as_ref().and_then(|row| Some((row, row.manifest.as_ref()?))) else {
        return Ok(types::Environment::default());
    };
    let kept = snapshot::open(&app.key, row)?;
    let made = preview(connection, app, deployment, stack, ports(app, row)?);
    let (environment, problem) = match made {
        Ok(environment) => (environment, None),
        Err(error) if error.kind == ErrorKind::Invalid => (kept.variables(), Some(sentence(error))),
        Err(error) => return Err(error),
    };
    let changed = match row.state {
        ReleaseState::Live => stack::shown::changes(&kept.values(), &environment::values(&environment)),
        _ => Vec::new(),
    };
    let has_container =
        |change: &types::PartChange| stack.find(&change.identifier).is_some_and(|part| part.files.is_none());
    let restart = changed.into_iter().filter(has_container).collect();
    Ok(types::Environment { parts: stack::shown::parts(stack, &environment), restart, problem })
}

fn sentence(error: Error) -> String {
    match error.hint {
        Some(hint) => format!("{}. {hint}", error.message),
        None => error.message,
    }
}

/// One value in the clear: of a part, or what was set for all components. What was never made is made now, and kept.
pub fn value(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    component: Option<&Identifier>,
    key: &EnvKey,
) -> Result<String> {
    let unknown =
        |what: String| not_found(what).hint("`boathouse env list --all` shows the variables of each component.");
    let Some(component) = component else {
        let rows = env::list(tx, deployment.id)?;
        let row = rows.iter().find(|row| row.key == *key && row.component.is_none());
        let row =
            row.ok_or_else(|| unknown(format!("no variable {key} is set for all components of this deployment")))?;
        return snapshot::open_variable(&app.key, deployment.id, row);
    };
    let live = release::live(tx, deployment.id)?;
    let stack = live.as_ref().and_then(|row| row.manifest.as_ref());
    let of_part = match (&live, stack) {
        (Some(row), Some(stack)) => fix(tx, app, deployment, stack, ports(app, row)?)?.remove(component),
        _ => None,
    };
    let found = of_part.and_then(|mut own| own.remove(key)).map(|variable| variable.value);
    found.ok_or_else(|| unknown(format!("\"{component}\" has no variable {key}")))
}
