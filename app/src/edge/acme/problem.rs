//! Why there is no certificate: what the CA said (RFC 7807, RFC 8555 §6.7), made fit to be shown, and what to do about it.

use std::time::Duration;

use serde::Deserialize;

/// One text of the CA's.
const DETAIL_MAX: usize = 400;
/// Names whose own trouble is told.
const SUBPROBLEMS_MAX: usize = 4;
const PREFIX: &str = "urn:ietf:params:acme:error:";

/// Why an attempt brought no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened, why, what to do.
    pub text: String,
    /// How long the CA wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The CA counts and has had enough.
    pub limited: bool,
}

impl Failure {
    /// One that the CA had no part in.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), retry_after: None, limited: false }
    }
}

impl From<crate::error::Error> for Failure {
    fn from(error: crate::error::Error) -> Self {
        Self::new(match &error.hint {
            Some(hint) => format!("{error}. {hint}"),
            None => error.to_string(),
        })
    }
}

/// A problem document. What is missing or of another type is treated as if it were not there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: Option<String>,
    detail: Option<String>,
    subproblems: Vec<Problem>,
    identifier: Option<Identifier>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Identifier {
    value: String,
}

impl From<rustls_acme::acme::Problem> for Problem {
    fn from(problem: rustls_acme::acme::Problem) -> Self {
        Self { kind: problem.typ, detail: problem.detail, ..Self::default() }
    }
}

impl Problem {
    /// The document in an answer's body; where there is none, the body's beginning.
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_else(|_| Self {
            detail: Some(String::from_utf8_lossy(body).into_owned()).filter(|text| !text.trim().is_empty()),
            ..Self::default()
        })
    }

    /// Where it does not say what it is, the answer's status does.
    pub fn or_status(mut self, status: u16) -> Self {
        self.kind.get_or_insert_with(|| format!("HTTP {status}"));
        self
    }

    /// Whether it is of ACME's error type `kind`, for example `badNonce`.
    pub fn is(&self, kind: &str) -> bool {
        self.kind() == Some(kind)
    }

    fn kind(&self) -> Option<&str> {
        self.kind.as_deref()?.strip_prefix(PREFIX)
    }

    /// In the CA's words, on one line and of bounded length.
    fn told(&self) -> String {
        let kind = self.kind.as_deref().map(|kind| shown(kind.strip_prefix(PREFIX).unwrap_or(kind)));
        let mut text = match (self.detail.as_deref().map(shown).filter(|text| !text.is_empty()), kind) {
            (Some(detail), Some(kind)) => format!("{detail} ({kind})"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => "no reason was given".to_owned(),
        };
        for sub in self.subproblems.iter().take(SUBPROBLEMS_MAX) {
            let name = sub.identifier.as_ref().map(|identifier| format!("{}: ", shown(&identifier.value)));
            let detail = sub.detail.as_deref().or(sub.kind.as_deref()).unwrap_or("no reason was given");
            text.push_str(&format!("; {}{}", name.unwrap_or_default(), shown(detail)));
        }
        text
    }

    /// Whether a number was exceeded, so that another try soon can only make it worse.
    pub fn is_limit(&self) -> bool {
        self.is("rateLimited") || self.subproblems.iter().any(|sub| sub.is("rateLimited"))
    }

    /// What happened to the order of `name`, why, and what to do.
    pub fn about(&self, name: &str) -> String {
        let kind = self.kind().or_else(|| self.subproblems.iter().find_map(Self::kind)).unwrap_or_default();
        format!(
            "the CA refused a certificate for {name}: {}. {}",
            self.told().trim_end_matches('.'),
            remedy(kind, name)
        )
    }
}

