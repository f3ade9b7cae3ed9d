//! Secrets never reach a log: their values, and the forms in which programs like to print them, become `***`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A shorter value occurs by chance, and hiding it would hide the log.
const MIN_SECRET: usize = 6;
const MASK: &str = "***";

/// Knows values that must not be shown.
#[derive(Clone, Default)]
pub struct Redactor {
    // Longest first, so that a secret inside another one leaves no rest.
    patterns: Vec<String>,
}

impl Redactor {
    /// Hides these values.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns: Vec<String> = secrets.into_iter().flat_map(forms).collect();
        patterns.retain(|pattern| pattern.len() >= MIN_SECRET);
        patterns.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        patterns.dedup();
        Self { patterns }
    }

    /// The text without secrets.
    pub fn apply(&self, text: String) -> String {
        self.patterns.iter().fold(text, |text, pattern| {
            if text.contains(pattern.as_str()) { text.replace(pattern.as_str(), MASK) } else { text }
        })
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} patterns)", self.patterns.len())
    }
}

/// The value, its lines (a log has one per entry), and how JSON, URLs, base64 and debug output write it.
fn forms(secret: &str) -> Vec<String> {
    if secret.len() < MIN_SECRET {
        return Vec::new();
    }
    let mut forms: Vec<String> = secret.lines().map(|line| line.trim_end_matches('\r').to_owned()).collect();
    let json = serde_json::to_string(secret).unwrap_or_default();
    forms.push(json.trim_matches('"').to_owned());
    forms.push(secret.escape_debug().to_string());
    forms.push(percent_encoded(secret));
    forms.push(STANDARD.encode(secret));
    forms.push(STANDARD_NO_PAD.encode(secret));
    forms.push(URL_SAFE_NO_PAD.encode(secret));
    forms
}

fn percent_encoded(secret: &str) -> String {
    secret
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_of_a_secret_is_left() {
        let secret = "p@ss \"w'rd\\\nsecond line %#$";
        let redactor = Redactor::new([secret, "abc", "inner-secret", "x-inner-secret-y"]);
        for text in [
            "a p@ss \"w'rd\\ b".to_owned(),
            "second line %#$".to_owned(),
            serde_json::json!({"a": secret}).to_string(),
            format!("{secret:?}"),
            STANDARD.encode(secret),
            percent_encoded(secret),
            "x-inner-secret-y".to_owned(),
        ] {
            let shown = redactor.apply(text.clone());
            assert!(shown.contains(MASK), "{text} -> {shown}");
            for rest in ["p@ss", "second line", "inner", &STANDARD.encode(secret)[..8]] {
                assert!(!shown.contains(rest), "{text} -> {shown}");
            }
        }
        assert_eq!(redactor.apply("abc".into()), "abc", "too short to be hidden");
    }
}
