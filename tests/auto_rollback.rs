//! A release that answers worse than the one before it is rolled back by itself, and says why.

use boathouse_types::*;
use serde_json::json;

use crate::harness::{Client, Server, app, at, seconds, upload, wait_for};

/// More than it takes to tell.
const REQUESTS: usize = 30;

async fn visit(server: &Server) {
    let visitor = Client::over_https("shop.localhost", server.https(), &server.root().await);
    for _ in 0..REQUESTS {
        visitor.get("/").await;
    }
}

async fn ask(server: &Server, version: &str, status: &str) -> Release {
    let local = server.local();
    local.upload("shop", app(version).with("--status", status).archive()).await
}

/// The one that has taken the place of the broken one.
async fn rolled_back(server: &Server) -> Release {
    let local = server.local();
    wait_for(seconds(60), "it is rolled back", || async {
        let live = local.deployment("shop", "production").await.live?;
        matches!(live.trigger, Trigger::Rollback { .. }).then_some(live)
    })
    .await
}

#[tokio::test]
async fn a_release_that_answers_with_errors_is_rolled_back_and_says_why() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("one").archive()).await;
    visit(&server).await;

    server.cli(&["deployment", "change", "-p", "shop", "--auto-rollback", "off"]).await.ok();
    let broken = ask(&server, "two", "500").await;
    let broken = local.must_be_live(local.ended(&broken).await).await;
    visit(&server).await;
    assert_eq!(local.release(&broken).await.rolled_back, None, "nobody wants that");
    let refused = server.cli(&["deployment", "change", "-p", "shop", "--auto-rollback", "failed=0"]).await;
    assert!(refused.stderr.contains("failed=0 is not from 1 to 100"), "{}", refused.stderr);
    server.cli(&["deployment", "change", "-p", "shop", "--auto-rollback", "failed=50,window=600"]).await.ok();

    let live = rolled_back(&server).await;
    assert_eq!((live.number, live.actor.as_str(), live.trigger), (3, "auto-rollback", Trigger::Rollback { to: 1 }));
    let why = local.release(&broken).await.rolled_back.unwrap();
    assert!(why.starts_with(&format!("web answered {REQUESTS} of {REQUESTS} requests with an error")), "{why}");
    assert!(why.ends_with(&format!("before it 0 of {REQUESTS} were")), "{why}");
    let shown = server.cli(&["release", "show", "2", "-p", "shop"]).await.ok().stdout;
    assert!(shown.contains("rolled back by itself: web answered"), "{shown}");
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    assert!(
        events
            .iter()
            .any(|event| event.kind == "release.rolled-back" && event.message.contains("#2 is rolled back to #1"))
    );

    // A release with the same habits as the one before it stays.
    let settings: Deployment = local.read(&at("shop", "production")).await;
    assert_eq!((settings.auto_rollback.failed_percent, settings.auto_rollback.window_s), (50, 600));
    let body = json!({"auto_rollback": {"enabled": true, "window_s": 5, "failed_percent": 50}});
    let error = local
        .send(http::Method::PATCH, &at("shop", "production"), Some(("application/json", body.to_string().into_bytes())))
        .await
        .error();
    assert!(error.message.contains("window=5 is not from 30 to 3600"), "{error:?}");
}

#[tokio::test]
async fn killed_at_each_step_it_is_rolled_back_once() {
    let dir = tempfile::tempdir().unwrap();
    let fault = dir.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("one").archive()).await;
    for point in ["guard.decided", "guard.recorded"] {
        let broken = ask(&server, "bad", "503").await;
        server.local().ended(&broken).await;
        std::fs::write(&fault, point).unwrap();
        visit(&server).await;
        wait_for(seconds(30), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        if point == "guard.decided" {
            // What was counted went with the process.
            visit(&server).await;
        }
        let live = rolled_back(&server).await;
        let live = server.local().ended(&live).await;
        let all: Vec<Release> = server.local().read(&format!("{}/releases", at("shop", "production"))).await;
        assert_eq!(all[0].number, live.number, "{point}: once");
        assert!(all[1].rolled_back.is_some() && all[0].rolled_back.is_none(), "{point}");
    }
}
