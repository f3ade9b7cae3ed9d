//! Runs that have not ended, in memory: their commands as they were given, secrets included, and the streams of whoever takes part.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use boathouse_types::{Attach, RunEnd, RunId, TerminalSize};
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result, conflict, forbidden, invalid, unavailable};

/// Pieces that wait for whoever reads, or for the command.
const WAITING: usize = 8;
/// A command that does not read its input for so long keeps no request waiting: the same piece is sent again.
const INPUT_PATIENCE: Duration = Duration::from_secs(20);

/// All of them. Cheap to clone.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<HashMap<RunId, Arc<Link>>>>);

/// What a command writes, to whoever takes part.
#[derive(Debug)]
pub enum Said {
    /// A piece of standard output, or of what a terminal shows.
    Stdout(Bytes),
    /// A piece of standard error.
    Stderr(Bytes),
    /// How it ended is recorded, and nothing more will come.
    Ended,
}

/// What somebody who takes part sends to a command.
#[derive(Debug)]
pub enum Input {
    /// Bytes of its standard input.
    Bytes(Bytes),
    /// Its standard input is at its end.
    End,
    /// Its terminal has this size now.
    Size(TerminalSize),
}

/// One of them.
pub struct Link {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// How somebody takes part in it, where somebody does.
    pub attach: Option<Attach>,
    actor: String,
    output: mpsc::Sender<Said>,
    reader: Mutex<Option<mpsc::Receiver<Said>>>,
    followed: CancellationToken,
    input: mpsc::Sender<Input>,
    fed: Mutex<Option<mpsc::Receiver<Input>>>,
    accepted: tokio::sync::Mutex<u64>,
    wanted_end: watch::Sender<Option<RunEnd>>,
}

impl Live {
    /// Remembers a run that is about to be recorded.
    pub fn put(&self, id: RunId, link: Link) {
        self.lock().insert(id, Arc::new(link));
    }

    /// A run that has not ended.
    pub fn get(&self, id: RunId) -> Option<Arc<Link>> {
        self.lock().get(&id).cloned()
    }

    /// The same for somebody who wants to take part.
    pub fn attached(&self, id: RunId, actor: &str) -> Result<Arc<Link>> {
        let link = self.get(id).ok_or_else(ended)?;
        if link.attach.is_none() {
            return Err(invalid("nobody takes part in this run: it was asked for without `attach`")
                .hint("Read what it writes: boathouse runs log NUMBER --follow"));
        }
        if link.actor != actor {
            return Err(forbidden("somebody else takes part in this run").hint("Ask for one of your own."));
        }
        Ok(link)
    }

    /// Forgets a run that has ended.
    pub fn forget(&self, id: RunId) {
        self.lock().remove(&id);
    }

    // A panic while holding this lock leaves plain data behind; going on is right.
    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Link>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// For a command that `actor` asks for.
    pub fn new(argv: Vec<String>, attach: Option<Attach>, actor: String) -> Self {
        let (output, reader) = mpsc::channel(WAITING);
        let (input, fed) = mpsc::channel(WAITING);
        Self {
            argv,
            attach,
            actor,
            output,
            reader: Mutex::new(Some(reader)),
            followed: CancellationToken::new(),
            input,
            fed: Mutex::new(Some(fed)),
            accepted: tokio::sync::Mutex::new(0),
            wanted_end: watch::Sender::new(None),
        }
    }

    /// Reads what it writes; whoever drops that has hung up.
    pub fn follow(&self) -> Result<mpsc::Receiver<Said>> {
        let reader = take(&self.reader).ok_or_else(|| conflict("somebody reads the output of this run already"))?;
        self.followed.cancel();
        Ok(reader)
    }

    /// Waits until somebody reads.
    pub async fn followed(&self) {
        self.followed.cancelled().await;
    }

    /// Waits until whoever reads has gone; for ever where nobody takes part.
    pub async fn hung_up(&self) {
        if self.attach.is_none() {
            std::future::pending::<()>().await;
        }
        self.output.closed().await;
    }

