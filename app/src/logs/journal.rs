//! One log on the disk: JSON lines in one file or in segments, ids that grow by one, and a broadcast to who watches.
//!
//! A line that cannot be written (full disk) never stops what is being logged: it is counted and told of later.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use boathouse_types::{Identifier, LogLine, Millis};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

use crate::clock;
use crate::error::Result;

/// Lines that a watcher may be behind before it reads from the files again.
const BACKLOG: usize = 1024;
/// The stream of lines that Boathouse itself adds.
const OWN_STREAM: &str = "boathouse";
const SINGLE: &str = "log";
const EXTENSION: &str = "log";
/// Nothing that we write is longer: what is, was not written by us.
const MAX_STORED_LINE: u64 = 256 * 1024;

/// How a log is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// One file; after `limit` bytes nothing more is written.
    Single { limit: u64 },
    /// Files of about `segment` bytes, `budget` in all; the oldest go first.
    Rotating { segment: u64, budget: u64 },
}

/// What is to be written.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it was printed; now where unknown.
    pub at: Option<Millis>,
    /// The component it comes from.
    pub component: Option<Identifier>,
    /// Which of several containers of it.
    pub replica: Option<u32>,
    /// `stdout`, `stderr`, or the pipeline stage.
    pub stream: String,
    /// The line.
    pub text: String,
    /// The container that printed it.
    pub container: Option<String>,
}

/// A line as it is stored: what everybody sees, and which container printed it.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(flatten)]
    line: LogLine,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
}

/// What watchers get.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Line(Arc<LogLine>),
    Closed,
}

/// One log.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    shape: Shape,
    writer: Mutex<Option<Writer>>,
    watchers: broadcast::Sender<Told>,
}

#[derive(Debug)]
struct Writer {
    file: File,
    size: u64,
    next_id: i64,
    lost: u64,
    full: bool,
}

impl Journal {
    pub(super) fn open(folder: PathBuf, shape: Shape) -> Self {
        Self { folder, shape, writer: Mutex::new(None), watchers: broadcast::Sender::new(BACKLOG) }
    }

    /// Appends one line and tells who watches.
    pub fn append(&self, entry: Entry) {
        let mut slot = self.lock();
        if slot.is_none() {
            match self.resume() {
                Ok(writer) => *slot = Some(writer),
                Err(error) => {
                    return tracing::warn!(folder = %self.folder.display(), %error, "a log cannot be opened; its line is lost");
                }
            }
        }
        let Some(writer) = slot.as_mut() else { return };
        if writer.full {
            return;
        }
        if writer.lost > 0 {
            let text = format!("{} lines are missing here: they could not be written to the disk", writer.lost);
            if self.write(writer, own(text)).is_err() {
                writer.lost += 1;
                return;
            }
            writer.lost = 0;
        }
        if let Err(error) = self.write(writer, entry) {
            tracing::warn!(folder = %self.folder.display(), %error, "a log line could not be written");
            writer.lost += 1;
        }
    }

    /// Removes all lines and leaves one of our own in their place; returns the bytes that they had.
    pub fn clear(&self, text: &str) -> Result<u64> {
        let mut slot = self.lock();
        *slot = None;
        let mut bytes = 0;
        for (_, path) in self.segments()? {
            bytes += fs::metadata(&path)?.len();
            fs::remove_file(path)?;
        }
        let mut writer = self.resume()?;
        self.put(&mut writer, own(text.to_owned()))?;
        Ok(bytes)
    }

    /// Tells who watches that nothing more will come.
    pub fn close(&self) {
        *self.lock() = None;
        // Nobody watching is fine.
        self.watchers.send(Told::Closed).ok();
    }

    pub(super) fn watch(&self) -> broadcast::Receiver<Told> {
        self.watchers.subscribe()
    }

