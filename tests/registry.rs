//! Ready images and private base images, from a real registry on loopback.

use boathouse_types::{ChangeProject, ErrorKind, NewRelease, Release, ReleaseState, Source, Stage};

use crate::harness::{
    Client, Engine, REGISTRY_PASSWORD, REGISTRY_USER, Registry, Server, app, at, seconds, upload, wait_for,
};

fn image(name: &str) -> Source {
    Source::Image { image: name.parse().unwrap() }
}

async fn deploy_image(local: &Client, project: &str, name: &str) -> Release {
    let change = ChangeProject { source: Some(image(name)), ..Default::default() };
    local.patch(&format!("/api/v1/projects/{project}"), &change).await.ok();
    local.deploy(project).await
}

async fn is_here(engine: &Engine, name: &str) -> bool {
    engine.docker.inspect_image(name).await.is_ok()
}

#[tokio::test]
async fn an_image_becomes_a_release_that_needs_its_registry_no_more() {
    let (mut registry, server) = (Registry::start().await, Server::start().await);
    let (engine, local) = (Engine::connect().await, server.local());
    let (one, two) = (registry.image("shop:1"), registry.image("shop:2"));
    let digest = engine.build_image(&one, &app("one")).await;
    registry.take(&engine, &one).await;
    engine.build_image(&two, &app("two")).await;
    registry.take(&engine, &two).await;
    assert!(!is_here(&engine, &one).await && !is_here(&engine, &two).await, "the server must pull");

    local.create_project("shop", &image(&one)).await;
    let first = local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(first.components[0].digest.as_deref(), Some(digest.as_str()));
    assert!(local.release_log(&first).await.contains(&format!("{one} is {digest}")));
    local.must_be_live(deploy_image(&local, "shop", &two).await).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "two");

    registry.stop();
    let path = format!("{}/releases/1/rollback", at("shop", "production"));
    let rolled: Release = local.post(&path, &serde_json::json!({})).await.json();
    let rolled = local.must_be_live(local.ended(&rolled).await).await;
    assert_eq!(rolled.components[0].digest.as_deref(), Some(digest.as_str()));
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "one");
    // The same tag again: what was pulled is still here, and the log says that it is used.
    let again = local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "two");
    let log = local.release_log(&again).await;
    assert!(log.contains("using the image sha256:") && log.contains("connection refused"), "{log}");
}

#[tokio::test]
async fn a_name_that_a_pull_brought_goes_with_its_last_release_and_others_stay() {
    let (registry, engine) = (Registry::start().await, Engine::connect().await);
    let mut server = Server::options().flag("--keep", 1).start().await;
    let local = server.local();
    let (brought, was_here) = (registry.image("brought:1"), registry.image("was-here:1"));
    engine.build_image(&brought, &app("brought")).await;
    registry.take(&engine, &brought).await;
    engine.build_image(&was_here, &app("was-here")).await;
    registry.copy(&engine, &was_here).await;

    local.create_project("shop", &image(&brought)).await;
    local.must_be_live(local.deploy("shop").await).await;
    assert!(is_here(&engine, &brought).await, "kept for as long as a release of it is");
    local.must_be_live(deploy_image(&local, "shop", &was_here).await).await;
    // Files and names that nobody needs are looked for at a start, and then now and then.
    wait_for(seconds(20), "the first release is given up", || async {
        let path = format!("{}/releases/1/rollback", at("shop", "production"));
        let answer = local.post(&path, &serde_json::json!({})).await;
        let refused = answer.error().message.contains("cleaned away");
        refused.then_some(())
    })
    .await;
    server.stop().await;
    server.start_again().await;
    wait_for(seconds(20), "the pulled name is gone", || async { (!is_here(&engine, &brought).await).then_some(()) })
        .await;
    assert!(is_here(&engine, &was_here).await, "in use, and not ours");
    local.send(http::Method::DELETE, "/api/v1/projects/shop?confirm=shop&now=true", None).await.ok();
    wait_for(seconds(40), "the project is gone", || async {
        (local.get("/api/v1/projects/shop").await.status == 404).then_some(())
    })
    .await;
    server.stop().await;
    server.start_again().await;
    server.local().create_project("other", &upload()).await;
    server.local().deploy_archive("other", app("other").archive()).await;
    assert!(is_here(&engine, &was_here).await, "it was here before");
    engine.remove_images(&[was_here]).await;
}

