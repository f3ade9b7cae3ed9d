//! What the engine in memory holds, and the rules that changes of it follow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use super::Fault;
use crate::docker::subnet::{Pool, Subnet};
use crate::docker::{
    BuildRequest, ContainerSpec, DockerError, EngineEvent, ErrorKind, EventAction, EventObject, ImageInfo, Inspected,
    Label, Line, NetworkInfo, Result, RunState, Summary, VolumeInfo,
};

#[derive(Debug, Default)]
pub(super) struct State {
    pub containers: BTreeMap<String, Container>,
    pub networks: BTreeMap<String, NetworkInfo>,
    pub volumes: BTreeMap<String, VolumeInfo>,
    pub images: BTreeMap<String, ImageInfo>,
    pub files: BTreeMap<(String, String), Vec<u8>>,
    pub faults: VecDeque<Fault>,
    pub gone: bool,
    pub calls: Vec<String>,
    pub builds: Vec<BuildRequest>,
    pub cache: u64,
    pub next: u32,
    pub clock_ms: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub id: String,
    pub spec: ContainerSpec,
    pub joined: BTreeSet<String>,
    pub state: RunState,
    pub address: Option<IpAddr>,
    pub started_at_ms: Option<i64>,
    pub finished_at_ms: Option<i64>,
    pub lines: Vec<Line>,
}

impl State {
    pub fn fault(&mut self, operation: &str) -> Result<()> {
        if self.gone {
            return Err(DockerError::new(ErrorKind::Unreachable, operation, "the engine is gone"));
        }
        let index = self.faults.iter().position(|fault| fault.operation == operation);
        match index.and_then(|index| self.faults.remove(index)) {
            Some(fault) => Err(fault.error),
            None => Ok(()),
        }
    }

    pub fn tick(&mut self) -> i64 {
        self.clock_ms += 1;
        self.clock_ms
    }

    pub fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// By name or id, as the engine does.
    pub fn find(&self, name: &str) -> Result<&Container> {
        let found =
            self.containers.get(name).or_else(|| self.containers.values().find(|container| container.id == name));
        found.ok_or_else(|| missing("container", name))
    }

    pub fn find_mut(&mut self, name: &str) -> Result<&mut Container> {
        let name = self.find(name)?.spec.name.clone();
        self.containers.get_mut(&name).ok_or_else(|| missing("container", &name))
    }

    pub fn event(&self, name: &str, action: EventAction) -> Option<(BTreeMap<String, String>, EngineEvent)> {
        let container = self.find(name).ok()?;
        let labels = container.spec.labels.clone();
        let event = EngineEvent {
            object: EventObject::Container,
            id: container.id.clone(),
            action,
            attributes: labels.clone(),
            at_ms: self.clock_ms,
        };
        Some((labels, event))
    }

    pub fn create(&mut self, spec: &ContainerSpec) -> Result<String> {
        if self.containers.contains_key(&spec.name) {
            return Err(DockerError::new(
                ErrorKind::Conflict,
                format!("create container {}", spec.name),
                "the name is already in use",
            ));
        }
        if let Some(network) = spec.network.as_ref().filter(|network| !self.networks.contains_key(*network)) {
            return Err(missing("network", network));
        }
        let id = format!("c{:04}", self.number());
        let container = Container {
            id: id.clone(),
            spec: spec.clone(),
            joined: BTreeSet::new(),
            state: RunState::Created,
            address: None,
            started_at_ms: None,
            finished_at_ms: None,
            lines: Vec::new(),
        };
        self.containers.insert(spec.name.clone(), container);
        Ok(id)
    }

