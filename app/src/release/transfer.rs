//! Data from one server to another of its kind: the package's dump of the one is the input of its restore in a second one, which runs
//! on volumes of its own and is known to nobody. Nothing in between touches a disk of ours.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use boathouse_types::{DeploymentId, DeploymentStage};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, sink};

use crate::docker::{
    ContainerSpec, Containers, EngineEvent, ExecEnd, ExecSpec, Label, Limits, Mount, RunState, VolumeSpec, labels,
};
use crate::error::{Error, Result, invalid, unavailable};
use crate::logs::Redactor;
use crate::snapshot::engine_error;
use crate::stack::Component;
use crate::stack::package::Backup;

/// More data than can be moved in this time needs a way of its own.
const COPY_MAX: Duration = Duration::from_secs(6 * 3600);
/// Names and counts: no server takes that long for them.
const CHECK_MAX: Duration = Duration::from_secs(15 * 60);
/// A new server writes its first files in this time.
const READY_MAX: Duration = Duration::from_secs(180);
/// From the stop signal to the kill: a server writes what it still has in memory.
const STOP_GRACE: Duration = Duration::from_secs(60);
/// A port on which nobody listens yet is tried again after this.
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// Between two words about how far it is.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// Bytes between the two servers.
const PIPE: usize = 256 * 1024;

/// A way from one server to another.
#[derive(Debug, Clone)]
pub struct Transfer {
    /// The package's commands.
    pub backup: Backup,
    /// The container of the server that has the data.
    pub from: String,
    /// The server that gets it.
    pub second: Second,
}

/// A server that is filled.
#[derive(Debug, Clone)]
pub struct Second {
    /// How the engine is to make it.
    pub spec: ContainerSpec,
    /// Where it listens once it is ready.
    pub port: u16,
    /// The deployment to which its volumes belong.
    pub owner: DeploymentId,
}

/// What a second server is made of.
pub struct Making<'a> {
    /// Its name at the engine.
    pub name: String,
    /// This instance.
    pub instance: &'a str,
    /// The image, by digest.
    pub image: String,
    /// The add-on.
    pub part: &'a Component,
    /// Where it will serve.
    pub stage: DeploymentStage,
    /// Its variables.
    pub env: BTreeMap<String, String>,
    /// A network through which it is found ready; it has no name there.
    pub network: String,
    /// Its volumes: name at the engine and place.
    pub mounts: Vec<Mount>,
}

/// The second server as the engine is to make it.
pub fn second(making: Making<'_>) -> ContainerSpec {
    ContainerSpec {
        name: making.name,
        image: making.image,
        command: making.part.command_at(making.stage).cloned(),
        env: making.env,
        labels: BTreeMap::from([(labels::INSTANCE.to_owned(), making.instance.to_owned())]),
        network: Some(making.network),
        mounts: making.mounts,
        limits: Limits { memory: making.part.resources.memory_bytes, ..Limits::default() },
        stop_grace: Some(STOP_GRACE),
        init: true,
        ..ContainerSpec::default()
    }
}

impl Second {
    /// Starts the second server on fresh volumes and waits until it is ready; what an earlier try left goes.
    pub async fn begin(&self, engine: &dyn Containers) -> Result<()> {
        engine.remove(&self.spec.name).await.map_err(engine_error)?;
        let instance = self.spec.labels.get(labels::INSTANCE).cloned().unwrap_or_default();
        for mount in &self.spec.mounts {
            engine.remove_volume(&mount.volume).await.map_err(engine_error)?;
            let labels = BTreeMap::from([
                (labels::INSTANCE.to_owned(), instance.clone()),
                (labels::DEPLOYMENT.to_owned(), self.owner.to_string()),
            ]);
            engine.create_volume(&VolumeSpec { name: mount.volume.clone(), labels }).await.map_err(engine_error)?;
        }
        engine.create(&self.spec).await.map_err(engine_error)?;
        engine.start(&self.spec.name).await.map_err(engine_error)?;
        let ready = tokio::time::timeout(READY_MAX, self.until_ready(engine, &instance)).await;
        ready.map_err(|_| {
            invalid(format!("the new server did not listen on port {} within {} s", self.port, READY_MAX.as_secs()))
        })?
    }

    /// Until it takes connections: while it makes its first files, a server does not listen.
    async fn until_ready(&self, engine: &dyn Containers, instance: &str) -> Result<()> {
        // Before the first look: what happens in between is an event.
        let label = Label::instance(instance);
        let mut events = engine.events(label.clone()).await.map_err(engine_error)?;
        loop {
            let all = engine.list(&label).await.map_err(engine_error)?;
            let Some(one) = all.into_iter().find(|one| one.name == self.spec.name) else {
                return Err(unavailable("the new server was removed by somebody"));
            };
            if matches!(one.state, RunState::Exited { .. }) {
                return Err(invalid("the new server ended right after its start")
                    .hint("Its image may need other variables than the package gives it."));
            }
            let addresses = one.addresses.values().map(|address| SocketAddr::new(*address, self.port)).collect();
            tokio::select! {
                () = listens(addresses) => return Ok(()),
                event = next(&mut events) => event?,
            }
        }
    }

    /// Restores what is read from `dump`.
    pub async fn fill(
        &self,
        engine: &dyn Containers,
        backup: &Backup,
        dump: &mut (dyn AsyncRead + Unpin + Send),
    ) -> Result<()> {
        let restored = engine.exec(&self.spec.name, &exec(&backup.restore), Some(dump), &mut sink()).await;
        succeeded("restored", restored.map_err(engine_error)?, self.spec.env.values())
    }

