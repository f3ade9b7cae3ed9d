//! Values with placeholders: `${OTHER}`, `${generate-random-password:16}`, `${generate-random-bytes:32}`,
//! `${generate-jwt:SECRET:role=anon&exp=3600}`; `$${` is a literal `${`.

use std::fmt;

use boathouse_types::EnvKey;

use super::nearest::nearest;

/// Characters of a generated password, unless the placeholder says otherwise.
const PASSWORD: u32 = 32;
const MAX_PASSWORD: u32 = 256;
/// Bytes of a generated key, unless the placeholder says otherwise.
const BYTES: u32 = 32;
const MAX_BYTES: u32 = 1024;

const GENERATORS: [&str; 3] = ["generate-random-password", "generate-random-bytes", "generate-jwt"];

/// A value that is put together when the environment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is written.
    Text(String),
    /// Another variable of the same part.
    Variable(EnvKey),
    /// Made once per deployment and kept.
    Generated(Generator),
    /// Signed with another variable (RFC 7519, HS256); made anew each time, always the same.
    Jwt {
        /// The variable that holds the key.
        secret: EnvKey,
        /// Its claims; `exp` is in seconds after it was issued.
        claims: Vec<(String, String)>,
    },
}

/// What is made at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generator {
    /// Letters and digits.
    Password {
        /// How many.
        length: u32,
    },
    /// Bytes, in Base64 (RFC 4648 §4).
    Bytes {
        /// How many.
        length: u32,
    },
}

impl fmt::Display for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { length } => write!(f, "generate-random-password:{length}"),
            Self::Bytes { length } => write!(f, "generate-random-bytes:{length}"),
        }
    }
}

impl Template {
    /// Reads a value.
    ///
    /// # Errors
    /// What stands between `${` and `}` must be known.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$${") {
                plain.push_str("${");
                rest = after;
            } else if let Some(after) = rest.strip_prefix("${") {
                let end = after.find('}').ok_or("a `${` is not closed with `}`; write `$${` for a literal `${`")?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(placeholder(&after[..end])?);
                rest = &after[end + 1..];
            } else {
                plain.push('$');
                rest = &rest[1..];
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// Its pieces in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The variables that it reads.
    pub fn references(&self) -> impl Iterator<Item = &EnvKey> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(key) | Piece::Jwt { secret: key, .. } => Some(key),
            Piece::Text(_) | Piece::Generated(_) => None,
        })
    }

    /// Whether it is a URL: what is put in is percent-encoded, as RFC 3986 §2.1 wants.
    pub fn is_url(&self) -> bool {
        let Some(Piece::Text(first)) = self.pieces.first() else { return false };
        let Some((scheme, _)) = first.split_once("://") else { return false };
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    }
}

fn placeholder(inside: &str) -> Result<Piece, String> {
    if let Ok(key) = inside.parse::<EnvKey>() {
        return Ok(Piece::Variable(key));
    }
    let (name, argument) = match inside.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (inside, None),
    };
    match name {
        "generate-random-password" => {
            Ok(Piece::Generated(Generator::Password { length: length(name, argument, PASSWORD, MAX_PASSWORD)? }))
        }
        "generate-random-bytes" => {
            Ok(Piece::Generated(Generator::Bytes { length: length(name, argument, BYTES, MAX_BYTES)? }))
        }
        "generate-jwt" => jwt(argument.unwrap_or_default()),
        _ => Err(unknown(inside, name)),
    }
}

fn unknown(inside: &str, name: &str) -> String {
    let shown = inside.chars().take(80).collect::<String>().escape_debug().to_string();
    let meant = match nearest(name, GENERATORS) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("a variable or one of {} can stand there", GENERATORS.join(", ")),
    };
    format!("`${{{shown}}}` is not a placeholder: {meant} Write `$${{` for a literal `${{`")
}

fn length(name: &str, argument: Option<&str>, default: u32, most: u32) -> Result<u32, String> {
    let Some(argument) = argument else { return Ok(default) };
    match argument.parse::<u32>() {
        Ok(length) if (1..=most).contains(&length) => Ok(length),
        _ => Err(format!("`{name}` takes a length from 1 to {most}, as in `${{{name}:{default}}}`")),
    }
}

fn jwt(argument: &str) -> Result<Piece, String> {
    let form = "write it as `${generate-jwt:SECRET:role=anon&exp=3600}`, SECRET being the variable that signs";
    let (secret, claims) = argument.split_once(':').unwrap_or((argument, ""));
    let secret = secret.parse().map_err(|_| format!("`generate-jwt` needs a secret: {form}"))?;
    let claims = claims.split('&').filter(|claim| !claim.is_empty()).map(|claim| {
        let (name, value) = claim.split_once('=').ok_or_else(|| format!("`generate-jwt` needs claims: {form}"))?;
        if name == "exp" && !value.parse::<u32>().is_ok_and(|seconds| seconds > 0) {
            return Err("the claim `exp` of `generate-jwt` is a number of seconds, as in `exp=3600`".to_owned());
        }
        Ok((name.to_owned(), value.to_owned()))
    });
    Ok(Piece::Jwt { secret, claims: claims.collect::<Result<_, String>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(key: &str) -> Piece {
        Piece::Variable(key.parse().unwrap())
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn placeholders_and_what_only_looks_like_one() {
        let password = Piece::Generated(Generator::Password { length: 16 });
        let jwt = Piece::Jwt {
            secret: "JWT_SECRET".parse().unwrap(),
            claims: vec![("role".into(), "anon".into()), ("exp".into(), "126144000".into())],
        };
        for (value, pieces) in [
            ("", vec![]),
            ("a $ b $1 $$ {x}", vec![text("a $ b $1 $$ {x}")]),
            ("$${A}", vec![text("${A}")]),
            ("$$${A}", vec![text("$${A}")]),
            ("a${B}c", vec![text("a"), variable("B"), text("c")]),
            ("${A}${B}", vec![variable("A"), variable("B")]),
            (
                "base64:${generate-random-bytes:32}",
                vec![text("base64:"), Piece::Generated(Generator::Bytes { length: 32 })],
            ),
            ("${generate-random-password:16}", vec![password]),
            ("${generate-jwt:JWT_SECRET:role=anon&exp=126144000}", vec![jwt]),
            ("{diploi-ai-gateway-url}", vec![text("{diploi-ai-gateway-url}")]),
        ] {
            assert_eq!(Template::parse(value).unwrap().pieces(), pieces, "{value}");
        }
    }

    #[test]
    fn what_is_not_known_says_what_is() {
        for (value, expected) in [
            ("${A", "not closed"),
            ("${A:-b}", "a variable or one of"),
            ("${generate-random-pasword:16}", "did you mean `generate-random-password`"),
            ("${generate-random-password:0}", "from 1 to 256"),
            ("${generate-random-bytes:x}", "from 1 to 1024"),
            ("${generate-jwt}", "needs a secret"),
            ("${generate-jwt:S:role}", "needs claims"),
            ("${generate-jwt:S:exp=soon}", "number of seconds"),
        ] {
            let error = Template::parse(value).unwrap_err();
            assert!(error.contains(expected), "{value}: {error}");
        }
    }

    #[test]
    fn urls_are_known_by_their_scheme() {
        for (value, yes) in
            [("postgres://${A}@b", true), ("https://x", true), ("${A}://b", false), ("a ://b", false), ("x", false)]
        {
            assert_eq!(Template::parse(value).unwrap().is_url(), yes, "{value}");
        }
    }
}
