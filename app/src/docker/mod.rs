//! The container engine behind one trait. Nothing outside this module names the engine's client library.
//!
//! `Containers` is a process boundary with two implementations: [`Engine`] speaks to a Docker engine over its
//! socket, [`Fake`] keeps everything in memory so that the logic above can be tested with injected faults.

mod archive;
mod attached;
pub mod build;
mod config;
mod connection;
mod engine;
mod error;
mod events;
mod exec;
mod fake;
mod image;
mod inspected;
mod line;
mod logs;
mod network;
mod plain;
mod spec;
pub mod subnet;
pub mod trust;
mod usage;
mod volume;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

pub use archive::Owner;
pub use attached::{Attached, Chunk, Command, Ending, Session, Streams};
pub use build::{BuildLimits, BuildRequest, Builder, IgnoreFile, Pace, Proxy};
pub use connection::{Engine, EngineInfo};
pub use error::{BuildFailure, DockerError, ErrorKind};
pub use events::{EngineEvent, EventAction, EventObject};
pub use exec::{ExecEnd, ExecSpec};
pub use fake::{Fake, Fault};
pub use image::{Credentials, ImageInfo};
pub use inspected::{Health, Inspected, RunState, Summary};
pub use line::{Line, Stream};
pub use logs::LogQuery;
pub use network::{NetworkInfo, NetworkSpec};
pub use spec::{ContainerSpec, Limits, LogRotation, Mount};
pub use usage::{CacheCut, EngineUse, Layer, ListedImage};
pub use volume::{VolumeInfo, VolumeSpec};

/// Every answer of the engine.
pub type Result<T> = std::result::Result<T, DockerError>;

/// Labels that every object of this product carries. A label alone never entitles us to delete something: the
/// object must also be recorded in the database.
pub mod labels {
    /// Which installation made the object; two installations may share one engine.
    pub const INSTANCE: &str = "boathouse.instance";
    /// The deployment that the object belongs to.
    pub const DEPLOYMENT: &str = "boathouse.deployment";
    /// The release that the container runs.
    pub const RELEASE: &str = "boathouse.release";
    /// The component or add-on that the container is.
    pub const COMPONENT: &str = "boathouse.component";
    /// Which of several containers of it that is, from 1.
    pub const REPLICA: &str = "boathouse.replica";
    /// The number of the run whose command the container is.
    pub const RUN: &str = "boathouse.run";
}

/// A label that objects are selected by: key and value must both match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// For example `boathouse.instance`.
    pub key: String,
    /// The exact value.
    pub value: String,
}

impl Label {
    /// The label that marks objects of one installation.
    pub fn instance(id: &str) -> Self {
        Self { key: labels::INSTANCE.to_owned(), value: id.to_owned() }
    }

    fn filter(&self) -> String {
        format!("{}={}", self.key, self.value)
    }
}

/// What the supervisor and the releases need of a container engine. Each wait has a deadline of its own; an
/// operation that is dropped is cancelled.
pub trait Containers: Send + Sync {
    /// Version, architecture and API of the engine; also the cheapest proof that it answers.
    fn info(&self) -> BoxFuture<'_, Result<EngineInfo>>;
    /// What happens to objects that carry the label, until the engine goes away (an error, then the end).
    fn events(&self, label: Label) -> BoxFuture<'_, Result<BoxStream<'static, Result<EngineEvent>>>>;

