//! How a hook is given to a git host: the steps of each, in its own words.

use leptos::prelude::*;

use crate::components::*;

/// (value, name, where to go, what to fill in).
const HOSTS: [(&str, &str, &str, &[&str]); 5] = [
    (
        "github",
        "GitHub",
        "Settings → Webhooks → Add webhook",
        &[
            "Payload URL: the address above",
            "Content type: application/json",
            "Secret: the secret above",
            "Which events: Just the push event",
        ],
    ),
    (
        "gitlab",
        "GitLab",
        "Settings → Webhooks → Add new webhook",
        &[
            "URL: the address above",
            "Signing token: the secret above; in versions that have none, Secret token",
            "Trigger: Push events and Tag push events",
        ],
    ),
    (
        "bitbucket",
        "Bitbucket",
        "Repository settings → Webhooks → Add webhook",
        &["URL: the address above", "Secret: the secret above", "Triggers: Repository push"],
    ),
    (
        "gitea",
        "Gitea",
        "Settings → Webhooks → Add webhook → Gitea",
        &[
            "Target URL: the address above",
            "HTTP method POST, content type application/json",
            "Secret: the secret above",
            "Trigger on: Push events",
        ],
    ),
    (
        "forgejo",
        "Forgejo, Codeberg",
        "Settings → Webhooks → Add webhook → Forgejo",
        &[
            "Target URL: the address above",
            "HTTP method POST, content type application/json",
            "Secret: the secret above",
            "Trigger on: Push events",
        ],
    ),
];

#[component]
pub fn SetUp(source: String) -> impl IntoView {
    let host = RwSignal::new(likely(&source).to_owned());
    let options = HOSTS.map(|(value, name, ..)| (value.to_owned(), name.to_owned())).to_vec();
    let steps = move || {
        let chosen = host.get();
        HOSTS.iter().find(|(value, ..)| *value == chosen).map(|(_, _, place, fields)| {
            let fields = fields.iter().map(|field| view! { <li>{*field}</li> }).collect_view();
            view! { <ol class="steps"><li>"In the repository: "<strong>{*place}</strong></li>{fields}<li>"Push. What was told, and what became of it, is below."</li></ol> }
        })
    };
    view! {
        <div class="narrow"><Choice label="Set it up at" value=host options=Signal::stored(options)/></div>
        {steps}
    }
}

/// The host that an address looks like; GitHub where it says nothing.
fn likely(source: &str) -> &'static str {
    let source = source.to_lowercase();
    let known = [("codeberg", "forgejo"), ("forgejo", "forgejo"), ("gitea", "gitea"), ("gitlab", "gitlab")];
    let known = known.iter().chain(&[("bitbucket", "bitbucket"), ("stash", "bitbucket")]);
    known.into_iter().find(|(part, _)| source.contains(part)).map_or("github", |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_its_host() {
        for (source, host) in [
            ("git@github.com:ada/shop.git", "github"),
            ("https://gitlab.example.com/a/b", "gitlab"),
            ("https://codeberg.org/a/b", "forgejo"),
            ("https://git.example.com/a/b", "github"),
        ] {
            assert_eq!(likely(source), host, "{source}");
            assert!(HOSTS.iter().any(|(value, ..)| *value == host));
        }
    }
}
