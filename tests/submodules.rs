//! Submodules of a source: there at the pinned commit, without their remote once they were fetched, and refused with their names.

use boathouse_types::{GitLogin, Project, Release, Source, Stage};

use crate::harness::{Client, GitHttp, GitRepo, Server};

fn files(files: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect()
}

/// A commit with these `.gitmodules` and a submodule at `path` of that commit, whether or not it exists anywhere.
fn pin(repo: &GitRepo, path: &str, sha: &str, gitmodules: &str) {
    std::fs::write(repo.path().join(".gitmodules"), gitmodules).unwrap();
    repo.git(&["add", ".gitmodules"]);
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{sha},{path}")]);
    repo.git(&["commit", "--quiet", "--message", "pin"]);
}

fn module(path: &str, url: &str) -> String {
    format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n")
}

fn head(repo: &GitRepo) -> String {
    repo.git(&["rev-parse", "HEAD"])
}

/// A site whose pages come from a submodule within a submodule.
struct Nested {
    app: GitRepo,
    pages: GitRepo,
    parts: GitRepo,
}

impl Nested {
    fn new(address: &str) -> Self {
        let parts = GitRepo::new(&files(&[("hello.txt", "from parts")]));
        let pages = GitRepo::new(&files(&[("index.html", "from pages")]));
        pin(&pages, "parts", &head(&parts), &module("parts", "../parts.git"));
        let app =
            GitRepo::new(&files(&[("boathouse.yaml", "components: [{identifier: web, folder: /, static: public}]\n")]));
        pin(&app, "public", &head(&pages), &module("public", address));
        Self { app, pages, parts }
    }

    fn serve(&self, login: Option<(&str, &str)>) -> GitHttp {
        GitHttp::serve_all(&[("app", &self.app), ("pages", &self.pages), ("parts", &self.parts)], login)
    }
}

async fn create(local: &Client, url: &str) {
    let source = Source::Git { url: url.parse().unwrap(), branch: None, folder: None };
    let _: Project = local.create_project("shop", &source).await;
}

async fn refusal(local: &Client) -> String {
    let failure = local.deploy("shop").await.failure.expect("it must not be deployed");
    assert_eq!(failure.stage, Stage::Source);
    failure.message
}

#[tokio::test]
async fn submodules_are_there_at_their_pinned_commits_and_stay_without_their_remote() {
    let (server, nested) = (Server::start().await, Nested::new("../pages.git"));
    let local = server.local();
    let remote = nested.serve(Some(("ada", "tok3n")));
    // What came after the pinned commit is not deployed.
    let pinned = head(&nested.parts);
    nested.parts.commit(&files(&[("hello.txt", "too new")]), "newer");
    create(&local, &remote.url_of("app")).await;
    let login = GitLogin { username: "ada".into(), token: "tok3n".into() };
    local.put("/api/v1/projects/shop/git-login", &login).await.ok();
    let release = local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(server.visit("shop.localhost", "/").await.text(), "from pages");
    assert_eq!(server.visit("shop.localhost", "/parts/hello.txt").await.text(), "from parts");
    let log = local.release_log(&release).await;
    assert!(
        log.contains(&format!("submodule public/parts: commit {}", &pinned[..12])) && !log.contains("tok3n"),
        "{log}"
    );

    // The submodules are gone; the source alone is asked.
    let address = remote.address();
    drop(remote);
    let alone = GitHttp::serve_all(&[("app", &nested.app)], None);
    let moved = nested.app.path().join("unused");
    assert!(!moved.exists() && alone.address() != address);
    let source = Source::Git { url: alone.url_of("app").parse().unwrap(), branch: None, folder: None };
    local.patch("/api/v1/projects/shop", &serde_json::json!({ "source": source })).await.ok();
    let elsewhere = refusal(&local).await;
    assert!(elsewhere.contains("submodule \"public\"") && elsewhere.contains("does not exist"), "{elsewhere}");
}

