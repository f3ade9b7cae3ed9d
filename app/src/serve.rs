//! The story of the server process: open the state, start the parts, wait for a signal, stop in order.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::api;
use crate::clock;
use crate::config::{LogFormat, Paths, ServeArgs};
use crate::db::{Db, setting};
use crate::error::{Result, unavailable};
use crate::logs::Logs;
use crate::observed::Observed;
use crate::secret::SecretKey;
use crate::state::{App, Inner, Pokes};
use crate::task::Tasks;

/// Tasks get this long to end once the process is asked to stop.
const GRACE: Duration = Duration::from_secs(15);

/// Runs the server until SIGTERM or SIGINT.
pub fn run(config: ServeArgs) -> Result<()> {
    start_log(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let app = open(config)?;
        api::start(&app)?;
        tracing::info!(data_dir = %app.paths.root.display(), "Boathouse is up");
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: containers keep running");
        app.tasks.shut_down(GRACE).await;
        app.db.checkpoint();
        Ok(())
    })
}

fn start_log(config: &ServeArgs) {
    let filter: Targets = config.log.parse().unwrap_or_else(|_| Targets::new().with_default(tracing::Level::INFO));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry();
    // A second server in one process (tests) keeps the first one's log.
    _ = match config.log_format {
        LogFormat::Text => registry.with(lines.with_ansi(false).with_filter(filter)).try_init(),
        LogFormat::Json => registry.with(lines.json().with_filter(filter)).try_init(),
    };
}

/// Opens everything that is stored: data directory, key, database.
pub fn open(config: ServeArgs) -> Result<App> {
    #[cfg(debug_assertions)]
    crate::fault::arm(config.fault.as_deref());
    let paths = Paths { root: config.data_dir.clone() };
    make_folders(&paths)?;
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
        key,
        observed: Observed::new(),
        pokes: Pokes::default(),
        tasks: Tasks::new(),
        instance,
        started_at: clock::now(),
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
