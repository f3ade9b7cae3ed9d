//! git's pkt-lines (gitprotocol-common(5)): what a push asks for, and lines for the terminal of whoever pushes.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::{Result, invalid, too_large};

/// Bytes of the commands of one push: some thousand branches and tags.
const MAX_COMMANDS: usize = 2 * 1024 * 1024;
/// Bytes of one line for a terminal; a packet takes 65516.
const MAX_LINE: usize = 1000;

/// What ends a section, and an answer.
pub const FLUSH: &[u8] = b"0000";
/// A packet that says nothing: the connection is alive.
pub const ALIVE: &[u8] = b"0005\x01";

/// What a push asks for before its pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// It reads what is said beside the report.
    pub side_band: bool,
    /// It wants to hear nothing but the report.
    pub quiet: bool,
    /// `git push -o OPTION`.
    pub options: Vec<String>,
}

/// Reads the commands of a push and its options, up to the pack. They come back as they came: git is to read them, too.
pub async fn asked(input: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Asked)> {
    let (mut bytes, mut asked, mut has_options) = (Vec::new(), Asked::default(), false);
    while let Some(line) = packet(input, &mut bytes).await? {
        if let Some(at) = line.iter().position(|byte| *byte == 0) {
            let words = String::from_utf8_lossy(&line[at + 1..]).into_owned();
            let mut words = words.split_ascii_whitespace();
            words.by_ref().for_each(|word| match word {
                "side-band-64k" => asked.side_band = true,
                "quiet" => asked.quiet = true,
                "push-options" => has_options = true,
                _ => {}
            });
        }
    }
    while has_options && let Some(line) = packet(input, &mut bytes).await? {
        asked.options.push(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
    Ok((bytes, asked))
}

/// The next packet, which is kept in `bytes`; none at a flush, and at the end.
async fn packet(input: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Result<Option<Vec<u8>>> {
    let broken = || invalid("the push does not begin with commands").hint("Push with git 2.7 or later.");
    let mut length = [0; 4];
    if input.read_exact(&mut length[..1]).await.is_err() {
        return Ok(None);
    }
    input.read_exact(&mut length[1..]).await.map_err(|_| broken())?;
    bytes.extend_from_slice(&length);
    let text = std::str::from_utf8(&length).map_err(|_| broken())?;
    let length = usize::from_str_radix(text, 16).map_err(|_| broken())?;
    if length == 0 {
        return Ok(None);
    }
    let length = length.checked_sub(4).ok_or_else(broken)?;
    if bytes.len() + length > MAX_COMMANDS {
        return Err(too_large("the push has too many branches and tags").hint("Push some of them at a time."));
    }
    let mut line = vec![0; length];
    input.read_exact(&mut line).await.map_err(|_| broken())?;
    bytes.extend_from_slice(&line);
    Ok(Some(line))
}

/// A line for the terminal: git puts `remote: ` before it. What could steer the terminal is left out.
pub fn said(text: &str) -> Vec<u8> {
    let mut line = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            // A control sequence (ECMA-48 §5.4) goes as a whole.
            '\u{1b}' if letters.as_str().starts_with('[') => {
                letters.by_ref().skip(1).find(|letter| ('@'..='~').contains(letter));
            }
            '\t' => line.push(' '),
            _ if letter.is_control() => {}
            _ if line.len() >= MAX_LINE => break,
            _ => line.push(letter),
        }
    }
    let mut packet = format!("{:04x}", line.len() + 6).into_bytes();
    packet.push(2);
    packet.extend_from_slice(line.as_bytes());
    packet.push(b'\n');
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lines: &[&str]) -> Vec<u8> {
        lines.iter().flat_map(|line| format!("{:04x}{line}", line.len() + 4).into_bytes()).collect()
    }

    async fn read(bytes: &[u8]) -> Result<(Vec<u8>, Asked, usize)> {
        let mut input = bytes;
        let (kept, asked) = asked(&mut input).await?;
        Ok((kept, asked, input.len()))
    }

    #[tokio::test]
    async fn commands_and_options_are_read_up_to_the_pack() {
        let commands = packets(&[
            "shallow x\n",
            "old new refs/heads/main\0 report-status side-band-64k push-options agent=git/2\n",
            "old new refs/tags/v1",
        ]);
        let whole = [&commands[..], FLUSH, &packets(&["no-wait\n", "other"]), FLUSH, b"PACK..."].concat();
        let (kept, asked, rest) = read(&whole).await.unwrap();
        assert_eq!(asked, Asked { side_band: true, quiet: false, options: vec!["no-wait".into(), "other".into()] });
        assert_eq!((kept.len() + rest, rest), (whole.len(), 7));
        let quiet = [&packets(&["a b refs/heads/main\0quiet"])[..], FLUSH, b"PACK"].concat();
        assert_eq!(read(&quiet).await.unwrap().1, Asked { quiet: true, ..Asked::default() });
        // git asks so whether it may push before it sends a large pack.
        assert_eq!(read(FLUSH).await.unwrap().1, Asked::default());
        assert_eq!(read(b"").await.unwrap().0, b"");
        for bad in [&b"00"[..], b"zzzz", b"0003", b"0010ab", b"\xff\xff\xff\xff"] {
            assert!(read(bad).await.is_err(), "{bad:?}");
        }
        let many = packets(&["x".repeat(60_000).as_str(); 40]);
        assert!(read(&many).await.is_err());
    }

    #[test]
    fn lines_steer_no_terminal() {
        assert_eq!(said("a\u{1b}[31mb\u{1b}[0m\tc\rd\u{7}"), b"000b\x02ab cd\n");
        assert_eq!(said(""), b"0006\x02\n");
        assert!(said(&"\u{e4}".repeat(5000)).len() < 1100);
    }
}
