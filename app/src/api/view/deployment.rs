//! A deployment as the API shows it: its rows, and what its containers do.

use std::collections::{BTreeMap, HashMap};

use boathouse_types::{
    CloneState, CloneStatus, ContainerStatus, Deployment, DeploymentId, Health, Host, Intent, Release, Sleep,
    SleepStatus,
};

use super::host;
use super::release::{self, Shown};
use crate::api::health::{self, Facts};
use crate::clock;
use crate::db::deployment::DeploymentRow;
use crate::db::object::{self, ContainerRow};
use crate::db::{Connection, clone, sleep};
use crate::error::Result;
use crate::lifecycle::sleep::outlook;
use crate::state::App;

/// Puts it together.
pub fn show(connection: &Connection, app: &App, row: DeploymentRow) -> Result<Deployment> {
    Ok(show_all(connection, app, vec![row])?.remove(0))
}

/// Puts several together, in as many statements as one: a list of hundreds is read as fast as it is sent.
pub fn show_all(connection: &Connection, app: &App, rows: Vec<DeploymentRow>) -> Result<Vec<Deployment>> {
    let mut around = Around::read(connection, app, &rows)?;
    Ok(rows.into_iter().map(|row| around.one(app, row)).collect())
}

/// What hangs on deployments.
struct Around {
    releases: BTreeMap<DeploymentId, Shown>,
    containers: HashMap<DeploymentId, Vec<ContainerStatus>>,
    clones: HashMap<DeploymentId, CloneStatus>,
    hosts: HashMap<DeploymentId, Vec<Host>>,
    /// What the manifests say.
    sleep: HashMap<DeploymentId, Sleep>,
}

impl Around {
    fn read(connection: &Connection, app: &App, rows: &[DeploymentRow]) -> Result<Self> {
        let ids: Vec<DeploymentId> = rows.iter().map(|row| row.id).collect();
        let mut containers: HashMap<DeploymentId, Vec<ContainerStatus>> = HashMap::new();
        for row in object::containers_of(connection, &ids)? {
            containers.entry(row.deployment_id).or_default().push(status(app, row));
        }
        let is_shown = |status: &CloneStatus| matches!(status.state, CloneState::Copying | CloneState::Failed);
        let clones = clone::of_targets(connection, &ids)?.into_iter().filter(|row| is_shown(&row.status));
        Ok(Self {
            releases: release::of_deployments(connection, app, &ids)?,
            containers,
            clones: clones.map(|row| (row.target, row.status)).collect(),
            hosts: host::of_deployments(connection, app, &ids)?,
            sleep: sleep::of_manifests(connection, &ids)?,
        })
    }

    /// What a deployment shows.
    fn one(&mut self, app: &App, row: DeploymentRow) -> Deployment {
        let releases = self.releases.remove(&row.id).unwrap_or_default();
        let containers = self.containers.remove(&row.id).unwrap_or_default();
        let cloning = self.clones.remove(&row.id);
        let (health, reason) = match (&row.recycled, &cloning) {
            (None, Some(status)) => health::of_clone(status),
            _ => roll_up(app, &row, &releases, &containers),
        };
        Deployment {
            hosts: self.hosts.remove(&row.id).unwrap_or_default(),
            sleep: asleep(app, &row, self.sleep.remove(&row.id)),
            live: releases.live,
            pending: releases.pending,
            project: row.project,
            name: row.name,
            display_name: row.display_name,
            stage: row.stage,
            intent: row.intent,
            recycled: row.recycled,
            cloning,
            protected: row.protected,
            lifetime: row.lifetime,
            expires_at: row.expires_at,
            wake: row.wake,
            branch: row.branch,
            deploy_on: row.deploy_on,
            auto_rollback: row.auto_rollback,
            watch: row.watch,
            health,
            reason,
            containers,
            created_at: row.created_at,
        }
    }
}

/// Whether it sleeps, and when it may.
fn asleep(app: &App, row: &DeploymentRow, manifest: Option<Sleep>) -> SleepStatus {
    let sleep = sleep::counts(row, manifest);
    let rest = app.observed.rest(row.id).filter(|_| row.is_awake());
    let (sleeps_at, awake_for) = sleep.zip(rest).map_or((None, None), |(sleep, rest)| {
        let containers = app.observed.of_deployment(row.id).into_iter().map(|(_, container)| container);
        outlook(&rest, &containers.collect::<Vec<_>>(), sleep)
    });
    SleepStatus { rule: row.sleep, sleep, asleep_at: row.asleep_at, sleeps_at, awake_for }
}

