//! Applications come and go under load, connections die, the edge stops: no request is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use boathouse::edge::{Limits, Upstream};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::edge_support::{PATIENCE, TestEdge, backend, edge_for, raw, read_until, table, text};

/// The supervisor's side of a switch, twenty times under load: a new application, the table swapped, the old one closed,
/// drained and gone.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_switches_under_load_lose_nothing() {
    const SWITCHES: usize = 20;
    const BETWEEN: u32 = 30;
    let make = |version: usize| async move {
        let app = backend(move |_| async move { text(version.to_string()) }).await;
        let upstream = Upstream::tcp(app.address);
        (app, upstream)
    };
    let (mut app, mut upstream) = make(0).await;
    let edge = TestEdge::start(table(&[Arc::clone(&upstream)]), Limits::default());
    let done = Arc::new(AtomicBool::new(false));
    let newest = Arc::new(AtomicUsize::new(0));
    let served = Arc::new(tokio::sync::Semaphore::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..6_u32 {
        let tls = worker % 2 == 1;
        let client = edge.client(|builder| {
            let builder = builder.resolve("app.test", if tls { edge.https() } else { edge.http() });
            // Every third one makes a new connection for each request.
            if worker % 3 == 2 { builder.pool_max_idle_per_host(0) } else { builder }
        });
        let port = if tls { edge.https() } else { edge.http() }.port();
        let url = format!("{}://app.test:{port}/", if tls { "https" } else { "http" });
        let (done, newest, served) = (Arc::clone(&done), Arc::clone(&newest), Arc::clone(&served));
        workers.spawn(async move {
            // Six of these make 300 requests per second, on a machine that can.
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            while !done.load(SeqCst) {
                tick.tick().await;
                let least = newest.load(SeqCst);
                let request = if worker % 2 == 0 { client.get(&url) } else { client.post(&url).body("x") };
                let answer = request.send().await.expect("no request is lost");
                assert_eq!(answer.status(), 200);
                let version: usize = answer.text().await.expect("whole").parse().unwrap();
                assert!(version >= least, "version {version} answered after {least} was switched to");
                served.add_permits(1);
            }
        });
    }
    for version in 1..=SWITCHES {
        let (next, next_upstream) = make(version).await;
        edge.table.store(Arc::new(table(&[Arc::clone(&next_upstream)])));
        newest.store(version, SeqCst);
        upstream.in_flight.close();
        tokio::time::timeout(PATIENCE, upstream.in_flight.wait_idle()).await.expect("drained");
        drop(app);
        (app, upstream) = (next, next_upstream);
        // Each release is live for a while: until it has answered.
        let answered = tokio::time::timeout(PATIENCE, served.acquire_many(BETWEEN)).await;
        answered.expect("the load goes on").unwrap().forget();
    }
    done.store(true, SeqCst);
    workers.join_all().await;
    drop(app);
}

#[tokio::test]
async fn stopping_finishes_what_is_in_progress() {
    let asked = Arc::new(tokio::sync::Notify::new());
    let go = Arc::new(tokio::sync::Notify::new());
    let (asked_by, go_for) = (Arc::clone(&asked), Arc::clone(&go));
    let app = backend(move |_| {
        let (asked, go) = (Arc::clone(&asked_by), Arc::clone(&go_for));
        async move {
            asked.notify_one();
            go.notified().await;
            text("finished")
        }
    })
    .await;
    let edge = edge_for(&app);
    let address = edge.http();
    let idle = TcpStream::connect(address).await.unwrap();
    let request = tokio::spawn(raw(address, "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n"));
    asked.notified().await;
    let TestEdge { edge, .. } = edge;
    let stopping = tokio::spawn(edge.shut_down(PATIENCE));
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    go.notify_one();
    let answer = request.await.unwrap();
    assert!(answer.contains("finished"), "{answer}");
    drop(idle);
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_dead_kept_connection_costs_nobody_a_request() {
    // Closes after each answer without saying so.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                read_until(&mut stream, "\r\n\r\n").await;
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            });
        }
    });
    let edge = TestEdge::start(table(&[Upstream::tcp(address)]), Limits::default());
    let client = edge.client(|builder| builder.resolve("app.test", edge.http()));
    let url = format!("http://app.test:{}/", edge.http().port());
    for _ in 0..300 {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "ok");
    }
}
