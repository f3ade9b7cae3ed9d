//! A Docker engine as [`Containers`]: what each operation asks of it.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder, RenameContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::connection::{CHANGE_DEADLINE, Engine, QUERY_DEADLINE, gone_is_fine};
use super::subnet::Subnet;
use super::{
    Attached, BuildRequest, CacheCut, Command, ContainerSpec, Containers, Credentials, Ending, EngineEvent, EngineInfo,
    EngineUse, ExecEnd, ExecSpec, ImageInfo, Inspected, Label, Layer, Line, ListedImage, LogQuery, NetworkInfo,
    NetworkSpec, Owner, Result, Session, Streams, Summary, VolumeInfo, VolumeSpec,
};

/// Added to a container's own grace before we give up on a stop.
const STOP_MARGIN: Duration = Duration::from_secs(20);

impl Engine {
    async fn read_info(&self) -> Result<EngineInfo> {
        let answer =
            self.call("ask the container engine for its version".into(), QUERY_DEADLINE, |docker| async move {
                Ok((docker.version().await?, docker.client_version()))
            });
        let (version, api) = answer.await?;
        let host = self.host().await?;
        Ok(EngineInfo {
            version: version.version.unwrap_or_default(),
            api: api.to_string(),
            arch: version.arch.unwrap_or_default(),
            cpus: host.cpus,
            root: host.root.clone(),
        })
    }

