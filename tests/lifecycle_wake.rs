//! Timed deployments: they stop by themselves, and wake when somebody who may comes.

use boathouse::db::Db;
use boathouse::lifecycle::expiry;
use boathouse_types::*;
use serde_json::json;

use crate::api_desk::Desk;
use crate::harness::{Client, Server, app, at, seconds, upload, wait_for};

const HOUR: i64 = 3_600_000;

fn hours_left(deployment: &Deployment) -> Option<i64> {
    deployment.expires_at.map(|at| (at - boathouse::clock::now() + HOUR / 2) / HOUR)
}

#[tokio::test]
async fn a_time_begins_with_each_start_and_ends_by_itself() {
    let desk = Desk::open();
    let local = desk.local();
    let shop = local.create_project("shop", &upload()).await;
    assert_eq!((shop.deployments[0].lifetime, shop.deployments[0].expires_at), (Lifetime::Forever, None));
    let new = json!({ "name": "dev", "stage": "development" });
    let made: Deployment = local.post("/api/v1/projects/shop/deployments", &new).await.json();
    assert_eq!((made.lifetime, hours_left(&made), made.wake), (Lifetime::Long, Some(12), Wake::Owner));
    let path = at("shop", "dev");
    let less: Deployment = local.post(&format!("{path}/extend"), &json!({ "lifetime": "1h" })).await.json();
    assert_eq!((less.lifetime, hours_left(&less)), (Lifetime::Hour, Some(1)));
    let stopped: Deployment = local.post(&format!("{path}/stop"), &()).await.json();
    assert_eq!(stopped.expires_at, None);
    let refused = local.post(&format!("{path}/extend"), &json!({})).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["does not run", "Start it"]);
    let started: Deployment = local.post(&format!("{path}/start"), &()).await.json();
    assert_eq!(hours_left(&started), Some(1));
    let bad = local.post(&format!("{path}/extend"), &json!({ "lifetime": "2h" })).await;
    assert_eq!(bad.error().kind, ErrorKind::Invalid);

    assert_eq!(expiry::stop_due(&desk.app).await.unwrap(), started.expires_at, "the task sleeps until then");
    assert_eq!(local.deployment("shop", "dev").await.intent, Intent::Running);
    let sql = "update deployment set expires_at = 1 where name = 'dev'";
    desk.app.db.write_blocking(|tx| Ok(tx.execute_batch(sql)?)).unwrap();
    assert_eq!(expiry::stop_due(&desk.app).await.unwrap(), None);
    let ended = local.deployment("shop", "dev").await;
    assert_eq!((ended.intent, ended.expires_at), (Intent::Stopped, None));
    let events: Vec<Event> = local.read("/api/v1/events?project=shop&deployment=dev&limit=1").await;
    assert_eq!((events[0].kind.as_str(), events[0].actor.as_str()), ("deployment.expired", "system"));
    let forever: Deployment = local.patch(&path, &json!({ "lifetime": "forever" })).await.json();
    assert_eq!(forever.lifetime, Lifetime::Forever);
    let started: Deployment = local.post(&format!("{path}/start"), &()).await.json();
    assert_eq!(started.expires_at, None);
}

#[tokio::test]
async fn what_sleeps_is_woken_by_those_who_may() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("one").archive()).await;
    let path = at("shop", "production");
    local.patch(&path, &json!({ "lifetime": "1h" })).await.ok();
    let (client, root) = (server.visitor().await, server.url("shop.localhost", "/"));
    let page = async || client.get(&root).header("accept", "text/html").send().await.unwrap();
    let ring = async || client.post(server.url("shop.localhost", "/.boathouse/wake")).send().await.unwrap().status();

    // Its time ends.
    let db = Db::open(&server.data().join("boathouse.db"), &server.data().join("backups")).unwrap();
    db.write(|tx| Ok(tx.execute_batch("update deployment set expires_at = 1")?)).await.unwrap();
    local.patch(&path, &json!({ "display_name": "so that it looks" })).await.ok();
    wait_for(seconds(20), "it sleeps", || async { (page().await.status() == 503).then_some(()) }).await;
    let closed = page().await.text().await.unwrap();
    assert!(closed.contains("Its owner can start it") && !closed.contains("<form"), "{closed}");
    assert_eq!(ring().await, 503, "visitors may not");
    assert_eq!(local.deployment("shop", "production").await.intent, Intent::Stopped);

    local.patch(&path, &json!({ "wake": "visitors" })).await.ok();
    wait_for(seconds(20), "the page has its button", || async {
        let answer = page().await;
        let again = answer.headers().get("retry-after").is_some();
        let text = answer.text().await.unwrap();
        (again && text.contains("<form method=\"post\" action=\"/.boathouse/wake\">")).then_some(())
    })
    .await;
    assert_eq!(client.get(server.url("shop.localhost", "/.boathouse/wake")).send().await.unwrap().status(), 503);
    assert_eq!(local.deployment("shop", "production").await.intent, Intent::Stopped, "looking wakes nobody");
    assert_eq!(ring().await, 202);
    wait_for(seconds(30), "it serves", || async {
        (server.visit("shop.localhost", "/").await.text() == "one").then_some(())
    })
    .await;
    let awake = local.deployment("shop", "production").await;
    assert_eq!((awake.intent, hours_left(&awake)), (Intent::Running, Some(1)));
    let events: Vec<Event> = local.read("/api/v1/events?project=shop&limit=20").await;
    let woken = events.iter().find(|event| event.kind == "deployment.woken").unwrap();
    assert_eq!(woken.actor, "visitor");

    let said = server.cli(&["extend", "-p", "shop", "--for", "8h"]).await.ok().stdout;
    assert!(said.contains("runs until"), "{said}");
    assert_eq!(hours_left(&local.deployment("shop", "production").await), Some(8));
}
