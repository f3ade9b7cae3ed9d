//! Finds the instructions of a Dockerfile and where they lie in the text: line continuations, comments between
//! them, the `escape` directive and here-documents included. It does not interpret them.

use std::ops::Range;

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// `RUN`, in capitals.
    pub keyword: String,
    /// Where the keyword stands.
    pub keyword_at: Range<usize>,
    /// From its first to the end of its last line, here-documents included; the line end is included if there is one.
    pub span: Range<usize>,
}

/// The instructions in order.
pub(super) fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape_character(text);
    let mut lines = Lines { text, at: 0 };
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let trimmed = text[line.clone()].trim_start();
        if trimmed.trim_end().is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let start = line.end - trimmed.len();
        let length = trimmed.find(char::is_whitespace).unwrap_or(trimmed.len());
        let logical = take_continuations(&mut lines, line.clone(), escape);
        let keyword = trimmed[..length].to_ascii_uppercase();
        if matches!(keyword.as_str(), "RUN" | "COPY" | "ADD") {
            for end in heredocs(&logical) {
                skip_heredoc(&mut lines, &end);
            }
        }
        found.push(Instruction { keyword, keyword_at: start..start + length, span: line.start..lines.at });
    }
    found
}

struct Lines<'a> {
    text: &'a str,
    at: usize,
}

impl Lines<'_> {
    /// The next line with its line end.
    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |index| index + 1);
        let line = self.at..self.at + length;
        self.at = line.end;
        Some(line)
    }
}

/// `# escape=` followed by a character, in the comments before everything else.
fn escape_character(text: &str) -> char {
    for line in text.lines() {
        let Some((name, value)) = line.trim().strip_prefix('#').and_then(|line| line.split_once('=')) else { break };
        if name.trim().eq_ignore_ascii_case("escape") {
            return value.trim().chars().next().unwrap_or('\\');
        }
    }
    '\\'
}

/// Consumes the lines that continue `first` and returns the joined text. Comments and empty lines in between do not
/// end an instruction.
fn take_continuations(lines: &mut Lines<'_>, first: Range<usize>, escape: char) -> String {
    let mut logical = String::new();
    let mut line = first;
    loop {
        let text = lines.text[line].trim_end();
        let Some(text) = text.strip_suffix(escape) else {
            logical.push_str(text);
            return logical;
        };
        logical.push_str(text);
        line = loop {
            let Some(next) = lines.next() else { return logical };
            let trimmed = lines.text[next.clone()].trim();
            if !trimmed.is_empty() && !trimmed.starts_with('#') {
                break next;
            }
        };
    }
}

/// The words that end the here-documents of an instruction, and whether leading tabs are stripped.
#[derive(Debug, PartialEq, Eq)]
struct HeredocEnd {
    word: String,
    tabs: bool,
}

fn heredocs(logical: &str) -> Vec<HeredocEnd> {
    let mut ends = Vec::new();
    let mut rest = logical;
    while let Some(index) = rest.find("<<") {
        rest = &rest[index + 2..];
        // `<<<` is a here-string of the shell.
        if rest.starts_with('<') {
            rest = rest.trim_start_matches('<');
            continue;
        }
        let (tabs, after) = rest.strip_prefix('-').map_or((false, rest), |after| (true, after));
        let quote = after.chars().next().filter(|quote| matches!(quote, '"' | '\''));
        let word: String = match quote {
            Some(quote) => after[1..].chars().take_while(|next| *next != quote).collect(),
            None => after.chars().take_while(|next| next.is_ascii_alphanumeric() || *next == '_').collect(),
        };
        if word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            ends.push(HeredocEnd { word, tabs });
        }
    }
    ends
}

fn skip_heredoc(lines: &mut Lines<'_>, end: &HeredocEnd) {
    while let Some(line) = lines.next() {
        let text = lines.text[line].trim_end_matches(['\r', '\n']);
        let text = if end.tabs { text.trim_start_matches('\t') } else { text };
        if text == end.word {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keywords(text: &str) -> Vec<String> {
        instructions(text).into_iter().map(|instruction| instruction.keyword).collect()
    }

    #[test]
    fn instructions_are_found_between_what_is_none() {
        let cases: &[(&str, &[&str])] = &[
            ("FROM a\nRUN b", &["FROM", "RUN"]),
            ("# syntax=x\n\n  from a\n\trun b\r\n", &["FROM", "RUN"]),
            ("RUN a \\\n  b \\\n\n  # comment\n  RUN c\nCMD d\n", &["RUN", "CMD"]),
            ("RUN a \\   \n RUN b\nENV X=1", &["RUN", "ENV"]),
            ("# escape=`\nRUN a `\n RUN b\nRUN c\\\nRUN d", &["RUN", "RUN", "RUN"]),
            ("RUN <<EOF\nRUN inside\nEOF\nRUN after", &["RUN", "RUN"]),
            ("COPY <<-\"A\" <<B /x\nRUN 1\n\tA\nRUN 2\nB\nCMD x", &["COPY", "CMD"]),
            ("RUN cat <<< word\nRUN b", &["RUN", "RUN"]),
            ("RUN x=$((1<<3))\nRUN b", &["RUN", "RUN"]),
            ("RUN <<EOF\nnever ends", &["RUN"]),
            ("ONBUILD RUN a", &["ONBUILD"]),
            ("RUN a \\", &["RUN"]),
            ("", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(&keywords(text), expected, "{text:?}");
        }
    }

    #[test]
    fn places_are_exact() {
        let text = "FROM a\n  RUN b \\\n   c\nCMD d";
        let run = &instructions(text)[1];
        assert_eq!(&text[run.keyword_at.clone()], "RUN");
        assert_eq!(&text[run.span.clone()], "  RUN b \\\n   c\n");
    }
}
