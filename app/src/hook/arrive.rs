//! A delivery arrives: it is believed or not, and recorded with what can be said at once. Everything else is decided later.

use boathouse_types::{
    Delivery, DeliveryId, DeliveryState, Happening, HookEvent, ProjectId, ProjectName, Provider, Source,
};

use super::sender::{Headers, Sender};
use super::{address, payload, signature};
use crate::clock;
use crate::db::delivery::{self, NewDelivery};
use crate::db::event::{self, About};
use crate::db::project::{self, ProjectRow};
use crate::db::{Transaction, hook};
use crate::error::{Error, Result, conflict, invalid, too_many_requests};
use crate::fault;
use crate::git;
use crate::state::App;

/// Deliveries of a project within [`WINDOW`].
const MOST: i64 = 120;
const WINDOW: i64 = 60 * clock::SECOND;

/// What became of one that arrived.
#[derive(Debug)]
pub enum Taken {
    /// It is recorded; the first where it tells of several branches.
    Recorded(Box<Delivery>),
    /// Nobody who knows the secret has signed it. The caller may note it, and answers as if there were no such project.
    NotBelieved {
        /// The project, where there is one.
        project: Option<ProjectId>,
        /// Who it claims to be from.
        provider: Provider,
        /// Why, for the project's log.
        why: &'static str,
    },
}

/// Takes it in. The caller pokes nothing: this does.
pub async fn take(
    app: &App,
    name: &str,
    headers: Headers<'_>,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Taken> {
    let sender = Sender::of(headers).ok_or_else(|| {
        invalid("this is a delivery of no provider that is known here")
            .hint("GitHub, GitLab, Bitbucket, Gitea and Forgejo are; a CI calls the deploy address with its token.")
    })?;
    let found = secret(app, name).await?;
    let secret = found.as_ref().map_or("", |(_, secret)| secret.as_str());
    if let Err(why) = signature::check(sender.provider, secret, headers, body, clock::now()) {
        let project = found.map(|(project, _)| project.id);
        return Ok(Taken::NotBelieved { project, provider: sender.provider, why });
    }
    let (project, _) = found.ok_or_else(|| conflict("the project is gone"))?;
    let told = match payload::read(&sender, content_type, body) {
        Ok(told) => told,
        Err(error) => {
            refused(app, project.id, sender.provider, error.message.clone()).await?;
            return Err(error);
        }
    };
    let delivery = record(app, project, sender, told).await?;
    match &delivery.reason {
        Some(reason) if delivery.state == DeliveryState::Refused => Err(conflict(reason.clone())
            .hint("Give the hook to the repository that the project is from, or change the project's source.")),
        _ => Ok(Taken::Recorded(Box::new(delivery))),
    }
}

/// The project and the secret of its hook; an empty one where it has none.
async fn secret(app: &App, name: &str) -> Result<Option<(ProjectRow, String)>> {
    let Ok(name) = name.parse::<ProjectName>() else { return Ok(None) };
    let key = app.key.clone();
    app.db
        .read(move |c| {
            let Ok(row) = project::by_name(c, &name) else { return Ok(None) };
            let sealed = hook::of_project(c, row.id)?.secret_sealed;
            let opened = sealed.map(|sealed| key.open(&hook::aad(row.id), &sealed)).transpose()?;
            let secret = opened.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            Ok(Some((row, secret.unwrap_or_default())))
        })
        .await
}

/// Records one per branch or tag, in one transaction.
async fn record(app: &App, project: ProjectRow, sender: Sender, told: Vec<Happening>) -> Result<Delivery> {
    let recorded = app
        .db
        .write(move |tx| {
            let mut first = None;
            for (nth, happening) in told.iter().enumerate() {
                // One delivery of Bitbucket may be several of ours; the first has its name.
                let key = sender.key.as_ref().map(|key| if nth == 0 { key.clone() } else { format!("{key}#{nth}") });
                let (state, reason) = judged(&project, happening);
                let new = NewDelivery {
                    key: key.as_deref(),
                    state,
                    reason: reason.as_deref(),
                    ..NewDelivery::waiting(project.id, sender.provider, happening)
                };
                let (delivery, is_new) = delivery::record(tx, &new)?;
                if is_new {
                    refuse_flood(tx, project.id)?;
                    tell(tx, &project, &delivery)?;
                }
                first.get_or_insert(delivery);
            }
            first.ok_or_else(|| invalid("the delivery tells of nothing that moved"))
        })
        .await?;
    fault::point("hook.recorded");
    app.pokes.hook.poke();
    app.pokes.events.notify_waiters();
    Ok(recorded)
}

/// Whoever looks at the list sees it at once; what waits is told when it is decided.
fn tell(tx: &Transaction<'_>, project: &ProjectRow, delivery: &Delivery) -> Result<()> {
    let Some(reason) = delivery.reason.as_ref().filter(|_| delivery.state != DeliveryState::Waiting) else {
        return Ok(());
    };
    let about = About { project: Some(&project.name), ..About::default() };
    let message = format!("Delivery {} of {}: {reason}", delivery.id, delivery.provider.name());
    event::record(tx, delivery.provider.name(), "hook.delivered", about, &message)?;
    Ok(())
}

