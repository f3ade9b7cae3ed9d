//! Containers, networks, volumes and images against the real engine.

use std::time::{Duration, Instant};

use boathouse::docker::subnet::Pool;
use boathouse::docker::{
    Containers, Engine, ErrorKind, EventAction, LogQuery, Mount, NetworkSpec, RunState, Stream, VolumeSpec,
};
use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use crate::engine_support::{PATIENCE, TestEngine, until};

#[tokio::test]
async fn the_api_version_is_negotiated() {
    let info = TestEngine::new().engine.info().await.unwrap();
    assert!(!info.version.is_empty() && info.api.starts_with("1."), "{info:?}");
    assert!(["amd64", "arm64"].contains(&info.arch.as_str()), "{info:?}");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named_and_found_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let engine = Engine::new(&socket, Pool::default());
    let error = engine.info().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.hint.contains("systemctl status docker"));
    std::os::unix::fs::symlink("/var/run/docker.sock", &socket).unwrap();
    engine.info().await.unwrap();
}

#[tokio::test]
async fn a_container_lives_and_dies() {
    let test = TestEngine::new();
    let image = test.probe_image().await;
    let network = test.network("net").await;
    let mut spec = test.spec("web", &image, &["serve", "8080"]);
    spec.network = Some(network.clone());
    let mut events = test.engine.events(test.label()).await.unwrap();

    let id = test.engine.create(&spec).await.unwrap();
    assert_eq!(test.engine.create(&spec).await.unwrap_err().kind, ErrorKind::Conflict);
    test.engine.start(&id).await.unwrap();
    test.engine.start(&id).await.unwrap();
    let seen = test.engine.inspect(&id).await.unwrap();
    assert!(seen.is_running() && seen.started_at_ms.is_some());
    assert_eq!(
        (seen.name.as_str(), &seen.image_id, &seen.exposed_ports[..]),
        (spec.name.as_str(), &image.id, &[8080][..])
    );
    let address = seen.addresses[&network];
    until("the program to answer", || async { tokio::net::TcpStream::connect((address, 8080)).await.ok() }).await;

    test.engine.rename(&id, &test.name("other")).await.unwrap();
    let listed = test.engine.list(&test.label()).await.unwrap();
    assert_eq!(
        listed.iter().map(|one| (one.name.clone(), one.state.clone())).collect::<Vec<_>>(),
        [(test.name("other"), RunState::Running)]
    );
    assert_eq!(listed[0].addresses[&network], address);

    test.engine.kill(&id, "SIGKILL").await.unwrap();
    until("the end", || async { (!test.engine.inspect(&id).await.unwrap().is_running()).then_some(()) }).await;
    assert_eq!(
        test.engine.inspect(&id).await.unwrap().state,
        RunState::Exited { code: Some(137), out_of_memory: false }
    );
    test.engine.remove(&id).await.unwrap();
    test.engine.remove(&id).await.unwrap();
    assert!(test.engine.inspect(&id).await.unwrap_err().is_not_found());

    let mut actions = Vec::new();
    while actions.last() != Some(&EventAction::Removed) {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
        if event.id == id {
            actions.push(event.action);
        }
    }
    assert!(actions.contains(&EventAction::Started) && actions.contains(&EventAction::Died), "{actions:?}");
}

#[tokio::test]
async fn stopping_asks_first_and_kills_after_the_grace() {
    let test = TestEngine::new();
    let image = test.probe_image().await;
    let spec = test.spec("stubborn", &image, &["stubborn"]);
    let id = test.engine.create(&spec).await.unwrap();
    test.engine.start(&id).await.unwrap();
    let begin = Instant::now();
    test.engine.stop(&id, Duration::from_secs(1)).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(1) && begin.elapsed() < Duration::from_secs(15));
    assert_eq!(
        test.engine.inspect(&id).await.unwrap().state,
        RunState::Exited { code: Some(137), out_of_memory: false }
    );
}

/// Containers that run out of memory until the engine notes it for one,
const ATTEMPTS: usize = 5;
/// each within this time.
const NOTED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn out_of_memory_is_seen() {
    let test = TestEngine::new();
    let image = test.probe_image().await;
    // The engine hears of the kill and of the end from two sides; where the end comes first, it never notes the reason.
    for attempt in 0..ATTEMPTS {
        let mut spec = test.spec(&format!("greedy-{attempt}"), &image, &["alloc", "200"]);
        spec.limits.memory = Some(16 << 20);
        let id = test.engine.create(&spec).await.unwrap();
        test.engine.start(&id).await.unwrap();
        let killed = RunState::Exited { code: Some(137), out_of_memory: true };
        let noted =
            until("the reason", || async { (test.engine.inspect(&id).await.unwrap().state == killed).then_some(()) });
        if tokio::time::timeout(NOTED, noted).await.is_ok() {
            return;
        }
    }
    panic!("the engine noted the reason of none of {ATTEMPTS} ends");
}

