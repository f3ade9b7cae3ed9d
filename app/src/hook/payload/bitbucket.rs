//! Bitbucket's webhook payloads: Cloud and Data Center share the headers and little else. One push may tell of several branches.

use boathouse_types::{Happening, HookEvent, PullRequest};
use serde_json::Value;

use super::{bare, bounded, commit, count, first, name, number, reference, text};

/// What an event tells: one happening per branch or tag.
pub fn read(event: &str, value: &Value) -> Vec<Happening> {
    let mut told = match event {
        "repo:push" => changes(value, "/push/changes", |change| cloud_change(event, change)),
        "repo:refs_changed" => changes(value, "/changes", |change| server_change(event, change)),
        "diagnostics:ping" => vec![bare(HookEvent::Ping, event)],
        _ if event.starts_with("pullrequest:") || event.starts_with("pr:") => vec![pull_request(event, value)],
        _ => vec![bare(HookEvent::Other, event)],
    };
    let author = name(value, &["/actor/nickname", "/actor/name", "/actor/display_name", "/actor/displayName"]);
    let repository = addresses(value);
    for one in &mut told {
        one.author.clone_from(&author);
        one.repository.clone_from(&repository);
    }
    told
}

fn changes(value: &Value, pointer: &str, read: impl Fn(&Value) -> Happening) -> Vec<Happening> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten().map(read).collect()
}

fn cloud_change(event: &str, change: &Value) -> Happening {
    let moved = first(change, &["/new/name", "/old/name"]).map(str::to_owned);
    let kind = match first(change, &["/new/type", "/old/type"]) {
        Some("tag" | "annotated_tag") => HookEvent::Tag,
        Some("branch" | "named_branch") => HookEvent::Push,
        _ => HookEvent::Other,
    };
    let listed = change.pointer("/commits").and_then(Value::as_array).map(|commits| commits.len() as i64);
    Happening {
        reference: moved,
        before: commit(text(change, "/old/target/hash")),
        after: commit(text(change, "/new/target/hash")),
        commits: count(listed),
        ..bare(kind, event)
    }
}

fn server_change(event: &str, change: &Value) -> Happening {
    let Some((kind, moved)) = text(change, "/ref/id").or_else(|| text(change, "/refId")).and_then(reference) else {
        return bare(HookEvent::Other, event);
    };
    Happening {
        reference: Some(moved),
        before: commit(text(change, "/fromHash")),
        after: commit(text(change, "/toHash")),
        ..bare(kind, event)
    }
}

fn pull_request(event: &str, value: &Value) -> Happening {
    let word = |pointers: &[&str]| name(value, pointers).unwrap_or_default();
    let repository = |cloud: &str, server: &str| {
        let id = number(value, server).map(|id| id.to_string());
        text(value, cloud).map(str::to_owned).or(id)
    };
    let head = repository("/pullrequest/source/repository/full_name", "/pullRequest/fromRef/repository/id");
    let base = repository("/pullrequest/destination/repository/full_name", "/pullRequest/toRef/repository/id");
    // Cloud, then Data Center.
    let is_end = ["fulfilled", "rejected", "merged", "declined", "deleted"].iter().any(|end| event.ends_with(end));
    let request = PullRequest {
        number: number(value, "/pullrequest/id").or_else(|| number(value, "/pullRequest/id")).unwrap_or_default(),
        action: event.split_once(':').map_or(event, |(_, action)| action).to_owned(),
        head: word(&["/pullrequest/source/branch/name", "/pullRequest/fromRef/displayId"]),
        base: word(&["/pullrequest/destination/branch/name", "/pullRequest/toRef/displayId"]),
        fork: head.is_none() || head != base,
        open: first(value, &["/pullrequest/state", "/pullRequest/state"]).map_or(!is_end, |state| state == "OPEN"),
        updated: name(value, &["/pullrequest/updated_on"])
            .or_else(|| number(value, "/pullRequest/updatedDate").map(|millis| millis.to_string())),
    };
    Happening { pull_request: Some(request), ..bare(HookEvent::PullRequest, event) }
}

/// Data Center names a project's key and a slug where it gives no links.
fn addresses(value: &Value) -> Vec<String> {
    let base = value.pointer("/pullRequest/toRef/repository");
    let Some(repository) = value.pointer("/repository").or(base) else { return Vec::new() };
    let mut found: Vec<String> = text(repository, "/links/html/href").map(str::to_owned).into_iter().collect();
    let clone = repository.pointer("/links/clone").and_then(Value::as_array).into_iter().flatten();
    found.extend(clone.filter_map(|link| text(link, "/href")).map(str::to_owned));
    if found.is_empty()
        && let (Some(key), Some(slug)) = (text(repository, "/project/key"), text(repository, "/slug"))
    {
        found.push(format!("{key}/{slug}"));
    }
    bounded(found.into_iter())
}
