//! `/catalog/sources`: packages besides those in the binary.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{CatalogSource, Identifier, NewCatalogSource, SourceLocation};

use super::answer::{read, write};
use crate::auth::Actor;
use crate::db::catalog::{self, SourceRow};
use crate::db::event::{self, About};
use crate::db::{Connection, Transaction};
use crate::error::{Result, invalid};
use crate::release::catalog_source::shown;
use crate::state::App;

/// Most sources are there by then; a console then shows "busy" and asks again.
const ARRIVAL: Duration = Duration::from_secs(20);

pub async fn list(app: Data<App>) -> Result<Json<Vec<CatalogSource>>> {
    read(&app, |c, _| catalog::list(c)?.into_iter().map(|row| show(c, row)).collect()).await
}

pub async fn add(app: Data<App>, actor: Actor, body: Json<NewCatalogSource>) -> Result<HttpResponse> {
    check(&body.location)?;
    let new = body.into_inner();
    let name = new.name.clone();
    write(&app, move |tx, _| {
        catalog::create(tx, &new.name, &new.location)?;
        tell(tx, &actor, "added", &new.name)
    })
    .await?;
    fetched(&app, name).await
}

pub async fn refresh(app: Data<App>, name: Path<Identifier>) -> Result<HttpResponse> {
    let wanted = name.clone();
    write(&app, move |tx, _| catalog::want(tx, &wanted)).await?;
    fetched(&app, name.into_inner()).await
}

pub async fn remove(app: Data<App>, actor: Actor, name: Path<Identifier>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        catalog::remove(tx, &name)?;
        tell(tx, &actor, "removed", &name)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn check(location: &SourceLocation) -> Result<()> {
    match location {
        SourceLocation::Folder { path } if !path.starts_with('/') || path.contains('\0') => {
            Err(invalid(format!("\"{}\" is not an absolute path", path.escape_debug()))
                .hint("Name a folder of the server, as in /srv/packages."))
        }
        _ => Ok(()),
    }
}

/// The source once it was fetched, or as it is after a while (202).
async fn fetched(app: &App, name: Identifier) -> Result<HttpResponse> {
    app.pokes.catalog.poke();
    let wait = async {
        loop {
            let told = app.pokes.events.notified();
            let source = one(app, &name).await?;
            if !source.busy {
                return Ok::<_, crate::error::Error>(source);
            }
            told.await;
        }
    };
    match tokio::time::timeout(ARRIVAL, wait).await {
        Ok(source) => Ok(HttpResponse::Ok().json(source?)),
        Err(_) => Ok(HttpResponse::Accepted().json(one(app, &name).await?)),
    }
}

async fn one(app: &App, name: &Identifier) -> Result<CatalogSource> {
    let name = name.clone();
    app.db.read(move |c| show(c, catalog::by_name(c, &name)?)).await
}

fn show(connection: &Connection, row: SourceRow) -> Result<CatalogSource> {
    let packages = catalog::packages(connection)?.into_iter().filter(|package| package.source == row.name);
    Ok(CatalogSource {
        packages: packages.map(|package| package.identifier).collect(),
        busy: row.wanted_at > row.tried_for,
        name: row.name,
        location: shown(row.location),
        commit: row.commit,
        refreshed_at: row.refreshed_at,
        problem: row.problem,
    })
}

fn tell(tx: &Transaction<'_>, actor: &Actor, did: &str, name: &Identifier) -> Result<()> {
    let message = format!("{} {did} the source of packages {name}", actor.label());
    event::record(tx, &actor.label(), "catalog.source", About::default(), &message)?;
    Ok(())
}