#[tokio::test]
async fn output_comes_as_lines_with_times_and_odd_bytes() {
    let test = TestEngine::new();
    let image = test.probe_image().await;
    let id = test.engine.create(&test.spec("chatty", &image, &["print", "3"])).await.unwrap();
    test.engine.start(&id).await.unwrap();
    let follow = LogQuery { follow: true, ..Default::default() };
    let followed = test.engine.logs(&id, follow).await.unwrap().try_collect::<Vec<_>>();
    let followed = tokio::time::timeout(PATIENCE, followed).await.unwrap().unwrap();
    assert!(followed.len() >= 6, "{followed:?}");
    let lines: Vec<_> = test.engine.logs(&id, LogQuery::default()).await.unwrap().try_collect().await.unwrap();
    assert_eq!(lines.len(), 7, "{lines:?}");
    let out: Vec<_> = lines.iter().filter(|line| line.stream == Stream::Stdout).collect();
    assert_eq!(&out[0].bytes[..], b"out 0 \xff");
    assert_eq!((&out[3].bytes[..], out[3].partial), (&b"no end"[..], true));
    assert!(lines.iter().all(|line| line.at_ms.is_some()));
    let tail = LogQuery { tail: Some(2), ..Default::default() };
    assert_eq!(test.engine.logs(&id, tail).await.unwrap().count().await, 2);
    let later = LogQuery { since_ms: lines[0].at_ms.map(|at| at + 3_600_000), ..Default::default() };
    assert_eq!(test.engine.logs(&id, later).await.unwrap().count().await, 0);
}

#[tokio::test]
async fn networks_never_overlap_and_names_never_cross() {
    let test = TestEngine::new();
    let image = test.probe_image().await;
    let mut subnets = Vec::new();
    for name in ["a", "b", "c"] {
        let spec = NetworkSpec { name: test.name(name), labels: test.labels(), ..Default::default() };
        let made = test.engine.create_network(&spec).await.unwrap();
        let again = test.engine.create_network(&spec).await.unwrap();
        assert_eq!((made.id, &made.subnets), (again.id, &again.subnets));
        subnets.extend(made.subnets);
    }
    assert_eq!(subnets.len(), 3);
    for (index, subnet) in subnets.iter().enumerate() {
        assert!(subnets[index + 1..].iter().all(|other| !other.overlaps(subnet)));
    }
    let free = test.engine.free_subnet(&[]).await.unwrap();
    assert!(subnets.iter().all(|taken| !taken.overlaps(&free)));
    let taken = NetworkSpec { name: test.name("d"), subnet: Some(subnets[0]), ..Default::default() };
    assert_eq!(test.engine.create_network(&taken).await.unwrap_err().kind, ErrorKind::NoSubnet);

    let mut spec = test.spec("inside", &image, &["sleep"]);
    spec.network = Some(test.name("a"));
    let id = test.engine.create(&spec).await.unwrap();
    test.engine.start(&id).await.unwrap();
    assert_eq!(test.engine.remove_network(&test.name("a")).await.unwrap_err().kind, ErrorKind::Conflict);
    test.engine.remove(&id).await.unwrap();
    test.engine.remove_network(&test.name("a")).await.unwrap();
    test.engine.remove_network(&test.name("a")).await.unwrap();
}

#[tokio::test]
async fn a_volume_outlives_its_containers() {
    let test = TestEngine::new();
    let image = test.probe_image().await;
    let volume = test.name("data");
    test.engine.create_volume(&VolumeSpec { name: volume.clone(), labels: test.labels() }).await.unwrap();
    let mut spec = test.spec("one", &image, &["exit", "0"]);
    spec.mounts = vec![Mount { volume: volume.clone(), path: "/data".into(), read_only: false }];
    let id = test.engine.create(&spec).await.unwrap();
    test.engine.start(&id).await.unwrap();
    test.engine.remove(&id).await.unwrap();
    assert_eq!(test.engine.list_volumes(&test.label()).await.unwrap().len(), 1);
    test.engine.remove_volume(&volume).await.unwrap();
    test.engine.remove_volume(&volume).await.unwrap();
    assert!(test.engine.list_volumes(&test.label()).await.unwrap().is_empty());
}

#[tokio::test]
async fn images_are_tagged_read_and_refused() {
    let test = TestEngine::new();
    let image = test.probe_image().await;
    assert_eq!(image.exposed_ports, [8080]);
    let name = format!("{}:2", test.name("image"));
    test.engine.tag(&image.id, &name).await.unwrap();
    assert_eq!(test.engine.image(&name).await.unwrap().id, image.id);
    test.engine.remove_image(&name).await.unwrap();
    assert!(test.engine.image(&name).await.unwrap_err().is_not_found());

    let mut archive = Vec::new();
    test.engine.copy_out(&image.id, "/probe", &test.name("copy"), &mut archive).await.unwrap();
    let mut entries = tar::Archive::new(&archive[..]);
    let entry = entries.entries().unwrap().next().unwrap().unwrap();
    assert_eq!(entry.size(), std::fs::metadata(crate::engine_support::probe_binary()).unwrap().len());
    let missing = test.engine.copy_out(&image.id, "/dist", &test.name("copy"), &mut Vec::new()).await.unwrap_err();
    assert!(missing.is_not_found(), "{missing:?}");
    assert!(test.engine.inspect(&test.name("copy")).await.unwrap_err().is_not_found());

    let (lines, _) = mpsc::channel(1);
    let refused = test.engine.pull("not a name", None, lines.clone()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    let unreachable = test.engine.pull("localhost:1/nothing/here:1", None, lines).await.unwrap_err();
    assert_eq!(unreachable.kind, ErrorKind::RegistryUnreachable, "{unreachable:?}");
}
