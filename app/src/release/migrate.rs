//! The data of an add-on goes over to a version that cannot read its files: dumped by the package's command from the server
//! that runs, restored into a server of the new version on a volume of its own, compared. Nothing writes meanwhile, and the
//! old volume is only read: whatever fails leaves it as it was. A crash begins anew with a fresh volume.

use std::time::{Duration, Instant};

use boathouse_types::{Identifier, ReleaseId, Trigger};

use super::build::Exposed;
use super::pipeline::Run;
use super::stop::Step;
use super::transfer::{self, Making, Second, Transfer};
use crate::clock;
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, Transaction, deployment, object, volume};
use crate::docker::{Label, Mount, RunState};
use crate::error::{Error, Result, internal, invalid, unavailable};
use crate::fault;
use crate::observed::Phase;
use crate::snapshot;
use crate::stack::{Component, upgrade};

/// Programs that do not end within the drain deadline and this are killed by then.
const HALT_MAX: Duration = Duration::from_secs(120);
/// Between two lines about how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// All that it needs.
struct Move {
    transfer: Transfer,
    /// Identifier and name of each new volume.
    volumes: Vec<(Identifier, String)>,
    live: ReleaseId,
    components: Vec<Identifier>,
    /// Containers that must not run.
    halted: Vec<String>,
}

/// Brings the data over where the release has other volumes for the add-on than what is live.
pub async fn data(run: &Run, row: &ReleaseRow, addon: &Identifier, exposed: &Exposed) -> Step<()> {
    let (app, fresh, identifier) = (run.app.clone(), row.clone(), addon.clone());
    let ports = exposed.get(addon).cloned().unwrap_or_default();
    let found = run.app.db.read(move |c| Move::read(c, &app, &fresh, &identifier, &ports)).await?;
    let Some(found) = found else { return Ok(()) };
    run.log.say(format!(
        "stopping {}: nothing is to write while the data moves",
        found.components.iter().map(Identifier::as_str).collect::<Vec<_>>().join(", ")
    ));
    halt(run, row, &found).await?;
    run.log.say(format!("starting a second server of the new version for {addon}"));
    let (transfer, engine) = (&found.transfer, &*run.engine);
    transfer.second.begin(engine).await?;
    fault::point("migrate.made");
    let (begun, mut told) = (Instant::now(), Instant::now());
    let tell = |bytes: u64| {
        if told.elapsed() > TELL_EVERY {
            run.log.say(format!("{} MiB dumped and restored so far", bytes >> 20));
            told = Instant::now();
        }
    };
    let bytes = transfer.copy(engine, tell).await?;
    run.log.say(format!("{} KiB dumped and restored in {} ms", bytes.div_ceil(1024), begun.elapsed().as_millis()));
    fault::point("migrate.copied");
    run.log.say(match transfer.check(engine).await? {
        Some(facts) => format!("compared: {facts} facts are the same on both sides"),
        None => "the package has nothing to compare; the restore said that it succeeded".to_owned(),
    });
    fault::point("migrate.checked");
    Ok(transfer.second.end(engine).await?)
}

/// Removes the second server; its volume goes with the release that failed.
pub async fn tidy(run: &Run, row: &ReleaseRow) -> Result<()> {
    let Trigger::Upgrade { .. } = &row.trigger else { return Ok(()) };
    run.engine.remove(&server_name(&run.app.instance, row.id)).await.map_err(snapshot::engine_error)
}

/// What is recorded once the release serves alone.
pub fn settle(tx: &Transaction<'_>, row: &ReleaseRow) -> Result<()> {
    let Trigger::Upgrade { addon, version } = &row.trigger else { return Ok(()) };
    let part = row.manifest.as_ref().and_then(|stack| stack.find(addon));
    let Some(before) = release::replaced(tx, row.id)?.and_then(|old| old.manifest) else { return Ok(()) };
    let (Some(old), Some(new)) = (before.find(addon), part) else { return Ok(()) };
    let was = upgrade::image(old).map_or("", |(_, tag)| tag);
    for (kept, _) in upgrade::moved(old, new) {
        let why = format!(
            "the files of {} {was}, as {addon} left them when release #{} brought it to {version}",
            old.name, row.number
        );
        volume::keep(tx, row.deployment_id, &kept.identifier, &why)?;
    }
    Ok(())
}

fn server_name(instance: &str, id: ReleaseId) -> String {
    format!("bh-{instance}-move-{id}")
}

