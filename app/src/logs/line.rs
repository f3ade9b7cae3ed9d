//! Bytes that a program printed → one line of text that is safe to store and show.

/// Bytes of one line; a longer one is cut, and says so.
const MAX_LINE: usize = 16 * 1024;
const CUT: &str = "… [line cut at 16 KiB]";

/// Valid UTF-8 without control characters that would garble a terminal or a page. Colours (ESC) and tabs stay. Of a
/// line that was overwritten with carriage returns, as progress bars do, the last state stays.
pub fn readable(bytes: &[u8]) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    let last = bytes.rsplit(|byte| *byte == b'\r').find(|part| !part.is_empty()).unwrap_or_default();
    let cut = last.len() > MAX_LINE;
    let text = String::from_utf8_lossy(if cut { &last[..MAX_LINE] } else { last });
    let mut line: String = text.chars().map(|c| if is_noise(c) { '\u{fffd}' } else { c }).collect();
    if cut {
        line.push_str(CUT);
    }
    line
}

fn is_noise(c: char) -> bool {
    c.is_control() && c != '\t' && c != '\u{1b}'
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
        ];
        for (bytes, line) in cases {
            assert_eq!(readable(bytes), *line);
        }
        let long = readable("é".repeat(20_000).as_bytes());
        assert!(long.ends_with(CUT) && long.len() < MAX_LINE + 40);
    }
}
