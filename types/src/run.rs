//! Runs: a command in a component or an add-on, once, with its output and how it ended.

use serde::{Deserialize, Serialize};

use crate::{Identifier, Millis, Moment, ScheduleName};

/// How long a command may run unless told otherwise: 1 hour.
pub const USUAL_RUN_LIMIT_MS: Millis = 3_600_000;
/// And at least that long: 1 second.
pub const SHORTEST_RUN_LIMIT_MS: Millis = 1_000;
/// And at most: a day.
pub const LONGEST_RUN_LIMIT_MS: Millis = 24 * 3_600_000;
/// Program and arguments of one command.
pub const MOST_ARGUMENTS: usize = 256;
/// Bytes of all of them together.
pub const MOST_ARGUMENT_BYTES: usize = 32 * 1024;
/// Bytes of input in one request.
pub const MOST_INPUT_BYTES: usize = 128 * 1024;

/// A command that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    /// The component or add-on.
    pub component: Identifier,
    /// The program and its arguments, as they are: no shell reads them.
    pub argv: Vec<String>,
    /// `true`: in a container of its own, of the same image; `false`: in the one that runs. Where absent: its own for a component, the
    /// one that runs for an add-on.
    #[serde(default)]
    pub fresh: Option<bool>,
    /// Which of several containers it runs in, from 1; one that answers where absent. Not for a container of its own.
    #[serde(default)]
    pub replica: Option<u32>,
    /// It is ended after so long; 1 hour where absent, at most a day.
    #[serde(default)]
    pub limit_ms: Option<Millis>,
    /// Somebody sends its input and reads its output as they come (`…/input`, `…/output`). Then nothing of it is kept, and it ends with
    /// whoever reads.
    #[serde(default)]
    pub attach: Option<Attach>,
}

/// How somebody takes part in a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Attach {
    /// At a terminal; without one, standard output and standard error stay apart.
    #[serde(default)]
    pub terminal: Option<Terminal>,
}

/// A terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// Its size.
    pub size: TerminalSize,
    /// What it is, as `TERM` names it; `xterm` where absent.
    #[serde(default)]
    pub kind: Option<String>,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    /// Characters of a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// A command that was asked for, and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Run {
    /// Counts per deployment.
    pub number: i64,
    /// The component or add-on.
    pub component: Identifier,
    /// Program and arguments; known secrets are `***`.
    pub argv: Vec<String>,
    /// In a container of its own.
    pub fresh: bool,
    /// Which of several containers it was asked to run in, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<u32>,
    /// Somebody took part in it: no output is kept.
    pub attached: bool,
    /// The release whose command it is, where it is one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<RunOfRelease>,
    /// Who asked for it, as events name them.
    pub actor: String,
    /// The schedule that it is of.
    #[serde(default)]
    pub schedule: Option<ScheduleName>,
    /// When it was due by its schedule; absent where somebody asked for it.
    #[serde(default)]
    pub due_at: Option<Millis>,
    /// It is ended after so long.
    pub limit_ms: Millis,
    /// When it was asked for.
    pub wanted_at: Millis,
    /// When it was started.
    pub started_at: Option<Millis>,
    /// When it ended.
    pub ended_at: Option<Millis>,
    /// How it ended.
    pub end: Option<RunEnd>,
}

impl Run {
    /// Its command as one would type it, for people.
    pub fn command(&self) -> String {
        command_words(&self.argv)
    }

    /// Where it runs, in words.
    pub fn place(&self) -> String {
        let place = match (self.fresh, self.replica) {
            (true, _) => "in a container of its own".to_owned(),
            (false, None) => "in the container that runs".to_owned(),
            (false, Some(replica)) => format!("in container {replica}"),
        };
        let release = self
            .release
            .as_ref()
            .map_or_else(String::new, |of| format!(", {} release #{}", of.moment.as_str(), of.number));
        format!("{} ({place}{release})", self.component)
    }

    /// How it stands, in words.
    pub fn words(&self) -> String {
        match (&self.end, self.started_at) {
            (Some(end), _) => end.words(),
            (None, Some(_)) => "runs".to_owned(),
            (None, None) => "starts".to_owned(),
        }
    }
}

