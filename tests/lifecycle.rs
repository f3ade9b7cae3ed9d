//! What becomes of projects and deployments as a whole, told at the API: deleted, restored, renamed, duplicated, moved.

use boathouse::db::{deployment, volume};
use boathouse::lifecycle::recycle;
use boathouse_types::*;
use serde_json::json;

use crate::api_desk::Desk;
use crate::harness::{Client, at, upload};

const SHOP: &str = "/api/v1/projects/shop";

async fn shop(desk: &Desk) -> Client {
    let local = desk.local();
    local.create_project("shop", &upload()).await;
    local.post(&format!("{SHOP}/deployments"), &json!({ "name": "staging", "stage": "staging" })).await.ok();
    local
}

async fn recycled(local: &Client) -> Vec<String> {
    let all: Vec<Project> = local.read("/api/v1/projects?deleted=true").await;
    let of = |p: &Project| p.deployments.iter().map(|d| format!("{}/{}", d.project, d.name)).collect::<Vec<_>>();
    all.iter().flat_map(of).collect()
}

/// As time does.
fn let_periods_end(desk: &Desk) {
    let sql = "update deployment set recycled_until = 1 where recycled_at is not null;
               update project set recycled_until = 1 where recycled_at is not null";
    desk.app.db.write_blocking(|tx| Ok(tx.execute_batch(sql)?)).unwrap();
}

#[tokio::test]
async fn a_deleted_deployment_keeps_everything_until_its_period_ends() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let path = at("shop", "staging");
    local.put(&format!("{path}/env"), &json!({ "variables": [{ "key": "A", "value": "1" }] })).await.ok();
    let host = json!({ "name": "app.test", "component": "web" });
    local.post(&format!("{path}/hosts"), &host).await.ok();
    let id = desk.app.db.read_blocking(|c| Ok(deployment::find(c, &"shop".parse()?, &"staging".parse()?)?.id)).unwrap();
    desk.app.db.write_blocking(|tx| volume::record(tx, id, &"data".parse()?, "bh-x-data")).unwrap();

    let told: Deletion = local.read(&format!("{path}/deletion")).await;
    let deleted: Deletion = local.delete(&format!("{path}?confirm=staging")).await.json();
    assert_eq!(deleted.losses, told.losses);
    let loss = &deleted.losses[0];
    assert_eq!((loss.volumes[0].identifier.as_str(), loss.variables, loss.hosts[0].as_str()), ("data", 1, "app.test"));
    let week = 7 * 24 * 3600 * 1000;
    assert!((week - 60_000..=week + 60_000).contains(&(deleted.until.unwrap() - boathouse::clock::now())));

    Client::expect_error(&local.get(&path).await, ErrorKind::NotFound, &["was deleted", "boathouse undelete"]);
    Client::expect_error(&local.post(&format!("{path}/start"), &()).await, ErrorKind::NotFound, &["was deleted"]);
    let again = local.post(&format!("{SHOP}/deployments"), &json!({ "name": "staging" })).await;
    Client::expect_error(&again, ErrorKind::Conflict, &["can be restored until", "--now"]);
    let taken = local.post(&format!("{}/hosts", at("shop", "production")), &host).await;
    Client::expect_error(&taken, ErrorKind::Conflict, &["shop/staging"]);
    let twice = local.delete(&format!("{path}?confirm=staging")).await;
    Client::expect_error(&twice, ErrorKind::Conflict, &["deleted already", "now=true"]);
    assert_eq!(recycled(&local).await, ["shop/staging"]);

    let back: Deployment = local.post(&format!("{path}/restore"), &()).await.json();
    assert_eq!((back.intent, back.recycled, back.hosts.len()), (Intent::Running, None, 1));
    let twice = local.post(&format!("{path}/restore"), &()).await;
    Client::expect_error(&twice, ErrorKind::Conflict, &["is not deleted"]);

    local.post(&format!("{path}/stop"), &()).await.ok();
    local.delete(&format!("{path}?confirm=staging")).await.ok();
    let back: Deployment = local.post(&format!("{path}/restore"), &()).await.json();
    assert_eq!(back.intent, Intent::Stopped, "what was stopped comes back stopped");

    local.delete(&format!("{path}?confirm=staging")).await.ok();
    let next = recycle::end_due(&desk.app).await.unwrap();
    assert!(next.unwrap() > boathouse::clock::now(), "its task sleeps until then");
    assert_eq!(recycled(&local).await, ["shop/staging"]);
    let_periods_end(&desk);
    assert_eq!(recycle::end_due(&desk.app).await.unwrap(), None);
    assert_eq!(recycled(&local).await, Vec::<String>::new());
    let row = desk.app.db.read_blocking(|c| deployment::by_id(c, id)).unwrap();
    assert_eq!(row.intent, Intent::Deleted, "from here on it is removed as ever");
    Client::expect_error(&local.post(&format!("{path}/restore"), &()).await, ErrorKind::NotFound, &["staging"]);
    let kinds: Vec<Event> = local.read("/api/v1/events?project=shop&deployment=staging&limit=2").await;
    assert_eq!(kinds[0].kind, "deployment.ended");
}

