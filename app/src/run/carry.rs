//! One run from its start to its end: its streams are passed on until it ends by itself, or has to.

use std::sync::Arc;
use std::time::Duration;

use boathouse_types::RunEnd;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::live::{Input, Link};
use super::output::{Log, Output};
use crate::db::run::{self, RunRow};
use crate::db::{image_watch, release};
use crate::docker::{Attached, Containers, Ending, Session};
use crate::error::Result;
use crate::fault;
use crate::logs::Redactor;
use crate::snapshot::{self, engine_error};
use crate::state::App;
use crate::supervisor::{self, Part};

/// Whoever asked for a run to take part in it does so within this time.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(30);
/// From the request to end to the kill.
const GRACE: Duration = Duration::from_secs(10);
/// The same where the server ends.
const GRACE_OF_SERVER: Duration = Duration::from_secs(3);
/// Between the kill and the end of the streams.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// Carries out one run.
pub(super) struct Carrier {
    pub app: App,
    pub engine: Arc<dyn Containers>,
    pub row: RunRow,
    pub link: Arc<Link>,
}

impl Carrier {
    /// How it ended. Once something is made for it, that is done to the end: what the engine has begun it does not take back.
    pub async fn carry_out(&self, stop: &CancellationToken) -> RunEnd {
        tokio::select! {
            biased;
            end = self.interrupted(stop) => return end,
            () = self.link.followed(), if self.link.attach.is_some() => {}
            () = tokio::time::sleep(FOLLOWED_WITHIN), if self.link.attach.is_some() => return RunEnd::HungUp,
            () = std::future::ready(()), if self.link.attach.is_none() => {}
        }
        let awake = tokio::select! {
            biased;
            end = self.interrupted(stop) => return end,
            awake = self.awake() => awake,
        };
        let begun = match awake {
            Ok(()) => self.begin().await,
            Err(error) => Err(error),
        };
        let ended = match begun {
            Ok((part, attached, session, output)) => self.go_on(&part, &attached, session, output, stop).await,
            Err(error) => Err(error),
        };
        ended.unwrap_or_else(|error| {
            let message = [Some(error.message), error.hint].into_iter().flatten().collect::<Vec<_>>().join(". ");
            RunEnd::Failed { message }
        })
    }

    /// Waits for what it runs in, or for the add-ons that it needs, where its deployment was just woken for it.
    async fn awake(&self) -> Result<()> {
        if self.row.release.is_some() {
            return Ok(());
        }
        self.app.pokes.supervisor.poke();
        self.app.pokes.edge.poke();
        self.app.pokes.sleep.poke();
        let (deployment, component) = (self.row.deployment_id, &self.row.run.component);
        supervisor::woken(&self.app, deployment, component, self.row.run.fresh).await
    }

    async fn begin(&self) -> Result<(Part, Attached, Session, Output)> {
        let (deployment, component) = (self.row.deployment_id, &self.row.run.component);
        let part = match self.row.release {
            None => supervisor::live_part(&self.app, deployment, component, self.row.run.replica).await?,
            Some((release, moment)) => supervisor::part_of(&self.app, release, moment, component).await?,
        };
        let output = self.output(&part).await?;
        let (attached, session) = self.start(&part).await?;
        let id = self.row.id;
        self.app.db.write(move |tx| run::set_started(tx, id)).await?;
        self.app.pokes.events.notify_waiters();
        fault::point("run.started");
        Ok((part, attached, session, output))
    }

    /// Where the secrets cannot be known, nothing is kept, and so nothing is started.
    async fn output(&self, part: &Part) -> Result<Output> {
        if self.row.run.attached {
            return Ok(Output::Reader(self.link.reader()));
        }
        let (key, release) = (self.app.key.clone(), part.release);
        let secrets = self.app.db.read(move |c| snapshot::secrets(c, &key, &release::by_id(c, release)?)).await?;
        let redactor = Redactor::new(secrets.iter().map(String::as_str));
        let log = Log::new(self.app.logs.run(&self.row), redactor, self.row.run.component.clone());
        Ok(Output::Log(match self.row.release {
            None => log,
            Some((release, moment)) => log.also(self.app.logs.pipeline(release), moment.stage()),
        }))
    }