#[tokio::test]
async fn a_rebuild_needs_no_remote_of_its_submodules() {
    let (server, pages) = (Server::start().await, GitRepo::new(&files(&[("index.html", "kept")])));
    let local = server.local();
    let remote = GitHttp::serve(&pages);
    let app =
        GitRepo::new(&files(&[("boathouse.yaml", "components: [{identifier: web, folder: /, static: public}]\n")]));
    pin(&app, "public", &head(&pages), &module("public", &remote.url()));
    create(&local, &app.url()).await;
    local.must_be_live(local.deploy("shop").await).await;
    drop(remote);
    let again: Release = local.must_be_live(local.deploy("shop").await).await;
    assert_eq!((again.number, server.visit("shop.localhost", "/").await.text().as_str()), (2, "kept"));
}

#[tokio::test]
async fn a_login_is_not_shown_to_the_host_of_a_submodule() {
    let (server, lib) = (Server::start().await, GitRepo::new(&files(&[("index.html", "x")])));
    let local = server.local();
    // The same user and password would do there, too.
    let other = GitHttp::serve_with_password(&lib, "ada", "tok3n");
    let app = GitRepo::new(&files(&[("index.html", "app")]));
    pin(&app, "lib", &head(&lib), &module("lib", &other.url()));
    let own = GitHttp::serve_with_password(&app, "ada", "tok3n");
    create(&local, &own.url()).await;
    local
        .put("/api/v1/projects/shop/git-login", &GitLogin { username: "ada".into(), token: "tok3n".into() })
        .await
        .ok();
    let message = refusal(&local).await;
    for words in ["submodule \"lib\"", "asks for a password", "at its own host alone"] {
        assert!(message.contains(words), "{message:?} does not say {words:?}");
    }
    // Left out, it stops nobody.
    pin(&app, "lib", &head(&lib), &format!("{}\tupdate = none\n", module("lib", &other.url())));
    let release = local.must_be_live(local.deploy("shop").await).await;
    assert!(local.release_log(&release).await.contains("submodule lib is left out"));
}

#[tokio::test]
async fn hostile_submodules_are_refused_by_name_and_run_nothing() {
    let (server, secret) = (Server::start().await, GitRepo::new(&files(&[("index.html", "secret")])));
    let (local, dir) = (server.local(), tempfile::tempdir().unwrap());
    let ran = dir.path().join("ran");
    let app = GitRepo::new(&files(&[("index.html", "app")]));
    create(&local, &app.url()).await;
    let sha = head(&secret);
    for (gitmodules, words) in [
        (module("lib", &secret.url()), "leads to a path on this server"),
        (module("lib", &format!("file://{}", secret.url())), "is none that is allowed"),
        (module("lib", &format!("ext::sh -c touch% {}", ran.display())), "is none that is allowed"),
        (module("lib", "../secret"), "leads to a path on this server"),
        (module("lib", "-u./payload"), "is none that is allowed"),
        (module("lib", "http://127.0.0.1:1/x.git"), "cannot be reached"),
        ("[submodule \"lib\"]\n\tpath = lib\n".to_owned(), "names no address"),
        ("[submodule \"lib\"\n".to_owned(), "reading .gitmodules"),
        (format!("# {}\n{}", "x".repeat(300 * 1024), module("lib", "../a.git")), "at most 256 KiB"),
    ] {
        pin(&app, "lib", &sha, &gitmodules);
        let message = refusal(&local).await;
        assert!(message.contains(words), "{message:?} does not say {words:?}");
    }
    // What they say beside address and path is nobody's configuration.
    let lib = GitHttp::serve(&secret);
    let evil = format!(
        "{}\tupdate = !touch {}\n[core]\n\tfsmonitor = touch {}\n",
        module("lib", &lib.url()),
        ran.display(),
        ran.display()
    );
    pin(&app, "lib", &sha, &evil);
    local.must_be_live(local.deploy("shop").await).await;
    assert!(!ran.exists());
    pin(&app, "lib", &"1".repeat(40), &module("lib", &lib.url()));
    let missing = refusal(&local).await;
    assert!(missing.contains(&"1".repeat(40)) && missing.contains("submodule \"lib\""), "{missing}");
}
