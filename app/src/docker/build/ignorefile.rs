//! `.dockerignore`, with the semantics of the engine's own client: Go's `filepath.Match` per pattern plus `**`, a
//! leading `!` takes files back in, the last matching pattern decides, and a pattern that matches a folder matches
//! all that is in it. These are not gitignore's rules.

/// The patterns of one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IgnoreFile {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    tokens: Vec<Token>,
    takes_back: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`: one character but a slash.
    One,
    /// `*`: any characters but slashes.
    Star,
    /// `**`: anything.
    Anything,
    /// `**/`: nothing, or whole folders.
    Folders,
    /// `[a-z]`, `[^a]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl IgnoreFile {
    /// Parses the file.
    ///
    /// # Errors
    /// A pattern that is none; the text names its line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut patterns = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (takes_back, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
            let pattern = clean(pattern);
            if pattern.is_empty() {
                continue;
            }
            let tokens =
                tokenize(&pattern).ok_or_else(|| format!("line {}: `{line}` is not a valid pattern", index + 1))?;
            patterns.push(Pattern { tokens, takes_back });
        }
        Ok(Self { patterns })
    }

    /// Whether a path (relative, with slashes) stays out of the context.
    pub fn ignores(&self, path: &str) -> bool {
        let mut ignored = false;
        for pattern in &self.patterns {
            if pattern.takes_back == ignored && pattern.matches_with_parents(path) {
                ignored = !pattern.takes_back;
            }
        }
        ignored
    }

    /// Whether a folder that is ignored may still hold something that is taken back.
    pub fn takes_something_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.takes_back)
    }
}

impl Pattern {
    fn matches_with_parents(&self, path: &str) -> bool {
        let ends = path.match_indices('/').map(|(index, _)| index).chain([path.len()]);
        ends.into_iter().any(|end| matches(&self.tokens, &path[..end].chars().collect::<Vec<_>>()))
    }
}

/// Like Go's `filepath.Clean` without the leading slash: patterns are relative to the context either way.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn tokenize(pattern: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(next) = chars.next() {
        let token = match next {
            '*' if chars.next_if_eq(&'*').is_some() => {
                if chars.next_if_eq(&'/').is_some() {
                    Token::Folders
                } else {
                    Token::Anything
                }
            }
            '*' => Token::Star,
            '?' => Token::One,
            '[' => class(&mut chars)?,
            '\\' => Token::Char(chars.next()?),
            other => Token::Char(other),
        };
        tokens.push(token);
    }
    Some(tokens)
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Token::Class { negated, ranges }),
            '\\' => chars.next()?,
            other => other,
        };
        let high = if chars.next_if_eq(&'-').is_some() { chars.next()? } else { low };
        ranges.push((low, high));
    }
}

/// Which prefixes of the path the tokens so far can have consumed, as a set: linear, whatever the pattern.
fn matches(tokens: &[Token], path: &[char]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for token in tokens {
        reached = step(token, path, &reached);
    }
    reached[path.len()]
}

fn step(token: &Token, path: &[char], from: &[bool]) -> Vec<bool> {
    let mut to = vec![false; from.len()];
    let mut running = false;
    for index in 0..from.len() {
        let here = path.get(index).copied();
        match token {
            Token::Star => {
                running |= from[index];
                to[index] = running;
                running &= here != Some('/');
            }
            Token::Anything => {
                running |= from[index];
                to[index] = running;
            }
            Token::Folders => {
                to[index] = from[index] || (running && path[index - 1] == '/');
                running |= from[index];
            }
            single => {
                if from[index] && here.is_some_and(|here| single.fits(here)) {
                    to[index + 1] = true;
                }
            }
        }
    }
    to
}

impl Token {
    fn fits(&self, here: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == here,
            Self::One => here != '/',
            Self::Class { negated, ranges } => {
                here != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&here)) != *negated
            }
            Self::Star | Self::Anything | Self::Folders => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_the_engines_client() {
        let cases: &[(&str, &str, bool)] = &[
            ("node_modules", "node_modules", true),
            ("node_modules", "node_modules/a/b.js", true),
            ("node_modules", "web/node_modules", false),
            ("**/node_modules", "web/node_modules/x", true),
            ("**/node_modules", "node_modules", true),
            ("/foo", "foo", true),
            ("foo/", "foo/bar", true),
            ("./foo", "foo", true),
            ("*.md", "README.md", true),
            ("*.md", "docs/README.md", false),
            ("*/*.md", "docs/README.md", true),
            ("**/*.md", "a/b/c.md", true),
            ("docs/**", "docs/a/b", true),
            ("docs/**/x", "docs/x", true),
            ("docs/**/x", "docs/a/b/x", true),
            ("docs/**/x", "docs/ax", false),
            ("temp?", "tempa", true),
            ("temp?", "temp", false),
            ("temp?", "temp/", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("**", "anything/at/all", true),
            ("*", ".git/config", true),
            ("# comment", "# comment", false),
            ("foo/../bar", "bar", true),
        ];
        for (pattern, path, ignored) in cases {
            assert_eq!(IgnoreFile::parse(pattern).unwrap().ignores(path), *ignored, "{pattern} {path}");
        }
    }

    #[test]
    fn the_last_match_decides() {
        let file = IgnoreFile::parse("\u{feff}*\n!src\n!package.json\nsrc/*.log\r\n! docs/keep.md\n").unwrap();
        for (path, ignored) in [
            ("src/main.js", false),
            ("src/a.log", true),
            ("package.json", false),
            ("README", true),
            ("docs/keep.md", false),
            ("docs/other.md", true),
        ] {
            assert_eq!(file.ignores(path), ignored, "{path}");
        }
        assert!(file.takes_something_back());
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = IgnoreFile::parse("ok\n[a-").unwrap_err();
        assert!(error.contains("line 2") && error.contains("[a-"), "{error}");
    }

    #[test]
    fn a_hostile_pattern_stays_cheap() {
        let file = IgnoreFile::parse(&"**/*".repeat(200)).unwrap();
        assert!(!IgnoreFile::parse(&format!("{}x", "*a".repeat(100))).unwrap().ignores(&"a".repeat(2000)));
        assert!(!file.ignores("short"));
    }
}
