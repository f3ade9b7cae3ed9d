//! The only place that prints: results on standard output, everything else on standard error.

use std::io::{self, Write};
use std::process::ExitCode;

use boathouse_types::{ApiError, Millis};
use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::failure::{Failure, Result};

/// Where and how a command prints.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Prints JSON where asked to.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// True where a program reads.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// The command's result: as JSON, or as `text` for people.
    pub fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            let json = serde_json::to_string_pretty(value).map_err(|error| Failure::internal(error.to_string()))?;
            return self.line(&json);
        }
        self.line(text().trim_end_matches('\n'))
    }

    /// Things of one kind: as JSON, or a row each under `head`.
    pub fn list<T: Serialize>(self, things: &[T], head: &[&str], row: impl Fn(&T) -> Vec<String>) -> Result<()> {
        self.result(&things, || table(head, &things.iter().map(row).collect::<Vec<_>>()))
    }

    /// One value of a stream.
    pub fn item(self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<()> {
        if self.json {
            let json = serde_json::to_string(value).map_err(|error| Failure::internal(error.to_string()))?;
            return self.line(&json);
        }
        self.line(&text())
    }

    /// A line of the result.
    pub fn line(self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        done(writeln!(io::stdout(), "{text}"))
    }

    /// Bytes of the result.
    pub fn bytes(self, bytes: &[u8]) -> Result<()> {
        done(io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()))
    }

    /// What happens meanwhile, for people.
    pub fn note(self, text: &str) {
        // Whoever closed standard error does not want notes.
        _ = writeln!(io::stderr(), "{text}");
    }

    /// The failure, and the exit code for it.
    pub fn failure(self, failure: &Failure) -> ExitCode {
        let envelope = ApiError { error: failure.body.clone() };
        if failure.body.message.is_empty() {
            return ExitCode::from(failure.code);
        }
        if self.json {
            self.note(&serde_json::to_string(&envelope).unwrap_or_default());
        } else {
            let start = if failure.located { "" } else { "error: " };
            self.note(&format!("{start}{}", failure.body.message));
            if let Some(hint) = &failure.body.hint {
                self.note(&format!("hint: {hint}"));
            }
        }
        ExitCode::from(failure.code)
    }
}

/// A reader that has seen enough (`| head`) is no failure.
fn done(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Columns as wide as their widest cell; the last one is not padded.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_uppercase()).collect();
    let lines = std::iter::once(line(&head)).chain(rows.iter().map(|row| line(row)));
    lines.collect::<Vec<_>>().join("\n")
}

/// A time for people: `2026-11-20 15:04:05` UTC.
pub fn time(at: Millis) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let when = OffsetDateTime::from_unix_timestamp(at.div_euclid(1000)).ok();
    when.and_then(|when| when.format(&format).ok()).unwrap_or_else(|| at.to_string())
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "x".to_owned()], vec!["longer".to_owned(), "y".to_owned()]];
        assert_eq!(table(&["name", "is"], &rows), "NAME    IS\na       x\nlonger  y");
    }

    #[test]
    fn times_and_sizes_read_well() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 30), "3.0 GiB");
    }
}
