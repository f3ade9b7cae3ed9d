//! This terminal as another machine's program sees it: each key as it is pressed, and its size.

use std::io::{self, IsTerminal, Read};

use boathouse_types::{Terminal, TerminalSize};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::failure::{Failure, Result};

/// Bytes of input that are read at once.
const PIECE: usize = 64 * 1024;
/// Pieces that wait to be sent.
const WAITING: usize = 2;
const USUAL: TerminalSize = TerminalSize { columns: 80, rows: 24 };

/// Somebody sits at both ends: nothing is piped.
pub fn is_here() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// What it is; `kind` as the environment names it.
pub fn describe(kind: Option<String>) -> Terminal {
    Terminal { size: size(), kind: kind.filter(|kind| !kind.is_empty()) }
}

/// Its size now.
pub fn size() -> TerminalSize {
    let known = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
    known.map_or(USUAL, |size| TerminalSize { columns: size.ws_col, rows: size.ws_row })
}

/// Keys go to the other side unread, Ctrl-C too, as long as this lives.
pub struct Raw(Termios);

impl Raw {
    pub fn enter() -> Result<Self> {
        let refused = |error: rustix::io::Errno| Failure::unavailable(format!("the terminal cannot be used: {error}"));
        let before = tcgetattr(io::stdin()).map_err(refused)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw).map_err(refused)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs no settings.
        tcsetattr(io::stdin(), OptionalActions::Drain, &self.0).ok();
    }
}

/// Standard input in pieces, until its end. A thread of its own reads, because a read cannot be given up: the process ends without it.
pub fn input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut bytes = vec![0; PIECE];
        while let Ok(read) = io::stdin().lock().read(&mut bytes) {
            if read == 0 || sender.blocking_send(bytes[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
