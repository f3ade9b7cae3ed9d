//! Matching of the command palette: letters in order, word starts and runs preferred.

/// How well `query` matches `text`; nothing where a letter is missing. More is better.
pub fn score(query: &str, text: &str) -> Option<i32> {
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut total, mut at, mut previous) = (0, 0, None);
    for wanted in query.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase) {
        let found = best_next(&text, at, wanted, previous)?;
        let starts_word = found == 0 || !text[found - 1].is_alphanumeric();
        total += match previous {
            Some(last) if found == last + 1 => 6,
            _ if starts_word => 5,
            _ => 1,
        };
        previous = Some(found);
        at = found + 1;
    }
    Some(total * 10 - text.len() as i32)
}

/// The next place of a letter: right after the last match, else at the start of a word, else anywhere.
fn best_next(text: &[char], from: usize, wanted: char, previous: Option<usize>) -> Option<usize> {
    let fits = |index: &usize| text[*index] == wanted;
    if previous.is_some() && from < text.len() && text[from] == wanted {
        return Some(from);
    }
    let word_start = (from..text.len()).filter(fits).find(|index| *index == 0 || !text[index - 1].is_alphanumeric());
    word_start.or_else(|| (from..text.len()).find(fits))
}

/// The best matches first; all, in their own order, for an empty query.
pub fn rank<T: Clone>(query: &str, items: &[T], text: impl Fn(&T) -> String) -> Vec<T> {
    let mut found: Vec<(i32, &T)> = items.iter().filter_map(|item| Some((score(query, &text(item))?, item))).collect();
    if !query.trim().is_empty() {
        found.sort_by_key(|(score, _)| -score);
    }
    found.into_iter().map(|(_, item)| item.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_must_come_in_order() {
        assert!(score("shp", "shop production").is_some());
        assert!(score("sx", "shop").is_none());
        assert!(score("phs", "shop").is_none());
        assert!(score("", "anything").is_some());
    }

    #[test]
    fn word_starts_and_runs_win() {
        let items = ["workshop", "shop / production", "shop / logs", "settings"].map(str::to_owned);
        let best = |query: &str| rank(query, &items, String::clone).first().cloned();
        assert_eq!(best("shop pr").as_deref(), Some("shop / production"));
        assert_eq!(best("sl").as_deref(), Some("shop / logs"));
        assert_eq!(best("SET").as_deref(), Some("settings"));
        assert_eq!(rank("", &items, String::clone), items);
    }
}
