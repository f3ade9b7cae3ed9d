//! Limits that a deployment has of its own: planned, applied, rolled back, handed on to a clone, and what is refused.

use boathouse_types::{
    DeploymentResources, EngineStatus, ErrorKind, Event, Plan, PlanAction, Release, Resources, Trigger,
};
use bollard::query_parameters::InspectContainerOptions;
use serde_json::{Value, json};

use crate::api_desk::Desk;
use crate::harness::{Client, Engine, Server, TestApp, app, at, upload};
use crate::plans::live;

const MIB: i64 = 1 << 20;

/// `api` is there where it is wanted; only `web` has a limit in the manifest.
fn shop(text: &str, with_api: bool) -> TestApp {
    let api = if with_api { "  - {identifier: api, folder: /}\n" } else { "" };
    app(text).manifest(&format!(
        "components:\n  - identifier: web\n    folder: /\n    resources: {{memory: 256MiB}}\n{api}addons:\n  - {{identifier: cache, image: 'redis:7', port: 6379}}\n"
    ))
}

fn path(deployment: &str, rest: &str) -> String {
    format!("{}/{rest}", at("shop", deployment))
}

/// Memory in MiB and thousandths of a core, as the engine has them; 0 for none. With the container's id.
async fn limits(engine: &Engine, server: &Server, deployment: &str, part: &str) -> (i64, i64, String) {
    let marker = format!("-shop-{deployment}-");
    let names = engine.container_names(&server.instance()).await;
    let name = names.iter().find(|name| name.contains(&marker) && name.ends_with(&format!("-{part}")));
    let name = name.unwrap_or_else(|| panic!("no container of {part} in {names:?}"));
    let about = engine.docker.inspect_container(name, None::<InspectContainerOptions>).await.unwrap();
    let host = about.host_config.unwrap();
    (host.memory.unwrap_or(0) / MIB, host.nano_cpus.unwrap_or(0) / 1_000_000, about.id.unwrap())
}

async fn plan(local: &Client) -> Vec<String> {
    let plan: Plan = local.read(&path("production", "plan")).await;
    let changes = plan.steps.iter().filter(|step| step.action == PlanAction::Change);
    changes.map(ToString::to_string).collect()
}

#[tokio::test]
async fn limits_are_planned_applied_as_a_release_and_rolled_back() {
    let server = Server::start().await;
    let (local, engine) = (server.local(), Engine::connect().await);
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", shop("v1", true).archive()).await;
    let before = limits(&engine, &server, "production", "web").await;
    let cache = limits(&engine, &server, "production", "cache").await;
    assert_eq!((before.0, before.1, cache.0), (256, 0, 0));

    let body = json!({"parts": [{"identifier": "web", "memory_bytes": 128 * MIB, "cpu_millis": 500}]});
    let set: DeploymentResources = local.patch(&path("production", "resources"), &body).await.ok().json();
    let web = set.parts.iter().find(|part| part.identifier.as_str() == "web").unwrap();
    let of = |memory: Option<i64>, cpu_millis| Resources {
        memory_bytes: memory.map(|mib| (mib * MIB) as u64),
        cpu_millis,
        replicas: None,
    };
    assert_eq!(
        (web.manifest, web.own, web.live),
        (of(Some(256), None), of(Some(128), Some(500)), Some(of(Some(256), None)))
    );
    let changes = ["change component web: CPU limit: none → 0.5; memory limit: 256 MiB → 128 MiB"];
    assert_eq!(plan(&local).await, changes);
    assert_eq!(limits(&engine, &server, "production", "web").await, before, "nothing is touched before it is applied");
    let events: Vec<Event> = local.read("/api/v1/events").await;
    let told = events.iter().find(|event| event.kind == "resources.changed").unwrap();
    assert!(told.message.contains("the memory limit of web to 128 MiB, the CPU limit of web to 0.5"), "{told:?}");

    server.cli(&["deployment", "resources", "--apply", "-p", "shop"]).await.ok();
    let applied = limits(&engine, &server, "production", "web").await;
    assert_eq!((applied.0, applied.1), (128, 500));
    assert_eq!(limits(&engine, &server, "production", "cache").await, cache, "what does not change is left alone");
    assert!(plan(&local).await.is_empty());
    let second: Release = local.read(&path("production", "releases/2")).await;
    assert_eq!(second.trigger, Trigger::Environment { of: 1 });
    assert!(local.release_log(&second).await.contains(&format!("plan: {}", changes[0])));

    local.deploy_archive("shop", shop("v2", true).archive()).await;
    assert_eq!(limits(&engine, &server, "production", "web").await.0, 128, "the next release has them, too");
    let rolled: Release = local.post(&path("production", "releases/1/rollback"), &json!({})).await.ok().json();
    local.must_be_live(local.ended(&rolled).await).await;
    let back = limits(&engine, &server, "production", "web").await;
    assert_eq!((back.0, back.1), (256, 0), "a rollback has the limits of its release");
    assert_eq!(plan(&local).await, changes, "and what is set still waits");

    let given_up = ["deployment", "resources", "-p", "shop", "--memory", "web=manifest", "--cpus", "web=manifest"];
    let told = server.cli(&given_up).await.ok();
    assert!(told.stdout.contains("256 MiB") && !told.stdout.contains("128 MiB"), "{}", told.stdout);
    assert!(plan(&local).await.is_empty());
}

