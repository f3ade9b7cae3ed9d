//! Payloads as the providers' documentations show them, shortened.

use serde_json::json;

use super::*;

const OLD: &str = "95790bf891e76fee5e1747ab589903a6a1f80f22";
const NEW: &str = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7";
const NONE: &str = "0000000000000000000000000000000000000000";

fn told(provider: Provider, event: &str, body: &Value) -> Vec<Happening> {
    let sender = Sender { provider, event: event.to_owned(), key: None };
    read(&sender, Some("application/json"), body.to_string().as_bytes()).unwrap()
}

fn shown(happening: &Happening) -> String {
    let part =
        |text: &Option<String>| text.as_deref().map_or("-".to_owned(), |text| text[..4.min(text.len())].to_owned());
    format!(
        "{} {} {}..{} {:?} by {}",
        happening.event.name(),
        happening.reference.as_deref().unwrap_or("-"),
        part(&happening.before),
        part(&happening.after),
        happening.commits,
        happening.author.as_deref().unwrap_or("-"),
    )
}

#[test]
fn pushes_and_tags_of_every_provider() {
    let github = |reference: &str, before: &str, after: &str| {
        json!({ "ref": reference, "before": before, "after": after, "commits": [{ "id": after }],
            "pusher": { "name": "ada" },
            "repository": { "clone_url": "https://github.com/ada/shop.git", "ssh_url": "git@github.com:ada/shop.git" } })
    };
    let gitlab = json!({ "object_kind": "push", "ref": "refs/heads/main", "before": OLD, "after": NEW, "total_commits_count": 42,
        "user_username": "ada", "project": { "git_http_url": "https://gitlab.com/ada/shop.git" } });
    let gitlab_tag = json!({ "object_kind": "tag_push", "ref": "refs/tags/v1", "before": NONE, "after": NEW, "user_username": "ada" });
    let cloud = json!({ "actor": { "nickname": "ada" }, "repository": { "links": { "html": { "href": "https://bitbucket.org/ada/shop" } } },
        "push": { "changes": [
            { "new": { "type": "branch", "name": "main", "target": { "hash": NEW } }, "old": { "type": "branch", "name": "main", "target": { "hash": OLD } }, "commits": [{}, {}] },
            { "new": null, "old": { "type": "branch", "name": "gone", "target": { "hash": OLD } } },
            { "new": { "type": "tag", "name": "v1", "target": { "hash": NEW } }, "old": null } ] } });
    let server = json!({ "actor": { "name": "ada" }, "repository": { "slug": "shop", "project": { "key": "KEY" } },
        "changes": [{ "ref": { "id": "refs/heads/main" }, "fromHash": OLD, "toHash": NEW, "type": "UPDATE" }] });
    for (provider, event, body, expected) in [
        (Provider::Github, "push", github("refs/heads/main", OLD, NEW), vec!["push main 9579..da15 Some(1) by ada"]),
        (Provider::Gitea, "push", github("refs/heads/a/b", NONE, NEW), vec!["push a/b -..da15 Some(1) by ada"]),
        (Provider::Forgejo, "push", github("refs/tags/v1", NONE, NEW), vec!["tag v1 -..da15 Some(1) by ada"]),
        (Provider::Github, "push", github("refs/heads/main", OLD, NONE), vec!["push main 9579..- Some(1) by ada"]),
        (Provider::Github, "push", github("refs/notes/x", OLD, NEW), vec!["other - -..- None by ada"]),
        (Provider::Github, "ping", json!({ "zen": "x" }), vec!["ping - -..- None by -"]),
        (Provider::Github, "star", json!({ "sender": { "login": "eve" } }), vec!["other - -..- None by eve"]),
        (Provider::Gitlab, "Push Hook", gitlab, vec!["push main 9579..da15 Some(42) by ada"]),
        (Provider::Gitlab, "Tag Push Hook", gitlab_tag, vec!["tag v1 -..da15 None by ada"]),
        (
            Provider::Bitbucket,
            "repo:push",
            cloud,
            vec!["push main 9579..da15 Some(2) by ada", "push gone 9579..- None by ada", "tag v1 -..da15 None by ada"],
        ),
        (Provider::Bitbucket, "repo:refs_changed", server, vec!["push main 9579..da15 None by ada"]),
        (Provider::Bitbucket, "diagnostics:ping", json!({ "test": true }), vec!["ping - -..- None by -"]),
    ] {
        let found = told(provider, event, &body);
        assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected, "{provider:?} {event}");
    }
}

