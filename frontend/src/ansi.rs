//! ANSI colour codes (ECMA-48 SGR) in a log line become styled pieces of text; every other control sequence is dropped.
//!
//! The output is text and class names only, so nothing that a program prints can inject markup.

/// The look of a piece: at most one colour, and the two attributes that build tools use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// 0–7 the normal colours, 8–15 the bright ones.
    pub colour: Option<u8>,
    pub bold: bool,
    pub dim: bool,
}

/// A run of text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub style: Style,
    pub text: String,
}

impl Style {
    /// The class names of the style sheet.
    pub fn class(self) -> String {
        let colour = self.colour.map(|colour| format!("ansi-{colour}"));
        let words = [colour.as_deref(), self.bold.then_some("ansi-bold"), self.dim.then_some("ansi-dim")];
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    fn apply(&mut self, codes: &str) {
        let mut codes = codes.split([';', ':']).map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                22 => (self.bold, self.dim) = (false, false),
                30..=37 => self.colour = Some((code - 30) as u8),
                90..=97 => self.colour = Some((code - 90 + 8) as u8),
                38 => self.colour = extended(&mut codes).or(self.colour),
                48 => drop(extended(&mut codes)),
                39 => self.colour = None,
                _ => {}
            }
        }
    }
}

/// `5;N` of the 256 colours: the first 16 are ours, the others and `2;R;G;B` keep the default.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<u8> {
    match codes.next() {
        Some(5) => codes.next().filter(|n| *n < 16).map(|n| n as u8),
        Some(2) => codes.nth(2).and(None),
        _ => None,
    }
}

/// Splits a line into pieces. A carriage return starts the line anew, as on a terminal.
pub fn pieces(line: &str) -> Vec<Piece> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let line = line.rsplit('\r').next().unwrap_or(line);
    let (mut out, mut style, mut text) = (Vec::new(), Style::default(), String::new());
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => {
                if let Some(codes) = escape(&mut rest) {
                    flush(&mut out, style, &mut text);
                    style.apply(&codes);
                }
            }
            '\t' => text.push_str("    "),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    flush(&mut out, style, &mut text);
    out
}

/// The text without its codes: what filters and downloads see.
pub fn plain(line: &str) -> String {
    if !line.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return line.to_owned();
    }
    pieces(line).into_iter().map(|piece| piece.text).collect()
}

fn flush(out: &mut Vec<Piece>, style: Style, text: &mut String) {
    if !text.is_empty() {
        out.push(Piece { style, text: std::mem::take(text) });
    }
}

/// Reads what follows ESC; answers the codes of an SGR sequence (`CSI … m`), nothing for any other sequence.
fn escape(rest: &mut std::str::Chars<'_>) -> Option<String> {
    match rest.next()? {
        '[' => {
            let mut codes = String::new();
            for c in rest.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    return (c == 'm').then_some(codes);
                }
                codes.push(c);
            }
            None
        }
        // An operating system command, such as a window title or a hyperlink, ends with BEL or ESC \.
        ']' => {
            let mut before = ' ';
            rest.by_ref().find(|c| *c == '\u{7}' || std::mem::replace(&mut before, *c) == '\u{1b}' && *c == '\\');
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        pieces(line).iter().map(|piece| format!("<{}>{}", piece.style.class(), piece.text)).collect()
    }

    #[test]
    fn lines_become_pieces() {
        let table = [
            ("plain", "<>plain"),
            ("", ""),
            ("\u{1b}[31mred\u{1b}[0m back", "<ansi-1>red<> back"),
            ("\u{1b}[1;92mok\u{1b}[22m", "<ansi-10 ansi-bold>ok"),
            ("\u{1b}[38;5;4mblue", "<ansi-4>blue"),
            ("\u{1b}[38;5;200mother", "<>other"),
            ("\u{1b}[38;2;1;2;3mtrue\u{1b}[1mbold", "<>true<ansi-bold>bold"),
            ("\u{1b}[48;5;1;33mx", "<ansi-3>x"),
            ("10%\r50%\r100%", "<>100%"),
            ("windows\r", "<>windows"),
            ("\u{1b}[2Kcleared\u{1b}[1A", "<>cleared"),
            ("\u{1b}]8;;https://a.test\u{7}link\u{1b}]8;;\u{1b}\\ x", "<>link x"),
            ("<script>alert(1)</script>", "<><script>alert(1)</script>"),
            ("a\u{0}b\u{7}c", "<>abc"),
            ("\u{1b}[", ""),
            ("\u{1b}", ""),
        ];
        for (line, expected) in table {
            assert_eq!(shown(line), expected, "{line:?}");
        }
    }

    #[test]
    fn plain_text_has_no_codes() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m\tx"), "red    x");
        assert_eq!(plain("straße"), "straße");
    }
}
