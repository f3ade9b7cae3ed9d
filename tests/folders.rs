//! Folders of the host that deployments follow: what changes there is deployed, also what changed while no server ran.

use std::path::{Path, PathBuf};

use boathouse_types::*;
use serde_json::json;

use crate::harness::{Client, Server, at, seconds, tar_gz, upload, wait_for};

const SITE: &str = "components:\n  - {identifier: web, static: .}\n";
const HOST: &str = "shop.localhost";
const DEVELOPED: &str = "web-dev-shop.localhost";

/// A folder below one that may be followed.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("shop")).unwrap();
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn shop(&self) -> PathBuf {
        self.root().join("shop")
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.shop().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn site(&self, text: &str) {
        self.write("boathouse.yaml", SITE);
        self.write("web/index.html", text);
    }
}

/// Before its first release a host has no certificate, so that a visit fails.
async fn serves(server: &Server, host: &str, path: &str, text: &str) {
    let visitor = server.visitor().await;
    wait_for(seconds(60), &format!("{host}{path} is {text}"), || async {
        let answer = visitor.get(server.url(host, path)).send().await.ok()?;
        (answer.text().await.ok()? == text).then_some(())
    })
    .await;
}

async fn folder(local: &Client, deployment: &str) -> Option<WatchedFolder> {
    local.read(&format!("{}/folder", at("shop", deployment))).await
}

async fn releases(local: &Client, deployment: &str) -> Vec<Release> {
    local.read(&format!("{}/releases", at("shop", deployment))).await
}

/// Nothing of it is on its way, and it was looked at since.
async fn rests(local: &Client, since: i64) {
    wait_for(seconds(60), "it rests", || async {
        let looked = folder(local, "production").await?.looked_at?;
        let ended = releases(local, "production").await.iter().all(|release| release.finished_at.is_some());
        (looked > since && ended).then_some(())
    })
    .await;
}

async fn dies(server: &mut Server, fault: &Path) {
    wait_for(seconds(60), "the process dies", || std::future::ready(server.ended())).await;
    std::fs::remove_file(fault).unwrap();
    server.kill();
}

async fn watch(server: &Server, deployment: &str, path: &Path) {
    server.cli(&["folder", "watch", path.to_str().unwrap(), "-p", "shop", "-d", deployment]).await.ok();
}

#[tokio::test]
async fn what_changes_makes_a_release_also_what_changed_while_no_server_ran() {
    let home = Home::new();
    home.site("one");
    home.write(".gitignore", "node_modules\n");
    home.write("node_modules/x", "x");
    let mut server = Server::options().flag("--folders", home.root().display()).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    assert_eq!(folder(&local, "production").await, None);
    watch(&server, "production", &home.shop()).await;
    serves(&server, HOST, "/", "one").await;
    let release = releases(&local, "production").await.remove(0);
    assert_eq!((&release.trigger, release.actor.as_str()), (&Trigger::Folder, "folder watch"));

    home.write("web/index.html", "two");
    // What is saved in one go makes one release, however long that takes.
    (0..1000).for_each(|number| home.write(&format!("web/{number}.txt"), "x"));
    home.write("web/more.html", "more");
    serves(&server, HOST, "/", "two").await;
    serves(&server, HOST, "/more.html", "more").await;
    rests(&local, 0).await;
    // What is ignored is not looked at, and what is saved as it was is nothing new.
    home.write("node_modules/x", "y");
    let before = folder(&local, "production").await.unwrap().looked_at.unwrap();
    home.write("web/index.html", "two");
    rests(&local, before).await;
    assert_eq!(releases(&local, "production").await.len(), 2);
    assert_eq!(folder(&local, "production").await.unwrap().release, Some(2));

    // Stopped by somebody, it stays stopped; started again, it is like the folder.
    server.cli(&["stop", "-p", "shop"]).await.ok();
    home.write("web/index.html", "three");
    server.kill();
    home.write("web/index.html", "four");
    server.start_again().await;
    assert_eq!(local.read::<Deployment>(&at("shop", "production")).await.intent, Intent::Stopped);
    server.cli(&["start", "-p", "shop"]).await.ok();
    serves(&server, HOST, "/", "four").await;
    rests(&local, 0).await;
    assert_eq!(releases(&local, "production").await.len(), 3, "only the last state");
    // A process that has just started takes the same for the same.
    server.kill();
    server.start_again().await;
    let started = folder(&local, "production").await.unwrap().looked_at.unwrap();
    rests(&local, started - 1).await;
    assert_eq!(releases(&local, "production").await.len(), 3);

    server.cli(&["folder", "unwatch", "-p", "shop"]).await.ok();
    let refused = server.cli(&["folder", "unwatch", "-p", "shop"]).await;
    assert!(refused.code == 6 && refused.stderr.contains("boathouse folder watch"), "{refused:?}");
}

