//! The engine in memory as [`Containers`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::BroadcastStream;

use super::Fake;
use super::state::{Container, carries, missing};
use crate::docker::subnet::Subnet;
use crate::docker::{
    Attached, BuildRequest, CacheCut, Command, ContainerSpec, Containers, Credentials, DockerError, Ending,
    EngineEvent, EngineInfo, EngineUse, ErrorKind, EventAction, ExecEnd, ExecSpec, ImageInfo, Inspected, Label, Layer,
    Line, ListedImage, LogQuery, NetworkInfo, NetworkSpec, Owner, Result, RunState, Session, Streams, Summary,
    VolumeInfo, VolumeSpec,
};

impl Containers for Fake {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo>> {
        self.query("info", |_| {
            Ok(EngineInfo {
                version: "fake".into(),
                api: "1.41".into(),
                arch: "amd64".into(),
                cpus: 2,
                root: String::new(),
            })
        })
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

    fn pause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("pause", container, Some(EventAction::Other("pause".into())), |state| {
            state.find_mut(container)?.state = RunState::Paused;
            Ok(())
        })
    }

    fn resume<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("resume", container, Some(EventAction::Other("unpause".into())), |state| {
            let found = state.find_mut(container)?;
            if found.state == RunState::Paused {
                found.state = RunState::Running;
            }
            Ok(())
        })
    }

    fn read_files<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<BoxStream<'static, std::io::Result<Bytes>>>> {
        self.query("read_files", |state| {
            let image = state.find(container)?.spec.image.clone();
            let bytes = state.files.get(&(image, path.to_owned())).cloned().ok_or_else(|| missing("file", path))?;
            Ok(futures_util::stream::iter([Ok(Bytes::from(bytes))]).boxed())
        })
    }

    fn write_files<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
        mut tar: BoxStream<'static, std::io::Result<Bytes>>,
        _owner: Owner,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut bytes = Vec::new();
            while let Some(chunk) = tar.next().await {
                bytes.extend(chunk.map_err(|error| DockerError::from_io("write files", &error))?);
            }
            self.change("write_files", container, None, |state| {
                let image = state.find(container)?.spec.image.clone();
                state.files.insert((image, path.to_owned()), bytes);
                Ok(())
            })
            .await
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

    fn exec<'a>(
        &'a self,
        container: &'a str,
        spec: &'a ExecSpec,
        _input: Option<&'a mut (dyn AsyncRead + Unpin + Send)>,
        _output: &'a mut (dyn AsyncWrite + Unpin + Send),
    ) -> BoxFuture<'a, Result<ExecEnd>> {
        let what = format!("{container} {}", spec.argv.join(" "));
        self.change("exec", &what, None, |state| {
            let code = i64::from(state.find(container)?.state != RunState::Running);
            Ok(ExecEnd { code, stderr: String::new() })
        })
    }

    fn prepare<'a>(
        &'a self,
        container: &'a str,
        command: &'a Command,
        _streams: Streams,
    ) -> BoxFuture<'a, Result<String>> {
        let what = format!("{container} {}", command.argv.join(" "));
        self.change("prepare", &what, None, |state| state.find(container).map(|found| found.id.clone()))
    }

    fn create_with<'a>(&'a self, spec: &'a ContainerSpec, _streams: Streams) -> BoxFuture<'a, Result<()>> {
        self.change("create_with", &spec.name, None, |state| state.create(spec).map(drop))
    }

    /// Its commands write nothing and end at once.
    fn attach<'a>(&'a self, _attached: &'a Attached, _streams: Streams) -> BoxFuture<'a, Result<Session>> {
        self.query("attach", |_| {
            Ok(Session { output: futures_util::stream::empty().boxed(), input: Box::new(tokio::io::sink()) })
        })
    }

    fn resize<'a>(&'a self, _attached: &'a Attached, _columns: u16, _rows: u16) -> BoxFuture<'a, Result<()>> {
        self.query("resize", |_| Ok(()))
    }

    fn ended<'a>(&'a self, _attached: &'a Attached) -> BoxFuture<'a, Result<i64>> {
        self.query("ended", |_| Ok(0))
    }

    fn end<'a>(&'a self, attached: &'a Attached, ending: Ending) -> BoxFuture<'a, Result<()>> {
        self.change("end", &format!("{attached:?} {ending:?}"), None, |_| Ok(()))
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

    fn connect<'a>(
        &'a self,
        network: &'a str,
        container: &'a str,
        _aliases: &'a [String],
    ) -> BoxFuture<'a, Result<()>> {
        self.change("connect", network, None, |state| {
            if !state.networks.contains_key(network) {
                return Err(missing("network", network));
            }
            state.find_mut(container)?.joined.insert(network.to_owned());
            Ok(())
        })
    }

    fn disconnect<'a>(&'a self, network: &'a str, container: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("disconnect", network, None, |state| {
            state.find_mut(container)?.joined.remove(network);
            Ok(())
        })
    }

    fn remove_network<'a>(&'a self, network: &'a str) -> BoxFuture<'a, Result<()>> {
        self.change("remove_network", network, None, |state| {
            if state
                .containers
                .values()
                .any(|one| one.state == RunState::Running && one.addresses().contains_key(network))
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

    fn at_registry<'a>(&'a self, reference: &'a str, _login: Option<&'a Credentials>) -> BoxFuture<'a, Result<String>> {
        self.query("at_registry", |state| state.image(reference).map(|image| image.id.clone()))
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
        self.change("remove_image", image, None, |state| state.remove_image(image))
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
                workdir: None,
                exposed_ports: Vec::new(),
                labels: request.labels.clone(),
                tags: vec![request.tag.clone()],
                digests: Vec::new(),
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

    fn images(&self) -> BoxFuture<'_, Result<Vec<ListedImage>>> {
        self.query("images", |state| {
            let listed = state.images.values().map(|image| ListedImage {
                id: image.id.clone(),
                names: image.tags.clone(),
                labels: image.labels.clone(),
            });
            Ok(listed.collect())
        })
    }

    /// Each image is one layer of its own.
    fn layers<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<Vec<Layer>>> {
        self.query("layers", |state| {
            let found = state.image(image)?;
            let mut id = DefaultHasher::new();
            found.id.hash(&mut id);
            Ok(vec![Layer { id: id.finish(), bytes: found.size }])
        })
    }

    fn usage(&self) -> BoxFuture<'_, Result<EngineUse>> {
        self.query("usage", |state| {
            let containers = state.containers.values().map(|one| (one.spec.labels.clone(), 0)).collect();
            let volumes = state.volumes.keys().map(|name| (name.clone(), 0)).collect();
            Ok(EngineUse { cache_bytes: state.cache, cache_unused_bytes: state.cache, volumes, containers })
        })
    }

    fn prune_build_cache(&self, cut: CacheCut) -> BoxFuture<'_, Result<u64>> {
        self.change("prune_build_cache", &format!("{cut:?}"), None, |state| {
            let left = match cut {
                CacheCut::Above(bytes) => state.cache.min(bytes),
                CacheCut::UnusedFor(_) => state.cache,
                CacheCut::All => 0,
            };
            Ok(std::mem::replace(&mut state.cache, left) - left)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn spec(name: &str) -> ContainerSpec {
        let labels = BTreeMap::from([(crate::docker::labels::INSTANCE.to_owned(), "i".to_owned())]);
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