    async fn go_on(
        &self,
        part: &Part,
        attached: &Attached,
        session: Session,
        mut output: Output,
        stop: &CancellationToken,
    ) -> Result<RunEnd> {
        let limit = Duration::from_millis(self.row.run.limit_ms.unsigned_abs());
        let mut complaint = None;
        let end = {
            let streams = self.pass_on(attached, session, &mut output);
            tokio::pin!(streams);
            let end = tokio::select! {
                code = &mut streams => return code.map(|code| RunEnd::Exited { code }),
                end = self.interrupted(stop) => end,
                () = tokio::time::sleep(limit) => RunEnd::Limit,
                () = self.stopped(part) => RunEnd::Stopped,
            };
            // What it writes while it ends is kept, too.
            if let Err(error) = self.make_end(attached, &end, &mut streams).await {
                complaint = Some(error.message);
            }
            end
        };
        output.finish();
        if let Some(complaint) = complaint {
            tracing::warn!(run = self.row.run.number, complaint, "a command could not be ended");
            output.say(&complaint);
        }
        Ok(end)
    }

    /// Passes on input and output until the command has ended: its exit code.
    async fn pass_on(&self, attached: &Attached, mut session: Session, output: &mut Output) -> Result<i64> {
        let feed = feed(&*self.engine, attached, &mut session.input, self.link.fed());
        let read = async {
            while let Some(chunk) = session.output.next().await {
                output.take(chunk.map_err(engine_error)?).await;
            }
            output.finish();
            self.engine.ended(attached).await.map_err(engine_error)
        };
        tokio::select! {
            code = read => code,
            () = feed => std::future::pending().await,
        }
    }

    async fn make_end(
        &self,
        attached: &Attached,
        end: &RunEnd,
        streams: &mut (impl Future<Output = Result<i64>> + Unpin),
    ) -> Result<()> {
        let ending = if *end == RunEnd::HungUp { Ending::HangUp } else { Ending::Terminate };
        let grace = if *end == RunEnd::Restarted { GRACE_OF_SERVER } else { GRACE };
        self.engine.end(attached, ending).await.map_err(engine_error)?;
        if tokio::time::timeout(grace, &mut *streams).await.is_err() {
            self.engine.end(attached, Ending::Kill).await.map_err(engine_error)?;
            // What the kill leaves of it is the engine's affair.
            tokio::time::timeout(KILLED_WITHIN, streams).await.ok();
        }
        Ok(())
    }

    /// Waits until somebody wants its end.
    async fn interrupted(&self, stop: &CancellationToken) -> RunEnd {
        tokio::select! {
            () = stop.cancelled() => RunEnd::Restarted,
            end = self.link.end_wanted() => end,
            () = self.link.hung_up() => RunEnd::HungUp,
        }
    }

    /// Waits until its deployment shall not run any more. A container of its own whose release has been replaced meanwhile leaves the
    /// network of that release, which could not go otherwise.
    async fn stopped(&self, part: &Part) {
        let mut changes = self.app.observed.subscribe();
        let mut joined = part.siblings.clone().filter(|_| self.row.run.fresh);
        let id = self.row.deployment_id;
        loop {
            let read = self.app.db.read(move |c| Ok((run::may_go_on(c, id)?, image_watch::live(c, id)?))).await;
            if let Ok((may_go_on, live)) = read {
                if !may_go_on {
                    return;
                }
                if live != Some(part.release)
                    && let (Some(network), Ok(name)) = (joined.take(), self.container_name().await)
                    && let Err(error) = self.engine.disconnect(&network, &name).await
                {
                    tracing::warn!(container = name, %error, "a command's container could not leave a network");
                }
            }
            // The sender lives as long as the app does.
            changes.changed().await.ok();
        }
    }
}

/// Passes on what is sent; ends with it.
async fn feed(
    engine: &dyn Containers,
    attached: &Attached,
    input: &mut (dyn tokio::io::AsyncWrite + Send + Unpin),
    fed: Option<mpsc::Receiver<Input>>,
) {
    let Some(mut fed) = fed else { return };
    while let Some(sent) = fed.recv().await {
        // A command that reads no more, or ends, closes its input; its output says how.
        match sent {
            Input::Bytes(bytes) => drop(input.write_all(&bytes).await),
            Input::End => drop(input.shutdown().await),
            Input::Size(size) => drop(engine.resize(attached, size.columns, size.rows).await),
        }
    }
}