#[tokio::test]
async fn an_add_ons_limit_is_its_own_and_what_the_stack_does_not_have_is_kept_and_told() {
    let server = Server::start().await;
    let (local, engine) = (server.local(), Engine::connect().await);
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", shop("v1", true).archive()).await;
    let words =
        ["deployment", "resources", "-p", "shop", "--memory", "cache=64MiB", "--memory", "api=96MiB", "--apply"];
    server.cli(&words).await.ok();
    assert_eq!(limits(&engine, &server, "production", "cache").await.0, 64);
    assert_eq!(limits(&engine, &server, "production", "api").await.0, 96);

    let gone = local.deploy_archive("shop", shop("v2", false).archive()).await;
    let log = local.release_log(&gone).await;
    assert!(log.contains("the limits of api are kept and mean nothing now: the stack has no such part"), "{log}");
    let plan: Plan = local.read(&path("production", "plan")).await;
    assert!(plan.notes.iter().any(|note| note.contains("the limits of api are kept")), "{plan:?}");
    local.deploy_archive("shop", shop("v3", true).archive()).await;
    assert_eq!(limits(&engine, &server, "production", "api").await.0, 96, "they count again once it is back");
    assert_eq!(limits(&engine, &server, "production", "cache").await.0, 64);
}

#[tokio::test]
async fn a_clone_has_the_limits_of_its_source_or_others() {
    let server = Server::start().await;
    let (local, engine) = (server.local(), Engine::connect().await);
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", shop("v1", true).archive()).await;
    let limit = ["deployment", "resources", "-p", "shop", "--memory", "web=128MiB", "--cpus", "web=0.5"];
    server.cli(&limit).await.ok();
    let words = ["clone", "-p", "shop", "--to", "try", "--memory", "web=64MiB", "--memory", "api=96MiB"];
    server.cli(&words).await.ok();
    let web = limits(&engine, &server, "try", "web").await;
    assert_eq!((web.0, web.1), (64, 500), "one is other on the way, one is the source's");
    assert_eq!(limits(&engine, &server, "try", "api").await.0, 96);
    let source: DeploymentResources = local.read(&path("production", "resources")).await;
    let own = |name: &str| source.parts.iter().find(|part| part.identifier.as_str() == name).unwrap().own;
    assert_eq!(
        (own("web").memory_bytes, own("api").is_empty()),
        (Some(128 * MIB as u64), true),
        "the source keeps its own"
    );
    let wrong = json!({"name": "other", "resources": [{"identifier": "wbe", "memory_bytes": 64 * MIB}]});
    let answer = local.post(&path("production", "clone"), &wrong).await;
    Client::expect_error(&answer, ErrorKind::NotFound, &["wbe", "Did you mean \"web\"?"]);
    assert_eq!(local.get(&at("shop", "other")).await.status, 404, "a refused clone leaves nothing");
}

#[tokio::test]
async fn what_cannot_be_a_limit_is_refused_and_changes_nothing() {
    let desk = Desk::open();
    let local = desk.local();
    live(&desk);
    let here = EngineStatus { reachable: true, version: None, api_version: None, cpus: Some(2), problem: None };
    desk.app.observed.set_engine(here);
    let kept = json!({"parts": [{"identifier": "web", "memory_bytes": 100 * MIB}]});
    local.patch(&path("production", "resources"), &kept).await.ok();
    let part = |rest: Value| {
        let mut part = json!({"identifier": "web"});
        part.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        json!({"parts": [{"identifier": "web", "memory_bytes": 200 * MIB}, part]})
    };
    for (body, kind, words) in [
        (part(json!({"memory_bytes": MIB})), ErrorKind::Invalid, ["memory of \"web\"", "less than 6 MiB"]),
        (part(json!({"memory_bytes": u64::MAX})), ErrorKind::Invalid, ["memory of \"web\"", "more than any machine"]),
        (part(json!({"cpu_millis": 64_000})), ErrorKind::Invalid, ["64 cores", "more than the 2 that this host has"]),
        (part(json!({"cpu_millis": 1})), ErrorKind::Invalid, ["CPUs of \"web\": 0.001", "less than 0.01"]),
        (
            part(json!({"identifier": "wob"})),
            ErrorKind::NotFound,
            ["no component or add-on \"wob\"", "Did you mean \"web\"?"],
        ),
        (part(json!({"identifier": "else"})), ErrorKind::NotFound, ["\"else\"", "It has web."]),
    ] {
        let answer = local.patch(&path("production", "resources"), &body).await;
        Client::expect_error(&answer, kind, &words);
    }
    let now: DeploymentResources = local.read(&path("production", "resources")).await;
    assert_eq!((now.parts[0].own.memory_bytes, now.host_cpus), (Some(100 * MIB as u64), Some(2)));
    local.create_project("empty", &upload()).await;
    let answer = local.patch(&format!("{}/resources", at("empty", "production")), &kept).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["has read its manifest yet", "Deploy it once"]);
}