    /// At most `limit` lines with ids above `after`, oldest first.
    pub fn after(&self, after: i64, limit: usize) -> Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        let segments = self.segments()?;
        // The last segment that begins at or before the wanted line, and all after it.
        let from = segments.iter().rposition(|(first, _)| *first <= after + 1).unwrap_or(0);
        for (_, path) in &segments[from..] {
            read_lines(path, |stored| {
                if stored.line.id > after {
                    lines.push(stored.line);
                }
                lines.len() < limit
            })?;
            if lines.len() >= limit {
                break;
            }
        }
        Ok(lines)
    }

    /// The last `n` lines that `wanted` likes, oldest first.
    pub fn last(&self, n: usize, wanted: impl Fn(&LogLine) -> bool) -> Result<Vec<LogLine>> {
        let mut found: VecDeque<LogLine> = VecDeque::new();
        for (_, path) in self.segments()?.iter().rev() {
            let mut here: VecDeque<LogLine> = VecDeque::new();
            let room = n - found.len();
            read_lines(path, |stored| {
                if wanted(&stored.line) {
                    here.push_back(stored.line);
                    if here.len() > room {
                        here.pop_front();
                    }
                }
                true
            })?;
            here.append(&mut found);
            found = here;
            if found.len() >= n {
                break;
            }
        }
        Ok(found.into())
    }

    /// Until when the output of a container was stored, and how many lines bear that very time.
    pub fn last_of_container(&self, container: &str) -> Result<Option<(Millis, usize)>> {
        for (_, path) in self.segments()?.iter().rev() {
            let mut last: Option<(Millis, usize)> = None;
            read_lines(path, |stored| {
                if stored.container.as_deref() == Some(container) {
                    last = match last {
                        Some((at, count)) if at == stored.line.at => Some((at, count + 1)),
                        _ => Some((stored.line.at, 1)),
                    };
                }
                true
            })?;
            if last.is_some() {
                return Ok(last);
            }
        }
        Ok(None)
    }

    fn write(&self, writer: &mut Writer, entry: Entry) -> Result<()> {
        if let Shape::Single { limit } = self.shape
            && writer.size + entry.text.len() as u64 > limit
        {
            writer.full = true;
            let told = own(format!("the log is truncated here: it has reached {} MiB", limit / (1024 * 1024)));
            return self.put(writer, told);
        }
        if let Shape::Rotating { segment, budget } = self.shape
            && writer.size >= segment
        {
            let (file, size) = self.create(writer.next_id)?;
            (writer.file, writer.size) = (file, size);
            self.trim(segment, budget)?;
        }
        self.put(writer, entry)
    }

    fn put(&self, writer: &mut Writer, entry: Entry) -> Result<()> {
        let at = entry.at.unwrap_or_else(clock::now);
        let line = LogLine {
            id: writer.next_id,
            at,
            component: entry.component,
            replica: entry.replica,
            stream: entry.stream,
            text: entry.text,
        };
        let stored = Stored { line, container: entry.container };
        let mut bytes = serde_json::to_vec(&stored)?;
        bytes.push(b'\n');
        if let Err(error) = writer.file.write_all(&bytes) {
            // Half a line must not swallow the next one.
            writer.file.set_len(writer.size).ok();
            return Err(error.into());
        }
        writer.size += bytes.len() as u64;
        writer.next_id += 1;
        self.watchers.send(Told::Line(Arc::new(stored.line))).ok();
        Ok(())
    }

    fn resume(&self) -> Result<Writer> {
        fs::create_dir_all(&self.folder)?;
        let Some((first, path)) = self.segments()?.pop() else {
            let (file, size) = self.create(1)?;
            return Ok(Writer { file, size, next_id: 1, lost: 0, full: false });
        };
        let mut next_id = first;
        read_lines(&path, |stored| {
            next_id = stored.line.id + 1;
            true
        })?;
        let mut file = OpenOptions::new().append(true).read(true).open(&path)?;
        end_with_newline(&mut file)?;
        let size = file.metadata()?.len();
        let full = matches!(self.shape, Shape::Single { limit } if size >= limit);
        Ok(Writer { file, size, next_id, lost: 0, full })
    }

    fn create(&self, first: i64) -> Result<(File, u64)> {
        let name = match self.shape {
            Shape::Single { .. } => SINGLE.to_owned(),
            Shape::Rotating { .. } => format!("{first:020}.{EXTENSION}"),
        };
        let file = OpenOptions::new().append(true).create(true).open(self.folder.join(name))?;
        let size = file.metadata()?.len();
        Ok((file, size))
    }

    fn trim(&self, segment: u64, budget: u64) -> Result<()> {
        let keep = usize::try_from(budget / segment).unwrap_or(usize::MAX).max(2);
        let segments = self.segments()?;
        for (_, path) in segments.iter().take(segments.len().saturating_sub(keep)) {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// The files with the id of their first line, oldest first.
    fn segments(&self) -> Result<Vec<(i64, PathBuf)>> {
        if let Shape::Single { .. } = self.shape {
            let path = self.folder.join(SINGLE);
            return Ok(if path.exists() { vec![(1, path)] } else { Vec::new() });
        }
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut segments = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if let Some(first) = first_id(&path) {
                segments.push((first, path));
            }
        }
        segments.sort();
        Ok(segments)
    }

    // A panic while holding this lock leaves a file and a counter behind; going on is right.
    fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn own(text: String) -> Entry {
    Entry { at: None, component: None, replica: None, stream: OWN_STREAM.to_owned(), text, container: None }
}

fn first_id(path: &Path) -> Option<i64> {
    (path.extension()? == EXTENSION).then(|| path.file_stem()?.to_str()?.parse().ok()).flatten()
}

/// Gives every whole line to `take` until it says false. A line that a crash cut in half is skipped.
fn read_lines(path: &Path, mut take: impl FnMut(Stored) -> bool) -> Result<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Trimmed while we were reading.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut reader = BufReader::with_capacity(64 * 1024, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(MAX_STORED_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if let Ok(stored) = serde_json::from_slice::<Stored>(&line)
            && !take(stored)
        {
            return Ok(());
        }
    }
}

fn end_with_newline(file: &mut File) -> Result<()> {
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn texts(lines: &[LogLine]) -> Vec<(i64, &str)> {
        lines.iter().map(|line| (line.id, line.text.as_str())).collect()
    }

    #[test]
    fn ids_go_on_after_a_crash_in_the_middle_of_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Journal::open(dir.path().join("1"), Shape::Single { limit: 1 << 20 });
        let journal = open();
        assert_eq!(journal.after(0, 10).unwrap(), []);
        say(&journal, "one");
        drop(journal);
        let path = dir.path().join("1/log");
        let half = [fs::read(&path).unwrap(), b"{\"id\":2,\"at\":1,\"str".to_vec()].concat();
        fs::write(&path, half).unwrap();
        let journal = open();
        say(&journal, "two");
        assert_eq!(texts(&journal.after(0, 10).unwrap()), [(1, "one"), (2, "two")]);
        assert_eq!(texts(&journal.after(1, 10).unwrap()), [(2, "two")]);
        assert_eq!(texts(&journal.last(1, |_| true).unwrap()), [(2, "two")]);
    }

    #[test]
    fn a_cleared_log_says_why_it_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path().into(), Shape::Single { limit: 1 << 20 });
        (0..50).for_each(|_| say(&journal, "0123456789"));
        assert!(journal.clear("it was removed").unwrap() > 500);
        assert_eq!(texts(&journal.after(0, 100).unwrap()), [(1, "it was removed")]);
        assert!(journal.clear("it was removed").unwrap() < 200);
        assert_eq!(journal.after(0, 100).unwrap().len(), 1);
    }

    #[test]
    fn a_full_log_says_so_once() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path().into(), Shape::Single { limit: 400 });
        (0..50).for_each(|_| say(&journal, "0123456789"));
        let lines = journal.after(0, 100).unwrap();
        assert!(lines.len() < 10);
        assert!(lines.last().unwrap().text.contains("truncated"));
    }

    #[test]
    fn the_oldest_segments_go_first_and_ids_stay() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path().into(), Shape::Rotating { segment: 500, budget: 2000 });
        (1..=200).for_each(|n| say(&journal, &format!("line {n}")));
        let kept = journal.after(0, 1000).unwrap();
        assert!(kept.len() < 60, "{}", kept.len());
        assert_eq!(kept.last().unwrap().text, "line 200");
        assert!(kept.windows(2).all(|pair| pair[1].id == pair[0].id + 1));
        assert_eq!(texts(&journal.last(2, |_| true).unwrap()), [(199, "line 199"), (200, "line 200")]);
        assert!(fs::read_dir(dir.path()).unwrap().count() <= 5);
    }

    #[test]
    fn a_container_is_resumed_where_it_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path().into(), Shape::Rotating { segment: 500, budget: 2000 });
        for (container, at) in [("a", 5), ("a", 7), ("b", 9), ("a", 7)] {
            let container = Some(container.to_owned());
            journal.append(Entry {
                at: Some(at),
                component: None,
                replica: None,
                stream: "stdout".into(),
                text: "x".into(),
                container,
            });
        }
        assert_eq!(journal.last_of_container("a").unwrap(), Some((7, 2)));
        assert_eq!(journal.last_of_container("b").unwrap(), Some((9, 1)));
        assert_eq!(journal.last_of_container("c").unwrap(), None);
    }
}