#[test]
fn pull_requests_and_their_forks() {
    let github = |head: i64| {
        json!({ "action": "opened", "number": 7, "pull_request": {
            "head": { "ref": "feature", "repo": { "id": head } }, "base": { "ref": "main", "repo": { "id": 1 } } } })
    };
    let gitlab = json!({ "object_kind": "merge_request", "object_attributes": { "iid": 7, "action": "opened",
        "source_branch": "feature", "target_branch": "main", "source_project_id": 2, "target_project_id": 1 } });
    let cloud = json!({ "pullrequest": { "id": 7,
        "source": { "branch": { "name": "feature" }, "repository": { "full_name": "ada/shop" } },
        "destination": { "branch": { "name": "main" }, "repository": { "full_name": "ada/shop" } } } });
    for (provider, event, body, action, fork) in [
        (Provider::Github, "pull_request", github(1), "opened", false),
        (Provider::Gitea, "pull_request", github(2), "opened", true),
        (Provider::Gitlab, "Merge Request Hook", gitlab, "opened", true),
        (Provider::Bitbucket, "pullrequest:created", cloud, "created", false),
    ] {
        let found = told(provider, event, &body).remove(0);
        let expected = boathouse_types::PullRequest {
            number: 7,
            action: action.into(),
            head: "feature".into(),
            base: "main".into(),
            fork,
            open: true,
            updated: None,
        };
        assert_eq!((found.event, found.pull_request), (HookEvent::PullRequest, Some(expected)), "{provider:?}");
    }
    let attributes = |state: &str| json!({ "iid": 7, "state": state, "updated_at": "2026-11-30T10:00:00Z" });
    for (provider, event, body, open, updated) in [
        (Provider::Github, "pull_request", json!({ "action": "closed", "pull_request": {} }), false, None),
        (
            Provider::Forgejo,
            "pull_request",
            json!({ "pull_request": { "state": "open", "updated_at": "2026-11-30T10:00:00Z" } }),
            true,
            Some("2026-11-30T10:00:00Z"),
        ),
        (
            Provider::Gitlab,
            "Merge Request Hook",
            json!({ "object_kind": "merge_request", "object_attributes": attributes("merged") }),
            false,
            Some("2026-11-30T10:00:00Z"),
        ),
        (Provider::Bitbucket, "pullrequest:fulfilled", json!({ "pullrequest": { "id": 7 } }), false, None),
        (
            Provider::Bitbucket,
            "pr:modified",
            json!({ "pullRequest": { "id": 7, "state": "OPEN", "updatedDate": 1_796_000_000_000_i64 } }),
            true,
            Some("1796000000000"),
        ),
    ] {
        let request = told(provider, event, &body).remove(0).pull_request.unwrap();
        assert_eq!((request.open, request.updated.as_deref()), (open, updated), "{provider:?} {event}");
    }
    // The fork may be gone by now: it is taken for one all the same.
    let gone = json!({ "pull_request": { "head": { "repo": null }, "base": { "repo": { "id": 1 } } } });
    assert!(told(Provider::Github, "pull_request", &gone)[0].pull_request.as_ref().unwrap().fork);
}

#[test]
fn forms_are_read_and_nonsense_is_refused() {
    let sender = Sender { provider: Provider::Github, event: "push".into(), key: None };
    let form = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D";
    let found = read(&sender, Some("application/x-www-form-urlencoded"), form.as_bytes()).unwrap();
    assert_eq!(found[0].reference.as_deref(), Some("main"));
    for (kind, body) in [
        ("application/json", "{"),
        ("application/json", ""),
        ("application/x-www-form-urlencoded", "x=1"),
        ("application/x-www-form-urlencoded", "payload=%7B"),
    ] {
        assert!(read(&sender, Some(kind), body.as_bytes()).is_err(), "{kind} {body}");
    }
    // Of any shape, without a panic; long texts are cut or left out.
    for body in ["null", "[]", "7", "{\"ref\":7}", "{\"ref\":\"refs/heads/\"}", "{\"push\":{\"changes\":[1,null]}}"] {
        for provider in [Provider::Github, Provider::Gitlab, Provider::Bitbucket] {
            for event in ["push", "pull_request", "repo:push", "pr:opened", "repo:refs_changed"] {
                let sender = Sender { provider, event: event.into(), key: None };
                read(&sender, None, body.as_bytes()).unwrap();
            }
        }
    }
    let long = json!({ "ref": format!("refs/heads/{}", "a".repeat(300)) });
    assert_eq!(told(Provider::Github, "push", &long)[0].event, HookEvent::Other);
    let many: Vec<Value> = (0..100).map(|_| json!({ "ref": { "id": "refs/heads/a" } })).collect();
    assert_eq!(told(Provider::Bitbucket, "repo:refs_changed", &json!({ "changes": many })).len(), MAX_CHANGES);
}
