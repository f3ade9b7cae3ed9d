//! Variables on their way into containers, and through releases.

use std::collections::{BTreeMap, BTreeSet};

use boathouse_types::{Environment, Plan, PlanKind, Release, SetEnv, SetEnvVar, Trigger};
use serde_json::json;

use crate::harness::{Engine, Server, TestApp, app, at, seconds, upload, wait_for};

/// Whatever a shell, YAML, JSON, a URL, an env file or a terminal could stumble over; no NUL, which no environment can hold.
fn nasty() -> String {
    let printable: String = (1..=126_u8).map(char::from).collect();
    format!("{printable}\n\r\n'\"\\$HOME ${{A}} $(id) `id` %41 ünï 🚢 \u{feff}\u{202e} = # ; end \n")
}

async fn set(server: &Server, key: &str, value: &str) {
    let variable = SetEnvVar { key: key.parse().unwrap(), component: None, value: value.to_owned(), secret: true };
    let path = format!("{}/env", at("shop", "production"));
    server.local().put(&path, &SetEnv { variables: vec![variable] }).await.ok();
}

#[tokio::test]
async fn a_value_with_any_bytes_arrives_exactly() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let big = "0123456789abcde\n".repeat(100 * 1024 / 16);
    let manifest = format!(
        "components:\n  - identifier: web\n    folder: /\n    env: {{include: [{{name: WRITTEN, value: {}}}]}}\n",
        serde_json::to_string("quotes \" and ' and $${LITERAL} and $5 and \\ and\nlines").unwrap()
    );
    set(&server, "NASTY", &nasty()).await;
    set(&server, "BIG", &big).await;
    set(&server, "EMPTY", "").await;
    local.deploy_archive("shop", app("v1").manifest(&manifest).archive()).await;
    for (key, value) in [
        ("NASTY", nasty().as_str()),
        ("BIG", &big),
        ("EMPTY", ""),
        ("WRITTEN", "quotes \" and ' and ${LITERAL} and $5 and \\ and\nlines"),
    ] {
        let answer = server.visit("shop.localhost", &format!("/env?{key}")).await;
        assert!(answer.text() == value, "{key} arrived as {:?}", answer.text());
    }
}

/// Two components; the second gets the generated password of the first.
fn wired(version: &str) -> TestApp {
    let manifest = "components:
  - identifier: web
    folder: /
    env: {include: [api.PASSWORD, api.PASSWORD:RENAMED, {name: URL, value: 'x://a:${PASSWORD}@api'}, api.API_ENDPOINT:API]}
  - identifier: api
    folder: /
    env: {include: [{name: PASSWORD, value: '${generate-random-password:24}'}]}
";
    app(version).manifest(manifest)
}

#[tokio::test]
async fn generated_values_are_made_once_per_deployment_and_no_log_shows_them() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let read = async |host: &str, key: &str| server.visit(host, &format!("/env?{key}")).await.text();
    let first = local.deploy_archive("shop", wired("v1").archive()).await;
    let password = read("api-production-shop.localhost", "PASSWORD").await;
    assert!(password.len() == 24 && password.bytes().all(|b| b.is_ascii_alphanumeric()), "{password}");
    assert_eq!(read("shop.localhost", "PASSWORD").await, password);
    assert_eq!(read("shop.localhost", "RENAMED").await, password);
    assert_eq!(read("shop.localhost", "URL").await, format!("x://a:{password}@api"));
    assert!(read("shop.localhost", "API").await.starts_with("https://api-production-shop.localhost"));

    let log = local.release_log(&first).await;
    assert!(log.contains("PASSWORD is no build argument") && log.contains("URL is no build argument"), "{log}");
    server.visit("shop.localhost", &format!("/print?{password}")).await;
    let logs = format!("{}/logs?tail=50", at("shop", "production"));
    wait_for(seconds(10), "the printed line", async || local.get(&logs).await.text().contains("***").then_some(()))
        .await;
    assert!(!local.get(&logs).await.text().contains(&password));

    local.deploy_archive("shop", wired("v2").archive()).await;
    assert_eq!(read("shop.localhost", "PASSWORD").await, password, "the next release has the same");
    let path = format!("{}/releases/1/rollback", at("shop", "production"));
    let rolled: Release = local.post(&path, &json!({})).await.json();
    local.must_be_live(local.ended(&rolled).await).await;
    assert_eq!(read("shop.localhost", "PASSWORD").await, password, "and so has a rollback");

    local.create_project("other", &upload()).await;
    local.deploy_archive("other", wired("v1").archive()).await;
    assert_ne!(read("other.localhost", "PASSWORD").await, password, "another deployment has its own");
}

