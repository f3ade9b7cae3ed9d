//! What is wrong with a manifest: each problem with its place, all of them at once.

use std::fmt::{self, Display};

use serde::Serialize;

use super::yaml::Place;
use crate::error::{Error, invalid};

/// So many problems of one file are told; more help nobody.
const SHOWN: usize = 50;

/// One problem of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestError {
    /// The file, as the caller named it.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What is wrong and what is right.
    pub message: String,
    /// What to do next, where the message does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// All problems of a manifest, in the order of the text; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestErrors(pub Vec<ManifestError>);

impl Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().take(SHOWN).map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))?;
        match self.0.len().checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n… and {more} more"),
        }
    }
}

impl std::error::Error for ManifestErrors {}

impl From<ManifestErrors> for Error {
    fn from(errors: ManifestErrors) -> Self {
        let error = invalid(errors.to_string());
        match errors.0.into_iter().find_map(|problem| problem.hint) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl From<ManifestError> for Error {
    fn from(problem: ManifestError) -> Self {
        ManifestErrors(vec![problem]).into()
    }
}

/// Collects what is wrong with one file.
#[derive(Debug)]
pub struct Problems {
    file: String,
    list: Vec<ManifestError>,
}

impl Problems {
    /// Nothing is wrong with it yet.
    pub fn of(file: &str) -> Self {
        Self { file: file.to_owned(), list: Vec::new() }
    }

    /// Notes a problem.
    pub fn add(&mut self, place: Place, message: impl Display) {
        self.list.push(place.problem(&self.file, message));
    }

    /// Notes a problem, and what to do about it.
    pub fn add_with_hint(&mut self, place: Place, message: impl Display, hint: impl Into<String>) {
        self.list.push(ManifestError { hint: Some(hint.into()), ..place.problem(&self.file, message) });
    }

    /// Notes a problem that somebody else found.
    pub fn push(&mut self, problem: ManifestError) {
        self.list.push(problem);
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// `value`, if nothing is wrong.
    pub fn finish<T>(mut self, value: T) -> Result<T, ManifestErrors> {
        if self.list.is_empty() {
            return Ok(value);
        }
        self.list.sort_by_key(|problem| (problem.line, problem.column));
        Err(ManifestErrors(self.list))
    }
}
