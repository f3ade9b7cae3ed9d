//! The stack builder: a choice becomes code in a repository on this server, and the repository a project that pushes deploy.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use boathouse_types::{
    CatalogPackage, ErrorKind, NewToken, PartChoice, Project, Release, Role, Scope, Source, StackChoice, StackPreview,
};

use crate::api_desk::Desk;
use crate::harness::{Client, GitHttp, GitRepo, Server, at, wait_for};

fn choice(name: &str, components: &[&str], addons: &[&str]) -> StackChoice {
    let part = |text: &&str| PartChoice { package: (*text).to_owned(), identifier: None };
    StackChoice {
        name: name.parse().unwrap(),
        components: components.iter().map(part).collect(),
        addons: addons.iter().map(part).collect(),
    }
}

#[tokio::test]
async fn the_catalog_shows_packages_and_what_a_choice_becomes() {
    let desk = Desk::open();
    let local = desk.local();
    let packages: Vec<CatalogPackage> = local.read("/api/v1/catalog").await;
    assert!(packages.len() > 30);
    let postgres: CatalogPackage = local.read("/api/v1/catalog/postgresql").await;
    assert_eq!(
        (postgres.identifier.as_str(), postgres.kind.as_str(), postgres.port),
        ("postgres", "addon", Some(5432))
    );
    assert!(postgres.icon.starts_with("data:image/svg+xml;base64,"));
    let answer = local.get("/api/v1/catalog/nothing").await;
    Client::expect_error(&answer, ErrorKind::NotFound, &["nothing"]);

    let preview = local.post("/api/v1/stacks/preview", &choice("shop", &["hono"], &["postgres#16"])).await.ok();
    let preview: StackPreview = preview.json();
    assert!(preview.manifest.contains("package: postgres#16"), "{}", preview.manifest);
    assert!(preview.files.iter().any(|file| file.path == "hono/Dockerfile"));
    let answer = local.post("/api/v1/stacks/preview", &choice("shop", &["hno"], &[])).await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["hno", "hono"]);
    assert!(local.read::<Vec<Project>>("/api/v1/projects").await.is_empty(), "a preview makes nothing");
}

#[tokio::test]
async fn a_stack_is_made_once_and_only_by_members() {
    let desk = Desk::open();
    desk.make_user("v", Role::Viewer);
    let asked = choice("shop", &["nodejs"], &[]);
    let answer = desk.browser("v").post("/api/v1/stacks", &asked).await;
    Client::expect_error(&answer, ErrorKind::Forbidden, &["member"]);
    let local = desk.local();
    let project: Project = local.post("/api/v1/stacks", &asked).await.ok().json();
    assert_eq!(project.deployments.len(), 1);
    let answer = local.post("/api/v1/stacks", &asked).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["shop"]);
    let repositories = std::fs::read_dir(desk.app.paths.repositories()).unwrap().count();
    assert_eq!(repositories, 1, "the refused one left nothing");
}

/// A git client at the edge.
struct Remote {
    root: tempfile::TempDir,
    resolve: String,
    base: String,
}

impl Remote {
    async fn of(server: &Server) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("ca.pem"), server.root().await).unwrap();
        let address = server.https();
        Self {
            resolve: format!("boathouse.localhost:{}:{}", address.port(), address.ip()),
            base: format!("boathouse.localhost:{}", address.port()),
            root,
        }
    }

    fn url(&self, token: &str, project: &str) -> String {
        format!("https://git:{token}@{}/git/{project}.git", self.base)
    }

    fn git(&self, folder: &Path, args: &[&str]) -> Output {
        let resolve = format!("http.curloptResolve={}", self.resolve);
        let mut git = Command::new("git");
        git.current_dir(folder).args(["-c", &resolve, "-c", "credential.helper="]);
        git.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]).args(args);
        git.env("GIT_SSL_CAINFO", self.root.path().join("ca.pem"));
        git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").output().expect("git is installed")
    }

    fn clone(&self, token: &str, project: &str) -> PathBuf {
        let folder = self.root.path().join(project);
        let output = self.git(self.root.path(), &["clone", "--quiet", &self.url(token, project), project]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    }
}

