//! What shall run, read from the database in one go: the containers of starting and live releases with everything
//! that is needed to make them, and what is recorded at the engine for whatever reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use boathouse_types::{
    DeploymentId, DeploymentStage, EnvKey, Identifier, Intent, Millis, ReleaseId, ReleaseState, Serves, Trigger,
};

use crate::db::env::{self, EnvRow};
use crate::db::object::{self, ContainerRow, NetworkRow};
use crate::db::release::{self, ReleaseRow};
use crate::db::volume::{self, VolumeRow};
use crate::db::{Connection, deployment};
use crate::docker::{ContainerSpec, Limits, Mount, labels};
use crate::error::Result;
use crate::secret::{self, SecretKey};
use crate::snapshot;
use crate::stack::environment::Values;
use crate::stack::{Component, HealthCheck, upgrade};
use crate::state::App;

/// A hash of everything that makes two containers the same but for their name and release.
pub(super) const SPEC_LABEL: &str = "boathouse.spec";
/// A hash of everything, with the credentials that a rotation changes: an add-on that ends is made anew where it differs.
pub(super) const EXACT_LABEL: &str = "boathouse.exact";
/// Marks the container of an add-on.
pub(super) const ADDON_LABEL: &str = "boathouse.addon";
/// From the stop signal to the kill.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(10);
const MILLIS_PER_CPU: f64 = 1000.0;

/// Intent.
#[derive(Debug, Default)]
pub(super) struct Desired {
    /// Containers that shall run.
    pub wanted: Vec<Wanted>,
    /// All containers that are recorded, wanted or not.
    pub recorded: Vec<ContainerRow>,
    /// All networks that are recorded.
    pub networks: Vec<NetworkRow>,
    /// All volumes that are recorded.
    pub volumes: BTreeMap<DeploymentId, Vec<VolumeRow>>,
    /// Deployments that shall leave nothing behind.
    pub deleted: BTreeSet<DeploymentId>,
    /// Deployments that were deleted and can be restored: only what can be made again goes.
    pub recycled: BTreeSet<DeploymentId>,
    /// The name of each deployment's network, recorded or not.
    pub network_names: BTreeMap<DeploymentId, String>,
}

/// The network of a release, and the names of one of its components there. Names of components are known there only:
/// while two releases run, each reaches its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Siblings {
    /// The network's name.
    pub network: String,
    /// The component's names in it.
    pub aliases: Vec<String>,
}

/// A container that shall run.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its name at the engine.
    pub name: String,
    /// Component or add-on.
    pub identifier: Identifier,
    /// Which of several, from 1.
    pub replica: Option<u32>,
    /// Its release.
    pub release: ReleaseId,
    /// The release's number; the higher is the newer.
    pub number: i64,
    /// Its deployment.
    pub deployment: DeploymentId,
    /// The deployment's network.
    pub network: String,
    /// Where it meets the other components of its release, if there are any.
    pub siblings: Option<Siblings>,
    /// Its release is live; otherwise it is starting.
    pub live: bool,
    /// It does not start yet: a command of its release has to succeed first.
    pub waits: bool,
    /// It must not run now: the data of an add-on goes to another volume.
    pub halted: bool,
    /// It does not run now: its deployment sleeps.
    pub asleep: bool,
    /// When its deployment was woken last.
    pub woken_at: Option<Millis>,
    /// Somebody asked then for a restart.
    pub restart_wanted_at: Option<Millis>,
    /// An add-on: no host leads to it, and releases that do not change it share it.
    pub addon: bool,
    /// How it is made, or why it cannot be.
    pub spec: std::result::Result<ContainerSpec, String>,
    /// How it is found healthy.
    pub health: HealthCheck,
    /// Its declared port.
    pub port: Option<u16>,
}

impl Wanted {
    /// Two that are equal here can stand in for each other.
    pub fn fingerprint(&self) -> Option<&str> {
        self.spec.as_ref().ok()?.labels.get(SPEC_LABEL).map(String::as_str)
    }

    /// True where a container that carries these labels would start with credentials that are no longer valid.
    pub fn is_outdated(&self, labels: &BTreeMap<String, String>) -> bool {
        let wanted = self.spec.as_ref().ok().and_then(|spec| spec.labels.get(EXACT_LABEL));
        matches!((wanted, labels.get(EXACT_LABEL)), (Some(wanted), Some(made)) if wanted != made)
    }

    /// All networks that it joins.
    pub fn networks(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.network).chain(self.siblings.as_ref().map(|siblings| &siblings.network))
    }

    /// Two programs on the same files: a database must never be started twice on one volume.
    pub fn is_exclusive(&self) -> bool {
        self.addon && self.spec.as_ref().is_ok_and(|spec| !spec.mounts.is_empty())
    }
}

impl Desired {
    /// The wanted container of that name.
    pub fn wanted(&self, name: &str) -> Option<&Wanted> {
        self.wanted.iter().find(|wanted| wanted.name == name)
    }

