//! GitLab's webhook payloads.

use boathouse_types::{Happening, HookEvent, PullRequest};
use serde_json::Value;

use super::{addresses, bare, commit, count, name, number, reference, text};

const ADDRESSES: [&str; 5] = [
    "/project/git_http_url",
    "/project/git_ssh_url",
    "/project/web_url",
    "/repository/git_http_url",
    "/repository/git_ssh_url",
];

/// What an event tells.
pub fn read(event: &str, value: &Value) -> Happening {
    let mut told = match text(value, "/object_kind").unwrap_or_default() {
        "push" | "tag_push" => push(event, value),
        "merge_request" => merge_request(event, value),
        _ => bare(HookEvent::Other, event),
    };
    told.author = name(value, &["/user_username", "/user/username", "/user_name"]);
    told.repository = addresses(value, &ADDRESSES);
    told
}

fn push(event: &str, value: &Value) -> Happening {
    let Some((kind, moved)) = text(value, "/ref").and_then(reference) else {
        return bare(HookEvent::Other, event);
    };
    Happening {
        reference: Some(moved),
        before: commit(text(value, "/before")),
        after: commit(text(value, "/after")),
        commits: count(number(value, "/total_commits_count")),
        ..bare(kind, event)
    }
}

fn merge_request(event: &str, value: &Value) -> Happening {
    let word = |pointer: &str| name(value, &[pointer]).unwrap_or_default();
    let project = |side: &str| number(value, &format!("/object_attributes/{side}_project_id"));
    let request = PullRequest {
        number: number(value, "/object_attributes/iid").unwrap_or_default(),
        action: word("/object_attributes/action"),
        head: word("/object_attributes/source_branch"),
        base: word("/object_attributes/target_branch"),
        fork: project("source").is_none() || project("source") != project("target"),
        open: match text(value, "/object_attributes/state") {
            Some(state) => matches!(state, "opened" | "locked"),
            None => !matches!(word("/object_attributes/action").as_str(), "close" | "merge"),
        },
        updated: name(value, &["/object_attributes/updated_at"]),
    };
    Happening { pull_request: Some(request), ..bare(HookEvent::PullRequest, event) }
}
