//! `/tokens`: everyone has their own, administrators see all.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use boathouse_types::{CreatedToken, NewToken, Role, Token, TokenId};

use super::answer::{read, write};
use crate::auth::{Actor, token as tokens};
use crate::db::event::{self, About};
use crate::db::token;
use crate::error::{Result, not_found};
use crate::state::App;

pub async fn list(app: Data<App>, actor: Actor) -> Result<Json<Vec<Token>>> {
    let only = if actor.role == Role::Admin { None } else { actor.user() };
    read(&app, move |connection, _| Ok(token::list(connection, only)?.into_iter().map(|row| row.token).collect())).await
}

pub async fn create(app: Data<App>, actor: Actor, body: Json<NewToken>) -> Result<Json<CreatedToken>> {
    write(&app, move |tx, _| {
        let (secret, token) = tokens::create(tx, &actor, &body)?;
        let message = format!("{} made the token {} for {}", actor.label(), token.name, token.user);
        event::record(tx, &actor.label(), "token.created", About::default(), &message)?;
        Ok(CreatedToken { secret, token })
    })
    .await
}

pub async fn revoke(app: Data<App>, actor: Actor, id: Path<i64>) -> Result<HttpResponse> {
    let id = TokenId(id.into_inner());
    write(&app, move |tx, _| {
        let row = token::by_id(tx, id)?;
        tokens::refuse_breeding(&actor)?;
        if actor.role < Role::Admin && actor.user() != Some(row.user_id) {
            // Others' tokens do not exist for whoever may not see them.
            return Err(not_found(format!("there is no token {id}")));
        }
        token::remove(tx, id)?;
        let message = format!("{} revoked the token {} of {}", actor.label(), row.token.name, row.token.user);
        event::record(tx, &actor.label(), "token.revoked", About::default(), &message)
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}
