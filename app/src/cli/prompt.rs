//! Questions on the terminal; answers from standard input where nobody sits there.

use std::io::{self, BufRead, IsTerminal, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::failure::{Failure, Result};

/// Asks for a line.
pub fn line(question: &str) -> Result<String> {
    ask(question)?;
    read_line()
}

/// Asks for a secret, without showing it.
pub fn secret(question: &str) -> Result<String> {
    ask(question)?;
    let echo = Echo::off();
    let answer = read_line();
    drop(echo);
    _ = writeln!(io::stderr());
    answer
}

/// A secret asked for twice, or one line of standard input.
pub fn new_secret(question: &str, from_stdin: bool) -> Result<String> {
    if from_stdin {
        return read_line();
    }
    let first = secret(&format!("{question}: "))?;
    if first != secret(&format!("{question} again: "))? {
        return Err(Failure::invalid("the two are not the same").hint("Try again."));
    }
    Ok(first)
}

/// A secret asked for on the terminal, else one line of standard input.
pub fn secret_or_line(question: &str) -> Result<String> {
    if io::stdin().is_terminal() { secret(question) } else { read_line() }
}

/// One line of standard input.
pub fn read_line() -> Result<String> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(Failure::invalid("standard input ended before the answer").hint("Pass it in, one line."));
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Whether a person reads what is asked.
pub fn somebody_reads() -> bool {
    io::stderr().is_terminal()
}

/// Makes whoever deletes type the name, unless told `--yes`; `what` is a sentence.
pub fn confirm(what: &str, name: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if line(&format!("{what} Type {name} to go on: "))? == name {
        return Ok(());
    }
    Err(Failure::invalid("nothing was deleted: the name was not typed"))
}

/// The same for what deletes nothing.
pub fn agree(what: &str, word: &str, yes: bool) -> Result<()> {
    if yes || line(&format!("{what} Type {word} to go on: "))? == word {
        return Ok(());
    }
    Err(Failure::invalid(format!("nothing was changed: {word} was not typed")))
}

fn ask(question: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Failure::invalid(format!("nobody is here to answer \"{}\"", question.trim_end()))
            .hint("Give the answer by a flag; --help names it."));
    }
    write!(io::stderr(), "{question}")?;
    Ok(io::stderr().flush()?)
}

/// The terminal does not show what is typed until this is dropped.
struct Echo(Option<Termios>);

impl Echo {
    fn off() -> Self {
        let Ok(before) = tcgetattr(io::stdin()) else { return Self(None) };
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        _ = tcsetattr(io::stdin(), OptionalActions::Flush, &quiet);
        Self(Some(before))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            _ = tcsetattr(io::stdin(), OptionalActions::Flush, before);
        }
    }
}
