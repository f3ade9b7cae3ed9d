//! A `.env` file, pasted, uploaded or read by the command line, becomes variables; what cannot be read is named by its line.

use crate::EnvKey;

/// Parses the common subset: comments, `export`, single quotes (literal), double quotes (with escapes and line breaks).
/// Nothing is expanded: `$HOME` stays `$HOME`.
pub fn parse(text: &str) -> Result<Vec<(EnvKey, String)>, String> {
    let mut variables: Vec<(EnvKey, String)> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |what: String| format!("Line {}: {what}", index + 1);
        let (key, value) = line
            .strip_prefix("export ")
            .unwrap_or(line)
            .split_once('=')
            .ok_or_else(|| at("there is no = sign.".to_owned()))?;
        let key: EnvKey = key.trim().parse().map_err(|problem| at(format!("{problem}.")))?;
        let value = match value.trim_start() {
            quoted if quoted.starts_with(['"', '\'']) => {
                let mut more = || lines.next().map(|(_, line)| line);
                unquote(quoted, &mut more).ok_or_else(|| at("the closing quote is missing.".to_owned()))?
            }
            bare => without_comment(bare).to_owned(),
        };
        variables.retain(|(known, _)| *known != key);
        variables.push((key, value));
    }
    Ok(variables)
}

fn without_comment(bare: &str) -> &str {
    if bare.starts_with('#') {
        return "";
    }
    bare.split_once(" #").map_or(bare, |(value, _)| value).trim_end()
}

/// Reads up to the closing quote, over line ends if need be.
fn unquote<'a>(first: &'a str, more: &mut impl FnMut() -> Option<&'a str>) -> Option<String> {
    let quote = first.chars().next()?;
    let mut value = String::new();
    let mut line = &first[1..];
    loop {
        let mut chars = line.chars();
        while let Some(c) = chars.next() {
            match c {
                c if c == quote => return Some(value),
                '\\' if quote == '"' => value.push(unescape(chars.next()?)),
                c => value.push(c),
            }
        }
        value.push('\n');
        line = more()?;
    }
}

fn unescape(c: char) -> char {
    match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<String> {
        parse(text).unwrap().into_iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    #[test]
    fn the_usual_forms() {
        let text = "# comment\n\nA=1\nexport B = two words # why\nC=\"x\\ny \\\"z\\\"\"\nD='$A \\n'\nE=\nF=a#b\nG=x=y\nH= # only a comment\nA=3";
        assert_eq!(pairs(text), ["B=two words", "C=x\ny \"z\"", "D=$A \\n", "E=", "F=a#b", "G=x=y", "H=", "A=3"]);
    }

    #[test]
    fn values_over_several_lines() {
        assert_eq!(pairs("KEY=\"-----BEGIN\nabc\n-----END\"\nB=1"), ["KEY=-----BEGIN\nabc\n-----END", "B=1"]);
    }

    #[test]
    fn problems_name_their_line() {
        for (text, expected) in [("A=1\nnonsense", "Line 2"), ("1A=x", "Line 1"), ("A=\"open", "closing quote")] {
            assert!(parse(text).unwrap_err().contains(expected), "{text:?}");
        }
    }
}