/// How a deployment does, from its releases and containers.
pub fn roll_up(app: &App, row: &DeploymentRow, releases: &Shown, containers: &[ContainerStatus]) -> (Health, String) {
    if let Some(recycled) = &row.recycled {
        return (Health::Off, format!("deleted; can be restored until {}", clock::words(recycled.until)));
    }
    let number = |release: &Release| release.number;
    health::roll_up(&Facts {
        intent: row.intent,
        asleep_at: row.asleep_at,
        live: releases.live.as_ref().map(|live| (live.number, app.observed.is_routed(live.id))),
        pending: releases.pending.as_ref().map(|pending| (pending.number, pending.state)),
        failed: releases.failed.as_ref().map(number),
        containers,
        engine_reachable: app.observed.engine().reachable,
    })
}

/// One container.
pub fn status(app: &App, row: ContainerRow) -> ContainerStatus {
    let seen = app.observed.container(&row.name);
    let (health, reason) = match &seen {
        Some(container) => health::of_container(container, row.release_state, clock::now()),
        None if row.intent == Intent::Stopped => (Health::Off, "stopped".to_owned()),
        None => (Health::Degraded, "not looked at yet".to_owned()),
    };
    ContainerStatus {
        identifier: row.identifier,
        replica: row.replica,
        release: row.release_number,
        name: row.name,
        health,
        reason,
        started_at: seen.as_ref().and_then(|container| container.started_at),
        restarts: seen.map_or(0, |container| container.restarts),
    }
}

#[cfg(test)]
mod tests {
    use boathouse_types::{DeploymentStage, ReleaseState, Serves, Source, Trigger};

    use super::*;
    use crate::api::view::project::list;
    use crate::db::release::{self as releases, NewRow};
    use crate::db::test::statements;
    use crate::db::{Transaction, deployment, host, project};
    use crate::serve::test::app;
    use crate::stack::{Component, Origin, Stack};

    /// A deployment with a live release, one that failed after it, a container and a host.
    fn live(tx: &Transaction<'_>, project: boathouse_types::ProjectId, name: &str) -> Result<()> {
        let web: boathouse_types::Identifier = "web".parse()?;
        let id = deployment::create(tx, project, &name.parse()?, DeploymentStage::Staging, None)?;
        let new = NewRow {
            trigger: &Trigger::Manual,
            actor: "ada",
            source: &Source::Upload,
            reference: None,
            upload: None,
            no_cache: false,
        };
        let release = releases::create(tx, id, &new)?;
        let origin = Origin::Image { image: "web:1".parse()? };
        let stack = Stack {
            name: None,
            components: vec![Component::new(web.clone(), origin)],
            addons: Vec::new(),
            sleep: None,
            backup: None,
        };
        releases::transition(tx, release, ReleaseState::Queued, ReleaseState::Building)?;
        releases::enter_stage(tx, release, boathouse_types::Stage::Build)?;
        releases::set_manifest(tx, release, &stack)?;
        releases::set_digest(tx, release, &web, Serves::Container, "sha256:1")?;
        object::record_container(tx, release, &web, None, &format!("bh-{id}"))?;
        releases::transition(tx, release, ReleaseState::Building, ReleaseState::Starting)?;
        releases::go_live(tx, &releases::by_id(tx, release)?)?;
        let next = releases::create(tx, id, &new)?;
        let failure: boathouse_types::Failure =
            serde_json::from_value(serde_json::json!({"stage": "build", "message": "no", "log_tail": []}))?;
        releases::fail(tx, &releases::by_id(tx, next)?, &failure)?;
        let tls = boathouse_types::TlsMode::Internal;
        host::create(tx, id, &web, &format!("{id}.localhost").parse()?, "/", tls, true)?;
        Ok(())
    }

    #[test]
    fn a_list_takes_as_many_statements_for_hundreds_as_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let app = app(folder.path());
        let add = |name: &str, count: usize| {
            let made = app.db.write_blocking(|tx| {
                let id = project::create(tx, &name.parse()?, &Source::Upload)?;
                (0..count).try_for_each(|number| live(tx, id, &format!("d{number}")))
            });
            made.unwrap();
        };
        add("one", 1);
        let (shown, few) = statements(&app.db, |c| list(c, &app, false));
        let one = &shown[0].deployments[0];
        assert_eq!((one.live.as_ref().unwrap().number, one.pending.as_ref(), one.containers.len()), (1, None, 1));
        assert_eq!((one.live.as_ref().unwrap().stages.len(), one.hosts.len()), (1, 1));
        (0..4).for_each(|number| add(&format!("more{number}"), 50));
        let (shown, many) = statements(&app.db, |c| list(c, &app, false));
        assert_eq!(shown.iter().map(|project| project.deployments.len()).sum::<usize>(), 201);
        assert_eq!(few, many, "the number of statements grows with the list");
        assert!(shown.iter().flat_map(|one| &one.deployments).all(|one| one.live.is_some() && one.hosts.len() == 1));
    }
}