    pub fn start(&mut self, name: &str) -> Result<()> {
        let (number, now) = (self.number(), self.tick());
        let container = self.find_mut(name)?;
        if container.state == RunState::Running {
            return Ok(());
        }
        container.state = RunState::Running;
        container.started_at_ms = Some(now);
        // Another address at each start: nobody may remember the last one. All on loopback, where nobody answers.
        let [_, high, mid, low] = number.to_be_bytes();
        container.address =
            container.spec.network.as_ref().map(|_| IpAddr::V4(Ipv4Addr::new(127, 64 | high, mid, low)));
        Ok(())
    }

    pub fn end(&mut self, name: &str, code: i64, out_of_memory: bool) {
        let now = self.tick();
        if let Ok(container) = self.find_mut(name) {
            container.state = RunState::Exited { code: Some(code), out_of_memory };
            container.address = None;
            container.finished_at_ms = Some(now);
        }
    }

    pub fn free_subnet(&self, reserved: &[Subnet]) -> Result<Subnet> {
        let mut taken: Vec<_> = self.networks.values().flat_map(|network| network.subnets.clone()).collect();
        taken.extend(reserved);
        Pool::default()
            .choose(&taken)
            .ok_or_else(|| DockerError::new(ErrorKind::NoSubnet, "choose a subnet", "the pool is used up"))
    }

    pub fn image(&self, name: &str) -> Result<&ImageInfo> {
        let tagged = || self.images.values().find(|image| image.tags.iter().any(|tag| tag == name));
        self.images.get(name).or_else(tagged).ok_or_else(|| missing("image", name))
    }

    /// A name goes, and with the last one the image, unless a container was made from it; by id an image goes that has one name at most.
    pub fn remove_image(&mut self, name: &str) -> Result<()> {
        let Ok(found) = self.image(name).cloned() else { return Ok(()) };
        let by_id = found.id == name;
        let is_last = found.tags.iter().all(|tag| by_id || tag == name);
        let conflict = |why: &str| Err(DockerError::new(ErrorKind::Conflict, format!("remove image {name}"), why));
        if by_id && found.tags.len() > 1 {
            return conflict("it has several names");
        }
        if is_last && self.containers.values().any(|one| one.spec.image == found.id) {
            return conflict("a container uses it");
        }
        if is_last {
            self.images.remove(&found.id);
        } else if let Some(image) = self.images.get_mut(&found.id) {
            image.tags.retain(|tag| tag != name);
        }
        Ok(())
    }
}

pub(super) fn missing(kind: &str, name: &str) -> DockerError {
    DockerError::new(ErrorKind::NotFound, format!("find {kind} {name}"), format!("no such {kind}"))
}

impl Container {
    pub fn addresses(&self) -> BTreeMap<String, IpAddr> {
        let networks = self.spec.network.iter().chain(&self.joined);
        self.address.iter().flat_map(|address| networks.clone().map(|name| (name.clone(), *address))).collect()
    }

    pub fn inspected(&self, image: Option<&ImageInfo>) -> Inspected {
        Inspected {
            id: self.id.clone(),
            name: self.spec.name.clone(),
            image: self.spec.image.clone(),
            image_id: self.spec.image.clone(),
            state: self.state.clone(),
            error: None,
            started_at_ms: self.started_at_ms,
            finished_at_ms: self.finished_at_ms,
            pid: None,
            addresses: self.addresses(),
            exposed_ports: image.map(|image| image.exposed_ports.clone()).unwrap_or_default(),
            labels: self.spec.labels.clone(),
            health: None,
            config: crate::docker::config::from_spec(&self.spec),
        }
    }

    pub fn summary(&self) -> Summary {
        let state = match &self.state {
            RunState::Exited { .. } => RunState::Exited { code: None, out_of_memory: false },
            other => other.clone(),
        };
        Summary {
            id: self.id.clone(),
            name: self.spec.name.clone(),
            image_id: self.spec.image.clone(),
            state,
            labels: self.spec.labels.clone(),
            addresses: self.addresses(),
        }
    }
}

pub(super) fn carries(labels: &BTreeMap<String, String>, label: &Label) -> bool {
    labels.get(&label.key) == Some(&label.value)
}
