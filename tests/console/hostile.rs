//! Programs that print what they like: the log shows it as text, in colours at most.

use super::signed_in;
use crate::harness::{Server, app, upload};

const SCRIPT: &str = "<script>document.title = 'taken'; window.taken = true</script>";
const IMAGE: &str = "<img src=x onerror=\"window.taken = true\">";
/// A colour, a cleared screen, a new window title, a link that is not what it says, a cursor that moves.
const ESCAPES: &str = "\x1b[31mred words\x1b[0m\x1b[2J\x1b]0;taken\x07\x1b]8;;javascript:alert(1)\x07a link\x1b]8;;\x07\x1b[999;999Hafter";

fn query(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test]
async fn what_a_program_prints_is_text_and_nothing_else() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").archive()).await;
    server.visit("shop.localhost", "/print-long?1048576").await.ok();
    for text in [SCRIPT, IMAGE, ESCAPES] {
        server.visit("shop.localhost", &format!("/print?{}", query(text))).await.ok();
    }
    server.visit("shop.localhost", "/print-bytes").await.ok();
    server.visit("shop.localhost", "/print?the%20last%20line").await.ok();
    for width in super::WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/logs").await;
        for text in [SCRIPT, IMAGE, "red wordsa linkafter", "before \u{fffd}", "the last line"] {
            browser.sees(text).await;
        }
        let shown = browser.run("return [...document.querySelectorAll('.log-window *')].map(e => e.tagName)").await;
        let shown: Vec<String> = serde_json::from_value(shown).unwrap();
        assert!(shown.iter().all(|tag| ["DIV", "TIME", "B", "SPAN"].contains(&tag.as_str())), "{shown:?}");
        let red = browser.run("return document.querySelector('.log-window .ansi-1').textContent").await;
        assert_eq!(red, "red words");
        let longest =
            "return Math.max(...[...document.querySelectorAll('.log-line > span')].map(e => e.textContent.length))";
        assert!(browser.run(longest).await.as_u64().unwrap() < 20_000);
        assert_eq!(browser.run("return [document.title, window.taken ?? null]").await[1], serde_json::Value::Null);
        assert!(browser.run("return document.title").await.as_str().unwrap().ends_with("Boathouse"));
        browser.must_not_scroll_sideways().await;
        browser.must_be_quiet(&[]).await;
        browser.close().await;
    }
}
