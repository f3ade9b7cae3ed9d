//! Image builds against the real engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use boathouse::docker::subnet::Pool;
use boathouse::docker::{
    BuildLimits, BuildRequest, Builder, Containers, DockerError, Engine, ErrorKind, ImageInfo, Line,
};
use tokio::sync::mpsc;

use crate::engine_support::{TestEngine, until};

/// Builds and returns what came out and every line that was printed.
async fn build(test: &TestEngine, request: &BuildRequest) -> (Result<ImageInfo, DockerError>, Vec<Line>) {
    // The classic builder's cache is shared with tests that remove their images, and with them what a cached step stands on.
    let request = BuildRequest { no_cache: request.no_cache || request.builder == Builder::Classic, ..request.clone() };
    let (sender, mut receiver) = mpsc::channel(16);
    let collect = async {
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            lines.push(line);
        }
        lines
    };
    futures_util::join!(test.engine.build(&request, sender), collect)
}

fn text(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}: {}\n", line.step.as_deref().unwrap_or("-"), line.text())).collect()
}

const COUNT: &str = "FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"print\", \"2\"]\n";

#[tokio::test]
async fn a_build_prints_line_by_line_and_is_cached_the_second_time() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let mut request = test.request(folder.path(), COUNT);
    request.no_cache = true;
    let (first, lines) = build(&test, &request).await;
    let first = first.unwrap();
    let printed = text(&lines);
    assert!(printed.contains("RUN") && printed.contains(": err 1\n") && printed.contains(": no end\n"), "{printed}");
    assert!(lines.iter().any(|line| &line.bytes[..] == b"out 0 \xff"), "{printed}");
    assert!(first.id.starts_with("sha256:") && first.tags == [request.tag.clone()]);
    assert_eq!(first.labels.get("boathouse.instance"), Some(&test.instance));

    request.no_cache = false;
    let (second, lines) = build(&test, &request).await;
    assert_eq!(second.unwrap().id, first.id);
    assert!(text(&lines).contains("unchanged, taken from the cache"), "{}", text(&lines));
}

#[tokio::test]
async fn a_failing_step_is_named_with_its_output() {
    let test = TestEngine::new();
    for builder in [Builder::BuildKit, Builder::Classic] {
        let folder = tempfile::tempdir().unwrap();
        let dockerfile = "FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"cat\", \"/nothing\"]\n";
        let request = BuildRequest { builder, ..test.request(folder.path(), dockerfile) };
        let error = build(&test, &request).await.0.unwrap_err();
        let ErrorKind::BuildFailed(failure) = &error.kind else { panic!("{error:?}") };
        assert_eq!(failure.exit_code, Some(1), "{error:?}");
        assert!(failure.tail.iter().any(|line| line.contains("/nothing: No such file")), "{error:?}");
        assert!(builder == Builder::Classic || failure.step.as_ref().unwrap().contains("cat"), "{error:?}");
    }
}

#[tokio::test]
async fn the_classic_builder_builds_too() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let mut request = test.request(folder.path(), COUNT);
    request.builder = Builder::Classic;
    let (image, lines) = build(&test, &request).await;
    assert!(image.unwrap().id.starts_with("sha256:"));
    assert!(text(&lines).contains("err 1"), "{}", text(&lines));
    request.secrets = BTreeMap::from([("token".to_owned(), b"x".to_vec())]);
    assert_eq!(build(&test, &request).await.0.unwrap_err().kind, ErrorKind::Unsupported);
}

