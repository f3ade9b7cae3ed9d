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

/// Three applications behind one name: each is asked, and one that dies under load costs nobody a request.
#[tokio::test(flavor = "multi_thread")]
async fn several_share_the_requests_and_one_that_dies_costs_none() {
    let mut apps = Vec::new();
    for number in 0..3_usize {
        apps.push(
            backend(move |_| async move {
                tokio::task::yield_now().await;
                text(number.to_string())
            })
            .await,
        );
    }
    let upstreams: Vec<_> = apps.iter().map(|app| Upstream::tcp(app.address)).collect();
    let edge = TestEdge::start(table(&upstreams), Limits::default());
    let counts = Arc::<[AtomicUsize; 3]>::default();
    let (stop, mut workers) = (Arc::new(AtomicBool::new(false)), tokio::task::JoinSet::new());
    for worker in 0..8 {
        let client = edge.client(|builder| {
            let builder = builder.resolve("app.test", edge.http());
            if worker % 2 == 0 { builder.pool_max_idle_per_host(0) } else { builder }
        });
        let (url, counts, stop) =
            (format!("http://app.test:{}/", edge.http().port()), Arc::clone(&counts), Arc::clone(&stop));
        workers.spawn(async move {
            while !stop.load(SeqCst) {
                let answer = client.get(&url).send().await.expect("no request is lost");
                assert_eq!(answer.status(), 200);
                let number: usize = answer.text().await.expect("whole").parse().unwrap();
                counts[number].fetch_add(1, SeqCst);
            }
        });
    }
    let reach = async |number: usize, count: usize| {
        let more = async {
            while counts[number].load(SeqCst) < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, more).await.expect("it is asked");
    };
    for number in 0..3 {
        reach(number, 50).await;
    }
    let shares = [0, 1, 2].map(|number| counts[number].load(SeqCst));
    assert!(shares.iter().all(|share| share * 6 > shares.iter().sum::<usize>()), "not shared: {shares:?}");
    // Its port closes, and every connection breaks in the middle of a request.
    drop(apps.remove(1));
    for number in [0, 2] {
        reach(number, counts[number].load(SeqCst) + 200).await;
    }
    stop.store(true, SeqCst);
    workers.join_all().await;
}

/// Where nothing else is to be done, each has its turn.
#[tokio::test]
async fn who_comes_alone_meets_all_of_several() {
    let mut apps = Vec::new();
    for number in 0..3_usize {
        apps.push(backend(move |_| async move { text(number.to_string()) }).await);
    }
    let upstreams: Vec<_> = apps.iter().map(|app| Upstream::tcp(app.address)).collect();
    let edge = TestEdge::start(table(&upstreams), Limits::default());
    let client = edge.client(|builder| builder.resolve("app.test", edge.http()));
    let mut met = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..30 {
        let answer = client.get(format!("http://app.test:{}/", edge.http().port())).send().await.unwrap();
        *met.entry(answer.text().await.unwrap()).or_default() += 1;
    }
    assert_eq!(met.values().copied().collect::<Vec<_>>(), [10, 10, 10], "{met:?}");
}

/// A request that ends every application it comes to ends two of three, and one that must not be repeated one.
#[tokio::test]
async fn what_ends_an_application_is_tried_once_more_at_most() {
    let met = Arc::new(AtomicUsize::new(0));
    let mut upstreams = Vec::new();
    for _ in 0..3 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        upstreams.push(Upstream::tcp(listener.local_addr().unwrap()));
        let met = Arc::clone(&met);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_until(&mut stream, "\r\n\r\n").await;
                met.fetch_add(1, SeqCst);
            }
        });
    }
    let edge = TestEdge::start(table(&upstreams), Limits::default());
    let ask = async |method: &str| {
        let before = met.load(SeqCst);
        let head = format!("{method} / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n");
        let answer = raw(edge.http(), head).await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        met.load(SeqCst) - before
    };
    assert_eq!((ask("GET").await, ask("POST").await), (2, 1));
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