#[tokio::test]
async fn a_problem_is_told_with_its_remedy_and_ends_by_itself() {
    let (home, elsewhere) = (Home::new(), tempfile::tempdir().unwrap());
    home.site("one");
    let server = Server::options().flag("--folders", home.root().display()).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let path = format!("{}/folder", at("shop", "production"));
    std::os::unix::fs::symlink(elsewhere.path(), home.root().join("link")).unwrap();
    for (named, words) in [
        (elsewhere.path().to_owned(), "not below a folder that may be followed"),
        (home.root().join("link"), "not below a folder that may be followed"),
        (home.root().join("../etc"), "not a folder of the server"),
        (PathBuf::from("shop"), "not an absolute path"),
        (home.shop().join("boathouse.yaml"), "not a folder of the server"),
    ] {
        let error = local.put(&path, &json!({ "path": named })).await.error();
        assert!(error.message.contains(words) && error.hint.is_some(), "{error:?}");
    }
    watch(&server, "production", &home.shop()).await;
    serves(&server, HOST, "/", "one").await;

    let problem = async |words: &str| {
        wait_for(seconds(60), &format!("it says {words}"), || async {
            let problem = folder(&local, "production").await?.problem.unwrap_or_default();
            problem.contains(words).then_some(problem)
        })
        .await
    };
    std::fs::rename(home.shop(), home.root().join("moved")).unwrap();
    assert!(problem("is gone").await.contains("Put it there again"));
    let shown = server.cli(&["folder", "show", "-p", "shop"]).await.ok();
    assert!(shown.stdout.contains("is gone"), "{}", shown.stdout);
    // A link in its place is not followed.
    std::os::unix::fs::symlink(elsewhere.path(), home.shop()).unwrap();
    problem("a link leads to").await;
    std::fs::remove_file(home.shop()).unwrap();
    problem("is gone").await;
    std::fs::rename(home.root().join("moved"), home.shop()).unwrap();
    home.write("web/index.html", "two");
    serves(&server, HOST, "/", "two").await;
    wait_for(seconds(30), "it ends", || async { folder(&local, "production").await?.problem.is_none().then_some(()) })
        .await;
    let events: Vec<Event> = local.read("/api/v1/events?project=shop").await;
    assert!(events.iter().any(|event| event.kind == "folder.problem" && event.message.contains("is gone")));
}

#[tokio::test]
async fn without_folders_none_may_be_followed() {
    let home = Home::new();
    let server = Server::start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    let refused = server.cli(&["folder", "watch", home.shop().to_str().unwrap(), "-p", "shop"]).await;
    assert!(refused.code == 7 && refused.stderr.contains("--folders"), "{refused:?}");
}

#[tokio::test]
async fn in_development_files_arrive_in_the_code_also_after_a_crash() {
    let home = Home::new();
    home.write("boathouse.yaml", "components:\n  - identifier: web\n    folder: /\n    port: 8080\n");
    home.write(
        "Dockerfile.dev",
        "FROM python:3.11-slim\nWORKDIR /app\nCMD [\"python3\", \"-m\", \"http.server\", \"8080\"]\n",
    );
    home.write("a.txt", "one");
    home.write("sub/b.txt", "b");
    home.write("c.txt", "c");
    let fault = home.root().join("fault");
    let options = Server::options().flag("--folders", home.root().display()).flag("--fault", fault.display());
    let mut server = options.start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    local.post("/api/v1/projects/shop/deployments", &json!({ "name": "dev", "stage": "development" })).await.ok();
    std::fs::write(&fault, "folder.requested").unwrap();
    watch(&server, "dev", &home.shop()).await;
    dies(&mut server, &fault).await;
    server.start_again().await;
    serves(&server, DEVELOPED, "/a.txt", "one").await;
    home.write("a.txt", "two");
    serves(&server, DEVELOPED, "/a.txt", "two").await;

    std::fs::create_dir_all(home.shop().join("empty/er")).unwrap();
    wait_for(seconds(60), "the empty folder is there", || async {
        (server.visit(DEVELOPED, "/empty/er/").await.status == 200).then_some(())
    })
    .await;

    std::fs::write(&fault, "folder.arrived").unwrap();
    std::fs::remove_dir_all(home.shop().join("sub")).unwrap();
    std::fs::remove_file(home.shop().join("c.txt")).unwrap();
    home.write("sub", "a file now");
    dies(&mut server, &fault).await;
    home.write("a.txt", "three");
    server.start_again().await;
    serves(&server, DEVELOPED, "/a.txt", "three").await;
    serves(&server, DEVELOPED, "/sub", "a file now").await;
    for gone in ["/sub/b.txt", "/c.txt"] {
        assert_eq!(server.visit(DEVELOPED, gone).await.status, 404, "{gone}");
    }
    assert_eq!(releases(&local, "dev").await.len(), 1, "one release, the rest went into the code");
}

