//! The story of the server process: open the state, start the parts, wait for a signal, stop in order.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::clock;
use crate::config::{Paths, ServeArgs};
use crate::db::{Db, setting};
use crate::error::{Result, unavailable};
use crate::logs::Logs;
use crate::observed::Observed;
use crate::secret::SecretKey;
use crate::state::{App, Inner, Pokes};
use crate::task::Tasks;

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
