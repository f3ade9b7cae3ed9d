//! Sources of packages that an administrator adds: listed with where they come from, used by stacks and manifests, kept when they
//! cannot be had.

use boathouse::fault::POINTS;
use boathouse_types::{
    CatalogPackage, CatalogSource, ErrorKind, NewCatalogSource, NewPlan, PartChoice, Plan, StackChoice, StackPreview,
};

use http::Method;

use crate::harness::{Client, GitHttp, GitRepo, Server, at, seconds, upload, wait_for};

const QUEUE: &str = "type: addon\nname: Queue\nimages: [{image: 'acme/queue:1'}]\nport: 4000\nparameterGroups: [{name: Queue, parameters: [{identifier: QUEUE_URL, name: URL, defaultValue: 'queue://${IDENTIFIER}'}]}]\n";
const WORKER: &str = "type: component\nname: Worker\n";

fn files(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

fn source(name: &str, location: serde_json::Value) -> NewCatalogSource {
    NewCatalogSource { name: name.parse().unwrap(), location: serde_json::from_value(location).unwrap() }
}

#[tokio::test]
async fn packages_of_a_repository_are_listed_pinned_and_used() {
    let server = Server::start().await;
    let local = server.local();
    let repo = GitRepo::new(&files(&[
        ("queue/package.yaml", QUEUE),
        ("worker/package.yaml", WORKER),
        ("worker/Dockerfile", "FROM scratch\n"),
        ("worker/starter/main.txt", "hello {{project}}"),
    ]));
    let remote = GitHttp::serve(&repo);
    let location = serde_json::json!({"kind": "git", "url": remote.url()});
    let added: CatalogSource = local.post("/api/v1/catalog/sources", &source("acme", location)).await.ok().json();
    let commit = repo.git(&["rev-parse", "HEAD"]);
    assert_eq!((added.commit.as_deref(), added.problem), (Some(commit.as_str()), None));
    let queue: CatalogPackage = local.read("/api/v1/catalog/queue").await;
    let origin = queue.source.expect("it comes from a source");
    assert_eq!((origin.source.as_str(), origin.commit), ("acme", Some(commit.clone())));
    let shown = server.cli(&["catalog", "list"]).await.ok();
    assert!(shown.stdout.contains(&format!("acme at {}", &commit[..12])) && shown.stdout.contains("built in"));

    let part = |text: &str| PartChoice { package: text.to_owned(), identifier: None };
    let choice =
        StackChoice { name: "shop".parse().unwrap(), components: vec![part("worker")], addons: vec![part("queue")] };
    let preview: StackPreview = local.post("/api/v1/stacks/preview", &choice).await.ok().json();
    let text = |path: &str| preview.files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    assert_eq!((text("worker/main.txt"), text("worker/Dockerfile")), (Some("hello shop"), Some("FROM scratch\n")));

    local.create_project("shop", &upload()).await;
    let manifest = "components: [{identifier: web, image: nginx, env: {include: [queue.QUEUE_URL]}}]\naddons: [{identifier: queue, package: queue}]\n";
    let asked = NewPlan { file: "m".into(), manifest: manifest.into() };
    let plan: Plan = local.post(&format!("{}/plan", at("shop", "production")), &asked).await.ok().json();
    assert!(plan.steps.iter().any(|step| step.reason == "new: the image acme/queue:1"), "{plan:?}");

    repo.commit(&files(&[("queue/package.yaml", "type: addon\nnmae: Queue\n")]), "broken");
    let refreshed: CatalogSource = local.post("/api/v1/catalog/sources/acme/refresh", &()).await.ok().json();
    let problem = refreshed.problem.expect("it cannot be read");
    assert!(problem.contains("queue/package.yaml:") && problem.contains("name"), "{problem}");
    assert_eq!((refreshed.commit, refreshed.packages.len()), (Some(commit), 2), "what was fetched last stays");
    local.delete("/api/v1/catalog/sources/acme").await.ok();
    Client::expect_error(&local.get("/api/v1/catalog/queue").await, ErrorKind::NotFound, &["queue"]);
}

#[tokio::test]
async fn a_source_that_cannot_be_had_or_takes_a_name_says_why() {
    let server = Server::start().await;
    let local = server.local();
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    let location = serde_json::json!({"kind": "folder", "path": missing});
    let added: CatalogSource = local.post("/api/v1/catalog/sources", &source("gone", location)).await.ok().json();
    assert!(added.problem.unwrap().contains("is not a folder on the server"));
    std::fs::create_dir_all(dir.path().join("postgres")).unwrap();
    std::fs::write(dir.path().join("postgres/package.yaml"), QUEUE).unwrap();
    let folder = dir.path().to_str().unwrap();
    let told = server.cli(&["catalog", "source", "add", "mine", "--folder", folder]).await;
    assert!(told.code == 1 && told.stderr.contains("built-in PostgreSQL"), "{}", told.stderr);
    std::fs::rename(dir.path().join("postgres"), dir.path().join("queue")).unwrap();
    let told = server.cli(&["catalog", "source", "refresh", "mine"]).await.ok();
    assert!(told.stdout.contains("mine has queue"), "{}", told.stdout);
    let location = serde_json::json!({"kind": "folder", "path": folder});
    let twice: CatalogSource =
        local.post("/api/v1/catalog/sources", &source("other", location.clone())).await.ok().json();
    assert!(twice.problem.unwrap().contains("another source has a package \"queue\""));
    let answer = local.post("/api/v1/catalog/sources", &source("mine", location)).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["mine"]);
    let relative = serde_json::json!({"kind": "folder", "path": "packages"});
    let answer = local.post("/api/v1/catalog/sources", &source("x", relative)).await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["absolute"]);
    let secret = serde_json::json!({"kind": "git", "url": "https://ada:tok3n@127.0.0.1:1/x.git"});
    let answer = local.post("/api/v1/catalog/sources", &source("private", secret)).await.ok();
    assert!(!answer.text().contains("tok3n"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_fetches_a_source_it_has_it_after_the_next_start() {
    let repo = GitRepo::new(&files(&[("queue/package.yaml", QUEUE)]));
    let remote = GitHttp::serve(&repo);
    for point in POINTS.iter().filter(|point| point.starts_with("catalog.")) {
        let folder = tempfile::tempdir().unwrap();
        let fault = folder.path().join("fault");
        let mut server = Server::options().flag("--fault", fault.display()).start().await;
        let asked = source("acme", serde_json::json!({"kind": "git", "url": remote.url()}));
        let body = Some(("application/json", serde_json::to_vec(&asked).unwrap()));
        std::fs::write(&fault, point).unwrap();
        drop(server.local().try_send(Method::POST, "/api/v1/catalog/sources", body).await);
        wait_for(seconds(60), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        let local = server.local();
        let had = wait_for(seconds(30), &format!("{point}: the source is there"), || async {
            let all: Vec<CatalogSource> = local.read("/api/v1/catalog/sources").await;
            all.into_iter().next().filter(|source| !source.busy)
        })
        .await;
        assert_eq!((had.problem, had.commit), (None, Some(repo.git(&["rev-parse", "HEAD"]))), "{point}");
        assert_eq!(had.packages.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["queue"], "{point}");
        let work = server.data().join("work");
        wait_for(seconds(40), &format!("{point}: what was fetched into is gone"), || {
            std::future::ready((std::fs::read_dir(&work).unwrap().count() == 0).then_some(()))
        })
        .await;
    }
}
