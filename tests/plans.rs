//! Plans of what is not deployed yet, and drift of what is.

use std::sync::Arc;

use boathouse::db::{deployment, object, project, release};
use boathouse::observed::{Container, InFlight, Phase};
use boathouse::stack::{Component, Origin, Stack};
use boathouse_types::{
    ContainerConfig, DeploymentId, DeploymentStage, ErrorKind, Identifier, NewPlan, Plan, PlanAction, PlanKind,
    ReleaseId, ReleaseState, Serves, Source,
};

use crate::api_desk::Desk;
use crate::harness::{Client, GitHttp, GitRepo, Server, at, by_hand, tar_gz, upload};

fn files(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

#[tokio::test]
async fn a_reference_is_planned_and_its_deploy_does_exactly_that() {
    let server = Server::start().await;
    let local = server.local();
    let web = "components:\n  - {identifier: web, static: ., folder: web}\n";
    let repo = GitRepo::new(&files(&[("boathouse.yaml", web), ("web/index.html", "web")]));
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let release = local.deploy("shop").await;
    let release = local.ended(&release).await;
    local.must_be_live(release).await;
    repo.git(&["checkout", "--quiet", "-b", "next"]);
    let more = format!("{web}  - {{identifier: docs, static: ., folder: docs}}\n");
    repo.commit(&files(&[("boathouse.yaml", &more), ("docs/index.html", "docs")]), "docs");

    let plan: Plan = local.read(&format!("{}/plan?reference=next", at("shop", "production"))).await;
    let has = |action, kind, of: &str| {
        plan.steps.iter().any(|s| s.action == action && s.kind == kind && s.identifier.as_str() == of)
    };
    assert!(has(PlanAction::Add, PlanKind::Component, "docs"), "{plan:?}");
    assert!(
        has(PlanAction::Add, PlanKind::Host, "docs") && has(PlanAction::Change, PlanKind::Component, "web"),
        "{plan:?}"
    );
    let told = server.cli(&["plan", "--reference", "next", "--project", "shop"]).await.ok();
    assert!(told.stdout.contains("add component docs"), "{}", told.stdout);
    let releases: Vec<boathouse_types::Release> = local.read(&format!("{}/releases", at("shop", "production"))).await;
    assert_eq!(releases.len(), 1, "a plan makes nothing");

    let path = format!("{}/releases", at("shop", "production"));
    let release: boathouse_types::Release =
        local.post(&path, &serde_json::json!({"reference": "next"})).await.ok().json();
    let release = local.ended(&release).await;
    let log = local.release_log(&local.must_be_live(release).await).await;
    for step in &plan.steps {
        assert!(log.contains(&format!("plan: {step}")), "{step} in {log}");
    }
    let answer = local.get(&format!("{}/plan?reference=nothing", at("shop", "production"))).await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["nothing", "next"]);
    local.create_project("box", &upload()).await;
    let answer = local.get(&format!("{}/plan?reference=next", at("box", "production"))).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["box"]);
}

#[tokio::test]
async fn a_package_that_a_release_fetched_is_known_to_plans_without_a_network() {
    let queue = "type: addon\nname: Queue\nimages: [{image: 'redis:7'}]\nport: 6379\n";
    let repo = GitRepo::new(&files(&[("package.yaml", queue)]));
    let remote = GitHttp::serve(&repo);
    let package = remote.url();
    let manifest = |name: &str| {
        format!(
            "components: [{{identifier: web, static: ., folder: web}}]\naddons: [{{identifier: {name}, package: '{package}#main'}}]\n"
        )
    };
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let path = format!("{}/plan", at("shop", "production"));
    let unknown = local.post(&path, &NewPlan { file: "m".into(), manifest: manifest("queue") }).await;
    assert!(unknown.status == 400 && unknown.text().contains("which was not fetched"), "{}", unknown.text());
    let archive = tar_gz(&files(&[("boathouse.yaml", &manifest("queue")), ("web/index.html", "web")]));
    local.deploy_archive("shop", archive).await;
    let again = NewPlan { file: "m".into(), manifest: manifest("other") };
    drop(remote);
    let known: Plan = local.post(&path, &again).await.ok().json();
    assert!(known.notes.iter().all(|note| !note.contains("not fetched")), "{known:?}");
    assert!(known.steps.iter().any(|step| step.reason == "new: the image redis:7"), "{known:?}");
}

const BUILT: &str = "sha256:built";

/// A live release with one container, as rows say it.
pub fn live(desk: &Desk) -> (DeploymentId, ReleaseId) {
    let web: Identifier = "web".parse().unwrap();
    let origin = Origin::Image { image: "web:1".parse().unwrap() };
    let stack = Stack {
        name: None,
        components: vec![Component::new(web.clone(), origin)],
        addons: Vec::new(),
        sleep: None,
        backup: None,
    };
    let made = desk.app.db.write_blocking(|tx| {
        let id = project::create(tx, &"shop".parse().unwrap(), &Source::Upload)?;
        let id = deployment::create(tx, id, &"production".parse().unwrap(), DeploymentStage::Production, None)?;
        let release = release::create(tx, id, &by_hand())?;
        release::transition(tx, release, ReleaseState::Queued, ReleaseState::Building)?;
        release::set_manifest(tx, release, &stack)?;
        release::set_digest(tx, release, &web, Serves::Container, BUILT)?;
        object::record_container(tx, release, &web, None, "bh-web-1")?;
        release::transition(tx, release, ReleaseState::Building, ReleaseState::Starting)?;
        release::go_live(tx, &release::by_id(tx, release)?)?;
        Ok((id, release))
    });
    made.unwrap()
}

fn seen(of: (DeploymentId, ReleaseId), phase: Phase, image: &str) -> Container {
    let config = ContainerConfig { image_id: image.to_owned(), ..ContainerConfig::default() };
    Container {
        identifier: "web".parse().unwrap(),
        replica: None,
        release_id: of.1,
        deployment_id: of.0,
        engine_id: None,
        phase,
        address: None,
        port: None,
        started_at: None,
        restarts: 0,
        next_start_at: None,
        problem: None,
        config: Some(Arc::new(config)),
        in_flight: InFlight::new(),
    }
}

#[tokio::test]
async fn what_the_engine_shows_and_the_live_release_does_not_say_is_drift() {
    let desk = Desk::open();
    let of = live(&desk);
    let drift = async || {
        let plan: Plan = desk.local().read(&format!("{}/plan", at("shop", "production"))).await;
        plan.drift.into_iter().map(|drift| format!("{}: {}", drift.identifier, drift.message)).collect::<Vec<_>>()
    };
    desk.app.observed.put("bh-web-1", seen(of, Phase::Healthy, BUILT));
    assert!(drift().await.is_empty(), "as it should be");
    desk.app.observed.put("bh-web-1", seen(of, Phase::Healthy, "sha256:other"));
    assert_eq!(drift().await, ["web: the container bh-web-1 runs the image sha256:other instead of sha256:built"]);
    desk.app.observed.put("bh-web-1", seen(of, Phase::Missing, BUILT));
    assert_eq!(drift().await, ["web: the container bh-web-1 is gone; it is made anew"]);
    desk.app.observed.put("bh-web-1", seen(of, Phase::Healthy, BUILT));
    desk.app.observed.put("stranger", seen(of, Phase::Healthy, BUILT));
    assert!(drift().await[0].contains("stranger carries this deployment's label, and no release has it"));
}
