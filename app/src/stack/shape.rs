//! What a mapping may hold, as a table: the parser checks files against it and `schema` prints it, so that both say the same.

/// A mapping: its keys and what each may hold.
#[derive(Debug)]
pub struct Shape {
    /// What it describes: `component`. Also its name in the schema.
    pub noun: &'static str,
    /// One sentence.
    pub says: &'static str,
    /// Its keys, in the order in which they are printed.
    pub keys: &'static [Key],
}

/// A key of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub form: Form,
    /// One sentence.
    pub says: &'static str,
    /// It must be there; what to write where it is not.
    pub required: Option<&'static str>,
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Any scalar, as text.
    Text,
    /// A scalar that follows a rule.
    Word(&'static Rule),
    /// A whole number within bounds.
    Number {
        /// The least.
        low: u64,
        /// The greatest.
        high: u64,
    },
    /// `true` or `false`.
    Flag,
    /// A list.
    List(&'static Items),
    /// A list, or one of its items alone.
    OneOrList(&'static Items),
    /// A mapping of known keys.
    Map(&'static Shape),
    /// A mapping of free keys to texts.
    Texts,
    /// A scalar that follows a rule, or a mapping.
    Either(&'static Rule, &'static Shape),
    /// A text, or a list of texts.
    Words,
}

/// What a list holds.
#[derive(Debug)]
pub struct Items {
    /// What one of them is called in messages: `a build secret`.
    pub one: &'static str,
    /// What is said where there is no list.
    pub instead: &'static str,
    /// What each may be.
    pub form: Form,
}

/// A rule for a scalar.
#[derive(Debug)]
pub struct Rule {
    /// The same as a regular expression (ECMA-262), where it can be said so; it may allow more than `check`.
    pub pattern: Option<&'static str>,
    /// The only words, where they are few.
    pub words: &'static [&'static str],
    /// Why a text breaks it; reads after `key: `.
    pub check: fn(&str) -> Result<(), String>,
}

/// A key that may be absent.
pub const fn key(name: &'static str, form: Form, says: &'static str) -> Key {
    Key { name, form, says, required: None }
}

/// A key that must be there.
pub const fn required(name: &'static str, form: Form, says: &'static str, example: &'static str) -> Key {
    Key { name, form, says, required: Some(example) }
}

impl Shape {
    /// The key of that name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}
