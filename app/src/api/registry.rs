//! `/registries`: logins at image registries. A password goes in and never comes out.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{NewRegistry, Registry, RegistryHost};

use super::answer::{read, write};
use crate::auth::Actor;
use crate::db::event::{self, About};
use crate::db::{Connection, registry};
use crate::error::{Result, internal, invalid};
use crate::state::App;

/// Access tokens are some hundred bytes long, some cloud providers' some thousand.
const PASSWORD_MAX: usize = 16 * 1024;

pub async fn list(app: Data<App>) -> Result<Json<Vec<Registry>>> {
    read(&app, |connection, _| all(connection)).await
}

pub async fn add(app: Data<App>, actor: Actor, body: Json<NewRegistry>) -> Result<Json<Registry>> {
    let NewRegistry { host, username, password } = body.into_inner();
    check(&password)?;
    write(&app, move |tx, app| {
        let sealed = app.key.seal(&registry::aad(&host), password.as_bytes());
        registry::set(tx, &host, &username, &sealed)?;
        let message = format!("{} set the login {username} for the registry {host}", actor.label());
        event::record(tx, &actor.label(), "registry.changed", About::default(), &message)?;
        let stored = all(tx)?.into_iter().find(|login| login.host == host);
        stored.ok_or_else(|| internal("a login was stored and is not there"))
    })
    .await
}

pub async fn remove(app: Data<App>, actor: Actor, host: Path<RegistryHost>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        registry::remove(tx, &host)?;
        let message = format!("{} removed the login for the registry {host}", actor.label());
        event::record(tx, &actor.label(), "registry.removed", About::default(), &message)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn all(connection: &Connection) -> Result<Vec<Registry>> {
    Ok(registry::list(connection)?.into_iter().map(Registry::from).collect())
}

fn check(password: &str) -> Result<()> {
    if password.is_empty() || password.len() > PASSWORD_MAX || password.chars().any(char::is_control) {
        return Err(invalid(format!("a password has 1 to {PASSWORD_MAX} bytes and no control characters"))
            .hint("Give the registry's password or access token, in one line."));
    }
    Ok(())
}
