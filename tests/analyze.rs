//! Analyze on the server: what a source is, and a proposal that becomes a commit or is kept, only when somebody says so.

use boathouse::git::host;
use boathouse_types::{
    Analyze, AnalyzeProject, ErrorKind, Event, ProjectManifest, Proposal, Role, Source, StackFile, Topic, UseProposal,
    UsedProposal,
};
use http::Method;

use crate::api_desk::Desk;
use crate::harness::{Client, GitHttp, GitRepo, Server, tar_gz, upload};

const NODE: &[(&str, &str)] = &[
    ("package.json", r#"{"scripts": {"start": "node server.js"}, "dependencies": {"express": "^5", "pg": "^8"}}"#),
    ("package-lock.json", "{}"),
    ("server.js", "app.listen(process.env.PORT || 4000)"),
    (".env.example", "SESSION_SECRET=\n"),
];

fn files(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

fn git(url: String) -> Source {
    Source::Git { url: url.parse().unwrap(), branch: None, folder: None }
}

fn found(proposal: &Proposal, topic: Topic) -> (&str, Option<&str>) {
    let finding = proposal.applications[0].findings.iter().find(|finding| finding.topic == topic);
    let finding = finding.unwrap_or_else(|| panic!("nothing about {topic:?} in {proposal:?}"));
    (&finding.value, finding.evidence.as_ref().map(|evidence| evidence.file.as_str()))
}

fn assert_node(proposal: &Proposal) {
    for (topic, value, file) in [
        (Topic::Language, "JavaScript", "package.json"),
        (Topic::Framework, "Express", "package.json"),
        (Topic::PackageManager, "npm", "package-lock.json"),
        (Topic::LockFile, "package-lock.json", "package-lock.json"),
        (Topic::Port, "4000", "server.js"),
        (Topic::Start, "node server.js", "package.json"),
        (Topic::Service, "postgres", "package.json"),
        (Topic::Variable, "SESSION_SECRET", ".env.example"),
    ] {
        assert_eq!(found(proposal, topic), (value, Some(file)), "{topic:?}");
    }
    assert!(proposal.manifest.contains("package: postgres"), "{}", proposal.manifest);
    assert!(proposal.files.iter().any(|file| file.path == "Dockerfile" && file.text.contains("npm ci")));
}

#[tokio::test]
async fn a_repository_an_archive_and_a_project_are_looked_at_and_nothing_is_left() {
    let desk = Desk::open();
    let (repo, local) = (GitRepo::new(&files(NODE)), desk.local());
    let first = repo.git(&["rev-parse", "HEAD"]);
    repo.commit(&files(&[("boathouse.yaml", "components: [{identifier: web, image: nginx}]\n")]), "own");
    let remote = GitHttp::serve(&repo);
    let mut asked = Analyze { url: remote.url().parse().unwrap(), reference: None, folder: None };
    let newest: Proposal = local.post("/api/v1/analyze", &asked).await.ok().json();
    assert!(newest.existing, "its own manifest wins: {newest:?}");
    asked.reference = Some(first.parse().unwrap());
    assert_node(&local.post("/api/v1/analyze", &asked).await.ok().json());

    let archive = Some(("application/gzip", tar_gz(NODE)));
    assert_node(&local.send(Method::POST, "/api/v1/analyze/upload", archive).await.ok().json());
    local.create_project("shop", &git(remote.url())).await;
    let body = AnalyzeProject { reference: Some(first.parse().unwrap()) };
    assert_node(&local.post("/api/v1/projects/shop/analyze", &body).await.ok().json());
    assert_eq!(std::fs::read_dir(desk.app.paths.work()).unwrap().count(), 0, "looks take their folders with them");
}

#[tokio::test]
async fn what_cannot_be_looked_at_says_why() {
    let desk = Desk::open();
    let local = desk.local();
    let asked = Analyze { url: "/nowhere/at/all".parse().unwrap(), reference: None, folder: None };
    let answer = local.post("/api/v1/analyze", &asked).await;
    Client::expect_error(&answer, ErrorKind::NotFound, &["/nowhere/at/all"]);
    let repo = GitRepo::new(&files(&[("notes.txt", "nothing")]));
    let url: boathouse_types::GitUrl = repo.path().to_string_lossy().parse().unwrap();
    let asked = Analyze { url: url.clone(), reference: None, folder: None };
    let answer = local.post("/api/v1/analyze", &asked).await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["nothing in this folder is known"]);
    let outside = Analyze { url, reference: None, folder: Some("../..".into()) };
    let answer = local.post("/api/v1/analyze", &outside).await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["leads out of the source"]);
    local.create_project("shop", &upload()).await;
    let answer = local.post("/api/v1/projects/shop/analyze", &AnalyzeProject::default()).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["shop", "nothing was uploaded"]);
    assert_eq!(std::fs::read_dir(desk.app.paths.work()).unwrap().count(), 0);
}

