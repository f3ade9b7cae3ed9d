//! GitHub's webhook payloads, and those of Gitea and Forgejo, which are alike.

use boathouse_types::{Happening, HookEvent, PullRequest};
use serde_json::Value;

use super::{addresses, bare, commit, count, name, number, reference, text};

const ADDRESSES: [&str; 5] = [
    "/repository/clone_url",
    "/repository/ssh_url",
    "/repository/git_url",
    "/repository/html_url",
    "/repository/svn_url",
];

/// What an event tells.
pub fn read(event: &str, value: &Value) -> Happening {
    let mut told = match event {
        "push" => push(event, value),
        "pull_request" => pull_request(event, value),
        "ping" => bare(HookEvent::Ping, event),
        _ => bare(HookEvent::Other, event),
    };
    told.author = name(value, &["/pusher/login", "/pusher/username", "/pusher/name", "/sender/login"]);
    told.repository = addresses(value, &ADDRESSES);
    told
}

fn push(event: &str, value: &Value) -> Happening {
    let Some((kind, moved)) = text(value, "/ref").and_then(reference) else {
        return bare(HookEvent::Other, event);
    };
    // GitHub lists at most so many commits; Gitea counts them all.
    let listed = value.pointer("/commits").and_then(Value::as_array).map(|commits| commits.len() as i64);
    Happening {
        reference: Some(moved),
        before: commit(text(value, "/before")),
        after: commit(text(value, "/after")),
        commits: count(number(value, "/total_commits").or(listed)),
        ..bare(kind, event)
    }
}

fn pull_request(event: &str, value: &Value) -> Happening {
    let branch = |pointer: &str| name(value, &[pointer]).unwrap_or_default();
    let repository = |side: &str| number(value, &format!("/pull_request/{side}/repo/id"));
    let request = PullRequest {
        number: number(value, "/number").or_else(|| number(value, "/pull_request/number")).unwrap_or_default(),
        action: branch("/action"),
        head: branch("/pull_request/head/ref"),
        base: branch("/pull_request/base/ref"),
        // A repository that is gone was another one.
        fork: repository("head").is_none() || repository("head") != repository("base"),
        open: text(value, "/pull_request/state").map_or(branch("/action") != "closed", |state| state == "open"),
        updated: name(value, &["/pull_request/updated_at"]),
    };
    Happening { pull_request: Some(request), ..bare(HookEvent::PullRequest, event) }
}
