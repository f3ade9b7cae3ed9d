//! An engine in memory: deterministic, and it fails when a test tells it to. It keeps the rules that the logic above
//! relies on (names are unique, an address exists only while a container runs and changes with each start, events
//! follow changes), not the engine's every message.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::BroadcastStream;

use super::subnet::{Pool, Subnet};
use super::{
    BuildRequest, ContainerSpec, Containers, Credentials, DockerError, EngineEvent, EngineInfo, ErrorKind, EventAction,
    EventObject, ImageInfo, Inspected, Label, Line, LogQuery, NetworkInfo, NetworkSpec, Result, RunState, Stream,
    Summary, VolumeInfo, VolumeSpec,
};

const EVENTS: usize = 256;

/// A failure that is to come.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation: the name of the trait's method, `start`.
    pub operation: &'static str,
    /// What it answers.
    pub error: DockerError,
}

/// The engine in memory.
#[derive(Debug)]
pub struct Fake {
    state: Mutex<State>,
    events: broadcast::Sender<(BTreeMap<String, String>, EngineEvent)>,
}

#[derive(Debug, Default)]
struct State {
    containers: BTreeMap<String, Container>,
    networks: BTreeMap<String, NetworkInfo>,
    volumes: BTreeMap<String, VolumeInfo>,
    images: BTreeMap<String, ImageInfo>,
    files: BTreeMap<(String, String), Vec<u8>>,
    faults: VecDeque<Fault>,
    gone: bool,
    calls: Vec<String>,
    builds: Vec<BuildRequest>,
    next: u32,
    clock_ms: i64,
}

#[derive(Debug, Clone)]
struct Container {
    id: String,
    spec: ContainerSpec,
    state: RunState,
    address: Option<IpAddr>,
    started_at_ms: Option<i64>,
    finished_at_ms: Option<i64>,
    lines: Vec<Line>,
}

impl Default for Fake {
    fn default() -> Self {
        Self { state: Mutex::default(), events: broadcast::channel(EVENTS).0 }
    }
}

impl Fake {
    /// The next call of the operation answers this error.
    pub fn fail_next(&self, operation: &'static str, kind: ErrorKind) {
        let error = DockerError::new(kind, operation, "injected by the test");
        self.lock().faults.push_back(Fault { operation, error });
    }

    /// The engine stops answering, or answers again.
    pub fn set_gone(&self, gone: bool) {
        self.lock().gone = gone;
    }

    /// An image that exists from now on.
    pub fn add_image(&self, image: ImageInfo) {
        self.lock().images.insert(image.id.clone(), image);
    }

    /// A file or folder, as a tar archive, that `copy_out` finds in an image.
    pub fn add_files(&self, image: &str, path: &str, archive: Vec<u8>) {
        self.lock().files.insert((image.to_owned(), path.to_owned()), archive);
    }

    /// A container's process ends by itself.
    pub fn exit(&self, name: &str, code: i64, out_of_memory: bool) {
        let mut state = self.lock();
        state.end(name, code, out_of_memory);
        let event = state.event(name, EventAction::Died);
        drop(state);
        self.tell(event);
    }

    /// A container prints a line.
    pub fn print(&self, name: &str, text: &str) {
        let mut state = self.lock();
        let at_ms = Some(state.tick());
        let line =
            Line { step: None, stream: Stream::Stdout, at_ms, bytes: Bytes::from(text.to_owned()), partial: false };
        if let Some(container) = state.containers.get_mut(name) {
            container.lines.push(line);
        }
    }

    /// What was called so far, as `operation argument`; queries are not recorded.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// Forgets what was called so far.
    pub fn clear_calls(&self) {
        self.lock().calls.clear();
    }

    /// What was asked to be built so far.
    pub fn builds(&self) -> Vec<BuildRequest> {
        self.lock().builds.clone()
    }

    /// The specification that a container was made from.
    pub fn spec(&self, name: &str) -> Option<ContainerSpec> {
        self.lock().containers.get(name).map(|container| container.spec.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, event: Option<(BTreeMap<String, String>, EngineEvent)>) {
        if let Some(event) = event {
            // No subscriber is no error.
            self.events.send(event).ok();
        }
    }

    /// One change: faults first, then the record, then the change, then the event.
    fn change<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        name: &str,
        action: Option<EventAction>,
        change: impl FnOnce(&mut State) -> Result<T>,
    ) -> BoxFuture<'a, Result<T>> {
        let mut state = self.lock();
        if let Err(error) = state.fault(operation) {
            return Box::pin(async { Err(error) });
        }
        state.calls.push(format!("{operation} {name}"));
        let before = action.clone().and_then(|action| state.event(name, action));
        let result = change(&mut state);
        let event = action.and_then(|action| state.event(name, action)).or(before);
        drop(state);
        if result.is_ok() {
            self.tell(event);
        }
        Box::pin(async { result })
    }

    fn query<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        answer: impl FnOnce(&State) -> Result<T>,
    ) -> BoxFuture<'a, Result<T>> {
        let mut state = self.lock();
        let result = state.fault(operation).and_then(|()| answer(&state));
        Box::pin(async { result })
    }
}