fn proposal() -> UseProposal {
    let file = StackFile { path: "Dockerfile".into(), text: "FROM scratch\n".into() };
    UseProposal { manifest: "components: [{identifier: web, folder: /}]\n".into(), files: vec![file] }
}

#[tokio::test]
async fn a_proposal_is_committed_by_whoever_uses_it_where_the_repository_lives_here() {
    let desk = Desk::open();
    desk.make_user("ada", Role::Member);
    let code = [StackFile { path: "main.go".into(), text: "package main\n".into() }];
    let url = host::create(&desk.app.paths, &"shop".parse().unwrap(), &code, "code").await.unwrap();
    let folder = host::folder(&desk.app.paths, &url).unwrap();
    let ada = desk.browser("ada");
    ada.create_project("shop", &git(url.to_string())).await;
    let used: UsedProposal = ada.post("/api/v1/projects/shop/proposal", &proposal()).await.ok().json();
    let commit = used.commit.expect("the repository lives here");
    assert_eq!((commit.author.as_str(), used.kept), ("ada", None));
    assert_eq!(host::references(&folder).await.unwrap()["heads/main"], commit.sha);
    let answer = ada.post("/api/v1/projects/shop/proposal", &proposal()).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["boathouse.yaml", "wins"]);
    assert_eq!(host::references(&folder).await.unwrap()["heads/main"], commit.sha, "nothing was added");
    let events: Vec<Event> = desk.local().read("/api/v1/events?project=shop").await;
    assert!(events.iter().any(|event| event.kind == "project.manifest" && event.actor == "ada"));
    assert_eq!(ada.read::<Option<ProjectManifest>>("/api/v1/projects/shop/manifest").await, None);
}

#[tokio::test]
async fn a_kept_manifest_is_shown_edited_and_removed() {
    let desk = Desk::open();
    let local = desk.local();
    local.create_project("shop", &upload()).await;
    let used: UsedProposal = local.post("/api/v1/projects/shop/proposal", &proposal()).await.ok().json();
    assert_eq!((used.commit, used.kept.map(|kept| kept.updated_by)), (None, Some("local".to_owned())));
    let mut changed = proposal();
    changed.manifest = changed.manifest.replace("web", "api");
    let kept: ProjectManifest = local.put("/api/v1/projects/shop/manifest", &changed).await.ok().json();
    assert!(kept.manifest.contains("api"));
    assert_eq!(local.read::<ProjectManifest>("/api/v1/projects/shop/manifest").await, kept);
    changed.manifest = "components: [{identifer: web}]".into();
    let answer = local.put("/api/v1/projects/shop/manifest", &changed).await;
    let error = answer.error();
    assert!(error.message.contains("boathouse.yaml:1:15") && error.message.contains("identifier"), "{error:?}");
    let copy = boathouse_types::DuplicateProject { name: "copy".parse().unwrap() };
    local.post("/api/v1/projects/shop/duplicate", &copy).await.ok();
    local.delete("/api/v1/projects/shop/manifest").await.ok();
    assert_eq!(local.read::<Option<ProjectManifest>>("/api/v1/projects/shop/manifest").await, None);
    let of_copy: ProjectManifest = local.read("/api/v1/projects/copy/manifest").await;
    assert_eq!(of_copy.manifest, kept.manifest);
}

#[tokio::test]
async fn a_release_uses_what_the_project_keeps_until_the_source_has_its_own() {
    let server = Server::start().await;
    let local = server.local();
    let repo = GitRepo::new(&files(&[("pages/index.html", "kept")]));
    local.create_project("site", &git(repo.path().to_string_lossy().into_owned())).await;
    let failed = local.deploy("site").await;
    let failed = local.ended(&failed).await;
    assert!(failed.failure.expect("there is nothing to go by").message.contains("Dockerfile"));

    let shown = server.cli(&["analyze", "--project", "site"]).await.ok();
    assert!(shown.stdout.contains("static: .") && shown.stdout.contains("--use --project site"), "{}", shown.stdout);
    server.cli(&["analyze", "--project", "site", "--use"]).await.ok();
    let shown = server.cli(&["project", "manifest", "site"]).await.ok();
    assert!(shown.stdout.contains("folder: pages"), "{}", shown.stdout);
    let live = local.deploy("site").await;
    let live = local.ended(&live).await;
    let live = local.must_be_live(live).await;
    assert_eq!(server.visit("site.localhost", "/").await.text(), "kept");
    assert!(local.release_log(&live).await.contains("kept by the project"));

    let own = "components: [{identifier: web, static: other, folder: /}]\n";
    repo.commit(&files(&[("boathouse.yaml", own), ("other/index.html", "own")]), "own manifest");
    let live = local.deploy("site").await;
    let live = local.ended(&live).await;
    let live = local.must_be_live(live).await;
    assert_eq!(server.visit("site.localhost", "/").await.text(), "own");
    assert!(local.release_log(&live).await.contains("is not used"));
}