    /// All containers that carry the label, running or not.
    fn list<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<Summary>>>;
    /// One container by name or id.
    fn inspect<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<Inspected>>;
    /// Makes a container and returns its id; it does not run yet.
    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<String>>;
    /// Starts a container; one that already runs is left alone.
    fn start<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Asks the container to end with its stop signal and kills it after `grace`.
    fn stop<'a>(&'a self, container: &'a str, grace: Duration) -> BoxFuture<'a, Result<()>>;
    /// Sends a signal, for example `SIGKILL`.
    fn kill<'a>(&'a self, container: &'a str, signal: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Removes a container, killing it if need be; its named volumes stay. One that is gone is a success.
    fn remove<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Freezes all programs of a container; they use no processor and do not notice.
    fn pause<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Lets a paused container go on; one that is not paused is left alone.
    fn resume<'a>(&'a self, container: &'a str) -> BoxFuture<'a, Result<()>>;
    /// A folder or file of a container, running or not, as a tar stream with its volumes; the folder itself comes first.
    fn read_files<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<BoxStream<'static, std::io::Result<Bytes>>>>;
    /// Unpacks a tar stream into a folder of a container, running or not; rights as in the stream. It has no deadline of
    /// its own.
    fn write_files<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
        tar: BoxStream<'static, std::io::Result<Bytes>>,
        owner: Owner,
    ) -> BoxFuture<'a, Result<()>>;
    /// Gives a container another name.
    fn rename<'a>(&'a self, container: &'a str, name: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Its output, as lines.
    fn logs<'a>(
        &'a self,
        container: &'a str,
        query: LogQuery,
    ) -> BoxFuture<'a, Result<BoxStream<'static, Result<Line>>>>;

    /// Runs a command in a container that runs: `input` is its standard input, its standard output goes to `output`.
    fn exec<'a>(
        &'a self,
        container: &'a str,
        spec: &'a ExecSpec,
        input: Option<&'a mut (dyn AsyncRead + Unpin + Send)>,
        output: &'a mut (dyn AsyncWrite + Unpin + Send),
    ) -> BoxFuture<'a, Result<ExecEnd>>;

    /// Makes a process in a container that runs, for [`Containers::attach`] to start; returns the engine's id of it.
    fn prepare<'a>(
        &'a self,
        container: &'a str,
        command: &'a Command,
        streams: Streams,
    ) -> BoxFuture<'a, Result<String>>;
    /// Makes a container with streams, for [`Containers::attach`] and then [`Containers::start`]; the engine keeps none of its output.
    fn create_with<'a>(&'a self, spec: &'a ContainerSpec, streams: Streams) -> BoxFuture<'a, Result<()>>;
    /// The streams of a command; a process starts by that.
    fn attach<'a>(&'a self, attached: &'a Attached, streams: Streams) -> BoxFuture<'a, Result<Session>>;
    /// Tells a command the size of its terminal.
    fn resize<'a>(&'a self, attached: &'a Attached, columns: u16, rows: u16) -> BoxFuture<'a, Result<()>>;
    /// Waits for the end of a command, without a deadline: its exit code.
    fn ended<'a>(&'a self, attached: &'a Attached) -> BoxFuture<'a, Result<i64>>;
    /// Asks a command to end; one that is gone is a success.
    fn end<'a>(&'a self, attached: &'a Attached, ending: Ending) -> BoxFuture<'a, Result<()>>;

    /// A subnet of our own pool that overlaps no network, no route of this machine and none of `reserved`.
    fn free_subnet<'a>(&'a self, reserved: &'a [subnet::Subnet]) -> BoxFuture<'a, Result<subnet::Subnet>>;
    /// Makes a network, or returns the one that has this name already. [`ErrorKind::NoSubnet`] when its range is taken.
    fn create_network<'a>(&'a self, spec: &'a NetworkSpec) -> BoxFuture<'a, Result<NetworkInfo>>;
    /// Joins a container to one more network, under these names there; one that it has joined already is left as it is.
    fn connect<'a>(&'a self, network: &'a str, container: &'a str, aliases: &'a [String]) -> BoxFuture<'a, Result<()>>;
    /// Parts a container from a network. One that is not in it is left as it is.
    fn disconnect<'a>(&'a self, network: &'a str, container: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Removes a network. One that is gone is a success.
    fn remove_network<'a>(&'a self, network: &'a str) -> BoxFuture<'a, Result<()>>;
    /// All networks that carry the label.
    fn list_networks<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<NetworkInfo>>>;

    /// Makes a volume, or returns the one that has this name already.
    fn create_volume<'a>(&'a self, spec: &'a VolumeSpec) -> BoxFuture<'a, Result<VolumeInfo>>;
    /// Removes a volume and what it holds. One that is gone is a success.
    fn remove_volume<'a>(&'a self, volume: &'a str) -> BoxFuture<'a, Result<()>>;
    /// All volumes that carry the label.
    fn list_volumes<'a>(&'a self, label: &'a Label) -> BoxFuture<'a, Result<Vec<VolumeInfo>>>;

    /// An image by id, digest or name.
    fn image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<ImageInfo>>;
    /// The digest of what a registry has under that name now; nothing is pulled.
    fn at_registry<'a>(&'a self, reference: &'a str, login: Option<&'a Credentials>) -> BoxFuture<'a, Result<String>>;
    /// Pulls an image from its registry; refuses one that is not made for this machine.
    fn pull<'a>(
        &'a self,
        reference: &'a str,
        login: Option<&'a Credentials>,
        lines: mpsc::Sender<Line>,
    ) -> BoxFuture<'a, Result<ImageInfo>>;
    /// Gives an image another name, `repository:tag`.
    fn tag<'a>(&'a self, image: &'a str, name: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Removes a name or, by id, an image. One that is gone is a success.
    fn remove_image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<()>>;
    /// Loads images from a stream in the format of `docker save`; returns their ids.
    fn load<'a>(&'a self, archive: BoxStream<'static, std::io::Result<Bytes>>) -> BoxFuture<'a, Result<Vec<String>>>;
    /// Builds an image and returns what came out. Dropping the future cancels the build in the engine.
    fn build<'a>(&'a self, request: &'a BuildRequest, lines: mpsc::Sender<Line>) -> BoxFuture<'a, Result<ImageInfo>>;
    /// Writes a folder or file of an image as a tar stream. `name` is the container that is made for it and removed.
    fn copy_out<'a>(
        &'a self,
        image: &'a str,
        path: &'a str,
        name: &'a str,
        into: &'a mut (dyn AsyncWrite + Unpin + Send),
    ) -> BoxFuture<'a, Result<()>>;

    /// All images, whoever made them.
    fn images(&self) -> BoxFuture<'_, Result<Vec<ListedImage>>>;
    /// The layers of an image that take room, the base first.
    fn layers<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Result<Vec<Layer>>>;
    /// What everything but images takes; the engine walks all volumes for it.
    fn usage(&self) -> BoxFuture<'_, Result<EngineUse>>;
    /// Removes from the build cache, which does not say who built; returns the bytes that it freed.
    fn prune_build_cache(&self, cut: CacheCut) -> BoxFuture<'_, Result<u64>>;
}
