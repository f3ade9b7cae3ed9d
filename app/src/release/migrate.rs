//! The data of an add-on goes over to a version that cannot read its files: dumped by the package's command from the server
//! that runs, restored into a server of the new version on a volume of its own, compared. Nothing writes meanwhile, and the
//! old volume is only read: whatever fails leaves it as it was. A crash begins anew with a fresh volume.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use boathouse_types::{Identifier, ReleaseId, Trigger};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, sink};

use super::build::Exposed;
use super::pipeline::Run;
use super::stop::Step;
use crate::clock;
use crate::db::release::{self, ReleaseRow};
use crate::db::{Connection, Transaction, deployment, object, volume};
use crate::docker::{ContainerSpec, ExecEnd, ExecSpec, Limits, Mount, RunState, VolumeSpec, labels};
use crate::error::{Error, Result, internal, invalid, unavailable};
use crate::fault;
use crate::observed::Phase;
use crate::snapshot;
use crate::stack::package::Backup;
use crate::stack::{Component, upgrade};

/// More data than can be moved in this time needs a way of its own.
const COPY_MAX: Duration = Duration::from_secs(6 * 3600);
/// Names and counts: no server takes that long for them.
const CHECK_MAX: Duration = Duration::from_secs(15 * 60);
/// Programs that do not end within the drain deadline and this are killed by then.
const HALT_MAX: Duration = Duration::from_secs(120);
/// A new server writes its first files in this time.
const READY_MAX: Duration = Duration::from_secs(180);
/// From the stop signal to the kill: a server writes what it still has in memory.
const STOP_GRACE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Between two lines about how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Bytes between the two servers.
const PIPE: usize = 256 * 1024;

/// All that it needs.
struct Move {
    backup: Backup,
    /// The server that runs.
    old: String,
    /// The one that is filled.
    new: ContainerSpec,
    port: u16,
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
    begin(run, &found).await?;
    fault::point("migrate.made");
    copy(run, &found).await?;
    fault::point("migrate.copied");
    check(run, &found).await?;
    fault::point("migrate.checked");
    run.engine.stop(&found.new.name, STOP_GRACE).await?;
    run.engine.remove(&found.new.name).await?;
    Ok(())
}

/// Removes the second server; its volume goes with the release that failed.
pub async fn tidy(run: &Run, row: &ReleaseRow) -> Result<()> {
    let Trigger::Upgrade { .. } = &row.trigger else { return Ok(()) };
    run.engine.remove(&server_name(&run.app.instance, row.id)).await.map_err(snapshot::engine_error)
}

