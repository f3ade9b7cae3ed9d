//! Carries out the actions. Short ones at once; those that wait for a container as its job. Each is safe to repeat:
//! what failed half-way is found by the next pass.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use boathouse_types::DeploymentId;

use super::Supervisor;
use super::desired::{Desired, Wanted};
use super::diff::Action;
use super::observe::{explain_start, start_exit_code};
use crate::db::{object, volume};
use crate::docker::subnet::Subnet;
use crate::docker::{ContainerSpec, Containers, DockerError, ErrorKind, NetworkSpec, VolumeSpec, labels, trust};
use crate::error::{Result, internal, unavailable};
use crate::fault;

impl Supervisor {
    /// Breaks where the pass is over because what the rest counts on is not there; the next one is asked for already.
    pub(super) async fn act(self: &Arc<Self>, action: Action, desired: &Desired) -> ControlFlow<()> {
        tracing::debug!(?action, "supervisor");
        let done = match action {
            Action::MakeNetwork(name) => match self.make_network(name, desired).await {
                Ok(true) => Ok(()),
                Ok(false) => return ControlFlow::Break(()),
                Err(error) => Err(error),
            },
            Action::RemoveNetwork(name) => self.remove_network(name).await,
            Action::RemoveVolumes(deployment) => self.remove_volumes(deployment, desired).await,
            Action::RemoveVolume(name) => self.remove_volume(name).await,
            Action::Forget { name } => self.forget(name).await,
            other => {
                self.act_as_job(other, desired);
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "an action of the supervisor failed; the next pass tries again");
        }
        ControlFlow::Continue(())
    }

    fn act_as_job(self: &Arc<Self>, action: Action, desired: &Desired) {
        let Some(name) = action.container().map(str::to_owned) else { return };
        let wanted = desired.wanted(&name).cloned();
        let supervisor = self.clone();
        self.jobs.start(&name.clone(), async move {
            let result = match (action, wanted) {
                (Action::Create { .. }, Some(wanted)) => supervisor.create(&wanted).await,
                (Action::Start { .. }, Some(wanted)) => supervisor.start_container(&wanted).await,
                (Action::Restart { id, anew, .. }, Some(wanted)) => supervisor.restart(&wanted, &id, anew).await,
                (Action::Halt { name, id }, _) => supervisor.halt(&name, &id).await,
                (Action::Doze { name, id, drain }, _) => supervisor.doze(&name, &id, drain).await,
                (Action::Resume { name }, _) => supervisor.engine.resume(&name).await,
                (Action::Rename { id, name }, _) => supervisor.engine.rename(&id, &name).await,
                (Action::Discard { id, why, .. }, _) => supervisor.discard(&name, &id, why).await,
                (Action::Adopt { id, from, to }, _) => supervisor.adopt(&id, from, to).await,
                (Action::Retire(retirement), _) => supervisor.retire(&retirement).await,
                _ => Ok(()),
            };
            if let Err(error) = result {
                tracing::warn!(container = name, %error, "a container could not be changed; the next pass tries again");
            }
            supervisor.app.pokes.supervisor.poke();
        });
    }

    async fn create(&self, wanted: &Wanted) -> Result<(), DockerError> {
        let Ok(spec) = &wanted.spec else { return Ok(()) };
        match self.make(spec).await {
            Ok(()) => self.start_container(wanted).await,
            Err(error) => self.failed(&wanted.name, error).await,
        }
    }

    async fn make(&self, spec: &ContainerSpec) -> Result<(), DockerError> {
        make_volumes(&*self.engine, spec).await?;
        let made = self.engine.create(spec).await.map(drop);
        fault::point("container.made");
        made
    }

    pub(super) async fn start_container(&self, wanted: &Wanted) -> Result<(), DockerError> {
        let name = wanted.name.as_str();
        match self.join_and_start(wanted).await {
            Ok(()) => {
                fault::point("container.started");
                self.backoff().started(name, Instant::now());
                self.dozing().remove(name);
                self.app.observed.ask_sizes(wanted.deployment);
                self.app.pokes.sizes.poke();
                tracing::info!(container = name, "container started");
                Ok(())
            }
            Err(error) => self.failed(name, error).await,
        }
    }

    /// Joined before each start, because a process that died in between left it out.
    async fn join_and_start(&self, wanted: &Wanted) -> Result<(), DockerError> {
        if let Some(siblings) = &wanted.siblings {
            self.engine.connect(&siblings.network, &wanted.name, &siblings.aliases).await?;
            fault::point("container.joined");
        }
        if let Ok(spec) = &wanted.spec {
            trust::prepare(&*self.engine, spec, self.app.config.ca_bundle.as_deref()).await?;
        }
        self.engine.start(&wanted.name).await
    }

