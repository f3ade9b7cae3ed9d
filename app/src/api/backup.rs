//! `/backup`: one archive with all that a blank machine needs to go on.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use boathouse_types::NewBackup;
use tokio_util::io::ReaderStream;

use crate::auth::Actor;
use crate::backup;
use crate::clock;
use crate::db::event::{self, About};
use crate::error::{Result, internal};
use crate::state::App;

pub async fn create(app: Data<App>, actor: Actor, body: Json<NewBackup>) -> Result<HttpResponse> {
    let label = actor.label();
    let message = format!("{label} made a backup");
    app.db.write(move |tx| event::record(tx, &label, "backup.created", About::default(), &message)).await?;
    let file = pack(&app, body.into_inner().passphrase).await?;
    let name = format!("attachment; filename=\"boathouse-{}.tar.gz\"", clock::now());
    Ok(HttpResponse::Ok()
        .content_type("application/gzip")
        .insert_header(("content-disposition", name))
        .streaming(ReaderStream::new(tokio::fs::File::from_std(file))))
}

async fn pack(app: &App, passphrase: String) -> Result<std::fs::File> {
    let work = tempfile::tempdir_in(app.paths.work())?;
    let copy = work.path().join("copy.db");
    app.db.copy_to(copy.clone()).await?;
    let paths = app.paths.clone();
    tokio::task::spawn_blocking(move || backup::pack(&paths, &copy, &passphrase))
        .await
        .map_err(|error| internal("making a backup was cut short").caused_by(error))?
}
