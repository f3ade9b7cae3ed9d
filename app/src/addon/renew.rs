//! A clone begins with the source's credentials, because they are in its files. Once it runs by itself it gets its own: nobody
//! who knows those of the one can use them for the other.

use boathouse_types::Intent;

use super::rotate;
use crate::db::clone::{self, CloneRow};
use crate::db::event::{self, About};
use crate::db::{Transaction, deployment, release};
use crate::error::Result;
use crate::state::App;

/// Who orders the rotations.
const ACTOR: &str = "system";

/// Orders new credentials for the add-ons of clones that are live for the first time.
pub async fn clones(app: &App) -> Result<()> {
    for row in app.db.read(clone::to_renew).await? {
        let handles = app.clone();
        app.db.write(move |tx| renew(tx, &handles, &row)).await?;
    }
    Ok(())
}

fn renew(tx: &Transaction<'_>, app: &App, row: &CloneRow) -> Result<()> {
    let target = deployment::by_id(tx, row.target)?;
    let Some(live) = release::live(tx, target.id)?.filter(|live| live.finished_at.is_some()) else { return Ok(()) };
    if target.intent != Intent::Running || release::pending(tx, target.id)?.is_some() {
        return Ok(());
    }
    for part in live.manifest.iter().flat_map(|stack| &stack.addons).filter(|part| part.rotate.is_some()) {
        if let Err(error) = rotate::request(tx, app, &target, &part.identifier, ACTOR) {
            let about = About { project: Some(&target.project), deployment: Some(&target.name), release: None };
            let words = format!("The add-on {} keeps the credentials of the source: {error}", part.identifier);
            event::record(tx, ACTOR, "clone.credentials_kept", about, &words)?;
        }
    }
    clone::set_renewed(tx, row.id)
}
