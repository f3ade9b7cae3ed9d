//! Collects what containers print: one attachment per container for as long as it runs, resumed where it stopped.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Entry, Redactor, readable};
use crate::docker::{Containers, LogQuery, Stream};
use crate::error::Result;
use crate::observed::Container;
use crate::snapshot;
use crate::state::App;

/// A container whose output cannot be read now is tried again after this.
const RETRY: Duration = Duration::from_secs(2);
/// Containers may also appear without a change that we hear of.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Starts the collector.
pub fn start(app: &App, engine: Arc<dyn Containers>) {
    let collector = Collector { app: app.clone(), engine, attached: Arc::default() };
    app.tasks.run("logs.collect", "stores what containers print", |stop| collector.run(stop));
}

struct Collector {
    app: App,
    engine: Arc<dyn Containers>,
    attached: Arc<Mutex<HashSet<String>>>,
}

impl Collector {
    async fn run(self, stop: CancellationToken) -> Result<()> {
        let mut changes = self.app.observed.subscribe();
        // Dropped at the end of this function, and with it every attachment.
        let mut attachments = JoinSet::new();
        loop {
            for (name, container) in self.app.observed.containers() {
                let Some(engine_id) = container.engine_id.clone() else { continue };
                if self.lock().insert(engine_id.clone()) {
                    attachments.spawn(self.attachment(name, engine_id, container));
                }
            }
            while attachments.try_join_next().is_some() {}
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }

    fn attachment(
        &self,
        name: String,
        engine_id: String,
        container: Container,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (app, engine, attached) = (self.app.clone(), self.engine.clone(), self.attached.clone());
        async move {
            if let Err(error) = collect(&app, &*engine, &name, &engine_id, &container).await {
                tracing::debug!(container = name, %error, "the output of a container cannot be read now");
            }
            tokio::time::sleep(RETRY).await;
            // A container that was restarted or could not be read is attached to again.
            attached.lock().unwrap_or_else(PoisonError::into_inner).remove(&engine_id);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn collect(app: &App, engine: &dyn Containers, name: &str, engine_id: &str, container: &Container) -> Result<()> {
    let journal = app.logs.containers(container.deployment_id);
    let resumed = {
        let (journal, name) = (journal.clone(), name.to_owned());
        super::blocking(move || journal.last_of_container(&name)).await?
    };
    let redactor = redactor(app, container).await?;
    let since_ms = resumed.map(|(at, _)| at);
    let query = LogQuery { follow: true, since_ms, tail: None };
    let mut lines = engine.logs(engine_id, query).await.map_err(snapshot::engine_error)?;
    // Lines of the very last stored millisecond come again: as many as were stored are skipped.
    let mut skip = resumed;
    while let Some(line) = lines.next().await {
        let line = line.map_err(snapshot::engine_error)?;
        if let (Some((at, left)), Some(now)) = (&mut skip, line.at_ms) {
            if now == *at && *left > 0 {
                *left -= 1;
                continue;
            }
            if now > *at {
                skip = None;
            }
        }
        journal.append(entry(container, name, &line, &redactor));
    }
    Ok(())
}

fn entry(container: &Container, name: &str, line: &crate::docker::Line, redactor: &Redactor) -> Entry {
    let stream = if line.stream == Stream::Stderr { "stderr" } else { "stdout" };
    Entry {
        at: line.at_ms,
        component: Some(container.identifier.clone()),
        replica: container.replica,
        stream: stream.to_owned(),
        text: redactor.apply(readable(&line.bytes)),
        container: Some(name.to_owned()),
    }
}

/// Where the secrets cannot be known, nothing is stored yet: the attachment is tried again, and the engine keeps the lines.
async fn redactor(app: &App, container: &Container) -> Result<Redactor> {
    let (key, release) = (app.key.clone(), container.release_id);
    let secrets = app
        .db
        .read(move |c| {
            let row = crate::db::release::by_id(c, release)?;
            snapshot::secrets(c, &key, &row)
        })
        .await?;
    Ok(Redactor::new(secrets.iter().map(String::as_str)))
}