#[tokio::test]
async fn secrets_are_mounted_and_leave_no_trace() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = "FROM scratch\nCOPY probe /probe\nARG PLAIN\nRUN --mount=type=secret,id=token [\"/probe\", \"cat\", \"/run/secrets/token\"]\n";
    let mut request = test.request(folder.path(), dockerfile);
    request.no_cache = true;
    request.secrets = BTreeMap::from([("token".to_owned(), b"hunter2-only-for-the-build\n".to_vec())]);
    request.args = BTreeMap::from([("PLAIN".to_owned(), "seen".to_owned())]);
    let (image, lines) = build(&test, &request).await;
    let image = image.unwrap();
    assert!(text(&lines).contains("hunter2-only-for-the-build"));
    let history = std::process::Command::new("docker").args(["history", "--no-trunc", &image.id]).output().unwrap();
    let history = String::from_utf8_lossy(&history.stdout).into_owned();
    assert!(history.contains("PLAIN=seen") && !history.contains("hunter2"), "{history}");
    let mut archive = Vec::new();
    test.engine.copy_out(&image.id, "/", &test.name("copy"), &mut archive).await.unwrap();
    assert!(!archive.windows(7).any(|bytes| bytes == b"hunter2"));
}

#[tokio::test]
async fn a_missing_secret_is_named() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = "FROM scratch\nCOPY probe /probe\nRUN --mount=type=secret,id=absent,required=true [\"/probe\", \"exit\", \"0\"]\n";
    let request = BuildRequest { no_cache: true, ..test.request(folder.path(), dockerfile) };
    let error = build(&test, &request).await.0.unwrap_err();
    assert!(error.why.contains("absent"), "{error:?}");
}

#[tokio::test]
async fn proxy_and_certificates_reach_every_step_and_stay_out_of_the_image() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = "FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"env\", \"HTTPS_PROXY\", \"https_proxy\", \"NODE_EXTRA_CA_CERTS\", \"PIP_CERT\"]\nRUN [\"/probe\", \"grep\", \"/dev/boathouse-ca.pem\", \"extra\"]\n";
    let mut request = test.request(folder.path(), dockerfile);
    request.no_cache = true;
    request.proxy.https = Some("http://proxy.test:3128".to_owned());
    request.ca_bundle = Some(b"-----BEGIN CERTIFICATE----- the extra one\n".to_vec());
    let (image, lines) = build(&test, &request).await;
    let (image, printed) = (image.unwrap(), text(&lines));
    assert!(printed.contains("RUN [\"/probe\", \"env\"") && !printed.contains("--mount="), "{printed}");
    for wanted in [
        "HTTPS_PROXY=http://proxy.test:3128",
        "https_proxy=http://proxy.test:3128",
        "NODE_EXTRA_CA_CERTS=/dev/boathouse-ca.pem",
        "the extra one",
    ] {
        assert!(printed.contains(wanted), "{wanted} in {printed}");
    }
    let inspected = std::process::Command::new("docker").args(["image", "inspect", &image.id]).output().unwrap();
    let inspected = String::from_utf8_lossy(&inspected.stdout).into_owned();
    assert!(!inspected.contains("proxy.test") && !inspected.contains("NODE_EXTRA_CA_CERTS"), "{inspected}");
    let mut archive = Vec::new();
    test.engine.copy_out(&image.id, "/", &test.name("copy"), &mut archive).await.unwrap();
    for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
        assert!(!entry.unwrap().path().unwrap().ends_with("boathouse-ca.pem"));
    }
}

#[tokio::test]
async fn a_dropped_build_leaves_nothing_running() {
    let test = TestEngine::new();
    for builder in [Builder::BuildKit, Builder::Classic] {
        let folder = tempfile::tempdir().unwrap();
        let marker = format!("{}{builder:?}", test.instance);
        let dockerfile = format!("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"stubborn\", \"{marker}\"]\n");
        let request = BuildRequest { builder, no_cache: true, ..test.request(folder.path(), &dockerfile) };
        let (sender, _receiver) = mpsc::channel(64);
        let running = test.engine.build(&request, sender);
        tokio::select! {
            ended = running => panic!("{ended:?}"),
            () = until("the step to run", || async { runs(&marker).then_some(()) }) => {}
        }
        let begin = Instant::now();
        until("the step to be gone", || async { (!runs(&marker)).then_some(()) }).await;
        assert!(begin.elapsed() < Duration::from_secs(10));
    }
}

/// Whether a process of the test program with this argument exists on the machine.
fn runs(marker: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path().join("cmdline"));
    processes
        .filter_map(|path| std::fs::read(path).ok())
        .any(|line| line.starts_with(b"/probe\0") && contains(&line, marker))
}