/// The release whose command a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunOfRelease {
    /// Its number.
    pub number: i64,
    /// When it runs.
    pub moment: Moment,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunEnd {
    /// By itself.
    Exited {
        /// Its exit code; 128 + signal where it was killed.
        code: i64,
    },
    /// It reached its time limit.
    Limit,
    /// Somebody ended it.
    Cancelled {
        /// Who.
        by: String,
    },
    /// Whoever took part in it went away.
    HungUp,
    /// Its deployment was stopped or deleted.
    Stopped,
    /// The server ended, or died, meanwhile.
    Restarted,
    /// It was due and did not begin.
    Skipped {
        /// Why.
        why: String,
    },
    /// It could not be started, or its end could not be learned.
    Failed {
        /// Why.
        message: String,
    },
}

impl RunEnd {
    /// True where the command did what it was asked to, as far as it says.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Exited { code } => format!("ended with exit code {code}"),
            Self::Limit => "was ended at its time limit".to_owned(),
            Self::Cancelled { by } => format!("was cancelled by {by}"),
            Self::HungUp => "was ended because whoever took part in it went away".to_owned(),
            Self::Stopped => "was ended because its deployment was stopped".to_owned(),
            Self::Restarted => "was cut short by an end of the server".to_owned(),
            Self::Skipped { why } => format!("was skipped: {why}"),
            Self::Failed { message } => format!("failed: {message}"),
        }
    }
}

/// A piece of what an attached command wrote; the event's name says where: `stdout` (also a terminal) or `stderr`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunOutput {
    /// The bytes, in base64 (RFC 4648 §4).
    pub base64: String,
}

/// Arguments as one would type them in a shell, for people: those that a shell would read otherwise stand in single quotes.
pub fn command_words(argv: &[String]) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,*".contains(c);
    let word = |argument: &String| {
        if !argument.is_empty() && argument.chars().all(is_plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', "'\\''"))
        }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Whether a program can be given these arguments.
///
/// # Errors
/// Why it cannot.
pub fn check_command(argv: &[String]) -> Result<(), String> {
    if argv.first().is_none_or(String::is_empty) {
        return Err("there is no program to run".to_owned());
    }
    if argv.len() > MOST_ARGUMENTS || argv.iter().map(String::len).sum::<usize>() > MOST_ARGUMENT_BYTES {
        return Err(format!(
            "the command is too long: {MOST_ARGUMENTS} arguments and {MOST_ARGUMENT_BYTES} bytes are the most"
        ));
    }
    if argv.iter().any(|argument| argument.contains('\0')) {
        return Err("an argument holds a NUL character, which no program can be given".to_owned());
    }
    Ok(())
}

/// A line as arguments: split at spaces, with quotes and backslashes as a shell reads them, and nothing else of a shell: no
/// variables, no pipes, no patterns.
///
/// # Errors
/// A quote that does not end.
pub fn split_command(line: &str) -> Result<Vec<String>, String> {
    let (mut found, mut word, mut quote) = (Vec::new(), None::<String>, None::<char>);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(rest.next()),
            (None, _) if c.is_whitespace() => found.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} does not end"));
    }
    found.extend(word);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_cannot_be_are_refused() {
        let many = vec!["a".to_owned(); MOST_ARGUMENTS + 1];
        let long = vec!["a".repeat(MOST_ARGUMENT_BYTES + 1)];
        for argv in [vec![], vec![String::new()], many, long, vec!["a".into(), "b\0c".into()]] {
            assert!(check_command(&argv).is_err(), "{argv:?}");
        }
        check_command(&["ls".into(), String::new()]).unwrap();
    }

    #[test]
    fn lines_become_arguments_and_back() {
        let cases: &[(&str, &[&str])] = &[
            ("  rake  db:migrate ", &["rake", "db:migrate"]),
            ("sh -c 'echo \"$A\" | cat'", &["sh", "-c", "echo \"$A\" | cat"]),
            (r#"a "b \" c" d\ e"#, &["a", "b \" c", "d e"]),
            ("a '' b", &["a", "", "b"]),
            ("pre'fix'ed", &["prefixed"]),
            ("", &[]),
        ];
        for (line, words) in cases {
            assert_eq!(split_command(line).unwrap(), *words, "{line}");
            let owned: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(split_command(&command_words(&owned)).unwrap(), owned);
        }
        assert!(split_command("a 'b").is_err());
        assert_eq!(command_words(&["it's".to_owned()]), r"'it'\''s'");
    }
}
