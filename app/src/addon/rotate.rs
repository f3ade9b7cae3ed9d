//! Rotation of credentials: begin → a release of its own → end. Old and new are both valid from the end of `begin` until
//! nobody uses the old ones any more, so no moment has neither. Each step is journaled first and safe to repeat.

use std::sync::Arc;
use std::time::Duration;

use boathouse_types::{CloneState, Identifier, Intent, ReleaseState, RotationState, Trigger};
use tokio::io::sink;

use super::credentials::{self, Values};
use super::renew;
use crate::db::deployment::{self, DeploymentRow};
use crate::db::event::{self, About};
use crate::db::release::{self, ReleaseRow};
use crate::db::rotation::{self, RotationRow};
use crate::db::{Connection, Transaction, clone, env};
use crate::docker::{Containers, ExecSpec};
use crate::error::{Error, Result, conflict, internal, invalid, unavailable};
use crate::fault;
use crate::logs::Redactor;
use crate::observed::Phase;
use crate::release as releases;
use crate::snapshot::engine_error;
use crate::stack::Component;
use crate::stack::package::Rotate;
use crate::state::App;

/// Also without a poke: what stood in the way may be gone, a release may have come to its end.
const PERIOD: Duration = Duration::from_secs(2);
/// A server that has not changed a password by then never will.
const COMMAND: Duration = Duration::from_secs(60);
/// The new value, for the package's commands.
const NEW_VALUE: &str = "NEW_VALUE";
/// The new login name, for packages whose servers know one password per name.
const NEW_USER: &str = "NEW_USER";

/// Starts what carries rotations through.
pub fn start(app: &App, engine: Arc<dyn Containers>) {
    let rotator = Arc::new(Rotator { app: app.clone(), engine });
    let poke = app.pokes.credentials.clone();
    app.tasks.reconcile("credentials", "carries rotations of credentials through", Some(PERIOD), poke, move || {
        let rotator = rotator.clone();
        async move { rotator.pass().await }
    });
}

/// Begins a rotation; the caller wakes.
///
/// # Errors
/// The package cannot, the deployment does not run, somebody set the value by hand, or another one is under way.
pub fn request(
    tx: &Transaction<'_>,
    app: &App,
    deployment: &DeploymentRow,
    addon: &Identifier,
    actor: &str,
) -> Result<()> {
    let (live, part) = find(tx, deployment, addon)?;
    let rotate = part.rotate.as_ref().ok_or_else(|| {
        invalid(format!("the credentials of {addon} cannot be rotated: its package does not say how"))
            .hint("Only add-ons of a package with `rotate` can.")
    })?;
    if deployment.intent != Intent::Running {
        return Err(conflict(format!("{addon} does not run, so its credentials cannot be rotated"))
            .hint("Start the deployment first."));
    }
    if deployment.asleep_at.is_some() {
        return Err(conflict(format!("{addon} sleeps, so its credentials cannot be rotated"))
            .hint("Wake the deployment first: `boathouse wake`."));
    }
    let copying = |row: &clone::CloneRow| row.status.state == CloneState::Copying;
    if clone::of_source(tx, deployment.id)?.iter().any(copying) {
        return Err(conflict("the data of this deployment is being copied, with the credentials that are in it")
            .hint("Wait until the clone has its data, then rotate."));
    }
    if let Some(pending) = release::pending(tx, deployment.id)?
        && let Trigger::Upgrade { .. } = pending.trigger
    {
        return Err(conflict(format!("release #{} brings an add-on to another version", pending.number))
            .hint("Wait for its end, then rotate."));
    }
    let by_hand = env::list(tx, deployment.id)?.into_iter().find(|row| {
        row.component.as_ref() == Some(addon) && (row.key == rotate.key || Some(&row.key) == rotate.user.as_ref())
    });
    if let Some(row) = by_hand {
        return Err(conflict(format!("{} of {addon} was set by hand, so a rotation would not change it", row.key))
            .hint(format!("Remove it first: boathouse env unset {} --component {addon}", row.key)));
    }
    let values = credentials::current(&app.key, &live, addon)?;
    let (old, new) = credentials::change(rotate, &values)
        .ok_or_else(|| internal(format!("the live release has no value of {} for {addon}", rotate.key)))?;
    let seal = |values: &Values| credentials::seal(&app.key, deployment.id, addon, values);
    rotation::create(tx, deployment.id, addon, &seal(&old)?, &seal(&new)?, actor)
}

/// Tells that a rotation was asked for.
pub fn wake(app: &App) {
    fault::point("rotate.requested");
    app.pokes.credentials.poke();
}