impl Move {
    fn read(
        connection: &Connection,
        app: &crate::state::App,
        row: &ReleaseRow,
        addon: &Identifier,
        ports: &[u16],
    ) -> Result<Option<Self>> {
        let live = release::live(connection, row.deployment_id)?.ok_or_else(|| unavailable("no release is live"))?;
        let stack = row.manifest.as_ref().ok_or_else(|| internal("an upgrade without its stack"))?;
        let before = live.manifest.as_ref().ok_or_else(|| internal("what is live has no stack"))?;
        let part = |stack: &crate::stack::Stack| {
            stack.find(addon).cloned().ok_or_else(|| invalid(format!("there is no add-on {addon} any more")))
        };
        let (old, new) = (part(before)?, part(stack)?);
        let moved: Vec<_> = upgrade::moved(&old, &new).map(|(_, to)| to.clone()).collect();
        if moved.is_empty() {
            return Ok(None);
        }
        let backup = new.backup.clone().ok_or_else(|| invalid(format!("{addon} has no backup command")))?;
        let digest = release::components(connection, row.id)?.into_iter().find(|one| one.identifier == *addon);
        let image = digest.and_then(|one| one.digest).ok_or_else(|| internal("the new version has no image"))?;
        let name = |volume: &crate::stack::Volume| volume::name(&app.instance, &row.slug, &volume.identifier);
        let port = new.port.or_else(|| ports.iter().min().copied());
        let port = port.ok_or_else(|| invalid(format!("{addon} has no port on which it could be found ready")))?;
        let values = snapshot::open(&app.key, row)?.values().remove(addon).unwrap_or_default();
        let halted = object::containers(connection)?.into_iter().filter(|container| {
            let component = before.components.iter().any(|part| part.identifier == container.identifier);
            let writer = before.find(&container.identifier).is_some_and(|part| upgrade::uses(part, addon));
            container.deployment_id == row.deployment_id
                && container.release_id != row.id
                && container.identifier != *addon
                && (component || writer)
        });
        let mounts =
            moved.iter().map(|volume| Mount { volume: name(volume), path: volume.path.clone(), read_only: false });
        let spec = transfer::second(Making {
            name: server_name(&app.instance, row.id),
            instance: &app.instance,
            image,
            part: &new,
            stage: deployment::by_id(connection, row.deployment_id)?.stage,
            env: values.into_iter().map(|(key, value)| (key.to_string(), value)).collect(),
            network: object::network_name(&app.instance, &row.slug),
            mounts: mounts.collect(),
        });
        Ok(Some(Self {
            transfer: Transfer {
                backup,
                from: running(app, &live, &old)?,
                second: Second { spec, port, owner: row.deployment_id },
            },
            volumes: moved.iter().map(|volume| (volume.identifier.clone(), name(volume))).collect(),
            live: live.id,
            components: before
                .components
                .iter()
                .filter(|part| part.files.is_none())
                .map(|part| part.identifier.clone())
                .collect(),
            halted: halted.map(|container| container.name).collect(),
        }))
    }
}

/// The container of the server that runs; it must answer.
fn running(app: &crate::state::App, live: &ReleaseRow, part: &Component) -> Result<String> {
    let all = app.observed.of_deployment(live.deployment_id);
    let mut mine = all.into_iter().filter(|(_, one)| one.identifier == part.identifier && one.phase == Phase::Healthy);
    mine.find_map(|(_, one)| one.engine_id).ok_or_else(|| {
        unavailable(format!("{} does not answer, so its data cannot be read", part.identifier))
            .hint("`boathouse status --tree` says why; upgrade it once it answers.")
    })
}

/// Written down first, so that no pass of the supervisor and no restart of ours starts them again. They end in order: what
/// they answered before is in the data.
async fn halt(run: &Run, row: &ReleaseRow, found: &Move) -> Step<()> {
    let (id, deployment, live) = (row.id, row.deployment_id, found.live);
    let (components, volumes) = (found.components.clone(), found.volumes.clone());
    run.app
        .db
        .write(move |tx| {
            release::set_halts(tx, id)?;
            // Their end is one that was ordered, and no crash.
            let now = clock::now();
            for component in &components {
                object::want_restart(tx, live, Some(component), None, now)?;
            }
            volumes
                .iter()
                .try_for_each(|(identifier, name)| volume::record_for(tx, deployment, identifier, name, Some(id)))
        })
        .await?;
    fault::point("migrate.recorded");
    run.app.pokes.supervisor.poke();
    let deadline = Duration::from_secs(run.app.config.drain_timeout) + HALT_MAX;
    let all = async {
        // Before the first look: what ends in between is an event.
        let events = run.engine.events(Label::instance(&run.app.instance)).await;
        let mut events = events.map_err(snapshot::engine_error)?;
        for name in &found.halted {
            while is_up(run, name).await? {
                transfer::next(&mut events).await?;
            }
        }
        Ok::<_, Error>(())
    };
    let stopped = tokio::time::timeout(deadline, all).await;
    stopped.map_err(|_| {
        unavailable(format!("the components did not stop within {} s", deadline.as_secs()))
            .hint("See what they do, `boathouse logs`, and try it again.")
    })??;
    Ok(())
}

async fn is_up(run: &Run, name: &str) -> Result<bool> {
    match run.engine.inspect(name).await {
        Ok(about) => Ok(matches!(about.state, RunState::Running | RunState::Paused)),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(snapshot::engine_error(error)),
    }
}