    /// A start that failed counts like an end. A container whose network was removed can never start again: the next
    /// pass makes it anew.
    async fn failed(&self, name: &str, error: DockerError) -> Result<(), DockerError> {
        if error.engine_is_gone() {
            return Err(error);
        }
        let problem = match error.kind {
            ErrorKind::NotFound if error.why.contains("image") => {
                format!("its image is not on this machine any more: {}", error.why)
            }
            ErrorKind::Conflict => format!("another container has its name: {}", error.why),
            _ => explain_start(&error.why),
        };
        self.note_end(name, (start_exit_code(&error.why), false), problem);
        if error.why.contains("network") {
            self.engine.remove(name).await?;
        }
        Ok(())
    }

    async fn discard(&self, name: &str, id: &str, why: &str) -> Result<(), DockerError> {
        tracing::warn!(container = name, why, "a container is made anew");
        self.engine.remove(id).await
    }

    /// The container goes over to the next release: new name, and the old record ends.
    async fn adopt(&self, id: &str, from: String, to: String) -> Result<(), DockerError> {
        self.engine.rename(id, &to).await?;
        if let Err(error) = self.forget(from).await {
            tracing::warn!(%error, "the old record of an add-on could not be removed; the next pass tries again");
        }
        Ok(())
    }

    /// The record of a container that is gone ends; whoever waits for that is woken.
    pub(super) async fn forget(&self, name: String) -> Result<()> {
        let forgotten = name.clone();
        self.app.db.write(move |tx| object::forget_container(tx, &forgotten)).await?;
        fault::point("drain.forgotten");
        self.app.observed.remove(&name);
        self.backoff().forget(&name);
        self.app.pokes.release.poke();
        self.app.pokes.edge.poke();
        Ok(())
    }

    /// Recorded first, then made. False where somebody else took the range meanwhile: the next pass chooses anew.
    async fn make_network(&self, name: String, desired: &Desired) -> Result<bool> {
        let (deployment, release) = desired.owner(&name).ok_or_else(|| internal("a network that nobody wants"))?;
        let reserved: Vec<Subnet> = desired.networks.iter().filter_map(|row| row.subnet.parse().ok()).collect();
        let recorded = match desired.networks.iter().find(|row| row.name == name) {
            Some(row) => row.clone(),
            None => {
                let subnet = self.engine.free_subnet(&reserved).await.map_err(told)?.to_string();
                let name = name.clone();
                self.app.db.write(move |tx| object::record_network(tx, deployment, release, &name, &subnet)).await?
            }
        };
        fault::point("network.recorded");
        let labels = object_labels(Some(&self.app.instance), Some(&deployment.to_string()));
        // A release's network leads only to siblings: the way out is the deployment's.
        let internal = release.is_some();
        let spec = NetworkSpec { name: recorded.name, subnet: recorded.subnet.parse().ok(), internal, labels };
        match self.engine.create_network(&spec).await {
            Err(error) if error.kind == ErrorKind::NoSubnet => {
                self.app.db.write(move |tx| object::forget_network(tx, &name)).await?;
                self.app.pokes.supervisor.poke();
                tracing::info!(%error, "the range of a network was taken by somebody else; another one is chosen");
                Ok(false)
            }
            made => {
                fault::point("network.made");
                made.map(|_| true).map_err(told)
            }
        }
    }

    async fn remove_network(&self, name: String) -> Result<()> {
        self.engine.remove_network(&name).await.map_err(told)?;
        fault::point("network.removed");
        self.app.db.write(move |tx| object::forget_network(tx, &name)).await?;
        self.app.pokes.release.poke();
        Ok(())
    }

    async fn remove_volumes(&self, deployment: DeploymentId, desired: &Desired) -> Result<()> {
        for row in desired.volumes.get(&deployment).into_iter().flatten() {
            self.remove_volume(row.name.clone()).await?;
        }
        self.app.pokes.release.poke();
        Ok(())
    }

    async fn remove_volume(&self, name: String) -> Result<()> {
        self.engine.remove_volume(&name).await.map_err(told)?;
        self.app.db.write(move |tx| volume::forget(tx, &name)).await
    }
}

/// Makes the volumes that a container mounts; those that are there stay as they are.
pub async fn make_volumes(engine: &dyn Containers, spec: &ContainerSpec) -> Result<(), DockerError> {
    for mount in &spec.mounts {
        let labels = object_labels(spec.labels.get(labels::INSTANCE), spec.labels.get(labels::DEPLOYMENT));
        engine.create_volume(&VolumeSpec { name: mount.volume.clone(), labels }).await?;
        fault::point("volume.made");
    }
    Ok(())
}

fn object_labels(instance: Option<&String>, deployment: Option<&String>) -> BTreeMap<String, String> {
    let pairs = [(labels::INSTANCE, instance), (labels::DEPLOYMENT, deployment)];
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.clone()))).collect()
}

fn told(error: DockerError) -> crate::error::Error {
    unavailable(error.to_string()).hint(error.hint)
}
