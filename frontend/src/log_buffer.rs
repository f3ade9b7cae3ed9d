//! The lines of one log: bounded, without duplicates after a reconnection, filtered by component and text.

use std::collections::{BTreeSet, VecDeque};

use boathouse_types::{Gap, Identifier, LogLine, container_mark};

use crate::{ansi, format};

/// Older lines are dropped beyond this; at about 150 bytes a line that is 15 MB.
const MAX_LINES: usize = 100_000;

/// One line in the order of arrival.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Counts from 0 and never changes while the line is kept.
    pub sequence: u64,
    pub line: LogLine,
    /// The text as a filter sees it: lower case, without codes. Absent where it would equal the text.
    searched: Option<Box<str>>,
    /// How many characters wide it is on the screen.
    width: usize,
}

/// Lines are not wrapped.
pub const ENDLESS: usize = usize::MAX;

impl Entry {
    /// How many rows it takes where a row has so many columns.
    fn rows(&self, columns: usize) -> usize {
        self.width.div_ceil(columns.max(1)).max(1)
    }
}

/// What to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only this component, or one of its containers as in `web.2`; all where empty.
    pub component: String,
    /// Only lines that contain this, in any case; all where empty.
    pub text: String,
}

/// The lines, and the sequence numbers of those that the filter lets through.
#[derive(Debug, Default)]
pub struct LogBuffer {
    entries: VecDeque<Entry>,
    shown: VecDeque<u64>,
    filter: Filter,
    next: u64,
    last_id: Option<i64>,
    dropped: u64,
}

impl LogBuffer {
    /// Appends a line unless it is here already: a stream that begins anew sends old lines again.
    pub fn push(&mut self, line: LogLine) {
        if self.last_id.is_some_and(|last| line.id <= last) {
            return;
        }
        self.last_id = Some(line.id);
        self.append(line);
    }

    /// Notes that the server could not send some lines. What it goes on with may have lower ids: a backup was restored.
    pub fn push_gap(&mut self, gap: &Gap, at: i64) {
        let text = match gap.missed {
            Some(count) => format!("— {count} lines are missing here —"),
            None => "— lines are missing here —".to_owned(),
        };
        self.last_id = Some(gap.resumes_at - 1);
        self.append(LogLine {
            id: gap.resumes_at - 1,
            at,
            component: None,
            replica: None,
            stream: "gap".to_owned(),
            text,
        });
    }

    /// How many lines the filter lets through.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// How many lines there are in all.
    pub fn total(&self) -> usize {
        self.entries.len()
    }

    /// How many old lines were dropped to stay within the bound.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many rows the shown lines take.
    pub fn rows(&self, columns: usize) -> usize {
        if columns == ENDLESS { self.len() } else { self.shown().map(|entry| entry.rows(columns)).sum() }
    }

    /// The shown lines that lie in the rows `from..to`, and the row at which the first of them begins.
    pub fn window(&self, from: usize, to: usize, columns: usize) -> (usize, Vec<Entry>) {
        let (mut row, mut first, mut lines) = (0, None, Vec::new());
        // Unwrapped, a row is a line, and the lines before the window need not be looked at.
        let skipped = if columns == ENDLESS { from.min(self.len()) } else { 0 };
        row += skipped;
        for entry in self.shown().skip(skipped) {
            if row >= to {
                break;
            }
            let end = row + entry.rows(columns);
            if end > from {
                first.get_or_insert(row);
                lines.push(entry.clone());
            }
            row = end;
        }
        (first.unwrap_or(row), lines)
    }

    fn shown(&self) -> impl Iterator<Item = &Entry> {
        self.shown.iter().filter_map(|sequence| self.entry(*sequence))
    }

    /// Shows other lines from now on.
    pub fn set_filter(&mut self, filter: Filter) {
        let needle = filter.text.to_lowercase();
        self.filter = filter;
        self.shown = self
            .entries
            .iter()
            .filter(|entry| passes(entry, &self.filter.component, &needle))
            .map(|entry| entry.sequence)
            .collect();
    }

