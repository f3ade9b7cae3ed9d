//! Several people, each with what they may do, through the edge as they come.

use boathouse_types::{ErrorKind, NewRelease, ReleaseState, path};

use crate::harness::{Server, app, at, upload};

#[tokio::test]
async fn a_member_deploys_and_a_viewer_follows_but_changes_nothing() {
    let server = Server::start().await;
    server.admin().await.get("/api/v1/users").await.ok();
    let (member, viewer) = (server.member().await, server.viewer().await);
    member.create_project("shop", &upload()).await;
    // Nobody says on which port it listens: it is found.
    let silent = app("v1").exposes(None).with("--port", 4321);
    let release = member.upload("shop", silent.archive()).await;

    let log = format!("{}/log", path::release(&release.project, &release.deployment, release.number));
    let mut lines = viewer.events(&log, None).await;
    lines.until("the release is over", |event| event.event == "end").await;
    let release = viewer.ended(&release).await;
    assert_eq!(release.state, ReleaseState::Live, "{release:#?}");
    assert_eq!(release.components[0].port, Some(4321));
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");

    let refused = viewer.post(&format!("{}/releases", at("shop", "production")), &NewRelease::default()).await;
    assert_eq!(refused.error().kind, ErrorKind::Forbidden);
    let refused = member.get("/api/v1/users").await;
    assert_eq!(refused.error().kind, ErrorKind::Forbidden);
    let refused = server.anon().await.get("/api/v1/projects").await;
    assert_eq!(refused.error().kind, ErrorKind::Unauthenticated);
}
