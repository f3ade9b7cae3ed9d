//! The status tree as it is seen from outside: live, with the reason in words, with restart and describe on its nodes.

use boathouse_types::{ContainerDescription, Deployment, ErrorKind, Event, Health, StatusKind, StatusTree, Volume};
use bollard::query_parameters::InspectContainerOptions;

use crate::harness::{Client, Engine, Server, TestApp, app, at, seconds, tar_gz, upload, wait_for};

const SECRET: &str = "never-to-be-seen-9f2";

/// An app with a volume and a sibling.
fn pair(text: &str) -> TestApp {
    app(text).manifest(
        "components:\n  - identifier: web\n    folder: /\n    volumes: [{identifier: data, path: /data}]\n  - identifier: back\n    folder: /\n",
    )
}

fn path(rest: &str) -> String {
    format!("{}/{rest}", at("shop", "production"))
}

async fn deployed(server: &Server) -> Client {
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let set = serde_json::json!({"variables": [{"key": "API_KEY", "value": SECRET}, {"key": "PLAIN", "value": "shown", "secret": false}]});
    local.put(&path("env"), &set).await.ok();
    local.deploy_archive("shop", pair("v1").archive()).await;
    local
}

async fn tree(client: &Client) -> StatusTree {
    client.read(&path("status")).await
}

fn group(tree: &StatusTree, kind: StatusKind) -> (Health, String) {
    let group = tree.groups.iter().find(|group| group.kind == kind).unwrap();
    (group.health, group.reason.clone())
}

async fn started(engine: &Engine, name: &str) -> String {
    let about = engine.docker.inspect_container(name, None::<InspectContainerOptions>).await.unwrap();
    about.state.and_then(|state| state.started_at).unwrap_or_default()
}

#[tokio::test]
async fn the_tree_is_green_then_red_with_the_reason_and_follows_live() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    let green = wait_for(seconds(20), "everything is green", || async {
        let tree = tree(&local).await;
        (tree.health == Health::Healthy).then_some(tree)
    })
    .await;
    assert_eq!(group(&green, StatusKind::Containers), (Health::Healthy, "2 containers".to_owned()));
    assert_eq!(group(&green, StatusKind::Services).0, Health::Healthy);
    assert!(green.groups[4].nodes.iter().any(|node| node.reason.contains("certificate by")), "{green:#?}");

    let mut stream = local.events(&path("status"), None).await;
    assert_eq!(stream.next().await.unwrap().json::<StatusTree>().groups.len(), 5);
    // An app that keeps ending: the tree says so, and when it comes back.
    local.post(&path("releases/1/cancel"), &()).await;
    let broken = pair("v2").exits_at_once(3).archive();
    local.upload("shop", broken).await;
    let words = loop {
        let seen = stream.next().await.unwrap().json::<StatusTree>();
        let failing = seen.groups[2].nodes.iter().find(|node| node.reason.contains("restarting, attempt")).cloned();
        if let Some(node) = failing {
            assert!(!node.counts && node.release == Some(2), "{node:?}");
            assert_eq!(seen.health, Health::Healthy, "what serves is not hurt: {}", seen.reason);
            break node.reason;
        }
    };
    assert!(words.contains("exited with code 3"), "{words}");
    local.delete(&format!("{}?confirm=production", at("shop", "production"))).await.ok();
    while let Some(event) = stream.next().await {
        if event.event == "end" {
            return;
        }
    }
    panic!("the stream of a deployment that is gone did not end well");
}