/// What can be said of it without a look at the code.
fn judged(project: &ProjectRow, told: &Happening) -> (DeliveryState, Option<String>) {
    let done = |reason: String| (DeliveryState::Done, Some(reason));
    let Source::Git { url, .. } = &project.source else {
        return done(format!("the code of {} does not come from git", project.name));
    };
    let is_about = address::is_same(url.as_str(), &told.repository);
    // A ping may come before the repository has anything to say.
    let is_bare_ping = told.event == HookEvent::Ping && told.repository.is_empty();
    if !is_about && !is_bare_ping {
        let named = told.repository.first().map_or("no repository", String::as_str);
        let ours = git::without_password(url.as_str());
        return (DeliveryState::Refused, Some(format!("it is about {named}, but {} is from {ours}", project.name)));
    }
    let reference = told.reference.as_deref().unwrap_or_default();
    match (told.event, &told.pull_request) {
        (HookEvent::Ping, _) => done("the hook works: its secret and its repository are right".to_owned()),
        (HookEvent::PullRequest, Some(request)) if request.number > 0 && !request.head.is_empty() => {
            (DeliveryState::Waiting, None)
        }
        (HookEvent::Tag, _) if told.after.is_none() => {
            done(format!("\"{reference}\" was deleted: there is nothing to deploy"))
        }
        (HookEvent::Push | HookEvent::Tag, _) => (DeliveryState::Waiting, None),
        _ => done(format!("nothing is done about \"{}\"", told.name)),
    }
}

/// The transaction is taken back with it: what was too much is not recorded either, and can be sent again.
fn refuse_flood(tx: &Transaction<'_>, project: ProjectId) -> Result<()> {
    if delivery::count_since(tx, project, clock::now() - WINDOW)? <= MOST {
        return Ok(());
    }
    Err(too_many_requests(format!("more than {MOST} deliveries arrived within a minute"))
        .hint("Send it again in 60 s."))
}

/// Notes one that was not believed or not understood, for those who look why nothing happens.
pub async fn refused(app: &App, project: ProjectId, provider: Provider, reason: String) -> Result<()> {
    app.db
        .write(move |tx| {
            let new = NewDelivery {
                project,
                provider,
                key: None,
                happening: None,
                state: DeliveryState::Refused,
                reason: Some(&reason),
                redelivery_of: None,
            };
            delivery::record(tx, &new).map(drop)
        })
        .await
}

/// Branches and tags that were pushed to the own git server. What is pushed there is recorded as a git host would tell it.
pub async fn pushed(app: &App, project: &ProjectName, moved: Vec<Happening>) -> Result<Vec<DeliveryId>> {
    let name = project.clone();
    let recorded = app
        .db
        .write(move |tx| {
            let project = project::by_name(tx, &name)?;
            let mut recorded = Vec::new();
            for happening in moved.iter().filter(|one| one.after.is_some()) {
                let new = NewDelivery::waiting(project.id, Provider::Boathouse, happening);
                recorded.push(delivery::record(tx, &new)?.0.id);
            }
            Ok(recorded)
        })
        .await?;
    fault::point("hook.recorded");
    app.pokes.hook.poke();
    // A branch that was deleted is in no delivery.
    app.pokes.previews.poke();
    Ok(recorded)
}

/// Repeats a delivery: it is decided anew, by the code as it is now. The caller pokes.
pub fn again(tx: &Transaction<'_>, project: &ProjectRow, id: DeliveryId, actor: &str) -> Result<Delivery> {
    let old = delivery::by_id(tx, project.id, id)?;
    let Some(told) = &old.happening else {
        return Err(unknown(&old));
    };
    if !matches!(told.event, HookEvent::Push | HookEvent::Tag | HookEvent::PullRequest) {
        return Err(conflict(format!("delivery {id} is a {}, which deploys nothing", told.event.name()))
            .hint("Deploy instead: `boathouse deploy`."));
    }
    let (state, reason) = match old.provider {
        Provider::Boathouse => (DeliveryState::Waiting, None),
        _ => judged(project, told),
    };
    let new = NewDelivery {
        state,
        reason: reason.as_deref(),
        redelivery_of: Some(id),
        ..NewDelivery::waiting(project.id, old.provider, told)
    };
    let (made, _) = delivery::record(tx, &new)?;
    let about = About { project: Some(&project.name), ..About::default() };
    let message = format!("{actor} redelivered delivery {id} of {}", project.name);
    event::record(tx, actor, "hook.redelivered", about, &message)?;
    Ok(made)
}

fn unknown(old: &Delivery) -> Error {
    conflict(format!("delivery {} was not believed, so what it told was not kept", old.id))
        .hint(format!("Put its cause right, then send it again at {}.", old.provider.name()))
}
