//! What happened, also long ago.

use boathouse_types::ChangeProject;

use super::{WIDTHS, signed_in};
use crate::harness::{Client, Server, upload};

async fn call(local: &Client, name: &str) {
    let change = ChangeProject { display_name: Some(name.parse().unwrap()), ..Default::default() };
    local.patch("/api/v1/projects/shop", &change).await.ok();
}

#[tokio::test]
async fn older_events_are_a_press_away_and_stay_while_new_ones_come() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    for number in 1..=60 {
        call(&local, &format!("Shop {number} of many")).await;
    }
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop").await;
        browser.sees("Recent events").await;
        browser.press("Older events").await;
        browser.sees("Shop 30 of many").await;
        assert!(!browser.text().await.contains("Shop 1 of many"));
        browser.press("Older events").await;
        browser.sees("Shop 1 of many").await;
        browser.sees_no_more("Older events").await;
        browser.must_not_scroll_sideways().await;
        let last = format!("Shop seen at {width}");
        call(&local, &last).await;
        browser.sees(&last).await;
        let events = "return [...document.querySelectorAll('.events > li')].map(one => one.textContent).filter(text => /Shop \\d+ of many/.test(text)).length";
        assert_eq!(browser.run(events).await, 60, "none is lost and none is shown twice");
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
