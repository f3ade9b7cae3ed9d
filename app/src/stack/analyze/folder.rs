//! A folder of the repository, as detectors see it.

use std::collections::BTreeSet;

use serde_json::Value;

/// A file longer than this says nothing that is looked for, in bytes.
const MAX_READ: usize = 1024 * 1024;

/// A folder: names relative to it, and the repository behind it.
#[derive(Clone)]
pub struct Folder<'a> {
    /// Its path inside the repository; empty for the root.
    pub path: String,
    paths: &'a [String],
    read: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Folder<'a> {
    /// The root.
    pub fn root(paths: &'a [String], read: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { path: String::new(), paths, read }
    }

    /// The root that it is below.
    pub fn to_root(&self) -> Self {
        Self { path: String::new(), ..self.clone() }
    }

    /// A folder below it.
    pub fn below(&self, path: &str) -> Self {
        Self { path: self.full(path), ..self.clone() }
    }

    /// A name as seen from the root.
    pub fn full(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }

    /// Whether it has that file.
    pub fn has(&self, name: &str) -> bool {
        let full = self.full(name);
        self.paths.contains(&full)
    }

    /// The first of these files that it has.
    pub fn first<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.has(name))
    }

    /// A file's text.
    pub fn text(&self, name: &str) -> Option<String> {
        if !self.has(name) {
            return None;
        }
        (self.read)(&self.full(name)).filter(|text| text.len() <= MAX_READ)
    }

    /// A file's JSON.
    pub fn json(&self, name: &str) -> Option<Value> {
        serde_json::from_str(&self.text(name)?).ok()
    }

    /// Its files, also in folders below it, as names relative to it.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let prefix = if self.path.is_empty() { String::new() } else { format!("{}/", self.path) };
        self.paths.iter().filter_map(move |path| path.strip_prefix(&prefix))
    }

    /// Folders below it, at most so deep, by path.
    pub fn folders(&self, depth: usize) -> BTreeSet<String> {
        let mut folders = BTreeSet::new();
        for name in self.files() {
            let parts: Vec<&str> = name.split('/').collect();
            for end in 1..parts.len().min(depth + 1) {
                folders.insert(parts[..end].join("/"));
            }
        }
        folders
    }
}

/// The digits that a version begins with: `22` of `>=22.1 <23`, `3.11` of `^3.11.4` where two parts are asked for.
pub fn version(text: &str, parts: usize) -> Option<String> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let digits: String = text[start..].chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let kept: Vec<&str> = digits.split('.').filter(|part| !part.is_empty()).take(parts).collect();
    Some(kept.join("."))
}

/// The first of `separators` and what follows it, up to the end of the digits: the port in `listen(3000` or `?? 3000`.
pub fn number_after(text: &str, marks: &[&str]) -> Option<u16> {
    marks.iter().find_map(|mark| {
        let mut rest = text;
        while let Some(at) = rest.find(mark) {
            rest = &rest[at + mark.len()..];
            let digits: String =
                rest.trim_start().trim_start_matches(['"', '\'']).chars().take_while(char::is_ascii_digit).collect();
            if digits.len() >= 2
                && let Ok(port) = digits.parse()
            {
                return Some(port);
            }
        }
        None
    })
}