/// What is recorded once the release serves alone.
pub fn settle(tx: &Transaction<'_>, row: &ReleaseRow) -> Result<()> {
    let Trigger::Upgrade { addon, version } = &row.trigger else { return Ok(()) };
    volume::settle(tx, row.id)?;
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
        let spec = ContainerSpec {
            name: server_name(&app.instance, row.id),
            image,
            command: new.command_at(deployment::by_id(connection, row.deployment_id)?.stage).cloned(),
            env: values.into_iter().map(|(key, value)| (key.to_string(), value)).collect(),
            labels: BTreeMap::from([(labels::INSTANCE.to_owned(), app.instance.clone())]),
            // Reached by nobody under the add-on's name.
            network: Some(object::network_name(&app.instance, &row.slug)),
            mounts: mounts.collect(),
            limits: Limits { memory: new.resources.memory_bytes, ..Limits::default() },
            stop_grace: Some(STOP_GRACE),
            init: true,
            ..ContainerSpec::default()
        };
        Ok(Some(Self {
            backup,
            old: running(app, &live, &old)?,
            new: spec,
            port,
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
                object::want_restart(tx, live, Some(component), now)?;
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
        for name in &found.halted {
            while is_up(run, name).await? {
                tokio::time::sleep(LOOK_AGAIN).await;
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

/// A server of the new version on a fresh volume; what an earlier try left goes.
async fn begin(run: &Run, found: &Move) -> Step<()> {
    run.engine.remove(&found.new.name).await?;
    for (_, name) in &found.volumes {
        run.engine.remove_volume(name).await?;
        let deployment = run.row().await?.deployment_id.to_string();
        let labels = BTreeMap::from([
            (labels::INSTANCE.to_owned(), run.app.instance.clone()),
            (labels::DEPLOYMENT.to_owned(), deployment),
        ]);
        run.engine.create_volume(&VolumeSpec { name: name.clone(), labels }).await?;
    }
    run.engine.create(&found.new).await?;
    run.engine.start(&found.new.name).await?;
    let ready = tokio::time::timeout(READY_MAX, until_ready(run, found)).await;
    ready.map_err(|_| {
        invalid(format!("the new server did not listen on port {} within {} s", found.port, READY_MAX.as_secs()))
    })??;
    Ok(())
}

/// Until it takes connections: while it makes its first files, servers do not listen.
async fn until_ready(run: &Run, found: &Move) -> Result<()> {
    loop {
        let label = crate::docker::Label::instance(&run.app.instance);
        let all = run.engine.list(&label).await.map_err(snapshot::engine_error)?;
        let Some(one) = all.into_iter().find(|one| one.name == found.new.name) else {
            return Err(unavailable("the new server was removed by somebody"));
        };
        if matches!(one.state, RunState::Exited { .. }) {
            return Err(
                invalid("the new server ended right after its start").hint("Its image may need other variables.")
            );
        }
        for address in one.addresses.values() {
            if tokio::net::TcpStream::connect(SocketAddr::new(*address, found.port)).await.is_ok() {
                return Ok(());
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The dump of the one is the input of the other; nothing of it touches a disk of ours.
async fn copy(run: &Run, found: &Move) -> Step<()> {
    let begun = Instant::now();
    let exec = |argv: &Vec<String>| ExecSpec { argv: argv.clone(), env: BTreeMap::new(), deadline: COPY_MAX };
    let (dump, restore) = (exec(&found.backup.dump), exec(&found.backup.restore));
    let (mut dumped_into, mut dumped) = duplex(PIPE);
    let (mut restored_from, mut to_restore) = duplex(PIPE);
    let dump = async move { run.engine.exec(&found.old, &dump, None, &mut dumped_into).await };
    // Owned, so that the end of either side ends the pipe.
    let restore = async move { run.engine.exec(&found.new.name, &restore, Some(&mut to_restore), &mut sink()).await };
    let pump = async move {
        let (mut buffer, mut bytes, mut told) = (vec![0; PIPE], 0_u64, Instant::now());
        loop {
            let length = dumped.read(&mut buffer).await.unwrap_or(0);
            if length == 0 || restored_from.write_all(&buffer[..length]).await.is_err() {
                return bytes;
            }
            bytes += length as u64;
            if told.elapsed() > TELL_EVERY {
                run.log.say(format!("{} MiB dumped and restored so far", bytes >> 20));
                told = Instant::now();
            }
        }
    };
    let (dumped, bytes, restored) = tokio::join!(dump, pump, restore);
    // One that fails breaks the other's pipe: the one that spoke first is the cause.
    succeeded(run, "restored", restored.map_err(snapshot::engine_error)?).and(succeeded(
        run,
        "dumped",
        dumped.map_err(snapshot::engine_error)?,
    ))?;
    run.log.say(format!("{} KiB dumped and restored in {} ms", bytes.div_ceil(1024), begun.elapsed().as_millis()));
    Ok(())
}

fn succeeded(run: &Run, what: &str, ended: ExecEnd) -> Result<()> {
    if ended.code == 0 {
        return Ok(());
    }
    let said = run.log.redacted(ended.stderr.trim().lines().next_back().unwrap_or("it said nothing").to_owned());
    Err(invalid(format!("the data could not be {what}: exit code {}: {said}", ended.code))
        .hint("The version that ran goes on with its own files. Correct what it names, then try again."))
}

/// What the package counts must be the same on both sides.
async fn check(run: &Run, found: &Move) -> Step<()> {
    let Some(check) = &found.backup.check else {
        run.log.say("the package has nothing to compare; the restore said that it succeeded");
        return Ok(());
    };
    let spec = ExecSpec { argv: check.clone(), env: BTreeMap::new(), deadline: CHECK_MAX };
    let mut counted = Vec::new();
    for server in [&found.old, &found.new.name] {
        let mut text = Vec::new();
        let ended = run.engine.exec(server, &spec, None, &mut text).await?;
        succeeded(run, "compared", ended)?;
        counted.push(String::from_utf8_lossy(&text).into_owned());
    }
    let [old, new] = counted.as_slice() else { return Err(internal("two servers were asked").into()) };
    if old == new {
        run.log.say(format!("compared: {} facts are the same on both sides", old.lines().count()));
        return Ok(());
    }
    let missing = old.lines().find(|line| !new.lines().any(|other| other == *line));
    let more = new.lines().find(|line| !old.lines().any(|other| other == *line));
    let what = missing.map(|line| format!("\"{line}\" is not so in the new one"));
    let what = what.or_else(|| more.map(|line| format!("\"{line}\" is only in the new one")));
    Err(invalid(format!(
        "the copy is not the same as the data: {}",
        what.unwrap_or_else(|| "its order differs".to_owned())
    ))
    .hint("The version that ran goes on with its own files. What the package's dump leaves out must be moved by hand.")
    .into())
}
