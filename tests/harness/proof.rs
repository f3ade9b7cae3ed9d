//! The harness itself works: a story that fails should speak about the product.

use std::process::Command;

use super::{Engine, GitHttp, GitRepo, GitSsh, Slot, app, tar_gz};

fn clone(url: &str, key: Option<&std::path::Path>) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let mut git = Command::new("git");
    git.args(["clone", "--quiet", url]).arg(folder.path().join("clone")).env("GIT_TERMINAL_PROMPT", "0");
    if let Some(key) = key {
        let options = "-o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null";
        git.env("GIT_SSH_COMMAND", format!("ssh -q {options} -i {}", key.display()));
    }
    let output = git.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(std::fs::read_to_string(folder.path().join("clone/hello")).unwrap())
}

fn repo() -> GitRepo {
    GitRepo::new(&[("hello".to_owned(), b"from git".to_vec())])
}

#[test]
fn a_repository_is_cloned_over_http_with_and_without_password() {
    let repo = repo();
    assert_eq!(clone(&GitHttp::serve(&repo).url(), None).unwrap(), "from git");
    let guarded = GitHttp::serve_with_password(&repo, "ada", "secret");
    assert!(clone(&guarded.url(), None).is_err());
    assert_eq!(clone(&guarded.url().replace("http://", "http://ada:secret@"), None).unwrap(), "from git");
}

#[tokio::test]
async fn a_repository_is_cloned_over_ssh_by_whoever_has_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    assert!(
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap().success()
    );
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let (slot, repo) = (Slot::lease(), repo());
    let ssh = GitSsh::start(&slot, &public).await;
    assert_eq!(clone(&ssh.url(&repo), Some(&key)).unwrap_or_else(|e| panic!("{e}\n{}", ssh.log())), "from git");
    ssh.allow("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA nobody");
    assert!(clone(&ssh.url(&repo), Some(&key)).is_err());
}

#[test]
fn slots_do_not_overlap() {
    let (a, b) = (Slot::lease(), Slot::lease());
    assert_ne!(a.address(0), b.address(0));
    assert_ne!(a.network_pool(), b.network_pool());
}

#[test]
fn the_app_is_packed_with_its_binary() {
    assert!(app("v1").archive().len() > 100_000);
    assert!(app("v1").slow_start(5).dockerfile().contains(r#""--start-after","5""#));
    assert!(!tar_gz(&[("a", "b")]).is_empty());
}

#[tokio::test]
async fn the_engine_builds_the_app_and_takes_a_foreign_image() {
    let (engine, slot) = (Engine::connect().await, Slot::lease());
    let name = |kind: &str| format!("boathouse-test-{kind}-{}:latest", slot.address(2).port());
    let built = engine.build_image(&name("built"), &app("v1")).await;
    assert!(built.starts_with("sha256:"));
    engine.load_foreign_image(&name("foreign"), "arm64").await;
    let foreign = engine.docker.inspect_image(&name("foreign")).await.unwrap();
    assert_eq!(foreign.architecture.as_deref(), Some("arm64"));
    engine.remove_images(&[name("built"), name("foreign")]).await;
}
