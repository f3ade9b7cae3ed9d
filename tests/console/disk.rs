//! The disk on the console: what uses it, freed with what it frees shown before, and its limits.

use boathouse_types::DiskSettings;

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{Server, app, upload};

#[tokio::test]
async fn what_uses_the_disk_is_seen_freed_and_limited() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    // A layer of its own: what several instances share counts as others'.
    let shop = app("v1").file("instance", server.instance()).build_step("COPY instance /instance");
    local.deploy_archive("shop", shop.archive()).await;
    for (index, width) in WIDTHS.into_iter().enumerate() {
        for name in ["old.db", "new.db"] {
            std::fs::write(server.data().join("backups").join(name), vec![7; 3 << 20]).unwrap();
        }
        let browser = signed_in(&server, width).await;
        browser.go("/settings/disk").await;
        browser.sees_within(LIVE, "What uses it").await;
        browser.sees("Images of releases").await;
        browser.sees("Boathouse's data").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Free what is safe").await;
        browser.sees("No release that is kept needs any of it").await;
        browser.must_not_scroll_sideways().await;
        // The engine's build cache is everybody's: the story leaves it alone.
        browser.run("for (const box of document.querySelectorAll('dialog[open] input')) if (box.checked && !box.parentElement.textContent.includes('database')) box.click()").await;
        browser.press("Free it").await;
        browser.sees_within(LIVE, "are free now").await;
        browser.press("Done").await;
        let copies = std::fs::read_dir(server.data().join("backups")).unwrap().count();
        assert_eq!(copies, 1);
        browser.fill("Releases kept per deployment", "many").await;
        browser.press("Save").await;
        browser.sees("“many” is no number").await;
        let keep = u32::try_from(index).unwrap() + 4;
        browser.fill("Releases kept per deployment", &keep.to_string()).await;
        browser.fill("Images of kept releases", "20 GiB").await;
        browser.press("Save").await;
        browser.sees("Saved.").await;
        let set: DiskSettings = local.read("/api/v1/system/disk/settings").await;
        assert_eq!((set.keep_releases, set.images_bytes), (keep, 20 << 30));
        browser.must_not_scroll_sideways().await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