#[tokio::test]
async fn a_restored_project_brings_back_what_was_deleted_with_it() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    local.post(&format!("{SHOP}/deployments"), &json!({ "name": "old" })).await.ok();
    local.delete(&format!("{}?confirm=old", at("shop", "old"))).await.ok();
    let deleted: Deletion = local.delete(&format!("{SHOP}?confirm=shop")).await.json();
    assert_eq!(deleted.losses.len(), 2);
    Client::expect_error(&local.get(SHOP).await, ErrorKind::NotFound, &["project undelete shop"]);
    let again = local.post("/api/v1/projects", &json!({ "name": "shop", "source": { "kind": "upload" } })).await;
    Client::expect_error(&again, ErrorKind::Conflict, &["can be restored", "--now"]);
    assert_eq!(recycled(&local).await, ["shop/production", "shop/staging", "shop/old"]);
    let alone = local.post(&format!("{}/restore", at("shop", "old")), &()).await;
    Client::expect_error(&alone, ErrorKind::Conflict, &["whole project", "undelete shop"]);

    let back: Project = local.post(&format!("{SHOP}/restore"), &()).await.json();
    let names: Vec<&str> = back.deployments.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["production", "staging"], "what was deleted before it stays deleted");
    assert_eq!(recycled(&local).await, ["shop/old"]);

    local.delete(&format!("{SHOP}?confirm=shop")).await.ok();
    let now: Deletion = local.delete(&format!("{SHOP}?confirm=shop&now=true")).await.json();
    assert_eq!(now.until, None);
    assert_eq!(recycled(&local).await, Vec::<String>::new());
    Client::expect_error(&local.post(&format!("{SHOP}/restore"), &()).await, ErrorKind::NotFound, &["shop"]);
}

#[tokio::test]
async fn what_is_protected_cannot_be_deleted() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let path = at("shop", "production");
    let kept: Deployment = local.patch(&path, &json!({ "protected": true })).await.json();
    assert!(kept.protected);
    for target in [&format!("{path}?confirm=production"), &format!("{SHOP}?confirm=shop&now=true")] {
        Client::expect_error(&local.delete(target).await, ErrorKind::Conflict, &["shop/production", "--unprotect"]);
    }
    local.patch(&path, &json!({ "protected": false })).await.ok();
    local.delete(&format!("{path}?confirm=production")).await.ok();
}

#[tokio::test]
async fn a_display_name_changes_no_identifier() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let path = at("shop", "staging");
    let named: Deployment = local.patch(&path, &json!({ "display_name": " Try it \u{1f6f6} " })).await.json();
    assert_eq!((named.name.as_str(), named.display_name.unwrap().as_str()), ("staging", "Try it \u{1f6f6}"));
    let named: Deployment = local.patch(&path, &json!({ "display_name": "" })).await.json();
    assert_eq!(named.display_name, None);
    let bad = local.patch(&path, &json!({ "display_name": "a\nb" })).await;
    assert_eq!(bad.error().kind, ErrorKind::Invalid);
    let named: Project = local.patch(SHOP, &json!({ "display_name": "The Shop" })).await.json();
    assert_eq!((named.name.as_str(), named.display_name.unwrap().as_str()), ("shop", "The Shop"));
}

#[tokio::test]
async fn a_stage_changes_between_releases_and_only_code_is_developed() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let path = at("shop", "staging");
    let changed: Deployment = local.patch(&path, &json!({ "stage": "preview", "branch": "next" })).await.json();
    assert_eq!((changed.stage, changed.branch.unwrap().as_str()), (DeploymentStage::Preview, "next"));
    let events: Vec<Event> = local.read("/api/v1/events?project=shop&deployment=staging&limit=1").await;
    assert!(events[0].message.contains("for preview") && events[0].message.contains("next"), "{events:?}");
    let image = json!({ "source": { "kind": "image", "image": "nginx:1" } });
    local.patch(SHOP, &image).await.ok();
    let refused = local.patch(&path, &json!({ "stage": "development" })).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["no code", "git repository"]);
    local.post(&format!("{path}/releases"), &json!({})).await.ok();
    let refused = local.patch(&path, &json!({ "stage": "staging" })).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["release #1 is queued"]);
}

