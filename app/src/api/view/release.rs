//! A release as the API shows it.

use boathouse_types::{Release, ReleaseState};

use crate::db::Connection;
use crate::db::release::{ReleaseRow, components, stages};
use crate::error::Result;

/// Adds components and stages to a row.
pub fn show(connection: &Connection, row: ReleaseRow) -> Result<Release> {
    // Invariant: what is kept of a retired release suffices to start it again; the cleaner sets `discarded_at` first.
    let can_roll_back = row.state == ReleaseState::Retired && row.discarded_at.is_none() && row.manifest.is_some();
    Ok(Release {
        components: components(connection, row.id)?,
        stages: stages(connection, row.id)?,
        id: row.id,
        project: row.project,
        deployment: row.deployment,
        number: row.number,
        state: row.state,
        stage: row.stage,
        trigger: row.trigger,
        actor: row.actor,
        commit: row.commit,
        reference: row.reference,
        failure: row.failure,
        cancelled: row.cancelled,
        created_at: row.created_at,
        finished_at: row.finished_at,
        can_roll_back,
    })
}