#[tokio::test]
async fn what_is_stopped_reads_stopped_on_every_node() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    local.post(&path("stop"), &()).await.ok();
    let stopped = wait_for(seconds(40), "it is stopped", || async {
        let tree = tree(&local).await;
        (tree.reason == "stopped").then_some(tree)
    })
    .await;
    assert_eq!(stopped.health, Health::Off);
    for kind in [StatusKind::Containers, StatusKind::Services, StatusKind::Endpoints] {
        let group = stopped.groups.iter().find(|group| group.kind == kind).unwrap();
        assert!(!group.nodes.is_empty(), "{group:#?}");
        for node in &group.nodes {
            assert_eq!((node.health, node.reason.as_str()), (Health::Off, "stopped"), "{node:#?}");
        }
    }
    let shown: Deployment = local.read(&at("shop", "production")).await;
    assert!(shown.containers.iter().all(|one| one.health == Health::Off), "{shown:#?}");
    // What can be asked of a node can be asked now, too.
    let one: ContainerDescription = local.read(&path("containers/web")).await;
    assert_eq!((one.health, one.reason.as_str()), (Health::Off, "stopped"));
    local.get(&path("logs?component=web&tail=5")).await.ok();
    let refused = local.post(&path("containers/web/restart"), &()).await;
    Client::expect_error(&refused, ErrorKind::Conflict, &["is stopped", "boathouse start"]);
    let words = server.cli(&["status", "shop", "--tree"]).await.ok().stdout;
    assert!(words.contains("stopped") && !words.contains("not looked at yet"), "{words}");
    local.post(&path("start"), &()).await.ok();
    wait_for(seconds(40), "it is green again", || async {
        (tree(&local).await.health == Health::Healthy).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_description_is_complete_and_shows_no_secret() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    let answer = local.get(&path("containers/web")).await.ok();
    assert!(!answer.text().contains(SECRET), "{}", answer.text());
    let one: ContainerDescription = answer.json();
    let config = one.config.unwrap();
    let value = |key: &str| config.env.iter().find(|one| one.key == key).map(|one| (one.value.clone(), one.secret));
    assert_eq!(value("API_KEY"), Some((None, true)));
    assert_eq!(value("PLAIN"), Some((Some("shown".into()), false)));
    assert_eq!(value("STAGE"), Some((Some("production".into()), false)));
    assert!(config.image_id.starts_with("sha256:") && config.entrypoint[0] == "/app", "{config:#?}");
    assert_eq!((config.mounts[0].path.as_str(), config.mounts[0].read_only), ("/data", false));
    assert!(config.networks.len() == 2 && config.networks.iter().any(|one| one.aliases.contains(&"web".into())));
    assert!(config.security.contains(&"no-new-privileges".to_owned()) && config.pids.is_some());
    assert!(config.started_at.is_some() && one.health == Health::Healthy && one.port == Some(8080));
    Client::expect_error(&local.get(&path("containers/nobody")).await, ErrorKind::NotFound, &["nobody"]);
    let words = server.cli(&["describe", "web", "-p", "shop"]).await.ok().stdout;
    assert!(words.contains("API_KEY=(secret)") && words.contains("PLAIN=shown") && !words.contains(SECRET), "{words}");
}

#[tokio::test]
async fn a_restart_is_done_once_in_order_audited_and_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let fault = folder.path().join("fault");
    let mut server = Server::options().flag("--fault", fault.display()).flag("--drain-timeout", 2).start().await;
    let local = deployed(&server).await;
    let engine = Engine::connect().await;
    let names = engine.container_names(&server.instance()).await;
    let [web, back] = ["web", "back"].map(|part| names.iter().find(|name| name.ends_with(part)).unwrap().clone());
    let (web_before, back_before) = (started(&engine, &web).await, started(&engine, &back).await);

    std::fs::write(&fault, "restart.stopped").unwrap();
    local.post(&path("containers/web/restart"), &()).await.ok();
    wait_for(seconds(30), "the process dies in the restart", || std::future::ready(server.ended())).await;
    std::fs::remove_file(&fault).unwrap();
    server.kill();
    server.start_again().await;
    let again = || async { (started(&engine, &web).await != web_before && serves(&server).await).then_some(()) };
    wait_for(seconds(30), "web is back", again).await;
    assert_eq!(started(&engine, &back).await, back_before, "only what was asked for is restarted");
    let once = started(&engine, &web).await;

    let local = server.local();
    local.post(&path("restart"), &()).await.ok();
    let both = || async {
        let (web, back) = (started(&engine, &web).await, started(&engine, &back).await);
        (web != once && back != back_before && serves(&server).await).then_some((web, back))
    };
    let (web_last, back_last) = wait_for(seconds(30), "both are back", both).await;
    assert!(web_last < back_last, "one after the other: {web_last} {back_last}");
    let shown: Deployment = local.deployment("shop", "production").await;
    assert!(shown.containers.iter().all(|one| one.restarts == 0), "a restart on order is no crash: {shown:#?}");
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    let orders: Vec<_> = events.iter().filter(|event| event.kind == "container.restart_wanted").collect();
    assert_eq!(orders.len(), 2);
    assert!(orders[1].message.contains("ordered the restart of web"), "{orders:?}");
    Client::expect_error(&local.post(&path("containers/x/restart"), &()).await, ErrorKind::NotFound, &["\"x\""]);
}

async fn serves(server: &Server) -> bool {
    server.visit("shop.localhost", "/").await.status == 200
}

#[tokio::test]
async fn volumes_are_counted_when_asked() {
    let server = Server::start().await;
    let local = deployed(&server).await;
    let volumes: Vec<Volume> = local.read(&path("volumes?fresh=true")).await;
    let [volume] = volumes.as_slice() else { panic!("{volumes:#?}") };
    assert_eq!((volume.identifier.as_str(), volume.mounts[0].path.as_str()), ("data", "/data"));
    let empty = volume.size_bytes.unwrap_or_else(|| panic!("{volume:?}"));
    let engine = Engine::connect().await;
    let about = engine.docker.inspect_volume(&volume.name).await.unwrap();
    std::fs::write(std::path::Path::new(&about.mountpoint).join("big"), vec![1; 3 << 20]).unwrap();
    let words = server.cli(&["volume", "list", "-p", "shop"]).await.ok().stdout;
    assert!(words.contains("3.0 MiB") && words.contains("web:/data"), "{words}");
    let after: Vec<Volume> = local.read(&path("volumes")).await;
    assert!(after[0].size_bytes.unwrap() >= empty + (3 << 20), "{after:?}");
    let words = server.cli(&["status", "shop", "--tree"]).await.ok().stdout;
    assert!(words.contains("storage") && words.contains("1 volume, 3.0 MiB"), "{words}");
}

#[tokio::test]
async fn static_files_have_a_tree_without_containers() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", tar_gz(&[("index.html", b"x".as_slice())])).await;
    let tree = tree(&local).await;
    assert_eq!(group(&tree, StatusKind::Images), (Health::Healthy, "1 image".to_owned()));
    assert_eq!(group(&tree, StatusKind::Containers), (Health::Off, "no container".to_owned()));
    Client::expect_error(&local.post(&path("restart"), &()).await, ErrorKind::Conflict, &["none to restart"]);
}