#[tokio::test]
async fn an_image_for_another_platform_is_refused_before_it_is_pulled() {
    let (registry, server) = (Registry::start().await, Server::start().await);
    let (engine, local) = (Engine::connect().await, server.local());
    local.create_project("shop", &upload()).await;
    local.deploy_archive("shop", app("v1").archive()).await;
    let (ours, other) = if cfg!(target_arch = "x86_64") { ("amd64", "arm64") } else { ("arm64", "amd64") };
    let foreign = registry.image("foreign:1");
    engine.load_foreign_image(&foreign, other).await;
    registry.take(&engine, &foreign).await;

    let release = deploy_image(&local, "shop", &foreign).await;
    let failure = release.failure.expect("it cannot run here");
    assert_eq!((release.state, failure.stage), (ReleaseState::Failed, Stage::Build));
    for words in
        [&foreign, &format!("linux/{ours}"), &format!("linux/{other}"), "built for this machine's architecture"]
    {
        assert!(failure.message.contains(words), "{} does not say {words}", failure.message);
    }
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "v1");
    assert!(!is_here(&engine, &foreign).await, "nothing of it is left");
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_named_with_what_to_do() {
    let (mut registry, server) = (Registry::start().await, Server::start().await);
    let local = server.local();
    let absent = registry.image("absent:1");
    local.create_project("shop", &image(&absent)).await;
    let unknown = local.deploy("shop").await.failure.expect("there is no such image");
    registry.stop();
    let unreachable = local.deploy("shop").await.failure.expect("there is no registry");
    for (failure, words) in [
        (unknown, ["Check the image's name and tag", "boathouse registry add"]),
        (unreachable, ["connection refused", "network, DNS and proxy"]),
    ] {
        assert_eq!(failure.stage, Stage::Build);
        assert!(failure.message.contains(&absent), "{}", failure.message);
        for words in words {
            assert!(failure.message.contains(words), "{} does not say {words}", failure.message);
        }
    }
}

#[tokio::test]
async fn a_login_opens_a_private_registry_for_pulls_and_builds() {
    let (registry, server) = (Registry::start_private().await, Server::start().await);
    let (engine, local) = (Engine::connect().await, server.local());
    let (ready, base) = (registry.image("ready:1"), registry.image("base:1"));
    for (name, version) in [(&ready, "ready"), (&base, "base")] {
        engine.build_image(name, &app(version)).await;
        registry.take(&engine, name).await;
    }
    let host = registry.host();
    local.create_project("shop", &image(&ready)).await;
    let denied = local.deploy("shop").await.failure.expect("no login");
    assert!(denied.message.contains("boathouse registry add"), "{}", denied.message);
    let add = ["registry", "add", &host, "--username", REGISTRY_USER];
    server.cli_with_input(&add, "wrong-password-of-ada\n").await.ok();
    let denied = local.deploy("shop").await.failure.expect("a wrong password");
    assert!(denied.message.contains("unauthorized"), "{}", denied.message);

    let added = server.cli_with_input(&add, &format!("{REGISTRY_PASSWORD}\n")).await.ok();
    let listed = server.cli(&["registry", "list", "--json"]).await.ok();
    let answered = local.get("/api/v1/registries").await.ok().text();
    for said in [&added.stdout, &listed.stdout, &answered] {
        assert!(said.contains(REGISTRY_USER) && !said.contains(REGISTRY_PASSWORD), "{said}");
    }
    let release = local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "ready");
    assert!(!local.release_log(&release).await.contains(REGISTRY_PASSWORD));

    // The base image of a build comes by the build's own session, and only its registry is told the password.
    local.create_project("built", &upload()).await;
    let dockerfile = format!("FROM {base}\nLABEL built=yes\n");
    let manifest = "components:\n  - {identifier: web, folder: /, build: {dockerfile: recipe}}\n";
    let from_base = app("unused").manifest(manifest).file("recipe", dockerfile).archive();
    local.deploy_archive("built", from_base.clone()).await;
    assert_eq!(server.visit("built.localhost", "/").await.text(), "base");
    server.cli(&["registry", "remove", &host]).await.ok();
    let gone = server.cli(&["registry", "remove", &host]).await;
    assert!(gone.code != 0 && gone.stderr.contains("there is no login"), "{gone:?}");
    let stored = std::fs::read(server.data().join("boathouse.db")).unwrap();
    assert!(!stored.windows(REGISTRY_PASSWORD.len()).any(|part| part == REGISTRY_PASSWORD.as_bytes()));
}

