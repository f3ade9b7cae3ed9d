//! A folder of the server that a deployment follows: named in the options, its trouble told on the overview.

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{Server, upload};

#[tokio::test]
async fn a_folder_is_followed_and_its_trouble_told() {
    let home = tempfile::tempdir().unwrap();
    let (root, folder) = (home.path().canonicalize().unwrap(), home.path().canonicalize().unwrap().join("shop"));
    std::fs::create_dir_all(folder.join("web")).unwrap();
    std::fs::write(folder.join("boathouse.yaml"), "components:\n  - {identifier: web, static: .}\n").unwrap();
    let server = Server::options().flag("--folders", root.display()).start().await;
    server.local().create_project("shop", &upload()).await;
    for width in WIDTHS {
        let text = format!("at {width}");
        std::fs::write(folder.join("web/index.html"), &text).unwrap();
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/options").await;
        browser.sees("No folder is followed.").await;
        browser.press("Follow a folder").await;
        browser.fill("Path on the server", "/etc").await;
        browser.submit_dialog().await;
        browser.sees("is not below a folder that may be followed").await;
        browser.must_not_scroll_sideways().await;
        browser.fill("Path on the server", folder.to_str().unwrap()).await;
        browser.submit_dialog().await;
        browser.sees_within(LIVE, "2 files, looked at").await;
        browser.must_not_scroll_sideways().await;
        browser.go("/projects/shop/production").await;
        browser.sees_within(LIVE, "folder changed").await;
        browser.sees_within(LIVE, "Live release").await;

        std::fs::rename(&folder, root.join("moved")).unwrap();
        browser.sees_within(LIVE, "The folder that it follows").await;
        browser.must_not_scroll_sideways().await;
        std::fs::rename(root.join("moved"), &folder).unwrap();
        browser.sees_no_more("The folder that it follows").await;
        browser.go("/projects/shop/production/options").await;
        browser.press("Follow it no more").await;
        browser.run("document.querySelector('dialog[open] button.danger').click()").await;
        browser.sees("No folder is followed.").await;
        assert_eq!(server.visit("shop.localhost", "/").await.text(), text);
        browser.must_be_quiet(&[400]).await;
        browser.close().await;
    }
}
