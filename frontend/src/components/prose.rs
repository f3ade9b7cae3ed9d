//! Text of packages, in which code is marked as in Markdown.

use leptos::prelude::*;

const MARK: char = '`';

/// A text; what stands between backticks is shown as code.
#[component]
pub fn Prose(text: String) -> impl IntoView {
    let piece = |(is_code, piece): (bool, &str)| match is_code {
        true => view! { <code>{piece.to_owned()}</code> }.into_any(),
        false => piece.to_owned().into_any(),
    };
    pieces(&text).into_iter().map(piece).collect_view()
}

/// (is code, text). A mark without its end in the same line is text.
fn pieces(text: &str) -> Vec<(bool, &str)> {
    let (mut found, mut plain, mut at) = (Vec::new(), 0, 0);
    while let Some(begin) = text[at..].find(MARK).map(|offset| at + offset) {
        let inner = &text[begin + 1..];
        match inner.find([MARK, '\n']) {
            Some(length) if length > 0 && inner[length..].starts_with(MARK) => {
                found.push((false, &text[plain..begin]));
                found.push((true, &inner[..length]));
                (plain, at) = (begin + length + 2, begin + length + 2);
            }
            _ => at = begin + 1,
        }
    }
    found.push((false, &text[plain..]));
    found.retain(|(_, piece)| !piece.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_backticks_is_code() {
        for (text, expected) in [
            ("", vec![]),
            ("plain", vec![(false, "plain")]),
            ("name yours with `image`.", vec![(false, "name yours with "), (true, "image"), (false, ".")]),
            ("`a``b`", vec![(true, "a"), (true, "b")]),
            ("one ` alone", vec![(false, "one ` alone")]),
            ("a `b\nc` d", vec![(false, "a `b\nc` d")]),
            ("```sh\nls\n```", vec![(false, "```sh\nls\n```")]),
            ("ö `ü` ä", vec![(false, "ö "), (true, "ü"), (false, " ä")]),
        ] {
            assert_eq!(pieces(text), expected, "{text:?}");
        }
    }
}
