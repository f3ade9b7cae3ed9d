//! What whoever pushes to this server sees in the terminal: what was decided, the log of the release, how it ended. The release goes on
//! without them: `git push -o no-wait`, or Ctrl-C.

use std::pin::Pin;
use std::time::Duration;

use actix_web::web::Bytes;
use boathouse_types::{Decision, Delivery, DeliveryId, DeliveryState, ProjectName, Release, ReleaseId, ReleaseState};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::mpsc;

use super::release::by_id;
use super::view;
use crate::db::{delivery, deployment, project, release};
use crate::error::Result;
use crate::git::pkt;
use crate::logs::LogEvent;
use crate::state::App;

/// `git push -o no-wait`.
const NO_WAIT: &str = "no-wait";
/// Lines of a log; a build that says more is read in the console.
const MAX_LINES: usize = 2000;
/// Packets on their way to a slow terminal.
const AHEAD: usize = 64;
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What is left of a log once its release has ended arrives within this time.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What is told of a push.
pub struct Told {
    /// The project.
    pub project: ProjectName,
    /// What was recorded of it.
    pub deliveries: Vec<DeliveryId>,
    /// The options of the push.
    pub options: Vec<String>,
}

/// Lines as they come about, and the end of the answer. Nobody is told any more once the connection is gone.
pub fn lines(app: &App, told: Told) -> impl Stream<Item = Result<Bytes>> + use<> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (teller, stopping) = (Teller { app: app.clone(), sender }, app.tasks.stopping());
    let work = Box::pin(async move {
        tokio::select! {
            // What breaks off here is none of the push's: the release tells the same elsewhere.
            told = teller.tell(&told) => drop(told),
            () = stopping.cancelled() => {}
        }
    });
    let packets = stream::unfold(Telling { work: Some(work), receiver }, |mut telling| async move {
        let packet = telling.next().await?;
        Some((Ok(packet), telling))
    });
    packets.chain(stream::once(async { Ok(Bytes::from_static(pkt::FLUSH)) }))
}

/// The lines, and the work that makes them: it goes on as long as somebody reads.
struct Telling<F> {
    /// Its end closes the channel.
    work: Option<Pin<Box<F>>>,
    receiver: mpsc::Receiver<Bytes>,
}

impl<F: Future<Output = ()>> Telling<F> {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let working = async {
                match &mut self.work {
                    Some(work) => work.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                packet = self.receiver.recv() => return packet,
                () = working => self.work = None,
                () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(pkt::ALIVE)),
            }
        }
    }
}

struct Teller {
    app: App,
    sender: mpsc::Sender<Bytes>,
}

/// The terminal is closed.
struct Closed;

impl From<crate::error::Error> for Closed {
    fn from(error: crate::error::Error) -> Self {
        tracing::debug!(error = %error, "a push is told no more");
        Self
    }
}

impl Teller {
    async fn say(&self, text: &str) -> std::result::Result<(), Closed> {
        self.sender.send(Bytes::from(pkt::said(text))).await.map_err(|_| Closed)
    }

    async fn tell(&self, told: &Told) -> std::result::Result<(), Closed> {
        let waits = !told.options.iter().any(|option| option == NO_WAIT);
        for id in &told.deliveries {
            let delivery = self.decided(&told.project, *id).await?;
            if let Some(reason) = &delivery.reason {
                self.say(&format!("Nothing is deployed: {reason}.")).await?;
            }
            for decision in &delivery.decisions {
                self.say(&decision.sentence()).await?;
            }
            for decision in delivery.decisions.iter().filter(|decision| decision.release.is_some()) {
                self.follow(&told.project, decision, waits).await?;
            }
        }
        Ok(())
    }

