//! A redeploy under load loses no request, whatever the app does when it starts and when it is told to stop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::harness::{Client, Server, TestApp, app, upload};

const REDEPLOYS: usize = 20;
const REQUESTS_PER_SECOND: u32 = 300;
/// Of so many requests one comes on a connection of its own.
const FRESH_EVERY: u32 = 6;
/// Long enough for the slowest start, short enough for the engine's patience with the app that ignores SIGTERM.
const SLOW_START_MS: u64 = 1_500;

/// What the load saw.
#[derive(Default)]
struct Seen {
    answers: BTreeMap<String, u64>,
    lost: Vec<String>,
}

/// The habits of apps, one after the other.
fn next_app(number: usize) -> TestApp {
    let version = app(&format!("v{number}"));
    match number % 5 {
        0 => version.ignores_sigterm(),
        1 | 3 => version,
        2 => version.slow_start(SLOW_START_MS),
        _ => version.closes_listener_on_sigterm(),
    }
}

#[tokio::test]
async fn twenty_redeploys_under_three_hundred_requests_a_second_lose_none() {
    let server = Server::options().flag("--drain-timeout", 10).start().await;
    let local = server.local();
    local.create_project("busy", &upload()).await;
    local.deploy_archive("busy", next_app(1).archive()).await;

    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
    let root = server.root().await;
    let visitor = Client::over_https("busy.localhost", server.https(), &root);
    let load = in_its_own_thread(load(server.url("busy.localhost", "/"), root, stop.clone(), seen.clone()));
    for number in 2..=REDEPLOYS + 1 {
        local.deploy_archive("busy", next_app(number).archive()).await;
        // Once a release has ended well, nobody reaches the one before it.
        assert_eq!(visitor.get("/").await.text(), format!("v{number}"));
    }
    stop.store(true, Ordering::SeqCst);
    let sent = load.join().unwrap();

    let seen = seen.lock().unwrap();
    assert!(
        seen.lost.is_empty(),
        "{} of {sent} lost, the first: {:#?}",
        seen.lost.len(),
        &seen.lost[..seen.lost.len().min(5)]
    );
    assert_eq!(seen.answers.values().sum::<u64>(), sent);
    assert_eq!(seen.answers.len(), REDEPLOYS + 1, "each version served: {:?}", seen.answers);
}

/// The pace must not depend on what the story does meanwhile.
fn in_its_own_thread(load: impl Future<Output = u64> + Send + 'static) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(load)
    })
}

/// Sends at a steady pace, however slow the answers are: keep-alive over HTTP/2, keep-alive over HTTP/1.1, and new connections.
async fn load(url: String, root: Vec<u8>, stop: Arc<AtomicBool>, seen: Arc<Mutex<Seen>>) -> u64 {
    let clients = [crate::harness::https(&root), crate::harness::https_h1(&root), crate::harness::https_fresh(&root)];
    let mut pace = interval(Duration::from_secs(1) / REQUESTS_PER_SECOND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut requests = JoinSet::new();
    let mut sent = 0;
    while !stop.load(Ordering::SeqCst) {
        pace.tick().await;
        let kind = if sent % u64::from(FRESH_EVERY) == 0 { 2 } else { usize::from(sent % 2 == 0) };
        requests.spawn(ask(clients[kind].clone(), kind, url.clone(), seen.clone()));
        sent += 1;
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
    sent
}

async fn ask(client: reqwest::Client, kind: usize, url: String, seen: Arc<Mutex<Seen>>) {
    let outcome = async {
        let response = client.get(url).send().await?;
        let status = response.status();
        Ok::<_, reqwest::Error>((status, response.text().await?))
    };
    let outcome = outcome.await;
    let mut seen = seen.lock().unwrap();
    match outcome {
        Ok((status, version)) if status == 200 => *seen.answers.entry(version).or_default() += 1,
        other => seen.lost.push(format!("client {kind}: {other:?}")),
    }
}