#[tokio::test]
async fn a_duplicate_has_the_configuration_and_none_of_the_data() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let git = json!({ "source": { "kind": "git", "url": "https://example.com/a.git" } });
    local.patch(SHOP, &git).await.ok();
    let key = local.post(&format!("{SHOP}/deploy-key"), &()).await.json::<Project>().deploy_key;
    let staging = at("shop", "staging");
    local.patch(&staging, &json!({ "branch": "next", "display_name": "Try it" })).await.ok();
    let variables =
        json!({ "variables": [{ "key": "A", "value": "s3cret" }, { "key": "B", "value": "b", "secret": false }] });
    local.put(&format!("{staging}/env"), &variables).await.ok();
    local.post(&format!("{staging}/hosts"), &json!({ "name": "app.test", "component": "web" })).await.ok();

    let made: Project = local.post(&format!("{SHOP}/duplicate"), &json!({ "name": "store" })).await.json();
    assert_eq!((made.deploy_key, made.deployments.len()), (key, 2));
    let copy = made.deployments.iter().find(|d| d.name.as_str() == "staging").unwrap();
    assert_eq!((copy.stage, copy.branch.as_ref().unwrap().as_str()), (DeploymentStage::Staging, "next"));
    assert_eq!((copy.hosts.len(), copy.live.is_none()), (0, true), "a host belongs to one deployment");
    let shown: Vec<EnvVar> = local.read(&format!("{}/env", at("store", "staging"))).await;
    assert_eq!(shown.iter().map(|v| v.value.as_deref()).collect::<Vec<_>>(), [None, Some("b")]);
    let opened = desk.app.db.read_blocking(|c| {
        let id = deployment::find(c, &"store".parse()?, &"staging".parse()?)?.id;
        let row = boathouse::db::env::list(c, id)?.remove(0);
        boathouse::snapshot::open_variable(&desk.app.key, id, &row)
    });
    assert_eq!(opened.unwrap(), "s3cret", "sealed for its new place");
    let taken = local.post(&format!("{SHOP}/duplicate"), &json!({ "name": "store" })).await;
    Client::expect_error(&taken, ErrorKind::Conflict, &["store"]);
}

#[tokio::test]
async fn a_moved_deployment_and_its_successor_never_share_a_name() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    local.create_project("store", &upload()).await;
    let path = at("shop", "production");
    let there = local.post(&format!("{path}/move"), &json!({ "project": "store" })).await;
    Client::expect_error(&there, ErrorKind::Conflict, &["production"]);
    let same = local.post(&format!("{path}/move"), &json!({ "project": "shop" })).await;
    Client::expect_error(&same, ErrorKind::Conflict, &["there already"]);
    let nowhere = local.post(&format!("{path}/move"), &json!({ "project": "nowhere" })).await;
    assert_eq!(nowhere.error().kind, ErrorKind::NotFound);

    let moved: Deployment =
        local.post(&format!("{path}/move"), &json!({ "project": "store", "name": "two" })).await.json();
    assert_eq!((moved.project.as_str(), moved.name.as_str()), ("store", "two"));
    assert_eq!(local.get(&path).await.status, 404);
    local.post(&format!("{SHOP}/deployments"), &json!({ "name": "production" })).await.ok();
    let slugs = desk.app.db.read_blocking(|c| {
        Ok(deployment::all(c)?
            .into_iter()
            .map(|row| (format!("{}/{}", row.project, row.name), row.slug))
            .collect::<Vec<_>>())
    });
    let slugs = slugs.unwrap();
    let of = |name: &str| slugs.iter().find(|(whole, _)| whole == name).unwrap().1.as_str();
    assert_eq!(of("store/two"), "shop-production");
    assert!(of("shop/production").starts_with("shop-production_"), "{slugs:?}");
    let events: Vec<Event> = local.read("/api/v1/events?project=store&deployment=two&limit=1").await;
    assert!(events[0].message.contains("shop/production to store/two"), "{events:?}");
}

#[tokio::test]
async fn names_that_add_up_to_the_same_are_told_apart() {
    let desk = Desk::open();
    let local = desk.local();
    for (project, name) in [("a-b", "c"), ("a", "b-c")] {
        local.create_project(project, &upload()).await;
        local.post(&format!("/api/v1/projects/{project}/deployments"), &json!({ "name": name })).await.ok();
    }
    let mut slugs: Vec<String> =
        desk.app.db.read_blocking(|c| Ok(deployment::all(c)?.into_iter().map(|row| row.slug).collect())).unwrap();
    let count = slugs.len();
    slugs.sort();
    slugs.dedup();
    assert_eq!(slugs.len(), count);
}

#[tokio::test]
async fn only_what_was_live_elsewhere_in_the_project_is_promoted() {
    let desk = Desk::open();
    let local = shop(&desk).await;
    let promote = format!("{}/releases/promote", at("shop", "production"));
    let from = |deployment: &str| json!({ "from": { "deployment": deployment } });
    Client::expect_error(&local.post(&promote, &from("staging")).await, ErrorKind::Conflict, &["staging", "no live"]);
    Client::expect_error(&local.post(&promote, &from("nowhere")).await, ErrorKind::NotFound, &["nowhere"]);
    local.patch(SHOP, &json!({ "source": { "kind": "image", "image": "nginx:1" } })).await.ok();
    local.post(&format!("{}/releases", at("shop", "staging")), &json!({})).await.ok();
    let never = json!({ "from": { "deployment": "staging", "number": 1 } });
    Client::expect_error(&local.post(&promote, &never).await, ErrorKind::Conflict, &["#1", "never live"]);
}
