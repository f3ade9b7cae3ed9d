//! A redeploy under load loses no request, whatever the app does when it starts and when it is told to stop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use boathouse_types::ReleaseState;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::harness::{Client, Server, TestApp, app, upload};

const REDEPLOYS: usize = 20;
const REQUESTS_PER_SECOND: u32 = 300;
/// Of so many requests one comes on a connection of its own.
const FRESH_EVERY: u64 = 15;
/// With more than this unanswered the load waits: it is not to measure how busy this machine is with other things.
const UNANSWERED: usize = 200;
/// Long enough for the slowest start, short enough for the engine's patience with the app that ignores SIGTERM.
const SLOW_START_MS: u64 = 1_500;

/// Before every seventh redeploy comes a release that ends as soon as it starts.
const DEAD_EVERY: usize = 7;
/// Below this many requests per second the story proves nothing.
const SLOWEST: f64 = 100.0;

/// Ends the load, also when the story ends early.
#[derive(Default)]
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What the load saw.
#[derive(Default)]
struct Seen {
    answers: BTreeMap<String, u64>,
    lost: BTreeMap<String, u64>,
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

    let (stop, seen, began) = (Stop::default(), Arc::<Mutex<Seen>>::default(), Instant::now());
    let root = server.root().await;
    let visitor = Client::over_https("busy.localhost", server.https(), &root);
    let load = in_its_own_thread(load(server.url("busy.localhost", "/"), root, stop.0.clone(), seen.clone()));
    for number in 2..=REDEPLOYS + 1 {
        if number % DEAD_EVERY == 0 {
            let dead = local.upload("busy", app("dead").exits_at_once(3).archive()).await;
            assert_eq!(local.ended(&dead).await.state, ReleaseState::Failed);
            assert_eq!(visitor.get("/").await.text(), format!("v{}", number - 1));
        }
        local.deploy_archive("busy", next_app(number).archive()).await;
        // Once a release has ended well, nobody reaches the one before it.
        assert_eq!(visitor.get("/").await.text(), format!("v{number}"));
    }
    let took = began.elapsed();
    stop.0.store(true, Ordering::SeqCst);
    let sent = load.join().unwrap();
    let pace = sent as f64 / took.as_secs_f64();
    println!("{sent} requests in {took:.0?}, {pace:.0} per second");
    assert!(pace > SLOWEST, "this machine is too busy for a load worth the name: {pace:.0} requests per second");

    let seen = seen.lock().unwrap();
    assert!(seen.lost.is_empty(), "of {sent} were lost: {:#?}", seen.lost);
    assert_eq!(seen.answers.values().sum::<u64>(), sent);
    assert_eq!(seen.answers.len(), REDEPLOYS + 1, "each version served: {:?}", seen.answers);
}

/// The pace must not depend on what the story does meanwhile.
fn in_its_own_thread(load: impl Future<Output = u64> + Send + 'static) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
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
        let kind = if sent % FRESH_EVERY == 0 { 2 } else { usize::from(sent % 2 == 0) };
        requests.spawn(ask(clients[kind].clone(), kind, url.clone(), seen.clone()));
        sent += 1;
        while requests.try_join_next().is_some()
            || (requests.len() > UNANSWERED && requests.join_next().await.is_some())
        {}
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
        other => *seen.lost.entry(format!("client {kind}: {other:?}")).or_default() += 1,
    }
}

/// Of the second version the component `api` listens late: a name that both versions shared would lead to nobody.
fn pair(version: &str, api_starts_after: u64) -> TestApp {
    app(version).manifest(&format!(
        "components:\n  - identifier: web\n    folder: /\n  - identifier: api\n    folder: /\n    command: [--start-after, '{api_starts_after}']\n"
    ))
}

#[tokio::test]
async fn a_component_reaches_its_siblings_of_the_same_release_only() {
    let server = Server::options().flag("--drain-timeout", 2).start().await;
    let local = server.local();
    local.create_project("pair", &upload()).await;
    local.deploy_archive("pair", pair("v1", 0).archive()).await;
    let visitor = Client::over_https("pair.localhost", server.https(), &server.root().await);
    let ask = async || {
        let answer = visitor.get("/ask?api:8080").await;
        (answer.header("x-version").unwrap_or_default().to_owned(), answer.text())
    };
    assert_eq!(ask().await, ("v1".to_owned(), "v1".to_owned()));

    let deploy = local.deploy_archive("pair", pair("v2", SLOW_START_MS).archive());
    let mut deploy = std::pin::pin!(deploy);
    let mut asked = 0;
    loop {
        tokio::select! {
            _ = &mut deploy => break,
            (asking, asked_for) = ask() => {
                assert_eq!(asking, asked_for, "after {asked} requests");
                asked += 1;
            }
        }
    }
    assert!(asked > 0);
    assert_eq!(ask().await, ("v2".to_owned(), "v2".to_owned()));
}