fn contains(line: &[u8], marker: &str) -> bool {
    String::from_utf8_lossy(line).contains(marker)
}

#[tokio::test]
async fn a_build_that_takes_too_long_is_ended() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let dockerfile =
        format!("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"sleep\", \"{}slow\"]\n", test.instance);
    let mut request = test.request(folder.path(), &dockerfile);
    request.limits.wall_clock = Some(Duration::from_secs(4));
    let error = build(&test, &request).await.0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BuildTooLong);
    let marker = format!("{}slow", test.instance);
    until("the step to be gone", || async { (!runs(&marker)).then_some(()) }).await;
}

#[tokio::test]
async fn a_build_that_eats_the_memory_dies_alone() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = "FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"alloc\", \"600\"]\n";
    let mut request = test.request(folder.path(), dockerfile);
    request.limits.memory = Some(256 << 20);
    request.no_cache = true;
    for builder in [Builder::BuildKit, Builder::Classic] {
        request.builder = builder;
        let error = build(&test, &request).await.0.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::BuildOutOfMemory(_)), "{builder:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_build_that_starts_too_many_processes_fails_alone() {
    let test = TestEngine::new();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let forks = |count: u32| format!("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"fork\", \"{count}\"]\n");
    let mut greedy = test.request(folder.path(), &forks(1000));
    (greedy.limits.pids, greedy.no_cache) = (Some(64), true);
    let mut modest = test.request(other.path(), &forks(200));
    (modest.limits.pids, modest.no_cache) = (Some(400), true);
    let ((failed, _), (built, lines)) = tokio::join!(build(&test, &greedy), build(&test, &modest));
    let Err(error) = failed else { panic!("it was built") };
    assert!(matches!(error.kind, ErrorKind::BuildOutOfProcesses(_)), "{error:?}");
    assert!(error.why.contains("limit 64 processes") && error.hint.contains("fewer processes"), "{error:?}");
    built.unwrap_or_else(|error| panic!("the other build must not feel it: {error:?}"));
    assert!(text(&lines).contains("200 processes"), "{}", text(&lines));
}

/// A build that waits in its only step until it is dropped.
async fn waits(test: &TestEngine, folder: &Path, marker: &str, limits: BuildLimits) -> DockerError {
    let dockerfile = format!("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"sleep\", \"{marker}\"]\n");
    let request = BuildRequest { limits, ..test.request(folder, &dockerfile) };
    build(test, &request).await.0.unwrap_err()
}

#[tokio::test]
async fn of_two_builds_each_keeps_its_own_limits_also_when_the_other_ends() {
    let test = TestEngine::new();
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let small = BuildLimits { memory: Some(128 << 20), cpus: Some(0.5), pids: Some(50), wall_clock: None };
    let large = BuildLimits { memory: Some(256 << 20), cpus: Some(1.5), pids: Some(70), wall_clock: None };
    let (one, two) = (format!("{}one", test.instance), format!("{}two", test.instance));
    let second = waits(&test, other.path(), &two, large);
    let watch = async {
        let first = waits(&test, folder.path(), &one, small);
        let both_limited = until("both steps to be limited", || async {
            let found = (limits_of(&one)?, limits_of(&two)?);
            (found == (written(&small), written(&large))).then_some(())
        });
        tokio::select! {
            error = first => panic!("{error:?}"),
            () = both_limited => {}
        }
        // The first is dropped here.
        until("the first step to be gone", || async { (!runs(&one)).then_some(()) }).await;
        assert_eq!(limits_of(&two), Some(written(&large)), "the other goes on under its own limits");
    };
    tokio::select! {
        error = second => panic!("{error:?}"),
        () = watch => {}
    }
    until("the second step to be gone", || async { (!runs(&two)).then_some(()) }).await;
}

/// Bytes, microseconds of each 100 ms, processes.
fn written(limits: &BuildLimits) -> [u64; 3] {
    let quota = (limits.cpus.unwrap() * 10.0) as u64 * 10_000;
    [limits.memory.unwrap(), quota, u64::from(limits.pids.unwrap())]
}

