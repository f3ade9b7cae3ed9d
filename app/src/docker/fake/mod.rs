//! An engine in memory: deterministic, and it fails when a test tells it to. It keeps the rules that the logic above
//! relies on (names are unique, an address exists only while a container runs and changes with each start, events
//! follow changes), not the engine's every message.

mod engine;
mod state;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use self::state::State;
use super::{
    BuildRequest, ContainerSpec, DockerError, EngineEvent, ErrorKind, EventAction, ImageInfo, Line, Result, Stream,
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

    /// Bytes of the build cache.
    pub fn set_build_cache(&self, bytes: u64) {
        self.lock().cache = bytes;
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
