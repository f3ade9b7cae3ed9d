//! The story of the server process: open the state, start the parts, wait for a signal, stop in order.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Paths, ServeArgs};
use crate::db::{Db, setting};
use crate::docker::{Containers, Engine};
use crate::error::{Result, conflict, invalid, unavailable};
use crate::logs::Logs;
use crate::observed::Observed;
use crate::secret::SecretKey;
use crate::state::{App, Inner, Pokes};
use crate::supervisor::Supervisor;
use crate::task::Tasks;
use crate::{
    addon, api, clock, edge, hook, images, lifecycle, logs, memory, notify, release, run, supervisor, trace, watched,
};

/// Requests under way get this long at shutdown.
const DRAIN: Duration = Duration::from_secs(20);
/// Background tasks get this long after that.
const TASKS: Duration = Duration::from_secs(10);
/// Threads of the control plane. The edge has its own, one per core; here nothing is busy for long.
const THREADS: usize = 2;

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting, with what to do; once it runs, it ends only by a signal.
pub fn run(config: ServeArgs) -> Result<()> {
    trace::start(&config.log, config.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let result = runtime.block_on(serve(config));
    // A blocking call that hangs, on a dead disk say, must not keep the process from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(config: ServeArgs) -> Result<()> {
    let app = open(config)?;
    let pool = app.config.network_pool.parse().map_err(|error: String| {
        invalid(format!("--network-pool cannot be used: {error}"))
            .hint("Give a private IPv4 range, as in 10.231.0.0/16.")
    })?;
    let engine: Arc<dyn Containers> = Arc::new(Engine::new(app.config.docker.clone(), pool));

    let supervisor = Supervisor::new(&app, engine.clone());
    supervisor.look_first().await;
    let edge = edge::run::start(&app).await?;
    api::start(&app)?;
    supervisor::start(supervisor);
    logs::collect::start(&app, engine.clone());
    addon::start(&app, engine.clone());
    release::start(&app, engine.clone());
    hook::start(&app);
    images::start(&app, engine.clone())?;
    watched::start(&app);
    run::start(&app, engine.clone());
    lifecycle::start(&app, engine);
    memory::start(&app);
    let (http, https) = edge.addresses();
    tracing::info!(?http, ?https, data_dir = %app.paths.root.display(), version = env!("CARGO_PKG_VERSION"), "boathouse is ready");
    notify::tell(app.config.notify_socket.as_deref(), notify::READY);

    wait_for_signal().await?;
    notify::tell(app.config.notify_socket.as_deref(), notify::STOPPING);
    tracing::info!("stopping; containers keep running");
    // Both at once: an open stream of the API holds its connection through the edge until its task is told to stop.
    tokio::join!(edge.shut_down(DRAIN), app.tasks.shut_down(TASKS));
    app.db.checkpoint();
    Ok(())
}

async fn wait_for_signal() -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Opens everything that is stored: data directory, key, database.
pub fn open(config: ServeArgs) -> Result<App> {
    #[cfg(debug_assertions)]
    crate::fault::arm(config.fault.as_deref());
    let paths = Paths { root: config.data_dir.clone() };
    make_folders(&paths)?;
    let lock = lock(&paths)?;
    let is_new = !paths.database().exists();
    let key = SecretKey::load(&paths.secret_key(), is_new)?;
    let db = Db::open(&paths.database(), &paths.backups())?;
    let instance = db.write_blocking(setting::instance)?;
    let logs = Logs::new(paths.clone(), db.clone());
    Ok(App::new(Inner {
        config,
        paths,
        db,
        logs,
        runs: run::Live::default(),
        key,
        observed: Observed::new(),
        mirrors: crate::git::Mirrors::default(),
        looks: App::looks(),
        pokes: Pokes::default(),
        tasks: Tasks::new(),
        instance,
        started_at: clock::now(),
        lock,
    }))
}

fn make_folders(paths: &Paths) -> Result<()> {
    let refused = |error: std::io::Error| {
        unavailable(format!("the data directory {} cannot be used: {error}", paths.root.display()))
            .hint("Choose a directory that this user may write: boathouse serve --data-dir PATH")
    };
    fs::create_dir_all(&paths.root).map_err(refused)?;
    // Only this user may look inside: database, keys and sockets live here.
    fs::set_permissions(&paths.root, fs::Permissions::from_mode(0o700)).map_err(refused)?;
    for folder in paths.folders() {
        fs::create_dir_all(folder).map_err(refused)?;
    }
    Ok(())
}

/// Two servers on one data directory would fight over its containers.
fn lock(paths: &Paths) -> Result<OwnedFd> {
    let file: OwnedFd = fs::OpenOptions::new().create(true).truncate(false).write(true).open(paths.lock())?.into();
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(_) => Err(conflict(format!("another Boathouse already uses the data directory {}", paths.root.display()))
            .hint("Stop it first, or choose another directory: boathouse serve --data-dir PATH")),
    }
}

#[cfg(test)]
pub mod test {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        serve: ServeArgs,
    }

    /// Everything that is stored, in a folder of a test's own.
    pub fn app(folder: &Path) -> App {
        let flags = ["test", "--data-dir", folder.to_str().unwrap(), "--console-host", "boathouse.localhost"];
        open(Flags::parse_from(flags).serve).unwrap()
    }
}