/// What the kernel enforces on the process with this argument.
fn limits_of(marker: &str) -> Option<[u64; 3]> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let found = processes.into_iter().find(|path| {
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        line.starts_with(b"/probe\0") && contains(&line, marker)
    })?;
    let groups = std::fs::read_to_string(found.join("cgroup")).ok()?;
    let read = |controller: &str, old: &str, new: &str| {
        let path_of = |name: &str| {
            groups.lines().find_map(|line| {
                let (names, path) = line.split_once(':')?.1.split_once(':')?;
                names.split(',').any(|one| one == name).then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let root = Path::new("/sys/fs/cgroup");
        let file = match path_of(controller) {
            Some(path) => root.join(controller).join(path).join(old),
            None => root.join(path_of("")?).join(new),
        };
        std::fs::read_to_string(file).ok()?.split_whitespace().next()?.parse().ok()
    };
    Some([
        read("memory", "memory.limit_in_bytes", "memory.max")?,
        read("cpu", "cpu.cfs_quota_us", "cpu.max")?,
        read("pids", "pids.max", "pids.max")?,
    ])
}

#[tokio::test]
async fn a_build_that_runs_is_slowed_and_let_go_again() {
    let (test, folder) = (TestEngine::new(), tempfile::tempdir().unwrap());
    let marker = format!("{}slowed", test.instance);
    let dockerfile = format!("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"sleep\", \"{marker}\"]\n");
    let limits = BuildLimits { memory: Some(128 << 20), cpus: Some(0.5), pids: Some(50), wall_clock: None };
    let request = BuildRequest { limits, ..test.request(folder.path(), &dockerfile) };
    let slow = BuildLimits { cpus: Some(0.1), ..limits };
    let watch = async {
        for (is_slow, limits) in [(false, limits), (true, slow), (false, limits), (true, slow)] {
            request.pace.set_slow(is_slow);
            let what = format!("the step to run with {} processors", limits.cpus.unwrap());
            until(&what, || async { (limits_of(&marker)? == written(&limits)).then_some(()) }).await;
        }
    };
    tokio::select! {
        (ended, _) = build(&test, &request) => panic!("{ended:?}"),
        () = watch => {}
    }
    // Also what is slow ends at once.
    let begin = Instant::now();
    until("the step to be gone", || async { (!runs(&marker)).then_some(()) }).await;
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn limits_cost_no_cached_step_and_leave_no_trace() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let marker = format!("{}cached", test.instance);
    let dockerfile =
        format!("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"cat\", \"/proc/self/environ\", \"{marker}\"]\n");
    let mut request = test.request(folder.path(), &dockerfile);
    request.limits.pids = Some(100);
    request.proxy.exceptions = Some("intern.test".to_owned());
    let (first, lines) = build(&test, &request).await;
    assert!(
        text(&lines).contains("NO_PROXY=intern.test,") && text(&lines).contains(".boathouse.invalid"),
        "{}",
        text(&lines)
    );
    let (second, lines) = build(&test, &request).await;
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(second.id, first.id);
    assert!(text(&lines).contains("unchanged, taken from the cache"), "{}", text(&lines));
    for words in [["image", "inspect"], ["history", "--no-trunc"]] {
        let shown = std::process::Command::new("docker").args(words).arg(&first.id).output().unwrap();
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains(&marker) || words[0] == "image", "{shown}");
        assert!(!shown.contains("boathouse.invalid") && !shown.contains("intern.test"), "{shown}");
    }
}

/// An engine that has no BuildKit: the real one behind a socket that refuses build sessions.
async fn old_engine(folder: &Path) -> (Engine, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let socket = folder.join("docker.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let serving = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 64 * 1024];
                let Ok(length) = client.read(&mut head).await else { return };
                if String::from_utf8_lossy(&head[..length]).lines().next().is_some_and(|line| line.contains("/session"))
                {
                    client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.ok();
                    return;
                }
                let Ok(mut engine) = tokio::net::UnixStream::connect("/var/run/docker.sock").await else { return };
                if engine.write_all(&head[..length]).await.is_ok() {
                    tokio::io::copy_bidirectional(&mut client, &mut engine).await.ok();
                }
            });
        }
    });
    (Engine::new(socket, Pool::default()), serving)
}