    /// Ends the second server in order: its files are whole then.
    pub async fn end(&self, engine: &dyn Containers) -> Result<()> {
        engine.stop(&self.spec.name, STOP_GRACE).await.map_err(engine_error)?;
        engine.remove(&self.spec.name).await.map_err(engine_error)
    }
}

impl Transfer {
    /// Dumps and restores; `tell` hears how many bytes have passed. Returns all of them.
    pub async fn copy(&self, engine: &dyn Containers, mut tell: impl FnMut(u64) + Send) -> Result<u64> {
        let (dump, restore) = (exec(&self.backup.dump), exec(&self.backup.restore));
        let (mut dumped_into, mut dumped) = duplex(PIPE);
        let (mut restored_from, mut to_restore) = duplex(PIPE);
        // Each end is owned by one side, so that the end of either ends the pipe.
        let dump = async move { engine.exec(&self.from, &dump, None, &mut dumped_into).await };
        let restore =
            async move { engine.exec(&self.second.spec.name, &restore, Some(&mut to_restore), &mut sink()).await };
        let pump = async move {
            let (mut buffer, mut bytes, mut told) = (vec![0; PIPE], 0_u64, Instant::now());
            loop {
                let length = dumped.read(&mut buffer).await.unwrap_or(0);
                if length == 0 || restored_from.write_all(&buffer[..length]).await.is_err() {
                    return bytes;
                }
                bytes += length as u64;
                if told.elapsed() > TELL_EVERY {
                    tell(bytes);
                    told = Instant::now();
                }
            }
        };
        let (dumped, bytes, restored) = tokio::join!(dump, pump, restore);
        // One that fails breaks the other's pipe; where the dump broke off, the restore only had too little.
        self.succeeded("dumped", dumped.map_err(engine_error)?)
            .and(self.succeeded("restored", restored.map_err(engine_error)?))?;
        Ok(bytes)
    }

    fn succeeded(&self, what: &str, ended: ExecEnd) -> Result<()> {
        succeeded(what, ended, self.second.spec.env.values())
    }

    /// What the package counts must be the same on both sides; how many facts that were, where it counts.
    pub async fn check(&self, engine: &dyn Containers) -> Result<Option<usize>> {
        let Some(check) = &self.backup.check else { return Ok(None) };
        let spec = ExecSpec { argv: check.clone(), env: BTreeMap::new(), deadline: CHECK_MAX };
        let mut counted = Vec::new();
        for server in [&self.from, &self.second.spec.name] {
            let mut text = Vec::new();
            let ended = engine.exec(server, &spec, None, &mut text).await.map_err(engine_error)?;
            self.succeeded("compared", ended)?;
            counted.push(String::from_utf8_lossy(&text).into_owned());
        }
        if counted[0] == counted[1] {
            Ok(Some(counted[0].lines().count()))
        } else {
            Err(differs(&counted[0], &counted[1]))
        }
    }
}

/// Writes the package's dump of the server in that container; `secrets` are left out of what it complains of.
pub async fn dump<'a>(
    engine: &dyn Containers,
    backup: &Backup,
    from: &str,
    secrets: impl Iterator<Item = &'a String>,
    output: &mut (dyn AsyncWrite + Unpin + Send),
) -> Result<()> {
    let dumped = engine.exec(from, &exec(&backup.dump), None, output).await;
    succeeded("dumped", dumped.map_err(engine_error)?, secrets)
}

fn exec(argv: &[String]) -> ExecSpec {
    ExecSpec { argv: argv.to_vec(), env: BTreeMap::new(), deadline: COPY_MAX }
}

fn succeeded<'a>(what: &str, ended: ExecEnd, secrets: impl Iterator<Item = &'a String>) -> Result<()> {
    if ended.code == 0 {
        return Ok(());
    }
    let said = Redactor::new(secrets.map(String::as_str)).apply(ended.stderr.trim().to_owned());
    let said = said.lines().next_back().unwrap_or("it said nothing");
    Err(invalid(format!("the data could not be {what}: exit code {}: {said}", ended.code))
        .hint("What ran goes on with its own files. Correct what it names, then try again."))
}

/// Until one of the addresses takes a connection. Nothing tells of that but trying.
async fn listens(addresses: Vec<SocketAddr>) {
    loop {
        for address in &addresses {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return;
            }
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

/// Waits until something happens at the engine.
pub async fn next(events: &mut BoxStream<'_, crate::docker::Result<EngineEvent>>) -> Result<()> {
    match events.next().await {
        Some(event) => event.map(drop).map_err(engine_error),
        None => Err(unavailable("the container engine went away").hint("Try it again once it runs.")),
    }
}

fn differs(old: &str, new: &str) -> Error {
    let missing = old.lines().find(|line| !new.lines().any(|other| other == *line));
    let more = new.lines().find(|line| !old.lines().any(|other| other == *line));
    let what = missing.map(|line| format!("\"{line}\" is not so in the new one"));
    let what = what.or_else(|| more.map(|line| format!("\"{line}\" is only in the new one")));
    let what = what.unwrap_or_else(|| "its order differs".to_owned());
    invalid(format!("the copy is not the same as the data: {what}")).hint(
        "The version that ran goes on with its own files. What the package's dump leaves out must be moved by hand.",
    )
}
