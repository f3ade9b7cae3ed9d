//! YAML text → a tree of nodes that know where they stand. Aliases, anchors and tags are refused: a manifest needs none,
//! and an alias can unfold into gigabytes.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::problem::ManifestError;
use crate::error::Error;

type Result<T> = std::result::Result<T, ManifestError>;

/// Bytes of a manifest.
const MAX_BYTES: usize = 256 * 1024;
/// Nodes of a manifest.
const MAX_NODES: usize = 20_000;
/// Levels of a manifest.
const MAX_DEPTH: usize = 32;

/// Where something stands; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// The first character.
    pub const START: Self = Self { line: 1, column: 1 };

    fn of(span: &Span) -> Self {
        Self { line: span.start.line(), column: span.start.col() + 1 }
    }

    /// A problem at this place, as the only one.
    pub fn error(self, file: &str, message: impl std::fmt::Display) -> Error {
        self.problem(file, message).into()
    }

    /// A problem at this place: `boathouse.yaml:3:5: …`.
    pub fn problem(self, file: &str, message: impl std::fmt::Display) -> ManifestError {
        let (line, column) = (self.line, self.column);
        ManifestError { file: file.to_owned(), line, column, message: message.to_string(), hint: None }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// A word; `plain` where it was not quoted, so that `true` and `80` can be told from `"true"` and `"80"`.
    Scalar {
        /// Its text.
        text: String,
        /// Not quoted.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text; keys are scalars.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Debug, Clone)]
pub struct Key {
    /// Where it begins.
    pub place: Place,
    /// Its text.
    pub text: String,
}

/// The one document of `text`. Where published documentation shows a bare `- *`, which is no YAML, it is read as `- '*'`.
pub fn read(file: &str, text: &str) -> Result<Node> {
    let strict = strictly(file, text);
    match with_quoted_stars(text) {
        Some(mended) if strict.is_err() => strictly(file, &mended).or(strict),
        _ => strict,
    }
}

/// The text with every `- *` and `include: *` quoted; nothing else moves.
fn with_quoted_stars(text: &str) -> Option<String> {
    let is_bare = |line: &str| {
        let code = line.split(" #").next().unwrap_or(line).trim();
        matches!(code.strip_suffix('*').map(str::trim_end), Some("-" | "include:"))
    };
    if !text.lines().any(is_bare) {
        return None;
    }
    let mend = |line: &str| if is_bare(line) { line.replacen('*', "'*'", 1) } else { line.to_owned() };
    Some(text.split('\n').map(mend).collect::<Vec<_>>().join("\n"))
}

fn strictly(file: &str, text: &str) -> Result<Node> {
    if text.len() > MAX_BYTES {
        return Err(Place::START.problem(file, format!("a manifest has at most {} KiB", MAX_BYTES / 1024)));
    }
    let mut reader = Reader { file, parser: Parser::new_from_str(text), nodes: 0 };
    loop {
        let (event, place) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            Event::StreamEnd | Event::DocumentEnd => return Ok(Node { place, value: Value::Null }),
            event => {
                let node = reader.node(event, place, 0)?;
                reader.expect_end()?;
                return Ok(node);
            }
        }
    }
}

struct Reader<'a> {
    file: &'a str,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    nodes: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place)> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, Place::of(&span))),
            Some(Err(error)) => {
                let place = Place { line: error.marker().line(), column: error.marker().col() + 1 };
                Err(place.problem(self.file, format!("this is not valid YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Place::START)),
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES || depth > MAX_DEPTH {
            return Err(place.problem(self.file, "the manifest is too large or nested too deeply"));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(place, anchor, tag.is_some())?;
                scalar(text.into_owned(), style)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse(place, anchor, tag.is_some())?;
                self.list(depth)?
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse(place, anchor, tag.is_some())?;
                self.map(depth)?
            }
            Event::Alias(_) => {
                return Err(place.problem(
                    self.file,
                    "aliases (`*name`) are not allowed: write it out, or in quotes where it is an import",
                ));
            }
            _ => return Err(place.problem(self.file, "a value is missing here")),
        };
        Ok(Node { place, value })
    }

    fn refuse(&self, place: Place, anchor: usize, tag: bool) -> Result<()> {
        if anchor != 0 {
            return Err(place.problem(self.file, "anchors (`&name`) are not allowed: write it out"));
        }
        if tag {
            return Err(place.problem(self.file, "tags (`!name`) are not allowed"));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Value> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(Value::List(items)),
                (event, place) => items.push(self.node(event, place, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(Value::Map(entries));
            }
            let Value::Scalar { text, .. } = self.node(event, place, depth + 1)?.value else {
                return Err(place.problem(self.file, "a key must be a word"));
            };
            if entries.iter().any(|(key, _)| key.text == text) {
                return Err(place.problem(self.file, format!("the key \"{}\" is given twice", text.escape_debug())));
            }
            let (event, value_place) = self.next()?;
            let value = self.node(event, value_place, depth + 1)?;
            entries.push((Key { place, text }, value));
        }
    }

    fn expect_end(&mut self) -> Result<()> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd | Event::Nothing, _) => {}
                (_, place) => return Err(place.problem(self.file, "a manifest is one document: remove this one")),
            }
        }
    }
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Value::Null;
    }
    Value::Scalar { text, plain }
}
