//! Add-ons with more data than is copied in a pause: their packages dump it while they run, into a server on the clone's volume.

use std::time::Duration;

use boathouse_types::EnvKey;

use crate::clock;
use crate::db::clone::CloneRow;
use crate::db::deployment::DeploymentRow;
use crate::db::{Connection, object, release, volume};
use crate::docker::Mount;
use crate::error::Result;
use crate::observed::Phase;
use crate::release::transfer::{self, Making, Second, Transfer};
use crate::snapshot;
use crate::stack::{Component, Volume};
use crate::state::App;

/// Counting walks all files; what takes longer is not waited for.
const COUNTING: Duration = Duration::from_secs(20);

/// Has the source's volumes counted: their size decides how they are copied. What cannot be counted in time counts as small.
pub async fn count(app: &App, row: &CloneRow) {
    let Some(source) = row.source else { return };
    let asked = clock::now();
    let volumes = app.db.read(move |connection| volume::of_deployment(connection, source)).await.unwrap_or_default();
    let mut changes = app.observed.subscribe();
    app.observed.ask_sizes(source);
    app.pokes.sizes.poke();
    let counted = async {
        while volumes.iter().any(|one| app.observed.size(&one.name).is_none_or(|size| size.at < asked)) {
            // The sender lives as long as the app does.
            changes.changed().await.ok();
        }
    };
    tokio::time::timeout(COUNTING, counted).await.ok();
}

/// The ways of the add-ons of the source that have that much, can be dumped, and answer.
pub fn transfers(
    connection: &Connection,
    app: &App,
    row: &CloneRow,
    source: &DeploymentRow,
    target: &DeploymentRow,
) -> Result<Vec<Transfer>> {
    // What is live now: the source may have had a release since the clone was asked for.
    let Some(live) = release::live(connection, source.id)? else { return Ok(Vec::new()) };
    let (built, values) = (release::components(connection, live.id)?, snapshot::open(&app.key, &live)?.values());
    let large = live.manifest.iter().flat_map(|stack| &stack.addons).filter(|part| is_large(app, source, part));
    let found = large.filter_map(|part| {
        let about = built.iter().find(|one| one.identifier == part.identifier)?;
        let seen = app.observed.of_deployment(source.id).into_iter().map(|(_, one)| one);
        let mut mine = seen.filter(|one| one.identifier == part.identifier && one.phase == Phase::Healthy);
        let answers = mine.next()?;
        let from = object::container_name(&app.instance, &source.slug, live.number, &part.identifier, None);
        let mount = |volume: &Volume| Mount {
            volume: volume::name(&app.instance, &target.slug, &volume.identifier),
            path: volume.path.clone(),
            read_only: false,
        };
        let env = values.get(&part.identifier).into_iter().flatten();
        let spec = transfer::second(Making {
            name: format!("bh-{}-copy-{}-{}", app.instance, row.id, part.identifier),
            instance: &app.instance,
            image: about.digest.clone()?,
            part,
            stage: source.stage,
            env: env.map(|(key, value): (&EnvKey, &String)| (key.to_string(), value.clone())).collect(),
            network: object::network_name(&app.instance, &source.slug),
            mounts: part.volumes.iter().filter(|volume| volume.exists_at(source.stage)).map(mount).collect(),
        });
        let port = part.port.or(answers.port)?;
        let backup = part.backup.clone()?;
        Some(Transfer { backup, from, second: Second { spec, port, owner: target.id } })
    });
    Ok(found.collect())
}

fn is_large(app: &App, source: &DeploymentRow, part: &Component) -> bool {
    let bytes = |volume: &Volume| {
        let size = app.observed.size(&volume::name(&app.instance, &source.slug, &volume.identifier))?;
        size.counted.ok()
    };
    part.volumes.iter().filter_map(bytes).sum::<u64>() > app.config.clone_dump_above << 20
}
