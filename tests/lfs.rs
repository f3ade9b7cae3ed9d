//! Files in Git LFS: there in the release, never as a pointer, and without the LFS server once they were fetched.

use boathouse_types::{ErrorKind, GitLogin, Source, Stage};

use crate::harness::{Client, GitHttp, GitRepo, Server, lfs_object};

const ATTRIBUTES: &str = "*.png filter=lfs diff=lfs merge=lfs -text\n";

fn site(pointer: &str) -> Vec<(String, Vec<u8>)> {
    [("index.html", "site"), (".gitattributes", ATTRIBUTES), ("logo.png", pointer), ("docs/lfs.txt", "version 1\n")]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .to_vec()
}

async fn create(local: &Client, url: &str) {
    let source = Source::Git { url: url.parse().unwrap(), branch: None, folder: None };
    local.create_project("shop", &source).await;
}

async fn refusal(local: &Client) -> String {
    let failure = local.deploy("shop").await.failure.expect("a pointer must not be deployed");
    assert_eq!(failure.stage, Stage::Source);
    failure.message
}

#[tokio::test]
async fn files_in_lfs_are_fetched_once_with_the_projects_login() {
    let (server, repo) = (Server::start().await, GitRepo::new(&[]));
    let local = server.local();
    let logo = vec![7u8; 300_000];
    repo.commit(&site(&lfs_object(&repo, &logo)), "logo");
    let remote = GitHttp::serve_with_password(&repo, "ada", "tok3n");
    create(&local, &remote.url()).await;
    local
        .put("/api/v1/projects/shop/git-login", &GitLogin { username: "ada".into(), token: "tok3n".into() })
        .await
        .ok();
    let release = local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(server.visit("shop.localhost", "/logo.png").await.body, logo);
    let log = local.release_log(&release).await;
    assert!(log.contains("fetching 1 files of Git LFS") && !log.contains("tok3n"), "{log}");

    // What was fetched is kept beside the mirror: its server has it no more.
    std::fs::remove_dir_all(repo.path().join(".git/lfs")).unwrap();
    let again = local.must_be_live(local.deploy("shop").await).await;
    assert_eq!(server.visit("shop.localhost", "/logo.png").await.body, logo);
    assert!(!local.release_log(&again).await.contains("fetching 1 files"));
}

#[tokio::test]
async fn a_pointer_that_cannot_be_resolved_is_named_and_never_deployed() {
    let (server, repo) = (Server::start().await, GitRepo::new(&[]));
    let local = server.local();
    let pointer = lfs_object(&repo, b"the logo");
    repo.commit(&site(&pointer), "logo");
    let remote = GitHttp::serve(&repo);
    create(&local, &remote.url()).await;
    let objects = repo.path().join(".git/lfs/objects");
    let object = std::fs::read_dir(&objects).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&object, b"the l0go").unwrap();
    let forged = refusal(&local).await;
    assert!(
        forged.contains("\"logo.png\" is in Git LFS") && forged.contains("not the file that the pointer"),
        "{forged}"
    );
    std::fs::write(&object, b"the logo and more").unwrap();
    assert!(refusal(&local).await.contains("not the file that the pointer"));
    std::fs::remove_file(&object).unwrap();
    let missing = refusal(&local).await;
    assert!(missing.contains("\"logo.png\"") && missing.contains("Object does not exist (404)"), "{missing}");

    // No login, no server, and an address that has none.
    drop(remote);
    let private = GitHttp::serve_with_password(&repo, "ada", "tok3n");
    for (url, words) in [(private.url(), "asks for a password"), (repo.url(), "LFS files are fetched over https")] {
        let source = Source::Git { url: url.parse().unwrap(), branch: None, folder: None };
        local.patch("/api/v1/projects/shop", &serde_json::json!({ "source": source })).await.ok();
        let message = refusal(&local).await;
        assert!(message.contains(words), "{message:?} does not say {words:?}");
    }
    let looked = local.post("/api/v1/projects/shop/analyze", &serde_json::json!({})).await.error();
    assert!(looked.kind == ErrorKind::Invalid && looked.message.contains("\"logo.png\""), "{looked:?}");
}

#[tokio::test]
async fn where_nothing_is_in_lfs_a_file_that_looks_like_a_pointer_is_one_of_its_own() {
    let (server, repo) = (Server::start().await, GitRepo::new(&[]));
    let files = site(&lfs_object(&repo, b"x")).into_iter().filter(|(path, _)| path != ".gitattributes");
    repo.commit(&files.collect::<Vec<_>>(), "an example");
    create(&server.local(), &repo.url()).await;
    server.local().must_be_live(server.local().deploy("shop").await).await;
    assert!(server.visit("shop.localhost", "/logo.png").await.text().starts_with("version https://git-lfs"));
}
