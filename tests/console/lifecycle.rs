//! Names, protection, promotion, and a deletion with a way back, as a person does them.

use boathouse_types::{NewDeployment, SetEnv, SetEnvVar};

use super::{LIVE, signed_in};
use crate::browser::Browser;
use crate::harness::{Client, Server, app, at, upload};

async fn live_shop(admin: &Client) {
    admin.create_project("shop", &upload()).await;
    let release = admin.deploy_archive("shop", app("v1").archive()).await;
    admin.must_be_live(admin.ended(&release).await).await;
}

#[tokio::test]
async fn names_for_people_and_a_deletion_that_is_undone() {
    let server = Server::start().await;
    live_shop(&server.local()).await;
    let browser = signed_in(&server, 360).await;
    browser.go("/projects/shop/production/options").await;
    browser.fill("Display name", "Web shop").await;
    browser.press("Save").await;
    browser.sees("shop / Web shop").await;
    delete(&browser).await;
    browser.sees("Recently deleted").await;
    assert_eq!(server.visit("shop.localhost", "/").await.status, 503);
    browser.must_not_scroll_sideways().await;
    browser.press("Restore").await;
    browser.sees_no_more("Recently deleted").await;
    browser.go("/projects/shop/production").await;
    browser.sees_within(LIVE, "Healthy").await;
    browser.sees("Web shop").await;
    browser.must_be_quiet(&[404]).await;
    browser.close().await;
}

async fn delete(browser: &Browser) {
    browser.press("Delete the deployment").await;
    browser.sees("1 release, with their logs and images").await;
    browser.fill("to confirm", "production").await;
    browser.submit_dialog().await;
    browser.is_at("/projects/shop").await;
}

#[tokio::test]
async fn a_protected_deployment_offers_no_deletion() {
    let server = Server::start().await;
    server.local().create_project("shop", &upload()).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production/options").await;
    browser.sees("Delete the deployment").await;
    browser.run("[...document.querySelectorAll('label.switch')].find(label => label.textContent.startsWith('Protected')).click()").await;
    browser.press("Save").await;
    browser.sees("take the protection off").await;
    browser.sees_no_more("Delete the deployment").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn what_is_live_in_one_deployment_is_promoted_to_another() {
    let server = Server::start().await;
    let admin = server.local();
    live_shop(&admin).await;
    let staging = NewDeployment {
        name: "staging".parse().unwrap(),
        stage: Default::default(),
        branch: None,
        lifetime: None,
        wake: None,
    };
    admin.post("/api/v1/projects/shop/deployments", &staging).await.ok();
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/staging").await;
    browser.press("Promote").await;
    browser.sees("the very same images").await;
    browser.submit_dialog().await;
    browser.is_at("/projects/shop/staging/releases/1").await;
    browser.sees_within(LIVE, "Release 1 is live").await;
    browser.sees("promoted from production #1").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn a_project_is_duplicated_and_renamed() {
    let server = Server::start().await;
    server.local().create_project("shop", &upload()).await;
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop").await;
    browser.press("Duplicate").await;
    browser.sees("nothing runs until you deploy").await;
    browser.submit_dialog().await;
    browser.is_at("/projects/shop-copy").await;
    browser.press("Rename").await;
    browser.fill("Display name", "Second shop").await;
    browser.submit_dialog().await;
    browser.sees("Second shop").await;
    browser.press("Boathouse, home").await;
    browser.sees("Second shop").await;
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}

#[tokio::test]
async fn a_clone_has_other_variables_where_that_is_said() {
    let server = Server::start().await;
    let admin = server.local();
    live_shop(&admin).await;
    let set = |key: &str| SetEnvVar {
        key: key.parse().unwrap(),
        component: None,
        value: "of the first".into(),
        secret: true,
    };
    let body = SetEnv { variables: vec![set("REGION"), set("PAYMENT_KEY")] };
    admin.put(&format!("{}/env", at("shop", "production")), &body).await.ok();
    let browser = signed_in(&server, 1440).await;
    browser.go("/projects/shop/production/options").await;
    browser.press("Clone the deployment").await;
    browser.fill("Variables that are different there", "REGION=of the clone").await;
    browser.fill("Variables that it does not get", "PAYMENT_KEY").await;
    browser.submit_dialog().await;
    browser.is_at("/projects/shop/production-copy").await;
    browser.go("/projects/shop/production-copy/env").await;
    browser.press("Reveal REGION").await;
    browser.sees("of the clone").await;
    assert!(!browser.text().await.contains("PAYMENT_KEY"));
    browser.must_be_quiet(&[]).await;
    browser.close().await;
}