    /// Whose network that is: a deployment's, or that of one release of it.
    pub fn owner(&self, network: &str) -> Option<(DeploymentId, Option<ReleaseId>)> {
        let of_deployment = self.wanted.iter().find(|wanted| wanted.network == network);
        let is_it = |wanted: &&Wanted| wanted.siblings.as_ref().is_some_and(|siblings| siblings.network == network);
        let of_release = || self.wanted.iter().find(is_it).map(|wanted| (wanted.deployment, Some(wanted.release)));
        of_deployment.map(|wanted| (wanted.deployment, None)).or_else(of_release)
    }
}

pub(super) async fn read(app: &App) -> Result<Desired> {
    let (key, instance) = (app.key.clone(), app.instance.clone());
    app.db.read(move |connection| Reader { connection, key: &key, instance: &instance }.read()).await
}

struct Reader<'a> {
    connection: &'a Connection,
    key: &'a SecretKey,
    instance: &'a str,
}

impl Reader<'_> {
    fn read(&self) -> Result<Desired> {
        let mut desired = Desired {
            recorded: object::containers(self.connection)?,
            networks: object::networks(self.connection)?,
            ..Desired::default()
        };
        for row in deployment::all(self.connection)? {
            if row.intent == Intent::Deleted {
                desired.deleted.insert(row.id);
            }
            if row.recycled.is_some() {
                desired.recycled.insert(row.id);
            }
            desired.network_names.insert(row.id, object::network_name(self.instance, &row.slug));
            desired.volumes.insert(row.id, volume::of_deployment(self.connection, row.id)?);
        }
        let (halting, holding) = (release::halting(self.connection)?, release::holding(self.connection)?);
        for row in release::wanted(self.connection)? {
            let halted_by =
                halting.iter().find(|other| other.deployment_id == row.deployment_id && other.number > row.number);
            self.add_release(&row, halted_by, holding.contains(&row.id), &mut desired)?;
        }
        Ok(desired)
    }

    /// A release that cannot be read hurts only its own containers.
    fn add_release(
        &self,
        row: &ReleaseRow,
        halted_by: Option<&ReleaseRow>,
        holds: bool,
        desired: &mut Desired,
    ) -> Result<()> {
        let Some(stack) = &row.manifest else { return Ok(()) };
        let built = release::components(self.connection, row.id)?;
        let env = self.environment(row);
        let custom = env::list(self.connection, row.deployment_id)?;
        let of = deployment::by_id(self.connection, row.deployment_id)?;
        let stage = of.stage;
        let is_container = |component: &&Component| component.serves() == Serves::Container;
        let has_siblings = stack.components.iter().filter(is_container).count() > 1;
        for component in stack.in_start_order().filter(is_container) {
            // Not recorded is not ours to make: the worker records before it asks for it.
            let is_it =
                |recorded: &&ContainerRow| recorded.release_id == row.id && recorded.identifier == component.identifier;
            let about = built.iter().find(|built| built.identifier == component.identifier);
            let network = desired.network_names.get(&row.deployment_id).cloned().unwrap_or_default();
            let volumes = desired.volumes.get(&row.deployment_id).map_or(&[][..], Vec::as_slice);
            let port = component.port.or_else(|| about.and_then(|about| about.port));
            let addon = stack.addons.iter().any(|addon| addon.identifier == component.identifier);
            let aliases = vec![component.identifier.to_string(), format!("app.{}", component.identifier)];
            let siblings = (has_siblings && !addon).then(|| Siblings {
                network: object::release_network_name(&network, row.number),
                aliases: aliases.clone(),
            });
            let making = Making {
                addon,
                stage,
                aliases: if siblings.is_some() { Vec::new() } else { aliases },
                instance: self.instance,
                row,
                component,
                network: &network,
                volumes,
                port,
                by_hand: by_hand(&custom, &component.identifier),
            };
            let image = about.and_then(|about| about.digest.clone());
            for recorded in desired.recorded.iter().filter(is_it) {
                desired.wanted.push(Wanted {
                    name: recorded.name.clone(),
                    identifier: component.identifier.clone(),
                    replica: recorded.replica,
                    release: row.id,
                    number: row.number,
                    deployment: row.deployment_id,
                    network: network.clone(),
                    siblings: siblings.clone(),
                    live: row.state == ReleaseState::Live,
                    waits: holds && !addon,
                    halted: halted_by.is_some_and(|release| is_halted(release, component, addon)),
                    asleep: !of.is_awake(),
                    woken_at: of.woken_at,
                    restart_wanted_at: recorded.restart_wanted_at,
                    addon,
                    spec: env.clone().and_then(|env| making.spec(recorded, image.clone(), env)),
                    health: component.health.clone(),
                    port,
                });
            }
        }
        Ok(())
    }

    /// What cannot be opened refuses the release instead of starting it without.
    fn environment(&self, row: &ReleaseRow) -> std::result::Result<Values, String> {
        let opened = snapshot::open(self.key, row);
        opened
            .map(|snapshot| snapshot.values())
            .map_err(|error| format!("the variables of this release cannot be opened: {error}"))
    }
}

