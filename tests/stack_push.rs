//! The code of a new stack goes to a remote that the user names: with a token over https, with the deploy key over ssh.

use boathouse::fault::POINTS;
use boathouse_types::{ErrorKind, GitLogin, PartChoice, Project, PushStack, Source, StackChoice, StackRemote};

use http::Method;

use crate::api_desk::Desk;
use crate::harness::{Client, GitHttp, GitRepo, GitSsh, Server, seconds, wait_for};

const TOKEN: &str = "t0ken-of-ada";

fn repo() -> GitRepo {
    let repo = GitRepo::new(&[("README.md".to_owned(), b"other code".to_vec())]);
    repo.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    repo
}

fn stack(url: String, branch: &str, login: Option<GitLogin>) -> PushStack {
    let part = PartChoice { package: "static".to_owned(), identifier: None };
    let choice = StackChoice { name: "shop".parse().unwrap(), components: vec![part], addons: Vec::new() };
    PushStack {
        choice,
        remote: StackRemote { url: url.parse().unwrap(), branch: Some(branch.parse().unwrap()), login },
    }
}

fn login(token: &str) -> Option<GitLogin> {
    Some(GitLogin { username: "ada".into(), token: token.into() })
}

#[tokio::test]
async fn over_https_a_token_signs_in_and_shows_nowhere() {
    let server = Server::start().await;
    let local = server.local();
    let repo = repo();
    let remote = GitHttp::serve_with_password(&repo, "ada", TOKEN);
    let answer = local.post("/api/v1/stacks/push", &stack(remote.url(), "new", login("wrong-t0ken"))).await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["password"]);
    assert!(!answer.text().contains("t0ken") && answer.text().contains("ask for the same again"), "{}", answer.text());

    let answer = local.post("/api/v1/stacks/push", &stack(remote.url(), "new", login(TOKEN))).await.ok();
    assert!(!answer.text().contains(TOKEN));
    let project: Project = answer.json();
    let Source::Git { url, branch, .. } = &project.source else { panic!("{project:?}") };
    assert_eq!((url.as_str(), branch.as_ref().unwrap().as_str()), (remote.url().as_str(), "new"));
    assert!(repo.git(&["show", "new:boathouse.yaml"]).contains("package: static"));

    let release = local.deploy("shop").await;
    let release = local.ended(&release).await;
    let live = local.must_be_live(release).await;
    assert!(!local.release_log(&live).await.contains(TOKEN) && !server.log().contains(TOKEN));
    let answer = local.post("/api/v1/stacks/push", &stack(remote.url(), "new", login(TOKEN))).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["shop"]);
    local.delete("/api/v1/projects/shop/git-login").await.ok();
    let failed = local.deploy("shop").await;
    let failed = local.ended(&failed).await;
    assert!(failed.failure.expect("nobody signs in any more").message.contains("password"));
}

#[tokio::test]
async fn over_ssh_the_deploy_key_signs_in_once_the_remote_knows_it() {
    let server = Server::start().await;
    let local = server.local();
    let repo = repo();
    let remote = GitSsh::start(server.slot(), "ssh-ed25519 AAAA nobody").await;
    let asked = stack(remote.url(&repo), "new", None);
    let answer = local.post("/api/v1/stacks/push", &asked).await;
    Client::expect_error(&answer, ErrorKind::Conflict, &["shop", "deploy key"]);
    let project: Project = local.read("/api/v1/projects/shop").await;
    let key = project.deploy_key.expect("it was made");
    assert!(answer.error().hint.unwrap().contains(&key));
    let answer = local.post("/api/v1/stacks/push", &asked).await;
    Client::expect_error(&answer, ErrorKind::Invalid, &["ssh key"]);
    remote.allow(&key);
    local.post("/api/v1/stacks/push", &asked).await.ok();
    assert!(repo.git(&["show", "new:boathouse.yaml"]).contains("package: static"));
    let release = local.deploy("shop").await;
    let release = local.ended(&release).await;
    local.must_be_live(release).await;
}

#[tokio::test]
async fn what_cannot_be_pushed_says_why() {
    let desk = Desk::open();
    let local = desk.local();
    let repo = repo();
    let remote = GitHttp::serve_with_password(&repo, "ada", TOKEN);
    let has_it = local.post("/api/v1/stacks/push", &stack(remote.url(), "main", login(TOKEN))).await;
    Client::expect_error(&has_it, ErrorKind::Conflict, &["has that branch already"]);
    assert_eq!(repo.git(&["show", "main:README.md"]), "other code", "nothing there was touched");
    for (url, of, words) in [
        ("https://ada:t0ken@example.com/x.git".to_owned(), None, "holds a password"),
        (repo.url(), None, "https or ssh"),
        ("git@example.com:a/b.git".to_owned(), login(TOKEN), "deploy key"),
        ("https://example.com/x.git".to_owned(), login("a\nb"), "one line"),
    ] {
        let answer = local.post("/api/v1/stacks/push", &stack(url, "x", of)).await;
        Client::expect_error(&answer, ErrorKind::Invalid, &[words]);
        assert!(!answer.text().contains("t0ken"), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_a_push_the_same_request_comes_to_the_same_end() {
    for point in POINTS.iter().filter(|point| point.starts_with("push.")) {
        let (repo, folder) = (repo(), tempfile::tempdir().unwrap());
        let remote = GitHttp::serve_with_password(&repo, "ada", TOKEN);
        let fault = folder.path().join("fault");
        let mut server = Server::options().flag("--fault", fault.display()).start().await;
        let asked = stack(remote.url(), "new", login(TOKEN));
        let body = Some(("application/json", serde_json::to_vec(&asked).unwrap()));
        std::fs::write(&fault, point).unwrap();
        drop(server.local().try_send(Method::POST, "/api/v1/stacks/push", body).await);
        wait_for(seconds(60), &format!("the process dies at {point}"), || std::future::ready(server.ended())).await;
        std::fs::remove_file(&fault).unwrap();
        server.kill();
        server.start_again().await;
        let local = server.local();
        let waiting: Project = local.read("/api/v1/projects/shop").await;
        assert_eq!(waiting.deployments[0].live, None, "{point}: the project waits for its code");
        local.post("/api/v1/stacks/push", &asked).await.ok();
        assert_eq!(repo.git(&["rev-list", "--count", "new"]), "1", "{point}: one commit, whoever made it");
        assert!(repo.git(&["show", "new:boathouse.yaml"]).contains("package: static"));
        let release = local.deploy("shop").await;
        let release = local.ended(&release).await;
        local.must_be_live(release).await;
        assert!(!server.log().contains(TOKEN));
    }
}