/// Component or add-on → the engine's id of its container.
async fn containers(engine: &Engine, server: &Server) -> BTreeMap<String, String> {
    let all = engine.containers(&server.instance()).await;
    let one = |container: bollard::models::ContainerSummary| {
        let labels = container.labels.unwrap_or_default();
        Some((labels.get("boathouse.component")?.clone(), container.id?))
    };
    all.into_iter().filter_map(one).collect()
}

#[tokio::test]
async fn a_change_is_planned_applied_without_a_build_and_rolled_back() {
    let (server, engine) = (Server::start().await, Engine::connect().await);
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let first = local.deploy_archive("shop", wired("v1").archive()).await;
    let at = |rest: &str| format!("{}/{rest}", at("shop", "production"));
    let read = async |key: &str| server.visit("shop.localhost", &format!("/env?{key}")).await.text();
    let log = local.release_log(&first).await;
    assert!(log.contains("plan: add component web: new: a build of . with Dockerfile"), "{log}");
    assert!(local.read::<Plan>(&at("plan")).await.steps.is_empty(), "nothing changes as long as nothing is changed");

    set(&server, "COLOR", "a secret red").await;
    let region =
        ["env", "set", "REGION=eu", "--plain", "--scope", "stage", "--stage", "production", "--project", "shop"];
    server.cli(&region).await.ok();
    let environment: Environment = local.read(&at("environment")).await;
    let restarts: Vec<&str> = environment.restart.iter().map(|change| change.identifier.as_str()).collect();
    assert_eq!((restarts, environment.restart[0].keys.len()), (vec!["api", "web"], 2));
    let shown = local.get(&at("environment")).await.text();
    assert!(!shown.contains("a secret red") && !shown.contains(&read("PASSWORD").await), "{shown}");
    assert!(
        shown.contains(r#"{"kind":"shared","scope":"stage"}"#)
            && shown.contains(r#"{"kind":"import","from":"api","key":"PASSWORD"}"#)
    );

    let plan: Plan = local.read(&at("plan")).await;
    let restarted: BTreeSet<String> = plan
        .steps
        .iter()
        .filter(|step| step.kind == PlanKind::Component)
        .map(|step| step.identifier.to_string())
        .collect();
    let before = containers(&engine, &server).await;
    server.cli(&["env", "apply", "--project", "shop"]).await.ok();
    let after = containers(&engine, &server).await;
    let replaced: BTreeSet<String> =
        after.iter().filter(|(name, id)| before.get(*name) != Some(*id)).map(|(name, _)| name.clone()).collect();
    assert_eq!(replaced, restarted, "what the plan names is what was restarted");
    let applied: Release = local.read(&at("releases/2")).await;
    assert_eq!(applied.trigger, Trigger::Environment { of: 1 });
    let digests = |release: &Release| release.components.iter().map(|part| part.digest.clone()).collect::<Vec<_>>();
    assert_eq!(digests(&applied), digests(&local.release(&first).await), "nothing is built");
    assert_eq!((read("COLOR").await, read("REGION").await), ("a secret red".into(), "eu".into()));
    let told: Vec<String> = plan.steps.iter().map(|step| format!("plan: {step}")).collect();
    let log = local.release_log(&applied).await;
    assert_eq!(log.lines().filter_map(|line| Some(line[line.find("plan: ")?..].to_owned())).collect::<Vec<_>>(), told);
    assert!(local.read::<Plan>(&at("plan")).await.steps.is_empty());

    let revealed = server.cli(&["env", "reveal", "PASSWORD", "--component", "web", "--project", "shop"]).await.ok();
    assert_eq!(revealed.stdout.trim(), read("PASSWORD").await);
    let events = local.get("/api/v1/events?project=shop").await.text();
    assert!(
        events.contains("env.revealed") && events.contains("saw the value of the variable web.PASSWORD"),
        "{events}"
    );
    assert!(!events.contains(revealed.stdout.trim()));
    let region = ["env", "reveal", "REGION", "--scope", "stage", "--stage", "production", "--project", "shop"];
    assert_eq!(server.cli(&region).await.ok().stdout.trim(), "eu");
    let events = local.get("/api/v1/events?project=shop").await.text();
    assert!(
        events.contains("saw the value of the variable REGION, shared by the deployments of shop at stage production"),
        "{events}"
    );

    let rolled: Release = local.post(&at("releases/1/rollback"), &json!({})).await.json();
    local.must_be_live(local.ended(&rolled).await).await;
    assert_eq!(
        (read("COLOR").await, read("REGION").await),
        (String::new(), String::new()),
        "a rollback restores the environment"
    );
}

#[tokio::test]
async fn the_narrowest_scope_wins_and_a_file_is_taken_as_it_is() {
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let keys = ["ONE", "TWO", "THREE", "FOUR", "FIVE"];
    let scopes: [&[&str]; 5] = [
        &["--scope", "instance"],
        &["--scope", "project"],
        &["--scope", "stage", "--stage", "production"],
        &["--scope", "deployment"],
        &["--scope", "deployment", "--component", "web"],
    ];
    for (level, scope) in scopes.iter().enumerate() {
        // Each scope sets what the wider ones set, but for one.
        let pairs: Vec<String> = keys.iter().skip(level).map(|key| format!("{key}={}", scope[1])).collect();
        let mut words = vec!["env", "set", "--plain"];
        words.extend(pairs.iter().map(String::as_str));
        words.extend_from_slice(scope);
        if level > 0 {
            words.extend(["--project", "shop"]);
        }
        server.cli(&words).await.ok();
    }
    server
        .cli(&["env", "set", "--plain", "OTHER=staging", "--scope", "stage", "--stage", "staging", "-p", "shop"])
        .await
        .ok();
    let component = ["env", "set", "--plain", "FIVE=component", "--component", "web", "-p", "shop"];
    server.cli(&component).await.ok();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "# a comment\nexport PLAIN_ONE=a b  # comment\nLITERAL='$HOME \"x\" ${{A}}'\nLONG={}\n",
        "x".repeat(32 * 1024)
    );
    std::fs::write(file.path(), &text).unwrap();
    server.cli(&["env", "import", file.path().to_str().unwrap(), "-p", "shop"]).await.ok();
    // The same through the API, which takes the file as it is.
    let path = format!("{}/env/import", at("shop", "production"));
    let body = "\u{feff}UPLOADED=\"a\\nb \\\"c\\\" 🚢\"\r\nWITH_LINES='one\ntwo'\n".as_bytes().to_vec();
    local.send(http::Method::POST, &path, Some(("text/plain", body))).await.ok();
    let manifest = "components:\n  - identifier: web\n    folder: /\n    env: {include: [{name: ONE, value: manifest}, {name: SIX, value: manifest}]}\n  - identifier: back\n    folder: /\n";
    local.deploy_archive("shop", app("v1").manifest(manifest).archive()).await;
    let read = async |host: &str, key: &str| server.visit(host, &format!("/env?{key}")).await.text();
    for (key, expected) in [
        ("ONE", "instance"),
        ("TWO", "project"),
        ("THREE", "stage"),
        ("FOUR", "deployment"),
        ("FIVE", "component"),
        ("SIX", "manifest"),
        ("OTHER", ""),
        ("PLAIN_ONE", "a b"),
        ("UPLOADED", "a\nb \"c\" 🚢"),
        ("WITH_LINES", "one\ntwo"),
        ("LITERAL", "$HOME \"x\" ${A}"),
    ] {
        assert_eq!(read("shop.localhost", key).await, expected, "{key}");
    }
    assert_eq!(read("shop.localhost", "LONG").await.len(), 32 * 1024);
    assert_eq!(
        read("back-production-shop.localhost", "FIVE").await,
        "deployment",
        "what is set for web is web's alone"
    );
}