/// What the containers of a part are made from.
struct Making<'a> {
    instance: &'a str,
    row: &'a ReleaseRow,
    component: &'a Component,
    stage: DeploymentStage,
    addon: bool,
    aliases: Vec<String>,
    network: &'a str,
    volumes: &'a [VolumeRow],
    port: Option<u16>,
    /// Variables of it that somebody set.
    by_hand: BTreeSet<EnvKey>,
}

impl Making<'_> {
    fn spec(
        &self,
        recorded: &ContainerRow,
        image: Option<String>,
        mut env: Values,
    ) -> std::result::Result<ContainerSpec, String> {
        let identifier = self.component.identifier.as_str();
        let image = image.ok_or_else(|| format!("the release has no image for `{identifier}`"))?;
        let own = env.remove(&self.component.identifier).unwrap_or_default();
        let mut variables: BTreeMap<String, String> =
            own.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        if let Some(port) = self.port {
            variables.entry("PORT".to_owned()).or_insert_with(|| port.to_string());
        }
        let resources = &self.component.resources;
        let mut spec = ContainerSpec {
            name: String::new(),
            image,
            command: self.component.command_at(self.stage).cloned(),
            env: variables,
            labels: BTreeMap::from([
                (labels::INSTANCE.to_owned(), self.instance.to_owned()),
                (labels::DEPLOYMENT.to_owned(), self.row.deployment_id.to_string()),
                (labels::COMPONENT.to_owned(), identifier.to_owned()),
            ]),
            network: Some(self.network.to_owned()),
            aliases: self.aliases.clone(),
            mounts: self.mounts()?,
            limits: Limits {
                memory: resources.memory_bytes,
                cpus: resources.cpu_millis.map(|millis| f64::from(millis) / MILLIS_PER_CPU),
                pids: None,
            },
            stop_grace: Some(STOP_GRACE),
            init: true,
            ..ContainerSpec::default()
        };
        if self.addon {
            spec.labels.insert(ADDON_LABEL.to_owned(), "true".to_owned());
        }
        let exact = fingerprint(&spec);
        let fingerprint = self.fingerprint(&spec);
        recorded.name.clone_into(&mut spec.name);
        spec.labels.insert(labels::RELEASE.to_owned(), self.row.id.to_string());
        if let Some(replica) = recorded.replica {
            spec.labels.insert(labels::REPLICA.to_owned(), replica.to_string());
        }
        spec.labels.insert(SPEC_LABEL.to_owned(), fingerprint);
        if self.addon {
            spec.labels.insert(EXACT_LABEL.to_owned(), exact);
        }
        Ok(spec)
    }

    /// What was rotated was changed at the server while it ran: that alone must not stop it. A value that somebody set by
    /// hand was not, so it counts.
    fn fingerprint(&self, spec: &ContainerSpec) -> String {
        let rotating = self.component.rotating();
        if rotating.is_empty() || self.by_hand.iter().any(|key| rotating.contains(key)) {
            return fingerprint(spec);
        }
        let mut same = spec.clone();
        same.env.retain(|key, _| !rotating.iter().any(|one| one.as_str() == key));
        fingerprint(&same)
    }

    fn mounts(&self) -> std::result::Result<Vec<Mount>, String> {
        let mount = |volume: &crate::stack::Volume| {
            let recorded = self.volumes.iter().find(|row| row.identifier == volume.identifier);
            let recorded = recorded.ok_or_else(|| format!("the volume `{}` is not recorded", volume.identifier))?;
            Ok(Mount { volume: recorded.name.clone(), path: volume.path.clone(), read_only: false })
        };
        self.component.volumes.iter().filter(|volume| volume.exists_at(self.stage)).map(mount).collect()
    }
}

/// Components, and other add-ons that write to the one whose data moves; that one runs, because it is read.
fn is_halted(release: &ReleaseRow, part: &Component, addon: bool) -> bool {
    let Trigger::Upgrade { addon: moved, .. } = &release.trigger else { return false };
    !addon || part.identifier != *moved && upgrade::uses(part, moved)
}

fn by_hand(custom: &[EnvRow], part: &Identifier) -> BTreeSet<EnvKey> {
    custom.iter().filter(|row| row.component.as_ref() == Some(part)).map(|row| row.key.clone()).collect()
}

fn fingerprint(spec: &ContainerSpec) -> String {
    // The debug form names every field; that two builds of this program may print it differently only costs a restart.
    hex::encode(&secret::sha256(format!("{spec:?}").as_bytes())[..16])
}
