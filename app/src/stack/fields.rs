//! Reading a mapping key by key: each is taken once, and what is left over is an unknown key with the nearest known one.

use std::fmt::Display;
use std::str::FromStr;

use super::nearest::nearest;
use super::yaml::{Key, Node, Place, Value};
use crate::error::{Error, Result};

/// The entries of one mapping that are not read yet.
pub struct Fields<'a> {
    file: &'a str,
    place: Place,
    entries: Vec<(Key, Node)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The entries of a node that must be a mapping.
    pub fn of(file: &'a str, what: &str, node: Node) -> Result<Self> {
        match node.value {
            Value::Map(entries) => Ok(Self { file, place: node.place, entries, known: Vec::new() }),
            _ => Err(node.place.error(file, format!("{what} must be a mapping of keys to values"))),
        }
    }

    /// Where the mapping begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The value of a key; one that is empty counts as absent.
    pub fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        let at = self.entries.iter().position(|(k, _)| k.text == key)?;
        let node = self.entries.remove(at).1;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// The text of a key.
    pub fn text(&mut self, key: &'static str) -> Result<Option<(String, Place)>> {
        self.take(key).map(|node| text(self.file, key, node)).transpose()
    }

    /// The parsed value of a key.
    pub fn parse<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Result<Option<T>> {
        let Some((text, place)) = self.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|why| place.error(self.file, format!("{key}: {why}")))
    }

    /// A number within bounds.
    pub fn number(&mut self, key: &'static str, low: u64, high: u64) -> Result<Option<u64>> {
        let Some((text, place)) = self.text(key)? else { return Ok(None) };
        match text.parse::<u64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(Some(number)),
            _ => Err(place
                .error(self.file, format!("{key}: \"{}\" is not a number from {low} to {high}", text.escape_debug()))),
        }
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Result<bool> {
        let Some(node) = self.take(key) else { return Ok(false) };
        match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => Ok(true),
            Value::Scalar { text, plain: true } if text == "false" => Ok(false),
            _ => Err(node.place.error(self.file, format!("{key} must be true or false"))),
        }
    }

    /// The items of a list.
    pub fn list(&mut self, key: &'static str) -> Result<Option<Vec<Node>>> {
        let Some(node) = self.take(key) else { return Ok(None) };
        match node.value {
            Value::List(items) => Ok(Some(items)),
            _ => Err(node.place.error(self.file, format!("{key} must be a list"))),
        }
    }

    /// The mapping under a key.
    pub fn map(&mut self, key: &'static str) -> Result<Option<Fields<'a>>> {
        self.take(key).map(|node| Fields::of(self.file, key, node)).transpose()
    }

    /// Ends the reading: an entry that nobody took is an error.
    pub fn finish(self) -> Result<()> {
        let Some((key, _)) = self.entries.first() else { return Ok(()) };
        let mut message = format!("unknown key \"{}\"", key.text.escape_debug());
        match nearest(&key.text, self.known.iter().copied()) {
            Some(known) => message.push_str(&format!("; did you mean \"{known}\"?")),
            None => message.push_str(&format!("; known here: {}", self.known.join(", "))),
        }
        Err(key.place.error(self.file, message))
    }

    /// An error at the mapping's place.
    pub fn error(&self, message: impl Display) -> Error {
        self.place.error(self.file, message)
    }
}

/// The text of a node that must be a scalar.
pub fn text(file: &str, what: &str, node: Node) -> Result<(String, Place)> {
    match node.value {
        Value::Scalar { text, .. } => Ok((text, node.place)),
        _ => Err(node.place.error(file, format!("{what} must be one word or text"))),
    }
}
