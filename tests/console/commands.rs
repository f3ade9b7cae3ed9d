//! Commands on the console: asked for, watched, cancelled; and their schedules.

use boathouse_types::{Run, RunEnd, Schedule};

use super::{LIVE, WIDTHS, signed_in};
use crate::harness::{Server, at, wait_for};
use crate::runs::shop;

#[tokio::test]
async fn a_command_is_run_watched_cancelled_and_scheduled() {
    let server = Server::start().await;
    let local = server.local();
    shop(&server).await;
    for width in WIDTHS {
        let browser = signed_in(&server, width).await;
        browser.go("/projects/shop/production/commands").await;
        browser.sees("Nothing is scheduled here").await;
        browser.fill("Command", "sh -c 'echo it said").await;
        browser.press("Run the command").await;
        browser.sees("the quote ' does not end").await;
        browser.fill("Command", &format!("sh -c 'echo said at {width}; exec sleep 600'")).await;
        browser.press("Run the command").await;
        browser.sees_within(LIVE, &format!("said at {width}")).await;
        browser.sees("in a container of its own").await;
        browser.must_not_scroll_sideways().await;
        browser.press("Cancel").await;
        browser.sees_within(LIVE, "was cancelled by admin").await;
        // The page may have said so of the run before.
        let newest = async || local.read::<Vec<Run>>(&format!("{}/runs", at("shop", "production"))).await.remove(0).end;
        let end = wait_for(LIVE, "the run has ended", newest).await;
        assert_eq!(end, RunEnd::Cancelled { by: "admin".into() });

        // Its last line and its end come together: the row is made anew while the line is still to be drawn.
        for word in ["uno", "due", "tre", "quattro", "cinque"] {
            browser.fill("Command", &format!("echo {word}")).await;
            browser.press("Run the command").await;
            browser.sees_within(LIVE, &format!("echo {word}")).await;
            wait_for(LIVE, "it has ended", newest).await;
        }
        browser.must_be_quiet(&[400]).await;

        browser.press("Add a schedule").await;
        browser.fill("Name", "nightly").await;
        browser.fill("Program and arguments", "echo from the schedule").await;
        browser.fill("When", "61 * * * *").await;
        browser.fill("Time zone", "Europe/Berlin").await;
        browser.submit_dialog().await;
        browser.sees("is no cron expression").await;
        browser.must_not_scroll_sideways().await;
        browser.fill("When", "30 2 * * mon-fri").await;
        browser.submit_dialog().await;
        browser.sees("30 2 * * mon-fri (Europe/Berlin), next").await;
        browser.press("Run now").await;
        browser.sees_within(LIVE, "ended with exit code 0").await;
        browser.press("Pause").await;
        browser.sees("Paused.").await;
        browser.must_not_scroll_sideways().await;
        let schedules: Vec<Schedule> = local.read(&format!("{}/schedules", at("shop", "production"))).await;
        assert!(schedules[0].paused && schedules[0].argv == ["echo", "from", "the", "schedule"]);
        browser.press("Delete").await;
        browser.sees("Nothing is scheduled here").await;
        browser.must_be_quiet(&[400]).await;
        browser.close().await;
    }
}
