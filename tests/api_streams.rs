//! Server-sent events: resumed, told of gaps, ended with the log, closed with the right to read.

use std::time::{Duration, Instant};

use boathouse_types::*;

use crate::api_desk::Desk;
use crate::harness::{at, tar_gz, upload};

const EVENTS: &str = "/api/v1/events";

#[tokio::test]
async fn events_resume_where_the_reader_stopped() {
    let desk = Desk::open();
    let local = desk.local();
    let mut live = local.events(EVENTS, None).await;
    for name in ["one", "two", "three"] {
        local.create_project(name, &upload()).await;
    }
    let first = live.next().await.unwrap();
    assert_eq!(first.event, "state");
    assert_eq!(first.json::<Event>().project.unwrap().as_str(), "one");
    drop(live);
    let mut resumed = local.events(EVENTS, first.id.as_deref()).await;
    for name in ["two", "three"] {
        assert_eq!(resumed.next().await.unwrap().json::<Event>().project.unwrap().as_str(), name);
    }
    let mut by_query = local.events(&format!("{EVENTS}?after={}&project=three", first.id.unwrap()), None).await;
    assert_eq!(by_query.next().await.unwrap().json::<Event>().project.unwrap().as_str(), "three");
}

#[tokio::test]
async fn a_reader_far_behind_is_told_of_the_gap() {
    let desk = Desk::open();
    desk.app
        .db
        .write_blocking(|tx| {
            let about = boathouse::db::event::About::default();
            (0..1500)
                .try_for_each(|n| boathouse::db::event::record(tx, "system", "test", about, &n.to_string()).map(drop))
        })
        .unwrap();
    let mut stream = desk.local().events(EVENTS, Some("0")).await;
    let gap = stream.next().await.unwrap();
    assert_eq!(gap.event, "gap");
    assert_eq!(gap.json::<Gap>(), Gap { missed: Some(500), resumes_at: 501 });
    assert_eq!(stream.next().await.unwrap().id.as_deref(), Some("501"));
    // An id from before a restored backup: there is no way back to it.
    let mut stream = desk.local().events(EVENTS, Some("99999")).await;
    assert_eq!(stream.next().await.unwrap().json::<Gap>().missed, None);
}

#[tokio::test]
async fn a_stream_ends_soon_after_the_right_to_read_it() {
    let desk = Desk::open();
    for name in ["session", "token", "role"] {
        desk.make_user(name, Role::Member);
    }
    let token = desk.anon().with_token(&desk.token("token", Scope::Read));
    let browsers = [desk.browser("session"), token, desk.browser("role")];
    let mut streams = Vec::new();
    for browser in &browsers {
        streams.push(browser.events(EVENTS, None).await);
    }
    browsers[0].delete("/api/v1/session").await.ok();
    desk.let_end("token");
    desk.app
        .db
        .write_blocking(|tx| Ok(tx.execute_batch("update user set role = 'viewer' where name = 'role'")?))
        .unwrap();
    let began = Instant::now();
    for stream in &mut streams {
        assert!(stream.next().await.is_none());
    }
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_log_of_a_finished_release_ends() {
    let desk = Desk::open();
    let local = desk.local();
    local.create_project("shop", &upload()).await;
    let release = local.upload("shop", tar_gz(&[("index.html", b"x".as_slice())])).await;
    let entry = |text: &str| boathouse::logs::Entry {
        at: None,
        component: None,
        replica: None,
        stream: "source".into(),
        text: text.into(),
        container: None,
    };
    let journal = desk.app.logs.pipeline(release.id);
    journal.append(entry("one"));
    let path = format!("{}/releases/1/log", at("shop", "production"));
    let mut live = local.events(&path, None).await;
    assert_eq!(live.next().await.unwrap().json::<LogLine>().text, "one");
    journal.append(entry("two"));
    let two = live.next().await.unwrap();
    assert_eq!((two.event.as_str(), two.id.as_deref()), ("log", Some("2")));
    local.post(&format!("{}/releases/1/cancel", at("shop", "production")), &()).await.ok();
    journal.close();
    assert_eq!(live.next().await.unwrap().event, "end");
    let mut resumed = local.events(&path, Some("1")).await;
    assert_eq!(resumed.next().await.unwrap().id.as_deref(), Some("2"));
    assert_eq!(resumed.next().await.unwrap().event, "end");
    let lines: Vec<LogLine> = local.read(&format!("{path}?after=1")).await;
    assert_eq!(lines.len(), 1);
}
