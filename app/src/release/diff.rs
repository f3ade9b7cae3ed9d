//! What one release has else than another of its deployment: parts, configuration, variables, what was built, and its size.

use std::collections::BTreeMap;

use boathouse_types::{Identifier, ReleaseComponent, ReleaseDiff, ReleaseState, SizeDiff};

use super::plan::{self, short};
use crate::db::deployment::DeploymentRow;
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, deployment};
use crate::error::{Result, conflict};
use crate::snapshot;
use crate::stack::plan::{View, plan};
use crate::state::App;

/// What `to` has else than the release with that number; where there is none, than the one before it.
pub fn of(connection: &Connection, app: &App, to: &ReleaseRow, from: Option<i64>) -> Result<ReleaseDiff> {
    let deployment = deployment::by_id(connection, to.deployment_id)?;
    let from = match from {
        Some(number) => release::by_number(connection, deployment.id, number)?,
        None => before(connection, to)?,
    };
    let (old, new) = (Side::of(connection, app, &deployment, &from)?, Side::of(connection, app, &deployment, to)?);
    Ok(ReleaseDiff { from: from.number, to: to.number, steps: plan(&old.view, &new.view), sizes: sizes(&old, &new) })
}

/// The release that it replaced, or would have.
fn before(connection: &Connection, row: &ReleaseRow) -> Result<ReleaseRow> {
    let found = match release::replaced(connection, row.id)? {
        None => release::live(connection, row.deployment_id)?.filter(|live| live.number < row.number),
        found => found,
    };
    found.ok_or_else(|| {
        conflict(format!("nothing was live before release #{}, so there is nothing to compare it with", row.number))
            .hint("Name another release: `boathouse release list` shows them.")
    })
}

/// A release as far as it is compared.
struct Side {
    view: View,
    sizes: BTreeMap<Identifier, Option<u64>>,
}

impl Side {
    fn of(connection: &Connection, app: &App, deployment: &DeploymentRow, row: &ReleaseRow) -> Result<Self> {
        let (Some(stack), Some(_)) = (&row.manifest, &row.env_sealed) else { return Err(has_no_configuration(row)) };
        let values = snapshot::open(&app.key, row)?.values();
        let hosts = plan::hosts_of(connection, app, deployment, stack)?;
        let parts = release::components(connection, row.id)?;
        let parts: BTreeMap<Identifier, ReleaseComponent> =
            parts.into_iter().map(|part| (part.identifier.clone(), part)).collect();
        // The same bytes are the same version, whatever commit they were built from.
        let version = |identifier: &Identifier| Some(digest(parts.get(identifier)?.digest.as_deref()?));
        let view = View::of(stack, deployment.stage, &values, &hosts, |part| version(&part.identifier));
        Ok(Self { view, sizes: parts.into_iter().map(|(identifier, part)| (identifier, part.size_bytes)).collect() })
    }
}

fn digest(text: &str) -> String {
    short(text.trim_start_matches("sha256:"))
}

fn has_no_configuration(row: &ReleaseRow) -> crate::error::Error {
    let number = row.number;
    match row.state {
        ReleaseState::Failed | ReleaseState::Cancelled => {
            conflict(format!("release #{number} ended before it had a configuration that could be compared"))
        }
        _ => conflict(format!("release #{number} has no configuration yet that could be compared"))
            .hint("Its stack is read at the stage source, its variables are fixed at the stage start."),
    }
}

fn sizes(old: &Side, new: &Side) -> Vec<SizeDiff> {
    let gone = old.view.parts.iter().filter(|part| !new.sizes.contains_key(&part.identifier));
    let all = new.view.parts.iter().chain(gone).map(|part| &part.identifier);
    let of = |side: &Side, identifier| side.sizes.get(identifier).copied().flatten();
    all.map(|identifier| SizeDiff {
        identifier: identifier.clone(),
        from_bytes: of(old, identifier),
        to_bytes: of(new, identifier),
    })
    .filter(|size| size.from_bytes.is_some() || size.to_bytes.is_some())
    .collect()
}
