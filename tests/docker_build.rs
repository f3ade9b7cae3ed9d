//! Image builds against the real engine.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use boathouse::docker::{BuildRequest, Builder, Containers, DockerError, ErrorKind, ImageInfo, Line};
use tokio::sync::mpsc;

use crate::engine_support::{TestEngine, until};

/// Builds and returns what came out and every line that was printed.
async fn build(test: &TestEngine, request: &BuildRequest) -> (Result<ImageInfo, DockerError>, Vec<Line>) {
    let (sender, mut receiver) = mpsc::channel(16);
    let collect = async {
        let mut lines = Vec::new();
        while let Some(line) = receiver.recv().await {
            lines.push(line);
        }
        lines
    };
    futures_util::join!(test.engine.build(request, sender), collect)
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
        let request = BuildRequest { builder, ..test.request(folder.path(), &dockerfile) };
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
