//! One look: what the registry has now, whether that is newer than what runs, and what is done about it.

use boathouse_types::{ImageAction, ImagePolicy, ImageRef, Millis, ReleaseId};
use futures_util::StreamExt;

use super::{choose, registry};
use crate::clock;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::image_watch::{self, WatchRow};
use crate::db::{Transaction, release};
use crate::docker::{Containers, DockerError, ErrorKind};
use crate::error::{Error, Result};
use crate::release::{login, newer_image};
use crate::secret;
use crate::state::App;

/// Registries that are asked at the same time.
const AT_ONCE: usize = 4;
/// After a look in vain the next one comes after this, then after twice that, and so on.
const FIRST_PAUSE: Millis = 300 * clock::SECOND;
const LONGEST_PAUSE: Millis = 6 * 3600 * clock::SECOND;
/// A registry that asks to be left alone is, for at least so long.
const LIMITED_PAUSE: Millis = 3600 * clock::SECOND;
/// Who is named at the releases.
const ACTOR: &str = "image watch";

/// Why a look failed.
#[derive(Debug)]
pub struct Problem {
    says: String,
    /// Not before so many milliseconds.
    pause: Millis,
}

impl Problem {
    /// For that reason.
    pub fn new(says: String) -> Self {
        Self { says, pause: 0 }
    }

    /// The registry wants fewer questions; perhaps it says after how many seconds.
    pub fn limited(says: String, seconds: Option<u32>) -> Self {
        let wanted = seconds.map_or(0, |seconds| Millis::from(seconds) * clock::SECOND);
        Self { says, pause: wanted.clamp(LIMITED_PAUSE, clock::DAY) }
    }
}

