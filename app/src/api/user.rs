//! `/users`: for administrators.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{ChangeUser, NewUser, Role, SetPassword, User, UserName};

use super::answer::{read, write};
use crate::auth::{Actor, password, setup};
use crate::db::event::{self, About};
use crate::db::{Transaction, session, user};
use crate::error::{Result, conflict};
use crate::state::App;

pub async fn list(app: Data<App>) -> Result<Json<Vec<User>>> {
    read(&app, |connection, _| Ok(user::list(connection)?.into_iter().map(User::from).collect())).await
}

pub async fn create(app: Data<App>, actor: Actor, body: Json<NewUser>) -> Result<Json<User>> {
    let NewUser { name, role, password } = body.into_inner();
    setup::refuse_reserved(&name)?;
    let hash = password::hash(password).await?;
    write(&app, move |tx, _| {
        user::create(tx, &name, role, &hash)?;
        let message = format!("{} created the user {name} as {}", actor.label(), role.as_str());
        event::record(tx, &actor.label(), "user.created", About::default(), &message)?;
        Ok(user::by_name(tx, &name)?.into())
    })
    .await
}

pub async fn change(app: Data<App>, actor: Actor, name: Path<UserName>, body: Json<ChangeUser>) -> Result<Json<User>> {
    let ChangeUser { role } = body.into_inner();
    write(&app, move |tx, _| {
        let row = user::by_name(tx, &name)?;
        if let Some(role) = role.filter(|role| *role != row.role) {
            refuse_the_last_admin(tx, &row)?;
            user::set_role(tx, row.id, role)?;
            let message = format!("{} changed the role of {} to {}", actor.label(), row.name, role.as_str());
            event::record(tx, &actor.label(), "user.role", About::default(), &message)?;
        }
        Ok(user::by_name(tx, &name)?.into())
    })
    .await
}

pub async fn delete(app: Data<App>, actor: Actor, name: Path<UserName>) -> Result<HttpResponse> {
    write(&app, move |tx, _| {
        let row = user::by_name(tx, &name)?;
        refuse_the_last_admin(tx, &row)?;
        user::remove(tx, row.id)?;
        let message = format!("{} deleted the user {name}", actor.label());
        event::record(tx, &actor.label(), "user.deleted", About::default(), &message)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub async fn set_password(
    app: Data<App>,
    actor: Actor,
    name: Path<UserName>,
    body: Json<SetPassword>,
) -> Result<HttpResponse> {
    let hash = password::hash(body.into_inner().password).await?;
    write(&app, move |tx, _| {
        let row = user::by_name(tx, &name)?;
        user::set_password(tx, row.id, &hash)?;
        session::remove_of(tx, row.id, None)?;
        let message = format!("{} set the password of {name}", actor.label());
        event::record(tx, &actor.label(), "user.password", About::default(), &message)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn refuse_the_last_admin(tx: &Transaction<'_>, row: &user::UserRow) -> Result<()> {
    if row.role == Role::Admin && user::admins(tx)? == 1 {
        return Err(
            conflict(format!("{} is the last administrator", row.name)).hint("Create another administrator first.")
        );
    }
    Ok(())
}
