//! The grammar of imports: `*`, `postgres.*`, `postgres.POSTGRES_*`, `post*`, `postgres.POSTGRES_USER`, and with another
//! name `postgres.POSTGRES_USER:DB_USER`.

use std::fmt;
use std::str::FromStr;

use boathouse_types::{EnvKey, Identifier};
use serde::{Deserialize, Serialize};

/// Which variables of which other parts a part gets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Import {
    part: Pattern,
    key: Pattern,
    name: Option<EnvKey>,
}

/// A word, or all words that begin like one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// This one.
    Exactly(String),
    /// All that begin so; all where empty.
    Prefix(String),
}

impl Pattern {
    fn of(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exactly(text.to_owned()),
        }
    }

    /// Whether it means that word.
    pub fn matches(&self, word: &str) -> bool {
        match self {
            Self::Exactly(exact) => exact == word,
            Self::Prefix(prefix) => word.starts_with(prefix.as_str()),
        }
    }

    /// The word, where it means one only.
    pub fn exact(&self) -> Option<&str> {
        match self {
            Self::Exactly(word) => Some(word),
            Self::Prefix(_) => None,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(word) => f.write_str(word),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

impl Import {
    /// One variable of one part, perhaps under another name.
    pub fn of_one(part: &Identifier, key: &EnvKey, name: Option<EnvKey>) -> Self {
        let exactly = |word: &str| Pattern::Exactly(word.to_owned());
        Self { part: exactly(part.as_str()), key: exactly(key.as_str()), name: name.filter(|name| name != key) }
    }

    /// Whose variables.
    pub fn part(&self) -> &Pattern {
        &self.part
    }

    /// Which variables.
    pub fn key(&self) -> &Pattern {
        &self.key
    }

    /// The name that a variable has at the importer.
    pub fn name_of<'a>(&'a self, key: &'a EnvKey) -> &'a EnvKey {
        self.name.as_ref().unwrap_or(key)
    }

    /// The same under another name.
    ///
    /// # Errors
    /// Several variables cannot have one name.
    pub fn named(self, name: EnvKey) -> Result<Self, String> {
        if self.key.exact().is_none() {
            return Err(format!(
                "{self} can be several variables, which cannot all be named {name}: name one variable"
            ));
        }
        let same = self.key.exact() == Some(name.as_str());
        Ok(Self { name: (!same).then_some(name), ..self })
    }
}

const FORMS: &str =
    "write *, postgres.*, postgres.POSTGRES_*, post*, postgres.POSTGRES_USER or postgres.POSTGRES_USER:DB_USER";

impl FromStr for Import {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("\"{}\" is not an import: {why}", text.chars().take(200).collect::<String>().escape_debug())
        };
        let (path, name) = match text.split_once(':') {
            Some((path, name)) => (path, Some(name)),
            None => (text, None),
        };
        let (part, key) = match path.split_once('.') {
            Some((part, key)) => (part, key),
            // `post*`: everything of all parts that begin so.
            None if path.ends_with('*') => (path, "*"),
            None if path.parse::<Identifier>().is_ok() => {
                return Err(wrong(&format!("for all variables of {path} write {path}.*")));
            }
            None => return Err(wrong(FORMS)),
        };
        let part_ok = match part.strip_suffix('*') {
            Some(prefix) => prefix.is_empty() || format!("{prefix}x").parse::<Identifier>().is_ok(),
            None => part.parse::<Identifier>().is_ok(),
        };
        let key_ok = match key.strip_suffix('*') {
            Some(prefix) => prefix.is_empty() || prefix.parse::<EnvKey>().is_ok(),
            None => key.parse::<EnvKey>().is_ok(),
        };
        if !part_ok || !key_ok {
            return Err(wrong(FORMS));
        }
        let import = Self { part: Pattern::of(part), key: Pattern::of(key), name: None };
        match name {
            Some(name) => import.named(name.parse().map_err(|why: boathouse_types::InvalidName| why.to_string())?),
            None => Ok(import),
        }
    }
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Pattern::Prefix(String::new());
        match (&self.part, &self.key) {
            (Pattern::Prefix(prefix), key) if *key == all => write!(f, "{prefix}*")?,
            (part, key) => write!(f, "{part}.{key}")?,
        }
        match &self.name {
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Import {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Import> for String {
    fn from(import: Import) -> Self {
        import.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(import: &str, part: &str, key: &str) -> bool {
        let import: Import = import.parse().unwrap();
        import.part().matches(part) && import.key().matches(key)
    }

    #[test]
    fn the_whole_grammar() {
        for (import, part, key, yes) in [
            ("*", "postgres", "A", true),
            ("postgres.*", "postgres", "A", true),
            ("postgres.*", "postgres2", "A", false),
            ("postgres.POSTGRES_*", "postgres", "POSTGRES_USER", true),
            ("postgres.POSTGRES_*", "postgres", "USER", false),
            ("post*", "postgres", "A", true),
            ("post*", "mail", "A", false),
            ("postgres.POSTGRES_USER", "postgres", "POSTGRES_USER", true),
            ("postgres.POSTGRES_USER", "postgres", "POSTGRES_USERS", false),
            ("*.APP_ENDPOINT", "react", "APP_ENDPOINT", true),
        ] {
            assert_eq!(matches(import, part, key), yes, "{import} of {part}.{key}");
            assert_eq!(import.parse::<Import>().unwrap().to_string(), import);
        }
        let renamed: Import = "postgres.POSTGRES_USER:DB_USER".parse().unwrap();
        assert_eq!(renamed.name_of(&"POSTGRES_USER".parse().unwrap()).as_str(), "DB_USER");
        assert_eq!(renamed.to_string(), "postgres.POSTGRES_USER:DB_USER");
    }

    #[test]
    fn what_is_none_says_what_is() {
        for (text, expected) in [
            ("postgres", "write postgres.*"),
            ("", "is not an import"),
            ("Postgres.A", "is not an import"),
            ("a.B.C", "is not an import"),
            ("a.*:B", "several variables"),
            ("a.B:1", "environment variable name"),
            ("p*s.A", "is not an import"),
        ] {
            let error = text.parse::<Import>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