    async fn list_containers(&self, label: &Label) -> Result<Vec<Summary>> {
        let filters = HashMap::from([("label", vec![label.filter()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.call("list containers".into(), QUERY_DEADLINE, |docker| async move {
            docker.list_containers(Some(options)).await
        });
        Ok(listed.await?.into_iter().map(Summary::from_engine).collect())
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<String> {
        let options = CreateContainerOptionsBuilder::new().name(&spec.name).build();
        let what = format!("create container {} from {}", spec.name, spec.image);
        let created = self.call(what, CHANGE_DEADLINE, |docker| async move {
            docker.create_container(Some(options), spec.to_engine()).await
        });
        Ok(created.await?.id)
    }

    async fn stop_container(&self, container: &str, grace: Duration) -> Result<()> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let deadline = grace.saturating_add(STOP_MARGIN);
        self.call(format!("stop container {container}"), deadline, |docker| async move {
            docker.stop_container(container, Some(options)).await
        })
        .await
    }

    async fn remove_container(&self, container: &str) -> Result<()> {
        // `v` removes anonymous volumes only; ours are all named.
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = self.call(format!("remove container {container}"), CHANGE_DEADLINE, |docker| async move {
            docker.remove_container(container, Some(options)).await
        });
        gone_is_fine(removed.await)
    }
}

impl Containers for Engine {
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo>> {
        Box::pin(self.read_info())
    }

    fn events(&self, label: Label) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent>>>> {
        Box::pin(super::events::subscribe(self, label))
    }

    fn list<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<Summary>>> {
        Box::pin(self.list_containers(label))
    }

    fn inspect<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<Inspected>> {
        let answer = self.call(format!("inspect container {container}"), QUERY_DEADLINE, move |docker| async move {
            docker.inspect_container(container, None::<InspectContainerOptions>).await
        });
        Box::pin(async { Ok(Inspected::from_engine(answer.await?)) })
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<String>> {
        Box::pin(self.create_container(spec))
    }

    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.call(format!("start container {container}"), CHANGE_DEADLINE, move |docker| async move {
            docker.start_container(container, None::<StartContainerOptions>).await
        }))
    }

    fn stop<'a>(&'a self, container: &'a str, grace: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.stop_container(container, grace))
    }

    fn kill<'a>(&'a self, container: &'a str, signal: &'a str) -> BoxFuture<'a, Result<()>> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        Box::pin(self.call(
            format!("send {signal} to container {container}"),
            QUERY_DEADLINE,
            move |docker| async move { docker.kill_container(container, Some(options)).await },
        ))
    }

    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.remove_container(container))
    }

    fn pause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.call(format!("pause container {container}"), CHANGE_DEADLINE, move |docker| async move {
            docker.pause_container(container).await
        }))
    }

    fn resume<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>> {
        let resumed = self.call(format!("resume container {container}"), CHANGE_DEADLINE, move |docker| async move {
            docker.unpause_container(container).await
        });
        Box::pin(async {
            match resumed.await {
                Err(error) if error.is_not_found() || error.why.contains("is not paused") => Ok(()),
                other => other,
            }
        })
    }

    fn read_files<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<BoxStream<'static, std::io::Result<Bytes>>>> {
        Box::pin(super::archive::read(self, container, path))
    }

    fn write_files<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
        tar: BoxStream<'static, std::io::Result<Bytes>>,
        owner: Owner,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::archive::write(self, container, path, tar, owner))
    }

    fn rename<'a>(&'a self, container: &'a str, name: &'a str) -> BoxFuture<'a, Result<()>> {
        let options = RenameContainerOptionsBuilder::new().name(name).build();
        Box::pin(self.call(
            format!("rename container {container} to {name}"),
            QUERY_DEADLINE,
            move |docker| async move { docker.rename_container(container, options).await },
        ))
    }

    fn logs<'a>(
        &'a self,
        container: &'a str,
        query: LogQuery,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Line>>>> {
        Box::pin(super::logs::read(self, container, query))
    }

    fn exec<'a>(
        &'a self,
        container: &'a str,
        spec: &'a ExecSpec,
        input: Option<&'a mut (dyn AsyncRead + Unpin + Send)>,
        output: &'a mut (dyn AsyncWrite + Unpin + Send),
    ) -> BoxFuture<'a, Result<ExecEnd>> {
        Box::pin(super::exec::run(self, container, spec, input, output))
    }

    fn prepare<'a>(
        &'a self,
        container: &'a str,
        command: &'a Command,
        streams: Streams,
    ) -> BoxFuture<'a, Result<String>> {
        Box::pin(super::attached::prepare(self, container, command, streams))
    }

    fn create_with<'a>(&'a self, spec: &'a ContainerSpec, streams: Streams) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::attached::create(self, spec, streams))
    }

    fn attach<'a>(&'a self, attached: &'a Attached, streams: Streams) -> BoxFuture<'a, Result<Session>> {
        Box::pin(super::attached::attach(self, attached, streams))
    }

    fn resize<'a>(&'a self, attached: &'a Attached, columns: u16, rows: u16) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::attached::resize(self, attached, columns, rows))
    }

    fn ended<'a>(&'a self, attached: &'a Attached) -> BoxFuture<'a, Result<i64>> {
        Box::pin(super::attached::ended(self, attached))
    }

    fn end<'a>(&'a self, attached: &'a Attached, ending: Ending) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::attached::end(self, attached, ending))
    }

    fn free_subnet<'a>(&'a self, reserved: &'a [Subnet]) -> BoxFuture<'a, Result<Subnet>> {
        Box::pin(super::network::free_subnet(self, reserved))
    }

    fn create_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, Result<NetworkInfo>> {
        Box::pin(super::network::create(self, spec))
    }

    fn connect<'a>(&'a self, network: &'a str, container: &'a str, aliases: &'a [String]) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::network::connect(self, network, container, aliases))
    }

    fn disconnect<'a>(&'a self, network: &'a str, container: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::network::disconnect(self, network, container))
    }

    fn remove_network<'a>(&'a self, network: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::network::remove(self, network))
    }

    fn list_networks<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<NetworkInfo>>> {
        Box::pin(super::network::list(self, Some(label)))
    }

    fn create_volume<'a>(&'a self, spec: &'a VolumeSpec) -> BoxFuture<'a, Result<VolumeInfo>> {
        Box::pin(super::volume::create(self, spec))
    }

    fn remove_volume<'a>(&'a self, volume: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::volume::remove(self, volume))
    }

    fn list_volumes<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<VolumeInfo>>> {
        Box::pin(super::volume::list(self, label))
    }

    fn image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<ImageInfo>> {
        Box::pin(super::image::inspect(self, image))
    }

    fn at_registry<'a>(&'a self, reference: &'a str, login: Option<&'a Credentials>) -> BoxFuture<'a, Result<String>> {
        Box::pin(super::image::at_registry(self, reference, login))
    }

    fn pull<'a>(
        &'a self,
        reference: &'a str,
        login: Option<&'a Credentials>,
        lines: mpsc::Sender<Line>,
    ) -> BoxFuture<'a, Result<ImageInfo>> {
        Box::pin(super::image::pull(self, reference, login, lines))
    }

    fn tag<'a>(&'a self, image: &'a str, name: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::image::tag(self, image, name))
    }

    fn remove_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::image::remove(self, image))
    }

    fn load<'a>(&'a self, archive: BoxStream<'static, std::io::Result<Bytes>>) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(super::image::load(self, archive))
    }

    fn build<'a>(&'a self, request: &'a BuildRequest, lines: mpsc::Sender<Line>) -> BoxFuture<'a, Result<ImageInfo>> {
        Box::pin(super::build::run(self, request, lines))
    }

    fn copy_out<'a>(
        &'a self,
        image: &'a str,
        path: &'a str,
        name: &'a str,
        into: &'a mut (dyn AsyncWrite + Unpin + Send),
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(super::image::copy_out(self, image, path, name, into))
    }

    fn images(&self) -> BoxFuture<'_, Result<Vec<ListedImage>>> {
        Box::pin(super::usage::images(self))
    }

    fn layers<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<Vec<Layer>>> {
        Box::pin(super::usage::layers(self, image))
    }

    fn usage(&self) -> BoxFuture<'_, Result<EngineUse>> {
        Box::pin(super::usage::usage(self))
    }

    fn prune_build_cache(&self, cut: CacheCut) -> BoxFuture<'_, Result<u64>> {
        Box::pin(super::usage::prune_build_cache(self, cut))
    }
}
