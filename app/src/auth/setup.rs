//! The one-time token with which the first administrator is made.
//!
//! No default password exists. The token's hash is in the database, the token itself in a 0600 file beside it until it is
//! used, so that `boathouse setup-token` can show it again to whoever may read the data directory.

use std::fs;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use boathouse_types::{Role, UserId, UserName};

use crate::config::Paths;
use crate::db::event::{self, About};
use crate::db::{Connection, Transaction, setting, user};
use crate::error::{Result, not_found, unauthenticated};
use crate::secret::{random_token, sha256};
use crate::state::App;

const RESERVED: [&str; 2] = ["local", "system"];

/// The file that holds the token until it is used.
pub fn file(paths: &Paths) -> PathBuf {
    paths.root.join("setup-token")
}

/// True until the first administrator exists.
pub fn is_needed(connection: &Connection) -> Result<bool> {
    Ok(user::admins(connection)? == 0)
}

/// At start: makes the token where it is needed and not there, removes its file where it is not needed. Prints a new one
/// on the terminal, past the log, because logs are kept and shipped.
pub fn prepare(app: &App) -> Result<()> {
    let file = file(&app.paths);
    let made = app.db.write_blocking(|tx| ensure(tx, &file))?;
    match made {
        Some(token) => announce(&app.paths.root, &token),
        None if file.exists() => tracing::info!("set-up is not done yet: `boathouse setup-token` shows the token"),
        None => {}
    }
    Ok(())
}

fn ensure(tx: &Transaction<'_>, file: &Path) -> Result<Option<String>> {
    if !is_needed(tx)? {
        setting::unset(tx, setting::SETUP_TOKEN_HASH)?;
        remove(file)?;
        return Ok(None);
    }
    let stored = setting::get(tx, setting::SETUP_TOKEN_HASH)?;
    let at_hand = fs::read_to_string(file).ok();
    if stored.is_some() && stored == at_hand.map(|token| hash(&token)) {
        return Ok(None);
    }
    let token = random_token();
    write(file, &token)?;
    setting::set(tx, setting::SETUP_TOKEN_HASH, &hash(&token))?;
    Ok(Some(token))
}

/// Makes the first administrator. `token` is `None` for the unix socket, whose user could read the file anyway.
///
/// # Errors
/// Not found once an administrator exists: the endpoint is gone then.
pub fn complete(tx: &Transaction<'_>, token: Option<&str>, name: &UserName, password_hash: &str) -> Result<UserId> {
    if !is_needed(tx)? {
        return Err(gone());
    }
    if let Some(token) = token {
        check(tx, token)?;
    }
    refuse_reserved(name)?;
    let id = user::create(tx, name, Role::Admin, password_hash)?;
    setting::unset(tx, setting::SETUP_TOKEN_HASH)?;
    event::record(tx, name.as_str(), "user.created", About::default(), &format!("{name} became the administrator"))?;
    Ok(id)
}

/// Refuses a token that is not the one.
pub fn check(connection: &Connection, token: &str) -> Result<()> {
    // Two hashes are compared, never the secrets: how long that takes tells nothing that helps a guesser.
    match setting::get(connection, setting::SETUP_TOKEN_HASH)? {
        Some(stored) if stored == hash(token) => Ok(()),
        _ => Err(unauthenticated("the set-up token is not right").hint(
            "`boathouse setup-token` on the server shows it; or make the administrator there with `boathouse setup`.",
        )),
    }
}

/// Names that events use for callers without a user.
pub fn refuse_reserved(name: &UserName) -> Result<()> {
    if RESERVED.contains(&name.as_str().to_ascii_lowercase().as_str()) {
        return Err(crate::error::invalid(format!("the name \"{name}\" is reserved")).hint("Choose another one."));
    }
    Ok(())
}

/// What the endpoint answers once it has been used.
pub fn gone() -> crate::error::Error {
    not_found("set-up is done: an administrator exists").hint("Sign in.")
}

/// Removes the token's file.
pub fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn write(file: &Path, token: &str) -> Result<()> {
    remove(file)?;
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    out.write_all(token.as_bytes())?;
    out.sync_all()?;
    Ok(())
}

fn hash(token: &str) -> String {
    hex::encode(sha256(token.trim().as_bytes()))
}

/// The token is for whoever sits at the terminal; a journal or a log file keeps things too long for a secret.
fn announce(root: &Path, token: &str) {
    let show = format!("`boathouse setup-token --data-dir {}`", root.display());
    let text = if std::io::stderr().is_terminal() {
        format!(
            "\nNo administrator exists yet. The one-time set-up token is:\n\n    {token}\n\n{show} shows it again.\n\n"
        )
    } else {
        format!("\nNo administrator exists yet. {show} shows the one-time set-up token.\n\n")
    };
    // A closed terminal is no reason not to start: the file holds the token.
    _ = std::io::stderr().write_all(text.as_bytes());
}
