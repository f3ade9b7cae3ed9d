//! Limits on the console: set beside what the manifest says, applied as a release, and changed for a clone on the way.

use boathouse_types::DeploymentResources;

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{Server, app, at, upload};

const MIB: u64 = 1 << 20;
const MANIFEST: &str = "components:\n  - {identifier: web, folder: /, resources: {memory: 256MiB}}\n";

#[tokio::test]
async fn limits_are_set_applied_and_changed_for_a_clone() {
    let server = Server::start().await;
    let admin = server.local();
    admin.create_project("shop", &upload()).await;
    admin.deploy_archive("shop", app("v1").manifest(MANIFEST).archive()).await;
    for (width, (mib, live, count)) in WIDTHS.into_iter().zip([(96, 1, 2), (128, 2, 3)]) {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/options").await;
        browser.fill("Memory of web", "lots").await;
        browser.press("Save the limits").await;
        browser.sees("“lots” is not a size; write it as 512 MiB or 2 GiB").await;
        browser.fill("Memory of web", "1 MiB").await;
        browser.press("Save the limits").await;
        browser.sees("less than 6 MiB").await;
        browser.fill("Memory of web", &format!("{mib} MiB")).await;
        browser.fill("Containers of web", "21").await;
        browser.press("Save the limits").await;
        browser.sees("cannot have 21 containers").await;
        browser.fill("Containers of web", &count.to_string()).await;
        browser.press("Save the limits").await;
        browser.sees(&format!("→ {mib} MiB, containers: {live} → {count}). Nothing is built.")).await;
        browser.must_not_scroll_sideways().await;
        browser.press("Apply").await;
        browser.sees_within(LIVE, "is live").await;
        browser.go("/projects/shop/production/options").await;
        browser.sees("Save the limits").await;
        browser.sees_no_more("not applied yet").await;
        browser.go("/projects/shop/production").await;
        browser.press(&format!("Describe web.{count}")).await;
        browser.sees("Capabilities").await;
        browser.press("Close").await;
        browser.press("Logs of web.2").await;
        browser.is_at("/production/logs").await;
        browser.sees("web.2").await;
        browser.must_not_scroll_sideways().await;
        browser.go("/projects/shop/production/options").await;

        browser.press("Clone the deployment").await;
        browser.fill("Name", &format!("copy-{width}")).await;
        browser.press("Memory, CPUs and containers that are different there").await;
        // The section behind the dialog has inputs of the same names.
        browser.run("const input = document.querySelector('dialog[open] .limits input'); input.value = '64 MiB'; input.dispatchEvent(new Event('input', { bubbles: true }))").await;
        browser.must_not_scroll_sideways().await;
        browser.submit_dialog().await;
        browser.is_at(&format!("/projects/shop/copy-{width}")).await;
        let path = format!("{}/resources", at("shop", &format!("copy-{width}")));
        let copied: DeploymentResources = admin.read(&path).await;
        assert_eq!(copied.parts[0].own.memory_bytes, Some(64 * MIB));
        let source: DeploymentResources = admin.read(&format!("{}/resources", at("shop", "production"))).await;
        assert_eq!(source.parts[0].own.memory_bytes, Some(mib * MIB));
        browser.must_be_quiet(&[400]).await;
        browser.close().await;
    }
}