impl From<DockerError> for Problem {
    fn from(error: DockerError) -> Self {
        match error.kind {
            ErrorKind::RateLimited => Self::limited(error.why, None),
            _ if error.hint.is_empty() => Self::new(error.why),
            _ => Self::new(format!("{}. {}", error.why.trim_end_matches('.'), error.hint)),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::new(error.message)
    }
}

/// Looks for all that is due; answers when the next one is.
pub async fn all_due(app: &App, engine: &dyn Containers, http: &reqwest::Client) -> Result<Option<Millis>> {
    let due = app.db.read(|c| image_watch::due(c, clock::now())).await?;
    let looks = futures_util::stream::iter(due).map(|row| look(app, engine, http, row)).buffer_unordered(AT_ONCE);
    // One that cannot be recorded is looked at again with the task.
    let ended: Vec<Result<()>> = looks.collect().await;
    ended.into_iter().collect::<Result<()>>()?;
    app.db.read(image_watch::next_due).await
}

async fn look(app: &App, engine: &dyn Containers, http: &reqwest::Client, row: WatchRow) -> Result<()> {
    let id = row.deployment;
    let Some(live) = app.db.read(move |c| image_watch::live(c, id)).await? else { return Ok(()) };
    let found = newer(app, engine, http, &row, live).await;
    let handles = app.clone();
    app.db
        .write(move |tx| match found {
            Ok(newer) => note(tx, &handles, &row, live, newer),
            Err(problem) => {
                let wait = pause_after(row.tries, row.watch.interval_ms).max(problem.pause);
                image_watch::failed(tx, &row, live, &problem.says, clock::now() + jittered(wait))
            }
        })
        .await?;
    app.pokes.release.poke();
    app.pokes.events.notify_waiters();
    Ok(())
}

/// What runs and what is newer, both with their digests.
async fn newer(
    app: &App,
    engine: &dyn Containers,
    http: &reqwest::Client,
    row: &WatchRow,
    live: ReleaseId,
) -> std::result::Result<Option<(ImageRef, ImageRef)>, Problem> {
    let (deployment, part) = (row.deployment, row.identifier.clone());
    let (image, runs) = app
        .db
        .read(move |c| {
            let (image, _) = newer_image::running(c, &deployment::by_id(c, deployment)?, &part)?;
            let parts = release::components(c, live)?;
            Ok((image, parts.into_iter().find(|one| one.identifier == part).and_then(|one| one.digest)))
        })
        .await?;
    let here = match &runs {
        Some(id) => engine.image(id).await.map(|image| image.digests).unwrap_or_default(),
        None => Vec::new(),
    };
    let digests: Vec<&str> = here.iter().filter_map(|name| name.split_once('@').map(|(_, digest)| digest)).collect();
    let login = login::of(app, image.registry()).await?;
    let parts = image.parts();
    let current = parts.tag.unwrap_or(choose::LATEST);
    let tag = match &row.watch.policy {
        ImagePolicy::Digest => current.to_owned(),
        policy => {
            let tags = registry::tags(http, &image, login.as_ref()).await?;
            match choose::newest(policy, current, &tags)? {
                Some(tag) => tag,
                None => return Ok(None),
            }
        }
    };
    let digest = engine.at_registry(&format!("{}:{tag}", parts.name), login.as_ref()).await?;
    if tag == current && digests.contains(&digest.as_str()) {
        return Ok(None);
    }
    let known = parts.digest.or_else(|| digests.first().copied());
    let known = known.map_or_else(String::new, |digest| format!("@{digest}"));
    let named = |text: String| text.parse::<ImageRef>().map_err(Error::from);
    Ok(Some((named(format!("{}:{current}{known}", parts.name))?, named(format!("{}:{tag}@{digest}", parts.name))?)))
}

/// Notes what was found, tells of it, and requests the release where that is wanted.
fn note(
    tx: &Transaction<'_>,
    app: &App,
    row: &WatchRow,
    live: ReleaseId,
    newer: Option<(ImageRef, ImageRef)>,
) -> Result<()> {
    let next_at = clock::now() + jittered(row.watch.interval_ms);
    image_watch::looked(tx, row, live, newer.as_ref().map(|(from, to)| (from, to)), next_at)?;
    let Some((_, to)) = newer else { return Ok(()) };
    // It may have been taken off meanwhile.
    let Some(now) = image_watch::one(tx, row.deployment, &row.identifier)? else { return Ok(()) };
    let deployment = deployment::by_id(tx, row.deployment)?;
    if row.watch.newer.as_ref().is_none_or(|known| known.to != to) {
        tell(tx, &deployment, &now)?;
    }
    if now.watch.action != ImageAction::Deploy {
        return Ok(());
    }
    if now.tried.as_deref() == Some(to.as_str()) {
        return match now.watch.newer.and_then(|newer| newer.release) {
            Some(number) if release::pending(tx, row.deployment)?.is_none() => {
                let says =
                    format!("release #{number} brought it and it does not run; it is not deployed by itself again");
                image_watch::set_problem(tx, row, &says)
            }
            _ => Ok(()),
        };
    }
    // Another release is on its way: what goes live is looked at anew.
    if release::pending(tx, row.deployment)?.is_some() {
        return Ok(());
    }
    match newer_image::deploy(tx, app, &deployment, &row.identifier, ACTOR) {
        Ok(_) => Ok(()),
        Err(error) if error.kind == boathouse_types::ErrorKind::Internal => Err(error),
        Err(error) => image_watch::set_problem(tx, row, &format!("it was not deployed: {}", error.message)),
    }
}

fn tell(tx: &Transaction<'_>, deployment: &DeploymentRow, row: &WatchRow) -> Result<()> {
    let Some(newer) = &row.watch.newer else { return Ok(()) };
    let about = About { project: Some(&deployment.project), deployment: Some(&deployment.name), release: None };
    let message = format!(
        "A newer image of {} in {}/{} is at its registry: {}",
        row.identifier,
        deployment.project,
        deployment.name,
        newer.words()
    );
    event::record(tx, ACTOR, "image.newer", about, &message)?;
    Ok(())
}

fn pause_after(tries: u32, interval: Millis) -> Millis {
    (FIRST_PAUSE << tries.min(10)).min(LONGEST_PAUSE.max(interval))
}

/// A tenth more or less, so that what was set up together does not ask together for ever.
fn jittered(wait: Millis) -> Millis {
    let [dice] = secret::random::<1>();
    wait + wait / 10 * (Millis::from(dice) - 128) / 128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_stay_bounded_and_differ_a_little() {
        let (hour, day) = (3600 * clock::SECOND, clock::DAY);
        let pauses: Vec<Millis> = [0, 1, 2, 7, 99].map(|tries| pause_after(tries, hour) / clock::SECOND).to_vec();
        assert_eq!(pauses, [300, 600, 1200, 21_600, 21_600]);
        assert_eq!(pause_after(99, day), day);
        for _ in 0..200 {
            let wait = jittered(hour);
            assert!((hour * 9 / 10..=hour * 11 / 10).contains(&wait), "{wait}");
        }
        assert_eq!(Problem::limited(String::new(), Some(1)).pause, LIMITED_PAUSE);
        assert_eq!(Problem::limited(String::new(), Some(7200)).pause, 2 * LIMITED_PAUSE);
    }
}
