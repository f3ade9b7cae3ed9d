//! What happens in the engine, as it happens. Events only wake the supervisor; the truth is what it then lists.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use super::connection::Engine;
use super::{DockerError, Label, Result};

/// What kind of object an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventObject {
    /// A container.
    Container,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

/// What happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventAction {
    /// Its process runs.
    Started,
    /// Its process ended, for whatever reason.
    Died,
    /// The kernel killed a process of it for the memory limit.
    OutOfMemory,
    /// It is gone.
    Removed,
    /// Anything else: `create`, `rename`, `pause`, `health_status: healthy`, …
    Other(String),
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// The kind of object.
    pub object: EventObject,
    /// Its id (containers, networks) or name (volumes).
    pub id: String,
    /// What happened.
    pub action: EventAction,
    /// Labels, name and, for an end, the exit code, as the engine attaches them.
    pub attributes: BTreeMap<String, String>,
    /// When, in milliseconds since 1970 UTC.
    pub at_ms: i64,
}

impl EngineEvent {
    fn from_engine(message: EventMessage) -> Option<Self> {
        let object = match message.typ? {
            EventMessageTypeEnum::CONTAINER => EventObject::Container,
            EventMessageTypeEnum::NETWORK => EventObject::Network,
            EventMessageTypeEnum::VOLUME => EventObject::Volume,
            _ => return None,
        };
        let actor = message.actor?;
        Some(Self {
            object,
            id: actor.id?,
            action: EventAction::from_engine(&message.action?),
            attributes: actor.attributes.unwrap_or_default().into_iter().collect(),
            at_ms: message.time_nano.map_or_else(|| message.time.unwrap_or(0) * 1000, |nanos| nanos / 1_000_000),
        })
    }
}

impl EventAction {
    fn from_engine(action: &str) -> Self {
        match action {
            "start" => Self::Started,
            "die" => Self::Died,
            "oom" => Self::OutOfMemory,
            "destroy" | "remove" => Self::Removed,
            other => Self::Other(other.to_owned()),
        }
    }
}

pub(super) async fn subscribe(engine: &Engine, label: Label) -> Result<BoxStream<'static, Result<EngineEvent>>> {
    let docker = engine.client().await?;
    let types = ["container", "network", "volume"].map(str::to_owned).to_vec();
    let filters = HashMap::from([("label", vec![label.filter()]), ("type", types)]);
    // The request is sent when the stream is first polled; `since` brings what happens until then.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
    let options = EventsOptionsBuilder::new().filters(&filters).since(&since).build();
    let events = docker.events(Some(options)).filter_map(|event| async {
        match event {
            Ok(message) => EngineEvent::from_engine(message).map(Ok),
            Err(error) => Some(Err(DockerError::from_engine("follow the engine's events", error))),
        }
    });
    Ok(events.boxed())
}
