//! Bytes that a program printed → one line of text that is safe to store and show.

use std::str::Chars;

/// Bytes of one line; a longer one is cut, and says so.
const MAX_LINE: usize = 16 * 1024;
const CUT: &str = "… [line cut at 16 KiB]";

/// Valid UTF-8 without what would garble a terminal or a page, or command it: window titles, the clipboard, the cursor.
/// Colours and tabs stay. Of a line that was overwritten with carriage returns, as progress bars do, the last state stays.
pub fn readable(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let last = bytes.rsplit(|byte| *byte == b'\r').find(|part| !part.is_empty()).unwrap_or_default();
    let cut = last.len() > MAX_LINE;
    let text = String::from_utf8_lossy(if cut { &last[..MAX_LINE] } else { last });
    let mut line = only_colours(&text);
    if cut {
        line.push_str(CUT);
    }
    line
}

/// Escape sequences of ECMA-48: those that set colours stay (`ESC [ … m`), the others go whole; other control characters are
/// replaced.
fn only_colours(text: &str) -> String {
    let (mut line, mut rest) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => line.extend(colour(&mut rest)),
            '\t' => line.push(c),
            c if c.is_control() => line.push('\u{fffd}'),
            c => line.push(c),
        }
    }
    line
}

/// Reads what follows an ESC; the whole sequence where it sets a colour.
fn colour(rest: &mut Chars<'_>) -> Option<String> {
    match rest.next()? {
        '[' => {
            let mut sequence = String::from("\u{1b}[");
            for c in rest.by_ref() {
                sequence.push(c);
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    return (c == 'm').then_some(sequence);
                }
            }
        }
        // Strings for the terminal itself: operating system commands (titles, links, the clipboard), device control, and others.
        ']' | 'P' | 'X' | '^' | '_' => {
            let mut before = ' ';
            rest.by_ref().find(|c| *c == '\u{7}' || std::mem::replace(&mut before, *c) == '\u{1b}' && *c == '\\');
        }
        _ => {}
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_made_readable() {
        let cases: &[(&[u8], &str)] = &[
            (b"hello\r\n", "hello"),
            (b"", ""),
            (b"\r", ""),
            (b"10%\r50%\r100%", "100%"),
            (b"done\r\r", "done"),
            (b"\xff\xfea", "\u{fffd}\u{fffd}a"),
            (b"a\0b\x07", "a\u{fffd}b\u{fffd}"),
            (b"\x1b[31mred\x1b[0m\tx", "\u{1b}[31mred\u{1b}[0m\tx"),
            (b"\x1b]0;title\x07a\x1b]52;c;c3RvbGVu\x1b\\b", "ab"),
            (b"\x1b]8;;https://a.test\x07link\x1b]8;;\x07 \x1b[2J\x1b[1;1Hx", "link x"),
            (b"\x1bPq#0\x1b\\a\x1bcb\x1b7c", "abc"),
            (b"a\x1b[31", "a"),
            (b"a\x1b]0;never ends", "a"),
            (b"a\x1b", "a"),
        ];
        for (bytes, line) in cases {
            assert_eq!(readable(bytes), *line);
        }
        let long = readable("é".repeat(20_000).as_bytes());
        assert!(long.ends_with(CUT) && long.len() < MAX_LINE + 40);
    }
}
