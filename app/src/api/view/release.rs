//! A release as the API shows it.

use std::collections::BTreeMap;

use boathouse_types::{DeploymentId, Millis, Release, ReleaseId, ReleaseState, Waiting, WaitsFor};

use crate::db::Connection;
use crate::db::release::brief::{self, Brief, stages};
use crate::db::release::{commands_of, components_of};
use crate::error::Result;
use crate::release::queue::waits_for_release;
use crate::state::App;

/// What a deployment shows of its releases.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// The one that serves.
    pub live: Option<Release>,
    /// The newest that is queued, building or starting.
    pub pending: Option<Release>,
    /// The newest of all, where it failed.
    pub failed: Option<Release>,
}

/// What deployments show of their releases; nothing for those that have none.
pub fn of_deployments(
    connection: &Connection,
    app: &App,
    ids: &[DeploymentId],
) -> Result<BTreeMap<DeploymentId, Shown>> {
    let rows = brief::of_deployments(connection, ids)?;
    let of: Vec<DeploymentId> = rows.iter().map(|row| row.deployment_id).collect();
    let mut found: BTreeMap<DeploymentId, Shown> = BTreeMap::new();
    // Oldest first: a later one takes the place of an older.
    for (id, release) in of.into_iter().zip(show_all(connection, app, rows)?) {
        let shown = found.entry(id).or_default();
        let failed = (release.state == ReleaseState::Failed).then(|| release.clone());
        match release.state {
            ReleaseState::Live => shown.live = Some(release),
            state if !state.is_terminal() => shown.pending = Some(release),
            _ => {}
        }
        shown.failed = failed;
    }
    Ok(found)
}

/// One release.
pub fn show(connection: &Connection, app: &App, row: Brief) -> Result<Release> {
    Ok(show_all(connection, app, vec![row])?.remove(0))
}

/// Adds components, stages and commands to rows, in as many statements as for one.
pub fn show_all(connection: &Connection, app: &App, rows: Vec<Brief>) -> Result<Vec<Release>> {
    let ids: Vec<ReleaseId> = rows.iter().map(|row| row.id).collect();
    let mut components = components_of(connection, &ids)?;
    let mut stages = stages(connection, &ids)?;
    let mut commands = commands_of(connection, &ids)?;
    let mut waiting = waiting(connection, app, &rows)?;
    let one = |row: Brief| Release {
        components: components.remove(&row.id).unwrap_or_default(),
        stages: stages.remove(&row.id).unwrap_or_default(),
        commands: commands.remove(&row.id).unwrap_or_default(),
        // Invariant: what is kept of a retired release suffices to start it again; the cleaner sets `discarded_at` first.
        can_roll_back: row.state == ReleaseState::Retired && row.discarded_at.is_none() && row.has_manifest,
        waiting: waiting.remove(&row.id),
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
        rolled_back: row.rolled_back,
        created_at: row.created_at,
        finished_at: row.finished_at,
    };
    Ok(rows.into_iter().map(one).collect())
}

/// Why releases are not built yet: those of a busy deployment wait for its turn, the others in the queue of builds.
fn waiting(connection: &Connection, app: &App, rows: &[Brief]) -> Result<BTreeMap<ReleaseId, Waiting>> {
    let mut found: BTreeMap<ReleaseId, Waiting> =
        app.observed.waits().into_iter().map(|(id, wait)| (id, wait.waiting)).collect();
    let queued = rows.iter().filter(|row| row.state == ReleaseState::Queued);
    let since: BTreeMap<ReleaseId, Millis> = queued.map(|row| (row.id, row.created_at)).collect();
    if since.is_empty() {
        return Ok(found);
    }
    let ids: Vec<ReleaseId> = since.keys().copied().collect();
    for (id, number) in brief::behind(connection, &ids)? {
        let since = since.get(&id).copied().unwrap_or_default();
        let reason = waits_for_release(number);
        found.insert(id, Waiting { position: 0, kind: WaitsFor::Release, reason, since });
    }
    Ok(found)
}