    /// The components that have written lines, in order of appearance; after each those of its containers that are several.
    pub fn components(&self) -> Vec<String> {
        let mut found: Vec<(&Identifier, BTreeSet<u32>)> = Vec::new();
        for line in self.entries.iter().map(|entry| &entry.line) {
            let Some(component) = &line.component else { continue };
            match found.iter_mut().find(|(known, _)| *known == component) {
                Some((_, replicas)) => replicas.extend(line.replica),
                None => found.push((component, line.replica.into_iter().collect())),
            }
        }
        let names = |(component, replicas): (&Identifier, BTreeSet<u32>)| {
            let each = replicas.into_iter().map(Some).map(|replica| container_mark(component, replica));
            std::iter::once(component.to_string()).chain(each).collect::<Vec<_>>()
        };
        found.into_iter().flat_map(names).collect()
    }

    /// The shown lines as a text file.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for entry in self.shown() {
            let line = &entry.line;
            let component = line.mark().unwrap_or_default();
            text.push_str(&format!(
                "{} {component} {} {}\n",
                format::utc(line.at),
                line.stream,
                ansi::plain(&line.text)
            ));
        }
        text
    }

    fn append(&mut self, line: LogLine) {
        let plain = ansi::plain(&line.text);
        let width = plain.chars().count();
        let lower = plain.to_lowercase();
        let searched = (lower != line.text).then(|| lower.into_boxed_str());
        let entry = Entry { sequence: self.next, line, searched, width };
        self.next += 1;
        if passes(&entry, &self.filter.component, &self.filter.text.to_lowercase()) {
            self.shown.push_back(entry.sequence);
        }
        self.entries.push_back(entry);
        if self.entries.len() > MAX_LINES {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(old) = self.entries.pop_front() {
            self.dropped += 1;
            if self.shown.front() == Some(&old.sequence) {
                self.shown.pop_front();
            }
        }
    }

    fn entry(&self, sequence: u64) -> Option<&Entry> {
        let first = self.entries.front()?.sequence;
        self.entries.get(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }
}

fn passes(entry: &Entry, component: &str, needle: &str) -> bool {
    component_fits(&entry.line, component)
        && (needle.is_empty() || entry.searched.as_deref().unwrap_or(&entry.line.text).contains(needle))
}

fn component_fits(line: &LogLine, wanted: &str) -> bool {
    let Some(own) = &line.component else { return wanted.is_empty() };
    match (wanted.split_once('.'), line.replica) {
        _ if wanted.is_empty() => true,
        (None, _) => own.as_str() == wanted,
        (Some((component, replica)), Some(number)) => own.as_str() == component && replica.parse() == Ok(number),
        (Some(_), None) => false,
    }
}

/// The rows that a viewport shows, with a margin on both sides so that scrolling does not uncover blanks.
pub fn visible(scroll_top: f64, height: f64, row_height: f64, rows: usize) -> (usize, usize) {
    const MARGIN: usize = 20;
    let first = (scroll_top.max(0.0) / row_height) as usize;
    let count = (height.max(0.0) / row_height).ceil() as usize + 1;
    (first.saturating_sub(MARGIN).min(rows), (first + count + MARGIN).min(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: i64, component: &str, text: &str) -> LogLine {
        LogLine {
            id,
            at: 0,
            component: component.parse().ok(),
            replica: None,
            stream: "stdout".to_owned(),
            text: text.to_owned(),
        }
    }

    fn texts(buffer: &LogBuffer) -> Vec<String> {
        buffer.window(0, usize::MAX, ENDLESS).1.into_iter().map(|entry| entry.line.text).collect()
    }

    #[test]
    fn repeated_lines_are_kept_once() {
        let mut buffer = LogBuffer::default();
        for id in [1, 2, 1, 2, 3] {
            buffer.push(line(id, "", &id.to_string()));
        }
        assert_eq!(texts(&buffer), ["1", "2", "3"]);
    }

    #[test]
    fn filters_hold_for_old_and_new_lines() {
        let mut buffer = LogBuffer::default();
        buffer.push(line(1, "web", "GET /"));
        buffer.push(line(2, "api", "\u{1b}[31mERROR\u{1b}[0m no database"));
        buffer.set_filter(Filter { component: "api".to_owned(), text: "Error no".to_owned() });
        buffer.push(line(3, "web", "error no"));
        buffer.push(line(4, "api", "error now"));
        assert_eq!(texts(&buffer).len(), 2);
        assert_eq!(buffer.components(), ["web", "api"]);
        buffer.set_filter(Filter::default());
        assert_eq!(buffer.len(), 4);
    }

    #[test]
    fn one_of_several_containers_is_chosen_by_its_number() {
        let mut buffer = LogBuffer::default();
        for (id, replica) in [(1, Some(2)), (2, Some(1)), (3, Some(12)), (4, None)] {
            buffer
                .push(LogLine { replica, ..line(id, if replica.is_some() { "web" } else { "api" }, &id.to_string()) });
        }
        assert_eq!(buffer.components(), ["web", "web.1", "web.2", "web.12", "api"]);
        let shown = |buffer: &mut LogBuffer, component: &str| {
            buffer.set_filter(Filter { component: component.to_owned(), text: String::new() });
            texts(buffer)
        };
        assert_eq!(shown(&mut buffer, "web.2"), ["1"]);
        assert_eq!(shown(&mut buffer, "web"), ["1", "2", "3"]);
        assert_eq!(shown(&mut buffer, "api.1"), Vec::<String>::new());
        assert!(shown(&mut buffer, "").len() == 4 && buffer.to_text().contains("web.12"));
    }

    #[test]
    fn the_oldest_lines_are_dropped() {
        let mut buffer = LogBuffer::default();
        for id in 0..(MAX_LINES as i64 + 10) {
            buffer.push(line(id, "", &id.to_string()));
        }
        assert_eq!((buffer.len(), buffer.total(), buffer.dropped()), (MAX_LINES, MAX_LINES, 10));
        assert_eq!(buffer.window(0, 1, ENDLESS).1[0].line.text, "10");
        assert_eq!(buffer.window(MAX_LINES - 1, MAX_LINES + 5, ENDLESS).1.len(), 1);
    }

    #[test]
    fn wrapped_lines_take_several_rows() {
        let mut buffer = LogBuffer::default();
        for (id, text) in ["", "12345", "1234567890", "\u{1b}[31m12345678901\u{1b}[0m"].into_iter().enumerate() {
            buffer.push(line(id as i64, "", text));
        }
        assert_eq!((buffer.rows(ENDLESS), buffer.rows(5), buffer.rows(10)), (4, 1 + 1 + 2 + 3, 1 + 1 + 1 + 2));
        let window = |from, to| {
            let (first, lines) = buffer.window(from, to, 5);
            (first, lines.into_iter().map(|entry| entry.line.id).collect::<Vec<_>>())
        };
        assert_eq!(window(0, 2), (0, vec![0, 1]));
        assert_eq!(window(3, 5), (2, vec![2, 3]));
        assert_eq!(window(7, 9), (7, vec![]));
    }

    #[test]
    fn gaps_are_shown() {
        let mut buffer = LogBuffer::default();
        buffer.push(line(7, "", "a"));
        buffer.push_gap(&Gap { missed: Some(3), resumes_at: 11 }, 0);
        buffer.push(line(11, "", "b"));
        assert!(texts(&buffer)[1].contains("3 lines are missing"));
        buffer.push_gap(&Gap { missed: None, resumes_at: 1 }, 0);
        buffer.push(line(1, "", "from a backup"));
        assert_eq!(buffer.len(), 5);
    }

    #[test]
    fn the_window_covers_the_viewport() {
        assert_eq!(visible(0.0, 200.0, 20.0, 1000), (0, 31));
        assert_eq!(visible(10_000.0, 200.0, 20.0, 1000), (480, 531));
        assert_eq!(visible(1e9, 200.0, 20.0, 1000), (1000, 1000));
        assert_eq!(visible(-5.0, 0.0, 20.0, 0), (0, 0));
    }
}
