//! A deployment's volumes as the API shows them.

use boathouse_types::{Volume, VolumeMount};

use crate::db::deployment::DeploymentRow;
use crate::db::volume::{self, VolumeRow};
use crate::db::{Connection, release};
use crate::error::Result;
use crate::stack::Stack;
use crate::state::App;

/// All of them, with what was counted last.
pub fn of_deployment(connection: &Connection, app: &App, row: &DeploymentRow) -> Result<Vec<Volume>> {
    let live = release::live(connection, row.id)?.and_then(|live| live.manifest);
    Ok(volume::of_deployment(connection, row.id)?.into_iter().map(|volume| show(app, volume, live.as_ref())).collect())
}

fn show(app: &App, row: VolumeRow, live: Option<&Stack>) -> Volume {
    let size = app.observed.size(&row.name);
    let parts = live.into_iter().flat_map(Stack::in_start_order);
    let uses = parts.flat_map(|part| part.volumes.iter().map(move |volume| (part, volume)));
    let uses: Vec<_> = uses.filter(|(_, volume)| volume.identifier == row.identifier).collect();
    let expected = uses.iter().filter_map(|(_, volume)| volume.size_mib).max();
    let mounts = uses
        .into_iter()
        .map(|(part, volume)| VolumeMount { component: part.identifier.clone(), path: volume.path.clone() });
    let counted = size.as_ref().map(|size| size.counted.clone());
    Volume {
        mounts: mounts.collect(),
        identifier: row.identifier,
        name: row.name,
        size_bytes: counted.clone().and_then(Result::ok),
        expected_bytes: expected.map(|mib| mib << 20),
        measured_at: size.map(|size| size.at),
        problem: counted.and_then(Result::err),
        kept: row.kept_from,
        leaving: row.leaving,
        created_at: row.created_at,
    }
}