impl State {
    fn fault(&mut self, operation: &str) -> Result<()> {
        if self.gone {
            return Err(DockerError::new(ErrorKind::Unreachable, operation, "the engine is gone"));
        }
        let index = self.faults.iter().position(|fault| fault.operation == operation);
        match index.and_then(|index| self.faults.remove(index)) {
            Some(fault) => Err(fault.error),
            None => Ok(()),
        }
    }

    fn tick(&mut self) -> i64 {
        self.clock_ms += 1;
        self.clock_ms
    }

    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    /// By name or id, as the engine does.
    fn find(&self, name: &str) -> Result<&Container> {
        let found =
            self.containers.get(name).or_else(|| self.containers.values().find(|container| container.id == name));
        found.ok_or_else(|| missing("container", name))
    }

    fn find_mut(&mut self, name: &str) -> Result<&mut Container> {
        let name = self.find(name)?.spec.name.clone();
        self.containers.get_mut(&name).ok_or_else(|| missing("container", &name))
    }

    fn event(&self, name: &str, action: EventAction) -> Option<(BTreeMap<String, String>, EngineEvent)> {
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

    fn create(&mut self, spec: &ContainerSpec) -> Result<String> {
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
            state: RunState::Created,
            address: None,
            started_at_ms: None,
            finished_at_ms: None,
            lines: Vec::new(),
        };
        self.containers.insert(spec.name.clone(), container);
        Ok(id)
    }

    fn start(&mut self, name: &str) -> Result<()> {
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

    fn end(&mut self, name: &str, code: i64, out_of_memory: bool) {
        let now = self.tick();
        if let Ok(container) = self.find_mut(name) {
            container.state = RunState::Exited { code: Some(code), out_of_memory };
            container.address = None;
            container.finished_at_ms = Some(now);
        }
    }

    fn free_subnet(&self, reserved: &[Subnet]) -> Result<Subnet> {
        let mut taken: Vec<_> = self.networks.values().flat_map(|network| network.subnets.clone()).collect();
        taken.extend(reserved);
        Pool::default()
            .choose(&taken)
            .ok_or_else(|| DockerError::new(ErrorKind::NoSubnet, "choose a subnet", "the pool is used up"))
    }

    fn image(&self, name: &str) -> Result<&ImageInfo> {
        let tagged = || self.images.values().find(|image| image.tags.iter().any(|tag| tag == name));
        self.images.get(name).or_else(tagged).ok_or_else(|| missing("image", name))
    }
}

fn missing(kind: &str, name: &str) -> DockerError {
    DockerError::new(ErrorKind::NotFound, format!("find {kind} {name}"), format!("no such {kind}"))
}

impl Container {
    fn addresses(&self) -> BTreeMap<String, IpAddr> {
        self.spec.network.clone().zip(self.address).into_iter().collect()
    }

    fn inspected(&self, image: Option<&ImageInfo>) -> Inspected {
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
        }
    }