#[tokio::test]
async fn what_is_no_login_is_refused() {
    let server = Server::start().await;
    let local = server.local();
    let login = |host: &str, username: &str, password: &str| serde_json::json!({ "host": host, "username": username, "password": password });
    for (body, words) in [
        (login("https://ghcr.io", "ada", "x"), "no https://"),
        (login("ghcr.io/ada", "ada", "x"), "no path"),
        (login("ghcr.io", "a:b", "x"), "without colons"),
        (login("ghcr.io", "ada", ""), "a password has"),
        (login("ghcr.io", "ada", "a\nb"), "control characters"),
    ] {
        let answer = local.post("/api/v1/registries", &body).await;
        let error = answer.error();
        assert!(error.kind == ErrorKind::Invalid && error.message.contains(words), "{error:?}");
    }
    local.post("/api/v1/registries", &login("Index.Docker.io", "ada", "x1")).await.ok();
    local.post("/api/v1/registries", &login("docker.io", "eve", "x2")).await.ok();
    let logins: Vec<boathouse_types::Registry> = local.read("/api/v1/registries").await;
    let shown: Vec<_> = logins.iter().map(|login| (login.host.as_str(), login.username.as_str())).collect();
    assert_eq!(shown, [("docker.io", "eve")], "one login per registry, whatever it is called");
}

#[tokio::test]
async fn a_rollback_to_a_lost_image_fails_before_anything_changes() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let manifest = "components:\n  - {identifier: api, folder: /, build: {dockerfile: recipe}}\n  - {identifier: web, folder: /, hosts: [{identifier: web}]}\n";
    let both = |version: &str| {
        let recipe = app(&format!("api-{version}")).dockerfile();
        app(version).manifest(manifest).file("recipe", recipe).archive()
    };
    let first = local.deploy_archive("shop", both("one")).await;
    local.deploy_archive("shop", both("two")).await;
    let serving = engine.container_names(&server.instance()).await;
    let lost = first.components.iter().find(|part| part.identifier.as_str() == "web").unwrap().digest.clone().unwrap();
    engine.remove_images(&[lost]).await;

    let path = format!("{}/releases/1/rollback", at("shop", "production"));
    let rolled: Release = local.post(&path, &serde_json::json!({})).await.json();
    let rolled = local.ended(&rolled).await;
    let failure = rolled.failure.expect("its image is gone");
    for words in
        ["release #1 cannot be deployed again", "image of web is gone", "Nothing was changed", "Deploy the commit"]
    {
        assert!(failure.message.contains(words), "{}", failure.message);
    }
    assert_eq!(failure.stage, Stage::Source, "before the first step of a release");
    assert_eq!(engine.container_names(&server.instance()).await, serving);
    assert!(!is_here(&engine, &format!("boathouse-{}/shop-production-api:3", server.instance())).await);
    assert_eq!(server.visit("web-production-shop.localhost", "/").await.text(), "two");
    let path = format!("{}/releases", at("shop", "production"));
    let live: Vec<Release> = local.read(&path).await;
    let live: Vec<i64> = live.iter().filter(|r| r.state == ReleaseState::Live).map(|r| r.number).collect();
    assert_eq!(live, [2]);
    let again: Release = local.post(&path, &NewRelease::default()).await.json();
    local.must_be_live(local.ended(&again).await).await;
}