/// Whoever may not administer names no folder, and what was uploaded by hand stays until the folder changes.
#[tokio::test]
async fn what_is_deployed_by_hand_stays_until_the_folder_changes() {
    let home = Home::new();
    home.site("folder");
    let server = Server::options().flag("--folders", home.root().display()).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    watch(&server, "production", &home.shop()).await;
    serves(&server, HOST, "/", "folder").await;
    rests(&local, 0).await;
    let file = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    let archive = tar_gz(&[file("boathouse.yaml", SITE), file("web/index.html", "hand")]);
    local.must_be_live(local.release_archive("shop", archive).await).await;
    serves(&server, HOST, "/", "hand").await;
    home.write("web/index.html", "folder again");
    serves(&server, HOST, "/", "folder again").await;
    assert_eq!(releases(&local, "production").await.len(), 3);
}

#[tokio::test]
async fn what_no_image_has_makes_no_release() {
    let home = Home::new();
    home.write("boathouse.yaml", "components:\n  - identifier: web\n    folder: /\n    port: 8080\n");
    let start = "CMD [\"python3\", \"-m\", \"http.server\", \"8080\"]";
    home.write("Dockerfile", format!("FROM python:3.11-slim\nWORKDIR /app\nCOPY . .\n{start}\n"));
    home.write(".dockerignore", "*.md\n");
    home.write("a.txt", "one");
    let server = Server::options().flag("--folders", home.root().display()).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    watch(&server, "production", &home.shop()).await;
    serves(&server, HOST, "/a.txt", "one").await;
    rests(&local, 0).await;

    let before = folder(&local, "production").await.unwrap().looked_at.unwrap();
    home.write("README.md", "one");
    rests(&local, before).await;
    assert_eq!(folder(&local, "production").await.unwrap().unseen, 1);
    let shown = server.cli(&["folder", "show", "-p", "shop"]).await.ok().stdout;
    assert!(shown.contains("1 file changed that .dockerignore leaves out"), "{shown}");
    assert_eq!(releases(&local, "production").await.len(), 1);

    // With something that an image has it goes along.
    home.write("a.txt", "two");
    serves(&server, HOST, "/a.txt", "two").await;
    assert_eq!(server.visit(HOST, "/README.md").await.status, 404);
    rests(&local, 0).await;
    assert_eq!(folder(&local, "production").await.unwrap().unseen, 0);
    assert_eq!(releases(&local, "production").await.len(), 2);
}

#[tokio::test]
async fn more_folders_than_the_kernel_watches_are_told_with_the_remedy() {
    let home = Home::new();
    home.site("one");
    (0..30).for_each(|number| std::fs::create_dir_all(home.shop().join(format!("many/{number}"))).unwrap());
    let server = Server::options().flag("--folders", home.root().display()).watches(20).start().await;
    let local = server.local();
    local.create_project("shop", &upload()).await;
    watch(&server, "production", &home.shop()).await;
    let problem = wait_for(seconds(30), "it is told", || async { folder(&local, "production").await?.problem }).await;
    for word in ["cannot be watched", "limit of watches", ".boathouseignore", "fs.inotify.max_user_watches"] {
        assert!(problem.contains(word), "{word}: {problem}");
    }
    assert_eq!(releases(&local, "production").await.len(), 0, "what cannot be followed is not deployed");
    home.write(".boathouseignore", "many\n");
    serves(&server, HOST, "/", "one").await;
    rests(&local, 0).await;
    assert_eq!(folder(&local, "production").await.unwrap().problem, None);
}