async fn token(server: &Server, scope: Scope) -> String {
    server.admin().await;
    let new = NewToken {
        name: format!("{scope:?}").parse().unwrap(),
        scope,
        expires_in_days: None,
        user: Some("admin".parse().unwrap()),
    };
    let made: serde_json::Value = server.local().post("/api/v1/tokens", &new).await.ok().json();
    made["secret"].as_str().unwrap().to_owned()
}

/// The count that a starter's page shows; probes may have counted too.
async fn visits(server: &Server, host: &str, words: &str, store: &str) -> u64 {
    let page = server.visit(host, "/").await.ok().text();
    assert!(page.contains(&format!("counted in {store}.")), "{page}");
    let rest = page.split_once(words).unwrap_or_else(|| panic!("{page}")).1;
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[tokio::test]
async fn a_generated_repository_is_cloned_and_a_push_deploys_it() {
    let server = Server::start().await;
    let local = server.local();
    let made = server.cli(&["new", "shop", "--component", "web=nodejs"]).await.ok();
    let address = server.url("boathouse.localhost", "/git/shop.git");
    assert!(made.stdout.contains(&format!("git clone {address}")), "{made:#?}");
    let (reader, writer) = (token(&server, Scope::Read).await, token(&server, Scope::Deploy).await);
    let remote = Remote::of(&server).await;
    let folder = remote.clone(&reader, "shop");
    for file in ["boathouse.yaml", "README.md", "web/Dockerfile", "web/src/index.js", "web/test/page.test.js"] {
        assert!(folder.join(file).is_file(), "{file} is missing");
    }

    let page = std::fs::read_to_string(folder.join("web/src/page.js")).unwrap().replace("Visit number", "Call number");
    std::fs::write(folder.join("web/src/page.js"), page).unwrap();
    assert!(remote.git(&folder, &["commit", "--quiet", "--all", "--message", "calls"]).status.success());
    let refused = remote.git(&folder, &["push", "--quiet", &remote.url(&reader, "shop"), "main"]);
    assert!(!refused.status.success(), "a token that reads must not push");
    let refused = remote.git(&folder, &["push", "--quiet", &remote.url("bh_wrong", "shop"), "main"]);
    assert!(!refused.status.success());
    let path = format!("{}/releases", at("shop", "production"));
    assert!(local.read::<Vec<Release>>(&path).await.is_empty());

    let pushed = remote.git(&folder, &["push", "--quiet", &remote.url(&writer, "shop"), "main"]);
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    let release = wait_for(Duration::from_secs(10), "the push asks for a release", || async {
        local.read::<Vec<Release>>(&path).await.into_iter().next()
    })
    .await;
    let release = local.ended_within(Duration::from_secs(300), &release).await;
    let release = local.must_be_live(release).await;
    assert_eq!(release.commit.unwrap().title, "calls");
    let first = visits(&server, "shop.localhost", "Call number ", "memory").await;
    assert!(visits(&server, "shop.localhost", "Call number ", "memory").await > first);
}

#[tokio::test]
async fn a_push_shows_what_becomes_of_it_and_waits_for_nobody() {
    let server = Server::start().await;
    let local = server.local();
    server.cli(&["new", "shop", "--component", "static"]).await.ok();
    let writer = token(&server, Scope::Deploy).await;
    let remote = Remote::of(&server).await;
    let folder = remote.clone(&writer, "shop");
    let push = |args: &[&str]| {
        let url = remote.url(&writer, "shop");
        let output = remote.git(&folder, &[&["push"][..], args, &[url.as_str(), "main"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let commit = |path: &str, text: &str, message: &str| {
        std::fs::write(folder.join(path), text).unwrap();
        assert!(remote.git(&folder, &["add", "--all"]).status.success());
        assert!(remote.git(&folder, &["commit", "--quiet", "--message", message]).status.success());
    };
    commit("static/extra.html", "one", "first");
    let said = push(&["--progress"]);
    for line in [
        "remote: production: release #1: nothing of it is live yet",
        &format!("remote: {}", server.url("boathouse.localhost", "/projects/shop/production/releases/1")),
        "remote: commit ",
        "remote: Release #1 is live.",
        &format!("remote: {}", server.url("shop.localhost", "/")),
    ] {
        assert!(said.contains(line), "{line:?} is missing in {said}");
    }
    assert!(server.visit("shop.localhost", "/extra.html").await.text().contains("one"));

    commit("notes.txt", "words", "nothing that is watched");
    let said = push(&["--progress"]);
    assert!(said.contains("remote: production: not deployed: no changed file matches the watch paths"), "{said}");
    commit("static/extra.html", "two", "second");
    let said = push(&["--progress", "-o", "no-wait"]);
    assert!(said.contains("release #2") && said.contains("does not wait") && !said.contains("is live"), "{said}");
    let path = format!("{}/releases", at("shop", "production"));
    let release = local.read::<Vec<Release>>(&path).await.remove(0);
    let release = local.must_be_live(local.ended(&release).await).await;
    assert_eq!(release.actor, "token Deploy");
    // A broken manifest: the push is taken, the release fails, and its reason is in the terminal.
    commit("boathouse.yaml", "components: 7\n", "broken");
    let said = push(&["--progress"]);
    assert!(said.contains("remote: Release #3 FAILED at the stage source:"), "{said}");
    assert!(
        said.contains("components must be a list") && said.contains("remote: Release #2 goes on serving."),
        "{said}"
    );
    // A script hears what git says, and does not wait.
    commit("notes.txt", "more words", "quiet");
    assert!(!push(&[]).contains("remote:"));
}

#[tokio::test]
async fn only_repositories_of_this_server_can_be_cloned() {
    let desk = Desk::open();
    let local = desk.local();
    local.create_project("else", &crate::harness::upload()).await;
    for path in ["/git/else.git", "/git/nowhere.git", "/git/..%2f..%2fsecret"] {
        let answer = local.get(&format!("{path}/info/refs?service=git-upload-pack")).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    let project: Project = local.post("/api/v1/stacks", &choice("shop", &["static"], &[])).await.ok().json();
    assert_eq!(project.name.as_str(), "shop");
    let answer = local.get("/git/shop.git/info/refs?service=git-upload-archive").await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["smart protocol"]);
    let answer = desk.anon().get("/git/shop.git/info/refs?service=git-upload-pack").await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic"));
}

#[tokio::test]
async fn the_code_can_be_written_to_a_new_folder_without_a_server() {
    let desk = Desk::open();
    let folder = desk.home().join("shop");
    let run = |args: &[&str]| Command::new(env!("CARGO_BIN_EXE_boathouse")).args(args).output().unwrap();
    let into = folder.to_str().unwrap();
    let output = run(&["new", "shop", "--component", "fastapi", "--addon", "redis", "--into", into]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::read_to_string(folder.join("fastapi/src/visits.py")).unwrap().contains("Redis"));
    let output = run(&["new", "shop", "--component", "fastapi", "--into", into]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));
}

const QUEUE: &str = "type: addon\nname: Queue\nimages: [{identifier: queue, image: 'redis:7'}]\nport: 6379\nstorage: [{identifier: data, path: /data}]\n";

#[tokio::test]
async fn a_package_of_another_repository_is_fetched_and_pinned() {
    let server = Server::start().await;
    let local = server.local();
    let package = GitRepo::new(&[("package.yaml".into(), QUEUE.into())]);
    let remote = GitHttp::serve(&package);
    let manifest = format!(
        "components:\n  - {{identifier: site, static: .}}\naddons:\n  - identifier: queue\n    package: {}#main\n",
        remote.url()
    );
    let files = [("boathouse.yaml".into(), manifest.into_bytes()), ("site/index.html".into(), b"here".to_vec())];
    let repo = GitRepo::new(&files);
    let source = Source::Git { url: repo.url().parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
    let release = local.deploy("shop").await;
    let release = local.must_be_live(local.ended(&release).await).await;
    let log = local.release_log(&release).await;
    assert!(log.contains(&package.git(&["rev-parse", "HEAD"])[..12]) && log.contains(": Queue"), "{log}");
    let deployment = local.deployment("shop", "production").await;
    assert_eq!(deployment.containers.len(), 1, "{:?}", deployment.containers);

    package.commit(&[("package.yaml".into(), QUEUE.replace("storage", "storge").into())], "a slip");
    let release = local.ended(&local.deploy("shop").await).await;
    let failure = release.failure.clone().expect("an add-on without its package is refused");
    assert!(failure.message.contains("boathouse.yaml:5:"), "{}", failure.message);
    let log = local.release_log(&release).await;
    assert!(log.contains("package.yaml:5:1: unknown key \"storge\"; did you mean \"storage\"?"), "{log}");
}