    /// Where its output goes.
    pub fn reader(&self) -> mpsc::Sender<Said> {
        self.output.clone()
    }

    /// What is sent to it, once.
    pub fn fed(&self) -> Option<mpsc::Receiver<Input>> {
        take(&self.fed)
    }

    /// Passes on bytes of standard input that begin `at` bytes from its start. What came already is left out: a request that was
    /// repeated does no harm.
    pub async fn feed(&self, at: u64, bytes: Bytes, end: bool) -> Result<()> {
        let mut accepted = self.accepted.lock().await;
        let known = accepted.saturating_sub(at);
        if at > *accepted {
            return Err(conflict(format!("the input at byte {at} comes before that at byte {accepted}"))
                .hint("Send the pieces one after the other."));
        }
        let length = bytes.len();
        if let Some(new) = usize::try_from(known).ok().filter(|known| *known < length) {
            self.tell(Input::Bytes(bytes.slice(new..))).await?;
            *accepted = at + length as u64;
        }
        if end { self.tell(Input::End).await } else { Ok(()) }
    }

    /// Tells it the size of its terminal.
    pub async fn resize(&self, size: TerminalSize) -> Result<()> {
        self.tell(Input::Size(size)).await
    }

    async fn tell(&self, input: Input) -> Result<()> {
        match self.input.send_timeout(input, INPUT_PATIENCE).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(ended()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(unavailable("the command does not read its input").hint("Send the same again."))
            }
        }
    }

    /// Asks for its end; the first reason counts.
    pub fn end(&self, end: RunEnd) {
        self.wanted_end.send_if_modified(|wanted| wanted.is_none() && wanted.replace(end).is_none());
    }

    /// Waits until somebody wants its end.
    pub async fn end_wanted(&self) -> RunEnd {
        let mut wanted = self.wanted_end.subscribe();
        match wanted.wait_for(Option::is_some).await.map(|end| end.clone()) {
            Ok(Some(end)) => end,
            // The sender lives as long as this link.
            _ => std::future::pending().await,
        }
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn ended() -> Error {
    conflict("the run has ended").hint("How: boathouse runs list")
}

#[cfg(test)]
mod tests {
    use boathouse_types::ErrorKind;

    use super::*;

    fn link() -> Link {
        Link::new(vec!["cat".into()], Some(Attach::default()), "somebody".into())
    }

    #[tokio::test]
    async fn input_that_comes_twice_is_passed_on_once() {
        let link = link();
        let mut fed = link.fed().unwrap();
        link.feed(0, Bytes::from_static(b"abc"), false).await.unwrap();
        link.feed(0, Bytes::from_static(b"abc"), false).await.unwrap();
        link.feed(2, Bytes::from_static(b"cde"), true).await.unwrap();
        let error = link.feed(9, Bytes::new(), false).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        let mut all = Vec::new();
        while let Ok(Input::Bytes(bytes)) = fed.try_recv() {
            all.extend_from_slice(&bytes);
        }
        assert_eq!(all, b"abcde");
        drop(fed);
        assert_eq!(link.feed(5, Bytes::from_static(b"f"), false).await.unwrap_err().kind, ErrorKind::Conflict);
    }

    #[tokio::test]
    async fn only_who_asked_takes_part_and_only_once() {
        let live = Live::default();
        live.put(RunId(1), link());
        live.put(RunId(2), Link::new(Vec::new(), None, "somebody".into()));
        let kind = |id, actor| live.attached(RunId(id), actor).err().map(|error| error.kind);
        assert_eq!(kind(1, "another"), Some(ErrorKind::Forbidden));
        assert_eq!(kind(2, "somebody"), Some(ErrorKind::Invalid));
        assert_eq!(kind(3, "somebody"), Some(ErrorKind::Conflict));
        let link = live.attached(RunId(1), "somebody").unwrap();
        let reader = link.follow().unwrap();
        assert!(link.follow().is_err());
        drop(reader);
        link.hung_up().await;
        link.end(RunEnd::Limit);
        link.end(RunEnd::HungUp);
        assert_eq!(link.end_wanted().await, RunEnd::Limit, "the first reason counts");
    }
}
