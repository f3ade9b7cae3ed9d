//! The right word that is nearest to a wrong one.

/// A known word this many edits away is suggested.
const NEAR: usize = 2;
/// Characters of a word that are compared.
const COMPARED: usize = 64;

/// The known word that was probably meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    known
        .into_iter()
        .map(|known| (distance(&lower, &known.to_ascii_lowercase()), known))
        .filter(|(edits, known)| *edits <= NEAR && *edits < known.len())
        .min()
        .map(|(_, known)| known)
}

/// Levenshtein's distance; words of a manifest are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(COMPARED).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(COMPARED).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_repaired_and_another_word_is_not() {
        for (word, expected) in
            [("hosst", Some("hosts")), ("Port", Some("port")), ("a", None), ("identifierr", Some("identifier"))]
        {
            assert_eq!(nearest(word, ["hosts", "port", "identifier"]), expected, "{word}");
        }
    }
}
