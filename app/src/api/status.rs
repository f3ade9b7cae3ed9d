//! `…/deployments/{deployment}/status`: the tree, once or as it changes.

use std::time::Duration;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use boathouse_types::{ErrorKind, Millis, StatusKind, StatusTree};
use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::deployment::At;
use super::sse::{self, Message};
use super::view;
use crate::auth::Actor;
use crate::clock;
use crate::error::Result;
use crate::state::App;

/// Without any change it is looked at again after this: a sentence may count seconds.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Between two looks, however much changes meanwhile.
const PAUSE: Duration = Duration::from_millis(100);
/// Sizes older than this are counted anew when somebody looks.
const FRESH: Millis = 60 * clock::SECOND;

pub async fn show(app: Data<App>, actor: Actor, at: Path<At>, request: HttpRequest) -> Result<HttpResponse> {
    let at = at.into_inner();
    let tree = read(&app, &at).await?;
    if sse::is_wanted(&request) {
        return Ok(sse::answer(&app, actor, follow(&app, at, tree)));
    }
    Ok(HttpResponse::Ok().json(tree))
}

async fn read(app: &App, at: &At) -> Result<StatusTree> {
    let (handles, at) = (app.clone(), at.clone());
    let (tree, deployment) = app
        .db
        .read(move |connection| {
            let row = at.find(connection)?;
            Ok((view::status::show(connection, &handles, &row)?, row.id))
        })
        .await?;
    let storage = tree.groups.iter().filter(|group| group.kind == StatusKind::Storage);
    let is_old = |at: Option<Millis>| at.is_none_or(|at| at < clock::now() - FRESH);
    let mut volumes = storage.flat_map(|group| &group.nodes).filter(|node| node.subject.is_some());
    if volumes.any(|node| is_old(node.since)) {
        app.observed.ask_sizes(deployment);
        app.pokes.sizes.poke();
    }
    Ok(tree)
}

struct Reader {
    app: App,
    at: At,
    changes: watch::Receiver<u64>,
    first: Option<StatusTree>,
    last: Option<StatusTree>,
}

fn follow(app: &App, at: At, tree: StatusTree) -> impl Stream<Item = Result<Message>> + use<> {
    let reader = Reader { app: app.clone(), at, changes: app.observed.subscribe(), first: Some(tree), last: None };
    stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            // A deployment that is gone ends its stream.
            Err(error) if error.kind == ErrorKind::NotFound => Some((Ok(Message::end()), None)),
            message => Some((message, Some(reader))),
        }
    })
}

impl Reader {
    async fn next(&mut self) -> Result<Message> {
        loop {
            let app = self.app.clone();
            let called = app.pokes.events.notified();
            tokio::pin!(called);
            // Listening begins before looking: what changes in between wakes us.
            called.as_mut().enable();
            self.changes.mark_unchanged();
            let tree = match self.first.take() {
                Some(tree) => tree,
                None => read(&self.app, &self.at).await?,
            };
            if self.last.as_ref() != Some(&tree) {
                let message = Message::json("state", None, &tree);
                self.last = Some(tree);
                return message;
            }
            tokio::select! {
                _ = self.changes.changed() => tokio::time::sleep(PAUSE).await,
                () = called => tokio::time::sleep(PAUSE).await,
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }
}
