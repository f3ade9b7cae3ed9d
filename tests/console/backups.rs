//! Backups on the console: made, restored once the name is typed, downloaded, deleted.

use boathouse_types::DataBackup;

use super::{LIVE, WIDTHS, signed_in};
use crate::data_backups::{deployed, text};
use crate::harness::{Server, at};

#[tokio::test]
async fn data_is_backed_up_restored_and_the_backup_deleted() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/volumes").await;
        browser.sees("Nothing is backed up yet").await;
        browser.sees("web:/data").await;
        browser.press("Back up now").await;
        browser.sees_within(LIVE, "in 1 file").await;
        browser.must_not_scroll_sideways().await;
        let all: Vec<DataBackup> = local.read(&format!("{}/backups", at("shop", "production"))).await;
        let id = all[0].id;
        server.visit("shop.localhost", "/write?two").await.ok();
        browser.press(&format!("Restore the backup {id}")).await;
        browser.submit_dialog().await;
        browser.sees("Type production to confirm").await;
        browser.must_not_scroll_sideways().await;
        browser.fill("to confirm", "production").await;
        browser.submit_dialog().await;
        browser.sees_within(LIVE, "Was restored into production").await;
        assert_eq!(text(&server).await, "one\n");
        browser.press(&format!("Delete the backup {id}")).await;
        browser.fill("to confirm", &id.to_string()).await;
        browser.submit_dialog().await;
        browser.sees("Nothing is backed up yet").await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