/// The live release and its add-on.
fn find(connection: &Connection, deployment: &DeploymentRow, addon: &Identifier) -> Result<(ReleaseRow, Component)> {
    let live = release::live(connection, deployment.id)?
        .ok_or_else(|| conflict("no release is live, so there is no add-on yet").hint("Deploy first."))?;
    let part = live.manifest.iter().flat_map(|stack| &stack.addons).find(|part| part.identifier == *addon).cloned();
    let part = part.ok_or_else(|| invalid(format!("the live release has no add-on \"{addon}\"")))?;
    Ok((live, part))
}

struct Rotator {
    app: App,
    engine: Arc<dyn Containers>,
}

/// All that a step needs.
struct Job {
    row: RotationRow,
    deployment: DeploymentRow,
    live: ReleaseRow,
    rotate: Rotate,
    values: Values,
    old: Values,
    new: Values,
}

impl Rotator {
    async fn pass(&self) -> Result<()> {
        renew::clones(&self.app).await?;
        for row in self.app.db.read(rotation::open).await? {
            let id = row.id;
            if let Err(error) = self.step(row).await {
                let problem = error.to_string();
                self.app.db.write(move |tx| rotation::note(tx, id, Some(&problem))).await?;
            }
        }
        Ok(())
    }

    async fn step(&self, row: RotationRow) -> Result<()> {
        let key = self.app.key.clone();
        let job = self.app.db.read(move |connection| Job::read(connection, &key, row)).await?;
        if job.deployment.intent != Intent::Running {
            return Err(unavailable("the deployment is stopped; this goes on once it runs"));
        }
        match job.row.state {
            RotationState::Begin => self.begin(job).await,
            RotationState::Wire => self.wire(job).await,
            RotationState::End => self.end(job).await,
            RotationState::Done | RotationState::Failed => Ok(()),
        }
    }

    /// Makes the new ones valid, then records them and asks for the release that brings them to the components.
    async fn begin(&self, job: Job) -> Result<()> {
        let started = self.started(&job)?;
        if let Some(refusal) = self.run(&job, &job.rotate.begin, &job.old, &job.new).await? {
            let id = job.row.id;
            let said = format!("the add-on did not take the new credentials: {refusal}");
            return self
                .app
                .db
                .write(move |tx| {
                    record(
                        tx,
                        &job,
                        "addon.rotation_failed",
                        &format!("could not rotate the credentials of {}: {said}", job.row.identifier),
                    )?;
                    rotation::finish(tx, id, RotationState::Failed, Some(&said))
                })
                .await;
        }
        fault::point("rotate.begun");
        let app = self.app.clone();
        self.app
            .db
            .write(move |tx| {
                let sealed = job.new.iter().map(|(key, value)| {
                    let aad = rotation::credential_aad(job.row.deployment_id, &job.row.identifier, key);
                    (key.clone(), app.key.seal(&aad, value.as_bytes()))
                });
                let sealed = sealed.collect();
                // Anew: a release may have gone live since the job was read.
                let live = release::live(tx, job.deployment.id)?.ok_or_else(|| unavailable("no release is live"))?;
                let row = &job.row;
                let number = releases::rewire(tx, &app, &job.deployment, &live, &row.identifier, &row.actor)?;
                rotation::begun(tx, row, &sealed, number, started)
            })
            .await?;
        fault::point("rotate.recorded");
        self.app.pokes.release.poke();
        self.app.pokes.events.notify_waiters();
        Ok(())
    }

    /// Waits until what is live was made with the new ones and nothing older is left.
    async fn wire(&self, job: Job) -> Result<()> {
        self.begin_again(&job).await?;
        let number = job.row.release_number.unwrap_or(i64::MAX);
        if job.live.number >= number && job.live.finished_at.is_some() {
            let id = job.row.id;
            self.app.db.write(move |tx| rotation::wired(tx, id)).await?;
            fault::point("rotate.wired");
            self.app.pokes.credentials.poke();
            return Ok(());
        }
        let deployment = job.deployment.id;
        let asked = self.app.db.read(move |connection| release::by_number(connection, deployment, number)).await?;
        match (asked.state, asked.trigger) {
            (ReleaseState::Failed, Trigger::Rotation { .. }) => Err(unavailable(format!(
                "release #{number}, which brings the new credentials, failed; old and new are both valid, and the next release that goes live brings them"
            ))),
            // Somebody's own release was to bring them, and did not come to life.
            (ReleaseState::Failed | ReleaseState::Cancelled, _) => self.wire_anew(job).await,
            _ => Ok(()),
        }
    }

    async fn wire_anew(&self, job: Job) -> Result<()> {
        let app = self.app.clone();
        let asked = self.app.db.write(move |tx| {
            let (row, deployment) = (&job.row, &job.deployment);
            let number = releases::rewire(tx, &app, deployment, &job.live, &row.identifier, &row.actor)?;
            rotation::set_release(tx, row.id, number)
        });
        asked.await?;
        self.app.pokes.release.poke();
        Ok(())
    }

