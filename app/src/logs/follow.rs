//! Following a log: from the files up to now, then live. Who falls behind reads from the files again.

use std::collections::VecDeque;
use std::sync::Arc;

use boathouse_types::{Gap, LogLine};
use futures_util::Stream;
use futures_util::future::BoxFuture;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::Of;
use super::journal::{Journal, Told};
use crate::error::Result;

/// Lines read from the files at once.
const PAGE: usize = 500;

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// A line.
    Line(LogLine),
    /// Lines are missing that are no longer on the disk.
    Gap(Gap),
    /// The log is complete.
    End,
}

struct Follower {
    journal: Arc<Journal>,
    told: Receiver<Told>,
    of: Of,
    last: i64,
    ready: VecDeque<LogEvent>,
    from_disk: bool,
    ended: bool,
    done: bool,
}

/// `ended` tells whether the log was complete already when the reader came.
pub(super) fn stream(
    journal: Arc<Journal>,
    after: i64,
    of: Of,
    ended: BoxFuture<'static, Result<bool>>,
) -> impl Stream<Item = Result<LogEvent>> + Send + use<> {
    // Watching begins before the first look at the files, so that no line falls between.
    let told = journal.watch();
    let follower =
        Follower { journal, told, of, last: after, ready: VecDeque::new(), from_disk: true, ended: false, done: false };
    futures_util::stream::unfold((follower, Some(ended)), |(mut follower, mut ended)| async move {
        if follower.done {
            return None;
        }
        if let Some(ended) = ended.take() {
            match ended.await {
                Ok(yes) => follower.ended = yes,
                Err(error) => {
                    follower.done = true;
                    return Some((Err(error), (follower, None)));
                }
            }
        }
        let event = follower.next().await;
        follower.done = event.is_err() || matches!(event, Ok(LogEvent::End));
        Some((event, (follower, None)))
    })
}

impl Follower {
    async fn next(&mut self) -> Result<LogEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if self.from_disk {
                self.page().await?;
            } else if self.ended {
                return Ok(LogEvent::End);
            } else {
                self.hear().await;
            }
        }
    }

    async fn page(&mut self) -> Result<()> {
        let (journal, after) = (self.journal.clone(), self.last);
        let lines = super::blocking(move || journal.after(after, PAGE)).await?;
        self.from_disk = lines.len() == PAGE;
        for line in lines {
            self.take(line);
        }
        Ok(())
    }

    async fn hear(&mut self) {
        match self.told.recv().await {
            Ok(Told::Line(line)) if line.id == self.last + 1 => self.take((*line).clone()),
            // Already sent from the files.
            Ok(Told::Line(line)) if line.id <= self.last => {}
            // Told of too late, or out of what was seen: the files know.
            Ok(Told::Line(_)) | Err(RecvError::Lagged(_)) => self.from_disk = true,
            Ok(Told::Closed) | Err(RecvError::Closed) => {
                self.ended = true;
                self.from_disk = true;
            }
        }
    }

    fn take(&mut self, line: LogLine) {
        if line.id > self.last + 1 {
            let missed = Some(line.id - self.last - 1);
            self.ready.push_back(LogEvent::Gap(Gap { missed, resumes_at: line.id }));
        }
        self.last = line.id;
        if self.of.fits(&line) {
            self.ready.push_back(LogEvent::Line(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;
    use crate::logs::Entry;
    use crate::logs::journal::Shape;

    fn say(journal: &Journal, text: &str) {
        journal.append(Entry {
            at: None,
            component: None,
            replica: None,
            stream: "build".into(),
            text: text.into(),
            container: None,
        });
    }

    fn id(event: Option<Result<LogEvent>>) -> i64 {
        match event.unwrap().unwrap() {
            LogEvent::Line(line) => line.id,
            LogEvent::Gap(gap) => -gap.resumes_at,
            LogEvent::End => 0,
        }
    }

    #[tokio::test]
    async fn a_follower_sees_every_line_once_also_when_it_falls_behind() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Arc::new(Journal::open(dir.path().into(), Shape::Single { limit: 1 << 24 }));
        (0..3).for_each(|_| say(&journal, "early"));
        let mut events = Box::pin(stream(journal.clone(), 1, Of::default(), Box::pin(async { Ok(false) })));
        assert_eq!(id(events.next().await), 2);
        // Far more than the broadcast keeps.
        (0..5000).for_each(|_| say(&journal, "late"));
        journal.close();
        for expected in 3..=5003 {
            assert_eq!(id(events.next().await), expected);
        }
        assert_eq!(id(events.next().await), 0);
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn lines_that_were_removed_are_a_gap() {
        let dir = tempfile::tempdir().unwrap();
        let shape = Shape::Rotating { segment: 300, budget: 600 };
        let journal = Arc::new(Journal::open(dir.path().into(), shape));
        (0..100).for_each(|_| say(&journal, "line"));
        let mut events = Box::pin(stream(journal, 0, Of::default(), Box::pin(async { Ok(false) })));
        let resumes_at = -id(events.next().await);
        assert!(resumes_at > 50);
        assert_eq!(id(events.next().await), resumes_at);
    }

    #[tokio::test]
    async fn a_finished_log_ends() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Arc::new(Journal::open(dir.path().into(), Shape::Single { limit: 1 << 20 }));
        say(&journal, "only");
        let events: Vec<_> = stream(journal, 0, Of::default(), Box::pin(async { Ok(true) }))
            .map(|event| id(Some(event)))
            .collect()
            .await;
        assert_eq!(events, [1, 0]);
    }
}