    fn summary(&self) -> Summary {
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

fn carries(labels: &BTreeMap<String, String>, label: &Label) -> bool {
    labels.get(&label.key) == Some(&label.value)
}

impl Containers for Fake {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo>> {
        self.query("info", |_| Ok(EngineInfo { version: "fake".into(), api: "1.41".into(), arch: "amd64".into() }))
    }

    fn events(&self, label: Label) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent>>>> {
        let stream = BroadcastStream::new(self.events.subscribe()).filter_map(move |event| {
            let event = event.ok().filter(|(labels, _)| carries(labels, &label)).map(|(_, event)| Ok(event));
            async move { event }
        });
        self.query("events", |_| Ok(stream.boxed()))
    }

    fn list<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<Summary>>> {
        self.query("list", |state| {
            Ok(state
                .containers
                .values()
                .filter(|one| carries(&one.spec.labels, label))
                .map(Container::summary)
                .collect())
        })
    }

    fn inspect<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<Inspected>> {
        self.query("inspect", |state| {
            let found = state.find(container)?;
            Ok(found.inspected(state.image(&found.spec.image).ok()))
        })
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<String>> {
        self.change("create", &spec.name, None, |state| state.create(spec))
    }

    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("start", container, Some(EventAction::Started), |state| state.start(container))
    }

    fn stop<'a>(&'a self, container: &'a str, _grace: Duration) -> BoxFuture<'a, Result<()>> {
        self.change("stop", container, Some(EventAction::Died), |state| {
            state.find(container)?;
            state.end(container, 0, false);
            Ok(())
        })
    }

    fn kill<'a>(&'a self, container: &'a str, signal: &'a str) -> BoxFuture<'a, Result<()>> {
        let code = if signal == "SIGKILL" { 137 } else { 143 };
        self.change("kill", container, Some(EventAction::Died), |state| {
            state.find(container)?;
            state.end(container, code, false);
            Ok(())
        })
    }

    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("remove", container, Some(EventAction::Removed), |state| {
            if let Ok(found) = state.find(container) {
                let name = found.spec.name.clone();
                state.containers.remove(&name);
            }
            Ok(())
        })
    }

    fn rename<'a>(&'a self, container: &'a str, name: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("rename", container, Some(EventAction::Other("rename".into())), |state| {
            let mut found = state.find(container)?.clone();
            state.containers.remove(&found.spec.name);
            found.spec.name = name.to_owned();
            state.containers.insert(name.to_owned(), found);
            Ok(())
        })
    }

    fn logs<'a>(
        &'a self,
        container: &'a str,
        query: LogQuery,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Line>>>> {
        self.query("logs", |state| {
            let lines = &state.find(container)?.lines;
            let wanted: Vec<_> = lines.iter().filter(|line| line.at_ms >= query.since_ms).cloned().collect();
            let skipped = query.tail.map_or(0, |tail| wanted.len().saturating_sub(tail as usize));
            Ok(futures_util::stream::iter(wanted.into_iter().skip(skipped).map(Ok)).boxed())
        })
    }

    fn free_subnet<'a>(&'a self, reserved: &'a [Subnet]) -> BoxFuture<'a, Result<Subnet>> {
        self.query("free_subnet", |state| state.free_subnet(reserved))
    }

    fn create_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, Result<NetworkInfo>> {
        self.change("create_network", &spec.name, None, |state| {
            if let Some(found) = state.networks.get(&spec.name) {
                return Ok(found.clone());
            }
            let subnet = spec.subnet.map_or_else(|| state.free_subnet(&[]), Ok)?;
            if state.networks.values().any(|network| network.subnets.iter().any(|other| other.overlaps(&subnet))) {
                return Err(DockerError::new(
                    ErrorKind::NoSubnet,
                    "create network",
                    "the range overlaps another network",
                ));
            }
            let network = NetworkInfo {
                id: format!("n{:04}", state.number()),
                name: spec.name.clone(),
                subnets: vec![subnet],
                labels: spec.labels.clone(),
            };
            state.networks.insert(spec.name.clone(), network.clone());
            Ok(network)
        })
    }

    fn remove_network<'a>(&'a self, network: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("remove_network", network, None, |state| {
            if state
                .containers
                .values()
                .any(|one| one.state == RunState::Running && one.spec.network.as_deref() == Some(network))
            {
                return Err(DockerError::new(
                    ErrorKind::Conflict,
                    format!("remove network {network}"),
                    "it has active endpoints",
                ));
            }
            state.networks.retain(|name, found| name != network && found.id != network);
            Ok(())
        })
    }

    fn list_networks<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<NetworkInfo>>> {
        self.query("list_networks", |state| {
            Ok(state.networks.values().filter(|one| carries(&one.labels, label)).cloned().collect())
        })
    }

    fn create_volume<'a>(&'a self, spec: &'a VolumeSpec) -> BoxFuture<'a, Result<VolumeInfo>> {
        self.change("create_volume", &spec.name, None, |state| {
            let volume = VolumeInfo {
                name: spec.name.clone(),
                path: format!("/fake/{}", spec.name),
                labels: spec.labels.clone(),
            };
            Ok(state.volumes.entry(spec.name.clone()).or_insert(volume).clone())
        })
    }

    fn remove_volume<'a>(&'a self, volume: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("remove_volume", volume, None, |state| {
            state.volumes.remove(volume);
            Ok(())
        })
    }

    fn list_volumes<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<VolumeInfo>>> {
        self.query("list_volumes", |state| {
            Ok(state.volumes.values().filter(|one| carries(&one.labels, label)).cloned().collect())
        })
    }

    fn image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<ImageInfo>> {
        self.query("image", |state| state.image(image).cloned())
    }

    fn pull<'a>(
        &'a self,
        reference: &'a str,
        _login: Option<&'a Credentials>,
        _lines: mpsc::Sender<Line>,
    ) -> BoxFuture<'a, Result<ImageInfo>> {
        self.change("pull", reference, None, |state| {
            let found = state.image(reference).cloned();
            found.map_err(|_| {
                DockerError::new(
                    ErrorKind::PullDenied,
                    format!("pull image {reference}"),
                    "no such image in the fake registry",
                )
            })
        })
    }

    fn tag<'a>(&'a self, image: &'a str, name: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("tag", name, None, |state| {
            let id = state.image(image)?.id.clone();
            for image in state.images.values_mut() {
                image.tags.retain(|tag| tag != name);
                if image.id == id {
                    image.tags.push(name.to_owned());
                }
            }
            Ok(())
        })
    }

    fn remove_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("remove_image", image, None, |state| {
            state.images.remove(image);
            state.images.values_mut().for_each(|found| found.tags.retain(|tag| tag != image));
            Ok(())
        })
    }

    fn load<'a>(&'a self, _archive: BoxStream<'static, std::io::Result<Bytes>>) -> BoxFuture<'a, Result<Vec<String>>> {
        self.change("load", "archive", None, |state| Ok(state.images.keys().cloned().collect()))
    }

    fn build<'a>(&'a self, request: &'a BuildRequest, lines: mpsc::Sender<Line>) -> BoxFuture<'a, Result<ImageInfo>> {
        let built = self.change("build", &request.tag, None, |state| {
            let number = state.number();
            let image = ImageInfo {
                id: format!("sha256:{number:064x}"),
                architecture: "amd64".into(),
                os: "linux".into(),
                exposed_ports: Vec::new(),
                labels: request.labels.clone(),
                tags: vec![request.tag.clone()],
                size: 0,
            };
            state.builds.push(request.clone());
            state.images.insert(image.id.clone(), image.clone());
            Ok(image)
        });
        Box::pin(async move {
            lines.send(Line::progress(Some("[1/1] FROM scratch".into()), "done in 0.0 s")).await.ok();
            built.await
        })
    }

    fn copy_out<'a>(
        &'a self,
        image: &'a str,
        path: &'a str,
        _name: &'a str,
        into: &'a mut (dyn AsyncWrite + Unpin + Send),
    ) -> BoxFuture<'a, Result<()>> {
        let found = self.query("copy_out", |state| {
            let key = (image.to_owned(), path.to_owned());
            state.files.get(&key).cloned().ok_or_else(|| missing("path", path))
        });
        Box::pin(async move {
            let bytes = found.await?;
            into.write_all(&bytes).await.map_err(|error| DockerError::from_io("copy_out", &error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> ContainerSpec {
        let labels = BTreeMap::from([(super::super::labels::INSTANCE.to_owned(), "i".to_owned())]);
        ContainerSpec {
            name: name.into(),
            image: "sha256:1".into(),
            network: Some("n".into()),
            labels,
            ..Default::default()
        }
    }

    #[tokio::test]
    async fn an_address_exists_only_while_it_runs_and_changes() {
        let fake = Fake::default();
        fake.create_network(&NetworkSpec { name: "n".into(), ..Default::default() }).await.unwrap();
        fake.create(&spec("a")).await.unwrap();
        assert_eq!(fake.create(&spec("a")).await.unwrap_err().kind, ErrorKind::Conflict);
        fake.start("a").await.unwrap();
        let first = fake.inspect("a").await.unwrap().addresses["n"];
        fake.exit("a", 1, false);
        assert!(fake.inspect("a").await.unwrap().addresses.is_empty());
        fake.start("a").await.unwrap();
        assert_ne!(fake.inspect("a").await.unwrap().addresses["n"], first);
    }

    #[tokio::test]
    async fn faults_hit_once_and_events_reach_only_their_label() {
        let fake = Fake::default();
        let mut events = fake.events(Label::instance("i")).await.unwrap();
        let mut others = fake.events(Label::instance("j")).await.unwrap();
        fake.create_network(&NetworkSpec { name: "n".into(), ..Default::default() }).await.unwrap();
        fake.create(&spec("a")).await.unwrap();
        fake.fail_next("start", ErrorKind::Timeout);
        assert!(fake.start("a").await.unwrap_err().engine_is_gone());
        fake.start("a").await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().action, EventAction::Started);
        assert!(futures_util::poll!(others.next()).is_pending());
        fake.set_gone(true);
        assert_eq!(fake.list(&Label::instance("i")).await.unwrap_err().kind, ErrorKind::Unreachable);
    }
}
