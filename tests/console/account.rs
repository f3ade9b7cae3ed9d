//! People: their own password, and what an administrator lets them do.

use boathouse_types::{Role, Session, Token};

use super::signed_in;
use crate::harness::{PASSWORD, Server};

#[tokio::test]
async fn a_person_changes_their_own_password() {
    let server = Server::start().await;
    let elsewhere = server.admin().await;
    let browser = signed_in(&server, 360).await;
    let new = "a new sentence of words";
    browser.press("Account and settings").await;
    browser.press("Change password").await;
    browser.fill("Current password", "not this one at all").await;
    browser.fill("New password", new).await;
    browser.fill("New password again", new).await;
    browser.submit_dialog().await;
    browser.sees("the current password is not right").await;
    browser.fill("Current password", PASSWORD).await;
    browser.submit_dialog().await;
    browser.sees_no_more("New password again").await;
    assert_eq!(elsewhere.get("/api/v1/session").await.status, 401, "sessions elsewhere end");
    browser.go("/settings").await;
    browser.sees("Background tasks").await;
    browser.press("Account and settings").await;
    browser.press("Sign out").await;
    browser.fill("Name", "admin").await;
    browser.fill("Password", new).await;
    browser.press("Sign in").await;
    browser.sees("Background tasks").await;
    browser.must_be_quiet(&[400]).await;
    browser.close().await;
}

#[tokio::test]
async fn an_administrator_changes_what_somebody_may_do() {
    let server = Server::start().await;
    let browser = signed_in(&server, 1440).await;
    let viewer = server.viewer().await;
    browser.go("/settings/users").await;
    browser.press("Change the role of viewer").await;
    browser.select("Role", "member").await;
    browser.submit_dialog().await;
    browser.sees_no_more("What viewer may do").await;
    browser.sees("member").await;
    assert_eq!(viewer.read::<Session>("/api/v1/session").await.role, Role::Member);
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn an_administrator_makes_a_token_for_somebody_else() {
    let server = Server::start().await;
    let browser = signed_in(&server, 360).await;
    let member = server.member().await;
    browser.go("/settings/tokens").await;
    browser.press("Make a token").await;
    browser.fill("Name", "ci").await;
    browser.select("For", "member").await;
    browser.sees("It never has more rights than its user").await;
    browser.select("May", "admin").await;
    browser.submit_dialog().await;
    browser.sees("cannot have more rights than its user").await;
    browser.select("May", "deploy").await;
    browser.submit_dialog().await;
    browser.sees("Copy it now").await;
    browser.sees("of member").await;
    let tokens: Vec<Token> = member.read("/api/v1/tokens").await;
    assert_eq!(tokens.iter().map(|token| token.user.as_str()).collect::<Vec<_>>(), ["member"]);
    browser.must_not_scroll_sideways().await;
    browser.must_be_quiet(&[403]).await;
    browser.close().await;
}
