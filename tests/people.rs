//! Several people, each with what they may do, through the edge as they come.

use boathouse_types::{ChangeUser, ErrorKind, NewProject, NewRelease, ReleaseState, Role, Source, User, path};

use crate::api_desk::Desk;
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

#[tokio::test]
async fn an_administrator_changes_roles_but_not_the_last_one_away() {
    let desk = Desk::open();
    desk.make_user("a", Role::Admin);
    desk.make_user("m", Role::Viewer);
    let (admin, other) = (desk.browser("a"), desk.browser("m"));
    let to = |role| ChangeUser { role: Some(role) };
    let project = NewProject { name: "shop".parse().unwrap(), source: Source::Upload };
    assert_eq!(other.post("/api/v1/projects", &project).await.status, 403);
    let changed: User = admin.patch("/api/v1/users/m", &to(Role::Member)).await.json();
    assert_eq!(changed.role, Role::Member);
    other.post("/api/v1/projects", &project).await.ok();
    let refused = admin.patch("/api/v1/users/a", &to(Role::Viewer)).await;
    assert_eq!(refused.error().kind, ErrorKind::Conflict, "nobody locks everybody out");
    admin.patch("/api/v1/users/m", &to(Role::Admin)).await.ok();
    admin.patch("/api/v1/users/a", &to(Role::Viewer)).await.ok();
    assert_eq!(admin.patch("/api/v1/users/m", &to(Role::Viewer)).await.status, 403, "it counts at once");
    assert_eq!(other.patch("/api/v1/users/nobody", &to(Role::Viewer)).await.status, 404);
}