/// The next step, by ACME's error types (RFC 8555 §6.7, §8).
fn remedy(kind: &str, name: &str) -> String {
    match kind {
        "connection" | "tls" => format!(
            "Let TCP port 443 reach this machine from the internet, in its firewall and at the router, at every address that {name} has."
        ),
        "dns" => format!("Check the A and AAAA records of {name}, the zone's name servers and its DNSSEC."),
        "unauthorized" | "incorrectResponse" => format!(
            "Let TCP port 443 of every address that {name} has reach this machine: no other server may answer there, and no CDN or other proxy that ends TLS stand in front."
        ),
        "caa" => format!("Change the CAA record of {name} or of the domain above it so that it allows this CA."),
        "rateLimited" => "Nothing to do: it is tried again once the CA allows it.".to_owned(),
        "rejectedIdentifier" | "unsupportedIdentifier" => "Use another name: this CA makes none for it.".to_owned(),
        "invalidContact" | "unsupportedContact" => "Correct --acme-contact and restart Boathouse.".to_owned(),
        "externalAccountRequired" => {
            "Choose another CA by --acme-directory: this one wants an account that was made elsewhere.".to_owned()
        }
        "accountDoesNotExist" | "userActionRequired" => "Do what the CA asks, then it goes on by itself.".to_owned(),
        _ => "It is tried again by itself; where that does not help, ask the CA.".to_owned(),
    }
}

/// Text of others on one line: no control characters, no more than [`DETAIL_MAX`] characters.
pub fn shown(text: &str) -> String {
    // Marks that turn the direction of what follows could make the rest of a sentence say something else.
    let is_mark = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean: String = text.chars().filter(|c| !is_mark(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut words = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(DETAIL_MAX) {
        words.truncate(end);
        words.push('…');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_ca_says_is_told_with_a_next_step() {
        for (body, expected) in [
            (
                r#"{"type":"urn:ietf:params:acme:error:connection","detail":"203.0.113.9: Timeout during connect\r\n\u001b[31m(firewall?)"}"#,
                "the CA refused a certificate for a.example: 203.0.113.9: Timeout during connect [31m(firewall?) (connection). Let TCP port 443",
            ),
            (
                r#"{"type":"urn:ietf:params:acme:error:compound","detail":"Some failed.","subproblems":[
                    {"type":"urn:ietf:params:acme:error:caa","detail":"CAA record for a.example prevents issuance","identifier":{"type":"dns","value":"a.example"}}]}"#,
                "a.example: Some failed. (compound); a.example: CAA record for a.example prevents issuance. ",
            ),
            (r#"{"type":"about:blank"}"#, "a.example: about:blank. It is tried again"),
            (r#"{"type":7}"#, "a.example: {\"type\":7}. It"),
            ("<html>503</html>", "a.example: <html>503</html>. It"),
            ("", "a.example: no reason was given. It"),
        ] {
            let text = Problem::read(body.as_bytes()).about("a.example");
            assert!(text.contains(expected), "{body}: {text}");
        }
    }

    #[test]
    fn a_long_or_hostile_text_stays_short_and_plain() {
        let many = format!("{{\"detail\":\"x\",\"subproblems\":[{}]}}", vec![r#"{"detail":"y"}"#; 100].join(","));
        assert!(Problem::read(many.as_bytes()).about("a").matches('y').count() <= SUBPROBLEMS_MAX + "try by".len());
        assert_eq!(shown(&"ä".repeat(10_000)).chars().count(), DETAIL_MAX + 1);
        assert_eq!(shown("a\u{0}\u{7}\n\t b\u{202e}c"), "a bc");
    }

    #[test]
    fn limits_are_known_also_inside() {
        assert!(Problem::read(br#"{"type":"urn:ietf:params:acme:error:rateLimited"}"#).is_limit());
        let inside = br#"{"type":"x","subproblems":[{"type":"urn:ietf:params:acme:error:rateLimited"}]}"#;
        assert!(Problem::read(inside).is_limit());
        assert!(!Problem::read(br#"{"type":"urn:ietf:params:acme:error:dns"}"#).is_limit());
    }
}