    async fn decided(&self, project: &ProjectName, id: DeliveryId) -> Result<Delivery> {
        loop {
            let heard = self.app.pokes.events.notified();
            let name = project.clone();
            let found = self.app.db.read(move |c| delivery::by_id(c, project::by_name(c, &name)?.id, id)).await?;
            if found.state != DeliveryState::Waiting {
                return Ok(found);
            }
            heard.await;
        }
    }

    async fn follow(&self, project: &ProjectName, decision: &Decision, waits: bool) -> std::result::Result<(), Closed> {
        let Some(number) = decision.release else { return Ok(()) };
        let page = format!("/projects/{project}/{}/releases/{number}", decision.deployment);
        self.say(&format!("{}{page}", self.app.config.console_url())).await?;
        if !waits {
            return self.say("The release goes on; this push does not wait for it.").await;
        }
        self.say("Ctrl-C leaves the release going; `git push -o no-wait` does not wait for it.").await?;
        let (project, name) = (project.clone(), decision.deployment.clone());
        let found =
            move |c: &crate::db::Connection| release::by_number(c, deployment::by_name(c, &project, &name)?.id, number);
        let row = self.app.db.read(found).await?;
        let mut log = std::pin::pin!(self.log(row.id));
        let ended = tokio::select! {
            told = &mut log => {
                told?;
                self.ended(row.id).await?
            }
            // One that never began has a log that nobody closes.
            ended = self.ended(row.id) => {
                tokio::time::timeout(LAST_LINES, log).await.unwrap_or(Ok(()))?;
                ended?
            }
        };
        self.end(&ended).await
    }

    async fn log(&self, id: ReleaseId) -> std::result::Result<(), Closed> {
        let mut log = Box::pin(self.app.logs.follow(id, 0));
        let mut count = 0;
        while let Some(event) = log.next().await {
            match event? {
                LogEvent::Line(line) if count < MAX_LINES => {
                    let of = line.component.as_ref().map_or_else(String::new, |component| format!("{component}: "));
                    self.say(&format!("{of}{}", line.text)).await?;
                }
                LogEvent::Line(_) if count == MAX_LINES => {
                    self.say("More lines are in the console.").await?;
                }
                LogEvent::Line(_) | LogEvent::Gap(_) => {}
                LogEvent::End => break,
            }
            count += 1;
        }
        Ok(())
    }

    async fn ended(&self, id: ReleaseId) -> Result<Release> {
        loop {
            let heard = self.app.pokes.events.notified();
            let app = self.app.clone();
            let row = self.app.db.read(move |c| by_id(c, &app, id)).await?;
            if row.finished_at.is_some() {
                return Ok(row);
            }
            heard.await;
        }
    }

    async fn end(&self, ended: &Release) -> std::result::Result<(), Closed> {
        let number = ended.number;
        match (&ended.failure, &ended.cancelled, ended.state) {
            (Some(failure), ..) => {
                self.say(&format!("Release #{number} FAILED at the stage {}:", failure.stage.as_str())).await?;
                for line in failure.message.lines() {
                    self.say(line).await?;
                }
                self.say(&failure.meanwhile()).await
            }
            (None, Some(why), _) => self.say(&format!("Release #{number} was cancelled {why}.")).await,
            (None, None, ReleaseState::Live | ReleaseState::Retired) => {
                self.say(&format!("Release #{number} is live.")).await?;
                for address in self.addresses(ended).await? {
                    self.say(&address).await?;
                }
                Ok(())
            }
            (None, None, state) => self.say(&format!("Release #{number} is {}.", state.as_str())).await,
        }
    }

    /// Where visitors find it.
    async fn addresses(&self, ended: &Release) -> Result<Vec<String>> {
        let (project, name, app) = (ended.project.clone(), ended.deployment.clone(), self.app.clone());
        let hosts = move |c: &crate::db::Connection| {
            view::host::of_deployment(c, &app, deployment::by_name(c, &project, &name)?.id)
        };
        let hosts = self.app.db.read(hosts).await?;
        Ok(hosts.into_iter().map(|host| host.url).collect())
    }
}