#[tokio::test]
async fn without_buildkit_every_limit_holds_and_what_is_missing_is_said_with_the_remedy() {
    let (test, folder) = (TestEngine::new(), tempfile::tempdir().unwrap());
    let socket = tempfile::tempdir().unwrap();
    let (engine, serving) = old_engine(socket.path()).await;
    let marker = format!("{}old", test.instance);
    let dockerfile = format!("FROM scratch\nCOPY probe /probe\nRUN [\"/probe\", \"sleep\", \"{marker}\"]\n");
    let mut request = test.request(folder.path(), &dockerfile);
    (request.builder, request.no_cache) = (Builder::Auto, true);
    request.ca_bundle = Some(b"-----BEGIN CERTIFICATE-----".to_vec());
    request.limits = BuildLimits { memory: Some(3 << 30), cpus: Some(1.5), pids: Some(50), wall_clock: None };
    let (sender, mut receiver) = mpsc::channel(64);
    let running = engine.build(&request, sender);
    let limited = until("the step to have all limits", || async {
        (limits_of(&marker)? == written(&request.limits)).then_some(())
    });
    tokio::select! {
        ended = running => panic!("{ended:?}"),
        () = limited => {}
    }
    let mut lines = Vec::new();
    while let Ok(line) = receiver.try_recv() {
        lines.push(line);
    }
    let said = text(&lines);
    assert!(said.contains("no BuildKit: using the classic builder"), "{said}");
    assert!(
        said.contains("extra CA certificates are not used") && said.contains("COPY them in the Dockerfile"),
        "{said}"
    );
    until("the step to be gone", || async { (!runs(&marker)).then_some(()) }).await;
    serving.abort();
}

#[tokio::test]
async fn what_cannot_be_built_is_refused_with_a_reason() {
    let test = TestEngine::new();
    let folder = tempfile::tempdir().unwrap();
    let mut request = test.request(folder.path(), "FROM scratch\nCOPY absent /\n");
    let error = build(&test, &request).await.0.unwrap_err();
    assert!(error.why.contains("absent"), "{error:?}");
    request = test.request(folder.path(), "FROM bhtest-no-such-image:1\n");
    let error = build(&test, &request).await.0.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::RegistryUnreachable | ErrorKind::PullDenied), "{error:?}");
    request.dockerfile = Path::new("Dockerfile.absent").into();
    let error = build(&test, &request).await.0.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
}

/// Dockerfiles as their authors write them, in a network that only the host's certificates open.
#[tokio::test]
async fn npm_and_pip_work_in_builds_with_the_hosts_and_the_extra_certificates() {
    let test = TestEngine::new();
    let extra = rcgen::generate_simple_self_signed(vec!["extra.test".to_owned()]).unwrap().cert.pem();
    for dockerfile in [
        "FROM node:22-slim AS build\nWORKDIR /app\nRUN npm install is-odd@3.0.1 \\\n    && ls node_modules/is-odd\nFROM scratch\nCOPY --from=build /app/node_modules/is-odd/index.js /found\n",
        "FROM python:3.11-slim AS build\nRUN pip install --no-cache-dir --target /app six==1.16.0\nFROM scratch\nCOPY --from=build /app/six.py /found\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut request = test.request(folder.path(), dockerfile);
        request.no_cache = true;
        request.ca_bundle = Some(extra.clone().into_bytes());
        let (image, lines) = build(&test, &request).await;
        let image = image
            .unwrap_or_else(|error| panic!("{error:?}\n{}(tests/images/build makes the base images)", text(&lines)));
        test.engine.copy_out(&image.id, "/found", &test.name("copy"), &mut Vec::new()).await.unwrap();
    }
}
