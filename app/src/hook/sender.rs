//! Who sent a delivery, by its headers alone: they say how it is to be read, and prove nothing.

use boathouse_types::Provider;

/// Characters of a provider's own name of a delivery or an event.
const MAX: usize = 100;

/// A request's headers by name, in lower case.
pub type Headers<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// What the headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Who it is.
    pub provider: Provider,
    /// What it calls the event.
    pub event: String,
    /// What it calls the delivery; the same when it sends it again.
    pub key: Option<String>,
}

/// Forgejo also sends the headers of Gitea, and both those of GitHub: the most special ones count.
const EVENTS: [(&str, Provider); 5] = [
    ("x-forgejo-event", Provider::Forgejo),
    ("x-gitea-event", Provider::Gitea),
    ("x-github-event", Provider::Github),
    ("x-gitlab-event", Provider::Gitlab),
    ("x-event-key", Provider::Bitbucket),
];

impl Sender {
    /// The sender; `None` where no provider that is known here sends such headers.
    pub fn of(headers: Headers<'_>) -> Option<Self> {
        let (event, provider) = EVENTS.iter().find_map(|(name, provider)| Some((headers(name)?, *provider)))?;
        let key = keys(provider).iter().find_map(|name| headers(name)).filter(|key| !key.is_empty());
        Some(Self { provider, event: cut(event), key: key.map(cut) })
    }
}

fn keys(provider: Provider) -> &'static [&'static str] {
    match provider {
        Provider::Forgejo => &["x-forgejo-delivery", "x-gitea-delivery"],
        Provider::Gitea => &["x-gitea-delivery"],
        Provider::Github => &["x-github-delivery"],
        // The first two stay the same in retries; the last names one try.
        Provider::Gitlab => &["idempotency-key", "webhook-id", "x-gitlab-event-uuid"],
        // Cloud and Data Center.
        Provider::Bitbucket => &["x-request-uuid", "x-request-id"],
        Provider::Boathouse | Provider::Ci => &[],
    }
}

/// A line of bounded length.
pub fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_special_headers_count() {
        for (headers, provider, key) in [
            (vec![("x-github-event", "push"), ("x-github-delivery", "1")], Provider::Github, Some("1")),
            (vec![("x-github-event", "push"), ("x-gitea-event", "push")], Provider::Gitea, None),
            (
                vec![("x-gitea-event", "push"), ("x-forgejo-event", "push"), ("x-gitea-delivery", "2")],
                Provider::Forgejo,
                Some("2"),
            ),
            (vec![("x-gitlab-event", "Push Hook"), ("idempotency-key", "3")], Provider::Gitlab, Some("3")),
            (vec![("x-event-key", "repo:push"), ("x-request-uuid", "4\n5")], Provider::Bitbucket, Some("45")),
        ] {
            let find = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            let sender = Sender::of(&find).unwrap();
            assert_eq!((sender.provider, sender.key.as_deref()), (provider, key));
        }
        assert_eq!(Sender::of(&|_| None), None);
    }
}
