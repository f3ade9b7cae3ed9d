//! Reading a mapping that was found to be what its table says: each key is taken once, by its name.

use std::str::FromStr;

use super::shape::{Form, Shape};
use super::yaml::{Key, Node, Place, Value};

/// An entry of a mapping whose keys are free.
pub struct Pair {
    /// The key.
    pub key: String,
    /// Where it stands.
    pub key_place: Place,
    /// The value; empty where there is none.
    pub value: String,
    /// Where that stands.
    pub place: Place,
}

/// The entries of one mapping that are not read yet.
pub struct Entries {
    shape: &'static Shape,
    /// Where the mapping begins.
    pub place: Place,
    entries: Vec<(Key, Node)>,
    asked: Vec<&'static str>,
}

impl Entries {
    /// The entries of a node that `conform` has checked.
    pub fn of(shape: &'static Shape, node: Node) -> Self {
        let entries = match node.value {
            Value::Map(entries) => entries,
            _ => Vec::new(),
        };
        Self { shape, place: node.place, entries, asked: Vec::new() }
    }

    /// The value of a key; one that is empty counts as absent.
    pub fn take(&mut self, key: &'static str) -> Option<Node> {
        self.asked.push(key);
        let at = self.entries.iter().position(|(k, _)| k.text == key)?;
        let node = self.entries.remove(at).1;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// The text of a key, and where it stands.
    pub fn text(&mut self, key: &'static str) -> Option<(String, Place)> {
        let node = self.take(key)?;
        let place = node.place;
        Some((text(node)?, place))
    }

    /// The text of a key.
    pub fn word(&mut self, key: &'static str) -> Option<String> {
        Some(self.text(key)?.0)
    }

    /// The parsed value of a key, and where it stands.
    pub fn parse<T: FromStr>(&mut self, key: &'static str) -> Option<(T, Place)> {
        let (text, place) = self.text(key)?;
        Some((text.parse().ok()?, place))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> bool {
        self.word(key).is_some_and(|word| word == "true")
    }

    /// The items of a list; one alone where the table allows it.
    pub fn list(&mut self, key: &'static str) -> Option<Vec<Node>> {
        let node = self.take(key)?;
        match node.value {
            Value::List(items) => Some(items),
            _ => Some(vec![node]),
        }
    }

    /// The texts of a list.
    pub fn words(&mut self, key: &'static str) -> Option<Vec<String>> {
        Some(self.list(key)?.into_iter().filter_map(text).collect())
    }

    /// The mappings of a list.
    pub fn maps(&mut self, key: &'static str) -> Option<Vec<Entries>> {
        let shape = match self.shape.key(key).map(|known| known.form) {
            Some(Form::List(items) | Form::OneOrList(items)) => match items.form {
                Form::Map(shape) | Form::Either(_, shape) => shape,
                _ => return None,
            },
            _ => return None,
        };
        Some(self.list(key)?.into_iter().map(|node| Entries::of(shape, node)).collect())
    }

    /// The mapping under a key.
    pub fn map(&mut self, key: &'static str) -> Option<Entries> {
        let form = self.shape.key(key).map(|known| known.form);
        let node = self.take(key)?;
        match form {
            Some(Form::Map(shape)) => Some(Entries::of(shape, node)),
            _ => None,
        }
    }

    /// All entries as text to text, for a mapping whose keys are free.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<(String, String)>> {
        let Value::Map(entries) = self.take(key)?.value else { return None };
        Some(entries.into_iter().map(|(key, node)| (key.text, text(node).unwrap_or_default())).collect())
    }

    /// The same, with the places.
    pub fn pairs(&mut self, key: &'static str) -> Option<Vec<Pair>> {
        let Value::Map(entries) = self.take(key)?.value else { return None };
        let pair = |(key, node): (Key, Node)| Pair {
            key: key.text,
            key_place: key.place,
            place: node.place,
            value: text(node).unwrap_or_default(),
        };
        Some(entries.into_iter().map(pair).collect())
    }

    /// Ends the reading. Invariant: the reader asks for exactly the keys of the table, so that none is accepted and ignored.
    pub fn finish(mut self) {
        self.asked.sort_unstable();
        self.asked.dedup();
        debug_assert!(
            self.asked.len() == self.shape.keys.len() && self.asked.iter().all(|key| self.shape.key(key).is_some()),
            "the reader of a {} asks for {:?}",
            self.shape.noun,
            self.asked
        );
    }
}

/// The text of a scalar.
pub fn text(node: Node) -> Option<String> {
    match node.value {
        Value::Scalar { text, .. } => Some(text),
        _ => None,
    }
}