    /// What a server keeps in memory alone is gone with its process: after a restart both are made valid again, from
    /// whichever it knows.
    async fn begin_again(&self, job: &Job) -> Result<()> {
        let started = self.started(job)?;
        if started == job.row.begun_start {
            return Ok(());
        }
        if self.run(job, &job.rotate.begin, &job.old, &job.new).await?.is_some()
            && let Some(refusal) = self.run(job, &job.rotate.begin, &job.new, &job.old).await?
        {
            return Err(unavailable(format!("after its restart the add-on knows neither credentials: {refusal}")));
        }
        let id = job.row.id;
        self.app.db.write(move |tx| rotation::begun_again(tx, id, started)).await
    }

    /// Makes the old ones invalid.
    async fn end(&self, job: Job) -> Result<()> {
        self.started(&job)?;
        if let Some(end) = &job.rotate.end
            && let Some(refusal) = self.run(&job, end, &job.old, &job.new).await?
        {
            return Err(unavailable(format!("the add-on did not end the old credentials: {refusal}")));
        }
        fault::point("rotate.ended");
        self.app
            .db
            .write(move |tx| {
                let words = format!("rotated the credentials of {}", job.row.identifier);
                record(tx, &job, "addon.rotated", &words)?;
                rotation::finish(tx, job.row.id, RotationState::Done, None)
            })
            .await?;
        fault::point("rotate.finished");
        self.app.pokes.sleep.poke();
        self.app.pokes.events.notify_waiters();
        Ok(())
    }

    /// When the add-on's container was started; it must answer.
    fn started(&self, job: &Job) -> Result<Option<i64>> {
        self.container(job).map(|(_, started)| started)
    }

    fn container(&self, job: &Job) -> Result<(String, Option<i64>)> {
        let all = self.app.observed.of_deployment(job.deployment.id);
        let mut mine =
            all.into_iter().filter(|(_, one)| one.identifier == job.row.identifier && one.phase == Phase::Healthy);
        let found = mine.find_map(|(_, one)| Some((one.engine_id?, one.started_at)));
        found.ok_or_else(|| unavailable(format!("{} does not answer; this goes on once it does", job.row.identifier)))
    }

    /// Runs a command of the package from `from` to `to`; what it said where it refused.
    async fn run(&self, job: &Job, argv: &[String], from: &Values, to: &Values) -> Result<Option<String>> {
        let (container, _) = self.container(job)?;
        let mut values = job.values.clone();
        values.extend(from.clone());
        let mut env: std::collections::BTreeMap<String, String> =
            values.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        env.extend(to.get(&job.rotate.key).map(|value| (NEW_VALUE.to_owned(), value.clone())));
        let user = job.rotate.user.as_ref().and_then(|user| to.get(user));
        env.extend(user.map(|user| (NEW_USER.to_owned(), user.clone())));
        let spec = ExecSpec { argv: argv.to_vec(), env, deadline: COMMAND };
        let ended = self.engine.exec(&container, &spec, None, &mut sink()).await.map_err(engine_error)?;
        if ended.code == 0 {
            return Ok(None);
        }
        let secrets = [from, to, &job.values].into_iter().flat_map(Values::values).map(String::as_str);
        let said = Redactor::new(secrets).apply(ended.stderr.trim().to_owned());
        let said = said.lines().last().unwrap_or("it said nothing").to_owned();
        Ok(Some(format!("exit code {}: {said}", ended.code)))
    }
}

impl Job {
    fn read(connection: &Connection, key: &crate::secret::SecretKey, row: RotationRow) -> Result<Self> {
        let deployment = deployment::by_id(connection, row.deployment_id)?;
        let (live, part) = find(connection, &deployment, &row.identifier)?;
        let open = |sealed| credentials::open(key, row.deployment_id, &row.identifier, sealed);
        Ok(Self {
            values: credentials::current(key, &live, &row.identifier)?,
            old: open(row.old_sealed.as_ref())?,
            new: open(row.new_sealed.as_ref())?,
            rotate: part.rotate.ok_or_else(|| no_longer(&row.identifier))?,
            deployment,
            live,
            row,
        })
    }
}

fn no_longer(addon: &Identifier) -> Error {
    invalid(format!("the package of {addon} does not say any more how its credentials are rotated"))
}

fn record(tx: &Transaction<'_>, job: &Job, kind: &str, what: &str) -> Result<()> {
    let (project, name) = (&job.deployment.project, &job.deployment.name);
    let about = About { project: Some(project), deployment: Some(name), release: job.row.release_number };
    event::record(tx, &job.row.actor, kind, about, &format!("{} {what} of {project}/{name}", job.row.actor))?;
    Ok(())
}
