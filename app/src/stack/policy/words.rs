//! A policy in words: for plans, for the list of domains, and for the console.

use std::collections::BTreeMap;

use boathouse_types::resources::memory_words;

use super::{EdgePolicy, HeaderEdits};

impl EdgePolicy {
    /// What holds, by the key of the manifest: `redirects` → `/a → /b (308)`.
    pub fn by_name(&self) -> BTreeMap<&'static str, String> {
        let list = |all: Vec<String>| (!all.is_empty()).then(|| all.join(", "));
        let limits = &self.limits;
        let rate = limits.rate.map(|rate| format!("{} from a client, {} at once", rate.words(), limits.burst(rate)));
        let auth = self.auth.as_ref().map(|auth| {
            let users: Vec<&str> = auth.users.keys().map(String::as_str).collect();
            let passed = if auth.pass_on { "; the component gets the Authorization field" } else { "" };
            format!("{}{passed}", users.join(", "))
        });
        let all = [
            ("response headers", edits(&self.headers.response)),
            ("request headers", edits(&self.headers.request)),
            ("redirects", list(self.redirects.iter().map(ToString::to_string).collect())),
            ("body limit", limits.body_bytes.map(memory_words)),
            ("rate limit", rate),
            ("allowed networks", list(limits.allow.iter().map(ToString::to_string).collect())),
            ("sign-in", auth),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The same as sentences.
    pub fn words(&self) -> Vec<String> {
        self.by_name().into_iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }
}

fn edits(edits: &HeaderEdits) -> Option<String> {
    let set = edits.set.iter().map(|(name, value)| format!("{name}: {value}"));
    let all: Vec<String> = set.chain(edits.remove.iter().map(|name| format!("no {name}"))).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
